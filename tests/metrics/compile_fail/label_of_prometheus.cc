// error: this label belongs to Prometheus
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

inline constexpr Family kTarget("keelwatch_target_up", Type::kGauge, "Up.", {"instance"});

}  // namespace keelwatch::metrics
