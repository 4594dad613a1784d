// keelwatch_volume_*, keelwatch_storage_* and keelwatch_disk_*: Longhorn's volumes, and the nodes
// and disks under them. A volume is identified by its claim and Longhorn's name for it, and, where
// it belongs to a database, by the instance: never by a node, which it changes.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using analysis::VolumeHealth;
using metrics::Family;
using metrics::Type;

constexpr Family of_volume(std::string_view name, std::string_view help) {
  return Family(name, Type::kGauge, help,
                {"namespace", "cluster", "pod", "role", "persistentvolumeclaim", "volume"});
}
constexpr Family of_disk(std::string_view name, std::string_view help) {
  return Family(name, Type::kGauge, help, {"node", "disk"});
}

constexpr Family kVerdict(
    "keelwatch_volume_verdict", Type::kGauge,
    "1 for what is to be said of Longhorn's volume, by its copies as they are counted, the engine "
    "and the Pods that use it, 0 for the other verdicts; absent while that is unknown.",
    {"namespace", "cluster", "pod", "role", "persistentvolumeclaim", "volume", "verdict"});
constexpr Family kRobustness(
    "keelwatch_volume_robustness", Type::kGauge,
    "1 for Longhorn's own word about the volume (Volume.status.robustness), 0 for the others; "
    "unknown is also said of a volume that is detached; absent while the Volume cannot be read.",
    {"namespace", "cluster", "pod", "role", "persistentvolumeclaim", "volume", "robustness"});
constexpr std::array<std::string_view, 4> kRobustnesses = {"healthy", "degraded", "faulted",
                                                           "unknown"};

constexpr Family kAttached =
    of_volume("keelwatch_volume_attached",
              "1 if the volume is attached to a node, else 0; absent while "
              "that is unknown.");
constexpr Family kDesired = of_volume(
    "keelwatch_volume_replicas_desired",
    "Copies that the volume shall have (Volume.spec.numberOfReplicas); absent for a sharded volume "
    "and while the Volume cannot be read.");
constexpr Family kScheduled = of_volume("keelwatch_volume_replicas_scheduled",
                                        "Copies of the volume that have a disk; absent for a "
                                        "volume that was never used, a sharded one, "
                                        "and while that is unknown.");
constexpr Family kHealthy = of_volume(
    "keelwatch_volume_replicas_healthy",
    "Copies of the volume that are whole and can be reached, counted from its Replicas and the "
    "modes "
    "of its running engine; absent for a volume that was never used, a sharded one, and while that "
    "is unknown.");
constexpr Family kLocal =
    of_volume("keelwatch_volume_local_copy",
              "1 if one of the whole copies is on the node that the volume is attached to, else 0; "
              "absent while it is not attached and while that is unknown.");
constexpr Family kNodeDown = of_volume(
    "keelwatch_volume_node_down",
    "1 if storage nodes that are down are why the volume has too few copies, or it is attached to "
    "one, so that KeelwatchStorageNodeDown tells it, else 0; absent for a volume that was never "
    "used, a sharded one, and while that is unknown.");
constexpr Family kDegradedSince =
    of_volume("keelwatch_volume_degraded_since_timestamp_seconds",
              "Since when the volume has had fewer whole copies than it shall; absent while it has "
              "them all and while that is unknown.");
constexpr Family kRebuildProgress =
    of_volume("keelwatch_volume_rebuild_progress_ratio",
              "How far the rebuild of a copy is, of several the one furthest behind; absent while "
              "none runs and while that is unknown.");
constexpr Family kRebuildMoved =
    of_volume("keelwatch_volume_rebuild_moved_timestamp_seconds",
              "When that progress last changed, as far as keelwatch has seen; absent while no "
              "rebuild runs and while that is unknown.");
constexpr Family kRebuildStarts = of_volume(
    "keelwatch_volume_rebuild_starts",
    "Rebuilds of the volume that keelwatch has seen begin within the last hour; 0 again once "
    "it has had all its copies for ten minutes; absent while that is unknown.");
constexpr Family kWaitingSince = of_volume(
    "keelwatch_volume_waiting_since_timestamp_seconds",
    "Since when a Pod has waited for the volume to be attached; absent while none waits and while "
    "that is unknown.");
constexpr Family kCapacity =
    of_volume("keelwatch_volume_capacity_bytes",
              "Size of the volume (Volume.spec.size); absent while the Volume cannot be read.");
constexpr Family kActual = of_volume(
    "keelwatch_volume_actual_size_bytes",
    "What one copy of the volume takes on its disk: the data and all snapshots, so that more than "
    "its size is possible until these are purged; absent while the Volume cannot be read.");
constexpr Family kSnapshotBytes = of_volume(
    "keelwatch_volume_snapshot_bytes",
    "What of that is of snapshots, by the running engine or else by the Snapshots; absent "
    "while that is unknown.");
