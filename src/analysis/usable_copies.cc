#include "analysis/usable_copies.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace keelwatch::analysis {
namespace {

using Copies = Observed<UsableCopies>;

constexpr const char* kSource = "placement";

Copies not_read(std::string message) {
  return Copies::unknown(Error(ErrorCode::kMalformed, std::move(message)), kSource);
}

Copies longhorn_copies(const LonghornObjects& objects, const StorageNodes& nodes, WallTime at) {
  const model::LonghornVolume& volume = *objects.volume;
  if (volume.sharded()) {
    return Copies::not_set_up(
        fmt::format("volume {} is sharded: where its shards are is not read", volume.meta.name),
        kSource);
  }
  const std::vector<VolumeCopy> all = find_copies(objects, nodes);
  const auto unknown = std::ranges::find(all, CopyState::kUnknown, &VolumeCopy::state);
  if (unknown != all.end()) {
    return not_read(
        fmt::format("whether copy {} of volume {} is usable: its Replica or the Node "
                    "under it cannot be read",
                    unknown->replica, volume.meta.name));
  }
  const std::set<std::string> usable = usable_nodes(objects, all);
  UsableCopies copies;
  copies.nodes.assign(usable.begin(), usable.end());
  copies.unverified =
      std::ranges::find(all, CopyState::kUnverified, &VolumeCopy::state) != all.end();
  copies.desired = volume.replicas_desired;
  return Copies::known(std::move(copies), at);
}

// Of a node that the NodeMap has, and so of nodes that are known.
bool is_unclear(const std::string& name, const model::World& world) {
  return std::ranges::any_of(world.kubernetes->nodes.known_value(), [&](const auto& node) {
    return node->meta.name == name && !node->ready;
  });
}

// A PersistentVolume that is bound to one node lies there; nothing says whether its disk is well.
Copies bound_copies(const PlacedVolume& volume, const NodeMap& nodes, const model::World& world) {
  if (volume.bound_to.size() != 1) {
    return Copies::not_set_up(
        fmt::format("storage class \"{}\" does not tell on which node the data of {}/{} is",
                    volume.storage_class, volume.ns, volume.claim),
        kSource);
  }
  UsableCopies copies;
  copies.desired = 1;
  const NodePlace* node = nodes.find_by_hostname(volume.bound_to.front());
  if (node != nullptr && is_unclear(node->name, world)) {
    return not_read(fmt::format("whether node {} is up: its Node cannot be read", node->name));
  }
  if (node != nullptr && !node->down) copies.nodes.push_back(node->name);
  return Copies::known(std::move(copies), world.kubernetes->volumes.observed_at());
}

}  // namespace

const PlacedVolume* StorageView::find(std::string_view ns, std::string_view claim) const {
  const auto place = [](const PlacedVolume& v) {  // in the order of VolumeJoin::volumes
    return std::tuple(v.claim.empty(), std::string_view(v.ns), std::string_view(v.claim));
  };
  const auto found =
      std::ranges::lower_bound(volumes.volumes, std::tuple(false, ns, claim), {}, place);
  const bool is_it = found != volumes.volumes.end() && found->ns == ns && found->claim == claim;
  return is_it ? &*found : nullptr;
}

Failure UsableCopies::loss() const {
  std::vector<Failure> parts;
  for (const std::string& node : nodes) parts.push_back(loss_of(node));
  return all_of(std::move(parts));
}

Observed<UsableCopies> usable_copies(const PlacedVolume& volume,
                                     const Observed<StorageNodes>& storage_nodes,
                                     const NodeMap& nodes, const model::World& world) {
  if (!volume.longhorn) return bound_copies(volume, nodes, world);
  if (volume.missing) return Copies::known(UsableCopies(), world.at);
  return combine(
      [&](const LonghornObjects& objects, const StorageNodes& known) {
        return longhorn_copies(objects, known, volume.objects.observed_at());
      },
      volume.objects, storage_nodes);
}

}  // namespace keelwatch::analysis
