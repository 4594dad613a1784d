// error: the writer takes only Observed values
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

void plain_number(Writer& writer) { writer.write(kUp, {"pg-1"}, 0.0); }

}  // namespace keelwatch::metrics
