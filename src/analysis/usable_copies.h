// On which nodes a volume has a copy that could be read if the others were gone: Longhorn's volumes
// as analysis/copies.h counts them, one that is bound to a node on that, once. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/copies.h"
#include "analysis/node_map.h"
#include "analysis/volumes.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

// Volumes, and the nodes and disks that they are on.
struct StorageView {
  const VolumeJoin& volumes;
  const Observed<StorageNodes>& nodes;

  // The volume of a claim; nullptr: it is bound to none, or to one that is gone.
  [[nodiscard]] const PlacedVolume* find(std::string_view ns, std::string_view claim) const;
};

struct UsableCopies {
  // Sorted, each once: two copies on one node are lost together. Empty: there is none.
  std::vector<std::string> nodes;
  // Nobody compares the copies now, because no engine runs or is believed: they were good when one
  // did last.
  bool unverified = false;
  std::optional<std::int64_t> desired;  // numberOfReplicas, which of Longhorn's volumes is told

  [[nodiscard]] Failure loss() const;
};

// Unknown also where one copy is: without it the others would seem to be all.
// Not set up: the storage class does not tell where its data is (network storage), or its data lies
// in shards, which are not read.
[[nodiscard]] Observed<UsableCopies> usable_copies(const PlacedVolume& volume,
                                                   const Observed<StorageNodes>& storage_nodes,
                                                   const NodeMap& nodes, const model::World& world);

}  // namespace keelwatch::analysis
