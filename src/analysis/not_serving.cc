#include "analysis/not_serving.h"

#include <algorithm>
#include <set>
#include <utility>

namespace keelwatch::analysis {
namespace {

// CNPG clones by pg_basebackup under the new Pod's name with this suffix (pkg/management/postgres/
// join.go).
constexpr std::string_view kJoinSuffix = "-join";
constexpr std::string_view kCloningPhase = "Creating a new replica";

// The names of the standbys whose data is being copied, by the rows of their copiers.
std::set<std::string, std::less<>> names_of_joins(const ClusterTopology& cluster) {
  std::set<std::string, std::less<>> names;
  for (const auto& instance : cluster.instances) {
    const std::vector<model::Sender>* rows = instance->senders.if_known();
    if (rows == nullptr) continue;
    for (const model::Sender& row : *rows) {
      const std::string_view name = row.application_name;
      if (name.ends_with(kJoinSuffix) && name.size() > kJoinSuffix.size()) {
        names.emplace(name.substr(0, name.size() - kJoinSuffix.size()));
      }
    }
  }
  return names;
}

Standby without_pod(const ClusterTopology& cluster, const std::string& pod,
                    Observed<std::string> state, std::string reason, WallTime now) {
  const Why nothing{Absence::kUnknown, Error(ErrorCode::kNotFound, "it has no Pod to ask"),
                    "postgres " + cluster.ns + "/" + pod};
  const AbsentOfAny none{nothing};
  Observed<bool> streams =
      state.is_known() ? Observed<bool>::known(false, now) : Observed<bool>::absent(state.why());
  return {.id = {cluster.ns, cluster.name, pod},
          .state = std::move(state),
          .reason = std::move(reason),
          .streaming = std::move(streams),
          .wal_receiver_up = none,
          .sync_state = none,
          .apply_delay = none,
          .sent_lag_bytes = none,
          .write_lag_bytes = none,
          .flush_lag_bytes = none,
          .replay_lag_bytes = none,
          .replay_lag = none};
}

}  // namespace

std::optional<NotServing> why_not_serving(const ClusterTopology& cluster, std::string_view pod) {
  if (cluster.hibernated()) {
    return NotServing{StandbyState::kHibernated, "the Cluster is annotated cnpg.io/hibernation=on"};
  }
  if (cluster.fences(pod)) {
    return NotServing{StandbyState::kFenced, "cnpg.io/fencedInstances names it"};
  }
  if (names_of_joins(cluster).contains(pod)) {
    return NotServing{StandbyState::kCloning, "its data is being copied from another instance"};
  }
  const model::Pod* object = cluster.find_pod(pod);
  if (object != nullptr && object->scheduling.scheduled == false) {
    return NotServing{StandbyState::kMissing, "its Pod has no node: " + object->scheduling.message};
  }
  const bool cloning_phase = cluster.object && cluster.object->phase == kCloningPhase;
  const bool not_serving_yet = object == nullptr
                                   ? cluster.pods.is_known()
                                   : object->phase == "Pending" && object->ready != true;
  if (cloning_phase && not_serving_yet) {
    return NotServing{StandbyState::kCloning, "the operator is creating it"};
  }
  return std::nullopt;
}

void add_missing_standbys(const ClusterTopology& cluster, std::string_view primary, WallTime now,
                          std::vector<Standby>& standbys) {
  std::set<std::string, std::less<>> names = names_of_joins(cluster);
  if (cluster.object) {
    names.insert(cluster.object->instance_names.begin(), cluster.object->instance_names.end());
  }
  for (const std::string& name : names) {
    if (name == primary || cluster.find_instance(name) != nullptr) continue;
    if (auto why = why_not_serving(cluster, name)) {
      standbys.push_back(without_pod(
          cluster, name, Observed<std::string>::known(std::string(to_string(why->state)), now),
          std::move(why->reason), now));
    } else if (!cluster.pods.is_known()) {
      standbys.push_back(without_pod(cluster, name,
                                     Observed<std::string>::absent(cluster.pods.why()),
                                     cluster.pods.why().error.message(), now));
    } else if (cluster.find_pod(name) == nullptr) {
      standbys.push_back(without_pod(
          cluster, name,
          Observed<std::string>::known(std::string(to_string(StandbyState::kMissing)), now),
          "the Cluster names it, and it has no Pod", now));
    }
  }
}

}  // namespace keelwatch::analysis
