// The sample store: what keelwatch has seen in the last hours, in memory.
//
//   Store store({.retention = 3h});
//   auto id = store.series(Labels{{"__name__", "up"}, {"job", "postgres"}});
//   store.append(*id, now_ms, 1);
//   store.end_step(now_ms);   // new series can be selected from here on
//   auto refs = store.select(matchers);
//
// Threads: everything under "the appender" belongs to one thread; the Queryable part and stats()
// to any number of others, at any time. Readers take no lock that the appender waits for, except
// the one around a pointer to the index. A sample can be read as soon as append() returns; a step
// is not atomic for readers: evaluate at a time up to the last finished step.
//
// Clocks jump. A step whose time is far ahead of the one before is taken as it is, but retention
// follows by at most kMaxAdvance per step, so that a few wrong steps do not empty the store. A step
// whose time is behind a series' newest sample by more than kClockTolerance ends with the samples
// later than it dropped (and counted): the appends of that one step are refused as out of order,
// those of the next are taken. A series that ended or was unknown then is so again from that step
// on. The price: a clock that steps back by an hour, rightly or not, costs the last hour.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/mutex.h"
#include "base/published.h"
#include "base/result.h"
#include "base/sample.h"
#include "store/index.h"
#include "store/queryable.h"
#include "store/reclaimer.h"
#include "store/series.h"

namespace keelwatch::store {

struct StoreOptions {
  // A sample stays readable at least this long (but see kMaxAdvance), and the unknown marker of a
  // series as long as it is the newest: a fact that was lost to sight must not pass for one that
  // ended. Duration::max() keeps for ever, samples later than a step's time too.
  Duration retention = std::chrono::hours(3);
  // Of chunks, series and index together, and of what readers keep from being freed. Beyond it the
  // series that have ended (their newest sample is a staleness marker) go first, the longest ended
  // before the others, then the oldest chunks of all series, however young. The newest samples of
  // the other series, at most kBlockSamples of each, always stay: hence series and index may take
  // half of the budget and no more, new ones are refused then. kPageSeries series always fit.
  std::size_t memory_budget = std::size_t{256} << 20;
  std::size_t max_series = 1'000'000;
};

// As of the last finished step.
struct StoreStats {
  std::uint64_t series = 0;   // that can be selected
  std::uint64_t samples = 0;  // in memory
  std::uint64_t chunks = 0;
  std::uint64_t chunk_samples = 0;  // those of `samples` that are compressed
  std::uint64_t chunk_bytes = 0;    // what they take, with all overhead
  std::uint64_t series_bytes = 0;   // labels, tails and bookkeeping
  std::uint64_t index_bytes = 0;
  std::uint64_t retired_bytes = 0;  // of chunks replaced or dropped that readers may still look at
  // Since the start.
  std::uint64_t appended = 0, out_of_order = 0, duplicates = 0;
  std::uint64_t series_created = 0, series_forgotten = 0;
  std::uint64_t series_refused = 0;   // beyond max_series or the series' half of the budget
  std::uint64_t expired_samples = 0;  // older than the retention
  std::uint64_t future_samples = 0;   // later than the time that the clock stepped back to
  std::uint64_t evicted_chunks = 0;   // dropped early: the memory budget
  std::uint64_t evicted_samples = 0;
  std::uint64_t evicted_series = 0;  // those of series_forgotten that the budget took

  [[nodiscard]] std::uint64_t bytes() const {
    return chunk_bytes + series_bytes + index_bytes + retired_bytes;
  }
};

class Store final : public Queryable {
 public:
  static constexpr std::size_t kPageSeries = 64;  // memory for series comes in so many at a time

  // Smaller steps back are waited out. Below the lookback delta of queries, five minutes: meanwhile
  // they still see what was known before.
  static constexpr Duration kClockTolerance = std::chrono::minutes(2);
  // Steps further apart are of no use to queries with that lookback delta.
  static constexpr Duration kMaxAdvance = std::chrono::minutes(10);

  explicit Store(const StoreOptions& options = {});
  ~Store() override;  // no reader may be inside
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The appender.

