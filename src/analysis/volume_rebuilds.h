// Rebuilds of a volume's copies as they were seen to begin and to move: no object of Longhorn's
// tells how often one began. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/longhorn.h"

namespace keelwatch::analysis {

struct RebuildMemory {
  struct One {
    std::int64_t progress = 0;  // per cent
    WallTime moved;
  };
  std::map<std::string, One> running;   // by replica
  std::vector<WallTime> starts;         // of the last hour, until it is over
  std::optional<WallTime> whole_since;  // while the volume has all its copies
  bool seen = false;                    // what ran when it was first seen did not begin then
};

struct RebuildFacts {
  const model::LonghornEngine* engine;  // null: none runs, or what is written of it may be old
  bool silent;                          // an engine runs, and nobody can say what it does
  bool degraded;
  WallTime now;
};

struct RebuildsSeen {
  std::optional<double> progress;  // 0 to 1, of the one that is furthest behind
  std::optional<WallTime> moved;   // when that last advanced
  std::int64_t starts = 0;         // within the last hour, until all copies were whole for a while
};

[[nodiscard]] RebuildsSeen follow_rebuilds(const RebuildFacts& facts, RebuildMemory& memory);

}  // namespace keelwatch::analysis
