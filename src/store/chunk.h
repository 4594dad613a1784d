// An immutable piece of one series' history: up to kChunkSamples samples as blocks (block.h), in
// one allocation. The chunks of a series form a list from the newest to the oldest. A chunk that is
// not yet full is never changed either: it is replaced by a longer copy.
//
// Threads: any number of readers. `older` is written by the appender alone, which cuts off what
// retention forgets; readers that walk the list hold a Reclaimer::Guard meanwhile.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/sample.h"
#include "store/block.h"

namespace keelwatch::store {

inline constexpr std::size_t kChunkSamples = 8 * kBlockSamples;

class Chunk {
 public:
  struct Delete {
    void operator()(const Chunk* chunk) const;
  };
  using Ptr = std::unique_ptr<const Chunk, Delete>;

  // The samples of `open` (nullptr: none), which is not full, and after them `block`: 1 to
  // kBlockSamples samples, ascending in time. `older` is nullptr.
  [[nodiscard]] static Ptr make(const Chunk* open, std::span<const Sample> block);

  // Appends the samples with from < timestamp <= to, in order of time; from < to.
  void read(std::int64_t from, std::int64_t to, std::vector<Sample>& out) const;
  // The newest sample with timestamp <= to; there is one if to >= min_time().
  [[nodiscard]] Sample last_until(std::int64_t to) const;

  [[nodiscard]] std::int64_t min_time() const { return min_time_; }
  [[nodiscard]] std::int64_t max_time() const { return max_time_; }
  [[nodiscard]] std::size_t samples() const { return samples_; }
  [[nodiscard]] bool full() const { return samples_ + kBlockSamples > kChunkSamples; }
  // Tells the processor that the newest block is read soon.
  void prefetch_last_block() const;
  // What it takes of the heap, the allocator's own word included.
  [[nodiscard]] std::size_t heap_bytes() const;

  mutable std::atomic<const Chunk*> older{nullptr};

 private:
  Chunk(std::int64_t min_time, std::int64_t first_delta)
      : min_time_(min_time), first_delta_(first_delta) {}

  [[nodiscard]] std::span<const std::uint8_t> bytes() const;
  [[nodiscard]] TimeState start() const;
  [[nodiscard]] TimeState end() const;
  [[nodiscard]] BlockReader last_block() const;

  std::int64_t min_time_;
  std::int64_t first_delta_;  // what lets the first block be a regular one
  std::int64_t max_time_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t samples_ = 0;
  // The newest block is what short windows want: it is reached without passing the others.
  TimeState before_last_;
  std::uint32_t last_block_ = 0;  // where it begins
  // size_ bytes and kReadSlack more follow.
};

}  // namespace keelwatch::store
