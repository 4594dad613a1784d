// Assessment: the results of all analyses of one World. Computed once per step; collectors, API,
// page and commands render it and recompute nothing.
#pragma once

#include <vector>

#include "analysis/backups.h"
#include "analysis/cluster.h"
#include "analysis/copies.h"
#include "analysis/failover.h"
#include "analysis/filesystem.h"
#include "analysis/operators.h"
#include "analysis/placement.h"
#include "analysis/pooling.h"
#include "analysis/reachability.h"
#include "analysis/recovery.h"
#include "analysis/replication.h"
#include "analysis/slots.h"
#include "analysis/storage.h"
#include "analysis/topology.h"
#include "analysis/volumes.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct Assessment {
  std::vector<ClusterTopology> clusters;
  // One per cluster, in the same order:
  std::vector<ClusterHealth> health;
  std::vector<Replication> replication;
  std::vector<FailoverSlots> failover_slots;
  std::vector<Failovers> failovers;

  std::vector<ClusterBackups> backups;
  std::vector<OperatorHealth> operators;
  std::vector<Pooling> poolers;
  std::vector<Filesystem> filesystems;
  VolumeJoin volumes;
  Observed<StorageNodes> storage_nodes =
      Observed<StorageNodes>::unknown(Error(ErrorCode::kUnavailable, "not assessed"), "kubernetes");
  Storage storage;
  RecoveryAssessment recovery;
  ReachAssessment reachability;
  PlacementAssessment placement;
};

// What analyses remember from step to step.
struct Memory {
  TopologyMemory topology;
  ReplicationMemory replication;
  FilesystemMemory filesystems;
  VolumesMemory volumes;
  StorageMemory storage;
  FailoverMemory failover;
  OperatorMemory operators;
  RecoveryMemory recovery;
  ReachMemory reachability;
};

[[nodiscard]] Assessment assess(const model::World& world, const config::Config& config,
                                Memory& memory);

}  // namespace keelwatch::analysis
