// Assessment: the results of all analyses of one World. Computed once per step; collectors, API,
// page and commands render it and recompute nothing.
#pragma once

#include <vector>

#include "analysis/pooling.h"
#include "analysis/replication.h"
#include "analysis/topology.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct Assessment {
  std::vector<ClusterTopology> clusters;
  std::vector<Replication> replication;  // one per cluster, in the same order
  std::vector<Pooling> poolers;
};

// What analyses remember from step to step.
struct Memory {
  TopologyMemory topology;
  ReplicationMemory replication;
};

[[nodiscard]] Assessment assess(const model::World& world, const config::Config& config,
                                Memory& memory);

}  // namespace keelwatch::analysis
