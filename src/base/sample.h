// One point of a series.
#pragma once

#include <bit>
#include <cstdint>

namespace keelwatch {

struct Sample {
  std::int64_t timestamp_ms = 0;  // Unix time in milliseconds
  double value = 0;
};

// Two NaN payloads mark the end of a series in the store. The first is Prometheus' staleness marker
// (model/value/value.go): the series ended. The second is ours: its source fell silent, nothing is
// known of it from here on. PromQL treats both as "no sample".
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;
inline constexpr std::uint64_t kUnknownBits = 0x7ff0000000000004;

[[nodiscard]] inline double stale_marker() { return std::bit_cast<double>(kStaleBits); }
[[nodiscard]] inline double unknown_marker() { return std::bit_cast<double>(kUnknownBits); }
[[nodiscard]] inline bool is_stale(double v) {
  return std::bit_cast<std::uint64_t>(v) == kStaleBits;
}
[[nodiscard]] inline bool is_unknown(double v) {
  return std::bit_cast<std::uint64_t>(v) == kUnknownBits;
}

}  // namespace keelwatch
