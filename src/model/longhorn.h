// Facts from Longhorn's objects (longhorn.io/v1beta2, longhorn-manager
// k8s/pkg/apis/longhorn/v1beta2, versions 1.5 to 1.12): only the fields that something uses, since
// there are tens of thousands of them. Optional means "the object does not say". Labels and
// annotations are not kept, nor is status.ownerID: which manager looks after an object says nothing
// about it, and moves.
//
// kKind has the prefix Longhorn, because Kubernetes and CloudNativePG have a Node, a
// VolumeAttachment and a Backup of their own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/object_meta.h"

namespace keelwatch::model {

// A Pod that Longhorn has seen using the volume. Outlives the Pod: see KubernetesUse.
struct VolumeWorkload {
  std::string pod;
  std::string pod_status;  // Running, Pending, ...
  std::string workload;
  std::string workload_type;  // StatefulSet, Deployment, Cluster, ...

  template <typename With>
  static auto fields(With&& with) {
    using W = VolumeWorkload;
    return with(field("pod", &W::pod), field("podStatus", &W::pod_status),
                field("workload", &W::workload), field("workloadType", &W::workload_type));
  }
};

// Volume.status.kubernetesStatus: Longhorn's copy of who uses the volume. It outlives the claim and
// the Pods; the two times are empty exactly while it is current (longhorn-manager
// controller/kubernetes_pv_controller.go). For volumes without a PersistentVolume in sight only;
// who uses the others is joined from Kubernetes' own objects.
struct KubernetesUse {
  std::string pv;
  std::string pv_status;
  std::string claim_namespace;
  std::string claim;
  std::optional<WallTime> last_claim_ref;
  std::optional<WallTime> last_pod_ref;
  std::vector<VolumeWorkload> workloads;

  template <typename With>
  static auto fields(With&& with) {
    using U = KubernetesUse;
    return with(field("pv", &U::pv), field("pvStatus", &U::pv_status),
                field("claimNamespace", &U::claim_namespace), field("claim", &U::claim),
                field("lastClaimRef", &U::last_claim_ref), field("lastPodRef", &U::last_pod_ref),
                field("workloads", &U::workloads));
  }
};

struct LonghornVolume {
  static constexpr std::string_view kKind = "LonghornVolume";

  ObjectMeta meta;
  // spec
  std::optional<std::int64_t> size_bytes;
  std::optional<std::int64_t> replicas_desired;
  std::string data_locality;   // disabled, best-effort, strict-local
  std::string data_engine;     // v1, v2
  std::string access_mode;     // rwo, rwop, rwx
  std::string node;            // that it shall be attached to; empty: none
  std::string migration_node;  // a live migration goes there
  std::string image;           // of the engine that it shall run
  // 1.12: sharded volumes have no Replicas; they live while parity_chunks of their shards are lost.
  std::string layout;  // replicated, sharded; empty before
  std::optional<std::int64_t> data_chunks;
  std::optional<std::int64_t> parity_chunks;
  bool standby = false;  // follows a backup (disaster recovery) and cannot be written
  std::optional<std::int64_t> stale_replica_minutes;  // after which failed replicas are deleted
  std::optional<std::int64_t> snapshot_max_count;     // 1.6; 0 or absent: the setting's
  // Labels recurring-job.longhorn.io/X and recurring-job-group.longhorn.io/X = enabled.
  std::vector<std::string> jobs;
  std::vector<std::string> job_groups;
  // status
  std::string state;       // creating, attached, detached, attaching, detaching, deleting
  std::string robustness;  // healthy, degraded, faulted, unknown
  std::string current_node;
  std::string current_image;
  std::optional<std::int64_t> actual_size_bytes;  // of the head and all snapshots, of one replica
  std::optional<WallTime> last_degraded;          // while it is degraded
  std::optional<WallTime> last_auto_salvaged;     // 1.12
  std::string last_backup;
  std::optional<WallTime> last_backup_at;
  bool expansion_required = false;
  bool restore_required = false;
  KubernetesUse use;
  // Conditions Scheduled, TooManySnapshots and Restore.
  std::optional<bool> scheduled;
  std::string scheduling_reason;   // ReplicaSchedulingFailure, LocalReplicaSchedulingFailure, ...
  std::string scheduling_message;  // where the cause is
  std::optional<WallTime> scheduled_since;
  std::optional<bool> too_many_snapshots;
  std::string restore_reason;  // RestoreInProgress, RestoreFailure; empty: neither

