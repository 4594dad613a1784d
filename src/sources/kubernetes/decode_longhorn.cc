#include <algorithm>

#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kJob = "recurring-job.longhorn.io/";
constexpr std::string_view kJobGroup = "recurring-job-group.longhorn.io/";

// The newer name of a field, or its older one (before 1.6: engineImage, backendStoreDriver).
std::string either(JsonValue object, const char* name, const char* older) {
  const JsonValue value = object[name];
  return text_or_empty(value.present() ? value : object[older]);
}

model::KubernetesUse use_of(JsonReader& reader, JsonValue status) {
  model::KubernetesUse use;
  use.pv = text_or_empty(status["pvName"]);
  use.pv_status = text_or_empty(status["pvStatus"]);
  use.claim_namespace = text_or_empty(status["namespace"]);
  use.claim = text_or_empty(status["pvcName"]);
  use.last_claim_ref = time_of(reader, status["lastPVCRefAt"]);
  use.last_pod_ref = time_of(reader, status["lastPodRefAt"]);
  status["workloadsStatus"].for_each([&](JsonValue workload) {
    use.workloads.push_back(
        {text_or_empty(workload["podName"]), text_or_empty(workload["podStatus"]),
         text_or_empty(workload["workloadName"]), text_or_empty(workload["workloadType"])});
  });
  return use;
}

void read_jobs(JsonValue labels, model::LonghornVolume& volume) {
  labels.for_each_member([&](std::string_view key, JsonValue value) {
    if (value.string() != "enabled") return;
    if (key.starts_with(kJob)) volume.jobs.emplace_back(key.substr(kJob.size()));
    if (key.starts_with(kJobGroup)) volume.job_groups.emplace_back(key.substr(kJobGroup.size()));
  });
  std::ranges::sort(volume.jobs);
  std::ranges::sort(volume.job_groups);
}

void read_spec(JsonValue spec, model::LonghornVolume& volume) {
  volume.size_bytes = integer_of(spec["size"]);
  volume.replicas_desired = spec["numberOfReplicas"].integer();
  volume.data_locality = text_or_empty(spec["dataLocality"]);
  volume.data_engine = either(spec, "dataEngine", "backendStoreDriver");
  volume.access_mode = text_or_empty(spec["accessMode"]);
  volume.node = text_or_empty(spec["nodeID"]);
  volume.migration_node = text_or_empty(spec["migrationNodeID"]);
  volume.image = either(spec, "image", "engineImage");
  const JsonValue layout = spec["dataLayout"];
  volume.layout = text_or_empty(layout["type"]);
  volume.data_chunks = layout["dataChunks"].integer();
  volume.parity_chunks = layout["parityChunks"].integer();
  volume.standby = spec["Standby"].boolean().value_or(false);
  volume.stale_replica_minutes = spec["staleReplicaTimeout"].integer();
  volume.snapshot_max_count = spec["snapshotMaxCount"].integer();
}

void read_conditions(JsonReader& reader, JsonValue status, model::LonghornVolume& volume) {
  const JsonValue scheduled = find_condition(status, "Scheduled");
  volume.scheduled = condition_status(scheduled);
  volume.scheduling_reason = text_or_empty(scheduled["reason"]);
  volume.scheduling_message = words_or_empty(scheduled["message"]);
  volume.scheduled_since = time_of(reader, scheduled["lastTransitionTime"]);
  volume.too_many_snapshots = condition_status(find_condition(status, "TooManySnapshots"));
  volume.restore_reason = text_or_empty(find_condition(status, "Restore")["reason"]);
}

void read_sizes(JsonValue snapshots, model::LonghornEngine& engine) {
  if (!snapshots.present()) return;
  engine.snapshots = engine.snapshots_removed = engine.snapshot_bytes = 0;
  snapshots.for_each_member([&](std::string_view name, JsonValue snapshot) {
    const std::int64_t bytes = integer_of(snapshot["size"]).value_or(0);
    if (name == "volume-head") {
      engine.head_bytes = bytes;
      return;
    }
    ++*engine.snapshots;
    *engine.snapshot_bytes += bytes;
    if (snapshot["removed"].boolean() == true) ++*engine.snapshots_removed;
  });
}

// currentReplicaAddressMap has "10.42.0.7:10020", the keys of rebuildStatus have tcp:// before it.
std::string replica_at(std::string_view address, JsonValue address_map) {
  if (const auto scheme = address.find("://"); scheme != std::string_view::npos) {
    address.remove_prefix(scheme + 3);
  }
  std::string found;
  address_map.for_each_member([&](std::string_view replica, JsonValue at) {
    if (at.string() == address) found = replica;
  });
  return found;
}

