#include "rules/alerting_rule.h"

#include <catch2/catch.hpp>

#include "rule_fixture.h"

namespace keelwatch::rules {
namespace {

std::string one_rule(const std::string& rest, const std::string& group = {}) {
  return "groups:\n  - name: g\n    interval: 10s\n" + group + "    rules:\n      - alert: A\n" +
         rest;
}

struct Row {
  double at;
  const char* samples;
  const char* states;
};

void run(World& world, Group& group, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    world.at(row.at);
    world.append(row.samples);
    group.evaluate(world.evaluation(&world.output), world.transitions);
    CAPTURE(row.at, row.samples);
    CHECK(states(alerting(group)) == row.states);
  }
}

void run(const std::string& rules, const std::vector<Row>& rows) {
  World world;
  Group group(groups_of(rules)[0], world.settings);
  run(world, group, rows);
}

TEST_CASE("an alert stays pending until 'for' has passed", "[rules]") {
  run(one_rule("        expr: x > 0\n        for: 30s\n"),
      {{0, "x{a=\"1\"}=1", "{a=\"1\"} pending"},
       {10, "x{a=\"1\"}=1", "{a=\"1\"} pending"},
       {20, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} pending, {a=\"2\"} pending"},
       {30, "x{a=\"1\"}=1 x{a=\"2\"}=0", "{a=\"1\"} firing"},
       {40, "x{a=\"1\"}=0 x{a=\"2\"}=1", "{a=\"1\"} inactive, {a=\"2\"} pending"},
       {50, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} pending, {a=\"2\"} pending"},
       {80, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} firing, {a=\"2\"} firing"}});
}

TEST_CASE("an alert without 'for' fires at once, and a resolved one is kept for 15 minutes",
          "[rules]") {
  run(one_rule("        expr: x > 0\n"), {{0, "x=1", "firing"},
                                          {10, "x=0", "inactive"},
                                          {910, "x=0", "inactive"},
                                          {911, "x=0", ""},
                                          {920, "x=1", "firing"},
                                          {930, "x=stale", "inactive"},
                                          {940, "x=1", "firing"}});
}

TEST_CASE("keep_firing_for keeps an alert whose result has vanished", "[rules]") {
  run(one_rule("        expr: x > 0\n        for: 10s\n        keep_firing_for: 30s\n"),
      {{0, "x=1", "pending"},
       {5, "x=0", ""},
       {10, "x=1", "pending"},
       {20, "x=1", "firing"},
       {30, "x=0", "firing kept"},
       {40, "x=0", "firing kept"},
       {50, "x=1", "firing"},
       {60, "x=0", "firing kept"},
       {80, "x=0", "firing kept"},
       {90, "x=0", "inactive"}});
}

TEST_CASE("a firing alert whose fact fell silent is held until it is known again or gone",
          "[rules]") {
  const std::string rules = one_rule("        expr: x > 0\n");
  SECTION("known and healthy") {
    run(rules, {{0, "x{a=\"1\"}=1", "{a=\"1\"} firing"},
                {10, "x{a=\"1\"}=unknown", "{a=\"1\"} firing held"},
                {4000, "", "{a=\"1\"} firing held"},
                {4010, "x{a=\"1\"}=0", "{a=\"1\"} inactive"}});
  }
  SECTION("known and still bad") {
    run(rules, {{0, "x{a=\"1\"}=1", "{a=\"1\"} firing"},
                {10, "x{a=\"1\"}=unknown", "{a=\"1\"} firing held"},
                {20, "x{a=\"1\"}=1", "{a=\"1\"} firing"}});
  }
  SECTION("gone") {
    run(rules, {{0, "x{a=\"1\"}=1", "{a=\"1\"} firing"},
                {10, "x{a=\"1\"}=unknown", "{a=\"1\"} firing held"},
                {20, "x{a=\"1\"}=stale", "{a=\"1\"} inactive"}});
  }
  SECTION("another series' silence says nothing") {
    run(rules,
        {{0, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} firing, {a=\"2\"} firing"},
         {10, "x{a=\"1\"}=0 x{a=\"2\"}=unknown", "{a=\"1\"} inactive, {a=\"2\"} firing held"}});
  }
  SECTION("a sum is doubtful when one of its parts is silent") {
    run(one_rule("        expr: sum by (c) (x) > 1\n"),
        {{0, "x{c=\"1\",p=\"1\"}=1 x{c=\"1\",p=\"2\"}=1", "{c=\"1\"} firing"},
         {10, "x{c=\"1\",p=\"1\"}=1 x{c=\"1\",p=\"2\"}=unknown", "{c=\"1\"} firing held"},
         {20, "x{c=\"1\",p=\"1\"}=1 x{c=\"1\",p=\"2\"}=0", "{c=\"1\"} inactive"}});
  }
  SECTION("the time of silence does not count towards 'for'") {
    run(one_rule("        expr: x > 0\n        for: 30s\n"), {{0, "x=1", "pending"},
                                                              {10, "x=1", "pending"},
                                                              {20, "x=unknown", "pending held"},
                                                              {60, "", "pending held"},
                                                              {70, "x=1", "pending"},
                                                              {80, "x=1", "firing"}});
  }
}

TEST_CASE("a held alert says which source is silent since when", "[rules]") {
  World world;
  world.settings.silent_source = [](const Labels&) {
    return std::optional<std::string>("kubernetes");
  };
  Group group(
      groups_of(one_rule("        expr: x > 0\n        annotations: {summary: s, zebra: z}\n"))[0],
      world.settings);
  run(world, group,
      {{0, "x=1", "firing"}, {10, "x=unknown", "firing held"}, {20, "", "firing held"}});
  Alert alert = alerting(group).alerts().front();
  CHECK(alert.annotations ==
        Annotations{{"summary", "s"},
                    {"unverified", "kubernetes silent since 2019-12-20T00:00:10Z"},
                    {"zebra", "z"}});
  CHECK(alert.value == 1);
  run(world, group, {{30, "x=2", "firing"}});
  alert = alerting(group).alerts().front();
  CHECK(alert.annotations == Annotations{{"summary", "s"}, {"zebra", "z"}});
  // What is known and healthy is that, whatever else the source keeps silent about.
  run(world, group, {{40, "x=0", "inactive"}});
}

TEST_CASE("where the store has seen nothing yet, a silent source holds what it would tell of",
          "[rules]") {
  World world;
  double before = 0;
  world.settings.silent_source = [](const Labels& series) {
    const bool silent = series == Labels{{"__name__", "y"}, {"a", "1"}, {"role", "rw"}};
    return silent ? std::optional<std::string>("kubernetes") : std::nullopt;
  };
  const auto when_healthy = [&](const std::string& expr, const char* states) {
    Group group(groups_of(one_rule("        expr: " + expr + "\n"))[0], world.settings);
    INFO(expr);
    const double now = before += 100;
    run(world, group,
        {{now, "x{a=\"1\"}=1", "{a=\"1\"} firing"}, {now + 10, "x{a=\"1\"}=0", states}});
  };
  when_healthy("x > 0 or y{role='rw'} > 0", "{a=\"1\"} firing held");
  when_healthy("x > 0 or y{role='r'} > 0", "{a=\"1\"} inactive");
  when_healthy("x > 0 unless on (a) y{role='rw'} > 0", "{a=\"1\"} inactive");
}

TEST_CASE("after a start one silent member holds an aggregated alert until it is seen", "[rules]") {
  World world;
  const RuleGroup described = groups_of(one_rule("        expr: max by (c) (x) > 0\n"))[0];
  Group before(described, world.settings);
  run(world, before, {{0, "x{c=\"1\",p=\"1\"}=0 x{c=\"1\",p=\"2\"}=1", "{c=\"1\"} firing"}});
  const std::vector<SavedAlert> saved = alerting(before).saved(world.now);
  World next;  // another process, which has seen nothing
  next.settings.silent_member = [](const Labels& series) {
    const bool silent = series == Labels{{"__name__", "x"}, {"c", "1"}};
    return silent ? std::optional<std::string>("postgres 2") : std::nullopt;
  };
  Group group(described, next.settings);
  alerting(group).restore(saved, next.now);
  run(next, group,
      {{10, "x{c=\"1\",p=\"1\"}=0", "{c=\"1\"} firing held"},
       {20, "x{c=\"1\",p=\"1\"}=1", "{c=\"1\"} firing"},
       // Seen firing here: what it is made of is in the store.
       {30, "x{c=\"1\",p=\"1\"}=0", "{c=\"1\"} inactive"}});
}

TEST_CASE("nothing resolves before all sources have answered and the look-back is spanned",
          "[rules]") {
  World world;
  Group group(groups_of(one_rule("        expr: max_over_time(x[1m]) > 0\n"))[0], world.settings);
  world.evidence_since.reset();
  run(world, group, {{0, "x=1", "firing"}, {100, "x=0", "firing held"}});
  world.evidence_since = world.now.steady;
  run(world, group,
      {{110, "x=0", "firing held"}, {150, "x=0", "firing held"}, {160, "x=0", "inactive"}});
}

TEST_CASE("Prometheus' semantics resolve what is unknown", "[rules]") {
  World world;
  world.settings.semantics = Semantics::kPrometheus;
  world.evidence_since.reset();
  Group group(groups_of(one_rule("        expr: x > 0\n"))[0], world.settings);
  run(world, group, {{0, "x=1", "firing"}, {10, "x=unknown", "inactive"}});
}

TEST_CASE("labels are the result's, the rule's and alertname, annotations follow the value",
          "[rules]") {
  World world;
  Group group(
      groups_of(one_rule("        expr: x > 0\n        labels: {severity: page, gone: '', a: "
                         "'{{ $labels.a }}!'}\n        annotations: {v: '{{ $value }}', n: "
                         "'{{ $labels.__name__ }}', e: '{{ first (query \"none\") }}'}\n"))[0],
      world.settings);
  run(world, group,
      {{0, "x{a=\"1\",gone=\"y\"}=1", "{a=\"1!\",severity=\"page\"} firing"},
       {10, "x{a=\"1\",gone=\"y\"}=7", "{a=\"1!\",severity=\"page\"} firing"}});
  const Alert alert = alerting(group).alerts().front();
  CHECK(alert.labels == Labels{{"a", "1!"}, {"severity", "page"}, {"alertname", "A"}});
  CHECK(alert.annotations.at(1) == std::pair<std::string, std::string>("n", "x"));
  CHECK(alert.annotations.at(2) == std::pair<std::string, std::string>("v", "7"));
  CHECK_THAT(alert.annotations.at(0).second,
             Catch::Contains("<error expanding template: error executing template __alert_A"));
  CHECK(world.newest("ALERTS{alertname=\"A\",a=\"1!\",severity=\"page\",alertstate=\"firing\"}") ==
        "1");
  CHECK(world.newest("ALERTS_FOR_STATE{alertname=\"A\",a=\"1!\",severity=\"page\"}") ==
        "1.5768e+09");
}

TEST_CASE("two results with the same labels fail the rule and change no alert", "[rules]") {
  World world;
  Group group(groups_of(one_rule("        expr: x > 0\n        labels: {a: same}\n"))[0],
              world.settings);
  run(world, group,
      {{0, "x{a=\"1\"}=1", "{a=\"same\"} firing"},
       {10, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"same\"} firing"},
       {20, "x{a=\"1\"}=0 x{a=\"2\"}=0", "{a=\"same\"} inactive"}});
  CHECK(alerting(group).log().records().at(1).error ==
        "vector contains metrics with the same labelset after applying alert labels");
  CHECK(alerting(group).health() == Health::kOk);
}

TEST_CASE("over its limit a rule fails: firing alerts stay, in Prometheus all go", "[rules]") {
  const std::string rules = one_rule("        expr: x > 0\n", "    limit: 1\n");
  World world;
  Group group(groups_of(rules)[0], world.settings);
  run(world, group,
      {{0, "x{a=\"1\"}=1", "{a=\"1\"} firing"},
       {10, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} firing"}});
  CHECK(alerting(group).health() == Health::kError);
  CHECK(alerting(group).log().newest()->error == "exceeded limit of 1 with 2 alerts");
  World other;
  other.settings.semantics = Semantics::kPrometheus;
  Group same(groups_of(rules)[0], other.settings);
  run(other, same,
      {{0, "x{a=\"1\"}=1", "{a=\"1\"} firing"}, {10, "x{a=\"1\"}=1 x{a=\"2\"}=1", ""}});
}

TEST_CASE("a scalar is one result without labels", "[rules]") {
  run(one_rule("        expr: vector(1)\n"), {{0, "", "firing"}});
  run(one_rule("        expr: scalar(x)\n"), {{0, "x=0", "firing"}});
}

TEST_CASE("off its slot a rule starts and fires alerts, resolves none and records nothing",
          "[rules]") {
  World world;
  Group group(groups_of(one_rule("        expr: x > 0\n        for: 30s\n"))[0], world.settings);
  AlertingRule& rule = alerting(group);
  const auto off_slot = [&](double at, const char* samples) {
    world.at(at);
    world.append(samples);
    group.evaluate_off_slot(rule, world.evaluation(nullptr), world.transitions);
    return states(rule);
  };
  CHECK(off_slot(0, "x=1") == "pending");
  CHECK(rule.next_deadline() == world.now.steady + std::chrono::seconds(30));
  CHECK(off_slot(10, "x=0") == "pending");
  CHECK_FALSE(rule.next_deadline());  // the slot decides
  CHECK(off_slot(30, "x=1") == "firing");
  CHECK(off_slot(40, "x=0") == "firing");
  CHECK(world.newest("ALERTS{alertname=\"A\",alertstate=\"firing\"}") == "none");
  run(world, group, {{50, "x=0", "inactive"}});
}

TEST_CASE("what was saved is restored with its intervals, downtime not counted", "[rules]") {
  World world;
  const auto groups = groups_of(one_rule("        expr: x > 0\n        for: 30s\n"));
  Group group(groups[0], world.settings);
  run(world, group,
      {{0, "x{a=\"1\"}=1", "{a=\"1\"} pending"},
       {10, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} pending, {a=\"2\"} pending"},
       {30, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} firing, {a=\"2\"} pending"}});
  const std::vector<SavedAlert> saved = alerting(group).saved(world.now);
  Group other(groups[0], world.settings);
  world.at(600);
  alerting(other).restore(saved, world.now);
  CHECK(alerting(other).saved(world.now) == saved);
  run(world, other,
      {{600, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} firing, {a=\"2\"} pending"},
       {610, "x{a=\"1\"}=1 x{a=\"2\"}=1", "{a=\"1\"} firing, {a=\"2\"} firing"}});
}

TEST_CASE("a lengthened 'for' sends a firing alert back to pending", "[rules]") {
  World world;
  Group group(groups_of(one_rule("        expr: x > 0\n"))[0], world.settings);
  run(world, group, {{0, "x=1", "firing"}});
  Group longer(groups_of(one_rule("        expr: x > 0\n        for: 30s\n"))[0], world.settings);
  alerting(longer).restore(alerting(group).saved(world.now), world.now);
  run(world, longer, {{10, "x=1", "pending"}, {30, "x=1", "firing"}});
}

TEST_CASE("notices go out when an alert fires, resolves or is held, and each resend delay",
          "[rules]") {
  World world;
  Group group(groups_of(one_rule("        expr: x > 0\n        for: 10s\n"))[0], world.settings);
  const auto step = [&](double at, const char* samples) {
    world.at(at);
    world.append(samples);
    group.evaluate(world.evaluation(&world.output), world.transitions);
    std::vector<Notice> notices;
    alerting(group).take_notices(world.now, std::chrono::minutes(1), notices);
    std::string out;
    for (const Notice& notice : notices) {
      out +=
          std::string(to_string(notice.alert.state)) + (notice.alert.held.empty() ? "" : " held");
    }
    return out;
  };
  CHECK(step(0, "x=1") == "");
  CHECK(step(10, "x=1") == "firing");
  CHECK(step(20, "x=1") == "");
  CHECK(step(70, "x=1") == "firing");
  CHECK(step(80, "x=unknown") == "firing held");
  CHECK(step(90, "") == "");
  CHECK(step(100, "x=0") == "inactive");
  CHECK(step(110, "x=0") == "");
  CHECK(step(160, "x=0") == "inactive");
}

TEST_CASE("a cause starts when its condition began, every other alert when it fired", "[rules]") {
  for (const bool cause : {false, true}) {
    World world;
    Group group(groups_of(one_rule(std::string("        expr: x > 0\n        for: 10s\n") +
                                   (cause ? "        labels: {kind: cause}\n" : "")))[0],
                world.settings);
    world.append("x=1");
    const WallTime began = world.now.wall;
    group.evaluate(world.evaluation(&world.output), world.transitions);
    world.at(20);
    world.append("x=1");
    group.evaluate(world.evaluation(&world.output), world.transitions);
    std::vector<Notice> notices;
    alerting(group).take_notices(world.now, std::chrono::minutes(1), notices);
    REQUIRE(notices.size() == 1);
    CHECK(notices[0].cause == cause);
    CHECK(notices[0].starts_at == (cause ? began : world.now.wall));
    CHECK(notices[0].expr == "x > 0");
  }
}

TEST_CASE("the last 20 evaluations are kept", "[rules]") {
  World world;
  Group group(groups_of(one_rule("        expr: x / on() y > 0\n"))[0], world.settings);
  for (int i = 0; i < 30; ++i) {
    world.at(i * 10);
    world.append(i == 29 ? "x=1 y{a=\"1\"}=1 y{a=\"2\"}=1" : "x=1 y=1");
    group.evaluate(world.evaluation(&world.output), world.transitions);
  }
  const auto& records = alerting(group).log().records();
  REQUIRE(records.size() == 20);
  CHECK(records.front().results == 1);
  CHECK(records.back().at == world.now.wall);
  CHECK_FALSE(records.back().error.empty());
  CHECK(group.stats().evaluations == 30);
  CHECK(group.stats().evaluation_failures == 1);
}

TEST_CASE("every change of state is told once", "[rules]") {
  World world;
  Group group(groups_of(one_rule("        expr: x > 0\n        for: 10s\n"))[0], world.settings);
  run(world, group,
      {{0, "x=1", "pending"},
       {10, "x=2", "firing"},
       {20, "x=0", "inactive"},
       {30, "x=1", "pending"},
       {35, "x=0", ""}});
  std::string told;
  for (const Transition& t : world.transitions) {
    told += std::string(to_string(t.from)) + ">" + std::string(to_string(t.to)) + " ";
  }
  CHECK(told ==
        "inactive>pending pending>firing firing>inactive inactive>pending pending>inactive ");
}

}  // namespace
}  // namespace keelwatch::rules