  [[nodiscard]] bool sharded() const { return layout == "sharded"; }

  template <typename With>
  static auto fields(With&& with) {
    using V = LonghornVolume;
    return with(
        field("metadata", &V::meta), field("sizeBytes", &V::size_bytes),
        field("replicasDesired", &V::replicas_desired), field("dataLocality", &V::data_locality),
        field("dataEngine", &V::data_engine), field("accessMode", &V::access_mode),
        field("node", &V::node), field("migrationNode", &V::migration_node),
        field("image", &V::image), field("layout", &V::layout),
        field("dataChunks", &V::data_chunks), field("parityChunks", &V::parity_chunks),
        field("standby", &V::standby), field("staleReplicaMinutes", &V::stale_replica_minutes),
        field("snapshotMaxCount", &V::snapshot_max_count), field("jobs", &V::jobs),
        field("jobGroups", &V::job_groups), field("state", &V::state),
        field("robustness", &V::robustness), field("currentNode", &V::current_node),
        field("currentImage", &V::current_image), field("actualSizeBytes", &V::actual_size_bytes),
        field("lastDegraded", &V::last_degraded), field("lastAutoSalvaged", &V::last_auto_salvaged),
        field("lastBackup", &V::last_backup), field("lastBackupAt", &V::last_backup_at),
        field("expansionRequired", &V::expansion_required),
        field("restoreRequired", &V::restore_required), field("use", &V::use),
        field("scheduled", &V::scheduled), field("schedulingReason", &V::scheduling_reason),
        field("schedulingMessage", &V::scheduling_message),
        field("scheduledSince", &V::scheduled_since),
        field("tooManySnapshots", &V::too_many_snapshots),
        field("restoreReason", &V::restore_reason));
  }
};

// An entry of Engine.status.rebuildStatus.
struct Rebuild {
  std::string replica;  // its name; empty where the engine knows the address only
  std::string address;  // tcp://10.42.0.7:10020
  bool running = false;
  std::optional<std::int64_t> progress;  // per cent
  std::string state;                     // in_progress, complete, error
  std::string error;

  template <typename With>
  static auto fields(With&& with) {
    using R = Rebuild;
    return with(field("replica", &R::replica), field("address", &R::address),
                field("running", &R::running), field("progress", &R::progress),
                field("state", &R::state), field("error", &R::error));
  }
};

// The process that a volume's reads and writes go through.
struct LonghornEngine {
  static constexpr std::string_view kKind = "LonghornEngine";

  ObjectMeta meta;
  std::string volume;
  bool active = false;  // of two during a live migration or after a failed one
  std::string node;     // that it shall run on
  std::string state;    // running, stopped, error, starting, stopping, suspended, unknown
  std::string image;    // that it runs
  std::string instance_manager;
  // Replica name → RW, WO (being rebuilt), ERR. Frozen while the manager cannot ask the engine;
  // keys may be of no Replica (UNKNOWN-tcp://...). 1.5 and later.
  std::map<std::string, std::string> modes;
  std::vector<Rebuild> rebuilds;
  // Of the engine's own list: without the head; of those that are marked for removal, too.
  std::optional<std::int64_t> snapshots;
  std::optional<std::int64_t> snapshots_removed;  // marked, and still there
  std::optional<std::int64_t> snapshot_bytes;
  std::optional<std::int64_t> head_bytes;
  std::string snapshots_error;
  bool purging = false;
  std::string purge_error;
  std::optional<std::int64_t> current_size_bytes;
  bool expanding = false;
  std::string expansion_error;
  std::optional<WallTime> expansion_failed_at;
  // Condition FilesystemReadOnly. Missed on kernels from 6.12 on before 1.11.4 and 1.12.1.
  std::optional<bool> filesystem_read_only;
  std::optional<WallTime> filesystem_read_only_since;

