#include "analysis/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::World;
using Instances = Observed<std::vector<PlacedInstance>>;
using Loss = Observed<Failure>;

constexpr const char* kSource = "placement";

std::string_view get(const std::map<std::string, std::string>& texts, const char* name) {
  const auto found = texts.find(name);
  return found == texts.end() ? std::string_view() : std::string_view(found->second);
}

// Everything that the placement of one Cluster is made from.
struct Scene {
  const ClusterTopology& cluster;
  const Replication& replication;
  const StorageView& storage;
  const RecoveryAssessment& recovery;
  const Observed<NodeMap>& nodes;
  const World& world;
  const config::Config& config;

  // Empty: nobody is.
  [[nodiscard]] std::string primary() const {
    return cluster.primary ? cluster.primary->id.pod : cluster.object->current_primary;
  }
};

// ---- instances

// An instance that is cloned, or that has left the primary's history, has not got the data.
bool lacks_data(const Scene& scene, const std::string& name) {
  const auto standby = std::ranges::find_if(scene.replication.standbys,
                                            [&](const Standby& one) { return one.id.pod == name; });
  if (standby == scene.replication.standbys.end()) return false;
  const std::string* state = standby->state.if_known();
  return state != nullptr && (*state == to_string(StandbyState::kCloning) ||
                              *state == to_string(StandbyState::kDivergedTimeline));
}

// CNPG's annotation pvcStatus, and the Cluster's own list (pkg/utils/labels_annotations.go).
bool is_initializing(const Scene& scene, const model::PersistentVolumeClaim& claim) {
  const auto& list = scene.cluster.object->claims.initializing;
  return get(claim.meta.annotations, "cnpg.io/pvcStatus") == "initializing" ||
         std::ranges::find(list, claim.meta.name) != list.end();
}

Observed<UsableCopies> copies_of(const Scene& scene, const model::PersistentVolumeClaim& claim,
                                 const NodeMap& nodes) {
  const PlacedVolume* volume = scene.storage.find(claim.meta.ns, claim.meta.name);
  if (volume != nullptr) return usable_copies(*volume, scene.storage.nodes, nodes, scene.world);
  // It is bound to no volume, or to one that is gone.
  return Observed<UsableCopies>::known(UsableCopies(), scene.world.at);
}

// Adds the claim to its instance, or tells why its copies are not known.
std::optional<Why> add_claim(const Scene& scene, const model::PersistentVolumeClaim& claim,
                             const NodeMap& nodes, std::map<std::string, PlacedInstance>& all) {
  const std::string name(get(claim.meta.labels, "cnpg.io/instanceName"));
  if (name.empty()) return std::nullopt;
  PlacedInstance& instance = all[name];
  if (instance.volumes.empty()) instance.joined = !lacks_data(scene, name);
  if (is_initializing(scene, claim)) instance.joined = false;
  const Observed<UsableCopies> copies = copies_of(scene, claim, nodes);
  if (!copies.is_known()) return copies.why();
  instance.volumes.push_back({claim.meta.name,
                              std::string(get(claim.meta.labels, "cnpg.io/pvcRole")),
                              copies.known_value()});
  return std::nullopt;
}

Instances place_instances(const Scene& scene, const NodeMap& nodes,
                          const model::ObjectList<model::Pod>& pods,
                          const model::ObjectList<model::PersistentVolumeClaim>& claims) {
  std::map<std::string, PlacedInstance> all;
  for (const auto& pod : pods) {
    PlacedInstance& instance = all[pod->meta.name];
    instance.node = pod->node;
    instance.ready = pod->ready == true && nodes.alive(pod->node);
  }
  const auto ns_of = [](const auto& claim) -> const std::string& { return claim->meta.ns; };
  for (const auto& claim : std::ranges::equal_range(claims, scene.cluster.ns, {}, ns_of)) {
    if (get(claim->meta.labels, "cnpg.io/cluster") != scene.cluster.name) continue;
    if (auto why = add_claim(scene, *claim, nodes, all)) return Instances::absent(*std::move(why));
  }
  std::vector<PlacedInstance> instances;
  for (auto& [name, instance] : all) {
    instance.name = name;
    instance.primary = name == scene.primary();
    instances.push_back(std::move(instance));
  }
  return Instances::known(std::move(instances), scene.world.at);
}

