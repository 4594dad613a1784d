// On which nodes a volume has a copy that could be read if the others were gone. Pure. For
// Longhorn's volumes this is counted from the Replicas and from what the running engine says of
// them, never from robustness; a volume that is bound to a node is there, once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/node_map.h"
#include "analysis/volumes.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct UsableCopies {
  // Sorted, each once: two copies on one node are lost together. Empty: there is none.
  std::vector<std::string> nodes;
  // Nobody compares the copies now, because no engine runs: they were good when it did last.
  bool unverified = false;
  std::optional<std::int64_t> desired;  // numberOfReplicas, which of Longhorn's volumes is told

  [[nodiscard]] Failure loss() const;
};

// Not set up: the storage class does not tell where its data is (network storage), or its data lies
// in shards, which are not read.
[[nodiscard]] Observed<UsableCopies> usable_copies(const PlacedVolume& volume, const NodeMap& nodes,
                                                   const model::World& world);

}  // namespace keelwatch::analysis
