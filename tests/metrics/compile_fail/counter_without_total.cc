// error: _total ends the names of counters and of nothing else
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

inline constexpr Family kErrors("keelwatch_errors", Type::kCounter, "Errors.", {});

}  // namespace keelwatch::metrics