Instances place_instances(const Scene& scene) {
  const auto& claims = scene.world.kubernetes->claims;
  if (scene.storage.volumes.stale) return Instances::absent(*scene.storage.volumes.stale);
  if (!scene.nodes.is_known()) return Instances::absent(scene.nodes.why());
  return combine(
      [&](const auto& pods, const auto& list) {
        return place_instances(scene, scene.nodes.known_value(), pods, list);
      },
      scene.cluster.pods, claims);
}

// ---- failures

Loss data_failure(const Scene& scene, const Instances& instances) {
  return instances.map([&](const std::vector<PlacedInstance>& all) {
    std::vector<Failure> parts;
    for (const PlacedInstance& instance : all) {
      if (instance.joined) parts.push_back(instance.data_loss());
    }
    if (parts.empty() && scene.primary().empty()) {
      return Loss::not_installed("no instance has data yet", kSource);
    }
    return Loss::known(all_of(std::move(parts)), instances.observed_at());
  });
}

// spec.postgresql.synchronous without dataDurability: preferred; the operator gives up anything
// else so that writes go on (CNPG docs/src/replication.md).
std::int64_t instances_that_must_serve(const model::Cluster& cluster) {
  const model::SynchronousSettings& settings = cluster.synchronous;
  if (settings.method.empty() || settings.data_durability == "preferred") return 1;
  return 1 + (settings.number ? *settings.number : 1);
}

Failure no_service(const std::vector<PlacedInstance>& instances,
                   const std::vector<ServingPart>& parts, const ControlPlane& plane,
                   const NodeMap& nodes, std::int64_t must_serve) {
  std::vector<Failure> outages;
  Failure primary = happened();
  for (const PlacedInstance& instance : instances) {
    outages.push_back(instance.outage());
    if (instance.primary) primary = outages.back();
  }
  const auto spare = static_cast<std::int64_t>(outages.size()) - must_serve;
  const auto too_many = static_cast<std::size_t>(std::max<std::int64_t>(0, spare + 1));
  std::vector<Failure> ways = {at_least(too_many, std::move(outages)),
                               all_of({std::move(primary), plane.loss(nodes)})};
  for (const ServingPart& part : parts) {
    if (part.read_write) ways.push_back(part.loss(nodes));
  }
  return any_of(std::move(ways));
}

Loss service_failure(const Scene& scene, const Placement& placement) {
  if (scene.cluster.hibernated()) return Loss::not_installed("it hibernates", kSource);
  if (scene.primary().empty()) return Loss::not_installed("it has no primary yet", kSource);
  const auto pods = combine(
      [&](const auto& instances, const auto& parts) { return std::pair(&instances, &parts); },
      placement.instances, placement.parts);
  return combine(
      [&](const auto& both, const ControlPlane& plane) {
        return no_service(*both.first, *both.second, plane, scene.nodes.known_value(),
                          placement.must_serve);
      },
      pods, placement.control_plane);
}

// A bucket from which nothing can be restored is no copy, wherever it lies.
StorePlace place_of(const Recovery& recovery, const Scene& scene, const NodeMap& nodes) {
  StorePlace place = place_store(recovery.archive.endpoint, scene.cluster.ns, scene.world,
                                 scene.config, nodes, scene.storage);
  if (!place.loss.is_known()) return place;
  const auto& window = recovery.points->window[static_cast<std::size_t>(Proof::kListed)];
  if (!window.is_known()) {
    place.loss = Loss::absent(window.why());
  } else if (!window.known_value()) {
    place.loss = Loss::known(happened(), window.observed_at());
    place.where += ", where no backup can be restored from";
  }
  return place;
}

// Every archive of its own that is known or declared.
Observed<std::vector<StorePlace>> place_stores(const Scene& scene) {
  using Stores = Observed<std::vector<StorePlace>>;
  for (const UnresolvedArchive& one : scene.recovery.unresolved) {
    if (one.ns == scene.cluster.ns && one.cluster == scene.cluster.name) {
      return Stores::absent(one.why);
    }
  }
  return scene.nodes.map([&](const NodeMap& nodes) {
    std::vector<StorePlace> stores;
    for (const Recovery& recovery : scene.recovery.archives) {
      if (recovery.ns != scene.cluster.ns || recovery.cluster != scene.cluster.name) continue;
      stores.push_back(place_of(recovery, scene, nodes));
    }
    return stores;
  });
}

