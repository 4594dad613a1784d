#include "notifier/outgoing.h"

#include <catch2/catch.hpp>

#include "tests/notifier/notices.h"

using namespace std::chrono_literals;

namespace keelwatch::notifier {

TEST_CASE("a firing alert ends ahead, a resolved one when it was resolved", "[notifier]") {
  rules::Notice n = notice("DiskFull");
  n.alert.labels = n.alert.labels.with("pod", "pg-1");
  const OutgoingPtr firing = outgoing(n, {.external_url = "https://kw.example/x/"});
  const std::vector<OutgoingPtr> one = {firing};
  CHECK(to_json(one, kNow + 5s, kNow + 30min) ==
        R"([{"labels":{"alertname":"DiskFull","evaluator":"keelwatch","pod":"pg-1",)"
        R"("severity":"critical"},"annotations":{"summary":"DiskFull fires"},)"
        R"("startsAt":"2025-11-25T03:06:40.000Z","endsAt":"2025-11-25T03:36:40.000Z",)"
        R"("generatorURL":"https://kw.example/x/graph?g0.expr=up%20%3D%3D%200&g0.tab=1"}])");
  const std::vector<OutgoingPtr> two = {outgoing(resolved(n, kNow + 2min))};
  CHECK(to_json(two, kNow + 10min, kNow + 40min) ==
        R"([{"labels":{"alertname":"DiskFull","evaluator":"keelwatch","pod":"pg-1",)"
        R"("severity":"critical"},"annotations":{"summary":"DiskFull fires"},)"
        R"("startsAt":"2025-11-25T03:06:40.000Z","endsAt":"2025-11-25T03:08:40.000Z"}])");
}

TEST_CASE("a clock that was set back makes no alert that ends before it starts", "[notifier]") {
  const std::vector<OutgoingPtr> ended = {outgoing(resolved(notice("A"), kNow + 1h))};
  const std::string json = to_json(ended, kNow - 1h, kNow - 30min);
  CHECK(json.find(R"("startsAt":"2025-11-25T02:06:40.000Z")") != json.npos);
  CHECK(json.find(R"("endsAt":"2025-11-25T02:06:40.000Z")") != json.npos);
}

TEST_CASE("external labels are added where there are none", "[notifier]") {
  const OutgoingPtr alert =
      outgoing(notice("A"), {.external_labels = {{"site", "home"}, {"severity", "page"}}});
  CHECK(alert->labels.text() ==
        R"({alertname="A",evaluator="keelwatch",severity="critical",site="home"})");
}

TEST_CASE("relabelling may drop an alert and change what others see of it", "[notifier]") {
  using enum config::RelabelAction;
  config::Alerts drop;
  drop.relabel = {{.action = kDrop, .source_labels = {"severity"}, .regex = "info"}};
  CHECK(outgoing(notice("A", "info"), drop) == nullptr);
  REQUIRE(outgoing(notice("A"), drop));

  config::Alerts quiet;
  quiet.relabel = {{.action = kLabelDrop, .regex = "severity|evaluator"}};
  const OutgoingPtr alert = outgoing(notice("A"), quiet);
  CHECK(alert->labels.text() == R"({alertname="A"})");
  CHECK(alert->critical);  // whatever it is called outside

  config::Alerts all;
  all.relabel = {{.action = kLabelDrop, .regex = ".*"}};
  CHECK(outgoing(notice("A"), all) == nullptr);
}

TEST_CASE("runbook links of bundled rules lead to the host that was given", "[notifier]") {
  struct Case {
    const char* link;
    const char* base;
    const char* expected;
  };
  const Case cases[] = {
      {"http://keelwatch:10555/runbooks/A", "", "http://keelwatch:10555/runbooks/A"},
      {"http://keelwatch:10555/runbooks/A", "https://kw.tail.net",
       "https://kw.tail.net/runbooks/A"},
      {"http://keelwatch:10555/runbooks/A", "https://h/kw/", "https://h/kw/runbooks/A"},
      {"https://runbooks.example/A", "https://kw.tail.net", "https://runbooks.example/A"},
  };
  for (const Case& c : cases) {
    rules::Notice n = notice("A");
    n.alert.annotations = {{"runbook_url", c.link}};
    CHECK(outgoing(n, {.runbook_base_url = c.base})->annotations.front().second == c.expected);
  }
}

}  // namespace keelwatch::notifier
