#include "app/alerting.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "tests/app/alerting_bench.h"
#include "tests/support/alertmanager_server.h"

namespace keelwatch::app {

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
