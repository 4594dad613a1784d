#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

// What the operator's own store names as its credentials (BarmanCredentials of
// cloudnative-pg/barman-cloud api/v1); one of the three.
std::string credentials_of(JsonValue store) {
  const JsonValue s3 = store["s3Credentials"];
  if (s3.present()) return s3["inheritFromIAMRole"].boolean() == true ? "s3_inherit" : "s3";
  const JsonValue azure = store["azureCredentials"];
  if (azure.present()) {
    const bool inherits = azure["inheritFromAzureAD"].boolean() == true ||
                          azure["useDefaultAzureCredentials"].boolean() == true;
    return inherits ? "azure_inherit" : "azure";
  }
  const JsonValue google = store["googleCredentials"];
  if (google.present()) {
    return google["gkeEnvironment"].boolean() == true ? "google_inherit" : "google";
  }
  return {};
}

std::string label(const model::ObjectMeta& meta, const std::string& name) {
  const auto at = meta.labels.find(name);
  return at == meta.labels.end() ? std::string() : at->second;
}

}  // namespace

std::string without_login(std::string url) {
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = url.substr(0, url.find('/', host)).rfind('@');
  return at == std::string::npos || at < host ? url : url.erase(host, at + 1 - host);
}

model::BarmanStore barman_store_of(JsonValue store) {
  return {.destination_path = without_login(text_or_empty(store["destinationPath"])),
          .endpoint_url = without_login(text_or_empty(store["endpointURL"])),
          .server_name = text_or_empty(store["serverName"]),
          .credentials = credentials_of(store),
          .endpoint_ca = store["endpointCA"].present(),
          .wal_compression = text_or_empty(store["wal"]["compression"]),
          .data_compression = text_or_empty(store["data"]["compression"])};
}

model::ScheduledBackup decode_scheduled_backup(JsonReader& reader, JsonValue object) {
  model::ScheduledBackup scheduled;
  scheduled.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  scheduled.cluster = text_or_empty(spec["cluster"]["name"]);
  scheduled.schedule = text_or_empty(spec["schedule"]);
  scheduled.method = text_or_empty(spec["method"]);
  scheduled.plugin = text_or_empty(spec["pluginConfiguration"]["name"]);
  scheduled.suspended = spec["suspend"].boolean().value_or(false);
  scheduled.immediate = spec["immediate"].boolean().value_or(false);
  const JsonValue status = object["status"];
  scheduled.last_check = time_of(reader, status["lastCheckTime"]);
  scheduled.last_schedule = time_of(reader, status["lastScheduleTime"]);
  scheduled.next_schedule = time_of(reader, status["nextScheduleTime"]);
  scheduled.error = words_or_empty(status["error"]);
  return scheduled;
}

model::Backup decode_backup(JsonReader& reader, JsonValue object) {
  model::Backup backup;
  backup.meta = decode_meta(reader, object["metadata"]);
  backup.scheduled_backup = label(backup.meta, "cnpg.io/scheduled-backup");
  const JsonValue spec = object["spec"];
  backup.cluster = text_or_empty(spec["cluster"]["name"]);
  backup.method = text_or_empty(spec["method"]);
  backup.plugin = text_or_empty(spec["pluginConfiguration"]["name"]);
  const JsonValue status = object["status"];
  backup.phase = text_or_empty(status["phase"]);
  backup.error = words_or_empty(status["error"]);
  backup.started = time_of(reader, status["startedAt"]);
  backup.stopped = time_of(reader, status["stoppedAt"]);
  backup.backup_id = text_or_empty(status["backupId"]);
  backup.backup_name = text_or_empty(status["backupName"]);
  backup.server_name = text_or_empty(status["serverName"]);
  backup.destination_path = without_login(text_or_empty(status["destinationPath"]));
  backup.endpoint_url = without_login(text_or_empty(status["endpointURL"]));
  backup.begin_wal = text_or_empty(status["beginWal"]);
  backup.end_wal = text_or_empty(status["endWal"]);
  backup.begin_lsn = text_or_empty(status["beginLSN"]);
  backup.end_lsn = text_or_empty(status["endLSN"]);
  backup.pod = text_or_empty(status["instanceID"]["podName"]);
  status["snapshotBackupStatus"]["elements"].for_each(
      [&](JsonValue element) { backup.snapshots.push_back(text_or_empty(element["name"])); });
  return backup;
}

model::ObjectStore decode_object_store(JsonReader& reader, JsonValue object) {
  model::ObjectStore store;
  store.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  store.store = barman_store_of(spec["configuration"]);
  store.retention_policy = text_or_empty(spec["retentionPolicy"]);
  object["status"]["serverRecoveryWindow"].for_each_member(
      [&](std::string_view server, JsonValue window) {
        store.windows[std::string(server)] = {
            .first_recoverability_point = time_of(reader, window["firstRecoverabilityPoint"]),
            .last_success = time_of(reader, window["lastSuccessfulBackupTime"]),
            .last_failure = time_of(reader, window["lastFailedBackupTime"])};
      });
  return store;
}

model::VolumeSnapshot decode_volume_snapshot(JsonReader& reader, JsonValue object) {
  model::VolumeSnapshot snapshot;
  snapshot.meta = decode_meta(reader, object["metadata"]);
  snapshot.claim = text_or_empty(object["spec"]["source"]["persistentVolumeClaimName"]);
  const JsonValue status = object["status"];
  snapshot.content = text_or_empty(status["boundVolumeSnapshotContentName"]);
  snapshot.ready_to_use = status["readyToUse"].boolean();
  snapshot.error = words_or_empty(status["error"]["message"]);
  return snapshot;
}

model::VolumeSnapshotContent decode_volume_snapshot_content(JsonReader& reader, JsonValue object) {
  model::VolumeSnapshotContent content;
  content.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  content.snapshot_namespace = text_or_empty(spec["volumeSnapshotRef"]["namespace"]);
  content.snapshot_name = text_or_empty(spec["volumeSnapshotRef"]["name"]);
  content.snapshot_uid = text_or_empty(spec["volumeSnapshotRef"]["uid"]);
  content.deletion_policy = text_or_empty(spec["deletionPolicy"]);
  const JsonValue status = object["status"];
  content.ready_to_use = status["readyToUse"].boolean();
  content.error = words_or_empty(status["error"]["message"]);
  return content;
}

}  // namespace keelwatch::sources
