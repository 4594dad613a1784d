// Time comes from outside. Wall time stamps facts and samples and may jump; steady time measures
// intervals and deadlines and never does. They are two types: mixing them does not compile.
#pragma once

#include <chrono>

namespace keelwatch {

using Duration = std::chrono::nanoseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// Safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall() const = 0;
  [[nodiscard]] virtual SteadyTime steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override { return std::chrono::system_clock::now(); }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

// Seconds since the Unix epoch, as Prometheus timestamps metrics want them.
[[nodiscard]] inline double to_unix_seconds(WallTime t) {
  return std::chrono::duration<double>(t.time_since_epoch()).count();
}

[[nodiscard]] inline double to_seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

// Rounds towards minus infinity; the timestamp unit of samples.
[[nodiscard]] inline std::int64_t to_unix_millis(WallTime t) {
  return std::chrono::floor<std::chrono::milliseconds>(t).time_since_epoch().count();
}

[[nodiscard]] inline WallTime from_unix_millis(std::int64_t ms) {
  return WallTime(std::chrono::milliseconds(ms));
}

}  // namespace keelwatch
