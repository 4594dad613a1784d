// Which volume belongs to whom, and where it lies: the join Pod → PersistentVolumeClaim →
// PersistentVolume → Longhorn's Volume → Replicas → Node. The way from a PersistentVolume to the
// Volume is spec.csi.volumeHandle; its name may be another one (longhorn/longhorn#3521). Longhorn's
// own copy of all this (Volume.status.kubernetesStatus) outlives claims and Pods and is not used.
// Volumes of other storage classes are in the list, too, with the nodes that their PersistentVolume
// is bound to. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

// What Longhorn has about one volume.
struct LonghornObjects {
  std::shared_ptr<const model::LonghornVolume> volume;
  model::ObjectList<model::LonghornEngine> engines;
  // Of those that could not be decoded, too: they have a name only.
  model::ObjectList<model::VolumeReplica> replicas;

  // The one that the volume's reads and writes go through: during a live migration there are two.
  // Null: none is active.
  [[nodiscard]] const model::LonghornEngine* engine() const;
};

struct PlacedVolume {
  // Who it is, all of which stays while it lives. Empty: it has none, or nothing like it.
  std::string volume;  // Longhorn's Volume; of another storage class, the PersistentVolume
  std::string ns;      // of the claim
  std::string claim;
  std::string cluster;  // CNPG's labels on the claim (pkg/utils/labels_annotations.go)
  std::string pod;      // the instance; empty for volumes of other workloads, whose Pods change
  std::string role;     // PG_DATA, PG_WAL, PG_TABLESPACE

  std::string persistent_volume;
  std::string storage_class;
  bool longhorn = false;
  // The nodes that the PersistentVolume's node affinity names; empty: it can go everywhere.
  std::vector<std::string> bound_to;
  // The Pods that mount the claim and have not ended.
  Observed<model::ObjectList<model::Pod>> users;
  // Not installed for a volume that is not Longhorn's. Unknown also where the Volume is not to be
  // found but may be: Longhorn's namespace is not among those that are read.
  Observed<LonghornObjects> objects;
  bool missing = false;  // a PersistentVolume of Longhorn's without its Volume

  [[nodiscard]] bool of_database() const { return !cluster.empty(); }
};

struct VolumeJoin {
  // Sorted by (namespace, claim, volume): every claim that has a volume, then every Volume of
  // Longhorn's that no PersistentVolume leads to.
  std::vector<PlacedVolume> volumes;
  // Set while claims or PersistentVolumes are not known: the list is the last one then.
  std::optional<Why> stale;
};

// Who the volumes are holds while the API is silent.
struct VolumesMemory {
  std::vector<PlacedVolume> volumes;
};

[[nodiscard]] VolumeJoin find_volumes(const model::World& world, VolumesMemory& memory);

}  // namespace keelwatch::analysis
