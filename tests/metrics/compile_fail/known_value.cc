// error: the writer takes only Observed values
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

void known_value(Writer& writer, const Observed<double>& value) {
  writer.write(kUp, {"pg-1"}, value.is_known() ? value.known_value() : 0);
}

}  // namespace keelwatch::metrics
