// Whether a Cluster is what its object asks for, and whether what Kubernetes says agrees with what
// the instances answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/topology.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

// In the order of model::PhaseKind.
inline constexpr std::string_view kPhaseKinds[] = {"healthy", "transitional", "stuck", "unknown"};

// A Service of the cluster: rw, ro or r.
struct ServiceHealth {
  std::string role;
  Observed<std::int64_t> ready_addresses;
  // rw: every ready address is a writable instance; ro: none is. Unknown without a ready address,
  // and for a replica cluster, whose rw leads to its designated primary.
  Observed<bool> leads_right;
  std::string reason;  // one sentence: where it leads
};

struct ClusterHealth {
  std::string ns;
  std::string cluster;
  Observed<std::string> phase_kind;  // of kPhaseKinds
  // Instances asked for without a Pod, or, of a cluster by hand, not listed; 0 while it hibernates.
  Observed<std::int64_t> instances_missing;
  // Whether status.currentPrimary is the instance that is writable. Unknown while none is.
  Observed<bool> status_agrees;
  std::string status_reason;
  std::vector<ServiceHealth> services;  // those that exist
};

[[nodiscard]] std::vector<ClusterHealth> assess_clusters(
    const std::vector<ClusterTopology>& clusters, const model::World& world);

}  // namespace keelwatch::analysis
