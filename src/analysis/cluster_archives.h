// Whose archive is which, from step to step: what the objects say (model/archive_place.h), also of
// a Cluster that archives no more; what the configuration says of servers that no object names; and
// how long their backups are to be kept.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "base/observed.h"
#include "config/config.h"
#include "model/archive_place.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct ClusterArchive {
  std::string ns;
  std::string cluster;
  model::ArchiveUse use = model::ArchiveUse::kOwn;
  // Unknown: its ObjectStore is not there, or cannot be read, or is of a kind that is not read.
  Observed<model::ArchiveId> archive;
  std::string retention_policy;  // 30d; empty: none
};

struct ClusterArchiveMemory {
  std::vector<ClusterArchive> archives;  // hold while the API is silent
};

// Sorted by (namespace, cluster, use), each once.
[[nodiscard]] std::vector<ClusterArchive> find_cluster_archives(const model::World& world,
                                                                const config::Config& config,
                                                                ClusterArchiveMemory& memory);

}  // namespace keelwatch::analysis
