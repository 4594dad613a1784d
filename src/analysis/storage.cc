#include "analysis/storage.h"

#include <algorithm>
#include <charconv>

#include "analysis/volume_health.h"

namespace keelwatch::analysis {
namespace {

using Disks = model::ObjectList<model::LonghornNode>;

constexpr const char* kSource = "kubernetes";

Observed<VolumeHealth> health_of(const PlacedVolume& volume, const Observed<StorageNodes>& nodes,
                                 const model::World& world, const StorageFacts& facts,
                                 StorageMemory::OfVolume& memory) {
  const auto& volumes = world.kubernetes->longhorn_volumes;
  if (!volume.missing || !volumes.is_known()) return judge_volume(volume, nodes, facts, memory);
  VolumeHealth health;
  health.verdict = VolumeVerdict::kMissing;
  health.detail = volume.objects.why().error.message();
  return Observed<VolumeHealth>::known(std::move(health), volumes.observed_at());
}

std::vector<StorageVolume> assess_volumes(const VolumeJoin& join,
                                          const Observed<StorageNodes>& nodes,
                                          const model::World& world, StorageMemory& memory) {
  const StorageFacts facts(world);
  std::map<std::string, StorageMemory::OfVolume> kept;
  std::vector<StorageVolume> result;
  for (const PlacedVolume& volume : join.volumes) {
    if (!volume.longhorn) continue;
    StorageMemory::OfVolume& own = kept[volume.volume];
    own = std::move(memory.volumes[volume.volume]);
    result.push_back({volume.ns, volume.cluster, volume.pod, volume.role, volume.claim,
                      volume.volume, health_of(volume, nodes, world, facts, own)});
  }
  memory.volumes = std::move(kept);
  return result;
}

std::optional<bool> is_schedulable(const model::LonghornNode& node) {
  const model::Condition* condition = model::find_condition(node.conditions, "Schedulable");
  if (condition == nullptr) return std::nullopt;
  return condition->status == "True" && node.allow_scheduling.value_or(true) &&
         !node.eviction_requested;
}

std::optional<std::int64_t> limit_of(const model::LonghornDisk& disk, double percent) {
  if (!disk.maximum_bytes || !disk.reserved_bytes) return std::nullopt;
  const auto usable = static_cast<double>(*disk.maximum_bytes - *disk.reserved_bytes);
  return static_cast<std::int64_t>(usable * percent / 100);
}

// storage-over-provisioning-percentage.
Observed<double> overprovisioning(const model::KubernetesSlice& slice) {
  return slice.longhorn_settings.map([](const auto& settings) {
    const auto text = longhorn_setting(settings, "storage-over-provisioning-percentage", "v1");
    double percent = 0;
    if (text) {
      const char* const end = text->data() + text->size();
      if (std::from_chars(text->data(), end, percent).ptr == end) {
        return Observed<double>::known(percent, WallTime::max());
      }
    }
    return Observed<double>::unknown(
        Error(ErrorCode::kNotFound, "there is no setting storage-over-provisioning-percentage"),
        kSource);
  });
}

// Before 1.11 the disks of a node that died stay what they were when it was last asked; and for a
// disk that it cannot ask Longhorn writes zeros.
Observed<model::LonghornDisk> facts_of(const std::string& node, const model::LonghornDisk& disk,
                                       const Observed<StorageNodes>& nodes, WallTime at) {
  using Facts = Observed<model::LonghornDisk>;
  const StorageNodes* known = nodes.if_known();
  if (known != nullptr && known->is_down(node)) {
    return Facts::unknown(Error(ErrorCode::kUnavailable,
                                "node " + node + ", which disk " + disk.name + " is of, is down"),
                          kSource);
  }
  model::LonghornDisk facts = disk;
  const model::Condition* ready = model::find_condition(disk.conditions, "Ready");
  if (disk.maximum_bytes == 0 || (ready != nullptr && ready->status == "False")) {
    facts.available_bytes = facts.scheduled_bytes = facts.maximum_bytes = std::nullopt;
  }
  return Facts::known(std::move(facts), at);
}

Observed<bool> is_ready(const std::string& node, const Observed<StorageNodes>& nodes) {
  return nodes.map([&](const StorageNodes& known) {
    return known.is_unclear(node)
               ? Observed<bool>::unknown(
                     Error(ErrorCode::kMalformed, "Node " + node + " cannot be read"), kSource)
               : Observed<bool>::known(!known.is_down(node), nodes.observed_at());
  });
}

void add_disk(const std::string& node, const Observed<model::LonghornDisk>& facts,
              const std::string& disk, const Observed<double>& percent, Storage& storage) {
  storage.disks.push_back(
      {node, disk, facts,
       combine([](const model::LonghornDisk& d, double p) { return limit_of(d, p); }, facts,
               percent)});
}

void assess_nodes(const Observed<StorageNodes>& nodes, const model::World& world,
                  StorageMemory& memory, Storage& storage) {
  const model::KubernetesSlice& slice = *world.kubernetes;
  const Observed<double> percent = overprovisioning(slice);
  const Disks* all = slice.longhorn_nodes.if_known();
  if (all == nullptr) {
    const Why& why = slice.longhorn_nodes.why();
    if (why.absence != Absence::kUnknown) memory.disks.clear();
    for (const auto& [node, disks] : memory.disks) {
      storage.nodes.push_back({node, AbsentOfAny{why}, AbsentOfAny{why}});
      for (const std::string& disk : disks) {
        storage.disks.push_back({node, disk, AbsentOfAny{why}, AbsentOfAny{why}});
      }
    }
    return;
  }
  const WallTime at = slice.longhorn_nodes.observed_at();
  memory.disks.clear();
  for (const auto& node : *all) {
    const std::string& name = node->meta.name;
    storage.nodes.push_back({name, is_ready(name, nodes),
                             Observed<std::optional<bool>>::known(is_schedulable(*node), at)});
    std::vector<std::string>& disks = memory.disks[name];
    for (const model::LonghornDisk& disk : node->disks) {
      add_disk(name, facts_of(name, disk, nodes, at), disk.name, percent, storage);
      disks.push_back(disk.name);
    }
  }
}

void assess_backup_targets(const model::KubernetesSlice& slice, StorageMemory& memory,
                           Storage& storage) {
  const auto& answer = slice.longhorn_backup_targets;
  const auto* targets = answer.if_known();
  if (targets == nullptr) {
    if (answer.why().absence != Absence::kUnknown) memory.backup_targets.clear();
    for (const std::string& name : memory.backup_targets) {
      storage.backup_targets.emplace(name, AbsentOfAny{answer.why()});
    }
    return;
  }
  memory.backup_targets.clear();
  for (const auto& target : *targets) {
    if (target->url.empty()) continue;
    memory.backup_targets.push_back(target->meta.name);
    storage.backup_targets.emplace(target->meta.name, Observed<std::optional<bool>>::known(
                                                          target->available, answer.observed_at()));
  }
}

}  // namespace

std::string_view to_string(VolumeVerdict verdict) {
  return kVolumeVerdicts.at(static_cast<std::size_t>(verdict));
}

std::optional<std::string> longhorn_setting(
    const model::ObjectList<model::LonghornSetting>& settings, std::string_view name,
    std::string_view engine) {
  for (const auto& setting : settings) {
    if (setting->meta.name != name) continue;
    if (setting->values.empty()) return setting->value;
    const auto value = setting->values.find(std::string(engine));
    if (value != setting->values.end()) return value->second;
  }
  return std::nullopt;
}

Storage assess_storage(const VolumeJoin& join, const Observed<StorageNodes>& nodes,
                       const model::World& world, StorageMemory& memory) {
  Storage storage;
  storage.volumes = assess_volumes(join, nodes, world, memory);
  assess_nodes(nodes, world, memory, storage);
  assess_backup_targets(*world.kubernetes, memory, storage);
  return storage;
}

}  // namespace keelwatch::analysis
