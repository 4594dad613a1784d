#include "analysis/volumes.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::KubernetesSlice;
using Key = std::pair<std::string_view, std::string_view>;  // namespace, claim
using Users = Observed<model::ObjectList<model::Pod>>;
using Objects = Observed<LonghornObjects>;

constexpr std::string_view kLonghornDriver = "driver.longhorn.io";
constexpr const char* kSource = "kubernetes";

std::string label(const model::ObjectMeta& meta, const char* name) {
  const auto found = meta.labels.find(name);
  return found == meta.labels.end() ? std::string() : found->second;
}

bool has_ended(const model::Pod& pod) { return pod.phase == "Succeeded" || pod.phase == "Failed"; }

// A Replica that could not be decoded has only its name, VOLUME-r-xxxxxxxx.
std::string_view volume_of(const model::VolumeReplica& replica) {
  if (!replica.volume.empty()) return replica.volume;
  const std::string_view name = replica.meta.name;
  return name.substr(0, name.rfind("-r-"));
}

// Likewise VOLUME-e-x.
std::string_view volume_of(const model::LonghornEngine& engine) {
  if (!engine.volume.empty()) return engine.volume;
  const std::string_view name = engine.meta.name;
  return name.substr(0, name.rfind("-e-"));
}

std::string_view volume_of(const model::LonghornVolume& volume) { return volume.meta.name; }

// The objects by their volume; empty while they are not known.
template <typename T>
auto by_volume(const Observed<model::ObjectList<T>>& answer) {
  std::unordered_map<std::string_view, model::ObjectList<T>> found;
  if (const auto* all = answer.if_known()) {
    found.reserve(all->size());
    for (const auto& one : *all) found[volume_of(*one)].push_back(one);
  }
  return found;
}

// All that is looked up by name.
class Index {
 public:
  explicit Index(const KubernetesSlice& slice)
      : slice_(slice),
        volumes_(by_volume(slice.longhorn_volumes)),
        engines_(by_volume(slice.longhorn_engines)),
        replicas_(by_volume(slice.longhorn_replicas)) {
    if (const auto* pods = slice.pods.if_known()) {
      for (const auto& pod : *pods) {
        if (has_ended(*pod)) continue;
        for (const std::string& claim : pod->claims) {
          users_[{pod->meta.ns, claim}].push_back(pod);
        }
      }
    }
  }

  [[nodiscard]] Users users(std::string_view ns, std::string_view claim) const {
    return slice_.pods.map([&](const auto&) {
      const auto found = users_.find(Key(ns, claim));
      return found == users_.end() ? model::ObjectList<model::Pod>() : found->second;
    });
  }

  // With no volume in it where there is none of that name.
  [[nodiscard]] Objects objects(std::string_view volume) const {
    const auto all = combine([](const auto&, const auto&) { return true; },
                             combine([](const auto&, const auto&) { return true; },
                                     slice_.longhorn_volumes, slice_.longhorn_engines),
                             slice_.longhorn_replicas);
    return all.map([&](bool) {
      LonghornObjects objects;
      if (const auto found = volumes_.find(volume); found != volumes_.end()) {
        objects.volume = found->second.front();
      }
      if (const auto found = engines_.find(volume); found != engines_.end()) {
        objects.engines = found->second;
      }
      if (const auto found = replicas_.find(volume); found != replicas_.end()) {
        objects.replicas = found->second;
      }
      return objects;
    });
  }

 private:
  const KubernetesSlice& slice_;
  std::unordered_map<std::string_view, model::ObjectList<model::LonghornVolume>> volumes_;
  std::unordered_map<std::string_view, model::ObjectList<model::LonghornEngine>> engines_;
  std::unordered_map<std::string_view, model::ObjectList<model::VolumeReplica>> replicas_;
  std::map<Key, model::ObjectList<model::Pod>> users_;
};

// Whether a Volume that is not in the list does not exist. Every Longhorn has Nodes: without any
// the wrong namespaces are looked into.
bool lists_are_whole(const KubernetesSlice& slice) {
  const auto* nodes = slice.longhorn_nodes.if_known();
  return nodes != nullptr && !nodes->empty();
}

// What Longhorn says about a volume whose identity is known.
void fill(PlacedVolume& volume, const Index& index, bool whole) {
  volume.users = index.users(volume.ns, volume.claim);
  volume.missing = false;
  if (!volume.longhorn) {
    volume.objects = Objects::not_installed("the volume is not Longhorn's", kSource);
    return;
  }
  volume.objects = index.objects(volume.volume);
  const LonghornObjects* objects = volume.objects.if_known();
  if (objects == nullptr || objects->volume) return;
  volume.missing = whole;
  volume.objects =
      Objects::unknown(Error(ErrorCode::kNotFound,
                             whole ? "Longhorn has no Volume " + volume.volume
                                   : "no Volume " + volume.volume +
                                         " is in the namespaces that are read: is Longhorn's among "
                                         "kubernetes.operator_namespaces?"),
                       kSource);
}

