// What Kubernetes says of backups: the objects of CloudNativePG (postgresql.cnpg.io/v1: CNPG
// api/v1/*_types.go, 1.24 to 1.30), of its Barman Cloud plugin (barmancloud.cnpg.io/v1: api/v1 of
// plugin-barman-cloud, 0.9 to 0.14) and of volume snapshots (snapshot.storage.k8s.io/v1). What only
// some of these versions write is optional or empty, and its absence is never an error. What a
// status says here was said by an operator: whether it is so stands in the object store
// (model/archive.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/object_meta.h"

namespace keelwatch::model {

// A barmanObjectStore, or the configuration of an ObjectStore (api/v1 of
// cloudnative-pg/barman-cloud, BarmanObjectStoreConfiguration). Names of Secrets are left out:
// keelwatch reads none.
struct BarmanStore {
  std::string destination_path;  // s3://bucket/folder, without user and password
  std::string endpoint_url;      // empty: the provider's own; without user and password
  std::string server_name;       // empty: as the place says where it stands
  // s3, azure, google: keys in a Secret; s3_inherit, azure_inherit, google_inherit: of the Pod's
  // own identity. Empty: none.
  std::string credentials;
  std::optional<bool> endpoint_ca;  // whether it names a CA of its own
  std::string wal_compression;
  std::string data_compression;

  template <typename With>
  static auto fields(With&& with) {
    using B = BarmanStore;
    return with(field("destinationPath", &B::destination_path),
                field("endpointURL", &B::endpoint_url), field("serverName", &B::server_name),
                field("credentials", &B::credentials), field("endpointCA", &B::endpoint_ca),
                field("walCompression", &B::wal_compression),
                field("dataCompression", &B::data_compression));
  }
};

// CNPG api/v1/scheduledbackup_types.go.
struct ScheduledBackup {
  static constexpr std::string_view kKind = "ScheduledBackup";

  ObjectMeta meta;
  std::string cluster;
  std::string schedule;  // analysis/cron_schedule.h
  std::string method;    // barmanObjectStore, volumeSnapshot, plugin; empty: barmanObjectStore
  std::string plugin;    // spec.pluginConfiguration.name
  std::optional<bool> suspended;
  std::optional<bool> immediate;
  std::optional<WallTime> last_check;     // when the operator last made a Backup, or first saw it
  std::optional<WallTime> last_schedule;  // that a Backup object was made, not that it succeeded
  std::optional<WallTime> next_schedule;
  std::string error;  // since 1.30

  template <typename With>
  static auto fields(With&& with) {
    using S = ScheduledBackup;
    return with(field("metadata", &S::meta), field("cluster", &S::cluster),
                field("schedule", &S::schedule), field("method", &S::method),
                field("plugin", &S::plugin), field("suspended", &S::suspended),
                field("immediate", &S::immediate), field("lastCheck", &S::last_check),
                field("lastSchedule", &S::last_schedule), field("nextSchedule", &S::next_schedule),
                field("error", &S::error));
  }
};

// CNPG api/v1/backup_types.go.
struct Backup {
  static constexpr std::string_view kKind = "Backup";

  ObjectMeta meta;
  std::string cluster;
  std::string method;  // as ScheduledBackup's
  std::string plugin;
  std::string scheduled_backup;  // label cnpg.io/scheduled-backup: whose child it is; empty: none's
  // pending, started, running, finalizing, completed, failed, walArchivingFailing, invalid backup
  // definition; empty: the operator has not looked at it.
  std::string phase;
  std::string error;
  std::optional<WallTime> started;
  std::optional<WallTime> stopped;
  std::string backup_id;  // the directory in the object store
  std::string backup_name;
  std::string server_name;       // of an in-tree backup: where it went
  std::string destination_path;  // of that
  std::string endpoint_url;      // of that
  std::string begin_wal;
  std::string end_wal;
  std::string begin_lsn;
  std::string end_lsn;
  std::string pod;                     // that it was taken from
  std::vector<std::string> snapshots;  // names of its VolumeSnapshots

  template <typename With>
  static auto fields(With&& with) {
    using B = Backup;
    return with(
        field("metadata", &B::meta), field("cluster", &B::cluster), field("method", &B::method),
        field("plugin", &B::plugin), field("scheduledBackup", &B::scheduled_backup),
        field("phase", &B::phase), field("error", &B::error), field("started", &B::started),
        field("stopped", &B::stopped), field("backupId", &B::backup_id),
        field("backupName", &B::backup_name), field("serverName", &B::server_name),
        field("destinationPath", &B::destination_path), field("endpointURL", &B::endpoint_url),
        field("beginWal", &B::begin_wal), field("endWal", &B::end_wal),
        field("beginLSN", &B::begin_lsn), field("endLSN", &B::end_lsn), field("pod", &B::pod),
        field("snapshots", &B::snapshots));
  }
};

// Of status.serverRecoveryWindow: what the plugin last saw in the object store, of one server.
struct RecoveryWindow {
  std::optional<WallTime> first_recoverability_point;
  std::optional<WallTime> last_success;
  // Only where barman's own command failed: not for a missing Secret, store or plugin.
  std::optional<WallTime> last_failure;

  template <typename With>
  static auto fields(With&& with) {
    using R = RecoveryWindow;
    return with(field("firstRecoverabilityPoint", &R::first_recoverability_point),
                field("lastSuccess", &R::last_success), field("lastFailure", &R::last_failure));
  }
};

struct ObjectStore {
  static constexpr std::string_view kKind = "ObjectStore";

  ObjectMeta meta;
  BarmanStore store;
  std::string retention_policy;                   // 30d
  std::map<std::string, RecoveryWindow> windows;  // by server name

  template <typename With>
  static auto fields(With&& with) {
    using S = ObjectStore;
    return with(field("metadata", &S::meta), field("store", &S::store),
                field("retentionPolicy", &S::retention_policy), field("windows", &S::windows));
  }
};

struct VolumeSnapshot {
  static constexpr std::string_view kKind = "VolumeSnapshot";

  ObjectMeta meta;
  std::string content;  // status.boundVolumeSnapshotContentName; empty: not bound
  std::string claim;    // that it was taken of
  std::optional<bool> ready_to_use;
  std::string error;

  template <typename With>
  static auto fields(With&& with) {
    using S = VolumeSnapshot;
    return with(field("metadata", &S::meta), field("content", &S::content),
                field("claim", &S::claim), field("readyToUse", &S::ready_to_use),
                field("error", &S::error));
  }
};

struct VolumeSnapshotContent {
  static constexpr std::string_view kKind = "VolumeSnapshotContent";

  ObjectMeta meta;
  std::string snapshot_namespace;  // of the VolumeSnapshot that it belongs to
  std::string snapshot_name;
  std::string snapshot_uid;  // empty: not bound yet
  std::optional<bool> ready_to_use;
  std::string deletion_policy;  // Delete, Retain
  std::string error;

  template <typename With>
  static auto fields(With&& with) {
    using S = VolumeSnapshotContent;
    return with(field("metadata", &S::meta), field("snapshotNamespace", &S::snapshot_namespace),
                field("snapshotName", &S::snapshot_name), field("snapshotUid", &S::snapshot_uid),
                field("readyToUse", &S::ready_to_use), field("deletionPolicy", &S::deletion_policy),
                field("error", &S::error));
  }
};

}  // namespace keelwatch::model