constexpr Family kSnapshots = of_volume("keelwatch_volume_snapshots",
                                        "Snapshots of the volume, by the running engine or else by "
                                        "the Snapshots; absent while that is unknown.");
constexpr Family kSnapshotsMax = of_volume(
    "keelwatch_volume_snapshots_max",
    "Snapshots that the volume may have: with as many no rebuild can begin; absent while that is "
    "unknown.");
constexpr Family kSalvaged = of_volume(
    "keelwatch_volume_salvaged_timestamp_seconds",
    "When all copies of the volume had last failed and Longhorn revived them, so that the "
    "last writes may be lost; before Longhorn 1.12 as far as keelwatch saw it; absent if that "
    "never "
    "was and while that is unknown.");
constexpr Family kOutdated =
    of_volume("keelwatch_volume_engine_outdated",
              "1 if the volume's running engine is of another image than the setting "
              "default-engine-image, else 0; absent while it does not run, for the data engine v2, "
              "and while that is unknown.");
constexpr Family kBackupSuccess =
    of_volume("keelwatch_volume_backup_last_success_timestamp_seconds",
              "When Longhorn's own newest complete backup of the volume was made; absent without a "
              "backup target or such a backup, and while that is unknown.");
constexpr Family kBackupRunning =
    of_volume("keelwatch_volume_backup_in_progress_since_timestamp_seconds",
              "Since when the oldest of Longhorn's own backups of the volume that is not done has "
              "been under way; absent if there is none and while that is unknown.");

constexpr Family kNodeReady("keelwatch_storage_node_ready", Type::kGauge,
                            "1 if Kubernetes has the node ready, so that the copies on it can be "
                            "used, else 0; absent while "
                            "that is unknown.",
                            {"node"});
constexpr Family kNodeSchedulable(
    "keelwatch_storage_node_schedulable", Type::kGauge,
    "1 if Longhorn may place copies on the node, else 0; absent while that is unknown.", {"node"});
constexpr Family kDiskReady = of_disk(
    "keelwatch_disk_ready",
    "1 if Longhorn calls its disk ready, else 0; absent while that is unknown, as on a node "
    "that is down.");
constexpr Family kDiskSchedulable = of_disk(
    "keelwatch_disk_schedulable",
    "1 if Longhorn finds room for copies on the disk, else 0 (it is nearly full, promised away "
    "or not ready); one that is switched off is 1; absent while that is unknown.");
constexpr Family kDiskAvailable = of_disk(
    "keelwatch_disk_available_bytes",
    "Bytes that the file system of Longhorn's disk has left; absent while that is unknown.");
constexpr Family kDiskMaximum =
    of_disk("keelwatch_disk_maximum_bytes", "Size of Longhorn's disk; absent while it is unknown.");
constexpr Family kDiskReserved =
    of_disk("keelwatch_disk_reserved_bytes",
            "What of Longhorn's disk is kept for others; absent while that is unknown.");
constexpr Family kDiskScheduled =
    of_disk("keelwatch_disk_scheduled_bytes",
            "Sizes of all volumes with a copy on Longhorn's disk, which these may grow to; absent "
            "while that is unknown.");
constexpr Family kDiskLimit =
    of_disk("keelwatch_disk_scheduled_limit_bytes",
            "How much of that Longhorn allows: maximum less reserved, times the setting "
            "storage-over-provisioning-percentage; absent while that is unknown.");
constexpr Family kDiskHealthy =
    of_disk("keelwatch_disk_smart_healthy",
            "1 if no device of Longhorn's disk says that it fails or may (SMART), else 0; absent "
            "before Longhorn 1.11 and while that is unknown.");
constexpr Family kTargetAvailable("keelwatch_storage_backup_target_available", Type::kGauge,
                                  "1 if Longhorn reaches the target of its own backups, else 0; "
                                  "absent without a target and while "
                                  "that is unknown.",
                                  {"backup_target"});

constexpr std::array<const Family*, 33> kFamilies = {
    &kVerdict,         &kRobustness,    &kAttached,       &kDesired,         &kScheduled,
    &kHealthy,         &kLocal,         &kNodeDown,       &kDegradedSince,   &kRebuildProgress,
    &kRebuildMoved,    &kRebuildStarts, &kWaitingSince,   &kCapacity,        &kActual,
    &kSnapshotBytes,   &kSnapshots,     &kSnapshotsMax,   &kSalvaged,        &kOutdated,
    &kBackupSuccess,   &kBackupRunning, &kNodeReady,      &kNodeSchedulable, &kDiskReady,
    &kDiskSchedulable, &kDiskAvailable, &kDiskMaximum,    &kDiskReserved,    &kDiskScheduled,
    &kDiskLimit,       &kDiskHealthy,   &kTargetAvailable};