void read_rebuilds(JsonValue status, model::LonghornEngine& engine) {
  status["rebuildStatus"].for_each_member([&](std::string_view address, JsonValue rebuild) {
    engine.rebuilds.push_back({.replica = replica_at(address, status["currentReplicaAddressMap"]),
                               .address = std::string(address),
                               .running = rebuild["isRebuilding"].boolean().value_or(false),
                               .progress = rebuild["progress"].integer(),
                               .state = text_or_empty(rebuild["state"]),
                               .error = words_or_empty(rebuild["error"])});
  });
}

model::LonghornDisk& disk_of(model::LonghornNode& node, std::string_view name) {
  const auto at = std::ranges::lower_bound(node.disks, name, {}, &model::LonghornDisk::name);
  if (at != node.disks.end() && at->name == name) return *at;
  model::LonghornDisk disk;
  disk.name = name;
  return *node.disks.insert(at, std::move(disk));
}

void read_disk_status(JsonReader& reader, JsonValue status, model::LonghornDisk& disk) {
  disk.uuid = text_or_empty(status["diskUUID"]);
  disk.available_bytes = integer_of(status["storageAvailable"]);
  disk.scheduled_bytes = integer_of(status["storageScheduled"]);
  disk.maximum_bytes = integer_of(status["storageMaximum"]);
  disk.conditions = conditions_of(reader, status);
  status["healthData"].for_each_member([&](std::string_view device, JsonValue data) {
    disk.health.emplace(device, text_or_empty(data["healthStatus"]));
  });
}

model::AttachmentTicket& ticket_of(model::VolumeAttachment& attachment, std::string_view id) {
  const auto at =
      std::ranges::lower_bound(attachment.tickets, id, {}, &model::AttachmentTicket::id);
  if (at != attachment.tickets.end() && at->id == id) return *at;
  model::AttachmentTicket ticket;
  ticket.id = id;
  return *attachment.tickets.insert(at, std::move(ticket));
}

}  // namespace

model::LonghornVolume decode_longhorn_volume(JsonReader& reader, JsonValue object) {
  model::LonghornVolume volume;
  volume.meta = lean_meta(reader, object["metadata"]);
  read_jobs(object["metadata"]["labels"], volume);
  read_spec(object["spec"], volume);
  const JsonValue status = object["status"];
  volume.state = text_or_empty(status["state"]);
  volume.robustness = text_or_empty(status["robustness"]);
  volume.current_node = text_or_empty(status["currentNodeID"]);
  volume.current_image = text_or_empty(status["currentImage"]);
  volume.actual_size_bytes = integer_of(status["actualSize"]);
  volume.last_degraded = time_of(reader, status["lastDegradedAt"]);
  volume.last_auto_salvaged = time_of(reader, status["lastAutoSalvagedAt"]);
  volume.last_backup = text_or_empty(status["lastBackup"]);
  volume.last_backup_at = time_of(reader, status["lastBackupAt"]);
  volume.expansion_required = status["expansionRequired"].boolean().value_or(false);
  volume.restore_required = status["restoreRequired"].boolean().value_or(false);
  volume.standby = volume.standby || status["isStandby"].boolean().value_or(false);
  volume.use = use_of(reader, status["kubernetesStatus"]);
  read_conditions(reader, status, volume);
  return volume;
}

model::LonghornEngine decode_longhorn_engine(JsonReader& reader, JsonValue object) {
  model::LonghornEngine engine;
  engine.meta = lean_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  engine.volume = text_or_empty(spec["volumeName"]);
  engine.active = spec["active"].boolean().value_or(false);
  engine.node = text_or_empty(spec["nodeID"]);
  const JsonValue status = object["status"];
  engine.state = text_or_empty(status["currentState"]);
  engine.image = text_or_empty(status["currentImage"]);
  engine.instance_manager = text_or_empty(status["instanceManagerName"]);
  status["replicaModeMap"].for_each_member([&](std::string_view replica, JsonValue mode) {
    engine.modes.emplace(replica, text_or_empty(mode));
  });
  read_rebuilds(status, engine);
  read_sizes(status["snapshots"], engine);
  engine.snapshots_error = words_or_empty(status["snapshotsError"]);
  status["purgeStatus"].for_each_member([&](std::string_view, JsonValue purge) {
    engine.purging = engine.purging || purge["isPurging"].boolean() == true;
    if (engine.purge_error.empty()) engine.purge_error = words_or_empty(purge["error"]);
  });
  engine.current_size_bytes = integer_of(status["currentSize"]);
  engine.expanding = status["isExpanding"].boolean().value_or(false);
  engine.expansion_error = words_or_empty(status["lastExpansionError"]);
  engine.expansion_failed_at = time_of(reader, status["lastExpansionFailedAt"]);
  const JsonValue read_only = find_condition(status, "FilesystemReadOnly");
  engine.filesystem_read_only = condition_status(read_only);
  engine.filesystem_read_only_since = time_of(reader, read_only["lastTransitionTime"]);
  return engine;
}

