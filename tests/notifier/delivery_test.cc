#include "notifier/delivery.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "notifier/heartbeat.h"
#include "tests/notifier/notices.h"

using namespace std::chrono_literals;

namespace keelwatch::notifier {
namespace {

constexpr SteadyTime kStart{1h};

SeenAlert seen(const Outgoing& alert, std::vector<std::string> receivers = {"phone"}) {
  SeenAlert s;
  s.labels = alert.labels;
  s.receivers = std::move(receivers);
  return s;
}

SeenStatus status(WallTime started_at) {
  SeenStatus s;
  s.started_at = started_at;
  s.receivers = {{"phone", {"webhook"}}, {"both", {"webhook", "email"}}, {"null", {}}};
  return s;
}

// One Alertmanager that has acknowledged one alert.
struct World {
  World() {
    (void)tracker.read_status(status(kNow));
    tracker.put(alert, kStart);
    tracker.accepted(*alert, kStart + 1s);
    current[alert->labels] = {notice("A"), alert, kStart, kNow, kStart};
  }
  [[nodiscard]] Hop hop() const { return tracker.verdict(alert->labels).first; }
  [[nodiscard]] AlertDelivery delivery(SteadyTime now) const {
    return combine(current, {&tracker}, {"http://am"}, now).front();
  }

