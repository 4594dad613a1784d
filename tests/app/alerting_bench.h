// The evaluation of rules as the program runs it, on a fake clock: a primary and one standby, and
// what they say in each step.
#pragma once

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "app/alerting.h"
#include "app/api.h"
#include "base/diagnostics.h"
#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/resolver.h"
#include "tests/support/world_builder.h"

namespace keelwatch::app {

using namespace std::chrono_literals;
using namespace keelwatch::testing;

// Read by the threads of notifier and state too.
class StepClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override { return kNow + Duration(passed_.load()); }
  [[nodiscard]] SteadyTime steady() const override {
    return SteadyTime{1h} + Duration(passed_.load());
  }
  void advance(Duration by) { passed_ += by.count(); }

 private:
  std::atomic<Duration::rep> passed_ = 0;
};

inline std::shared_ptr<const RulesInForce> rules_of(const std::string& yaml,
                                                    std::set<std::string> disabled = {}) {
  Diagnostics problems(SourceFile("rules.yaml", yaml));
  std::optional<rules::RuleFile> file = rules::parse_rule_file(problems);
  INFO(problems.text());
  REQUIRE(file);
  auto rules = std::make_shared<RulesInForce>();
  rules->groups = file->groups;
  rules->disabled = std::move(disabled);
  return rules;
}

constexpr const char* kReceiverOut = R"(groups:
  - name: g
    interval: 5s
    rules:
      - alert: ReceiverOut
        expr: keelwatch_replication_wal_receiver_up == 0
        for: 10s
        labels: {severity: warning}
)";

inline model::SourceReport report_of(std::string pod, bool up) {
  model::SourceReport report;
  report.source = "postgres";
  report.target = "default/" + std::move(pod);
  report.up = up;
  report.last_success = kNow;
  if (!up) report.last_error = "no answer";
  return report;
}

inline void post(const std::string& url, std::string body) {
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  HttpRequest request;
  request.url = url;
  request.method = "POST";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::move(body);
  request.deadline = loop.after(10s);
  const auto response = loop.block_on(http.fetch(std::move(request)));
  REQUIRE(response);
  REQUIRE(response->status == 200);
}

// Every question has been asked.
template <typename T>
void ask(model::Instance& instance, Observed<T> model::Instance::* place) {
  Observed<T>& answer = instance.*place;
  if (answer.is_known()) return;
  answer =
      Observed<T>::absent({Absence::kUnknown, Error(ErrorCode::kForbidden, "not allowed"), "test"});
}
inline model::Instance read_through(model::Instance instance) {
  model::Instance::for_each_answer([&](auto place, model::Pace /*pace*/) { ask(instance, place); });
  return instance;
}

enum class Standby { kReceives, kStopped, kSilent, kGone };

// The rules, stepped every five seconds on a primary and one standby.
class Bench {
 public:
  explicit Bench(config::Config config = {}, std::shared_ptr<const RulesInForce> rules = nullptr)
      : config_(std::move(config)), self_({.version = "1", .revision = "r"}, clock_) {
    restart(std::move(rules));
  }

  void restart(std::shared_ptr<const RulesInForce> rules = nullptr) {
    alerting_.reset();
    alerting_ = std::make_unique<Alerting>(clock_, log_, self_, config_,
                                           rules ? std::move(rules) : rules_of(kReceiverOut));
  }

  void run(Standby standby, Duration time) {
    for (Duration done{}; done < time; done += 5s) {
      clock_.advance(5s);
      step(standby);
    }
  }

  // What the API server says of PrometheusRules from now on; nullopt: nothing.
  void set_objects(std::optional<std::string> spec) { objects_ = std::move(spec); }

  void pass(Duration time) { clock_.advance(time); }

  // Steps until Alertmanager's alerts have been looked at. The clock hardly moves meanwhile.
  void run_until_taken_back(Standby standby) {
    const auto patience = std::chrono::steady_clock::now() + 20s;
    while (lines_.find("a keelwatch before us") == std::string::npos) {
      REQUIRE(std::chrono::steady_clock::now() < patience);
      clock_.advance(10ms);
      step(standby);
      std::this_thread::sleep_for(20ms);
    }
  }

