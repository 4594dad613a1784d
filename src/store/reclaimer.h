// Memory that readers may still be looking at. Readers announce themselves with a Guard (two atomic
// steps, whoever else reads); the appender unlinks a chunk, retires it here, and collect() frees it
// once every reader that could have met it has left. Nobody waits for anybody: a reader that stays
// long only delays freeing.
//
// How: time is cut into phases; a reader counts itself under the phase of its arrival, even or odd.
// collect() opens the next phase only when no reader of the previous one is left, so that at most
// two phases have readers. What was retired before a phase began is invisible to its readers, hence
// it is free when two phases have opened since.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "store/chunk.h"

namespace keelwatch::store {

class Reclaimer {
 public:
  Reclaimer() = default;
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  class Guard {
   public:
    // `reclaimer` outlives this.
    explicit Guard(const Reclaimer& reclaimer) : counter_(reclaimer.arrive()) {}
    ~Guard() { counter_.fetch_sub(1, std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    std::atomic<std::uint64_t>& counter_;
  };

  // The rest is the appender's.
  void retire(Chunk::Ptr chunk) {
    waiting_bytes_ += chunk->heap_bytes();
    fresh_.push_back(std::move(chunk));
  }
  void collect();
  [[nodiscard]] std::size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  friend class Guard;
  [[nodiscard]] std::atomic<std::uint64_t>& arrive() const;

  mutable std::atomic<std::uint64_t> phase_{0};
  mutable std::array<std::atomic<std::uint64_t>, 2> readers_{};
  std::vector<Chunk::Ptr> fresh_;  // retired in this phase
  std::vector<Chunk::Ptr> old_;    // retired in the previous one
  std::size_t waiting_bytes_ = 0;
};

}  // namespace keelwatch::store
