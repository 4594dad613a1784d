// How full the filesystems under the databases are: neither SQL nor the storage system tells this.
// Kubernetes' kubelet knows it of each mounted claim, the kernel of a path on this machine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/observed.h"
#include "model/fields.h"
#include "model/source_report.h"

namespace keelwatch::model {

// Bytes and inodes. Available is what an unprivileged process may still use. A filesystem without a
// fixed number of inodes (btrfs) reports none.
struct FilesystemUsage {
  std::int64_t size_bytes = 0;
  std::int64_t available_bytes = 0;
  std::optional<std::int64_t> inodes;
  std::optional<std::int64_t> inodes_free;

  template <typename With>
  static auto fields(With&& with) {
    using F = FilesystemUsage;
    return with(field("sizeBytes", &F::size_bytes), field("availableBytes", &F::available_bytes),
                field("inodes", &F::inodes), field("inodesFree", &F::inodes_free));
  }
};

// A claim that a Pod on the node mounts (kubelet_volume_stats_*).
struct ClaimUsage {
  std::string ns;
  std::string claim;
  FilesystemUsage usage;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("namespace", &ClaimUsage::ns), field("claim", &ClaimUsage::claim),
                field("usage", &ClaimUsage::usage));
  }
};

struct NodeFilesystems {
  std::string node;
  Observed<std::vector<ClaimUsage>> claims;  // sorted by (namespace, claim)

  template <typename With>
  static auto fields(With&& with) {
    return with(field("node", &NodeFilesystems::node), field("claims", &NodeFilesystems::claims));
  }
};

// A path of the configuration (statvfs on this machine), and whose it is.
struct PathFilesystem {
  std::string path;
  std::string ns;
  std::string cluster;
  std::string pod;
  std::string role;  // PG_DATA, PG_WAL, PG_TABLESPACE
  Observed<FilesystemUsage> usage;

  template <typename With>
  static auto fields(With&& with) {
    using P = PathFilesystem;
    return with(field("path", &P::path), field("namespace", &P::ns), field("cluster", &P::cluster),
                field("pod", &P::pod), field("role", &P::role), field("usage", &P::usage));
  }
};

// What the filesystem source publishes.
struct FilesystemSlice {
  std::vector<std::shared_ptr<const NodeFilesystems>> nodes;  // sorted by node
  std::vector<std::shared_ptr<const PathFilesystem>> paths;   // sorted by path
  std::vector<SourceReport> reports;                          // target = node, or path

  template <typename With>
  static auto fields(With&& with) {
    return with(field("nodes", &FilesystemSlice::nodes), field("paths", &FilesystemSlice::paths),
                field("reports", &FilesystemSlice::reports));
  }
};

}  // namespace keelwatch::model
