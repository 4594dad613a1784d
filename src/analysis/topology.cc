#include "analysis/topology.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace keelwatch::analysis {
namespace {

using Key = std::pair<std::string, std::string>;  // namespace, cluster

// Whether the instance itself has said, by no answer of SQL, that it takes no writes now. That is
// so only as long as the address is known to be its own: a Pod that was made anew has another one.
bool answers_not_writable(const model::Instance& instance, const model::World& world,
                          const config::Config& config) {
  const bool certain_address = world.kubernetes->pods.is_known() ||
                               config::lists_instances(config, instance.id.ns, instance.id.cluster);
  return certain_address && (instance.reachability == model::Reachability::kRefused ||
                             instance.reachability == model::Reachability::kStartingUp ||
                             instance.reachability == model::Reachability::kShuttingDown);
}

// Whether Kubernetes says that nobody can be writable there: once the cluster has had a primary, a
// Pod that has no address yet runs no server.
bool has_no_server(const ClusterTopology& cluster, std::string_view pod_name) {
  if (!cluster.object || cluster.object->current_primary.empty() || !cluster.pods.is_known()) {
    return false;
  }
  const model::Pod* pod = cluster.find_pod(pod_name);
  return pod != nullptr && pod->pod_ip.empty();
}

// ... and a cluster of which every Pod is gone runs none either.
bool has_no_pod(const ClusterTopology& cluster) {
  return cluster.object && !cluster.object->current_primary.empty() && cluster.pods.is_known() &&
         cluster.pods.known_value().empty();
}

Observed<std::int64_t> count_writable(const ClusterTopology& cluster, const model::World& world,
                                      const config::Config& config) {
  using Count = Observed<std::int64_t>;
  const auto count = std::count_if(cluster.instances.begin(), cluster.instances.end(),
                                   [](const auto& i) { return is_writable(*i); });
  if (count > 0) return Count::known(count, world.at);
  for (const auto& instance : cluster.instances) {
    if (!instance->server.is_known() && !answers_not_writable(*instance, world, config) &&
        !has_no_server(cluster, instance->id.pod)) {
      return Count::absent(instance->server.why());
    }
  }
  if (cluster.instances.empty() && !has_no_pod(cluster)) {
    return Count::unknown(Error(ErrorCode::kNotFound, "no instance to ask"), "postgres");
  }
  return Count::known(0, world.at);
}

std::shared_ptr<const model::Instance> choose_primary(const ClusterTopology& cluster) {
  std::shared_ptr<const model::Instance> best;
  const auto rank = [](const model::Instance& i) {
    const model::ServerFacts& s = i.server.known_value();
    return std::tuple(s.timeline, s.current);  // an absent position ranks below any other
  };
  for (const auto& instance : cluster.instances) {
    if (is_writable(*instance) && (!best || rank(*best) < rank(*instance))) best = instance;
  }
  return best;
}

Observed<std::int64_t> desired(const ClusterTopology& cluster, const config::Config& config,
                               const model::World& world) {
  using Count = Observed<std::int64_t>;
  if (cluster.object) {
    const auto& listed = world.kubernetes->clusters;
    if (cluster.object->instances) {
      return Count::known(*cluster.object->instances, listed.observed_at());
    }
    return Count::unknown(Error(ErrorCode::kMalformed, "Cluster has no spec.instances"),
                          "kubernetes Cluster");
  }
  for (const config::PostgresCluster& c : config.postgres.clusters) {
    if (c.ns != cluster.ns || c.name != cluster.name || c.instances.empty()) continue;
    return Count::known(
        c.instances_desired ? *c.instances_desired : static_cast<int>(c.instances.size()),
        world.at);
  }
  if (!world.kubernetes->clusters.is_known()) {
    return Count::absent(world.kubernetes->clusters.why());
  }
  return Count::unknown(Error(ErrorCode::kNotFound, "no such Cluster"), "kubernetes Cluster");
}

Observed<bool> replica(const ClusterTopology& cluster, const config::Config& config,
                       const model::World& world, const TopologyMemory& memory) {
  const auto& listed = world.kubernetes->clusters;
  if (cluster.object) {
    return Observed<bool>::known(cluster.object->replica_cluster, listed.observed_at());
  }
  if (config::lists_instances(config, cluster.ns, cluster.name)) {
    return Observed<bool>::known(false, world.at);
  }
  if (listed.is_known()) {
    return Observed<bool>::unknown(Error(ErrorCode::kNotFound, "no such Cluster"),
                                   "kubernetes Cluster");
  }
  // A replica cluster stays one while the API is silent.
  const auto remembered = memory.replica.find({cluster.ns, cluster.name});
  if (remembered == memory.replica.end()) return Observed<bool>::absent(listed.why());
  return Observed<bool>::known(remembered->second, world.at);
}

std::string_view label(const model::Pod& pod, const std::string& name) {
  const auto found = pod.meta.labels.find(name);
  return found == pod.meta.labels.end() ? std::string_view() : std::string_view(found->second);
}

// The decoded field, or, on a tape that was recorded before there was one, the label itself.
std::string_view either(std::string_view decoded, std::string_view label) {
  return decoded.empty() ? label : decoded;
}

// An instance's Pod carries podRole=instance, or, before CNPG 1.21, its instance's name; those of
// jobs and poolers carry the cluster's label, too.
bool is_instance_pod(const model::Pod& pod) {
  const std::string_view role = either(pod.cnpg_role, label(pod, "cnpg.io/podRole"));
  if (!role.empty()) return role == "instance";
  return pod.pooler.empty() && !label(pod, "cnpg.io/instanceName").empty() &&
         label(pod, "cnpg.io/jobRole").empty();
}

Observed<model::ObjectList<model::Pod>> pods_of(const ClusterTopology& cluster,
                                                const model::World& world) {
  return world.kubernetes->pods.map([&](const model::ObjectList<model::Pod>& all) {
    model::ObjectList<model::Pod> own;
    for (const auto& pod : all) {
      if (pod->meta.ns == cluster.ns &&
          either(pod->cnpg_cluster, label(*pod, "cnpg.io/cluster")) == cluster.name &&
          is_instance_pod(*pod)) {
        own.push_back(pod);
      }
    }
    return own;
  });
}

}  // namespace

