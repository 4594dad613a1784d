#include "store/store.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <string>

#include "tests/store/samples.h"

namespace keelwatch::store {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::int64_t kSlot = 5000;

Labels named(std::string_view name, std::string_view instance = {}) {
  return Labels{{kMetricName, name}, {"instance", instance}};
}

std::vector<SeriesRef> all(const Store& store) { return store.select({}); }

std::vector<Bits> read(const Store& store, const SeriesRef& ref, std::int64_t from,
                       std::int64_t to) {
  std::vector<Sample> samples;
  std::vector<std::size_t> offsets;
  store.read(std::span(&ref, 1), from, to, samples, offsets);
  REQUIRE(offsets == std::vector<std::size_t>{0, samples.size()});
  return bits(samples);
}

}  // namespace

TEST_CASE("a sample is taken or refused as Prometheus' head block does", "[store]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  struct Case {
    const char* name;
    Sample first, second;
    AppendOutcome outcome;
  };
  const Case cases[] = {
      {"newer", {kNow, 1}, {kNow + 1, 1}, AppendOutcome::kAdded},
      {"older", {kNow, 1}, {kNow - 1, 1}, AppendOutcome::kOutOfOrder},
      {"older with the same value", {kNow, 1}, {kNow - 1, 1}, AppendOutcome::kOutOfOrder},
      {"again", {kNow, 1}, {kNow, 1}, AppendOutcome::kSame},
      {"again, NaN", {kNow, nan}, {kNow, nan}, AppendOutcome::kSame},
      {"again, stale", {kNow, stale_marker()}, {kNow, stale_marker()}, AppendOutcome::kSame},
      {"another value", {kNow, 1}, {kNow, 2}, AppendOutcome::kDuplicate},
      {"another sign of zero", {kNow, 0.0}, {kNow, -0.0}, AppendOutcome::kDuplicate},
      {"another NaN", {kNow, nan}, {kNow, stale_marker()}, AppendOutcome::kDuplicate},
      {"unknown after stale",
       {kNow, stale_marker()},
       {kNow, unknown_marker()},
       AppendOutcome::kDuplicate},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Store store;
    const SeriesId id = *store.series(named("up"));
    REQUIRE(store.append(id, c.first.timestamp_ms, c.first.value) == AppendOutcome::kAdded);
    CHECK(store.append(id, c.second.timestamp_ms, c.second.value) == c.outcome);
    store.end_step(kNow);
    std::vector<Bits> expected = {bits(c.first)};
    if (c.outcome == AppendOutcome::kAdded) expected.push_back(bits(c.second));
    CHECK(read(store, all(store).at(0), kNow - 10, kNow + 10) == expected);
    CHECK(store.stats().appended == expected.size());
    CHECK(store.stats().out_of_order == (c.outcome == AppendOutcome::kOutOfOrder ? 1 : 0));
    CHECK(store.stats().duplicates == (c.outcome == AppendOutcome::kDuplicate ? 1 : 0));
  }
}

TEST_CASE("windows are open on the left and closed on the right", "[store]") {
  Store store;
  const SeriesId id = *store.series(named("up"));
  for (int i = 0; i < 100; ++i) REQUIRE(store.append(id, i * 10, i) == AppendOutcome::kAdded);
  store.end_step(1000);
  const SeriesRef ref = all(store).at(0);
  struct Case {
    const char* name;
    std::int64_t from, to;
    std::size_t count;
    std::int64_t last;
  };
  const Case cases[] = {
      {"in the tail", 970, 990, 2, 990},
      {"all", -1, 2000, 100, 990},
      {"first excluded", 0, 990, 99, 990},
      {"in a chunk", 100, 109, 0, -1},
      {"one", 99, 100, 1, 100},
      {"empty", 100, 100, 0, -1},
      {"before", -100, -1, 0, -1},
      {"after", 990, 2000, 0, -1},
      {"over the seam", 940, 965, 2, 960},
      {"backwards", 500, 400, 0, -1},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(read(store, ref, c.from, c.to).size() == c.count);
    std::vector<Sample> samples;
    std::vector<std::uint8_t> found;
    store.read_last(std::span(&ref, 1), c.from, c.to, samples, found);
    CHECK((found.at(0) != 0) == (c.last >= 0));
    if (c.last >= 0) CHECK(samples.at(0).timestamp_ms == c.last);
  }
}

