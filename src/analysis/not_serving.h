// Why a standby does not serve, by what Kubernetes and the senders say of it: asked only while the
// standby itself gives no answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/replication.h"
#include "analysis/topology.h"

namespace keelwatch::analysis {

struct NotServing {
  StandbyState state;
  std::string reason;
};

// Hibernated, fenced, being cloned, or without a node; nullopt: nothing explains it.
[[nodiscard]] std::optional<NotServing> why_not_serving(const ClusterTopology& cluster,
                                                        std::string_view pod);

// Adds the standbys that the Cluster names (or that are being copied) and that nobody can ask,
// because they have no Pod. `primary`: the name of the one that is no standby.
void add_missing_standbys(const ClusterTopology& cluster, std::string_view primary, WallTime now,
                          std::vector<Standby>& standbys);

}  // namespace keelwatch::analysis