bool is_writable(const model::Instance& instance) {
  const model::ServerFacts* server = instance.server.if_known();
  return server != nullptr && !server->in_recovery;
}

bool ClusterTopology::fences(std::string_view pod) const {
  if (!object || !object->switches.fenced_instances) return false;
  return std::ranges::any_of(*object->switches.fenced_instances,
                             [&](const std::string& one) { return one == pod || one == "*"; });
}

const model::Pod* ClusterTopology::find_pod(std::string_view pod_name) const {
  const auto* list = pods.if_known();
  if (list == nullptr) return nullptr;
  for (const auto& pod : *list) {
    if (pod->meta.name == pod_name) return pod.get();
  }
  return nullptr;
}

const model::Instance* ClusterTopology::find_instance(std::string_view pod) const {
  for (const auto& instance : instances) {
    if (instance->id.pod == pod) return instance.get();
  }
  return nullptr;
}

std::vector<ClusterTopology> find_clusters(const model::World& world, const config::Config& config,
                                           TopologyMemory& memory) {
  std::map<Key, std::shared_ptr<const model::Cluster>> objects;
  std::map<Key, std::vector<std::shared_ptr<const model::Instance>>> members;
  if (const auto* listed = world.kubernetes->clusters.if_known()) {
    for (const auto& object : *listed) objects[{object->meta.ns, object->meta.name}] = object;
  }
  for (const config::PostgresCluster& c : config.postgres.clusters) {
    if (!c.instances.empty()) objects.try_emplace({c.ns, c.name});
  }
  for (const auto& instance : world.postgres->instances) {
    const Key key{instance->id.ns, instance->id.cluster};
    objects.try_emplace(key);
    members[key].push_back(instance);
  }

  TopologyMemory seen;
  std::vector<ClusterTopology> clusters;
  clusters.reserve(objects.size());
  for (auto& [key, object] : objects) {
    ClusterTopology cluster{.ns = key.first,
                            .name = key.second,
                            .object = object,
                            .replica = Observed<bool>::known(false, world.at),
                            .instances_desired = Observed<std::int64_t>::known(0, world.at),
                            .instances = std::move(members[key]),
                            .pods = Observed<model::ObjectList<model::Pod>>::known({}, world.at),
                            .primary = nullptr,
                            .writable_primaries = Observed<std::int64_t>::known(0, world.at)};
    cluster.instances_desired = desired(cluster, config, world);
    cluster.pods = pods_of(cluster, world);
    cluster.primary = choose_primary(cluster);
    cluster.writable_primaries = count_writable(cluster, world, config);
    cluster.replica = replica(cluster, config, world, memory);
    if (const bool* known = cluster.replica.if_known()) seen.replica[key] = *known;
    clusters.push_back(std::move(cluster));
  }
  memory = std::move(seen);  // forgets clusters that are gone
  return clusters;
}

}  // namespace keelwatch::analysis
