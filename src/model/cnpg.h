// The objects of CloudNativePG (postgresql.cnpg.io/v1: CNPG api/v1/*_types.go), 1.24 to 1.30. What
// only some of these versions write is optional or a list, and its absence is never an error.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/cnpg_backup.h"
#include "model/object_meta.h"

namespace keelwatch::model {

// What a Cluster's status.phase means for its user. A phase that keelwatch does not know, or none,
// is kUnknown: newer operators bring new phases, and none of them may pass for healthy.
enum class PhaseKind {
  kHealthy,
  kTransitional,  // the operator is at work: a matter of how long
  kStuck,         // it goes on only when somebody acts
  kUnknown,
};
[[nodiscard]] PhaseKind phase_kind(std::string_view phase);

// status.instancesReportedState: what an instance told the operator last.
struct ReportedInstance {
  std::optional<bool> is_primary;
  std::optional<std::int64_t> timeline_id;
  std::string ip;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("isPrimary", &ReportedInstance::is_primary),
                field("timelineID", &ReportedInstance::timeline_id),
                field("ip", &ReportedInstance::ip));
  }
};

// status.*PVC: names of PersistentVolumeClaims.
struct ClusterClaims {
  std::vector<std::string> healthy;
  std::vector<std::string> initializing;
  std::vector<std::string> resizing;
  std::vector<std::string> dangling;  // of no Pod
  std::vector<std::string> unusable;  // another claim of the same instance is missing

  template <typename With>
  static auto fields(With&& with) {
    return with(field("healthy", &ClusterClaims::healthy),
                field("initializing", &ClusterClaims::initializing),
                field("resizing", &ClusterClaims::resizing),
                field("dangling", &ClusterClaims::dangling),
                field("unusable", &ClusterClaims::unusable));
  }
};

// An element of spec.plugins.
struct ClusterPlugin {
  std::string name;
  bool enabled = true;        // older operators have no such switch
  bool wal_archiver = false;  // isWALArchiver
  std::string object_store;   // parameters.barmanObjectName
  std::string server_name;    // parameters.serverName; empty: the Cluster's name

  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &ClusterPlugin::name), field("enabled", &ClusterPlugin::enabled),
                field("walArchiver", &ClusterPlugin::wal_archiver),
                field("objectStore", &ClusterPlugin::object_store),
                field("serverName", &ClusterPlugin::server_name));
  }
};

// An element of status.pluginStatus: what the operator has loaded.
struct PluginStatus {
  std::string name;
  std::string version;
  std::string status;  // the plugin's own words, often JSON

  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &PluginStatus::name), field("version", &PluginStatus::version),
                field("status", &PluginStatus::status));
  }
};

// spec.backup: the operator's own backups; those of a plugin are in spec.plugins.
struct BackupSettings {
  std::optional<bool> object_store;     // whether spec.backup.barmanObjectStore is there
  std::string destination_path;         // of that: s3://bucket/folder
  std::string endpoint_url;             // of that, without user and password
  std::string server_name;              // of that; empty: the Cluster's name
  std::string credentials;              // of that, as BarmanStore's
  std::optional<bool> volume_snapshot;  // whether spec.backup.volumeSnapshot is there
  std::string target;                   // primary, prefer-standby
  std::string retention_policy;         // 30d

  template <typename With>
  static auto fields(With&& with) {
    return with(field("objectStore", &BackupSettings::object_store),
                field("destinationPath", &BackupSettings::destination_path),
                field("endpointURL", &BackupSettings::endpoint_url),
                field("serverName", &BackupSettings::server_name),
                field("credentials", &BackupSettings::credentials),
                field("volumeSnapshot", &BackupSettings::volume_snapshot),
                field("target", &BackupSettings::target),
                field("retentionPolicy", &BackupSettings::retention_policy));
  }
};

