// What the loss of a node, of a zone or of a host takes with it: of each database the data, the
// service, and the data together with its backups. How many losses it takes at least, and which.
// Pure.
//
// Data is gone when every instance that had all of it has lost one of its volumes, which is when
// all usable copies of that volume are lost. Service is gone when no instance is left whose node,
// Pod and volumes are (or too few for the standbys that a commit waits for); when the primary is
// lost and nobody can promote another one because the control plane is lost, too; or when all Pods
// of a read-write pooler, or all proxies of its tailnet address, are lost. Nothing is counted on to
// come back by itself: volumes are not attached elsewhere in time, and Pods are not made anew.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/failure_domains.h"
#include "analysis/node_map.h"
#include "analysis/recovery.h"
#include "analysis/replication.h"
#include "analysis/serving_parts.h"
#include "analysis/store_place.h"
#include "analysis/topology.h"
#include "analysis/usable_copies.h"
#include "base/observed.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

enum class LossOf { kData, kService, kDataAndBackups };
inline constexpr std::string_view kLossesOf[] = {"data", "service", "data_and_backups"};
inline constexpr std::size_t kLossOfCount = 3;

struct InstanceVolume {
  std::string claim;
  std::string role;  // PG_DATA, PG_WAL, PG_TABLESPACE; empty: not told
  UsableCopies copies;
};

struct PlacedInstance {
  std::string name;
  std::string node;  // of its Pod; empty: it has none
  bool primary = false;
  bool ready = false;  // by its Pod, on a node that lives
  // Whether it has had all data: not while it is cloned, or on a timeline of its own.
  bool joined = false;
  std::vector<InstanceVolume> volumes;

  [[nodiscard]] Failure data_loss() const;  // of any of its volumes
  // Of what makes it serve; has happened if it does not now.
  [[nodiscard]] Failure outage() const;
};

struct Placement {
  std::string ns;
  std::string cluster;
  Observed<std::vector<PlacedInstance>> instances;  // sorted by name
  Observed<std::vector<ServingPart>> parts;
  Observed<ControlPlane> control_plane;
  // Where its archives are; empty: it has none.
  Observed<std::vector<StorePlace>> stores;
  std::int64_t must_serve = 1;  // instances, with the standbys that a commit waits for

  // By LossOf. Over nodes, and host_domain() where a bucket lies on a host.
  std::array<Observed<Failure>, kLossOfCount> failure;
  // By LossOf and DomainKind.
  std::array<std::array<Observed<SmallestLoss>, kDomainKindCount>, kLossOfCount> smallest;

  // Whether its user asks for more than one node could take: there is another node, and there are
  // to be several instances or, for data, several copies of each volume.
  Observed<bool> redundant_data;
  Observed<bool> redundant_service;
  // Ready standbys on the primary's node, and elsewhere. Unknown while no primary is known.
  Observed<std::int64_t> standbys_with_primary;
  Observed<std::int64_t> standbys_elsewhere;
  // Whether a standby could be kept apart from the primary: there are as many nodes that take Pods
  // as instances.
  Observed<bool> enough_nodes;
  Observed<std::vector<PartPod>> operators;  // the Pods of CNPG's operator
  // Whether every ready Pod of the operator is on the primary's node: a failover then waits until
  // the operator is started elsewhere.
  Observed<bool> operator_with_primary;
};

struct PlacementAssessment {
  Observed<NodeMap> nodes =
      Observed<NodeMap>::unknown(Error(ErrorCode::kUnavailable, "not placed yet"), "placement");
  std::vector<Placement> clusters;  // in the order of the topology; those in Kubernetes only
};

// `replication`: of these clusters, in the same order.
[[nodiscard]] PlacementAssessment assess_placement(const std::vector<ClusterTopology>& clusters,
                                                   const std::vector<Replication>& replication,
                                                   const StorageView& storage,
                                                   const RecoveryAssessment& recovery,
                                                   const model::World& world,
                                                   const config::Config& config);

}  // namespace keelwatch::analysis
