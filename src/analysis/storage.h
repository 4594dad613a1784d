// How each volume of Longhorn's is: one verdict, from its copies as they are counted, the engine
// that runs, and the Pods that use it. Longhorn's own words are not enough: "healthy" is said of a
// volume without its third copy, "unknown" of one that is detached in peace, of one whose node died
// and of one that has been attaching for hours. A single copy is a choice, said and not scolded.
// Nodes and disks: whether they can take and give data. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/copies.h"
#include "analysis/volume_rebuilds.h"
#include "analysis/volumes.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

// In the order in which the first that applies is the verdict.
enum class VolumeVerdict {
  kMissing,             // a PersistentVolume without its Volume
  kFaulted,             // no copy is whole
  kUnreachable,         // every whole copy is on a node that is down
  kReadOnly,            // the file system on it was remounted read-only
  kEngineNodeLost,      // the node that it is attached to is down, or no engine of it runs there
  kDetachedInUse,       // a Pod runs on it, and it is not attached
  kAttaching,           // somebody waits for it
  kExpansionStuck,      // the engine could not enlarge it
  kRebuildLoop,         // rebuilds begin again and again
  kReplicaUnscheduled,  // a copy is wanted, and no disk takes it
  kRebuilding,          // fewer copies than wanted, and one is being made
  kDegraded,            // fewer copies than wanted, and none is being made
  kRestoring,           // not its own yet: follows or is restored from a backup
  kSnapshotsNearLimit,  // at the limit there are no snapshots, and without those no rebuilds
  kSalvaged,            // its copies had all failed within a day, and were revived
  kDetached,            // nobody uses it
  kOk,
};
inline constexpr std::array<std::string_view, 17> kVolumeVerdicts = {"missing",
                                                                     "faulted",
                                                                     "unreachable",
                                                                     "read_only",
                                                                     "engine_node_lost",
                                                                     "detached_in_use",
                                                                     "attaching",
                                                                     "expansion_stuck",
                                                                     "rebuild_loop",
                                                                     "replica_unscheduled",
                                                                     "rebuilding",
                                                                     "degraded",
                                                                     "restoring",
                                                                     "snapshots_near_limit",
                                                                     "salvaged",
                                                                     "detached",
                                                                     "ok"};
[[nodiscard]] std::string_view to_string(VolumeVerdict verdict);

// Of volumes of Longhorn's, as they are now.
struct VolumeHealth {
  VolumeVerdict verdict = VolumeVerdict::kOk;
  std::string detail;      // in words; also what a healthy one should be known for: "single copy"
  std::string robustness;  // Longhorn's word
  bool attached = false;

  std::optional<std::int64_t> desired;  // copies
  // Absent for a sharded volume, which has none, and where a Replica cannot be decoded.
  std::optional<std::int64_t> scheduled;  // that have a disk
  std::optional<std::int64_t> healthy;    // that are whole and can be reached
  std::optional<bool> local;  // whether one is on the node where it is used; absent while it is not
  // Whether nodes of Longhorn's that are down are all that it lacks copies by, or it is attached to
  // one. Absent where its copies cannot be counted.
  std::optional<bool> node_down;

  std::optional<WallTime> degraded_since;  // while healthy < desired; of this shortage
  std::optional<double> rebuild_progress;  // 0 to 1, of the rebuild that is furthest behind
  std::optional<WallTime> rebuild_moved;   // when that last advanced
  // Within the last hour, as far as they were seen, until all copies have been whole for a while.
  std::int64_t rebuild_starts = 0;
  std::optional<WallTime> waiting_since;  // while somebody waits for it to be attached

  std::optional<std::int64_t> capacity_bytes;
  std::optional<std::int64_t> actual_bytes;  // of one copy: head and snapshots
  std::optional<std::int64_t> snapshot_bytes;
  std::optional<std::int64_t> snapshots;
  std::optional<std::int64_t> snapshots_max;
  std::optional<WallTime> salvaged;
  std::optional<bool> engine_outdated;  // runs another image than the manager's own

  // Longhorn's own backups of it; absent without a target for them.
  std::optional<WallTime> backup_success;
  std::optional<WallTime> backup_running_since;
};

struct StorageVolume {
  // Labels; see PlacedVolume.
  std::string ns;
  std::string cluster;
  std::string pod;
  std::string role;
  std::string claim;
  std::string volume;
  Observed<VolumeHealth> health;
};

struct StorageDisk {
  std::string node;
  std::string disk;
  // Unknown while its node is down. What of it is available, scheduled and there at most is absent
  // while Longhorn cannot ask the disk.
  Observed<model::LonghornDisk> facts;
  // How much may be promised: (maximum - reserved) × storage-over-provisioning-percentage. Unknown
  // without the setting.
  Observed<std::optional<std::int64_t>> limit_bytes;
};

struct StorageNode {
  std::string node;
  // Whether its copies can be used; not whether Longhorn's manager on it runs. Unknown where its
  // Node cannot be read.
  Observed<bool> ready;
  Observed<std::optional<bool>> schedulable;
};

struct Storage {
  std::vector<StorageVolume> volumes;  // Longhorn's; in the order of VolumeJoin
  std::vector<StorageNode> nodes;      // by name
  std::vector<StorageDisk> disks;      // by (node, disk)
  // Per target with a URL, by name: whether it can be reached.
  std::map<std::string, Observed<std::optional<bool>>> backup_targets;
};

struct StorageMemory {
  struct OfVolume {
    std::optional<WallTime> degraded_since;
    std::optional<WallTime> waiting_since;
    std::optional<WallTime> expansion_since;
    std::optional<WallTime> salvaged;
    RebuildMemory rebuilding;
  };
  std::map<std::string, OfVolume> volumes;                // by the Volume's name
  std::map<std::string, std::vector<std::string>> disks;  // node → its disks, while nobody answers
  std::vector<std::string> backup_targets;
};

[[nodiscard]] Storage assess_storage(const VolumeJoin& join, const Observed<StorageNodes>& nodes,
                                     const model::World& world, StorageMemory& memory);

// The value of a setting for a data engine ("v1"); nullopt: there is none of that name.
[[nodiscard]] std::optional<std::string> longhorn_setting(
    const model::ObjectList<model::LonghornSetting>& settings, std::string_view name,
    std::string_view engine);

}  // namespace keelwatch::analysis