Loss failure_with_backups(const Loss& data, const Observed<std::vector<StorePlace>>& stores) {
  return combine(
      [&](const Failure& failure, const std::vector<StorePlace>& all) {
        if (all.empty()) return Loss::not_installed("it has no archive", kSource);
        std::vector<Failure> parts = {failure};
        for (const StorePlace& store : all) {
          if (!store.loss.is_known()) return Loss::absent(store.loss.why());
          parts.push_back(store.loss.known_value());
        }
        return Loss::known(all_of(std::move(parts)), data.observed_at());
      },
      data, stores);
}

Observed<SmallestLoss> smallest_of(DomainKind kind, const Loss& failure,
                                   const Observed<NodeMap>& nodes) {
  using Smallest = Observed<SmallestLoss>;
  const Loss larger =
      combine([&](const Failure& known,
                  const NodeMap& map) { return over(kind, known, map, nodes.observed_at()); },
              failure, nodes);
  return larger.map([&](const Failure& known) {
    const Result<SmallestLoss> found = smallest_loss(known);
    return found ? Smallest::known(*found, larger.observed_at())
                 : Smallest::unknown(found.error(), kSource);
  });
}

// ---- side by side

// Nodes that take Pods. Those of the control plane are tainted in many clusters; where they are
// not, a Pod of some database is on one of them sooner or later.
std::int64_t nodes_for_pods(const World& world, const ControlPlane& plane) {
  std::set<std::string> with_database;
  for (const auto& pod : world.kubernetes->pods.known_value()) {
    if (!pod->cnpg_cluster.empty()) with_database.insert(pod->node);
  }
  const bool servers_take_pods = std::ranges::any_of(
      plane.nodes, [&](const std::string& node) { return with_database.contains(node); });
  return std::ranges::count_if(world.kubernetes->nodes.known_value(), [&](const auto& node) {
    const bool server = std::ranges::find(plane.nodes, node->meta.name) != plane.nodes.end();
    return node->ready != false && !node->unschedulable && (!server || servers_take_pods);
  });
}

const PlacedInstance* find_primary(const std::vector<PlacedInstance>& instances) {
  const auto found = std::ranges::find(instances, true, &PlacedInstance::primary);
  return found == instances.end() || found->node.empty() ? nullptr : &*found;
}

// f(instances, primary), or why there is no primary on a node.
template <typename F>
auto beside_primary(const Instances& instances, F&& f) {
  using Wrap = Observed<
      std::remove_cvref_t<decltype(f(instances.known_value(), instances.known_value().front()))>>;
  return instances.map([&](const std::vector<PlacedInstance>& all) {
    const PlacedInstance* primary = find_primary(all);
    if (primary == nullptr) {
      return Wrap::unknown(Error(ErrorCode::kNotFound, "no primary is on a node"), kSource);
    }
    return Wrap::known(f(all, *primary), instances.observed_at());
  });
}

Observed<std::int64_t> count_standbys(const Instances& instances, bool with_primary) {
  return beside_primary(instances, [&](const auto& all, const PlacedInstance& primary) {
    return static_cast<std::int64_t>(std::ranges::count_if(all, [&](const PlacedInstance& one) {
      return !one.primary && one.ready && (one.node == primary.node) == with_primary;
    }));
  });
}

void look_side_by_side(const Scene& scene, Placement& placement) {
  placement.standbys_with_primary = count_standbys(placement.instances, true);
  placement.standbys_elsewhere = count_standbys(placement.instances, false);
  const auto& desired = scene.cluster.instances_desired;
  placement.enough_nodes = combine(
      [&](const auto& /*instances*/, const auto& both) { return both; }, placement.instances,
      combine(
          [&](const ControlPlane& plane, std::int64_t instances) {
            return scene.world.kubernetes->pods.is_known() &&
                   nodes_for_pods(scene.world, plane) >= instances;
          },
          placement.control_plane, desired));
  placement.operators = operator_pods(scene.world);
  placement.operator_with_primary = combine(
      [&](const std::vector<PlacedInstance>& instances, const std::vector<PartPod>& pods) {
        const PlacedInstance* primary = find_primary(instances);
        const auto ready = std::ranges::count(pods, true, &PartPod::ready);
        return primary != nullptr && ready > 0 &&
               std::ranges::all_of(pods, [&](const PartPod& pod) {
                 return !pod.ready || pod.node == primary->node;
               });
      },
      placement.instances, placement.operators);
}

