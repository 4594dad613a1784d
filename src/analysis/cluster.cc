#include "analysis/cluster.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::World;

constexpr std::string_view kRoles[] = {"rw", "ro", "r"};

Observed<std::string> phase_kind(const ClusterTopology& cluster, const World& world) {
  using Kind = Observed<std::string>;
  const auto& listed = world.kubernetes->clusters;
  if (!listed.is_known()) return Kind::absent(listed.why());
  if (!cluster.object)
    return Kind::unknown(Error(ErrorCode::kNotFound, "no Cluster"), "kubernetes");
  if (cluster.object->phase.empty()) {
    return Kind::unknown(Error(ErrorCode::kNotFound, "the Cluster has no status.phase yet"),
                         "kubernetes Cluster");
  }
  const auto kind = static_cast<std::size_t>(model::phase_kind(cluster.object->phase));
  return Kind::known(std::string(kPhaseKinds[kind]), listed.observed_at());
}

Observed<std::int64_t> instances_missing(const ClusterTopology& cluster) {
  if (!cluster.object) {
    return cluster.instances_desired.map([&](std::int64_t desired) {
      return std::max<std::int64_t>(desired - static_cast<std::int64_t>(cluster.instances.size()),
                                    0);
    });
  }
  return combine(
      [&](std::int64_t desired, const model::ObjectList<model::Pod>& pods) -> std::int64_t {
        if (cluster.hibernated()) return 0;
        const auto alive = std::ranges::count_if(
            pods, [](const auto& pod) { return !pod->meta.deletion_timestamp; });
        return std::max<std::int64_t>(desired - alive, 0);
      },
      cluster.instances_desired, cluster.pods);
}

void compare_status(const ClusterTopology& cluster, WallTime now, ClusterHealth& out) {
  if (!cluster.object || cluster.object->current_primary.empty() || !cluster.primary) return;
  const std::string& status = cluster.object->current_primary;
  const std::string& sql = cluster.primary->id.pod;
  out.status_agrees = Observed<bool>::known(status == sql, now);
  out.status_reason = "status.currentPrimary is " + status + ", and " + sql + " is writable";
}

struct Target {
  std::string pod;
  std::string address;
};

// The ready addresses behind a Service; nullopt: it has neither EndpointSlice nor object.
std::optional<std::map<std::string, Target>> ready_targets(const std::string& ns,
                                                           const std::string& service,
                                                           const World& world) {
  std::map<std::string, Target> targets;
  bool exists = false;
  for (const auto& slice : world.kubernetes->endpoint_slices.known_value()) {
    if (slice->meta.ns != ns || slice->service != service) continue;
    exists = true;
    for (const model::Endpoint& endpoint : slice->endpoints) {
      if (endpoint.ready == false || endpoint.addresses.empty()) continue;
      const std::string& address = endpoint.addresses.front();
      // A Service of both IP families has a Pod twice.
      targets.try_emplace(endpoint.pod.empty() ? address : endpoint.pod,
                          Target{endpoint.pod, address});
    }
  }
  if (const auto* services = world.kubernetes->services.if_known(); services && !exists) {
    exists = std::ranges::any_of(
        *services, [&](const auto& s) { return s->meta.ns == ns && s->meta.name == service; });
  }
  if (!exists) return std::nullopt;
  return targets;
}

void judge_direction(const ClusterTopology& cluster, const std::map<std::string, Target>& targets,
                     WallTime now, ServiceHealth& out) {
  if (targets.empty() || out.role == "r") return;
  const bool* replica = cluster.replica.if_known();
  if (replica == nullptr || *replica) return;
  const bool wants_writable = out.role == "rw";
  for (const auto& [name, target] : targets) {
    const model::Instance* instance = cluster.find_instance(target.pod);
    if (instance == nullptr || !instance->server.is_known()) {
      out.reason = "it leads to " + name + ", which does not answer";
      return;
    }
    if (is_writable(*instance) == wants_writable) continue;
    out.leads_right = Observed<bool>::known(false, now);
    out.reason =
        "it leads to " + name + ", which is " + (wants_writable ? "not writable" : "the primary");
    return;
  }
  out.leads_right = Observed<bool>::known(true, now);
}

std::vector<ServiceHealth> assess_services(const ClusterTopology& cluster, const World& world) {
  std::vector<ServiceHealth> services;
  const auto& slices = world.kubernetes->endpoint_slices;
  if (!cluster.object || !slices.is_known()) return services;
  constexpr const char* kSource = "kubernetes EndpointSlice";
  const Why unknown{Absence::kUnknown, Error(ErrorCode::kUnavailable, "where it leads is unknown"),
                    kSource};
  const auto any = Observed<bool>::not_set_up("any instance is right", kSource);
  for (const std::string_view role : kRoles) {
    const std::string service = cluster.name + "-" + std::string(role);
    const auto targets = ready_targets(cluster.ns, service, world);
    if (!targets) continue;
    ServiceHealth health{.role = std::string(role),
                         .ready_addresses = Observed<std::int64_t>::known(
                             static_cast<std::int64_t>(targets->size()), slices.observed_at()),
                         .leads_right = role == "r" ? any : Observed<bool>::absent(unknown),
                         .reason = {}};
    judge_direction(cluster, *targets, world.at, health);
    services.push_back(std::move(health));
  }
  return services;
}

}  // namespace

std::vector<ClusterHealth> assess_clusters(const std::vector<ClusterTopology>& clusters,
                                           const World& world) {
  const Error nothing(ErrorCode::kUnavailable, "no two answers to compare");
  std::vector<ClusterHealth> result;
  result.reserve(clusters.size());
  for (const ClusterTopology& cluster : clusters) {
    ClusterHealth health{.ns = cluster.ns,
                         .cluster = cluster.name,
                         .phase_kind = phase_kind(cluster, world),
                         .instances_missing = instances_missing(cluster),
                         .status_agrees = Observed<bool>::unknown(nothing, "kubernetes Cluster"),
                         .status_reason = {},
                         .services = assess_services(cluster, world)};
    compare_status(cluster, world.at, health);
    result.push_back(std::move(health));
  }
  return result;
}

}  // namespace keelwatch::analysis
