#include "notifier/notifier.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "config/limits.h"
#include "tests/notifier/fake_alertmanager.h"
#include "tests/notifier/notifier_fixture.h"
#include "tests/support/dns_server.h"

using namespace std::chrono_literals;

namespace keelwatch::notifier {
namespace {

using Mode = FakeAlertmanager::Mode;

std::vector<rules::Notice> many(int count, const std::string& prefix = "A") {
  std::vector<rules::Notice> notices;
  for (int i = 0; i < count; ++i) notices.push_back(fires(prefix + std::to_string(i)));
  return notices;
}

}  // namespace

TEST_CASE("every Alertmanager is told of every alert, and asked whether it has it", "[notifier]") {
  FakeAlertmanager a;
  FakeAlertmanager b;
  NotifierFixture f(to({a.url(), b.url()}));
  f.notifier.send({fires("A"), fires("B")});
  REQUIRE(f.turn_until([&] {
    return f.hop("A", 0) == Hop::kTold && f.hop("A", 1) == Hop::kTold &&
           f.hop("B", 0) == Hop::kTold;
  }));
  CHECK(a.has() == "A B ");
  CHECK(b.has() == "A B ");
  const auto lead = a.posts().front().alerts.front().ends_at - SystemClock().wall();
  CHECK(lead > 29min);
  CHECK(lead <= 30min);
  const auto delivery = f.notifier.delivery();
  CHECK(delivery->can_tell());
  CHECK(delivery->nobody_was_told().empty());
}

TEST_CASE("a dead Alertmanager delays no other one", "[notifier]") {
  FakeAlertmanager dead;
  dead.set_mode(Mode::kHangs);
  FakeAlertmanager good;
  NotifierFixture f(to({dead.url(), good.url()}));
  f.notifier.send({fires("A")});
  const SteadyTime begun = f.loop.now();
  REQUIRE(f.turn_until([&] { return good.has() == "A "; }));
  CHECK(f.loop.now() - begun < 2s);
}

TEST_CASE("what an Alertmanager does not take arrives when it takes it again", "[notifier]") {
  for (const Mode mode : {Mode::kFails, Mode::kHangs, Mode::kCuts}) {
    INFO(static_cast<int>(mode));
    FakeAlertmanager am;
    am.set_mode(mode);
    config::Alerts settings = to({am.url()});
    settings.alertmanagers[0].timeout = 200ms;
    NotifierFixture f(settings);
    f.notifier.send({fires("A"), fires("B")});
    REQUIRE(f.turn_until([&] { return !f.notifier.delivery()->alertmanagers[0].error.empty(); }));
    CHECK_FALSE(f.notifier.delivery()->can_tell());
    // The newest state is what counts then.
    f.notifier.send({resolved(fires("A"), SystemClock().wall()), fires("C")});
    am.set_mode(Mode::kGood);
    REQUIRE(f.turn_until([&] { return am.has() == "B C "; }));
    CHECK(am.ended() <= 1);
    REQUIRE(f.turn_until([&] { return f.notifier.delivery()->can_tell(); }));
    CHECK(std::ranges::count_if(f.lines, [](const std::string& line) {
            return line.find("takes no alerts") != line.npos;
          }) == 1);
  }
}

TEST_CASE("one bad alert never costs its batch, and is told apart", "[notifier]") {
  for (const Mode mode : {Mode::kRefuses, Mode::kKeepsRest}) {
    INFO(static_cast<int>(mode));
    FakeAlertmanager am;
    am.set_mode(mode);
    NotifierFixture f(to({am.url()}));
    std::vector<rules::Notice> notices = many(20);
    notices.insert(notices.begin() + 7, fires("Bad"));
    f.notifier.send(notices);
    REQUIRE(
        f.turn_until([&] { return f.hop("Bad") == Hop::kRefused && f.hop("A19") == Hop::kTold; }));
    for (int i = 0; i < 20; ++i) CHECK(f.hop("A" + std::to_string(i)) == Hop::kTold);
    // On a slow machine the next round of what still fires may be in the queue already.
    CHECK(f.turn_until([&] { return f.notifier.delivery()->alertmanagers[0].queued == 0; }));
    CHECK(f.page().find("prometheus_notifications_dropped_total{alertmanager=\"" + am.url() +
                        "\"} 1\n") != std::string::npos);
  }
}

TEST_CASE("what is accepted and dropped is reported as untold", "[notifier]") {
  FakeAlertmanager am;
  am.set_mode(Mode::kDrops);
  NotifierFixture f(to({am.url()}));
  f.notifier.send({fires("Critical"), fires("Harmless", "warning")});
  REQUIRE(f.turn_until([&] { return f.hop("Critical") == Hop::kAbsent; }));
  REQUIRE(f.turn_until([&] { return f.published && !f.published->nobody_was_told().empty(); }));
  CHECK(f.published->nobody_was_told().size() == 1);
  REQUIRE(f.turn_until(
      [&] { return f.page().find("keelwatch_alerts_untold 1\n") != std::string::npos; }));
  am.set_mode(Mode::kGood);
  f.notifier.send({fires("Critical")});
  REQUIRE(f.turn_until([&] { return f.published->nobody_was_told().empty(); }));
}

TEST_CASE("notifications that fail are nobody told", "[notifier]") {
  FakeAlertmanager am;
  NotifierFixture f(to({am.url()}));
  f.notifier.send({fires("A")});
  REQUIRE(f.turn_until([&] { return f.hop("A") == Hop::kTold; }));
  am.set_notifications(1, 1);
  // A reading is due every half minute only; another alert asks sooner.
  f.notifier.send({fires("B")});
  REQUIRE(f.turn_until([&] { return f.hop("A") == Hop::kFailing; }));
  CHECK_FALSE(f.notifier.delivery()->can_tell());
}

TEST_CASE("causes are acknowledged 100 ms before the others are sent", "[notifier]") {
  FakeAlertmanager am;
  NotifierFixture f(to({am.url()}));
  std::vector<rules::Notice> notices = many(40, "Symptom");
  rules::Notice root = fires("Cause");
  root.cause = true;
  notices.push_back(root);
  f.notifier.send(notices);
  REQUIRE(f.turn_until([&] { return am.posts().size() >= 2; }));
  const auto posts = am.posts();
  CHECK(posts[0].alerts.size() == 1);
  CHECK(posts[0].alerts[0].name == "Cause");
  CHECK(posts[1].alerts.size() == 40);
  CHECK(posts[1].at - posts[0].at >= 100ms);
}

TEST_CASE("an Alertmanager that was started anew is told of everything at once", "[notifier]") {
  FakeAlertmanager am;
  NotifierFixture f(to({am.url()}));
  f.notifier.send({fires("A"), fires("B")});
  REQUIRE(f.turn_until([&] { return f.hop("B") == Hop::kTold; }));
  am.restart();
  f.notifier.send({fires("C")});
  REQUIRE(f.turn_until([&] { return am.has() == "A B C "; }));
}

TEST_CASE("a held alert that another keelwatch has resolved is not opened again", "[notifier]") {
  FakeAlertmanager am;
  NotifierFixture f(to({am.url()}));
  rules::Notice held = fires("Held");
  f.notifier.send({held, fires("Other")});
  REQUIRE(f.turn_until([&] { return f.hop("Held") == Hop::kTold; }));
  held.alert.held = "postgres silent since 2025-11-25T03:06:40Z";
  f.notifier.send({held});
  REQUIRE(f.turn_until([&] { return am.times_posted("Held") == 2; }));  // it is still there
  am.forget("Held");
  f.notifier.send({held});
  REQUIRE(f.turn_until([&] { return f.hop("Held") == Hop::kEnded; }));
  CHECK(am.times_posted("Held") == 2);
  CHECK(am.has() == "Other ");

  SECTION("but after a restart of the Alertmanager it is") {
    am.restart();
    f.notifier.send({held});
    REQUIRE(f.turn_until([&] { return am.has().find("Held ") != std::string::npos; }));
  }
  SECTION("and as soon as it is known to fire it is") {
    held.alert.held.clear();
    f.notifier.send({held});
    REQUIRE(f.turn_until([&] { return am.has().find("Held ") != std::string::npos; }));
  }
}

TEST_CASE("thousands of alerts for a dead Alertmanager take bounded room", "[notifier]") {
  NotifierFixture f(to({"http://127.0.0.1:" + std::to_string(testing::unused_port())}));
  const int count = static_cast<int>(limits::kQueuedAlerts) + 500;
  f.notifier.send(many(count));
  f.notifier.send(many(count));
  const auto delivery = f.notifier.delivery();
  CHECK(delivery->alertmanagers[0].queued == limits::kQueuedAlerts);
  CHECK(delivery->alerts.size() == limits::kQueuedAlerts);
  CHECK(delivery->untracked > 0);
}

TEST_CASE("on stop what waits is sent, and a dead Alertmanager is not waited for", "[notifier]") {
  FakeAlertmanager am;
  NotifierFixture f(to({am.url(), "http://127.0.0.1:" + std::to_string(testing::unused_port())}));
  f.notifier.send({fires("A")});
  const SteadyTime begun = f.loop.now();
  CHECK(f.loop.block_on(f.notifier.drain(begun + 5s)));
  CHECK(f.loop.now() - begun < 4s);
  CHECK(am.has() == "A ");
}

TEST_CASE("each address of a headless Service is an Alertmanager of its own", "[notifier]") {
  FakeAlertmanager am;
  testing::DnsAnswer loopback;
  loopback.a = {"127.0.0.1"};
  testing::DnsServer dns({{"am.test", loopback}});
  config::Alerts settings = to({"http://am.test:" + std::to_string(am.port())});
  settings.alertmanagers[0].discover = true;
  NotifierFixture f(settings, {dns.address()});
  f.notifier.send({fires("A")});
  REQUIRE(f.turn_until([&] { return am.has() == "A "; }));
  const auto delivery = f.notifier.delivery();
  REQUIRE(delivery->alertmanagers.size() == 1);
  CHECK(delivery->alertmanagers[0].name == am.url());
}

TEST_CASE("a name without an address tells nobody, and says so", "[notifier]") {
  testing::DnsServer dns({});
  config::Alerts settings = to({"http://am.test:9093"});
  settings.alertmanagers[0].discover = true;
  NotifierFixture f(settings, {dns.address()});
  f.notifier.send({fires("A")});
  REQUIRE(f.turn_until([&] {
    const auto delivery = f.notifier.delivery();
    return delivery->alertmanagers[0].error.find("am.test") != std::string::npos;
  }));
  REQUIRE(f.turn_until([&] { return !f.notifier.delivery()->nobody_was_told().empty(); }));
  CHECK(f.notifier.delivery()->nobody_was_told()[0].ends_with("no Alertmanager is found"));
}

TEST_CASE("an Alertmanager that is added later is told of what fires", "[notifier]") {
  FakeAlertmanager first;
  FakeAlertmanager second;
  NotifierFixture f(to({first.url()}));
  f.notifier.send({fires("A"), fires("B")});
  REQUIRE(f.turn_until([&] { return first.has() == "A B "; }));
  f.notifier.send({resolved(fires("B"), SystemClock().wall())});
  f.notifier.set_config(to({first.url(), second.url()}));
  REQUIRE(f.turn_until([&] { return second.has() == "A "; }));
  f.notifier.set_config(to({second.url()}));
  CHECK(f.notifier.delivery()->alertmanagers.size() == 1);
  CHECK(f.page().find(first.url()) == std::string::npos);
}

TEST_CASE("an alert whose labels come out otherwise is resolved under the old ones", "[notifier]") {
  FakeAlertmanager am;
  NotifierFixture f(to({am.url()}));
  f.notifier.send({fires("Old"), fires("Same")});
  REQUIRE(f.turn_until([&] { return f.hop("Old") == Hop::kTold; }));
  config::Alerts settings = to({am.url()});
  settings.relabel = {{.source_labels = {"alertname"},
                       .regex = "Old",
                       .replacement = "New",
                       .target_label = "alertname"}};
  f.notifier.set_config(settings);
  REQUIRE(f.turn_until([&] { return am.has() == "New Same "; }));
  CHECK(am.ended() == 1);
}

TEST_CASE("a login goes out with every request, read anew from its file", "[notifier]") {
  char name[] = "/tmp/keelwatch-notifier-XXXXXX";
  const int fd = mkstemp(name);
  REQUIRE(fd >= 0);
  REQUIRE(write(fd, "tok1\n", 5) == 5);
  FakeAlertmanager am;
  config::Alerts settings = to({am.url()});
  settings.alertmanagers[0].bearer_token_file = name;
  NotifierFixture f(settings);
  f.notifier.send({fires("A")});
  REQUIRE(f.turn_until([&] { return am.has() == "A "; }));
  CHECK(am.posts().back().authorization == "Bearer tok1");
  REQUIRE(pwrite(fd, "tok2\n", 5, 0) == 5);
  f.notifier.send({fires("B")});
  REQUIRE(f.turn_until([&] { return am.has() == "A B "; }));
  CHECK(am.posts().back().authorization == "Bearer tok2");
  close(fd);
  unlink(name);
  f.notifier.send({fires("C")});
  REQUIRE(f.turn_until([&] { return !f.notifier.delivery()->alertmanagers[0].error.empty(); }));
}

TEST_CASE("TLS demands the name and the CA that were given", "[notifier]") {
  const testing::CertificateAuthority ca;
  testing::ScriptedServerOptions with_tls;
  with_tls.tls = ca.issue({.dns_names = {"alertmanager.test"}});
  FakeAlertmanager am(with_tls);
  char name[] = "/tmp/keelwatch-notifier-XXXXXX";
  close(mkstemp(name));
  testing::write_file(name, ca.pem());
  config::Alerts settings = to({am.url()});
  settings.alertmanagers[0].ca_file = name;
  NotifierFixture f(settings);
  f.notifier.send({fires("A")});
  REQUIRE(f.turn_until([&] { return !f.notifier.delivery()->alertmanagers[0].error.empty(); }));
  CHECK(am.posts().empty());
  settings.alertmanagers[0].server_name = "alertmanager.test";
  f.notifier.set_config(settings);
  REQUIRE(f.turn_until([&] { return am.has() == "A "; }));
  unlink(name);
}

}  // namespace keelwatch::notifier
