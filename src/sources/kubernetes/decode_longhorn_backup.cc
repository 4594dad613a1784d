// Longhorn's settings, jobs and backups: what is not about one volume's health.
#include <algorithm>
#include <array>

#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

// longhorn-manager types/setting.go.
constexpr std::array<std::string_view, 13> kUsedSettings = {
    "auto-salvage",
    "current-longhorn-version",
    "default-engine-image",
    "default-replica-count",
    "node-down-pod-deletion-policy",
    "node-drain-policy",
    "replica-replenishment-wait-interval",
    "replica-soft-anti-affinity",
    "replica-zone-soft-anti-affinity",
    "snapshot-count-warning-threshold",
    "snapshot-max-count",
    "storage-minimal-available-percentage",
    "storage-over-provisioning-percentage",
};

std::optional<WallTime> later(std::optional<WallTime> a, std::optional<WallTime> b) {
  return !a || (b && *b > *a) ? b : a;
}

// In s3://BUCKET@REGION/ and azblob://CONTAINER@HOST/ nobody logs in; user:password@ would.
std::string target_url(JsonValue value) {
  std::string url = text_or_empty(value);
  const std::size_t begin = url.find("://");
  const std::size_t at = url.rfind('@');
  if (begin == std::string::npos || at == std::string::npos || at < begin) return url;
  const std::string_view before = std::string_view(url).substr(begin + 3, at - begin - 3);
  return before.find(':') == std::string_view::npos ? url : without_login(std::move(url));
}

}  // namespace

bool is_used(const model::LonghornSetting& setting) {
  return std::ranges::find(kUsedSettings, setting.meta.name) != kUsedSettings.end();
}

model::LonghornSetting decode_longhorn_setting(JsonReader& reader, JsonValue object) {
  model::LonghornSetting setting;
  setting.meta = lean_meta(reader, object["metadata"]);
  setting.value = text_or_empty(object["value"]);
  if (!setting.value.starts_with('{')) return setting;
  // JSON within the text, of values by data engine: this text is no part of the reader's.
  JsonReader inner;
  inner.parse(setting.value).for_each_member([&](std::string_view engine, JsonValue value) {
    setting.values.emplace(engine, std::string(value.text().value_or("")));
  });
  if (inner.finish()) {
    setting.value.clear();
  } else {
    setting.values.clear();
  }
  return setting;
}

model::RecurringJob decode_recurring_job(JsonReader& reader, JsonValue object) {
  model::RecurringJob job;
  job.meta = lean_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  job.task = text_or_empty(spec["task"]);
  job.cron = text_or_empty(spec["cron"]);
  job.retain = spec["retain"].integer();
  job.groups = texts_of(spec["groups"]);
  return job;
}

model::BackupTarget decode_backup_target(JsonReader& reader, JsonValue object) {
  model::BackupTarget target;
  target.meta = lean_meta(reader, object["metadata"]);
  target.url = target_url(object["spec"]["backupTargetURL"]);
  const JsonValue status = object["status"];
  target.available = status["available"].boolean();
  target.last_synced = time_of(reader, status["lastSyncedAt"]);
  const JsonValue unavailable = find_condition(status, "Unavailable");
  if (condition_status(unavailable) == true) {
    target.unavailable_reason = text_or_empty(unavailable["reason"]);
    target.unavailable_message = words_or_empty(unavailable["message"]);
  }
  return target;
}

model::BackupVolume decode_backup_volume(JsonReader& reader, JsonValue object) {
  model::BackupVolume volume;
  volume.meta = lean_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  volume.volume = text_or_empty(spec["volumeName"]);
  if (volume.volume.empty()) volume.volume = volume.meta.name;
  volume.target = text_or_empty(spec["backupTargetName"]);
  const JsonValue status = object["status"];
  volume.last_backup_at = time_of(reader, status["lastBackupAt"]);
  volume.last_backup = text_or_empty(status["lastBackupName"]);
  status["messages"].for_each_member([&](std::string_view kind, JsonValue message) {
    if (volume.message.empty()) volume.message = std::string(kind) + ": " + words_or_empty(message);
  });
  return volume;
}

model::SystemBackup decode_system_backup(JsonReader& reader, JsonValue object) {
  model::SystemBackup backup;
  backup.meta = lean_meta(reader, object["metadata"]);
  backup.state = text_or_empty(object["status"]["state"]);
  backup.created = time_of(reader, object["status"]["createdAt"]);
  return backup;
}

std::string volume_of_snapshot(JsonValue object) { return text_or_empty(object["spec"]["volume"]); }

void add_snapshot(JsonReader& reader, JsonValue object, model::VolumeSnapshots& sum) {
  (void)reader;
  const JsonValue status = object["status"];
  ++sum.count;
  sum.bytes += integer_of(status["size"]).value_or(0);
  if (status["readyToUse"].boolean() != true) ++sum.not_ready;
  if (sum.error.empty()) sum.error = words_or_empty(status["error"]);
}

std::string volume_of_backup(JsonValue object) {
  // One that was just asked for has no status yet.
  const JsonValue told = object["status"]["volumeName"];
  const std::string volume = text_or_empty(told);
  return volume.empty() ? text_or_empty(object["metadata"]["labels"]["backup-volume"]) : volume;
}

void add_backup(JsonReader& reader, JsonValue object, model::VolumeBackups& sum) {
  const JsonValue status = object["status"];
  const std::string state = text_or_empty(status["state"]);
  const auto begun = time_of(reader, object["metadata"]["creationTimestamp"]);
  if (state == "Completed") {
    ++sum.completed;
    sum.newest = later(sum.newest, time_of(reader, status["backupCreatedAt"]));
  } else if (state == "Error") {
    ++sum.failed;
    const auto newest = later(sum.newest_failed, begun);
    if (newest != sum.newest_failed || sum.failed == 1) {
      sum.error = words_or_empty(status["error"]);
    }
    sum.newest_failed = newest;
  } else if (state.empty() || state == "New" || state == "Pending" || state == "InProgress") {
    ++sum.in_progress;
    if (begun && (!sum.oldest_in_progress || *begun < *sum.oldest_in_progress)) {
      sum.oldest_in_progress = begun;
    }
  }
}

}  // namespace keelwatch::sources