TEST_CASE("the generation changes with the set of series and with nothing else", "[store]") {
  Store store({.retention = std::chrono::seconds(60)});
  const std::uint64_t empty = store.generation();
  const SeriesId up = *store.series(named("up"));
  CHECK(store.append(up, kNow, 1) == AppendOutcome::kAdded);
  CHECK(store.generation() == empty);
  CHECK(all(store).empty());
  store.end_step(kNow);
  const std::uint64_t one = store.generation();
  CHECK(one != empty);
  CHECK(all(store).size() == 1);

  CHECK(*store.series(named("up")) == up);
  CHECK(store.append(up, kNow + kSlot, 1) == AppendOutcome::kAdded);
  store.end_step(kNow + kSlot);
  CHECK(store.generation() == one);

  const SeriesRef old = all(store).at(0);
  store.end_step(kNow + 3 * 60'000);
  CHECK(store.generation() != one);
  CHECK(all(store).empty());
  CHECK(read(store, old, 0, kNow * 2).empty());
  CHECK(old.labels->get(kMetricName) == "up");
  CHECK(store.append(up, kNow + 4 * 60'000, 1) == AppendOutcome::kGone);
  CHECK(store.ref(up).labels == nullptr);
}

TEST_CASE("a selection that outlives its series never reaches the one that took its place",
          "[store]") {
  Store store({.retention = std::chrono::seconds(60)});
  const SeriesId stays = *store.series(named("stays"));
  const SeriesId old = *store.series(named("old"));
  CHECK(store.append(old, kNow, 1) == AppendOutcome::kAdded);
  CHECK(store.append(stays, kNow + 50'000, 5) == AppendOutcome::kAdded);
  store.end_step(kNow + 50'000);
  const std::uint64_t selected_at = store.generation();
  const std::vector<SeriesRef> selected = all(store);
  REQUIRE(selected.size() == 2);
  REQUIRE(selected[0].id == old);

  store.end_step(kNow + 60'000);
  const std::uint64_t vanished_at = store.generation();
  CHECK(vanished_at != selected_at);
  const SeriesId fresh = *store.series(named("new"));
  CHECK(place_of(fresh) == place_of(old));
  CHECK(fresh != old);
  CHECK(store.append(fresh, kNow + 60'000, 2) == AppendOutcome::kAdded);
  store.end_step(kNow + 60'000);
  CHECK(store.generation() != vanished_at);
  CHECK(store.append(old, kNow + 70'000, 3) == AppendOutcome::kGone);

  // Who has not looked at the generation finds what has stayed, and nothing of another series.
  std::vector<Sample> samples;
  std::vector<std::size_t> offsets;
  store.read(selected, 0, kNow * 2, samples, offsets);
  CHECK(offsets == std::vector<std::size_t>{0, 0, 1});
  CHECK(bits(samples) == std::vector{bits({kNow + 50'000, 5})});
  std::vector<std::uint8_t> found;
  store.read_last(selected, 0, kNow * 2, samples, found);
  CHECK(found == std::vector<std::uint8_t>{0, 1});
  CHECK(selected[0].labels->get(kMetricName) == "old");
  // Who selects again finds the new one at the same place.
  const std::vector<SeriesRef> again = all(store);
  REQUIRE(again.size() == 2);
  CHECK(again[0].id == fresh);
  CHECK(read(store, again[0], 0, kNow * 2) == std::vector{bits({kNow + 60'000, 2})});
}

TEST_CASE("a series without samples cannot be selected and does not stay", "[store]") {
  Store store;
  const SeriesId id = *store.series(named("up"));
  store.end_step(kNow);
  CHECK(all(store).empty());
  CHECK(store.append(id, kNow, 1) == AppendOutcome::kGone);
  CHECK(store.stats().series_bytes <= 64 * sizeof(Series));  // one page
}

TEST_CASE("more series than the limit are refused, and one that leaves makes room", "[store]") {
  Store store({.retention = std::chrono::seconds(60), .max_series = 2});
  REQUIRE(store.append(*store.series(named("a")), kNow, 1) == AppendOutcome::kAdded);
  REQUIRE(store.append(*store.series(named("b")), kNow + 60'000, 1) == AppendOutcome::kAdded);
  const auto refused = store.series(named("c"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kTooLarge);
  CHECK(refused.error().message() == "the store holds its limit of 2 series");
  store.end_step(kNow + 60'000);
  CHECK(store.stats().series_refused == 1);
  CHECK(store.series(named("c")));
}

TEST_CASE("retention keeps what is young enough and lets go of the rest", "[store]") {
  Store store({.retention = std::chrono::hours(1)});
  const SeriesId busy = *store.series(named("busy"));
  const SeriesId ended = *store.series(named("ended"));
  REQUIRE(store.append(ended, kNow, 1) == AppendOutcome::kAdded);
  std::int64_t now = kNow;
  for (int step = 0; step < 3000; ++step, now += kSlot) {
    REQUIRE(store.append(busy, now, step) == AppendOutcome::kAdded);
    store.end_step(now);
    const auto samples = store.stats().samples;
    REQUIRE(samples <= 720 + kChunkSamples + 2 * 16);
  }
  now -= kSlot;
  REQUIRE(all(store).size() == 1);
  const std::vector<Bits> kept = read(store, all(store).at(0), now - 3'600'000, now);
  CHECK(kept.size() == 720);
  CHECK(store.stats().series_forgotten == 1);
  CHECK(store.stats().evicted_chunks == 0);
  CHECK(store.stats().expired_samples > 2000);
  CHECK(read(store, all(store).at(0), 0, now).size() == store.stats().samples);
}

TEST_CASE("a series goes when its newest sample is as old as the retention, not before",
          "[store]") {
  Store store({.retention = std::chrono::seconds(60)});
  REQUIRE(store.append(*store.series(named("up")), kNow, 1) == AppendOutcome::kAdded);
  store.end_step(kNow + 59'999);
  CHECK(all(store).size() == 1);
  store.end_step(kNow + 60'000);
  CHECK(all(store).empty());
}

TEST_CASE("an unknown series outlives the retention, until it ends", "[store]") {
  Store store({.retention = std::chrono::seconds(60)});
  const SeriesId id = *store.series(named("up"));
  REQUIRE(store.append(id, kNow, 1) == AppendOutcome::kAdded);
  REQUIRE(store.append(id, kNow + 5'000, unknown_marker()) == AppendOutcome::kAdded);
  store.end_step(kNow + 5'000);
  store.end_step(kNow + 600'000);
  REQUIRE(all(store).size() == 1);
  CHECK(read(store, all(store).at(0), kNow, kNow + 600'000).size() == 1);
  REQUIRE(store.append(id, kNow + 600'000, stale_marker()) == AppendOutcome::kAdded);
  store.end_step(kNow + 600'000);
  CHECK(all(store).size() == 1);
  store.end_step(kNow + 660'000);
  CHECK(all(store).empty());
}

TEST_CASE("beyond the memory budget the oldest chunks go first", "[store]") {
  constexpr std::size_t kBudget = 400'000;
  Store store({.memory_budget = kBudget});
  Random random(4);
  std::vector<SeriesId> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(*store.series(named("noise", std::to_string(i))));
  std::int64_t now = kNow;
  for (int step = 0; step < 1500; ++step, now += kSlot) {
    for (const SeriesId id : ids) {
      REQUIRE(store.append(id, now, std::bit_cast<double>(random())) == AppendOutcome::kAdded);
    }
    store.end_step(now);
    REQUIRE(store.stats().bytes() <= kBudget);
  }
  const StoreStats stats = store.stats();
  CHECK(stats.evicted_chunks > 0);
  CHECK(stats.expired_samples == 0);
  CHECK(stats.samples == stats.appended - stats.evicted_samples);
  // What went is the beginning, of all series alike.
  std::size_t samples = 0;
  for (const SeriesRef& ref : all(store)) {
    const std::vector<Bits> kept = read(store, ref, 0, now);
    samples += kept.size();
    CHECK(kept.back().time == now - kSlot);
    CHECK(kept.front().time == now - static_cast<std::int64_t>(kept.size()) * kSlot);
  }
  CHECK(samples == stats.samples);
}

TEST_CASE("a budget smaller than the series leaves every series its newest samples", "[store]") {
  Store store({.memory_budget = 1});
  const SeriesId id = *store.series(named("up"));
  for (int step = 0; step < 500; ++step) {
    REQUIRE(store.append(id, kNow + step * kSlot, step) == AppendOutcome::kAdded);
    store.end_step(kNow + step * kSlot);
  }
  const std::vector<Bits> kept = read(store, all(store).at(0), 0, kNow * 2);
  CHECK(kept.size() == (500 - 1) % kBlockSamples + 1);
  CHECK(kept.back().time == kNow + 499 * kSlot);
  CHECK(store.stats().chunks == 0);
}

TEST_CASE(
    "label sets that come and go stay within the budget, and the series that live keep theirs",
    "[store]") {
  constexpr std::size_t kBudget = 1'000'000;
  Store store({.retention = std::chrono::hours(1000), .memory_budget = kBudget});
  std::vector<SeriesId> live;
  for (int i = 0; i < 20; ++i) live.push_back(*store.series(named("live", std::to_string(i))));
  std::vector<SeriesId> churn;
  std::int64_t now = kNow;
  for (int step = 0; step < 1000; ++step, now += kSlot) {
    for (const SeriesId id : live) {
      REQUIRE(store.append(id, now, std::sin(step)) == AppendOutcome::kAdded);
    }
    for (const SeriesId id : churn) {
      REQUIRE(store.append(id, now, stale_marker()) == AppendOutcome::kAdded);
    }
    churn.clear();
    for (int i = 0; i < 20; ++i) {
      const std::string instance = std::to_string(step) + std::string(100, 'x') + std::to_string(i);
      churn.push_back(*store.series(named("churn", instance)));
      REQUIRE(store.append(churn.back(), now, 1) == AppendOutcome::kAdded);
    }
    store.end_step(now);
    REQUIRE(store.stats().bytes() <= kBudget);
  }
  const StoreStats stats = store.stats();
  CHECK(stats.series_refused == 0);
  CHECK(stats.evicted_series > 18'000);
  CHECK(stats.series_forgotten == stats.evicted_series);
  CHECK(stats.samples == stats.appended - stats.evicted_samples);
  CHECK(stats.chunks > 0);
  std::size_t newest_ended = 0;
  for (const SeriesRef& ref : all(store)) {
    const std::vector<Bits> kept = read(store, ref, 0, now);
    if (ref.labels->get(kMetricName) == "live") CHECK(kept.size() > 200);
    CHECK(kept.back().time >= now - 40 * kSlot);  // of the ended ones the oldest have gone
    if (kept.back().value == kStaleBits && kept.back().time == now - kSlot) ++newest_ended;
  }
  CHECK(newest_ended == 20);
}

TEST_CASE("series that do not end are refused at half of the budget, and history keeps the other",
          "[store]") {
  constexpr std::size_t kBudget = 1'000'000;
  Store store({.memory_budget = kBudget});
  std::vector<SeriesId> ids;
  std::int64_t now = kNow;
  for (int step = 0; step < 400; ++step, now += kSlot) {
    for (int i = 0; i < 10; ++i) {
      const Result<SeriesId> id = store.series(named("m", std::to_string(step * 10 + i)));
      if (id) {
        ids.push_back(*id);
      } else {
        CHECK(id.error().code() == ErrorCode::kTooLarge);
        CHECK(id.error().message() ==
              "series have used up half of the store's memory budget of 1000000 bytes");
      }
    }
    for (const SeriesId id : ids) {
      REQUIRE(store.append(id, now, std::sin(step)) == AppendOutcome::kAdded);
    }
    store.end_step(now);
    REQUIRE(store.stats().bytes() <= kBudget);
  }
  const StoreStats stats = store.stats();
  CHECK(stats.series == ids.size());
  CHECK(stats.series_refused == 4000 - ids.size());
  CHECK(stats.series > 300);
  CHECK(stats.series_bytes + stats.index_bytes <= kBudget * 11 / 20);
  CHECK(stats.chunk_bytes > kBudget / 4);
  CHECK(stats.evicted_series == 0);
}

namespace {

// A std::map per series is the model; what it holds younger than the retention must be in the
// store, and the store must hold nothing that the model does not.
struct Model {
  Labels labels;
  std::map<std::int64_t, double> samples;
  Shape shape;
  SeriesId id = 0;

  [[nodiscard]] AppendOutcome expected(const Sample& sample) const {
    if (samples.empty() || samples.rbegin()->first < sample.timestamp_ms) {
      return AppendOutcome::kAdded;
    }
    const auto [time, value] = *samples.rbegin();
    if (time > sample.timestamp_ms) return AppendOutcome::kOutOfOrder;
    return bits(sample) == bits({time, value}) ? AppendOutcome::kSame : AppendOutcome::kDuplicate;
  }

  [[nodiscard]] std::vector<Bits> window(std::int64_t from, std::int64_t to) const {
    std::vector<Bits> result;
    for (auto it = samples.upper_bound(from); it != samples.end() && it->first <= to; ++it) {
      result.push_back(bits({it->first, it->second}));
    }
    return result;
  }

  // To both; `forgotten_until`: what the store may have forgotten.
  void append(Store& store, const Sample& sample, std::int64_t forgotten_until) {
    AppendOutcome outcome = store.append(id, sample.timestamp_ms, sample.value);
    if (outcome == AppendOutcome::kGone) {
      id = *store.series(labels);
      if (!samples.empty()) REQUIRE(samples.rbegin()->first <= forgotten_until);
      samples.clear();
      outcome = store.append(id, sample.timestamp_ms, sample.value);
    }
    REQUIRE(outcome == expected(sample));
    if (outcome == AppendOutcome::kAdded) samples[sample.timestamp_ms] = sample.value;
  }
};

void compare(const Store& store, const std::vector<Model>& models, std::int64_t from,
             std::int64_t to) {
  const std::vector<SeriesRef> refs = all(store);
  std::vector<Sample> samples = {{1, 1}};  // read() appends
  std::vector<std::size_t> offsets;
  store.read(refs, from, to, samples, offsets);
  std::vector<Sample> last;
  std::vector<std::uint8_t> found;
  store.read_last(refs, from, to, last, found);
  REQUIRE(offsets.size() == refs.size() + 1);
  REQUIRE(offsets[0] == 1);
  std::size_t selected = 0;
  for (const Model& model : models) {
    const auto ref = std::find_if(refs.begin(), refs.end(),
                                  [&](const SeriesRef& r) { return *r.labels == model.labels; });
    const std::vector<Bits> expected = model.window(from, to);
    if (ref == refs.end()) {
      REQUIRE(expected.empty());
      continue;
    }
    ++selected;
    const auto i = static_cast<std::size_t>(ref - refs.begin());
    REQUIRE(bits(std::span(samples).subspan(offsets[i], offsets[i + 1] - offsets[i])) == expected);
    REQUIRE((found[i] != 0) == !expected.empty());
    if (found[i] != 0) REQUIRE(bits(last[i]) == expected.back());
  }
  REQUIRE(selected == refs.size());
  REQUIRE(std::is_sorted(refs.begin(), refs.end(),
                         [](const auto& a, const auto& b) { return *a.labels < *b.labels; }));
}

}  // namespace

TEST_CASE("the store agrees with a naive model over random histories", "[store]") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::int64_t retention = seed % 3 == 0 ? 10'000'000'000 : 1'800'000;
    Store store({.retention = std::chrono::milliseconds(retention)});
    std::vector<Model> models;
    for (int i = 0; i < 30; ++i) {
      models.push_back(
          {named("m" + std::to_string(i % 4), std::to_string(i)), {}, Shape(i % Shape::kKinds)});
    }
    const auto some = [&](std::uint64_t bound) {
      return static_cast<std::int64_t>(below(random, bound));
    };
    std::int64_t now = kNow;
    for (int step = 0; step < 1200; ++step) {
      now += some(40) == 0 ? 120'000 + some(1000) : kSlot;
      for (std::size_t m = 0; m < models.size(); ++m) {
        // Some series pause for longer than the retention.
        const auto phase = (static_cast<std::size_t>(step) + 53 * m) % 1000;
        if (m % 3 == 0 && phase > 300) continue;
        const std::int64_t time = now - (some(30) == 0 ? kSlot * some(3) : 0);
        models[m].append(store, {time, models[m].shape.next(random)}, now - retention);
      }
      store.end_step(now);
      if (step % 20 != 0) continue;
      const std::int64_t from = now - retention + some(2'000'000);
      compare(store, models, from, from + some(2'000'000));
    }
    if (retention < 10'000'000) CHECK(store.stats().series_forgotten > 0);
    CHECK(store.stats().expired_samples + store.stats().samples == store.stats().appended);
  }
}

}  // namespace keelwatch::store