  OutgoingPtr alert = outgoing(notice("A"));
  std::map<Labels, Current> current;
  Tracker tracker;
};

}  // namespace

TEST_CASE("an alert that is there and has a receiver is told", "[notifier]") {
  World w;
  CHECK(w.hop() == Hop::kUnread);
  w.tracker.read_alerts({seen(*w.alert)}, kStart + 2s);
  CHECK(w.hop() == Hop::kTold);
  CHECK_FALSE(w.delivery(kStart + 1h).untold);
}

TEST_CASE("what nobody was told of shows after ten seconds, with its reason", "[notifier]") {
  struct Case {
    const char* name;
    std::function<void(World&)> happen;
    const char* reason;
  };
  const Case cases[] = {
      {"not acknowledged",
       [](World& w) {
         w.tracker = Tracker();
         w.tracker.put(w.alert, kStart);
       },
       "queued"},
      {"not read back", [](World&) {}, "unread, accepted, not read back"},
      {"dropped in silence", [](World& w) { w.tracker.read_alerts({}, kStart + 2s); },
       "absent, accepted, but not there when read back"},
      {"refused", [](World& w) { w.tracker.refused(*w.alert, "HTTP status 400"); },
       "refused, HTTP status 400"},
      {"routed to nobody",
       [](World& w) { w.tracker.read_alerts({seen(*w.alert, {})}, kStart + 2s); },
       "no receiver, no receiver"},
      {"routed to a receiver without integrations",
       [](World& w) { w.tracker.read_alerts({seen(*w.alert, {"null"})}, kStart + 2s); },
       "no receiver, receivers null reach nobody"},
      {"notifications fail",
       [](World& w) {
         w.tracker.read_alerts({seen(*w.alert)}, kStart + 2s);
         w.tracker.read_notifications({{"webhook", {4, 0}}});
         w.tracker.read_notifications({{"webhook", {5, 1}}});
       },
       "failing, receivers phone: notifications fail by webhook"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    World w;
    c.happen(w);
    CHECK_FALSE(w.delivery(kStart + 10s).untold);
    const AlertDelivery late = w.delivery(kStart + 11s);
    CHECK(late.untold);
    Delivery delivery;
    delivery.alerts = {late};
    CHECK(delivery.nobody_was_told() ==
          std::vector<std::string>{w.alert->labels.text() + ": http://am: " + c.reason});
  }
}

TEST_CASE("an alert that is kept quiet on purpose is not untold", "[notifier]") {
  for (const auto member :
       {&SeenAlert::silenced_by, &SeenAlert::inhibited_by, &SeenAlert::muted_by}) {
    World w;
    SeenAlert quiet = seen(*w.alert);
    quiet.*member = {"x"};
    w.tracker.read_alerts({quiet}, kStart + 2s);
    CHECK(w.hop() == Hop::kWithheld);
    CHECK_FALSE(w.delivery(kStart + 1h).untold);
  }
}

TEST_CASE("one integration that works is enough", "[notifier]") {
  World w;
  w.tracker.read_alerts({seen(*w.alert, {"both"})}, kStart + 2s);
  w.tracker.read_notifications({{"webhook", {0, 0}}, {"email", {0, 0}}});
  w.tracker.read_notifications({{"webhook", {3, 3}}, {"email", {0, 0}}});
  CHECK(w.hop() == Hop::kTold);
  w.tracker.read_notifications({{"webhook", {3, 3}}, {"email", {1, 1}}});
  CHECK(w.hop() == Hop::kFailing);
  w.tracker.read_notifications({{"webhook", {4, 3}}, {"email", {1, 1}}});
  CHECK(w.hop() == Hop::kTold);
}

TEST_CASE("failures of the time before we came accuse nobody", "[notifier]") {
  World w;
  w.tracker.read_alerts({seen(*w.alert)}, kStart + 2s);
  w.tracker.read_notifications({{"webhook", {90, 50}}});
  CHECK(w.hop() == Hop::kTold);
}

TEST_CASE("failures go on until notifications succeed, over a restart as well", "[notifier]") {
  World w;
  w.tracker.read_alerts({seen(*w.alert)}, kStart + 2s);
  w.tracker.read_notifications({{"webhook", {9, 5}}});
  w.tracker.read_notifications({{"webhook", {10, 6}}});
  w.tracker.read_notifications({{"webhook", {10, 6}}});
  CHECK(w.hop() == Hop::kFailing);
  CHECK(w.tracker.read_status(status(kNow + 1h)));
  w.tracker.read_notifications({{"webhook", {0, 0}}});
  CHECK(w.hop() == Hop::kFailing);
  w.tracker.read_notifications({{"webhook", {1, 0}}});
  CHECK(w.hop() == Hop::kTold);
}

TEST_CASE("an answer that was asked for before the acknowledgement proves no absence",
          "[notifier]") {
  World w;
  w.tracker.read_alerts({}, kStart + 1s);
  CHECK(w.hop() == Hop::kUnread);
}

TEST_CASE("absence means an end only at the process that had acknowledged it", "[notifier]") {
  World w;
  CHECK(w.tracker.knew(*w.alert, kStart + 1min, 30min));
  CHECK_FALSE(w.tracker.knew(*w.alert, kStart + 31min, 30min));  // it may have run out by itself
  CHECK(w.tracker.read_status(status(kNow + 1h)));
  CHECK_FALSE(w.tracker.knew(*w.alert, kStart + 1min, 30min));
  w.tracker.accepted(*w.alert, kStart + 2min);
  CHECK(w.tracker.knew(*w.alert, kStart + 3min, 30min));
}

TEST_CASE("one Alertmanager that tells somebody is enough", "[notifier]") {
  World w;
  Tracker other;
  other.put(w.alert, kStart);
  other.accepted(*w.alert, kStart);
  other.read_alerts({seen(*w.alert)}, kStart + 1s);
  const auto both = combine(w.current, {&w.tracker, &other}, {"a", "b"}, kStart + 1h);
  CHECK_FALSE(both.front().untold);
  CHECK(both.front().hops.size() == 2);
  CHECK(combine(w.current, {}, {}, kStart + 1h).front().untold);  // none was found
}

TEST_CASE("the heartbeat is silent when evaluation stalls or nobody can be told", "[notifier]") {
  Delivery good;
  good.set_up = true;
  good.alertmanagers.push_back({.name = "http://am", .up = true});
  CHECK(reason_for_silence(14s, 5s, good) == std::nullopt);
  CHECK(reason_for_silence(16s, 5s, good) == "nothing was evaluated for 16s");
  Delivery down = good;
  down.alertmanagers[0].up = false;
  CHECK(reason_for_silence(1s, 5s, down) == "no Alertmanager can tell anybody");
  Delivery failing = good;
  failing.alertmanagers[0].reaches = false;
  CHECK(reason_for_silence(1s, 5s, failing) == "no Alertmanager can tell anybody");
  Delivery untold = good;
  untold.alerts.push_back({.labels = Labels{{"alertname", "A"}}, .critical = true, .untold = true});
  CHECK(reason_for_silence(1s, 5s, untold) ==
        R"(nobody was told of {alertname="A"}: no Alertmanager is found)");
  untold.alerts[0].critical = false;
  CHECK(reason_for_silence(1s, 5s, untold) == std::nullopt);
  CHECK(reason_for_silence(1s, 5s, Delivery()) == std::nullopt);  // none is set up
  CHECK(reason_for_silence(16s, 5s, Delivery()) != std::nullopt);
}

}  // namespace keelwatch::notifier