  void step(Standby standby) {
    std::vector<model::Instance> instances;
    std::vector<model::Sender> senders;
    if (standby == Standby::kReceives) senders.push_back(sender_row("pg-2", kMiB));
    instances.push_back(answering("pg-1", primary_facts(kMiB), std::move(senders)));
    switch (standby) {
      case Standby::kReceives:
        instances.push_back(answering("pg-2", standby_facts(kMiB), {}, {receiver()}));
        break;
      case Standby::kStopped:
        instances.push_back(answering("pg-2", standby_facts(kMiB)));
        break;
      case Standby::kSilent:
        instances.push_back(silent("pg-2", model::Reachability::kSilent));
        break;
      case Standby::kGone:
        break;
    }
    for (model::Instance& instance : instances) {
      if (instance.server.is_known()) instance = read_through(std::move(instance));
    }
    auto slices =
        testing::slices(std::move(instances), kubernetes_slice({cluster_object(2)}, clock_.wall()));
    auto postgres = std::make_shared<model::PostgresSlice>(*slices.postgres);
    postgres->reports.push_back(report_of("pg-1", true));
    if (standby != Standby::kGone) {
      postgres->reports.push_back(report_of("pg-2", standby != Standby::kSilent));
    }
    slices.postgres = std::move(postgres);
    if (objects_) {
      auto kubernetes = std::make_shared<model::KubernetesSlice>(*slices.kubernetes);
      auto object = std::make_shared<model::PrometheusRule>();
      object->meta.ns = "monitoring";
      object->meta.name = "pg";
      object->spec = *objects_;
      kubernetes->prometheus_rules =
          Observed<model::ObjectList<model::PrometheusRule>>::known({object}, clock_.wall());
      slices.kubernetes = std::move(kubernetes);
    }
    model::Freshness freshness;
    freshness.postgres = freshness.kubernetes = 24h * 365;  // the facts' times stand still
    const auto moment =
        app::step(state_, model::assemble(slices, freshness, clock_.wall()), config_);
    alerting_->step(*moment);
  }

  [[nodiscard]] std::vector<RuleView> rules() const {
    std::vector<RuleView> all;
    for (const GroupView& group : alerting_->view()->groups) {
      all.insert(all.end(), group.rules.begin(), group.rules.end());
    }
    return all;
  }
  // Whether Alertmanagers are told that it fires, within ten seconds.
  [[nodiscard]] bool is_told(const std::string& alertname) const {
    const auto patience = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < patience) {
      const auto delivery = alerting_->delivery();
      for (std::size_t i = 0; delivery && i < delivery->alerts.size(); ++i) {
        if (delivery->alerts[i].labels.get("alertname") == alertname) return true;
      }
      std::this_thread::sleep_for(20ms);
    }
    return false;
  }

  // "ReceiverOut firing held", one per alert.
  [[nodiscard]] std::string alerts() const {
    std::string text;
    for (const RuleView& rule : rules()) {
      for (const rules::Alert& alert : rule.alerts) {
        if (!text.empty()) text += ", ";
        text += rule.name + " " + std::string(to_string(alert.state)) +
                (alert.held.empty() ? "" : " held");
      }
    }
    return text;
  }
  [[nodiscard]] std::string held() const {
    for (const RuleView& rule : rules()) {
      for (const rules::Alert& alert : rule.alerts) return alert.held;
    }
    return "";
  }
  [[nodiscard]] std::string query(const std::string& expr) const {
    http::Request request;
    request.query = {{"query", expr}};
    return *serve_query(alerting_->store(), clock_, request, {}).body;
  }
  [[nodiscard]] Alerting& alerting() { return *alerting_; }
  [[nodiscard]] config::Config& config() { return config_; }

 private:
  StepClock clock_;
  std::optional<std::string> objects_;
  config::Config config_;
  std::string lines_;  // of the log
  Logger log_{LogLevel::kInfo, LogFormat::kLogfmt,
              [this](std::string_view line) { lines_.append(line).append("\n"); }};
  metrics::SelfMetrics self_;
  State state_;
  std::unique_ptr<Alerting> alerting_;
};

}  // namespace keelwatch::app
