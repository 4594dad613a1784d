// Makes worlds with Longhorn for tests: three nodes, and database db/pg of two instances, each with
// one volume of two copies, attached where its Pod runs. A test changes what is to be different.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/world.h"
#include "tests/support/world_builder.h"

namespace keelwatch::testing {

struct StorageScene {
  std::vector<model::Pod> pods;
  std::vector<model::PersistentVolumeClaim> claims;
  std::vector<model::PersistentVolume> persistent_volumes;
  std::vector<model::Node> machines;
  std::vector<model::LonghornVolume> volumes;
  std::vector<model::LonghornEngine> engines;
  std::vector<model::VolumeReplica> replicas;
  std::vector<model::LonghornNode> nodes;
  std::vector<model::VolumeAttachment> attachments;
  std::vector<model::LonghornSetting> settings;
  std::vector<model::VolumeSnapshots> snapshots;
  std::vector<model::VolumeBackups> backups;
  std::vector<model::BackupTarget> backup_targets;

  [[nodiscard]] model::KubernetesSlice slice(WallTime at = kNow) const;
  [[nodiscard]] model::World world(WallTime at = kNow) const;
};

template <typename T>
Observed<model::ObjectList<T>> all_of(const std::vector<T>& objects, WallTime at) {
  model::ObjectList<T> list;
  for (const T& object : objects) list.push_back(std::make_shared<const T>(object));
  return Observed<model::ObjectList<T>>::known(std::move(list), at);
}

model::VolumeReplica replica_on(const std::string& volume, const std::string& node,
                                const std::string& name);
void add_storage_node(StorageScene& scene, const std::string& name);
// A volume of Longhorn's that instance `pod` of db/pg mounts on the first of `nodes`, with a copy
// on each of them.
void add_volume(StorageScene& scene, const std::string& pod, const std::vector<std::string>& nodes);

StorageScene storage_scene();

}  // namespace keelwatch::testing
