// What a store makes of a clock that jumps.
#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "store/store.h"
#include "tests/store/samples.h"

namespace keelwatch::store {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::int64_t kSlot = 5000;
constexpr std::int64_t kHour = 3'600'000;

std::vector<Bits> read(const Store& store, SeriesId id) {
  const SeriesRef ref = store.ref(id);
  std::vector<Sample> samples;
  std::vector<std::size_t> offsets;
  store.read(std::span(&ref, 1), 0, 2 * kNow, samples, offsets);
  return bits(samples);
}

}  // namespace

TEST_CASE("a clock that jumps and comes back neither freezes the store nor empties it",
          "[store][clock]") {
  struct Case {
    const char* name;
    std::int64_t jump;
    int steps_there;
    std::size_t kept;  // of the 720 samples of the hour before
  };
  const Case cases[] = {
      {"an hour ahead for a step", kHour, 1, 720},
      {"an hour ahead for a minute", kHour, 12, 720},
      {"a day ahead for a step", 24 * kHour, 1, 720},
      {"a day ahead for a minute", 24 * kHour, 12, 720},
      {"half an hour back for a step", -kHour / 2, 1, 361},
      {"an hour back for a step", -kHour, 1, 1},
      {"a day back for a step", -24 * kHour, 1, 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Store store;  // of 3 h; a minute of steps ahead, each trimming 10 min, leaves the last hour
    SeriesId id = 0;
    std::size_t refused = 0;
    const auto step = [&](std::int64_t time) {
      if (store.ref(id).labels == nullptr) id = *store.series(Labels{{kMetricName, "m"}});
      if (store.append(id, time, std::sin(time)) != AppendOutcome::kAdded) ++refused;
      store.end_step(time);
    };
    std::int64_t now = kNow;
    for (int i = 0; i < 720; ++i) step(now += kSlot);
    REQUIRE(read(store, id).size() == 720);
    for (int i = 0; i < c.steps_there; ++i) step(now += c.jump * (i == 0 ? 1 : 0) + kSlot);
    CHECK(refused == (c.jump < 0 ? 1 : 0));
    now -= c.jump;
    refused = 0;
    for (int i = 0; i < 100; ++i) step(now += kSlot);
    CHECK(refused == (c.jump < 0 ? 0 : 1));

    std::size_t before = 0, after = 0;
    for (const Bits& sample : read(store, id)) {
      CHECK(sample.value == std::bit_cast<std::uint64_t>(std::sin(sample.time)));
      if (sample.time > kNow && sample.time <= kNow + 720 * kSlot) ++before;
      if (sample.time > now - 100 * kSlot && sample.time <= now) ++after;
    }
    CHECK(before == c.kept);
    CHECK(after + refused == 100);
    CHECK(read(store, id).back().time == now);
    const StoreStats stats = store.stats();
    CHECK(stats.samples == read(store, id).size());
    CHECK(stats.future_samples + stats.expired_samples + stats.samples == stats.appended);
    CHECK(stats.future_samples ==
          (c.jump > 0 ? static_cast<std::size_t>(c.steps_there) : 720 - c.kept));
  }
}

TEST_CASE("retention follows a clock that stays ahead", "[store][clock]") {
  Store store({.retention = std::chrono::hours(1)});
  REQUIRE(store.append(*store.series(Labels{{kMetricName, "m"}}), kNow, 1) ==
          AppendOutcome::kAdded);
  store.end_step(kNow);
  std::int64_t now = kNow + 24 * kHour;
  int steps = 0;
  for (; store.stats().series > 0; ++steps) store.end_step(now += kSlot);
  CHECK(steps == 6);  // of ten minutes each
}

TEST_CASE("a step back of less than two minutes is waited out", "[store][clock]") {
  Store store;
  const SeriesId id = *store.series(Labels{{kMetricName, "m"}});
  REQUIRE(store.append(id, kNow - 1000, 1) == AppendOutcome::kAdded);
  REQUIRE(store.append(id, kNow + 120'000, 1) == AppendOutcome::kAdded);
  store.end_step(kNow);
  CHECK(store.append(id, kNow, 2) == AppendOutcome::kOutOfOrder);
  CHECK(store.stats().future_samples == 0);
  store.end_step(kNow - 1);
  CHECK(store.append(id, kNow - 1, 2) == AppendOutcome::kAdded);
  CHECK(store.stats().future_samples == 1);
}

TEST_CASE("a series that has ended or is unknown stays so when its marker is cut off",
          "[store][clock]") {
  for (const double marker : {stale_marker(), unknown_marker()}) {
    Store store;
    const SeriesId id = *store.series(Labels{{kMetricName, "m"}});
    REQUIRE(store.append(id, kNow, 1) == AppendOutcome::kAdded);
    REQUIRE(store.append(id, kNow + kHour, marker) == AppendOutcome::kAdded);
    store.end_step(kNow + kHour);
    store.end_step(kNow + kSlot);
    CHECK(read(store, id) == std::vector{bits({kNow, 1}), bits({kNow + kSlot, marker})});
  }
}

// Every place a cut can fall: in the tail, between tail and chunk, in and between chunks.
TEST_CASE("a cut leaves what was before it, and a series that goes on from there",
          "[store][clock]") {
  for (const int count : {1, 32, 33, 64, 65, 256, 257, 288, 289, 600}) {
    for (int keep = 0; keep < count; keep += count > 100 ? 7 : 1) {
      CAPTURE(count, keep);
      Store store({.retention = std::chrono::hours(100'000)});
      Random random(static_cast<std::uint64_t>(count));
      Shape shape(keep % Shape::kKinds);
      SeriesId id = *store.series(Labels{{kMetricName, "m"}});
      std::vector<Bits> expected;
      const auto append = [&](int at) {
        const Sample sample{kNow + at * kHour, shape.next(random)};
        REQUIRE(store.append(id, sample.timestamp_ms, sample.value) == AppendOutcome::kAdded);
        expected.push_back(bits(sample));
      };
      for (int i = 1; i <= count; ++i) append(i);
      const double newest = std::bit_cast<double>(expected.back().value);
      store.end_step(kNow + keep * kHour + 1);
      expected.resize(static_cast<std::size_t>(keep));
      if (keep > 0 && (is_stale(newest) || is_unknown(newest))) {
        expected.push_back(bits({kNow + keep * kHour + 1, newest}));
      }
      if (keep == 0) id = *store.series(Labels{{kMetricName, "m"}});
      if (keep > 0) {
        REQUIRE(read(store, id) == expected);
        REQUIRE(store.append(id, kNow, 0) == AppendOutcome::kOutOfOrder);
      }
      for (int i = 1; i <= 300; ++i) append(keep + i);
      REQUIRE(read(store, id) == expected);
    }
  }
}

}  // namespace keelwatch::store
