// One turn of the program, as a pure function of what is remembered, what is seen and the time:
//
//   step(State, World, now) → State, Moment
//
// Everything that survives a step lives in State; a Moment is all that the outside may look at. The
// same function runs in the daemon, in replays of tapes and in tests.
#pragma once

#include <cstdint>
#include <memory>

#include "analysis/assessment.h"
#include "base/clock.h"
#include "config/config.h"
#include "metrics/writer.h"
#include "model/assemble.h"
#include "model/world.h"

namespace keelwatch::app {

// The published result of one step; immutable.
struct Moment {
  static constexpr int kSlotsUntilStale = 3;

  std::uint64_t sequence = 0;  // 1 for the first
  Duration slot{};             // step_interval: after kSlotsUntilStale it is not believed any more
  model::World world;
  analysis::Assessment assessment;
  metrics::Samples samples;
};

// Owned by the step thread.
struct State {
  std::uint64_t sequence = 0;
  analysis::Memory analysis;
  metrics::SeriesTable series;
};

[[nodiscard]] std::shared_ptr<const Moment> step(State& state, model::World world,
                                                 const config::Config& config);

// How old answers may be under a configuration: three intervals of their source.
[[nodiscard]] model::Freshness freshness_of(const config::Config& config);

}  // namespace keelwatch::app
