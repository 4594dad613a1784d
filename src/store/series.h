// One series in memory: the newest samples raw (the tail), the older ones in compressed chunks.
//
// Threads: one appender; any number of readers, which never make it wait. The tail is a seqlock:
// the appender makes `version_` odd while it writes, a reader repeats its copy if the version was
// odd or has changed. Every word that both touch is atomic, so a torn copy is thrown away and never
// a data race. Chunks are reached through the tail's head pointer; readers hold a Reclaimer::Guard.
//
// The place of a forgotten series is used again for another one: every read names the id it means
// and finds nothing if it is gone.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "base/labels.h"
#include "base/sample.h"
#include "store/chunk.h"
#include "store/queryable.h"
#include "store/reclaimer.h"

namespace keelwatch::store {

// What happened to a sample that was appended; the rules are those of Prometheus' head block
// (tsdb/head_append.go, appendable()).
enum class AppendOutcome {
  kAdded,
  kSame,        // the newest sample once more, bit for bit: fine, nothing changes
  kOutOfOrder,  // older than the newest sample: refused
  kDuplicate,   // as old as the newest sample, with another value: refused
  kGone,        // the series has been forgotten, its id with it: ask for a new one
};

// Of the chunks of one series or of all; bytes as Chunk::heap_bytes() counts.
struct ChunkTotals {
  std::size_t chunks = 0, samples = 0, bytes = 0;
  void add(const Chunk& chunk) {
    ++chunks;
    samples += chunk.samples();
    bytes += chunk.heap_bytes();
  }
  ChunkTotals& operator-=(const ChunkTotals& gone) {
    chunks -= gone.chunks;
    samples -= gone.samples;
    bytes -= gone.bytes;
    return *this;
  }
};

class alignas(64) Series {
 public:
  // Before any sample.
  static constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();

  Series() = default;
  ~Series();
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;

  // Readers. Each does nothing and returns false if this place does not hold `id` (any more).
  // Appends the samples with from < timestamp <= to in order of time; false if there are none.
  bool read(SeriesId id, std::int64_t from, std::int64_t to, std::vector<Sample>& out) const;
  // The newest sample with from < timestamp <= to.
  bool read_last(SeriesId id, std::int64_t from, std::int64_t to, Sample& out) const;
  // Tell the processor that read() comes soon; one after the other, as what they look at has to
  // have come itself. A Reclaimer::Guard is held.
  void prefetch_history() const;
  void prefetch_last_block() const;

  // The appender. id 0 means that the place is free.
  [[nodiscard]] SeriesId id() const { return id_.load(std::memory_order_relaxed); }
  [[nodiscard]] const std::shared_ptr<const Labels>& labels() const { return labels_; }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::int64_t newest_time() const {
    return newest_time_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] double newest_value() const {
    return std::bit_cast<double>(newest_value_.load(std::memory_order_relaxed));
  }
  [[nodiscard]] std::size_t tail_samples() const { return count_.load(std::memory_order_relaxed); }
  // From the newest to the oldest.
  template <typename Visit>
  void for_each_chunk(Visit visit) const {
    for (const Chunk* c = chunks_.load(std::memory_order_relaxed); c != nullptr;
         c = c->older.load(std::memory_order_relaxed)) {
      visit(*c);
    }
  }

  void open(SeriesId id, std::shared_ptr<const Labels> labels, std::uint64_t hash);
  // Keeps `totals`, those of all series, up to date when a full tail becomes a chunk.
  AppendOutcome append(Sample sample, Reclaimer& reclaimer, ChunkTotals& totals);
  // Forgets the chunks whose newest sample is not younger than `until`; returns what they were.
  ChunkTotals trim(std::int64_t until, Reclaimer& reclaimer);
  // Forgets the samples later than `time`; what stays can be appended to as if they had never been.
  // Keeps `totals` up to date; returns how many samples went.
  std::size_t cut_after(std::int64_t time, Reclaimer& reclaimer, ChunkTotals& totals);
  // Forgets everything, the id too.
  ChunkTotals close(Reclaimer& reclaimer);

 private:
  // The samples at [begin, end). Nothing else is ever written: it is made for each read.
  struct Tail {
    std::array<std::int64_t, kBlockSamples> times;
    std::array<std::uint64_t, kBlockSamples> values;
    std::size_t begin = 0;
    std::size_t end = 0;
    const Chunk* chunks = nullptr;  // nullptr also if they are not needed

    [[nodiscard]] Sample at(std::size_t i) const {
      return {times[i], std::bit_cast<double>(values[i])};
    }
  };
  // The part of the tail in the window; false if the id is another one.
  bool copy_tail(SeriesId id, std::int64_t from, std::int64_t to, Tail& tail) const;
  void cut_chunks(std::int64_t time, Reclaimer& reclaimer, ChunkTotals& totals);
  void seal(Reclaimer& reclaimer, ChunkTotals& totals);

  template <typename T>
  static void set(std::atomic<T>& where, T value) {
    where.store(value, std::memory_order_relaxed);
  }
  template <typename T>
  static T get(const std::atomic<T>& where) {
    return where.load(std::memory_order_relaxed);
  }
  void begin_change();
  void end_change();

  // What an instant query needs lies in one cache line.
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint32_t> count_{0};
  std::atomic<SeriesId> id_{0};
  std::atomic<const Chunk*> chunks_{nullptr};
  std::atomic<std::int64_t> newest_time_{kNoTime};
  std::atomic<std::uint64_t> newest_value_{0};
  std::uint64_t hash_ = 0;
  std::shared_ptr<const Labels> labels_;
  std::array<std::atomic<std::int64_t>, kBlockSamples> times_{};
  std::array<std::atomic<std::uint64_t>, kBlockSamples> values_{};
};

}  // namespace keelwatch::store
