#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "store/store.h"
#include "tests/store/samples.h"

namespace keelwatch::store {
namespace {

constexpr std::int64_t kSlot = 5000;

// Every value tells its time and its series, so that a reader can judge any sample it is given.
double value_of(std::int64_t time, std::size_t series) {
  return static_cast<double>(time / kSlot * 1000 + static_cast<std::int64_t>(series));
}

struct Findings {
  std::atomic<std::uint64_t> reads{0}, samples{0}, wrong{0};
};

std::size_t number_of(const SeriesRef& ref) {
  return static_cast<std::size_t>(std::stoul(std::string(ref.labels->get("n"))));
}

void judge(const SeriesRef& ref, std::span<const Sample> samples, std::int64_t from,
           std::int64_t to, Findings& findings) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Sample& sample = samples[i];
    const bool in_order = i == 0 || samples[i - 1].timestamp_ms < sample.timestamp_ms;
    const bool right = sample.timestamp_ms > from && sample.timestamp_ms <= to && in_order &&
                       sample.value == value_of(sample.timestamp_ms, number_of(ref));
    if (!right) ++findings.wrong;
  }
  findings.samples += samples.size();
}

// One look at the counters, beside the one before: of one step, and later than that.
bool consistent(const StoreStats& before, const StoreStats& now) {
  const auto gone = [](const StoreStats& s) {
    return s.expired_samples + s.evicted_samples + s.future_samples;
  };
  return now.samples + gone(now) == now.appended && now.chunk_samples <= now.samples &&
         now.series <= now.series_created - now.series_forgotten &&
         before.appended <= now.appended && gone(before) <= gone(now) &&
         before.series_forgotten <= now.series_forgotten;
}

void read_until(const std::atomic<bool>& stop, const Store& store,
                const std::atomic<std::int64_t>& now, std::uint64_t seed, Findings& findings) {
  Random random(seed);
  std::uint64_t generation = ~std::uint64_t{0};
  std::vector<SeriesRef> refs;
  std::vector<Sample> samples;
  std::vector<std::size_t> offsets;
  std::vector<std::uint8_t> found;
  StoreStats stats;
  while (!stop) {
    // Some readers keep a selection that is out of date.
    if (const std::uint64_t g = store.generation(); g != generation && below(random, 4) != 0) {
      generation = g;
      refs = store.select({});
    }
    const std::int64_t to = now - static_cast<std::int64_t>(below(random, 3)) * kSlot * 20;
    const std::int64_t from = to - static_cast<std::int64_t>(below(random, 600)) * kSlot;
    samples.clear();
    store.read(refs, from, to, samples, offsets);
    for (std::size_t i = 0; i < refs.size(); ++i) {
      judge(refs[i], std::span(samples).subspan(offsets[i], offsets[i + 1] - offsets[i]), from, to,
            findings);
    }
    store.read_last(refs, from, to, samples, found);
    for (std::size_t i = 0; i < refs.size(); ++i) {
      if (found[i] != 0) judge(refs[i], std::span(&samples[i], 1), from, to, findings);
    }
    const StoreStats now_stats = store.stats();
    if (!consistent(stats, now_stats)) ++findings.wrong;
    stats = now_stats;
    ++findings.reads;
  }
}

}  // namespace

TEST_CASE("readers beside the appender see whole samples in order, of the right series",
          "[store]") {
  // A short retention, a small budget and a clock that jumps: chunks are replaced, expired, evicted
  // and cut, series come and go and take each other's places, all under the readers' eyes.
  Store store({.retention = std::chrono::milliseconds(200 * kSlot), .memory_budget = 66'000});
  std::atomic<std::int64_t> now{1'700'000'000'000};
  std::atomic<bool> stop{false};
  Findings findings;
  std::vector<std::thread> readers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&, seed] { read_until(stop, store, now, seed, findings); });
  }
  constexpr std::size_t kSeries = 60;
  std::vector<SeriesId> ids(kSeries);
  bool appended = true;
  // At least so many steps, and until the readers have had their share on a busy machine.
  for (int step = 0; step < 10'000 || findings.reads < 500; ++step) {
    const std::int64_t time = now + kSlot;
    for (std::size_t n = 0; n < kSeries; ++n) {
      if (n % 2 == 0 && (static_cast<std::size_t>(step) / 250 + n) % 4 == 0) continue;
      if (store.append(ids[n], time, value_of(time, n)) == AppendOutcome::kAdded) continue;
      ids[n] = *store.series(Labels{{kMetricName, "m"}, {"n", std::to_string(n)}});
      appended &= store.append(ids[n], time, value_of(time, n)) == AppendOutcome::kAdded;
    }
    store.end_step(time);
    if (step % 1000 == 999) store.end_step(time - 40 * kSlot);
    now = step % 1000 == 999 ? time - 40 * kSlot : time;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(appended);
  CHECK(findings.wrong == 0);
  CHECK(findings.samples > 0);
  CHECK(store.stats().series_forgotten > 0);
  CHECK(store.stats().evicted_chunks > 0);
  CHECK(store.stats().expired_samples > 0);
  CHECK(store.stats().future_samples > 0);
}

}  // namespace keelwatch::store
