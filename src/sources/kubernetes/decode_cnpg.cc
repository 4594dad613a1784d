#include "base/time_text.h"
#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

constexpr std::size_t kMaxFencedText = std::size_t{64} << 10U;

// Cluster.IsReplica() of CNPG api/v1/cluster_funcs.go: `enabled` decides where it is given (always,
// before 1.24); else the cluster is a replica unless it names itself as the primary.
bool is_replica_cluster(JsonValue replica, std::string_view cluster_name) {
  if (!replica.present()) return false;
  if (const auto enabled = replica["enabled"].boolean()) return *enabled;
  const std::string_view self = replica["self"].string().value_or("");
  return (self.empty() ? cluster_name : self) != replica["primary"].string().value_or("");
}

// The operator omits counts of zero (`omitempty` in CNPG api/v1/cluster_types.go): once it has
// written a phase, a missing count is zero. That is what a cluster says when every instance is
// down.
std::optional<std::int64_t> count_of(JsonValue status, std::string_view key) {
  const auto count = status[key].integer();
  if (!count && !status[key].present() && status["phase"].present()) return 0;
  return count;
}

// Cluster.GetSuperuserSecretName(): the operator makes the secret only where access is enabled.
std::string superuser_secret(JsonValue spec, std::string_view cluster_name) {
  std::string name = text_or_empty(spec["superuserSecret"]["name"]);
  if (name.empty() && spec["enableSuperuserAccess"].boolean().value_or(false)) {
    name = std::string(cluster_name) + "-superuser";
  }
  return name;
}

std::string_view annotation(const model::ObjectMeta& meta, const std::string& name) {
  const auto at = meta.annotations.find(name);
  return at == meta.annotations.end() ? std::string_view() : std::string_view(at->second);
}

std::optional<std::vector<std::string>> fenced_instances(const model::ObjectMeta& meta) {
  const auto at = meta.annotations.find("cnpg.io/fencedInstances");
  if (at == meta.annotations.end()) return std::vector<std::string>();
  if (at->second.size() > kMaxFencedText) return std::nullopt;
  JsonReader reader;
  const JsonValue list = reader.parse(at->second);
  std::vector<std::string> names = texts_of(list);
  if (!reader.finish() || list.type() != JsonType::kArray) return std::nullopt;
  return names;
}

model::ClusterSwitches switches_of(const model::ObjectMeta& meta) {
  return {.hibernation = annotation(meta, "cnpg.io/hibernation") == "on",
          .reconciliation_disabled = annotation(meta, "cnpg.io/reconciliationLoop") == "disabled",
          .skip_wal_archiving = annotation(meta, "cnpg.io/skipWalArchiving") == "enabled",
          .fenced_instances = fenced_instances(meta)};
}

std::map<std::string, std::vector<std::string>> lists_of(JsonValue object) {
  std::map<std::string, std::vector<std::string>> lists;
  object.for_each_member([&](std::string_view key, JsonValue list) {
    std::vector<std::string>& texts = lists[std::string(key)];
    list.for_each([&](JsonValue text) { texts.push_back(words_or_empty(text)); });
  });
  return lists;
}

std::map<std::string, model::ReportedInstance> reported_of(JsonValue object) {
  std::map<std::string, model::ReportedInstance> reported;
  object.for_each_member([&](std::string_view pod, JsonValue state) {
    reported[std::string(pod)] = {state["isPrimary"].boolean(), state["timeLineID"].integer(),
                                  text_or_empty(state["ip"])};
  });
  return reported;
}

// Any text is valid here by the schema, so an odd one is no complaint about the object.
std::map<std::string, std::optional<WallTime>> expirations_of(JsonValue object) {
  std::map<std::string, std::optional<WallTime>> expirations;
  object.for_each_member([&](std::string_view secret, JsonValue text) {
    const std::string_view time = text.string().value_or("");
    auto parsed = parse_go_time(time);
    if (!parsed) parsed = parse_rfc3339(time);
    expirations[std::string(secret)] = parsed ? std::optional(*parsed) : std::nullopt;
  });
  return expirations;
}

model::BackupSettings backup_of(JsonValue spec) {
  const JsonValue backup = spec["backup"];
  const JsonValue store = backup["barmanObjectStore"];
  return {.object_store = store.present(),
          .destination_path = without_login(text_or_empty(store["destinationPath"])),
          .endpoint_url = without_login(text_or_empty(store["endpointURL"])),
          .server_name = text_or_empty(store["serverName"]),
          .credentials = barman_store_of(store).credentials,
          .volume_snapshot = backup["volumeSnapshot"].present(),
          .target = text_or_empty(backup["target"]),
          .retention_policy = text_or_empty(backup["retentionPolicy"])};
}