  // The id of the series with these labels, a new one if need be. It is good until the series is
  // forgotten: append() says so (kGone). A series that is given no sample until the step ends may
  // be forgotten with it. kTooLarge beyond max_series and beyond the series' half of the budget.
  [[nodiscard]] Result<SeriesId> series(const Labels& labels);
  AppendOutcome append(SeriesId id, std::int64_t timestamp_ms, double value);
  // Ends a step: new series become selectable, what is older than now - retention or beyond the
  // memory budget is forgotten, series that have lost all samples disappear. Looks for expired
  // samples in a sixteenth of the series each time.
  void end_step(std::int64_t now_ms);
  // The series behind an id; labels is nullptr if it is gone.
  [[nodiscard]] SeriesRef ref(SeriesId id) const;

  // Readers.

  // Take the generation before the selection that is kept with it: a series that appears in
  // between then costs one selection too many, never a missed one.
  [[nodiscard]] std::uint64_t generation() const override;
  [[nodiscard]] std::vector<SeriesRef> select(std::span<const Matcher> matchers) const override;
  void read(std::span<const SeriesRef> refs, std::int64_t from_ms, std::int64_t to_ms,
            std::vector<Sample>& samples, std::vector<std::size_t>& offsets) const override;
  void read_last(std::span<const SeriesRef> refs, std::int64_t from_ms, std::int64_t to_ms,
                 std::vector<Sample>& samples, std::vector<std::uint8_t>& found) const override;
  [[nodiscard]] std::shared_ptr<const Index> index() const { return index_.read(); }
  [[nodiscard]] StoreStats stats() const;

 private:
  using Page = std::array<Series, kPageSeries>;

  // Finds a series by labels without holding them twice.
  struct ByLabels {
    using is_transparent = void;
    const Store* store;
    std::size_t operator()(Place place) const { return store->at(place).hash(); }
    std::size_t operator()(const Labels& labels) const { return labels.hash(); }
    bool operator()(Place a, Place b) const { return a == b; }
    bool operator()(Place a, const Labels& b) const { return *store->at(a).labels() == b; }
    bool operator()(const Labels& a, Place b) const { return (*this)(b, a); }
  };

  [[nodiscard]] Series& at(Place place) const {
    return (*pages_[place / kPageSeries].load(std::memory_order_relaxed))[place % kPageSeries];
  }
  // nullptr if there cannot be one.
  [[nodiscard]] const Series* find(SeriesId id) const;

  [[nodiscard]] Result<void> check_room(const Labels& labels) const;
  [[nodiscard]] Place take_place();
  void cut_future(std::int64_t now_ms);
  void expire(std::int64_t now_ms);
  void enforce_budget();
  void forget_ended_series();
  void drop_oldest_chunks();
  // Counts the samples, those of its chunks included, under `samples`.
  ChunkTotals forget(Place place, std::uint64_t& samples);
  void publish_index();
  void publish_stats() EXCLUDES(stats_mutex_);
  [[nodiscard]] std::size_t series_bytes() const;
  [[nodiscard]] std::size_t excess() const;
  [[nodiscard]] std::size_t series_excess() const;

  const std::size_t budget_;
  const std::size_t max_series_;
  const std::int64_t retention_ms_;
  const bool keeps_for_ever_;

  const std::unique_ptr<std::atomic<Page*>[]> pages_;  // made when needed, kept to the end
  Published<Index> index_;
  std::atomic<std::uint64_t> generation_{0};
  Reclaimer reclaimer_;
  mutable Mutex stats_mutex_;
  StoreStats stats_ GUARDED_BY(stats_mutex_);

  // The appender's own.
  std::unordered_set<Place, ByLabels, ByLabels> by_labels_;
  std::shared_ptr<const Index> newest_index_;
  Place places_ = 0;                               // in use or free
  Place next_expiry_ = 0;                          // where the search for expired samples goes on
  std::int64_t newest_time_ = Series::kNoTime;     // of all series
  std::int64_t retention_time_ = Series::kNoTime;  // retention counts back from here
  std::uint32_t incarnation_ = 0;                  // the high half of the newest id
  std::vector<Place> free_;
  std::vector<Place> fresh_;        // opened, not in the index yet
  std::vector<SeriesRef> removed_;  // forgotten, still in the index
  std::vector<Place> freed_;        // free as soon as the index knows
  ChunkTotals chunks_;
  std::size_t labels_bytes_ = 0;
  StoreStats live_;  // the counters since the start
};

}  // namespace keelwatch::store
