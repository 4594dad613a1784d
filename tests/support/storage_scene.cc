#include "tests/support/storage_scene.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "model/assemble.h"

namespace keelwatch::testing {

model::KubernetesSlice StorageScene::slice(WallTime at) const {
  model::KubernetesSlice k = kubernetes_slice({}, at);
  k.pods = all_of(pods, at);
  k.claims = all_of(claims, at);
  k.volumes = all_of(persistent_volumes, at);
  k.nodes = all_of(machines, at);
  k.longhorn_volumes = all_of(volumes, at);
  k.longhorn_engines = all_of(engines, at);
  k.longhorn_replicas = all_of(replicas, at);
  k.longhorn_nodes = all_of(nodes, at);
  k.longhorn_attachments = all_of(attachments, at);
  k.longhorn_settings = all_of(settings, at);
  k.longhorn_snapshots = all_of(snapshots, at);
  k.longhorn_backups = all_of(backups, at);
  k.longhorn_backup_targets = all_of(backup_targets, at);
  return k;
}

model::World StorageScene::world(WallTime at) const {
  return model::assemble(slices({}, slice(at)), model::Freshness{}, at);
}

model::VolumeReplica replica_on(const std::string& volume, const std::string& node,
                                const std::string& name) {
  model::VolumeReplica replica;
  replica.meta.name = volume + "-r-" + name;
  replica.volume = volume;
  replica.node = node;
  replica.disk_id = node.empty() ? "" : "disk-of-" + node;
  replica.active = true;
  replica.state = "running";
  replica.healthy_at = kNow - std::chrono::hours(24);
  replica.last_healthy_at = replica.healthy_at;
  return replica;
}

void add_storage_node(StorageScene& scene, const std::string& name) {
  model::Node machine;
  machine.meta.name = name;
  machine.ready = true;
  scene.machines.push_back(machine);
  model::LonghornNode node;
  node.meta.name = name;
  node.allow_scheduling = true;
  node.conditions = {{"Ready", "True", "", "", {}}, {"Schedulable", "True", "", "", {}}};
  model::LonghornDisk disk;
  disk.name = "default";
  disk.uuid = "disk-of-" + name;
  disk.listed = true;
  disk.reserved_bytes = 20;
  disk.maximum_bytes = 120;
  disk.available_bytes = 80;
  disk.scheduled_bytes = 60;
  disk.conditions = {{"Ready", "True", "", "", {}}, {"Schedulable", "True", "", "", {}}};
  node.disks = {disk};
  scene.nodes.push_back(node);
}

void add_volume(StorageScene& scene, const std::string& pod,
                const std::vector<std::string>& nodes) {
  const std::string name = "vol-" + pod;
  model::PersistentVolumeClaim claim;
  claim.meta.ns = "db";
  claim.meta.name = pod;
  claim.meta.labels = {
      {"cnpg.io/cluster", "pg"}, {"cnpg.io/instanceName", pod}, {"cnpg.io/pvcRole", "PG_DATA"}};
  claim.volume_name = "pv-" + pod;
  scene.claims.push_back(claim);
  model::PersistentVolume pv;
  pv.meta.name = "pv-" + pod;
  pv.csi_driver = "driver.longhorn.io";
  pv.volume_handle = name;
  scene.persistent_volumes.push_back(pv);
  model::Pod mounting;
  mounting.meta.ns = "db";
  mounting.meta.name = pod;
  mounting.node = nodes.front();
  mounting.phase = "Running";
  mounting.claims = {pod};
  scene.pods.push_back(mounting);

  model::LonghornVolume volume;
  volume.meta.name = name;
  volume.size_bytes = 1000;
  volume.actual_size_bytes = 500;
  volume.replicas_desired = static_cast<std::int64_t>(nodes.size());
  volume.data_locality = "best-effort";
  volume.data_engine = "v1";
  volume.node = volume.current_node = nodes.front();
  volume.state = "attached";
  volume.robustness = "healthy";
  volume.scheduled = true;
  scene.volumes.push_back(volume);
  model::LonghornEngine engine;
  engine.meta.name = name + "-e-0";
  engine.volume = name;
  engine.active = true;
  engine.node = nodes.front();
  engine.state = "running";
  engine.image = "engine:1";
  engine.snapshots = 2;
  engine.snapshot_bytes = 100;
  for (const std::string& node : nodes) {
    scene.replicas.push_back(replica_on(name, node, node));
    engine.modes[scene.replicas.back().meta.name] = "RW";
  }
  scene.engines.push_back(engine);
  model::VolumeAttachment attachment;
  attachment.meta.name = attachment.volume = name;
  attachment.tickets = {{"csi-1", "csi-attacher", nodes.front(), true, "", "", {}}};
  scene.attachments.push_back(attachment);
}

StorageScene storage_scene() {
  StorageScene scene;
  for (const char* node : {"n1", "n2", "n3"}) add_storage_node(scene, node);
  add_volume(scene, "pg-1", {"n1", "n2"});
  add_volume(scene, "pg-2", {"n2", "n3"});
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"default-engine-image", "engine:1"},
           {"snapshot-max-count", "250"},
           {"storage-over-provisioning-percentage", "200"}}) {
    model::LonghornSetting setting;
    setting.meta.name = name;
    setting.value = value;
    scene.settings.push_back(setting);
  }
  return scene;
}

}  // namespace keelwatch::testing
