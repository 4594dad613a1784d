// error: write numbers, times, durations or bools
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

void text_value(Writer& writer, const Observed<std::string>& value) {
  writer.write(kUp, {"pg-1"}, value);
}

}  // namespace keelwatch::metrics
