// Against a real Alertmanager (Debian's 0.25) with a webhook behind it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <mutex>
#include <set>
#include <string>

#include "base/json.h"
#include "notifier/take_back.h"
#include "notifier/test_page.h"
#include "tests/notifier/notifier_fixture.h"
#include "tests/support/alertmanager_server.h"
#include "tests/support/scripted_server.h"
#include "tests/support/webhook.h"

using namespace std::chrono_literals;

namespace keelwatch::notifier {
namespace {

using testing::Webhook;

std::string config_with(const Webhook& webhook, const std::string& more = "") {
  return "route:\n  receiver: phone\n  group_by: ['...']\n  group_wait: 1s\n"
         "  group_interval: 1s\n  repeat_interval: 4h\n"
         "  routes:\n  - matchers: [severity=\"none\"]\n    receiver: 'null'\n"
         "receivers:\n- name: 'null'\n- name: phone\n  webhook_configs:\n  - url: " +
         webhook.url() + "\n    send_resolved: true\n" + more;
}

constexpr const char* kInhibition =
    "inhibit_rules:\n- source_matchers: [kind=\"cause\"]\n  target_matchers: [kind!=\"cause\"]\n";

}  // namespace

TEST_CASE("an alert reaches the webhook, is read back, and is resolved there", "[notifier]") {
  Webhook webhook;
  testing::AlertmanagerServer am(config_with(webhook));
  NotifierFixture f(to({am.url()}));
  f.notifier.send({fires("A"), fires("Nobody", "none")});
  REQUIRE(f.turn_until([&] { return f.hop("A") == Hop::kTold; }));
  CHECK(f.hop("Nobody") == Hop::kNoReceiver);
  REQUIRE(f.turn_until([&] { return webhook.times("A firing") == 1; }));
  const auto delivery = f.notifier.delivery();
  CHECK(delivery->can_tell());
  CHECK(delivery->alertmanagers[0].notifications_known);
  CHECK(delivery->alertmanagers[0].version.starts_with("0."));
  f.notifier.send({resolved(fires("A"), SystemClock().wall())});
  REQUIRE(f.turn_until([&] { return webhook.times("A resolved") == 1; }));
  CHECK(webhook.times("Nobody firing") == 0);
}

TEST_CASE("a cause inhibits its symptoms: none of forty leaks", "[notifier]") {
  Webhook webhook;
  testing::AlertmanagerServer am(config_with(webhook, kInhibition));
  NotifierFixture f(to({am.url()}));
  std::vector<rules::Notice> notices;
  const auto long_ago = [](rules::Notice n) {
    n.starts_at -= 1min;  // beyond group_wait: Alertmanager notifies at once, as it does of causes
    return n;
  };
  for (int i = 0; i < 40; ++i) notices.push_back(long_ago(fires("S" + std::to_string(i))));
  rules::Notice root = long_ago(fires("Cause"));
  root.alert.labels = root.alert.labels.with("kind", "cause");
  root.cause = true;
  notices.push_back(root);
  f.notifier.send(notices);
  REQUIRE(f.turn_until([&] { return webhook.times("Cause firing") == 1; }));
  REQUIRE(f.turn_until([&] { return f.hop("S39") == Hop::kWithheld; }));
  f.turn_for(3s);
  int leaked = 0;
  for (int i = 0; i < 40; ++i) leaked += webhook.times("S" + std::to_string(i) + " firing");
  CHECK(leaked == 0);
  CHECK(f.notifier.delivery()->nobody_was_told().empty());
}

TEST_CASE("alerts come back to an Alertmanager that died and forgot them", "[notifier]") {
  Webhook webhook;
  testing::AlertmanagerServer am(config_with(webhook));
  NotifierFixture f(to({am.url()}));
  f.notifier.send({fires("A"), fires("B")});
  REQUIRE(f.turn_until([&] { return f.hop("B") == Hop::kTold; }));
  am.kill();
  f.notifier.send({fires("C"), resolved(fires("B"), SystemClock().wall())});
  REQUIRE(f.turn_until([&] { return !f.notifier.delivery()->can_tell(); }));
  am.start();
  REQUIRE(f.turn_until([&] { return f.hop("C") == Hop::kTold && f.hop("A") == Hop::kTold; }));
  REQUIRE(f.turn_until([&] { return f.notifier.delivery()->alertmanagers[0].present == 2; }));
}

TEST_CASE("firing alerts are taken back from what Alertmanager keeps", "[notifier]") {
  Webhook webhook;
  testing::AlertmanagerServer am(config_with(webhook));
  NotifierFixture f(to({am.url()}));
  f.notifier.send({fires("A")});
  REQUIRE(f.turn_until([&] { return f.hop("A") == Hop::kTold; }));
  AlertmanagerClient client({f.loop, f.resolver, f.http, f.clock, f.log},
                            endpoint_of(to({am.url()}).alertmanagers[0]));
  const auto seen = f.loop.block_on(client.alerts(true));
  REQUIRE(seen);
  const auto back = taken_back(*seen, {}, SystemClock().wall());
  REQUIRE(back.size() == 1);
  CHECK(back[0].labels.text() == R"({alertname="A",severity="critical"})");

  // Beside one that refuses and one that is dead, which comes back late.
  testing::ScriptedServer refuses(
      testing::answer_each([](const auto&) { return testing::http_response(403, ""); }));
  testing::AlertmanagerServer late(config_with(webhook));
  late.kill();
  std::vector<std::vector<rules::SavedAlert>> answers;
  TaskScope asking;
  asking.spawn(take_back({f.loop, f.resolver, f.http, f.clock, f.log},
                         to({refuses.url("/"), late.url(), am.url()}),
                         [&](auto found) { answers.push_back(std::move(found)); }));
  REQUIRE(f.turn_until([&] { return answers.size() == 1; }));
  REQUIRE(answers[0].size() == 1);
  CHECK(answers[0][0].labels == back[0].labels);
  late.start();
  REQUIRE(f.turn_until([&] { return answers.size() == 2; }));
  CHECK(answers[1].empty());  // it has forgotten all
}

TEST_CASE("a test page is followed from hop to hop", "[notifier]") {
  struct Case {
    const char* name;
    TestPageOptions options;
    int webhook_status;
    const char* more;  // of Alertmanager's configuration
    std::string steps;
    bool good;
  };
  const Case cases[] = {
      {"to an ear",
       {},
       200,
       "",
       "accepted ok; present ok; routed ok: phone (by webhook); not withheld ok; notified ok; "
       "resolved ok; ",
       true},
      {"to a receiver that reaches nobody",
       {.labels = {{"severity", "none"}}},
       200,
       "",
       "accepted ok; present ok; routed failed: null, which reaches nobody; resolved ok; ",
       false},
      {"to a webhook that fails",
       {},
       400,
       "",
       "accepted ok; present ok; routed ok: phone (by webhook); not withheld ok; notified failed: "
       "1 of 1 requests failed; resolved ok; ",
       false},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Webhook webhook;
    webhook.set_status(c.webhook_status);
    testing::AlertmanagerServer am(config_with(webhook, c.more));
    NotifierFixture f({});
    const NotifierContext context{f.loop, f.resolver, f.http, f.clock, f.log};
    const OutgoingPtr alert = outgoing(test_notice(c.options, f.clock.wall()));
    const TestReport report = f.loop.block_on(
        send_test_page(context, endpoint_of(to({am.url()}).alertmanagers[0]), alert, c.options));
    std::string steps;
    for (const TestStep& step : report.steps) {
      steps += step.what + " " + std::string(to_string(step.outcome));
      steps += (step.detail.empty() ? "" : ": " + step.detail) + "; ";
    }
    CHECK(steps == c.steps);
    CHECK(report.good() == c.good);
    if (c.good) REQUIRE(f.turn_until([&] { return webhook.times("KeelwatchTest resolved") == 1; }));
  }
}

}  // namespace keelwatch::notifier
