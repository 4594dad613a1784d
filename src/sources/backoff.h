// Pauses between attempts that fail: first, twice that, ... up to the cap, each shortened at random
// to between a half and the whole, so that many clients do not come back at the same moment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "base/clock.h"

namespace keelwatch::sources {

class Backoff {
 public:
  Backoff(Duration first, Duration cap, std::uint32_t seed)
      : first_(first), cap_(cap), next_(first), random_(seed) {}

  [[nodiscard]] Duration next() {
    const Duration whole = next_;
    next_ = std::min(cap_, next_ * 2);
    std::uniform_real_distribution<double> shorten(0.5, 1.0);
    return std::chrono::duration_cast<Duration>(whole * shorten(random_));
  }
  void reset() { next_ = first_; }

 private:
  Duration first_;
  Duration cap_;
  Duration next_;
  std::minstd_rand random_;
};

}  // namespace keelwatch::sources
