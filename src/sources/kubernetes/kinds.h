// The kinds that are read, and where the API server serves them.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace keelwatch::sources {

struct KindInfo {
  std::string_view kind;
  std::string_view group;  // empty: core
  std::string_view version;
  std::string_view plural;
  bool namespaced;
  // Objects of the operators, which live in namespaces of their own: settings.operator_namespaces
  // says which.
  bool of_operators = false;
  // The only objects that are watched, each by a watch of its own; empty: all of them.
  std::span<const std::string_view> names = {};
  // Objects of this kind are renewed all the time: such news alone are no reason to publish, they
  // wait for the next publication.
  bool quiet = false;
  bool polled = false;  // listed every few minutes and not watched
  // Of a page of its listing, where objects are so large that the usual number makes too much; 0:
  // the usual one.
  int page_size = 0;
};

// The leader elections of the operator (CNPG internal/cmd/manager/controller) and of its Barman
// plugin (plugin-barman-cloud internal/cnpgi/operator/manager.go). Of all other Leases, one per
// Node to begin with, nothing is asked.
inline constexpr std::array<std::string_view, 2> kOperatorLeases = {"822e3f5c.cnpg.io",
                                                                    "db9c8771.cnpg.io"};

inline constexpr KindInfo kClusterKind{"Cluster", "postgresql.cnpg.io", "v1", "clusters", true};
inline constexpr KindInfo kPodKind{"Pod", "", "v1", "pods", true};
inline constexpr KindInfo kServiceKind{"Service", "", "v1", "services", true};
inline constexpr KindInfo kClaimKind{"PersistentVolumeClaim", "", "v1", "persistentvolumeclaims",
                                     true};
inline constexpr KindInfo kVolumeKind{"PersistentVolume", "", "v1", "persistentvolumes", false};
inline constexpr KindInfo kNodeKind{"Node", "", "v1", "nodes", false};
inline constexpr KindInfo kPoolerKind{"Pooler", "postgresql.cnpg.io", "v1", "poolers", true};
inline constexpr KindInfo kDatabaseKind{"Database", "postgresql.cnpg.io", "v1", "databases", true};
inline constexpr KindInfo kEndpointSliceKind{"EndpointSlice", "discovery.k8s.io", "v1",
                                             "endpointslices", true};
inline constexpr KindInfo kLeaseKind{"Lease", "coordination.k8s.io", "v1", "leases", true,
                                     true,    kOperatorLeases,       true};
inline constexpr KindInfo kDeploymentKind{"Deployment", "apps", "v1", "deployments", true, true};
inline constexpr KindInfo kScheduledBackupKind{"ScheduledBackup", "postgresql.cnpg.io", "v1",
                                               "scheduledbackups", true};
inline constexpr KindInfo kBackupKind{"Backup", "postgresql.cnpg.io", "v1", "backups", true};
inline constexpr KindInfo kObjectStoreKind{"ObjectStore", "barmancloud.cnpg.io", "v1",
                                           "objectstores", true};
inline constexpr KindInfo kVolumeSnapshotKind{"VolumeSnapshot", "snapshot.storage.k8s.io", "v1",
                                              "volumesnapshots", true};
inline constexpr KindInfo kVolumeSnapshotContentKind{
    "VolumeSnapshotContent", "snapshot.storage.k8s.io", "v1", "volumesnapshotcontents", false};

inline constexpr KindInfo kStorageClassKind{"StorageClass", "storage.k8s.io", "v1",
                                            "storageclasses", false};

inline constexpr KindInfo longhorn_kind(std::string_view kind, std::string_view plural) {
  return {kind, "longhorn.io", "v1beta2", plural, true, true};
}
inline constexpr KindInfo polled_longhorn_kind(std::string_view kind, std::string_view plural) {
  KindInfo info = longhorn_kind(kind, plural);
  info.polled = true;
  return info;
}
inline constexpr KindInfo kLonghornVolumeKind = longhorn_kind("LonghornVolume", "volumes");
// With 250 snapshots an Engine has 143 kB.
inline constexpr KindInfo kLonghornEngineKind{
    "LonghornEngine", "longhorn.io", "v1beta2", "engines", true, true, {}, false, false, 50};
inline constexpr KindInfo kLonghornReplicaKind = longhorn_kind("LonghornReplica", "replicas");
inline constexpr KindInfo kLonghornNodeKind = longhorn_kind("LonghornNode", "nodes");
inline constexpr KindInfo kInstanceManagerKind =
    longhorn_kind("LonghornInstanceManager", "instancemanagers");
inline constexpr KindInfo kVolumeAttachmentKind =
    longhorn_kind("LonghornVolumeAttachment", "volumeattachments");
inline constexpr KindInfo kBackupTargetKind =
    longhorn_kind("LonghornBackupTarget", "backuptargets");
inline constexpr KindInfo kBackupVolumeKind =
    longhorn_kind("LonghornBackupVolume", "backupvolumes");
inline constexpr KindInfo kRecurringJobKind =
    longhorn_kind("LonghornRecurringJob", "recurringjobs");
inline constexpr KindInfo kLonghornSettingKind = longhorn_kind("LonghornSetting", "settings");
inline constexpr KindInfo kEngineImageKind = longhorn_kind("LonghornEngineImage", "engineimages");
inline constexpr KindInfo kLonghornSnapshotKind =
    polled_longhorn_kind("LonghornSnapshot", "snapshots");
inline constexpr KindInfo kLonghornBackupKind = polled_longhorn_kind("LonghornBackup", "backups");
inline constexpr KindInfo kSystemBackupKind =
    polled_longhorn_kind("LonghornSystemBackup", "systembackups");

// Only with settings.prometheus_rules.
inline constexpr KindInfo kPrometheusRuleKind{"PrometheusRule", "monitoring.coreos.com", "v1",
                                              "prometheusrules", true};

// "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters"; an empty namespace means all of them.
[[nodiscard]] std::string resource_path(const KindInfo& kind, std::string_view ns);

// "clusters.postgresql.cnpg.io at the cluster scope", "pods in namespace \"db\"",
// "leases.coordination.k8s.io \"x\" at the cluster scope": what an RBAC rule is about, in kubectl's
// words. An empty name means all of them.
[[nodiscard]] std::string resource_and_scope(const KindInfo& kind, std::string_view ns,
                                             std::string_view name = "");

}  // namespace keelwatch::sources
