// Random series for comparing PromQL engines: counters with resets, gauges, classic histograms,
// info metrics; with gaps, NaN, infinities and stale markers. The same seed gives the same samples.
#pragma once

#include <cstdint>
#include <vector>

#include "base/labels.h"
#include "base/sample.h"

namespace keelwatch::testing {

inline constexpr std::int64_t kSeriesStartMs = 1'700'000'000'000;
inline constexpr std::int64_t kSeriesSpanMs = 45 * 60 * 1000;
// Samples lie at whole seconds plus this: a query at whole seconds never meets one at the edge of a
// window.
inline constexpr std::int64_t kSeriesPhaseMs = 13;

struct RandomSeries {
  Labels labels;
  std::vector<Sample> samples;
};

// Sorted by labels. `wild`: with infinities, which Prometheus 2's sums do not survive, and names
// beyond [a-zA-Z0-9_:].
[[nodiscard]] std::vector<RandomSeries> random_series(std::uint64_t seed, bool wild);

}  // namespace keelwatch::testing