  template <typename With>
  static auto fields(With&& with) {
    using E = LonghornEngine;
    return with(field("metadata", &E::meta), field("volume", &E::volume),
                field("active", &E::active), field("node", &E::node), field("state", &E::state),
                field("image", &E::image), field("instanceManager", &E::instance_manager),
                field("modes", &E::modes), field("rebuilds", &E::rebuilds),
                field("snapshots", &E::snapshots), field("snapshotsRemoved", &E::snapshots_removed),
                field("snapshotBytes", &E::snapshot_bytes), field("headBytes", &E::head_bytes),
                field("snapshotsError", &E::snapshots_error), field("purging", &E::purging),
                field("purgeError", &E::purge_error),
                field("currentSizeBytes", &E::current_size_bytes),
                field("expanding", &E::expanding), field("expansionError", &E::expansion_error),
                field("expansionFailedAt", &E::expansion_failed_at),
                field("filesystemReadOnly", &E::filesystem_read_only),
                field("filesystemReadOnlySince", &E::filesystem_read_only_since));
  }
};

// A copy of a volume on one disk. Never to be mistaken for a replica of a database.
struct VolumeReplica {
  static constexpr std::string_view kKind = "LonghornReplica";

  ObjectMeta meta;
  std::string volume;
  std::string node;     // empty: not scheduled
  std::string disk_id;  // diskUUID of the node's disk
  bool active = false;
  bool eviction_requested = false;
  std::string state;                        // running, stopped, error, ...
  std::optional<WallTime> healthy_at;       // absent until it is complete for the first time
  std::optional<WallTime> failed_at;        // absent while it has not failed
  std::optional<WallTime> last_healthy_at;  // these two are never cleared; 1.6
  std::optional<WallTime> last_failed_at;
  std::optional<std::int64_t> rebuild_retries;
  std::string rebuild_failed;  // condition RebuildFailed: Disconnection, General; empty: it has not

  template <typename With>
  static auto fields(With&& with) {
    using R = VolumeReplica;
    return with(
        field("metadata", &R::meta), field("volume", &R::volume), field("node", &R::node),
        field("diskID", &R::disk_id), field("active", &R::active),
        field("evictionRequested", &R::eviction_requested), field("state", &R::state),
        field("healthyAt", &R::healthy_at), field("failedAt", &R::failed_at),
        field("lastHealthyAt", &R::last_healthy_at), field("lastFailedAt", &R::last_failed_at),
        field("rebuildRetries", &R::rebuild_retries), field("rebuildFailed", &R::rebuild_failed));
  }
};

// A disk of a node, as it is wanted and as it is.
struct LonghornDisk {
  std::string name;  // the key in the Node's maps
  std::string uuid;  // what VolumeReplica::disk_id names; empty until it is known
  std::string path;
  bool listed = false;  // in spec; a disk that is not is about to be forgotten
  std::optional<bool> allow_scheduling;
  bool eviction_requested = false;
  std::optional<std::int64_t> reserved_bytes;
  std::optional<std::int64_t> available_bytes;
  std::optional<std::int64_t> scheduled_bytes;
  std::optional<std::int64_t> maximum_bytes;
  std::vector<Condition> conditions;          // Ready, Schedulable
  std::map<std::string, std::string> health;  // device → PASSED, WARNING, FAILED, UNKNOWN; 1.11

  template <typename With>
  static auto fields(With&& with) {
    using D = LonghornDisk;
    return with(
        field("name", &D::name), field("uuid", &D::uuid), field("path", &D::path),
        field("listed", &D::listed), field("allowScheduling", &D::allow_scheduling),
        field("evictionRequested", &D::eviction_requested),
        field("reservedBytes", &D::reserved_bytes), field("availableBytes", &D::available_bytes),
        field("scheduledBytes", &D::scheduled_bytes), field("maximumBytes", &D::maximum_bytes),
        field("conditions", &D::conditions), field("health", &D::health));
  }
};

// Named like the Kubernetes Node. A condition's status True is good; none has a heartbeat, and
// before 1.11 the disks of a dead node stay Ready with their last numbers.
struct LonghornNode {
  static constexpr std::string_view kKind = "LonghornNode";

