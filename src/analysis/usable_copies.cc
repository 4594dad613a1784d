#include "analysis/usable_copies.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keelwatch::analysis {
namespace {

using Copies = Observed<UsableCopies>;
using LonghornNodes = Observed<model::ObjectList<model::LonghornNode>>;

constexpr const char* kSource = "placement";

void add(UsableCopies& copies, const std::string& node) {
  const auto place = std::ranges::lower_bound(copies.nodes, node);
  if (place == copies.nodes.end() || *place != node) copies.nodes.insert(place, node);
}

// Whether the Replica is complete, by its own object.
bool is_complete(const model::VolumeReplica& replica) {
  return !replica.meta.deletion_timestamp && replica.active && !replica.node.empty() &&
         !replica.disk_id.empty() && !replica.failed_at && replica.healthy_at;
}

// Without a running engine: whether it was good when it was used last. Auto-salvage may revive one
// that failed last and lacks writes (longhorn/longhorn#7425).
bool was_good(const model::VolumeReplica& replica) {
  return !replica.last_failed_at ||
         (replica.last_healthy_at && *replica.last_failed_at < *replica.last_healthy_at);
}

// A disk that is not ready because its node is not is as good as its node, which is asked itself.
bool has_disk(const model::VolumeReplica& replica,
              const model::ObjectList<model::LonghornNode>& nodes) {
  const auto node = std::ranges::find_if(
      nodes, [&](const auto& candidate) { return candidate->meta.name == replica.node; });
  if (node == nodes.end()) return false;
  const auto disk = std::ranges::find((*node)->disks, replica.disk_id, &model::LonghornDisk::uuid);
  if (disk == (*node)->disks.end()) return false;
  const model::Condition* ready = model::find_condition(disk->conditions, "Ready");
  return ready == nullptr || ready->status != "False" || ready->reason == "NodeNotReady";
}

Copies longhorn_copies(const LonghornObjects& objects, const NodeMap& nodes,
                       const LonghornNodes& longhorn_nodes, WallTime at) {
  const model::LonghornVolume& volume = *objects.volume;
  if (volume.sharded()) {
    return Copies::not_set_up(
        fmt::format("volume {} is sharded: where its shards are is not read", volume.meta.name),
        kSource);
  }
  const auto* all_disks = longhorn_nodes.if_known();
  if (all_disks == nullptr) return Copies::absent(longhorn_nodes.why());
  UsableCopies copies;
  copies.desired = volume.replicas_desired;
  if (volume.standby || volume.restore_required) return Copies::known(std::move(copies), at);
  const model::LonghornEngine* engine = objects.engine();
  const bool running =
      volume.state == "attached" && engine != nullptr && engine->state == "running";
  copies.unverified = !running;
  for (const auto& replica : objects.replicas) {
    if (!is_complete(*replica) || !nodes.alive(replica->node) || !has_disk(*replica, *all_disks)) {
      continue;
    }
    if (running) {
      const auto mode = engine->modes.find(replica->meta.name);
      if (mode != engine->modes.end() && mode->second == "RW") add(copies, replica->node);
    } else if (was_good(*replica)) {
      add(copies, replica->node);
    }
  }
  return Copies::known(std::move(copies), at);
}

// A PersistentVolume that is bound to one node lies there; nothing says whether its disk is well.
Copies bound_copies(const PlacedVolume& volume, const NodeMap& nodes, WallTime at) {
  if (volume.bound_to.size() != 1) {
    return Copies::not_set_up(
        fmt::format("storage class \"{}\" does not tell on which node the data of {}/{} is",
                    volume.storage_class, volume.ns, volume.claim),
        kSource);
  }
  UsableCopies copies;
  copies.desired = 1;
  const NodePlace* node = nodes.find_by_hostname(volume.bound_to.front());
  if (node != nullptr && !node->down) add(copies, node->name);
  return Copies::known(std::move(copies), at);
}

}  // namespace

Failure UsableCopies::loss() const {
  std::vector<Failure> parts;
  for (const std::string& node : nodes) parts.push_back(loss_of(node));
  return all_of(std::move(parts));
}

Observed<UsableCopies> usable_copies(const PlacedVolume& volume, const NodeMap& nodes,
                                     const model::World& world) {
  const auto& kubernetes = *world.kubernetes;
  if (!volume.longhorn) {
    return kubernetes.volumes.map([&](const auto& /*list*/) {
      return bound_copies(volume, nodes, kubernetes.volumes.observed_at());
    });
  }
  if (volume.missing) return Copies::known(UsableCopies(), world.at);
  const LonghornObjects* objects = volume.objects.if_known();
  if (objects == nullptr) return Copies::absent(volume.objects.why());
  return longhorn_copies(*objects, nodes, kubernetes.longhorn_nodes, volume.objects.observed_at());
}

}  // namespace keelwatch::analysis
