#include "notifier/read_back.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/json.h"
#include "tests/notifier/notices.h"

using namespace std::chrono_literals;

namespace keelwatch::notifier {
namespace {

std::string status_with(const std::string& config) {
  JsonWriter json;
  json.begin_object().key("config").begin_object().member("original", config).end_object();
  json.member("uptime", "2025-11-25T03:06:40.000Z");
  json.key("versionInfo").begin_object().member("version", "0.25.0").end_object().end_object();
  return json.take();
}

}  // namespace

TEST_CASE("an alert is read with its receivers and with what keeps it quiet", "[notifier]") {
  const auto alerts = decode_alerts(R"([{
    "annotations": {"summary": "s", "a": ""}, "endsAt": "2025-11-25T03:36:40.000Z",
    "fingerprint": "5b", "receivers": [{"name": "phone"}, {"name": "mail"}],
    "startsAt": "2025-11-25T03:06:40.000Z",
    "status": {"inhibitedBy": ["17"], "silencedBy": ["s1", "s2"], "state": "suppressed"},
    "updatedAt": "2025-11-25T03:06:41.000Z", "generatorURL": "",
    "labels": {"alertname": "A", "evaluator": "keelwatch"}}])");
  REQUIRE(alerts);
  REQUIRE(alerts->size() == 1);
  const SeenAlert& alert = alerts->front();
  CHECK(alert.labels.text() == R"({alertname="A",evaluator="keelwatch"})");
  CHECK(alert.annotations == rules::Annotations{{"a", ""}, {"summary", "s"}});
  CHECK(alert.starts_at == kNow);
  CHECK(alert.receivers == std::vector<std::string>{"phone", "mail"});
  CHECK(alert.silenced_by.size() == 2);
  CHECK(alert.inhibited_by.size() == 1);
  CHECK(alert.muted_by.empty());
}

TEST_CASE("what is no list of alerts is an error and not an empty one", "[notifier]") {
  for (const char* text : {"", "null", "{}", "[{\"labels\":{}}]", "[", "\"x\"", "[1]",
                           R"([{"labels":[],"startsAt":"2025-11-25T03:06:40Z"}])"}) {
    INFO(text);
    const auto alerts = decode_alerts(text);
    REQUIRE_FALSE(alerts);
    CHECK(alerts.error().code() == ErrorCode::kMalformed);
  }
  REQUIRE(decode_alerts("[]"));
}

TEST_CASE("a receiver without integrations is known as one that reaches nobody", "[notifier]") {
  const auto status = decode_status(
      status_with("receivers:\n"
                  "- name: \"null\"\n"
                  "- name: phone\n  webhook_configs:\n  - url: <secret>\n  email_configs: []\n"
                  "- name: both\n  pagerduty_configs:\n  - routing_key: <secret>\n"
                  "  slack_configs:\n  - channel: x\n"));
  REQUIRE(status);
  CHECK(status->started_at == kNow);
  CHECK(status->version == "0.25.0");
  REQUIRE(status->receivers);
  using Receivers = std::map<std::string, std::set<std::string>>;
  CHECK(*status->receivers ==
        Receivers{{"null", {}}, {"phone", {"webhook"}}, {"both", {"pagerduty", "slack"}}});
}

TEST_CASE("a configuration that is not understood leaves the receivers unknown", "[notifier]") {
  for (const char* config : {"", "a: [", "receivers: none", "route: {}"}) {
    INFO(config);
    const auto status = decode_status(status_with(config));
    REQUIRE(status);
    CHECK_FALSE(status->receivers);
  }
  CHECK_FALSE(decode_status("{}"));  // without a start
}

TEST_CASE("notifications are counted by integration over all reasons", "[notifier]") {
  const auto counts = decode_notifications(
      "alertmanager_notification_requests_total{integration=\"webhook\"} 7\n"
      "alertmanager_notification_requests_failed_total{integration=\"webhook\"} 2\n"
      "alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"other\"} 1\n"
      "alertmanager_notifications_failed_total{integration=\"email\",reason=\"other\"} 1\n"
      "alertmanager_notifications_failed_total{integration=\"email\",reason=\"serverError\"} 3\n",
      "text/plain");
  REQUIRE(counts);
  CHECK(*counts == Notifications{{"webhook", {7, 2}}, {"email", {0, 4}}});
  CHECK_FALSE(decode_notifications("up 1\n", "text/plain"));
  CHECK_FALSE(decode_notifications("<html>", "text/html"));
}

TEST_CASE("firing alerts are taken back without the labels that were added", "[notifier]") {
  const auto seen = decode_alerts(R"([
    {"labels":{"alertname":"A","evaluator":"keelwatch","site":"home"},"annotations":{"x":"y"},
     "startsAt":"2025-11-25T03:06:40Z"},
    {"labels":{"alertname":"B","evaluator":"keelwatch","site":"other"},
     "startsAt":"2035-11-25T03:06:40Z"},
    {"labels":{"alertname":"C"},"startsAt":"2025-11-25T03:06:40Z"}])");
  REQUIRE(seen);
  const auto alerts = taken_back(*seen, Labels{{"site", "home"}}, kNow + 5min);
  REQUIRE(alerts.size() == 2);
  CHECK(alerts[0].state == rules::AlertState::kFiring);
  CHECK(alerts[0].labels.text() == R"({alertname="A"})");
  CHECK(alerts[0].annotations == rules::Annotations{{"x", "y"}});
  REQUIRE(alerts[0].fired_at);
  CHECK(alerts[0].fired_at->wall == kNow);
  CHECK(alerts[0].fired_at->ago == 5min);
  CHECK(alerts[1].labels.text() == R"({alertname="B",site="other"})");
  CHECK(alerts[1].active_at.ago == 0s);  // another clock's future
}

}  // namespace keelwatch::notifier