  ObjectMeta meta;
  std::optional<bool> allow_scheduling;
  bool eviction_requested = false;
  std::string zone;
  // Ready (ManagerPodDown, ManagerPodMissing, KubernetesNodeGone, KubernetesNodeNotReady,
  // KubernetesNodePressure), Schedulable (KubernetesNodeCordoned), MountPropagation, Multipathd,
  // ...
  std::vector<Condition> conditions;
  std::vector<LonghornDisk> disks;  // sorted by name

  template <typename With>
  static auto fields(With&& with) {
    using N = LonghornNode;
    return with(field("metadata", &N::meta), field("allowScheduling", &N::allow_scheduling),
                field("evictionRequested", &N::eviction_requested), field("zone", &N::zone),
                field("conditions", &N::conditions), field("disks", &N::disks));
  }
};

// The Pod whose death takes every engine and replica of its node with it.
struct InstanceManager {
  static constexpr std::string_view kKind = "LonghornInstanceManager";

  ObjectMeta meta;
  std::string node;
  std::string type;         // aio; engine, replica before 1.5
  std::string data_engine;  // v1, v2
  std::string image;
  std::string state;  // running, error, stopped, starting, unknown

  template <typename With>
  static auto fields(With&& with) {
    using I = InstanceManager;
    return with(field("metadata", &I::meta), field("node", &I::node), field("type", &I::type),
                field("dataEngine", &I::data_engine), field("image", &I::image),
                field("state", &I::state));
  }
};

// Somebody's wish that the volume be attached, and what became of it.
struct AttachmentTicket {
  std::string id;
  std::string type;  // csi-attacher, backup-controller, snapshot-controller, longhorn-api, ...
  std::string node;
  std::optional<bool> satisfied;  // absent: not looked at yet
  std::string reason;             // of condition Satisfied
  std::string message;
  std::optional<WallTime> since;  // when that condition changed last

  template <typename With>
  static auto fields(With&& with) {
    using A = AttachmentTicket;
    return with(field("id", &A::id), field("type", &A::type), field("node", &A::node),
                field("satisfied", &A::satisfied), field("reason", &A::reason),
                field("message", &A::message), field("since", &A::since));
  }
};

// One per volume, of its name.
struct VolumeAttachment {
  static constexpr std::string_view kKind = "LonghornVolumeAttachment";

  ObjectMeta meta;
  std::string volume;
  std::vector<AttachmentTicket> tickets;  // sorted by id

  template <typename With>
  static auto fields(With&& with) {
    using V = VolumeAttachment;
    return with(field("metadata", &V::meta), field("volume", &V::volume),
                field("tickets", &V::tickets));
  }
};

// Where Longhorn's own backups go. One without a URL is not installed: every Longhorn has one.
struct BackupTarget {
  static constexpr std::string_view kKind = "LonghornBackupTarget";

  ObjectMeta meta;
  std::string url;  // without login
  std::optional<bool> available;
  std::optional<WallTime> last_synced;
  std::string unavailable_reason;  // of condition Unavailable, while it is True
  std::string unavailable_message;

  template <typename With>
  static auto fields(With&& with) {
    using T = BackupTarget;
    return with(field("metadata", &T::meta), field("url", &T::url),
                field("available", &T::available), field("lastSynced", &T::last_synced),
                field("unavailableReason", &T::unavailable_reason),
                field("unavailableMessage", &T::unavailable_message));
  }
};

struct BackupVolume {
  static constexpr std::string_view kKind = "LonghornBackupVolume";

  ObjectMeta meta;
  std::string volume;  // before 1.8 its own name
  std::string target;  // 1.8
  std::optional<WallTime> last_backup_at;
  std::string last_backup;
  std::string message;  // the first of its messages

