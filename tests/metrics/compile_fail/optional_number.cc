// error: the writer takes only Observed values
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

void optional_number(Writer& writer, std::optional<double> value) {
  writer.write(kUp, {"pg-1"}, value);
}

}  // namespace keelwatch::metrics