model::SynchronousSettings synchronous_of(JsonValue spec) {
  const JsonValue synchronous = spec["postgresql"]["synchronous"];
  return {.method = text_or_empty(synchronous["method"]),
          .number = synchronous["number"].integer(),
          .data_durability = text_or_empty(synchronous["dataDurability"]),
          .max_standby_names_from_cluster = synchronous["maxStandbyNamesFromCluster"].integer(),
          .standby_names_pre = texts_of(synchronous["standbyNamesPre"]),
          .standby_names_post = texts_of(synchronous["standbyNamesPost"]),
          .failover_quorum = synchronous["failoverQuorum"].boolean(),
          .min_sync_replicas = spec["minSyncReplicas"].integer(),
          .max_sync_replicas = spec["maxSyncReplicas"].integer()};
}

model::ReplicaSettings replica_of(JsonValue spec, JsonValue status) {
  const JsonValue replica = spec["replica"];
  const std::string token = text_or_empty(replica["promotionToken"]);
  return {
      .source = text_or_empty(replica["source"]),
      .primary = text_or_empty(replica["primary"]),
      .self = text_or_empty(replica["self"]),
      .min_apply_delay = text_or_empty(replica["minApplyDelay"]),
      .promotion_pending = !token.empty() && token != text_or_empty(status["lastPromotionToken"]),
      .demoted = !text_or_empty(status["demotionToken"]).empty(),
      .switch_in_progress =
          status["switchReplicaClusterStatus"]["inProgress"].boolean().value_or(false)};
}

model::ClusterPlugin plugin_of(JsonValue plugin) {
  const JsonValue parameters = plugin["parameters"];
  return {.name = text_or_empty(plugin["name"]),
          .enabled = plugin["enabled"].boolean().value_or(true),
          .wal_archiver = plugin["isWALArchiver"].boolean().value_or(false),
          .object_store = text_or_empty(parameters["barmanObjectName"]),
          .server_name = text_or_empty(parameters["serverName"])};
}

std::vector<model::ClusterPlugin> plugins_of(JsonValue spec) {
  std::vector<model::ClusterPlugin> plugins;
  spec["plugins"].for_each([&](JsonValue plugin) { plugins.push_back(plugin_of(plugin)); });
  return plugins;
}

std::optional<model::RecoverySource> recovery_of(JsonValue spec) {
  const JsonValue recovery = spec["bootstrap"]["recovery"];
  if (!recovery.present()) return std::nullopt;
  return model::RecoverySource{.external_cluster = text_or_empty(recovery["source"]),
                               .backup = text_or_empty(recovery["backup"]["name"])};
}

std::vector<model::ExternalCluster> external_clusters_of(JsonValue spec) {
  std::vector<model::ExternalCluster> clusters;
  spec["externalClusters"].for_each([&](JsonValue external) {
    model::ExternalCluster cluster;
    cluster.name = text_or_empty(external["name"]);
    const JsonValue store = external["barmanObjectStore"];
    if (store.present()) cluster.store = barman_store_of(store);
    const JsonValue plugin = external["plugin"];
    if (plugin.present()) cluster.plugin = plugin_of(plugin);
    clusters.push_back(std::move(cluster));
  });
  return clusters;
}

std::vector<model::PluginStatus> plugin_status_of(JsonValue status) {
  std::vector<model::PluginStatus> plugins;
  status["pluginStatus"].for_each([&](JsonValue plugin) {
    plugins.push_back({text_or_empty(plugin["name"]), text_or_empty(plugin["version"]),
                       words_or_empty(plugin["status"])});
  });
  return plugins;
}

model::ClusterClaims claims_of(JsonValue status) {
  return {.healthy = texts_of(status["healthyPVC"]),
          .initializing = texts_of(status["initializingPVC"]),
          .resizing = texts_of(status["resizingPVC"]),
          .dangling = texts_of(status["danglingPVC"]),
          .unusable = texts_of(status["unusablePVC"])};
}

std::optional<WallTime> phase_since(const model::Cluster& cluster) {
  const model::Condition* ready = model::find_condition(cluster.conditions, "Ready");
  if (model::phase_kind(cluster.phase) == model::PhaseKind::kHealthy) {
    return ready != nullptr && ready->status == "True" ? ready->since : std::nullopt;
  }
  if (cluster.phase.empty()) return std::nullopt;
  if (cluster.phase == "Switchover in progress" || cluster.phase == "Failing over") {
    if (cluster.target_primary_timestamp) return cluster.target_primary_timestamp;
  }
  return ready != nullptr && ready->status == "False" ? ready->since : std::nullopt;
}

void read_spec(JsonValue spec, model::Cluster& cluster) {
  cluster.instances = spec["instances"].integer();
  cluster.superuser_secret = superuser_secret(spec, cluster.meta.name);
  const JsonValue slots = spec["replicationSlots"]["highAvailability"];
  cluster.slot_prefix = text_or_empty(slots["slotPrefix"]);
  cluster.ha_slots = slots["enabled"].boolean();
  cluster.replica_cluster = is_replica_cluster(spec["replica"], cluster.meta.name);
  cluster.plugins = plugins_of(spec);
  cluster.backup = backup_of(spec);
  cluster.recovery = recovery_of(spec);
  cluster.external_clusters = external_clusters_of(spec);
  cluster.synchronous = synchronous_of(spec);
  cluster.wal_storage = spec["walStorage"].present();
  cluster.monitoring_tls = spec["monitoring"]["tls"]["enabled"].boolean().value_or(false);
  cluster.failover_delay_seconds = spec["failoverDelay"].integer();
}