  template <typename With>
  static auto fields(With&& with) {
    using B = BackupVolume;
    return with(field("metadata", &B::meta), field("volume", &B::volume),
                field("target", &B::target), field("lastBackupAt", &B::last_backup_at),
                field("lastBackup", &B::last_backup), field("message", &B::message));
  }
};

struct RecurringJob {
  static constexpr std::string_view kKind = "LonghornRecurringJob";

  ObjectMeta meta;
  std::string task;  // backup, snapshot, snapshot-cleanup, filesystem-trim, ...
  std::string cron;
  std::optional<std::int64_t> retain;
  std::vector<std::string> groups;  // "default": every volume without a job label of its own

  template <typename With>
  static auto fields(With&& with) {
    using J = RecurringJob;
    return with(field("metadata", &J::meta), field("task", &J::task), field("cron", &J::cron),
                field("retain", &J::retain), field("groups", &J::groups));
  }
};

// Those that setting() is asked for only.
struct LonghornSetting {
  static constexpr std::string_view kKind = "LonghornSetting";

  ObjectMeta meta;
  std::string value;                          // where it is one for all data engines
  std::map<std::string, std::string> values;  // per data engine (1.10: {"v1":"3","v2":"3"})

  template <typename With>
  static auto fields(With&& with) {
    using S = LonghornSetting;
    return with(field("metadata", &S::meta), field("value", &S::value),
                field("values", &S::values));
  }
};

struct EngineImage {
  static constexpr std::string_view kKind = "LonghornEngineImage";

  ObjectMeta meta;
  std::string image;
  std::string state;                       // deploying, deployed, incompatible, error
  std::vector<std::string> nodes_missing;  // where it is not deployed

  template <typename With>
  static auto fields(With&& with) {
    using I = EngineImage;
    return with(field("metadata", &I::meta), field("image", &I::image), field("state", &I::state),
                field("nodesMissing", &I::nodes_missing));
  }
};

// The next three kinds are many and are not watched: every few minutes they are listed and summed
// up. kPolled tells who judges their age.

// The Snapshots of one volume; meta.name is the volume's.
struct VolumeSnapshots {
  static constexpr std::string_view kKind = "LonghornSnapshot";
  static constexpr bool kPolled = true;

  ObjectMeta meta;
  std::int64_t count = 0;
  std::int64_t bytes = 0;
  std::int64_t not_ready = 0;
  std::string error;  // of one that has one

  template <typename With>
  static auto fields(With&& with) {
    using S = VolumeSnapshots;
    return with(field("metadata", &S::meta), field("count", &S::count), field("bytes", &S::bytes),
                field("notReady", &S::not_ready), field("error", &S::error));
  }
};

// The Backups of one volume by Longhorn; meta.name is the volume's.
struct VolumeBackups {
  static constexpr std::string_view kKind = "LonghornBackup";
  static constexpr bool kPolled = true;

  ObjectMeta meta;
  std::int64_t completed = 0;
  std::optional<WallTime> newest;  // when the newest complete one was made
  std::int64_t in_progress = 0;
  std::optional<WallTime> oldest_in_progress;  // when the oldest that is not done was begun
  std::int64_t failed = 0;
  std::optional<WallTime> newest_failed;
  std::string error;  // of the newest failed one

  template <typename With>
  static auto fields(With&& with) {
    using B = VolumeBackups;
    return with(field("metadata", &B::meta), field("completed", &B::completed),
                field("newest", &B::newest), field("inProgress", &B::in_progress),
                field("oldestInProgress", &B::oldest_in_progress), field("failed", &B::failed),
                field("newestFailed", &B::newest_failed), field("error", &B::error));
  }
};

struct SystemBackup {
  static constexpr std::string_view kKind = "LonghornSystemBackup";
  static constexpr bool kPolled = true;

  ObjectMeta meta;
  std::string state;  // Ready, Error, Uploading, ...
  std::optional<WallTime> created;

  template <typename With>
  static auto fields(With&& with) {
    using B = SystemBackup;
    return with(field("metadata", &B::meta), field("state", &B::state),
                field("created", &B::created));
  }
};

}  // namespace keelwatch::model
