// The pager as a user has it: keelwatch before a real Alertmanager, killed, doubled and blinded
// while alerts wait, fire and end. What counts is what arrives at the webhook.
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/time_text.h"
#include "tests/e2e/system.h"
#include "tests/support/alertmanager_server.h"
#include "tests/support/keelwatch_process.h"
#include "tests/support/raw_http.h"
#include "tests/support/scripted_server.h"
#include "tests/support/spawn.h"
#include "tests/support/webhook.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

using std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr const char* kRules = R"(groups:
  - name: test
    interval: 1s
    rules:
      - alert: StandbyDown
        expr: max by (pod) (keelwatch_instance_up{pod="pg-2"}) == 0
        for: 3s
        labels: {severity: critical}
      - alert: InstanceMissing
        expr: max(keelwatch_cluster_instances_ready) < 3
        labels: {severity: critical}
      - alert: Always
        expr: vector(1)
        labels: {severity: warning}
)";

bool comes(Duration limit, const std::function<bool()>& is_so) {
  const auto give_up = steady_clock::now() + limit;
  while (!is_so()) {
    if (steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

// A system, an Alertmanager with its webhook, and as many keelwatch as a test wants.
struct Pager {
  System system;
  Folder folder;
  Webhook webhook;
  AlertmanagerServer alertmanager{
      "route:\n  receiver: phone\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n"
      "  repeat_interval: 4h\nreceivers:\n- name: phone\n  webhook_configs:\n  - url: " +
      webhook.url() + "\n    send_resolved: true\n"};

  Pager() { std::ofstream(folder.path + "/rules.yaml") << kRules; }

  // `name`: of its state file.
  [[nodiscard]] std::string config(const std::string& name) const {
    return system.config(folder.path) + "  slow_interval: 1s\n  databases_interval: 1s\n" +
           "rules: {files: [" + folder.path + "/rules.yaml]}\n" +
           "alerts:\n  alertmanagers: [{url: \"" + alertmanager.url() +
           "\"}]\n  state_file: " + folder.path + "/" + name + ".db\n";
  }
  [[nodiscard]] bool heard(const std::string& what, int times) const {
    return webhook.times(what) == times;
  }
};

// Since when an alert that waits or fires has been active; nothing while there is none.
std::optional<WallTime> active_since(const KeelwatchProcess& keelwatch, std::string_view name) {
  std::optional<WallTime> since;
  const RawResponse answer = keelwatch.get("/api/v1/alerts");
  if (answer.status != 200) return since;  // nothing has been evaluated yet
  JsonReader reader;
  reader.parse(answer.body)["data"]["alerts"].for_each([&](JsonValue alert) {
    if (alert["labels"]["alertname"].string() != name) return;
    const auto time = parse_rfc3339(alert["activeAt"].string().value_or(""));
    REQUIRE(time);
    since = *time;
  });
  return since;
}

// Kills at moments that differ from run to run, and each time from the one before.
class Killer {
 public:
  void kill_within(KeelwatchProcess& keelwatch, std::chrono::milliseconds span) {
    pause(span);
    keelwatch.kill_and_restart();
    ++kills_;
  }
  // The same while an alert waits: what it has waited counts, the time without keelwatch does not.
  void kill_waiting(KeelwatchProcess& keelwatch, std::string_view name,
                    std::chrono::milliseconds span) {
    pause(span);
    const std::optional<WallTime> before = active_since(keelwatch, name);
    const auto killed = steady_clock::now();
    keelwatch.kill_and_restart();
    ++kills_;
    if (!before) return;  // it was not seen yet
    std::optional<WallTime> after;
    REQUIRE(comes(10s, [&] { return (after = active_since(keelwatch, name)).has_value(); }));
    CHECK(*after >= *before);
    CHECK(*after - *before <= steady_clock::now() - killed);
    ++waiting_;
  }
  [[nodiscard]] int waiting() const { return waiting_; }
  [[nodiscard]] int kills() const { return kills_; }

 private:
  void pause(std::chrono::milliseconds span) {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(engine_() % static_cast<unsigned>(span.count())));
  }

  std::mt19937 engine_{std::random_device{}()};
  int kills_ = 0;
  int waiting_ = 0;
};

// Each round kills it while the alert waits, while it fires, and after its end has been told.
void kill_in_rounds(int rounds) {
  Pager pager;
  KeelwatchProcess keelwatch(pager.config("a"));
  REQUIRE(keelwatch.wait_for(state("pg-2", "streaming"), 1, 30s));
  REQUIRE(comes(30s, [&] { return pager.heard("Always firing", 1); }));
  Killer killer;
  Seconds longest{};
  for (int round = 1; round <= rounds; ++round) {
    INFO("round " << round << "\n" << keelwatch.log());
    pager.system.second->kill9();
    const auto broken = steady_clock::now();
    killer.kill_waiting(keelwatch, "StandbyDown", 2500ms);
    REQUIRE(comes(20s, [&] { return pager.heard("StandbyDown firing", round); }));
    const Seconds waited = steady_clock::now() - broken;
    longest = std::max(longest, waited);
    CHECK(waited >= 3s);
    killer.kill_within(keelwatch, 1000ms);
    std::this_thread::sleep_for(500ms);
    CHECK(pager.heard("StandbyDown resolved", round - 1));
    REQUIRE(pager.system.second->wait_stopped(20s));
    pager.system.second->start();
    REQUIRE(comes(60s, [&] { return pager.heard("StandbyDown resolved", round); }));
    killer.kill_within(keelwatch, 1000ms);
    REQUIRE(keelwatch.wait_for(state("pg-2", "streaming"), 1, 30s));
  }
  std::this_thread::sleep_for(3s);
  CHECK(pager.heard("StandbyDown firing", rounds));
  CHECK(pager.heard("StandbyDown resolved", rounds));
  CHECK(pager.heard("Always firing", 1));
  CHECK(pager.heard("Always resolved", 0));
  if (const char* figures = std::getenv("KEELWATCH_FIGURES")) {
    std::ofstream(figures, std::ios::app)
        << killer.kills() << " kills, " << killer.waiting()
        << " of them while it waited: " << rounds << " alerts expected, "
        << pager.webhook.times("StandbyDown firing") << " told, "
        << pager.webhook.times("StandbyDown resolved") << " resolved; the longest for of 3 s took "
        << longest.count() << " s\n";
  }
}

// Debian's Prometheus, which asks a keelwatch every 5 s and evaluates as often.
class PrometheusServer {
 public:
  PrometheusServer(const Folder& folder, const KeelwatchProcess& keelwatch,
                   const AlertmanagerServer& alertmanager) {
    const std::string file = folder.path + "/prometheus.yml";
    std::ofstream(file) << "global: {scrape_interval: 5s, evaluation_interval: 5s}\n"
                        << "rule_files: [" << folder.path << "/at-once.yaml]\n"
                        << "alerting: {alertmanagers: [{static_configs: [{targets: [\""
                        << alertmanager.url().substr(7) << "\"]}]}]}\n"
                        << "scrape_configs: [{job_name: k, static_configs: [{targets: [\"127.0.0.1:"
                        << keelwatch.port() << "\"]}]}]\n";
    pid_ = spawn(
        {"prometheus", "--config.file=" + file, "--storage.tsdb.path=" + folder.path + "/tsdb",
         "--web.listen-address=127.0.0.1:" + std::to_string(unused_port())},
        folder.path + "/prometheus.log");
  }
  ~PrometheusServer() {
    ::kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  PrometheusServer(const PrometheusServer&) = delete;
  PrometheusServer& operator=(const PrometheusServer&) = delete;

 private:
  pid_t pid_ = 0;
};

// Whether an Alertmanager has the alert, and it fires.
bool fires_at(const AlertmanagerServer& alertmanager, const std::string& name) {
  const RawResponse answer = RawHttp({alertmanager.url(), "", ""}).request("GET", "/api/v2/alerts");
  return answer.body.find("\"alertname\":\"" + name + "\"") != std::string::npos;
}

// Milliseconds from `breaks` until each Alertmanager has the alert, `times` times.
struct Delays {
  std::vector<double> ours;
  std::vector<double> theirs;
};
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string cluster_with(int ready) {
  std::string object = kCluster;
  const std::string text = "\"readyInstances\": 3";
  object.replace(object.find(text), text.size(), "\"readyInstances\": " + std::to_string(ready));
  return object;
}

}  // namespace

TEST_CASE("killed while an alert waits, fires and ends, keelwatch tells each of these once",
          "[e2e]") {
  kill_in_rounds(2);
}

TEST_CASE("an alert without for is with Alertmanager at once, and Prometheus' is not",
          "[.][e2e][long:time-to-alert]") {
  Pager pager;
  const AlertmanagerServer theirs("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");
  std::ofstream(pager.folder.path + "/at-once.yaml")
      << "groups: [{name: at-once, rules: [\n"
      << "{alert: StandbyGone, expr: 'keelwatch_instance_up{pod=\"pg-2\"} == 0'},\n"
      << "{alert: FewReady, expr: 'keelwatch_cluster_instances_ready < 3'}]}]\n";
  std::string config = pager.config("a");
  config.replace(config.find("/rules.yaml"), 11, "/at-once.yaml");
  const KeelwatchProcess keelwatch(config);
  const PrometheusServer prometheus(pager.folder, keelwatch, theirs);
  std::mt19937 random{std::random_device{}()};

  const auto measure = [&](const std::string& alert, const auto& breaks, const auto& mends) {
    Delays delays;
    for (int i = 0; i < 15; ++i) {
      INFO(alert << " " << i);
      REQUIRE(comes(
          90s, [&] { return !fires_at(pager.alertmanager, alert) && !fires_at(theirs, alert); }));
      REQUIRE(keelwatch.wait_for(state("pg-2", "streaming"), 1, 30s));
      std::this_thread::sleep_for(std::chrono::milliseconds(1000 + random() % 5000));
      breaks();
      const auto broken = steady_clock::now();
      const auto took = [&](const AlertmanagerServer& alertmanager) {
        REQUIRE(comes(30s, [&] { return fires_at(alertmanager, alert); }));
        return std::chrono::duration<double, std::milli>(steady_clock::now() - broken).count();
      };
      delays.ours.push_back(took(pager.alertmanager));
      delays.theirs.push_back(took(theirs));
      mends();
    }
    const double ours = median(delays.ours);
    CHECK(ours <= 500);
    CHECK(ours < median(delays.theirs));
    if (const char* figures = std::getenv("KEELWATCH_FIGURES")) {
      std::ofstream(figures, std::ios::app)
          << alert << ": median " << ours << " ms, Prometheus at 5 s/5 s " << median(delays.theirs)
          << " ms\n";
    }
  };
  PostgresServer& standby = *pager.system.second;
  measure(
      "StandbyGone", [&] { standby.kill9(); },
      [&] {
        REQUIRE(standby.wait_stopped(20s));
        standby.start();
      });
  measure(
      "FewReady", [&] { pager.system.api.put(cluster_with(2)); },
      [&] { pager.system.api.put(cluster_with(3)); });
}

TEST_CASE("two at once page once, and either may die or go blind", "[e2e]") {
  Pager pager;
  // The second reads an API of its own, which will fall silent.
  System& system = pager.system;
  standins::KubeApi other{plain_http()};
  other.install_group("postgresql.cnpg.io");
  other.put(kCluster);
  Folder its;
  std::string config = pager.config("b");
  (void)system.config(its.path);
  std::ofstream(its.path + "/kubeconfig")
      << "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
      << "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
      << "clusters: [{name: k, cluster: {server: \"" << other.url() << "\"}}]\n"
      << "users: [{name: u, user: {token: \"" << other.token() << "\"}}]\n";
  const std::string theirs = pager.folder.path + "/kubeconfig";
  config.replace(config.find(theirs), theirs.size(), its.path + "/kubeconfig");

  KeelwatchProcess first(pager.config("a"));
  KeelwatchProcess second(config);
  for (const KeelwatchProcess* one : {&first, &second}) {
    REQUIRE(one->wait_for(state("pg-2", "streaming"), 1, 30s));
  }
  REQUIRE(comes(30s, [&] { return pager.heard("Always firing", 1); }));

  const auto say = [&](int ready) {
    system.api.put(cluster_with(ready));
    other.put(cluster_with(ready));
  };
  say(2);
  REQUIRE(comes(20s, [&] { return pager.heard("InstanceMissing firing", 1); }));
  std::this_thread::sleep_for(3s);

  SECTION("one dies") {
    first.signal(SIGKILL);
    std::this_thread::sleep_for(2s);
    CHECK(pager.heard("InstanceMissing resolved", 0));
    say(3);
    CHECK(comes(60s, [&] { return pager.heard("InstanceMissing resolved", 1); }));
  }
  SECTION("one goes blind") {
    standins::KubeFault hang;
    hang.kind = standins::KubeFault::Kind::kHang;
    other.set_fault(hang);
    const std::string up = "keelwatch_source_up{source=\"kubernetes\",target=\"Cluster\"}";
    REQUIRE(second.wait_for(up, 0, 60s));
    std::this_thread::sleep_for(2s);
    CHECK(pager.heard("InstanceMissing resolved", 0));
    system.api.put(cluster_with(3));
    CHECK(comes(60s, [&] { return pager.heard("InstanceMissing resolved", 1); }));
    std::this_thread::sleep_for(5s);
    CHECK_THAT(second.get("/api/v1/alerts").body, Catch::Contains("InstanceMissing"));
  }
  CHECK(pager.heard("InstanceMissing firing", 1));
  CHECK(pager.heard("InstanceMissing resolved", 1));
  CHECK(pager.heard("Always firing", 1));
  CHECK(pager.heard("Always resolved", 0));
}

}  // namespace keelwatch::testing
