#include "model/cnpg.h"

#include <algorithm>
#include <iterator>

namespace keelwatch::model {
namespace {

// The constants Phase* of CNPG api/v1/cluster_types.go and internal/controller, 1.24 to 1.30.
constexpr std::string_view kTransitional[] = {
    "Cluster upgrade delayed",  // until the rollout delays of other clusters are over
    "Applying configuration",
    "Creating a new replica",
    "Failing over",
    "Online upgrade in progress",
    "Primary instance is being restarted in-place",
    "Primary instance is being restarted without a switchover",
    "Promoting to primary cluster",
    "Setting up primary",
    "Switchover in progress",
    "Upgrading Postgres major version",
    "Upgrading cluster",
    "Waiting for the instances to become active",
};
constexpr std::string_view kStuck[] = {
    "Cluster cannot execute instance online upgrade due to missing architecture binary",
    "Cluster cannot proceed to reconciliation due to an error while interacting with plugins",
    "Cluster cannot proceed to reconciliation due to an unknown plugin being required",
    "Cluster has incomplete or invalid image catalog",
    "Cluster is in an unrecoverable state, needs manual intervention",
    "Cluster is unrecoverable and needs manual intervention",
    "Not enough disk space",
    "Unable to create required cluster objects",
    "Waiting for user action",
};

}  // namespace

PhaseKind phase_kind(std::string_view phase) {
  const auto is_one_of = [&](const auto& phases) {
    return std::find(std::begin(phases), std::end(phases), phase) != std::end(phases);
  };
  if (phase == "Cluster in healthy state") return PhaseKind::kHealthy;
  if (is_one_of(kTransitional)) return PhaseKind::kTransitional;
  if (is_one_of(kStuck)) return PhaseKind::kStuck;
  return PhaseKind::kUnknown;
}

}  // namespace keelwatch::model