void write_volume(const analysis::StorageVolume& volume, metrics::Writer& writer) {
  const std::initializer_list<std::string_view> labels = {
      volume.ns, volume.cluster, volume.pod, volume.role, volume.claim, volume.volume};
  writer.write_states(kVerdict, labels, analysis::kVolumeVerdicts,
                      volume.health.map([](const VolumeHealth& health) {
                        return std::string(analysis::to_string(health.verdict));
                      }));
  if (volume.health.is_known() && volume.health.known_value().robustness.empty()) return;
  writer.write_states(
      kRobustness, labels, kRobustnesses,
      volume.health.map([](const VolumeHealth& health) { return health.robustness; }));
  const auto write = [&](const Family& family, auto VolumeHealth::* fact) {
    writer.write(family, labels,
                 volume.health.map([&](const VolumeHealth& health) { return health.*fact; }));
  };
  write(kAttached, &VolumeHealth::attached);
  write(kDesired, &VolumeHealth::desired);
  write(kScheduled, &VolumeHealth::scheduled);
  write(kHealthy, &VolumeHealth::healthy);
  write(kLocal, &VolumeHealth::local);
  write(kNodeDown, &VolumeHealth::node_down);
  write(kDegradedSince, &VolumeHealth::degraded_since);
  write(kRebuildProgress, &VolumeHealth::rebuild_progress);
  write(kRebuildMoved, &VolumeHealth::rebuild_moved);
  write(kRebuildStarts, &VolumeHealth::rebuild_starts);
  write(kWaitingSince, &VolumeHealth::waiting_since);
  write(kCapacity, &VolumeHealth::capacity_bytes);
  write(kActual, &VolumeHealth::actual_bytes);
  write(kSnapshotBytes, &VolumeHealth::snapshot_bytes);
  write(kSnapshots, &VolumeHealth::snapshots);
  write(kSnapshotsMax, &VolumeHealth::snapshots_max);
  write(kSalvaged, &VolumeHealth::salvaged);
  write(kOutdated, &VolumeHealth::engine_outdated);
  write(kBackupSuccess, &VolumeHealth::backup_success);
  write(kBackupRunning, &VolumeHealth::backup_running_since);
}

std::optional<bool> holds(const model::LonghornDisk& disk, std::string_view type) {
  const model::Condition* condition = model::find_condition(disk.conditions, type);
  if (condition == nullptr) return std::nullopt;
  return condition->status == "True";
}

std::optional<bool> is_smart_healthy(const model::LonghornDisk& disk) {
  std::optional<bool> healthy;
  for (const auto& [device, status] : disk.health) {
    if (status == "PASSED" && !healthy) healthy = true;
    if (status == "WARNING" || status == "FAILED") healthy = false;
  }
  return healthy;
}

void write_disk(const analysis::StorageDisk& disk, metrics::Writer& writer) {
  const std::initializer_list<std::string_view> labels = {disk.node, disk.disk};
  const auto bytes = [&](const Family& family,
                         std::optional<std::int64_t> model::LonghornDisk::* fact) {
    writer.write(family, labels,
                 disk.facts.map([&](const model::LonghornDisk& d) { return d.*fact; }));
  };
  writer.write(kDiskReady, labels,
               disk.facts.map([](const model::LonghornDisk& d) { return holds(d, "Ready"); }));
  writer.write(kDiskSchedulable, labels, disk.facts.map([](const model::LonghornDisk& d) {
    return holds(d, "Schedulable");
  }));
  bytes(kDiskAvailable, &model::LonghornDisk::available_bytes);
  bytes(kDiskMaximum, &model::LonghornDisk::maximum_bytes);
  bytes(kDiskReserved, &model::LonghornDisk::reserved_bytes);
  bytes(kDiskScheduled, &model::LonghornDisk::scheduled_bytes);
  writer.write(kDiskLimit, labels, disk.limit_bytes);
  writer.write(kDiskHealthy, labels, disk.facts.map(is_smart_healthy));
}

void collect(const Input& input, metrics::Writer& writer) {
  const analysis::Storage& storage = input.assessment.storage;
  for (const analysis::StorageVolume& volume : storage.volumes) write_volume(volume, writer);
  for (const analysis::StorageNode& node : storage.nodes) {
    writer.write(kNodeReady, {node.node}, node.ready);
    writer.write(kNodeSchedulable, {node.node}, node.schedulable);
  }
  for (const analysis::StorageDisk& disk : storage.disks) write_disk(disk, writer);
  for (const auto& [name, available] : storage.backup_targets) {
    writer.write(kTargetAvailable, {name}, available);
  }
}

}  // namespace

const Collector& storage_collector() {
  static constexpr Collector collector{"storage", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
