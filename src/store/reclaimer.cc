#include "store/reclaimer.h"

namespace keelwatch::store {

// All of it is sequentially consistent: a reader's "I am here" must come before its look at the
// phase and at the lists, for the appender too.
std::atomic<std::uint64_t>& Reclaimer::arrive() const {
  while (true) {
    const std::uint64_t phase = phase_.load();
    std::atomic<std::uint64_t>& counter = readers_[phase % 2];
    counter.fetch_add(1);
    if (phase_.load() == phase) return counter;
    // The phase changed in between: this count might have been overlooked.
    counter.fetch_sub(1);
  }
}

void Reclaimer::collect() {
  const std::uint64_t phase = phase_.load();
  if (readers_[(phase + 1) % 2].load() != 0) return;
  // Readers of the phase before are gone, and with them all that could see what was retired then.
  for (const Chunk::Ptr& chunk : old_) waiting_bytes_ -= chunk->heap_bytes();
  old_.clear();
  old_.swap(fresh_);
  phase_.store(phase + 1);
}

}  // namespace keelwatch::store
