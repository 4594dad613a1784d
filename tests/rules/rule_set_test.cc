#include "rules/rule_set.h"

#include <catch2/catch.hpp>

#include "rule_fixture.h"

namespace keelwatch::rules {
namespace {

AlertingRule& first_rule(RuleSet& rules) { return alerting(*rules.groups()[0]); }

std::string group_of(const std::string& rules, const std::string& name = "g") {
  return "groups:\n  - name: " + name + "\n    interval: 10s\n    rules:\n" + rules;
}

const std::string kAlert = "      - {alert: A, expr: x > 0, for: 30s}\n";

// Steps of one second; returns the seconds at which the group ran.
std::vector<int> slots(World& world, RuleSet& rules, int from, int to) {
  std::vector<int> ran;
  for (int i = from; i < to; ++i) {
    world.at(i);
    world.append("x=1");
    const std::uint64_t before = rules.groups()[0]->stats().iterations;
    rules.step(world.step(), {}, world.transitions);
    if (rules.groups()[0]->stats().iterations != before) ran.push_back(i);
  }
  return ran;
}

TEST_CASE("a group runs once per interval at its own place in it", "[rules]") {
  World world;
  RuleSet rules(world.settings);
  rules.load(groups_of(group_of(kAlert)), {}, world.now, nullptr, world.transitions);
  const std::vector<int> ran = slots(world, rules, 0, 40);
  REQUIRE(ran.size() == 4);
  for (std::size_t i = 1; i < ran.size(); ++i) CHECK(ran[i] - ran[i - 1] == 10);
  CHECK(rules.groups()[0]->stats().iterations_missed == 0);
}

TEST_CASE("slots that were missed are counted and not made up for", "[rules]") {
  World world;
  RuleSet rules(world.settings);
  rules.load(groups_of(group_of(kAlert)), {}, world.now, nullptr, world.transitions);
  const int first = slots(world, rules, 0, 20).at(0);
  const std::vector<int> later = slots(world, rules, first + 45, first + 60);
  CHECK(later == std::vector<int>{first + 45, first + 50});
  CHECK(rules.groups()[0]->stats().iterations_missed == 2);
}

TEST_CASE("clock steps of an hour neither fire, resolve nor skip", "[rules]") {
  for (const int hours : {1, -1}) {
    World world;
    RuleSet rules(world.settings);
    rules.load(
        groups_of(group_of(kAlert + "      - {alert: B, expr: y > 0}\n"
                                    "      - {alert: C, expr: 'max_over_time(y[1m]) > 0'}\n")),
        {}, world.now, nullptr, world.transitions);
    std::vector<int> ran;
    for (int i = 0; i < 120; ++i) {
      if (i == 35) world.wall_offset = std::chrono::hours(hours);
      world.at(i);
      world.append(i < 20 ? "x=0 y=1" : "x=1 y=1");
      const std::uint64_t before = rules.groups()[0]->stats().iterations;
      rules.step(world.step(), {}, world.transitions);
      if (rules.groups()[0]->stats().iterations != before) ran.push_back(i);
      CAPTURE(hours, i);
      // Pending since a slot from 20 to 29: it fires 30 seconds later, whatever the wall says.
      if (i < 49) CHECK(first_rule(rules).state() != AlertState::kFiring);
      if (i > 60) CHECK(first_rule(rules).state() == AlertState::kFiring);
      if (i > 10) {
        CHECK(alerting(*rules.groups()[0], 1).state() == AlertState::kFiring);
        CHECK(alerting(*rules.groups()[0], 2).state() == AlertState::kFiring);
      }
    }
    CHECK(ran.size() == 12);
    for (std::size_t i = 1; i < ran.size(); ++i) CHECK(std::abs(ran[i] - ran[i - 1] - 10) <= 1);
    CHECK(rules.stats().clock_steps == 1);
    CHECK(rules.groups()[0]->stats().iterations_missed == 0);
  }
}

TEST_CASE("a small step back of the clock evaluates on the newest samples", "[rules]") {
  World world;
  RuleSet rules(world.settings);
  rules.load(groups_of(group_of("      - {alert: A, expr: x > 0}\n")), {}, world.now, nullptr,
             world.transitions);
  slots(world, rules, 0, 20);
  world.wall_offset = std::chrono::seconds(-60);
  CHECK(slots(world, rules, 20, 40).size() == 2);
  CHECK(first_rule(rules).state() == AlertState::kFiring);
}

TEST_CASE("between slots only rules that select a changed series are evaluated", "[rules]") {
  World world;
  RuleSet rules(world.settings);
  rules.load(groups_of(group_of("      - {alert: A, expr: 'x{a=\"1\"} > 0'}\n"
                                "      - {alert: B, expr: 'y > 0'}\n"
                                "      - {alert: C, expr: '{a=\"1\"} > 0'}\n")),
             {}, world.now, nullptr, world.transitions);
  const int slot = slots(world, rules, 0, 20).back();
  const auto evaluations = [&](std::size_t i) {
    return alerting(*rules.groups()[0], i).log().records().size();
  };
  const std::size_t before[] = {evaluations(0), evaluations(1), evaluations(2)};
  world.at(slot + 1);
  world.append("x{a=\"1\"}=1 x{a=\"2\"}=1");
  const Labels one{{"__name__", "x"}, {"a", "1"}};
  const Labels two{{"__name__", "x"}, {"a", "2"}};
  const Labels* changed[] = {&two};
  rules.step(world.step(), changed, world.transitions);
  CHECK(evaluations(0) == before[0]);
  changed[0] = &one;
  rules.step(world.step(), changed, world.transitions);
  CHECK(evaluations(0) == before[0] + 1);
  CHECK(evaluations(1) == before[1]);
  CHECK(evaluations(2) == before[2] + 1);
  CHECK(states(alerting(*rules.groups()[0], 0)) == "{a=\"1\"} firing");
}

TEST_CASE("'for' ends by the timer, not at the next slot", "[rules]") {
  World world;
  RuleSet rules(world.settings);
  rules.load(groups_of("groups: [{name: g, interval: 1h, rules: [{alert: A, expr: x > 0, for: "
                       "7s}]}]\n"),
             {}, world.now, nullptr, world.transitions);
  world.append("x=1");
  const Labels x{{"__name__", "x"}};
  const Labels* changed[] = {&x};
  rules.step(world.step(), changed, world.transitions);
  CHECK(first_rule(rules).state() == AlertState::kPending);
  CHECK(rules.next_deadline() == world.now.steady + std::chrono::seconds(7));
  world.at(6);
  rules.step(world.step(), {}, world.transitions);
  CHECK(first_rule(rules).state() == AlertState::kPending);
  world.at(7);
  rules.step(world.step(), {}, world.transitions);
  CHECK(first_rule(rules).state() == AlertState::kFiring);
}

TEST_CASE("a reload keeps the alerts of rules that stay and resolves those of rules that go",
          "[rules]") {
  World world;
  RuleSet rules(world.settings);
  const auto step = [&](double at) {
    world.at(at);
    world.append("x=1 y=1 z=1");
    rules.step(world.step(), {}, world.transitions);
  };
  rules.load(
      groups_of(group_of("      - {alert: A, expr: x > 0, labels: {s: a}}\n"
                         "      - {alert: B, expr: y > 0}\n      - {alert: C, expr: z > 0}\n")),
      {}, world.now, nullptr, world.transitions);
  for (int i = 0; i < 20; ++i) step(i);
  const WallTime fired = first_rule(rules).alerts().at(0).fired_at->wall;
  std::vector<Notice> notices;
  rules.take_notices(world.now, notices);
  CHECK(notices.size() == 3);
  world.transitions.clear();
  // B is gone, C is disabled; A has another expression.
  rules.load(groups_of(group_of("      - {alert: A, expr: x > 0.5, labels: {s: a}}\n"
                                "      - {alert: C, expr: z > 0}\n")),
             {"C"}, world.now, &world.output, world.transitions);
  CHECK(world.transitions.size() == 2);
  step(21);
  CHECK(first_rule(rules).alerts().at(0).fired_at->wall == fired);
  notices.clear();
  rules.take_notices(world.now, notices);
  std::string told;
  for (const Notice& notice : notices) {
    told += std::string(notice.alert.labels.get("alertname")) +
            (notice.ends_at ? " resolved " : " firing ");
  }
  CHECK(told == "B resolved C resolved ");
  // Kept and repeated as every resolved alert is, over a restart too.
  RuleSet other(world.settings);
  other.load(groups_of(group_of(kAlert)), {}, world.now, nullptr, world.transitions);
  world.at(100);
  other.restore(rules.saved(world.now), world.now.wall, world.now, world.transitions);
  notices.clear();
  other.take_notices(world.now, notices);
  CHECK(notices.size() >= 2);
}

TEST_CASE("pending alerts saved over an hour ago start afresh, firing ones stay", "[rules]") {
  World world;
  const auto groups = groups_of(
      group_of("      - {alert: A, expr: x > 0}\n      - {alert: B, expr: x > 0, for: 1h}\n"));
  RuleSet rules(world.settings);
  rules.load(groups, {}, world.now, nullptr, world.transitions);
  slots(world, rules, 0, 20);
  const std::vector<SavedRule> saved = rules.saved(world.now);
  const WallTime saved_at = world.now.wall;
  for (const double after : {3600.0, 3700.0}) {
    world.at(after);
    RuleSet other(world.settings);
    other.load(groups, {}, world.now, nullptr, world.transitions);
    other.restore(saved, saved_at, world.now, world.transitions);
    CHECK(states(alerting(*other.groups()[0], 0)) == "firing");
    CHECK(states(alerting(*other.groups()[0], 1)) == (after > 3650 ? "" : "pending"));
  }
}

TEST_CASE("rules see what earlier ones of their group recorded, and series end when results do",
          "[rules]") {
  World world;
  Group group(groups_of(group_of("      - {record: 'r:x', expr: 'x * 2', labels: {k: v}}\n"
                                 "      - {alert: A, expr: 'r:x > 3'}\n"))[0],
              world.settings);
  const auto step = [&](double at, const char* samples) {
    world.at(at);
    world.append(samples);
    group.evaluate(world.evaluation(&world.output), world.transitions);
    return states(alerting(group, 1));
  };
  CHECK(step(0, "x{a=\"1\"}=2") == "{a=\"1\",k=\"v\"} firing");
  CHECK(world.newest("r:x{a=\"1\",k=\"v\"}") == "4");
  // The recorded series is as silent as what it was made of, so the alert is held.
  CHECK(step(10, "x{a=\"1\"}=unknown") == "{a=\"1\",k=\"v\"} firing held");
  CHECK(world.newest("r:x{a=\"1\",k=\"v\"}") == "unknown");
  CHECK(step(20, "") == "{a=\"1\",k=\"v\"} firing held");
  CHECK_THAT(alerting(group, 1).alerts().at(0).held, Catch::Contains("00:00:10Z"));
  CHECK(step(30, "x{a=\"1\"}=stale") == "{a=\"1\",k=\"v\"} inactive");
  CHECK(world.newest("r:x{a=\"1\",k=\"v\"}") == "stale");
  CHECK(world.newest("ALERTS{alertname=\"A\",a=\"1\",k=\"v\",alertstate=\"firing\"}") == "stale");
}

TEST_CASE("query_offset moves the evaluation and the samples", "[rules]") {
  World world;
  Group group(groups_of("groups: [{name: g, query_offset: 1m, rules: [{alert: A, expr: x > 0}, "
                        "{record: r, expr: x}]}]\n")[0],
              world.settings);
  world.append("x=1");
  group.evaluate(world.evaluation(&world.output), world.transitions);
  CHECK(states(alerting(group)) == "");
  world.at(60);
  group.evaluate(world.evaluation(&world.output), world.transitions);
  CHECK(states(alerting(group)) == "firing");
  world.at(10);  // what is known by then
  CHECK(world.newest("r") == "1");
}

TEST_CASE("a failing recording rule leaves its series alone", "[rules]") {
  World world;
  Group group(groups_of(group_of("      - {record: r, expr: 'x / on() y'}\n"))[0], world.settings);
  world.append("x=1 y=2");
  group.evaluate(world.evaluation(&world.output), world.transitions);
  CHECK(world.newest("r") == "0.5");
  world.at(10);
  world.append("x=1 y=2 y{a=\"1\"}=2");
  group.evaluate(world.evaluation(&world.output), world.transitions);
  CHECK(world.newest("r") == "0.5");
  CHECK(group.stats().evaluation_failures == 1);
}

TEST_CASE("a rule that fails keeps its alerts firing, and they are sent on", "[rules]") {
  World world;
  RuleSet rules(world.settings);
  rules.load(groups_of(group_of("      - {alert: A, expr: 'x / on() y > 0'}\n")), {}, world.now,
             nullptr, world.transitions);
  int sent = 0;
  for (int i = 0; i < 600; ++i) {
    world.at(i);
    world.append(i < 20 ? "x=1 y=1" : "x=1 y=1 y{a=\"1\"}=1");
    rules.step(world.step(), {}, world.transitions);
    std::vector<Notice> notices;
    rules.take_notices(world.now, notices);
    for (const Notice& notice : notices) sent += notice.ends_at ? 1000 : 1;
  }
  CHECK(first_rule(rules).health() == Health::kError);
  CHECK(rules.stats().failing_rules == 1);
  CHECK(states(first_rule(rules)) == "firing");
  CHECK(sent >= 9);  // each minute
  CHECK(sent < 1000);
}

TEST_CASE("files with the same group and rule are told apart; a file that is renamed keeps alerts",
          "[rules]") {
  World world;
  const auto both = [&](const char* first, const char* second) {
    std::vector<RuleGroup> groups =
        groups_of(group_of("      - {alert: A, expr: 'x{a=\"1\"} > 0'}\n"), first);
    for (RuleGroup& more :
         groups_of(group_of("      - {alert: A, expr: 'x{a=\"2\"} > 0'}\n"), second)) {
      groups.push_back(std::move(more));
    }
    return groups;
  };
  RuleSet rules(world.settings);
  rules.load(both("a.yaml", "b.yaml"), {}, world.now, nullptr, world.transitions);
  for (int i = 0; i < 20; ++i) {
    world.at(i);
    world.append("x{a=\"1\"}=1 x{a=\"2\"}=1");
    rules.step(world.step(), {}, world.transitions);
  }
  const auto told = [](RuleSet& set) {
    return states(alerting(*set.groups()[0])) + ", " + states(alerting(*set.groups()[1]));
  };
  REQUIRE(told(rules) == "{a=\"1\"} firing, {a=\"2\"} firing");
  const std::vector<SavedRule> saved = rules.saved(world.now);
  RuleSet again(world.settings);
  again.load(both("a.yaml", "b.yaml"), {}, world.now, nullptr, world.transitions);
  again.restore(saved, world.now.wall, world.now, world.transitions);
  CHECK(told(again) == "{a=\"1\"} firing, {a=\"2\"} firing");
  world.transitions.clear();
  rules.load(both("a.yaml", "c.yaml"), {}, world.now, nullptr, world.transitions);
  CHECK(told(rules) == "{a=\"1\"} firing, {a=\"2\"} firing");
  CHECK(world.transitions.empty());
}

// As an Alertmanager keeps it: firing for so long.
SavedAlert seen_firing(const Labels& labels, const World& world, Duration since) {
  SavedAlert seen;
  seen.state = AlertState::kFiring;
  seen.labels = labels;
  seen.active_at = {world.now.wall - since, since};
  seen.fired_at = seen.last_sent_at = seen.active_at;
  return seen;
}

TEST_CASE("an alert that fires at Alertmanager goes on as its rule's", "[rules]") {
  const Labels ours{{"alertname", "A"}, {"a", "1"}, {"severity", "page"}};
  struct Case {
    const char* name;
    Labels seen;
    const char* sample;
    const char* taken;
    const char* after;  // the next slot
  };
  const Case cases[] = {
      {"its condition holds", ours, "x{a=\"1\"}=1", "firing", "firing"},
      {"its condition is over", ours, "x{a=\"1\"}=0", "firing", "inactive"},
      {"its source is silent", ours, "x{a=\"1\"}=unknown", "firing", "firing held"},
      {"there is no such rule", ours.with("alertname", "B"), "x{a=\"1\"}=0", "", ""},
      {"its rule has another label", ours.with("severity", "none"), "x{a=\"1\"}=0", "", ""},
      {"its rule gives no such label", ours.with("zone", "z"), "x{a=\"1\"}=0", "", ""},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    World world;
    RuleSet rules(world.settings);
    rules.load(groups_of(group_of("      - {alert: A, expr: max by (a) (x) > 0, for: 30s, "
                                  "labels: {severity: page}}\n")),
               {}, world.now, nullptr, world.transitions);
    world.append("x{a=\"1\"}=0");
    const auto rest = rules.take_back({seen_firing(c.seen, world, std::chrono::seconds(5))},
                                      world.now, world.transitions);
    CHECK(rest.empty() == (*c.taken != '\0'));
    const std::string labels = "{a=\"1\",severity=\"page\"} ";
    CHECK(states(first_rule(rules)) == (*c.taken == '\0' ? "" : labels + c.taken));
    for (int i = 1; i < 21; ++i) {
      world.at(i);
      world.append(c.sample);
      rules.step(world.step(), {}, world.transitions);
    }
    CHECK(states(first_rule(rules)) == (*c.after == '\0' ? "" : labels + c.after));
  }
}

TEST_CASE("an answer of Alertmanager that comes late ends a for, and wakes nothing that ended",
          "[rules]") {
  World world;
  RuleSet rules(world.settings);
  rules.load(groups_of(group_of("      - {alert: A, expr: x > 0, for: 1h}\n"
                                "      - {alert: B, expr: y > 0}\n")),
             {}, world.now, nullptr, world.transitions);
  for (int i = 0; i < 31; ++i) {
    world.at(i);
    world.append(i < 20 ? "x=1 y=1" : "x=1 y=0");
    rules.step(world.step(), {}, world.transitions);
  }
  REQUIRE(states(first_rule(rules)) == "pending");
  REQUIRE(states(alerting(*rules.groups()[0], 1)) == "inactive");
  const SavedAlert a = seen_firing(Labels{{"alertname", "A"}}, world, std::chrono::hours(2));
  const SavedAlert b = seen_firing(Labels{{"alertname", "B"}}, world, std::chrono::hours(2));
  CHECK(rules.take_back({a, b}, world.now, world.transitions).empty());
  CHECK(states(first_rule(rules)) == "firing");
  CHECK(states(alerting(*rules.groups()[0], 1)) == "inactive");
  std::vector<Notice> notices;
  rules.take_notices(world.now, notices);
  REQUIRE_FALSE(notices.empty());
  CHECK(notices[0].starts_at == world.now.wall - std::chrono::hours(2));
}

}  // namespace
}  // namespace keelwatch::rules
