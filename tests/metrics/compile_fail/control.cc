// compiles
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

void control(Writer& writer, const Observed<double>& value, const Observed<std::string>& state) {
  constexpr Family kPhase("keelwatch_phase", Type::kGauge, "Phase.", {"phase"});
  const std::string_view states[] = {"healthy"};
  writer.write(kUp, {"pg-1"}, value);
  writer.write(kUp, {"pg-2"}, value.map([](double v) { return v > 0; }));
  writer.write(kUp, {"pg-3"}, value.map([](double v) { return std::optional<double>(v); }));
  writer.write_states(kPhase, {}, states, state);
}

}  // namespace keelwatch::metrics