PlacedVolume blank() {
  const Why not_yet{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not joined yet"), kSource};
  return {.volume = {},
          .ns = {},
          .claim = {},
          .cluster = {},
          .pod = {},
          .role = {},
          .persistent_volume = {},
          .storage_class = {},
          .bound_to = {},
          .users = Users::absent(not_yet),
          .objects = Objects::absent(not_yet)};
}

PlacedVolume claimed(const model::PersistentVolumeClaim& claim, const model::PersistentVolume& pv) {
  PlacedVolume volume = blank();
  volume.longhorn = pv.csi_driver == kLonghornDriver;
  volume.volume = volume.longhorn ? pv.volume_handle : pv.meta.name;
  volume.ns = claim.meta.ns;
  volume.claim = claim.meta.name;
  volume.cluster = label(claim.meta, "cnpg.io/cluster");
  volume.pod = label(claim.meta, "cnpg.io/instanceName");
  volume.role = label(claim.meta, "cnpg.io/pvcRole");
  volume.persistent_volume = pv.meta.name;
  volume.storage_class = claim.storage_class.empty() ? pv.storage_class : claim.storage_class;
  volume.bound_to = pv.node_affinity;
  return volume;
}

std::vector<PlacedVolume> claimed_volumes(
    const model::ObjectList<model::PersistentVolumeClaim>& claims,
    const model::ObjectList<model::PersistentVolume>& volumes) {
  std::unordered_map<std::string_view, const model::PersistentVolume*> by_name;
  for (const auto& volume : volumes) by_name.emplace(volume->meta.name, volume.get());
  std::vector<PlacedVolume> result;
  for (const auto& claim : claims) {
    const auto volume = by_name.find(claim->volume_name);
    if (volume != by_name.end()) result.push_back(claimed(*claim, *volume->second));
  }
  return result;
}

// Longhorn's Volumes that no claim leads to, by name; those of the last time while Longhorn's are
// not known.
void add_unclaimed(const KubernetesSlice& slice, const VolumesMemory& memory,
                   std::vector<PlacedVolume>& volumes) {
  std::unordered_map<std::string_view, bool> known;
  for (const PlacedVolume& volume : volumes) {
    if (volume.longhorn) known.emplace(volume.volume, true);
  }
  std::vector<PlacedVolume> more;
  if (const auto* all = slice.longhorn_volumes.if_known()) {
    for (const auto& one : *all) {
      if (known.contains(one->meta.name)) continue;
      more.push_back(blank());
      more.back().volume = one->meta.name;
      more.back().longhorn = true;
    }
  } else if (slice.longhorn_volumes.why().absence == Absence::kUnknown) {
    for (const PlacedVolume& one : memory.volumes) {
      if (one.claim.empty() && !known.contains(one.volume)) more.push_back(one);
    }
  }
  std::ranges::move(more, std::back_inserter(volumes));
}

}  // namespace

const model::LonghornEngine* LonghornObjects::engine() const {
  const model::LonghornEngine* found = nullptr;
  for (const auto& engine : engines) {
    if (engine->active && (found == nullptr || found->state != "running")) found = engine.get();
  }
  return found;
}

VolumeJoin find_volumes(const model::World& world, VolumesMemory& memory) {
  const KubernetesSlice& slice = *world.kubernetes;
  VolumeJoin join;
  if (slice.claims.is_known() && slice.volumes.is_known()) {
    join.volumes = claimed_volumes(slice.claims.known_value(), slice.volumes.known_value());
    add_unclaimed(slice, memory, join.volumes);
  } else {
    join.stale = slice.claims.is_known() ? slice.volumes.why() : slice.claims.why();
    if (join.stale->absence == Absence::kUnknown) join.volumes = memory.volumes;
  }
  const Index index(slice);
  const bool whole = lists_are_whole(slice);
  for (PlacedVolume& volume : join.volumes) fill(volume, index, whole);
  std::ranges::stable_sort(join.volumes, {}, [](const PlacedVolume& v) {
    return std::tuple<bool, std::string_view, std::string_view, std::string_view>(
        v.claim.empty(), v.ns, v.claim, v.volume);
  });
  memory.volumes = join.volumes;
  return join;
}

}  // namespace keelwatch::analysis
