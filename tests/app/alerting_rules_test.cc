// Where rules come from, what is told of them, and what they count.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "tests/app/alerting_bench.h"

namespace keelwatch::app {

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
  config.alerts.alertmanagers = {{.url = "http://127.0.0.1:1"}};
  const auto no_rules = std::make_shared<const RulesInForce>();
  Bench bench(config, no_rules);
  bench.set_objects(spec);
  bench.run(Standby::kStopped, 20s);
  REQUIRE(bench.alerts() == "FromObject firing");
  bench.set_objects(std::nullopt);
  bench.restart(no_rules);
  bench.run(Standby::kStopped, 1min);
  CHECK(bench.alerts().empty());
  CHECK(bench.is_told("FromObject"));  // all the same
  bench.restart(no_rules);             // and over another one
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

}  // namespace keelwatch::app