void judge_redundancy(const Scene& scene, Placement& placement) {
  const auto& desired = scene.cluster.instances_desired;
  placement.redundant_service =
      combine([&](const NodeMap& map,
                  std::int64_t instances) { return map.nodes.size() > 1 && instances > 1; },
              scene.nodes, desired);
  placement.redundant_data = combine(
      [&](bool service, const std::vector<PlacedInstance>& instances) {
        const bool copies = std::ranges::all_of(instances, [](const PlacedInstance& instance) {
          return std::ranges::all_of(instance.volumes, [](const InstanceVolume& volume) {
            return volume.copies.desired && *volume.copies.desired > 1;
          });
        });
        return service || (scene.nodes.known_value().nodes.size() > 1 && copies);
      },
      placement.redundant_service, placement.instances);
}

// Everything absent for that reason.
Placement blank(const ClusterTopology& cluster, const Why& why) {
  const AbsentOfAny no{why};
  return {.ns = cluster.ns,
          .cluster = cluster.name,
          .instances = no,
          .parts = no,
          .control_plane = no,
          .stores = no,
          .failure = {no, no, no},
          .smallest = {{{no, no, no}, {no, no, no}, {no, no, no}}},
          .redundant_data = no,
          .redundant_service = no,
          .standbys_with_primary = no,
          .standbys_elsewhere = no,
          .enough_nodes = no,
          .operators = no,
          .operator_with_primary = no};
}

Placement place(const Scene& scene) {
  const Why not_yet{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not placed yet"), kSource};
  Placement placement = blank(scene.cluster, not_yet);
  placement.must_serve = instances_that_must_serve(*scene.cluster.object);
  placement.instances = place_instances(scene);
  placement.parts = serving_parts(scene.cluster.ns, scene.cluster.name, scene.world, scene.config);
  placement.control_plane = scene.world.kubernetes->nodes.map(control_plane);
  placement.stores = place_stores(scene);
  auto& [data, service, with_backups] = placement.failure;
  data = data_failure(scene, placement.instances);
  service = service_failure(scene, placement);
  with_backups = failure_with_backups(data, placement.stores);
  for (std::size_t of = 0; of < kLossOfCount; ++of) {
    for (std::size_t kind = 0; kind < kDomainKindCount; ++kind) {
      placement.smallest[of][kind] =
          smallest_of(static_cast<DomainKind>(kind), placement.failure[of], scene.nodes);
    }
  }
  look_side_by_side(scene, placement);
  judge_redundancy(scene, placement);
  return placement;
}

}  // namespace

Failure PlacedInstance::data_loss() const {
  std::vector<Failure> parts;
  for (const InstanceVolume& volume : volumes) parts.push_back(volume.copies.loss());
  return any_of(std::move(parts));
}

Failure PlacedInstance::outage() const {
  if (!ready || !joined || volumes.empty()) return happened();
  return any_of({loss_of(node), data_loss()});
}

PlacementAssessment assess_placement(const std::vector<ClusterTopology>& clusters,
                                     const std::vector<Replication>& replication,
                                     const StorageView& storage, const RecoveryAssessment& recovery,
                                     const World& world, const config::Config& config) {
  PlacementAssessment assessment{.nodes = map_nodes(world, config, storage.nodes), .clusters = {}};
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    if (!clusters[i].object) {
      const auto& listed = world.kubernetes->clusters;
      if (!listed.is_known() &&
          !config::lists_instances(config, clusters[i].ns, clusters[i].name)) {
        assessment.clusters.push_back(blank(clusters[i], listed.why()));
      }
      continue;
    }
    assessment.clusters.push_back(place({.cluster = clusters[i],
                                         .replication = replication[i],
                                         .storage = storage,
                                         .recovery = recovery,
                                         .nodes = assessment.nodes,
                                         .world = world,
                                         .config = config}));
  }
  return assessment;
}

}  // namespace keelwatch::analysis
