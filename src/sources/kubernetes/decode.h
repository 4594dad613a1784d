// From Kubernetes objects as JSON to the facts of model/kubernetes.h: one decoder per kind, one
// file per API group. A decoder reads what it needs and skips the rest (managedFields, most of
// spec).
//
// Leniency: a missing field or null is absent, never an error, because operators old and new omit
// fields. A field of a wrong type is a complaint of the reader; the decoder's caller takes it and
// must not use the object then (see TypedStore, which decides what stands in its place).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "model/kubernetes.h"

namespace keelwatch::sources {

// What every object has; enough to find it again when the rest cannot be decoded.
struct ObjectIdentity {
  std::string ns;  // empty for cluster-scoped objects
  std::string name;
  std::string resource_version;
};
// kMalformed: metadata.name or metadata.resourceVersion is missing, or one is not a string.
[[nodiscard]] Result<ObjectIdentity> decode_identity(JsonReader& reader, JsonValue object);

[[nodiscard]] model::ObjectMeta decode_meta(JsonReader& reader, JsonValue metadata);

// postgresql.cnpg.io/v1 (decode_cnpg.cc)
[[nodiscard]] model::Cluster decode_cluster(JsonReader& reader, JsonValue object);
[[nodiscard]] model::Pooler decode_pooler(JsonReader& reader, JsonValue object);
[[nodiscard]] model::Database decode_database(JsonReader& reader, JsonValue object);

// postgresql.cnpg.io/v1, barmancloud.cnpg.io/v1 and snapshot.storage.k8s.io/v1 (decode_backup.cc)
[[nodiscard]] model::ScheduledBackup decode_scheduled_backup(JsonReader& reader, JsonValue object);
[[nodiscard]] model::Backup decode_backup(JsonReader& reader, JsonValue object);
[[nodiscard]] model::ObjectStore decode_object_store(JsonReader& reader, JsonValue object);
[[nodiscard]] model::VolumeSnapshot decode_volume_snapshot(JsonReader& reader, JsonValue object);
[[nodiscard]] model::VolumeSnapshotContent decode_volume_snapshot_content(JsonReader& reader,
                                                                          JsonValue object);

// core/v1 (decode_core.cc)
[[nodiscard]] model::Pod decode_pod(JsonReader& reader, JsonValue object);
[[nodiscard]] model::Service decode_service(JsonReader& reader, JsonValue object);
[[nodiscard]] model::PersistentVolumeClaim decode_claim(JsonReader& reader, JsonValue object);
[[nodiscard]] model::PersistentVolume decode_volume(JsonReader& reader, JsonValue object);
[[nodiscard]] model::Node decode_node(JsonReader& reader, JsonValue object);

// discovery.k8s.io/v1 (decode_discovery.cc)
[[nodiscard]] model::EndpointSlice decode_endpoint_slice(JsonReader& reader, JsonValue object);

// coordination.k8s.io/v1 (decode_coordination.cc)
[[nodiscard]] model::Lease decode_lease(JsonReader& reader, JsonValue object);

// apps/v1 (decode_apps.cc)
[[nodiscard]] model::Deployment decode_deployment(JsonReader& reader, JsonValue object);

// storage.k8s.io/v1 (decode_core.cc)
[[nodiscard]] model::StorageClass decode_storage_class(JsonReader& reader, JsonValue object);

// monitoring.coreos.com/v1 (decode_monitoring.cc)
[[nodiscard]] model::PrometheusRule decode_prometheus_rule(JsonReader& reader, JsonValue object);

// longhorn.io/v1beta2 (decode_longhorn.cc, decode_longhorn_backup.cc)
[[nodiscard]] model::LonghornVolume decode_longhorn_volume(JsonReader& reader, JsonValue object);
[[nodiscard]] model::LonghornEngine decode_longhorn_engine(JsonReader& reader, JsonValue object);
[[nodiscard]] model::VolumeReplica decode_volume_replica(JsonReader& reader, JsonValue object);
[[nodiscard]] model::LonghornNode decode_longhorn_node(JsonReader& reader, JsonValue object);
[[nodiscard]] model::InstanceManager decode_instance_manager(JsonReader& reader, JsonValue object);
[[nodiscard]] model::VolumeAttachment decode_volume_attachment(JsonReader& reader,
                                                               JsonValue object);
[[nodiscard]] model::EngineImage decode_engine_image(JsonReader& reader, JsonValue object);
[[nodiscard]] model::LonghornSetting decode_longhorn_setting(JsonReader& reader, JsonValue object);
[[nodiscard]] model::BackupTarget decode_backup_target(JsonReader& reader, JsonValue object);
[[nodiscard]] model::BackupVolume decode_backup_volume(JsonReader& reader, JsonValue object);
[[nodiscard]] model::RecurringJob decode_recurring_job(JsonReader& reader, JsonValue object);
[[nodiscard]] model::SystemBackup decode_system_backup(JsonReader& reader, JsonValue object);
// The volume that a Snapshot or Backup is of, and what it adds to that volume's sum.
[[nodiscard]] std::string volume_of_snapshot(JsonValue object);
void add_snapshot(JsonReader& reader, JsonValue object, model::VolumeSnapshots& sum);
[[nodiscard]] std::string volume_of_backup(JsonValue object);
void add_backup(JsonReader& reader, JsonValue object, model::VolumeBackups& sum);
// Whether anything is made of a setting.
[[nodiscard]] bool is_used(const model::LonghornSetting& setting);

// Shared by the decoders.
[[nodiscard]] std::string text_or_empty(JsonValue value);
// Words for people: cut after kMaxWords bytes, between two characters.
inline constexpr std::size_t kMaxWords = 1024;
[[nodiscard]] std::string words_or_empty(JsonValue value);
[[nodiscard]] std::vector<std::string> texts_of(JsonValue list);
// "https://user:password@host/path" without what must not be published.
[[nodiscard]] std::string without_login(std::string url);
// A barmanObjectStore (decode_backup.cc).
[[nodiscard]] model::BarmanStore barman_store_of(JsonValue store);
// The meta of a kind that there may be tens of thousands of: without uid, labels and annotations.
[[nodiscard]] model::ObjectMeta lean_meta(JsonReader& reader, JsonValue metadata);
// A number, or a text that is one; "" and absent are nullopt, another text a complaint.
[[nodiscard]] std::optional<std::int64_t> integer_of(JsonValue value);
// The condition of that type in status.conditions; absent if there is none.
[[nodiscard]] JsonValue find_condition(JsonValue status, std::string_view type);
// "True" is true; "False" and "Unknown" are false; no condition is nullopt.
[[nodiscard]] std::optional<bool> condition_status(JsonValue condition);
// Of a `status`.
[[nodiscard]] std::vector<model::Condition> conditions_of(JsonReader& reader, JsonValue status);
// RFC 3339; absent or "" is nullopt, another text a complaint.
[[nodiscard]] std::optional<WallTime> time_of(JsonReader& reader, JsonValue value);
// A resource quantity (apimachinery pkg/api/resource/quantity.go: "10Gi", "1.5T", "100m", "1e3"),
// rounded up to a whole number; absent is nullopt, another text a complaint.
[[nodiscard]] std::optional<std::int64_t> quantity_of(JsonReader& reader, JsonValue value);
[[nodiscard]] std::optional<std::int64_t> parse_quantity(std::string_view text);

}  // namespace keelwatch::sources
