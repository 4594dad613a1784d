// error: a family has a sentence of help
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

inline constexpr Family kSilent("keelwatch_silent", Type::kGauge, "", {});

}  // namespace keelwatch::metrics
