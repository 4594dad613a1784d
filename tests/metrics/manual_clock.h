// A clock that stands until a test moves it.
#pragma once

#include "base/clock.h"

namespace keelwatch::metrics {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override {
    return WallTime(std::chrono::seconds(1764040000)) + now;
  }
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime(now); }

  Duration now = std::chrono::hours(1);
};

}  // namespace keelwatch::metrics
