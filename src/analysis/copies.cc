#include "analysis/copies.h"

namespace keelwatch::analysis {
namespace {

// Reasons of a Longhorn Node's condition Ready that mean the machine. The others are about
// Longhorn's manager on it (ManagerPodDown, ManagerPodMissing) or pressure.
bool means_down(const model::Condition& ready) {
  return ready.status != "True" &&
         (ready.reason == "KubernetesNodeGone" || ready.reason == "KubernetesNodeNotReady");
}

void add_node(const model::LonghornNode& node, StorageNodes& nodes) {
  nodes.with_storage.insert(node.meta.name);
  const model::Condition* ready = model::find_condition(node.conditions, "Ready");
  if (ready != nullptr && means_down(*ready)) {
    nodes.down.emplace(node.meta.name, "Longhorn says " + ready->reason);
  }
  if (ready != nullptr && ready->status == "True") nodes.unclear.erase(node.meta.name);
  // One that could not be decoded has only its name.
  if (node.conditions.empty() && node.disks.empty()) nodes.unclear.insert(node.meta.name);
  if (ready != nullptr && ready->status != "True" && ready->reason.starts_with("ManagerPod")) {
    nodes.managers_down.insert(node.meta.name);
  }
  for (const model::LonghornDisk& disk : node.disks) {
    if (disk.uuid.empty()) continue;
    const model::Condition* disk_ready = model::find_condition(disk.conditions, "Ready");
    // That a disk's node is down is the node's matter.
    const bool lost = disk_ready != nullptr && disk_ready->status == "False" &&
                      disk_ready->reason != "NodeNotReady";
    (lost ? nodes.disks_lost : nodes.disks_ready).insert(disk.uuid);
  }
}

// The state on a node and disk that are there.
CopyState state_of(const model::VolumeReplica& replica, const model::LonghornEngine* engine) {
  if (replica.node.empty() || replica.disk_id.empty()) return CopyState::kUnscheduled;
  if (replica.failed_at) return CopyState::kFailed;
  if (engine != nullptr) {
    const auto mode = engine->modes.find(replica.meta.name);
    if (mode != engine->modes.end() && mode->second == "WO") return CopyState::kRebuilding;
    if (!replica.healthy_at) return CopyState::kRebuilding;
    const bool writes = mode != engine->modes.end() && mode->second == "RW";
    return writes ? CopyState::kUsable : CopyState::kFailed;
  }
  if (!replica.healthy_at) return CopyState::kRebuilding;
  // Auto-salvage revives copies that had failed: what failed last is not to be trusted.
  if (replica.last_failed_at &&
      (!replica.last_healthy_at || *replica.last_failed_at >= *replica.last_healthy_at)) {
    return CopyState::kSuspect;
  }
  return CopyState::kUnverified;
}

// The same where the copy is. That an engine writes to it proves more than any Node or disk says.
CopyState state_at(const VolumeCopy& copy, const StorageNodes& nodes) {
  if (!copy.usable()) return copy.state;
  if (nodes.is_down(copy.node) || nodes.disks_lost.contains(copy.disk_id)) {
    return CopyState::kNodeDown;
  }
  if (copy.state == CopyState::kUsable) return copy.state;
  if (nodes.is_unclear(copy.node)) return CopyState::kUnknown;
  return nodes.disks_ready.contains(copy.disk_id) ? copy.state : CopyState::kNodeDown;
}

}  // namespace

Observed<StorageNodes> find_storage_nodes(const model::KubernetesSlice& slice) {
  return combine(
      [](const model::ObjectList<model::LonghornNode>& storage,
         const model::ObjectList<model::Node>& machines) {
        StorageNodes nodes;
        for (const auto& machine : machines) {
          nodes.zones.emplace(machine->meta.name, machine->zone);
          if (machine->ready == false) {
            nodes.down.emplace(machine->meta.name, "its Node is not ready");
          } else if (!machine->ready) {
            nodes.unclear.insert(machine->meta.name);
          }
        }
        for (const auto& node : storage) add_node(*node, nodes);
        return nodes;
      },
      slice.longhorn_nodes, slice.nodes);
}

const model::LonghornEngine* believed_engine(const LonghornObjects& objects,
                                             const StorageNodes& nodes) {
  const model::LonghornEngine* engine = objects.engine();
  if (engine == nullptr || engine->state != "running") return nullptr;
  // What is written of an engine that nobody asks is the last that was read.
  if (nodes.is_down(engine->node) || nodes.is_unclear(engine->node) ||
      nodes.managers_down.contains(engine->node)) {
    return nullptr;
  }
  // Nor has anybody asked it yet: the modes are taken away when an engine comes up, is upgraded
  // live or gets another owner, until the first poll. A sharded volume has none.
  const bool sharded = objects.volume && objects.volume->sharded();
  return engine->modes.empty() && !sharded ? nullptr : engine;
}

std::vector<VolumeCopy> find_copies(const LonghornObjects& objects, const StorageNodes& nodes) {
  const model::LonghornEngine* engine = believed_engine(objects, nodes);
  std::vector<VolumeCopy> copies;
  for (const auto& replica : objects.replicas) {
    VolumeCopy copy{replica->meta.name, replica->node, replica->disk_id, CopyState::kUnknown};
    if (!replica->volume.empty()) {
      if (replica->meta.deletion_timestamp || !replica->active) continue;
      copy.state = state_of(*replica, engine);
      copy.state = state_at(copy, nodes);
    }
    copies.push_back(std::move(copy));
  }
  return copies;
}

std::set<std::string> usable_nodes(const LonghornObjects& objects,
                                   const std::vector<VolumeCopy>& copies) {
  std::set<std::string> nodes;
  if (!objects.volume || objects.volume->standby || objects.volume->restore_required) return nodes;
  for (const VolumeCopy& copy : copies) {
    if (copy.usable()) nodes.insert(copy.node);
  }
  return nodes;
}

}  // namespace keelwatch::analysis
