// How many whole copies a volume of Longhorn's has, and where: counted from its Replicas and from
// the modes that its running engine reports, not from Volume.status.robustness, which calls a
// volume healthy whose further copy was never placed, keeps its last value when the last copy is
// lost, and says nothing about a detached one. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/volumes.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

enum class CopyState {
  kUsable,      // the engine that runs reads and writes it
  kUnverified,  // whole by its timestamps; no engine runs that would know, or is believed
  kRebuilding,  // being copied, or never complete yet
  kSuspect,     // revived after it had failed; no engine runs that would know
  kFailed,
  kUnscheduled,  // wanted, and there is no disk for it
  kNodeDown,     // whole, on a node that is down or a disk that is gone
  kUnknown,      // its Replica could not be decoded, or nobody knows of its node
};

struct VolumeCopy {
  std::string replica;
  std::string node;
  std::string disk_id;
  CopyState state = CopyState::kUnknown;

  [[nodiscard]] bool usable() const {
    return state == CopyState::kUsable || state == CopyState::kUnverified;
  }
};

// Which nodes and disks can give data now.
struct StorageNodes {
  // Down by Kubernetes or by Longhorn: Kubernetes' Node is gone or not ready. A node that is only
  // cordoned, or whose Longhorn manager is down, still serves its copies. → why.
  std::map<std::string, std::string, std::less<>> down;
  std::map<std::string, std::string, std::less<>> zones;  // of every node
  std::set<std::string, std::less<>> with_storage;        // that Longhorn has
  // Where Longhorn's manager is away: what it last read of its engines may be old.
  std::set<std::string, std::less<>> managers_down;
  // Neither up nor down: a Node of which its condition cannot be read.
  std::set<std::string, std::less<>> unclear;
  std::set<std::string, std::less<>> disks_ready;  // by uuid
  std::set<std::string, std::less<>> disks_lost;   // by uuid

  // Also for a node of which nobody has heard.
  [[nodiscard]] bool is_down(std::string_view node) const {
    return !zones.contains(node) || down.contains(node);
  }
  [[nodiscard]] bool is_unclear(std::string_view node) const {
    return !is_down(node) && unclear.contains(node);
  }
};

// Unknown without either kind of Node.
[[nodiscard]] Observed<StorageNodes> find_storage_nodes(const model::KubernetesSlice& slice);

// The active engine, if it runs and what Longhorn's manager wrote of it is of now; else nullptr.
[[nodiscard]] const model::LonghornEngine* believed_engine(const LonghornObjects& objects,
                                                           const StorageNodes& nodes);

// One per Replica that counts for the volume, sorted by name: not those that are being deleted or
// belong to the other engine of a migration. None for a sharded volume.
[[nodiscard]] std::vector<VolumeCopy> find_copies(const LonghornObjects& objects,
                                                  const StorageNodes& nodes);

// The nodes with a usable copy: two on one node count once. Empty for a volume that is not its own
// yet, because it follows or is being restored from a backup.
[[nodiscard]] std::set<std::string> usable_nodes(const LonghornObjects& objects,
                                                 const std::vector<VolumeCopy>& copies);

}  // namespace keelwatch::analysis
