// error: write_states
#include "metrics/writer.h"

namespace keelwatch::metrics {

inline constexpr Family kUp("keelwatch_up", Type::kGauge, "Up.", {"pod"});

void plain_state(Writer& writer, const std::string& state) {
  const std::string_view states[] = {"healthy"};
  writer.write_states(kUp, {}, states, state);
}

}  // namespace keelwatch::metrics
