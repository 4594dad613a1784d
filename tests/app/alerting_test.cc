#include "app/alerting.h"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "app/api.h"
#include "base/diagnostics.h"
#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/resolver.h"
#include "tests/support/alertmanager_server.h"
#include "tests/support/world_builder.h"

namespace keelwatch::app {
namespace {

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

std::shared_ptr<const RulesInForce> rules_of(const std::string& yaml,
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

model::SourceReport report_of(std::string pod, bool up) {
  model::SourceReport report;
  report.source = "postgres";
  report.target = "default/" + std::move(pod);
  report.up = up;
  report.last_success = kNow;
  if (!up) report.last_error = "no answer";
  return report;
}

void post(const std::string& url, std::string body) {
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
model::Instance read_through(model::Instance instance) {
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

}  // namespace

TEST_CASE("an alert waits, fires and resolves on what is seen", "[app][alerting]") {
  Bench bench;
  bench.run(Standby::kReceives, 10min);
  CHECK(bench.alerts().empty());
  bench.run(Standby::kStopped, 5s);
  CHECK(bench.alerts() == "ReceiverOut pending");
  bench.run(Standby::kStopped, 15s);
  CHECK(bench.alerts() == "ReceiverOut firing");
  bench.run(Standby::kReceives, 5s);
  CHECK(bench.alerts().empty());
}

TEST_CASE("an alert whose source fell silent is held until somebody knows", "[app][alerting]") {
  Bench bench;
  bench.run(Standby::kReceives, 10min);
  bench.run(Standby::kStopped, 20s);
  bench.run(Standby::kSilent, 30min);
  CHECK(bench.alerts() == "ReceiverOut firing held");
  CHECK(bench.held().find("silent since") != std::string::npos);
  SECTION("it still stands") {
    bench.run(Standby::kStopped, 5s);
    CHECK(bench.alerts() == "ReceiverOut firing");
  }
  SECTION("it is well again") {
    bench.run(Standby::kReceives, 5s);
    CHECK(bench.alerts().empty());
  }
  SECTION("it is no more") {
    bench.run(Standby::kGone, 30s);  // another set of targets settles first
    CHECK(bench.alerts().empty());
  }
}

TEST_CASE("alerts come back from the state file, and resolve when somebody has looked",
          "[app][alerting]") {
  config::Config config;
  const std::string file = "/tmp/keelwatch-alerting-test-" + std::to_string(getpid()) + ".db";
  config.alerts.state_file = file;
  Bench bench(config);
  bench.run(Standby::kReceives, 10min);
  bench.run(Standby::kStopped, 20s);
  REQUIRE(bench.alerts() == "ReceiverOut firing");
  bench.restart();
  bench.run(Standby::kSilent, 10s);
  CHECK(bench.alerts() == "ReceiverOut firing held");
  CHECK_THAT(bench.held(), Catch::StartsWith("postgres default/pg-2 silent since "));
  bench.run(Standby::kReceives, 5s);
  CHECK_THAT(bench.held(), Catch::StartsWith("not confirmed since "));  // targets may be added yet
  bench.run(Standby::kReceives, 15s);
  CHECK(bench.alerts().empty());
  std::remove(file.c_str());
}

TEST_CASE("without a state file, what fires at Alertmanager is taken back", "[app][alerting]") {
  testing::AlertmanagerServer am("route:\n  receiver: 'null'\nreceivers:\n- name: 'null'\n");
  const std::string ours = R"("evaluator":"keelwatch","severity":"warning","site":"home")";
  post(am.url() + "/api/v2/alerts", R"([{"labels":{"alertname":"Unknown",)" + ours +
                                        R"(}},{"labels":{"alertname":"ReceiverOut",)" + ours +
                                        R"(,"namespace":"default","cluster":"pg","pod":"pg-2"}}])");
  config::Config config;
  config.alerts.external_labels = {{"site", "home"}};
  config.alerts.alertmanagers = {{.url = "http://127.0.0.1:1"}, {.url = am.url()}};
  SECTION("of a namespace that is watched") {
    Bench bench(config);
    bench.run_until_taken_back(Standby::kStopped);
    CHECK(bench.alerts() == "ReceiverOut firing");  // it does not wait once more
    bench.run(Standby::kSilent, 1min);
    CHECK(bench.alerts() == "ReceiverOut firing held");
    bench.run(Standby::kReceives, 11min);
    CHECK(bench.alerts().empty());
  }
  SECTION("of another's namespace it stays there") {
    config.kubernetes.namespaces = {"other"};
    Bench bench(config);
    bench.run_until_taken_back(Standby::kReceives);
    CHECK(bench.alerts().empty());
  }
}

TEST_CASE("a rule that is disabled by a reload ends its alerts at once", "[app][alerting]") {
  Bench bench;
  bench.run(Standby::kReceives, 10min);
  bench.run(Standby::kStopped, 20s);
  REQUIRE(bench.alerts() == "ReceiverOut firing");
  bench.alerting().set_config(bench.config(), rules_of(kReceiverOut));
  bench.run(Standby::kStopped, 5s);
  CHECK(bench.alerts() == "ReceiverOut firing");
  bench.config().alerts.external_labels = {{"site", "a"}};
  bench.alerting().set_config(bench.config(), rules_of(kReceiverOut));
  bench.run(Standby::kStopped, 5s);
  CHECK(bench.alerts() == "ReceiverOut firing");
  bench.alerting().set_config(bench.config(), rules_of(kReceiverOut, {"ReceiverOut"}));
  bench.run(Standby::kStopped, 5s);
  CHECK(bench.alerts().empty());
}

TEST_CASE("what was evaluated long ago is not shown", "[app][alerting]") {
  Bench bench;
  CHECK_FALSE(bench.alerting().overdue());
  bench.pass(16s);  // three slots and a little, without a step
  CHECK(bench.alerting().overdue());
  CHECK(serve_rules(bench.alerting().view().get(), {}).status == 503);
  bench.run(Standby::kReceives, 5s);
  CHECK_FALSE(bench.alerting().overdue());
  CHECK(serve_rules(bench.alerting().view().get(), {}).status == 200);
  bench.pass(16s);
  CHECK(bench.alerting().overdue());
  CHECK(serve_alerts(bench.alerting().view().get()).status == 503);
}

TEST_CASE(
    "rules of objects are evaluated, and keep their alerts over a restart before they are known",
    "[app][alerting]") {
  const std::string spec =
      R"({"groups":[{"name":"g","interval":"5s","rules":[{"alert":"FromObject",)"
      R"("expr":"keelwatch_replication_wal_receiver_up == 0"}]}]})";
  config::Config config;
  const std::string file = "/tmp/keelwatch-objects-test-" + std::to_string(getpid()) + ".db";
  std::remove(file.c_str());
  config.alerts.state_file = file;
  config.kubernetes.prometheus_rules = true;
  const auto no_rules = std::make_shared<const RulesInForce>();
  Bench bench(config, no_rules);
  bench.set_objects(spec);
  bench.run(Standby::kStopped, 20s);
  REQUIRE(bench.alerts() == "FromObject firing");
  bench.set_objects(std::nullopt);
  bench.restart(no_rules);
  bench.run(Standby::kStopped, 1min);
  CHECK(bench.alerts().empty());
  bench.restart(no_rules);  // and over another one
  bench.run(Standby::kSilent, 1min);
  bench.set_objects(spec);
  bench.run(Standby::kSilent, 10s);
  CHECK(bench.alerts() == "FromObject firing held");

  // A bad version changes nothing but what is said of it.
  bench.set_objects(R"({"groups":[{"name":"g","rules":[{"alert":"FromObject","expr":"x +"}]}]})");
  bench.run(Standby::kStopped, 10s);
  CHECK(bench.alerts() == "FromObject firing");
  CHECK(bench.query("keelwatch_rules_last_load_successful{origin='objects'}").find("\"0\"]") !=
        std::string::npos);
  const std::string listed = *serve_rules(bench.alerting().view().get(), {}).body;
  CHECK_THAT(listed, Catch::Contains("\"warnings\":[\"PrometheusRule monitoring/pg: group g: alert "
                                     "FromObject: expr: "));
  bench.set_objects(R"({"groups":[]})");
  bench.run(Standby::kStopped, 10s);
  CHECK(bench.alerts().empty());
  CHECK(bench.query("keelwatch_rules_last_load_successful{origin='objects'}").find("\"1\"]") !=
        std::string::npos);
  std::remove(file.c_str());
}

TEST_CASE("rules that fail, slots and the store are counted", "[app][alerting]") {
  Bench bench({}, rules_of(R"(groups:
  - name: g
    interval: 5s
    rules:
      - alert: Fails
        expr: up / on () up > 0
      - record: fine
        expr: vector(1)
)"));
  bench.run(Standby::kReceives, 1min);
  const auto value = [&](const std::string& expr) {
    const std::string answer = bench.query(expr);
    const std::size_t at = answer.find(",\"");
    const std::size_t from = answer.find(",\"", answer.find("\"value\":[")) + 2;
    return at == std::string::npos || answer.find("\"value\":[") == std::string::npos
               ? "none"
               : answer.substr(from, answer.find('"', from) - from);
  };
  CHECK(value("keelwatch_rule_failing{rule='Fails',rule_group='rules.yaml;g'}") == "1");
  CHECK(value("keelwatch_rule_failing{rule='fine'}") == "none");
  CHECK(value("prometheus_rule_evaluation_failures_total > 5") != "none");
  CHECK(value("prometheus_rule_group_iterations_missed_total") == "0");
  CHECK(value("prometheus_rule_group_rules") == "2");
  CHECK(value("time() - prometheus_rule_group_last_evaluation_timestamp_seconds <= 10") != "none");
  CHECK(value("keelwatch_store_series > 10") != "none");
  CHECK(value("keelwatch_store_refused_series_total") == "0");
  CHECK(value("keelwatch_rules_last_load_successful{origin='files'}") == "1");
  bench.pass(30s);
  bench.run(Standby::kReceives, 20s);
  CHECK(value("prometheus_rule_group_iterations_missed_total") != "0");
}

TEST_CASE("rules are listed as Prometheus lists them, with their last evaluations",
          "[app][alerting]") {
  Bench bench({}, rules_of(R"(groups:
  - name: g
    interval: 5s
    limit: 7
    rules:
      - record: r:up
        expr: count(up)
        labels: {a: b}
      - alert: ReceiverOut
        expr: keelwatch_replication_wal_receiver_up == 0
        for: 10s
        keep_firing_for: 1m
        labels: {severity: warning}
        annotations: {summary: '{{ $labels.pod }}'}
      - alert: Fails
        expr: up / on () up > 0
)"));
  bench.run(Standby::kStopped, 3min);
  const auto list = [&](std::vector<std::pair<std::string, std::string>> query) {
    http::Request request;
    request.query = std::move(query);
    return *serve_rules(bench.alerting().view().get(), request).body;
  };
  const std::string all = list({});
  CHECK_THAT(all, Catch::Contains(R"x({"name":"g","file":"rules.yaml","rules":[{"name":"r:up",)x"
                                  R"x("query":"count(up)","labels":{"a":"b"},"health":"ok",)x"));
  CHECK_THAT(all,
             Catch::Contains(R"("type":"recording"},{"state":"firing","name":"ReceiverOut",)"));
  CHECK_THAT(all, Catch::Contains(R"("duration":10,"keepFiringFor":60,"labels":{"severity":)"
                                  R"("warning"},"annotations":{"summary":"{{ $labels.pod }}"},)"
                                  R"("alerts":[{"labels":{)"));
  CHECK_THAT(all, Catch::Contains(R"("health":"err","lastError":")"));
  CHECK_THAT(all, Catch::Contains(R"("interval":5,"limit":7,"evaluationTime":)"));
  CHECK(list({{"type", "record"}}).find("ReceiverOut") == std::string::npos);
  CHECK(list({{"type", "alert"}}).find("r:up") == std::string::npos);
  CHECK(list({{"rule_name[]", "Fails"}}).find("ReceiverOut") == std::string::npos);
  CHECK(list({{"file[]", "other"}}) == R"({"status":"success","data":{"groups":[]}})");
  CHECK(list({{"exclude_alerts", "true"}}).find(R"("alerts":[],)") != std::string::npos);
  CHECK(list({{"type", "x"}}).find("bad_data") != std::string::npos);

  http::Request request;
  request.query = {{"rule_name[]", "Fails"}};
  const std::string kept = *serve_evaluations(bench.alerting().view().get(), request).body;
  std::size_t count = 0;
  for (std::size_t at = kept.find("\"at\":"); at != std::string::npos;
       at = kept.find("\"at\":", at + 1)) {
    ++count;
  }
  CHECK(count == 20);
  CHECK_THAT(kept, Catch::Contains("\"results\":0,\"betweenSlots\":false,\"error\":\""));
}

TEST_CASE("rules see the sources, our own counters and themselves", "[app][alerting]") {
  Bench bench;
  bench.run(Standby::kStopped, 1min);
  CHECK(bench.query("up{instance=\"default/pg-2\"}").find("\"1\"]") != std::string::npos);
  CHECK(bench.query("keelwatch_build_info").find("\"1\"]") != std::string::npos);
  CHECK(bench.query("ALERTS").find("\"alertstate\":\"firing\"") != std::string::npos);
  CHECK(bench.query("sum(").find("\"errorType\":\"bad_data\"") != std::string::npos);
  bench.run(Standby::kSilent, 5s);
  CHECK(bench.query("up{instance=\"default/pg-2\"}").find("\"0\"]") != std::string::npos);
  CHECK(bench.query("keelwatch_replication_wal_receiver_up").find("\"result\":[]") !=
        std::string::npos);
}

TEST_CASE("the bundled rules load, all of them evaluate, an unknown name is told",
          "[app][alerting]") {
  config::Config config;
  const auto bundled = load_rules(config);
  REQUIRE(bundled);
  Bench bench({}, *bundled);
  bench.run(Standby::kReceives, 2min);
  CHECK(bench.rules().size() > 80);
  for (const RuleView& rule : bench.rules()) {
    INFO(rule.name << ": " << rule.newest()->error);
    CHECK(rule.health == rules::Health::kOk);
  }
  config.rules.disable = {"NoSuchRule"};
  CHECK((*load_rules(config))->warnings == "rules.disable: there is no rule \"NoSuchRule\"\n");
  config.rules.disable = {"KeelwatchStandbyCutOff"};
  CHECK((*load_rules(config))->disabled.size() == 1);
  config.rules = {};
  config.rules.files = {"/nonexistent/*.yaml"};
  CHECK_FALSE(load_rules(config));
}

}  // namespace keelwatch::app
