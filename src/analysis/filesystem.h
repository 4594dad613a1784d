// Whose each file system is, and how full: what the kubelets say of claims is joined with the
// claims' labels (CNPG pkg/utils/labels_annotations.go: cnpg.io/cluster, cnpg.io/instanceName,
// cnpg.io/pvcRole). Every claim of a database is listed, also one of which nobody knows how full it
// is, with the reason. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct Filesystem {
  std::string ns;
  std::string cluster;
  std::string pod;    // the instance's; empty where a configured path does not name one
  std::string claim;  // either this,
  std::string path;   // or this
  std::string role;   // PG_DATA, PG_WAL, PG_TABLESPACE; empty: the claim does not say
  Observed<model::FilesystemUsage> usage;
};

// Whose claims are, and where they are mounted: this holds while the API is silent and the kubelets
// answer.
struct FilesystemMemory {
  struct Claim {
    std::string cluster;
    std::string pod;
    std::string role;
    std::string node;  // empty: no Pod mounts it
  };
  std::map<std::pair<std::string, std::string>, Claim> claims;  // by (namespace, name)
};

// Claims sorted by (namespace, name), then paths sorted by path.
[[nodiscard]] std::vector<Filesystem> find_filesystems(const model::World& world,
                                                       FilesystemMemory& memory);

}  // namespace keelwatch::analysis