void read_status(JsonReader& reader, JsonValue status, model::Cluster& cluster) {
  const JsonValue certificates = status["certificates"];
  cluster.ca_secret = text_or_empty(certificates["serverCASecret"]);
  cluster.server_alt_dns_names = texts_of(certificates["serverAltDNSNames"]);
  cluster.certificate_expirations = expirations_of(certificates["expirations"]);
  cluster.phase = text_or_empty(status["phase"]);
  cluster.phase_reason = words_or_empty(status["phaseReason"]);
  cluster.current_primary = text_or_empty(status["currentPrimary"]);
  cluster.target_primary = text_or_empty(status["targetPrimary"]);
  cluster.current_primary_timestamp = time_of(reader, status["currentPrimaryTimestamp"]);
  cluster.target_primary_timestamp = time_of(reader, status["targetPrimaryTimestamp"]);
  cluster.current_primary_failing_since =
      time_of(reader, status["currentPrimaryFailingSinceTimestamp"]);
  cluster.ready_instances = count_of(status, "readyInstances");
  cluster.status_instances = count_of(status, "instances");
  cluster.timeline_id = status["timelineID"].integer();
  cluster.system_id = text_or_empty(status["systemID"]);
  cluster.instance_names = texts_of(status["instanceNames"]);
  cluster.instances_status = lists_of(status["instancesStatus"]);
  cluster.instances_reported = reported_of(status["instancesReportedState"]);
  cluster.conditions = conditions_of(reader, status);
  cluster.claims = claims_of(status);
  cluster.nodes_used = status["topology"]["nodesUsed"].integer();
  cluster.plugin_status = plugin_status_of(status);
  cluster.roles_not_reconciled = lists_of(status["managedRolesStatus"]["cannotReconcile"]);
}

void add_parts(JsonValue status, const char* key, const char* kind, model::Database& database) {
  status[key].for_each([&](JsonValue part) {
    database.parts.push_back({kind, text_or_empty(part["name"]), part["applied"].boolean(),
                              words_or_empty(part["message"])});
  });
}

}  // namespace

model::Cluster decode_cluster(JsonReader& reader, JsonValue object) {
  model::Cluster cluster;
  cluster.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  const JsonValue status = object["status"];
  cluster.image = text_or_empty(status["image"]);
  if (cluster.image.empty()) cluster.image = text_or_empty(spec["imageName"]);
  read_spec(spec, cluster);
  read_status(reader, status, cluster);
  cluster.replica = replica_of(spec, status);
  cluster.switches = switches_of(cluster.meta);
  cluster.phase_since = phase_since(cluster);
  return cluster;
}

model::Pooler decode_pooler(JsonReader& reader, JsonValue object) {
  model::Pooler pooler;
  pooler.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  const JsonValue bouncer = spec["pgbouncer"];
  pooler.cluster = text_or_empty(spec["cluster"]["name"]);
  pooler.type = text_or_empty(spec["type"]);
  pooler.instances = spec["instances"].integer();
  pooler.pool_mode = text_or_empty(bouncer["poolMode"]);
  pooler.paused = bouncer["paused"].boolean().value_or(false);
  pooler.metrics_tls = spec["monitoring"]["tls"]["enabled"].boolean();
  bouncer["parameters"].for_each_member([&](std::string_view key, JsonValue value) {
    pooler.parameters.emplace(key, text_or_empty(value));
  });
  const JsonValue status = object["status"];
  pooler.status_instances = status["instances"].integer();
  // Written as `omitempty`: a status without it, once there is one, is a count of zero.
  if (!pooler.status_instances && status.present()) pooler.status_instances = 0;
  pooler.phase = text_or_empty(status["phase"]);
  pooler.phase_reason = words_or_empty(status["phaseReason"]);
  pooler.error = words_or_empty(status["error"]);
  return pooler;
}

model::Database decode_database(JsonReader& reader, JsonValue object) {
  model::Database database;
  database.meta = decode_meta(reader, object["metadata"]);
  database.generation = object["metadata"]["generation"].integer();
  const JsonValue spec = object["spec"];
  database.cluster = text_or_empty(spec["cluster"]["name"]);
  database.name = text_or_empty(spec["name"]);
  database.owner = text_or_empty(spec["owner"]);
  database.ensure = text_or_empty(spec["ensure"]);
  database.reclaim_policy = text_or_empty(spec["databaseReclaimPolicy"]);
  const JsonValue status = object["status"];
  database.applied = status["applied"].boolean();
  database.message = words_or_empty(status["message"]);
  database.observed_generation = status["observedGeneration"].integer();
  add_parts(status, "schemas", "schema", database);
  add_parts(status, "extensions", "extension", database);
  add_parts(status, "fdws", "fdw", database);
  add_parts(status, "servers", "server", database);
  return database;
}

}  // namespace keelwatch::sources
