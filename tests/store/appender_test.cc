#include "store/appender.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/store/samples.h"

namespace keelwatch::store {
namespace {

constexpr std::int64_t kSlot = 5000;

struct Fixture {
  Store store;
  Appender appender{store};
  std::int64_t now = 1'700'000'000'000;
  std::vector<std::string> asked;

  SeriesId id(std::string_view name) { return *store.series(Labels{{kMetricName, name}}); }

  StepResult step(const std::vector<SeriesId>& present, Missing answer = Missing::kStale) {
    asked.clear();
    now += kSlot;
    appender.begin_step(now);
    for (const SeriesId series : present) CHECK(appender.append(series, 1) != AppendOutcome::kGone);
    const StepResult result = appender.end_step([&](const SeriesRef& ref) {
      asked.emplace_back(ref.labels->get(kMetricName));
      return answer;
    });
    store.end_step(now);
    return result;
  }

  double newest(SeriesId series) {
    const SeriesRef ref = store.ref(series);
    std::vector<Sample> samples;
    std::vector<std::uint8_t> found;
    store.read_last(std::span(&ref, 1), 0, now, samples, found);
    REQUIRE(found.at(0) != 0);
    return samples.at(0).value;
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "a missing series gets the marker its producer names once, and is asked for until it ends",
    "[store]") {
  struct Case {
    const char* name;
    Missing answer;
    bool stale, unknown;
    Names asked_again;
  };
  const Case cases[] = {
      {"stale", Missing::kStale, true, false, {}},
      {"unknown", Missing::kUnknown, false, true, {"b"}},
      {"keep", Missing::kKeep, false, false, {"b"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Fixture f;
    const SeriesId a = f.id("a");
    const SeriesId b = f.id("b");
    CHECK(f.step({a, b}).added == 2);
    CHECK(f.asked == Names{});
    const StepResult result = f.step({a}, c.answer);
    CHECK(f.asked == Names{"b"});
    CHECK(result.added == 1);
    CHECK(result.stale == (c.stale ? 1 : 0));
    CHECK(result.unknown == (c.unknown ? 1 : 0));
    CHECK(is_stale(f.newest(b)) == c.stale);
    CHECK(is_unknown(f.newest(b)) == c.unknown);
    const StepResult again = f.step({a}, c.answer);
    CHECK(f.asked == c.asked_again);
    CHECK(again.stale + again.unknown == 0);
    f.step({b, a}, c.answer);
    CHECK(f.asked == Names{});
    CHECK(f.newest(b) == 1);
  }
}

TEST_CASE("another order, or a series given twice, is nobody missing", "[store]") {
  Fixture f;
  const SeriesId a = f.id("a");
  const SeriesId b = f.id("b");
  f.step({a, b});
  f.step({b, a});
  CHECK(f.asked == Names{});
  const StepResult twice = f.step({b, a, b});
  CHECK(twice.added == 2);
  CHECK(twice.refused == 0);  // the same value again
  CHECK(f.asked == Names{});
  f.step({});
  CHECK(f.asked == Names{"a", "b"});
}

TEST_CASE("two producers do not miss each other's series", "[store]") {
  Fixture f;
  Appender rules(f.store);
  const SeriesId scraped = f.id("scraped");
  const SeriesId recorded = f.id("recorded");
  for (int i = 0; i < 3; ++i) {
    f.step({scraped});
    CHECK(f.asked == Names{});
    rules.begin_step(f.now);
    CHECK(rules.append(recorded, 2) == AppendOutcome::kAdded);
    const StepResult result = rules.end_step([](const SeriesRef&) { return Missing::kStale; });
    CHECK(result.stale == 0);
    f.store.end_step(f.now);
  }
}

TEST_CASE("a refused sample is counted and its series is present", "[store]") {
  Fixture f;
  const SeriesId a = f.id("a");
  f.step({a});
  CHECK(f.store.append(a, f.now + 10 * kSlot, 1) == AppendOutcome::kAdded);
  const StepResult result = f.step({a});
  CHECK(result.added == 0);
  CHECK(result.refused == 1);
  CHECK(f.asked == Names{});
}

TEST_CASE("an unknown series becomes a gone one when its object turns out to be deleted",
          "[store]") {
  Fixture f;
  const SeriesId a = f.id("a");
  const SeriesId b = f.id("b");
  f.step({a, b});
  CHECK(f.step({}, Missing::kUnknown).unknown == 2);
  CHECK(f.step({}, Missing::kUnknown).unknown == 0);
  // The source is back: a is there, b was deleted meanwhile.
  const StepResult back = f.step({a}, Missing::kStale);
  CHECK(f.asked == Names{"b"});
  CHECK(back.stale == 1);
  CHECK(f.newest(a) == 1);
  CHECK(is_stale(f.newest(b)));
  f.step({a});
  CHECK(f.asked == Names{});
}

TEST_CASE("a marker that is refused is written as soon as it can be", "[store]") {
  for (const Missing answer : {Missing::kStale, Missing::kUnknown}) {
    CAPTURE(static_cast<int>(answer));
    Fixture f;
    const SeriesId a = f.id("a");
    f.step({a});
    f.now -= 3 * kSlot;  // the clock steps back
    const StepResult refused = f.step({}, answer);
    CHECK(refused.stale + refused.unknown == 0);
    f.now += kSlot;  // as old as the sample: a duplicate
    const StepResult duplicate = f.step({}, answer);
    CHECK(duplicate.stale + duplicate.unknown == 0);
    CHECK(f.asked == Names{"a"});
    const StepResult written = f.step({}, answer);
    CHECK(written.stale + written.unknown == 1);
    CHECK(is_stale(f.newest(a)) == (answer == Missing::kStale));
    CHECK(is_unknown(f.newest(a)) == (answer == Missing::kUnknown));
  }
}

}  // namespace keelwatch::store