// spec.bootstrap.recovery: what the Cluster was made from. Both are empty where it was made from
// volume snapshots alone.
struct RecoverySource {
  std::string external_cluster;  // its source: the name of an external cluster
  std::string backup;            // the name of a Backup object of its namespace

  template <typename With>
  static auto fields(With&& with) {
    return with(field("externalCluster", &RecoverySource::external_cluster),
                field("backup", &RecoverySource::backup));
  }
};

// An element of spec.externalClusters: where its archive is, if it names one.
struct ExternalCluster {
  std::string name;
  std::optional<BarmanStore> store;  // an empty serverName is its name
  std::optional<ClusterPlugin> plugin;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &ExternalCluster::name), field("store", &ExternalCluster::store),
                field("plugin", &ExternalCluster::plugin));
  }
};

// spec.postgresql.synchronous, and the older spec.minSyncReplicas and maxSyncReplicas.
struct SynchronousSettings {
  std::string method;  // any, first; empty: spec.postgresql.synchronous is not set
  std::optional<std::int64_t> number;
  std::string data_durability;  // required, preferred; empty: required
  std::optional<std::int64_t> max_standby_names_from_cluster;
  std::vector<std::string> standby_names_pre;
  std::vector<std::string> standby_names_post;
  std::optional<bool> failover_quorum;
  std::optional<std::int64_t> min_sync_replicas;
  std::optional<std::int64_t> max_sync_replicas;

  template <typename With>
  static auto fields(With&& with) {
    using S = SynchronousSettings;
    return with(field("method", &S::method), field("number", &S::number),
                field("dataDurability", &S::data_durability),
                field("maxStandbyNamesFromCluster", &S::max_standby_names_from_cluster),
                field("standbyNamesPre", &S::standby_names_pre),
                field("standbyNamesPost", &S::standby_names_post),
                field("failoverQuorum", &S::failover_quorum),
                field("minSyncReplicas", &S::min_sync_replicas),
                field("maxSyncReplicas", &S::max_sync_replicas));
  }
};

// spec.replica and what status says of it; whether the Cluster is one is Cluster::replica_cluster.
struct ReplicaSettings {
  std::string source;   // name of an external cluster
  std::string primary;  // name of the cluster that is to be primary of the topology
  std::string self;     // this one's name in it; empty: the Cluster's name
  std::string min_apply_delay;
  std::optional<bool> promotion_pending;   // a token is given that has not been used yet
  std::optional<bool> demoted;             // status.demotionToken is there
  std::optional<bool> switch_in_progress;  // status.switchReplicaClusterStatus.inProgress

  template <typename With>
  static auto fields(With&& with) {
    return with(field("source", &ReplicaSettings::source),
                field("primary", &ReplicaSettings::primary), field("self", &ReplicaSettings::self),
                field("minApplyDelay", &ReplicaSettings::min_apply_delay),
                field("promotionPending", &ReplicaSettings::promotion_pending),
                field("demoted", &ReplicaSettings::demoted),
                field("switchInProgress", &ReplicaSettings::switch_in_progress));
  }
};

// What somebody asked for by annotations (CNPG pkg/utils/labels_annotations.go). All are absent
// where the object could not be decoded.
struct ClusterSwitches {
  std::optional<bool> hibernation;              // cnpg.io/hibernation is "on"
  std::optional<bool> reconciliation_disabled;  // cnpg.io/reconciliationLoop is "disabled"
  std::optional<bool> skip_wal_archiving;       // cnpg.io/skipWalArchiving is "enabled"
  // cnpg.io/fencedInstances: names of instances, "*" for all of them; empty without annotation,
  // absent where it is no JSON list of texts.
  std::optional<std::vector<std::string>> fenced_instances;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("hibernation", &ClusterSwitches::hibernation),
                field("reconciliationDisabled", &ClusterSwitches::reconciliation_disabled),
                field("skipWalArchiving", &ClusterSwitches::skip_wal_archiving),
                field("fencedInstances", &ClusterSwitches::fenced_instances));
  }
};

