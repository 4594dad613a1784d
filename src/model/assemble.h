// Puts the slices of all sources together into one World and applies staleness, here and nowhere
// else: an answer older than its bound, or from the future, becomes unknown with its age as reason,
// and a source that has not succeeded within the bound is down, whatever it said last: its thread
// may hang.
#pragma once

#include <memory>
#include <optional>

#include "base/clock.h"
#include "model/world.h"

namespace keelwatch::model {

// The newest published slice of each source; null before its first publish.
struct Slices {
  std::shared_ptr<const KubernetesSlice> kubernetes;
  std::shared_ptr<const PostgresSlice> postgres;
  // Since when the sources have been expected to publish; nullopt: they are not (a replay).
  std::optional<WallTime> awaited_since = std::nullopt;
};

// How old an answer may be and still count. A watched kind is as old as the last event, bookmark or
// answered check of its API server; a polled answer as old as the poll.
struct Freshness {
  Duration kubernetes = std::chrono::seconds(15);
  Duration postgres = std::chrono::seconds(6);
};

[[nodiscard]] World assemble(const Slices& slices, const Freshness& freshness, WallTime now);

}  // namespace keelwatch::model
