// Where the archives of Clusters are, by what their objects and the ObjectStores say. Both
// discovery and the analyses ask here, so that they agree on which archive is whose.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/archive.h"
#include "model/kubernetes.h"

namespace keelwatch::model {

// The plugin whose ObjectStores are understood (plugin-barman-cloud internal/cnpgi/metadata).
inline constexpr std::string_view kBarmanPlugin = "barman-cloud.cloudnative-pg.io";

// What a Cluster has to do with an archive.
enum class ArchiveUse {
  kOwn,     // its backups and WAL go there
  kSource,  // it was recovered from it, or replays from it as a replica cluster
};

struct ArchivePlace {
  std::string ns;       // of the Cluster; of the ObjectStore where no Cluster names the server
  std::string cluster;  // empty: the ObjectStore's status alone names the server
  ArchiveUse use = ArchiveUse::kOwn;
  // kUnsupported: an object store that is not read (Azure, Google); kNotFound: the ObjectStore that
  // is named does not exist; kUnavailable: nobody knows, the API does not tell the ObjectStores or
  // Backups; kMalformed: the destination is none.
  Result<ArchiveId> id;
  std::string destination;  // as it is written, for people; empty while nobody knows it
  std::string endpoint;     // as it is written
  std::string server;
  std::string credentials;  // as BarmanStore's
};

// "s3://bucket/folder/" at "https://host/" (empty: AWS's own) and barman's server name. Schemes and
// hosts in small letters, no slashes at the ends. Errors: kUnsupported, kMalformed.
[[nodiscard]] Result<ArchiveId> archive_id(std::string_view destination, std::string_view endpoint,
                                           std::string_view server);
// "HTTPS://Host/" is "https://host".
[[nodiscard]] std::string normalized_endpoint(std::string_view endpoint);

// The archives of one Cluster: that of spec.backup.barmanObjectStore, those of enabled plugins, and
// those that bootstrap.recovery and replica.source name.
[[nodiscard]] std::vector<ArchivePlace> archives_of(const Cluster& cluster,
                                                    const KubernetesSlice& kubernetes);

// Those of all Clusters, then those that an ObjectStore's status names and no Cluster does: what is
// left of clusters that are gone, renamed, or no longer archive. Empty while Clusters are unknown.
[[nodiscard]] std::vector<ArchivePlace> all_archives(const KubernetesSlice& kubernetes);

}  // namespace keelwatch::model