struct Cluster {
  static constexpr std::string_view kKind = "Cluster";

  ObjectMeta meta;
  std::optional<std::int64_t> instances;  // spec.instances: desired
  std::string image;                      // status.image or spec.imageName
  std::string superuser_secret;
  std::string ca_secret;  // status.certificates.serverCASecret
  std::vector<std::string> server_alt_dns_names;
  std::string slot_prefix;       // spec.replicationSlots.highAvailability.slotPrefix
  bool replica_cluster = false;  // spec.replica.enabled, or primary names another cluster
  std::string phase;             // status.phase, verbatim
  std::string phase_reason;
  std::string current_primary;
  std::string target_primary;  // differs in a switchover; "pending" in a failover
  std::optional<WallTime> current_primary_timestamp;
  std::optional<WallTime> target_primary_timestamp;
  std::optional<WallTime> current_primary_failing_since;
  std::optional<std::int64_t> ready_instances;
  std::optional<std::int64_t> status_instances;
  std::optional<std::int64_t> timeline_id;
  std::string system_id;
  // The operator does not date its phases. For the healthy one, when condition Ready turned True;
  // for a switchover or failover, when the new primary was asked for; for another, when Ready
  // turned False, so that the phase may be younger but the trouble is not. Absent where the object
  // says none of these, or contradicts itself.
  std::optional<WallTime> phase_since;
  std::vector<std::string> instance_names;
  // status.instancesStatus: names of Pods by "healthy" (ready), "replicating" (running, not ready)
  // and "failed"; one list per word that the operator used.
  std::map<std::string, std::vector<std::string>> instances_status;
  std::map<std::string, ReportedInstance> instances_reported;  // by Pod
  std::vector<Condition> conditions;
  // status.certificates.expirations by Secret; null where the text is no time.
  std::map<std::string, std::optional<WallTime>> certificate_expirations;
  ClusterClaims claims;
  std::optional<std::int64_t> nodes_used;  // status.topology.nodesUsed
  std::vector<ClusterPlugin> plugins;
  std::vector<PluginStatus> plugin_status;
  // status.managedRolesStatus.cannotReconcile: why, by role.
  std::map<std::string, std::vector<std::string>> roles_not_reconciled;
  ReplicaSettings replica;
  ClusterSwitches switches;
  BackupSettings backup;
  std::optional<RecoverySource> recovery;
  std::vector<ExternalCluster> external_clusters;
  SynchronousSettings synchronous;
  std::optional<bool> ha_slots;        // spec.replicationSlots.highAvailability.enabled
  std::optional<bool> wal_storage;     // whether WAL has a volume of its own
  std::optional<bool> monitoring_tls;  // whether the instances' metrics are served with TLS
  std::optional<std::int64_t> failover_delay_seconds;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Cluster::meta), field("instances", &Cluster::instances),
                field("image", &Cluster::image),
                field("superuserSecret", &Cluster::superuser_secret),
                field("caSecret", &Cluster::ca_secret),
                field("serverAltDNSNames", &Cluster::server_alt_dns_names),
                field("slotPrefix", &Cluster::slot_prefix),
                field("replicaCluster", &Cluster::replica_cluster), field("phase", &Cluster::phase),
                field("phaseReason", &Cluster::phase_reason),
                field("currentPrimary", &Cluster::current_primary),
                field("targetPrimary", &Cluster::target_primary),
                field("currentPrimaryTimestamp", &Cluster::current_primary_timestamp),
                field("targetPrimaryTimestamp", &Cluster::target_primary_timestamp),
                field("currentPrimaryFailingSince", &Cluster::current_primary_failing_since),
                field("readyInstances", &Cluster::ready_instances),
                field("statusInstances", &Cluster::status_instances),
                field("timelineID", &Cluster::timeline_id), field("systemID", &Cluster::system_id),
                field("phaseSince", &Cluster::phase_since),
                field("instanceNames", &Cluster::instance_names),
                field("instancesStatus", &Cluster::instances_status),
                field("instancesReported", &Cluster::instances_reported),
                field("conditions", &Cluster::conditions),
                field("certificateExpirations", &Cluster::certificate_expirations),
                field("claims", &Cluster::claims), field("nodesUsed", &Cluster::nodes_used),
                field("plugins", &Cluster::plugins), field("pluginStatus", &Cluster::plugin_status),
                field("rolesNotReconciled", &Cluster::roles_not_reconciled),
                field("replica", &Cluster::replica), field("switches", &Cluster::switches),
                field("backup", &Cluster::backup), field("recovery", &Cluster::recovery),
                field("externalClusters", &Cluster::external_clusters),
                field("synchronous", &Cluster::synchronous), field("haSlots", &Cluster::ha_slots),
                field("walStorage", &Cluster::wal_storage),
                field("monitoringTLS", &Cluster::monitoring_tls),
                field("failoverDelaySeconds", &Cluster::failover_delay_seconds));
  }
};

