// Who keeps its backups where: which Clusters archive to which place of which object store, and
// which were made from one (CNPG api/v1 cluster_types.go: spec.backup.barmanObjectStore,
// spec.plugins with their ObjectStore, spec.bootstrap.recovery with its external cluster). Pure.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "base/observed.h"
#include "model/archive.h"
#include "model/world.h"

namespace keelwatch::analysis {

enum class ArchivePurpose {
  kArchive,  // its WAL goes there
  kRestore,  // it was restored from there
};

struct ArchiveUse {
  std::string ns;
  std::string cluster;
  ArchivePurpose purpose = ArchivePurpose::kArchive;
  // Unknown: its ObjectStore is not there, or cannot be read.
  Observed<model::ArchiveId> archive;
  std::string retention_policy;  // 30d; empty: none
};

struct ArchiveUseMemory {
  std::vector<ArchiveUse> uses;  // while the API is silent
};

// Sorted by (namespace, cluster, purpose). A Cluster without any is in none of them.
[[nodiscard]] std::vector<ArchiveUse> find_archive_uses(const model::World& world,
                                                        ArchiveUseMemory& memory);

}  // namespace keelwatch::analysis