model::VolumeReplica decode_volume_replica(JsonReader& reader, JsonValue object) {
  model::VolumeReplica replica;
  replica.meta = lean_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  replica.volume = text_or_empty(spec["volumeName"]);
  replica.node = text_or_empty(spec["nodeID"]);
  replica.disk_id = text_or_empty(spec["diskID"]);
  replica.active = spec["active"].boolean().value_or(false);
  replica.eviction_requested = spec["evictionRequested"].boolean().value_or(false);
  replica.healthy_at = time_of(reader, spec["healthyAt"]);
  replica.failed_at = time_of(reader, spec["failedAt"]);
  replica.last_healthy_at = time_of(reader, spec["lastHealthyAt"]);
  replica.last_failed_at = time_of(reader, spec["lastFailedAt"]);
  replica.rebuild_retries = spec["rebuildRetryCount"].integer();
  const JsonValue status = object["status"];
  replica.state = text_or_empty(status["currentState"]);
  const JsonValue failed = find_condition(status, "RebuildFailed");
  if (condition_status(failed) == true) replica.rebuild_failed = text_or_empty(failed["reason"]);
  return replica;
}

model::LonghornNode decode_longhorn_node(JsonReader& reader, JsonValue object) {
  model::LonghornNode node;
  node.meta = lean_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  node.allow_scheduling = spec["allowScheduling"].boolean();
  node.eviction_requested = spec["evictionRequested"].boolean().value_or(false);
  spec["disks"].for_each_member([&](std::string_view name, JsonValue wanted) {
    model::LonghornDisk& disk = disk_of(node, name);
    disk.listed = true;
    disk.path = text_or_empty(wanted["path"]);
    disk.allow_scheduling = wanted["allowScheduling"].boolean();
    disk.eviction_requested = wanted["evictionRequested"].boolean().value_or(false);
    disk.reserved_bytes = integer_of(wanted["storageReserved"]);
  });
  const JsonValue status = object["status"];
  node.zone = text_or_empty(status["zone"]);
  node.conditions = conditions_of(reader, status);
  status["diskStatus"].for_each_member([&](std::string_view name, JsonValue disk) {
    read_disk_status(reader, disk, disk_of(node, name));
  });
  return node;
}

model::InstanceManager decode_instance_manager(JsonReader& reader, JsonValue object) {
  model::InstanceManager manager;
  manager.meta = lean_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  manager.node = text_or_empty(spec["nodeID"]);
  manager.type = text_or_empty(spec["type"]);
  manager.data_engine = text_or_empty(spec["dataEngine"]);
  manager.image = text_or_empty(spec["image"]);
  manager.state = text_or_empty(object["status"]["currentState"]);
  return manager;
}

model::VolumeAttachment decode_volume_attachment(JsonReader& reader, JsonValue object) {
  model::VolumeAttachment attachment;
  attachment.meta = lean_meta(reader, object["metadata"]);
  attachment.volume = text_or_empty(object["spec"]["volume"]);
  object["spec"]["attachmentTickets"].for_each_member([&](std::string_view id, JsonValue wanted) {
    model::AttachmentTicket& ticket = ticket_of(attachment, id);
    ticket.type = text_or_empty(wanted["type"]);
    ticket.node = text_or_empty(wanted["nodeID"]);
  });
  object["status"]["attachmentTicketStatuses"].for_each_member(
      [&](std::string_view id, JsonValue status) {
        model::AttachmentTicket& ticket = ticket_of(attachment, id);
        ticket.satisfied = status["satisfied"].boolean();
        const JsonValue satisfied = find_condition(status, "Satisfied");
        ticket.reason = text_or_empty(satisfied["reason"]);
        ticket.message = words_or_empty(satisfied["message"]);
        ticket.since = time_of(reader, satisfied["lastTransitionTime"]);
      });
  return attachment;
}

model::EngineImage decode_engine_image(JsonReader& reader, JsonValue object) {
  model::EngineImage image;
  image.meta = lean_meta(reader, object["metadata"]);
  image.image = text_or_empty(object["spec"]["image"]);
  image.state = text_or_empty(object["status"]["state"]);
  object["status"]["nodeDeploymentMap"].for_each_member(
      [&](std::string_view node, JsonValue deployed) {
        if (deployed.boolean() != true) image.nodes_missing.emplace_back(node);
      });
  std::ranges::sort(image.nodes_missing);
  return image;
}

}  // namespace keelwatch::sources