// CNPG api/v1/pooler_types.go. Its Service bears its name.
struct Pooler {
  static constexpr std::string_view kKind = "Pooler";

  ObjectMeta meta;
  std::string cluster;
  std::string type;                              // rw, ro, r
  std::optional<std::int64_t> instances;         // desired
  std::optional<std::int64_t> status_instances;  // Pods that the operator tries to have
  std::string pool_mode;                         // session, transaction
  std::optional<bool> paused;
  std::optional<bool> metrics_tls;  // spec.monitoring.tls.enabled: its metrics are served by TLS
  std::map<std::string, std::string> parameters;  // of PgBouncer
  // 1.30 and later: active, paused, inactive, failed; empty before.
  std::string phase;
  std::string phase_reason;
  std::string error;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Pooler::meta), field("cluster", &Pooler::cluster),
                field("type", &Pooler::type), field("instances", &Pooler::instances),
                field("statusInstances", &Pooler::status_instances),
                field("poolMode", &Pooler::pool_mode), field("paused", &Pooler::paused),
                field("metricsTls", &Pooler::metrics_tls), field("parameters", &Pooler::parameters),
                field("phase", &Pooler::phase), field("phaseReason", &Pooler::phase_reason),
                field("error", &Pooler::error));
  }
};

// A schema, extension, foreign data wrapper or server that a Database declares.
struct DatabasePart {
  std::string kind;  // schema, extension, fdw, server
  std::string name;
  std::optional<bool> applied;
  std::string message;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("kind", &DatabasePart::kind), field("name", &DatabasePart::name),
                field("applied", &DatabasePart::applied), field("message", &DatabasePart::message));
  }
};

// CNPG api/v1/database_types.go, since 1.25.
struct Database {
  static constexpr std::string_view kKind = "Database";

  ObjectMeta meta;
  std::string cluster;
  std::string name;  // in PostgreSQL
  std::string owner;
  std::string ensure;           // present, absent
  std::string reclaim_policy;   // retain; with delete, the data goes with the object
  std::optional<bool> applied;  // absent before the operator has tried
  std::string message;          // why it is not applied
  std::optional<std::int64_t> generation;
  std::optional<std::int64_t> observed_generation;  // that `applied` is about
  std::vector<DatabasePart> parts;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Database::meta), field("cluster", &Database::cluster),
                field("name", &Database::name), field("owner", &Database::owner),
                field("ensure", &Database::ensure),
                field("reclaimPolicy", &Database::reclaim_policy),
                field("applied", &Database::applied), field("message", &Database::message),
                field("generation", &Database::generation),
                field("observedGeneration", &Database::observed_generation),
                field("parts", &Database::parts));
  }
};

}  // namespace keelwatch::model
