#include "analysis/archive_use.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::ArchiveId;
using Place = Observed<ArchiveId>;

constexpr std::string_view kBarmanPlugin = "barman-cloud.cloudnative-pg.io";

struct Found {
  Place place;
  std::string retention_policy;
};

Place place_of(const model::BarmanStore& store, const std::string& server, WallTime at) {
  auto id = model::archive_at(store.endpoint_url, store.destination_path, server);
  if (id) return Place::known(std::move(*id), at);
  return Place::unknown(Error(ErrorCode::kUnsupported, "destination " + store.destination_path +
                                                           " is not in an S3 object store"),
                        "kubernetes");
}

Found find_store(const model::KubernetesSlice& kubernetes, const std::string& ns,
                 const model::ClusterPlugin& plugin, const std::string& default_server) {
  const auto& stores = kubernetes.object_stores;
  if (!stores.is_known()) return {Place::absent(stores.why()), ""};
  for (const auto& store : stores.known_value()) {
    if (store->meta.ns != ns || store->meta.name != plugin.object_store) continue;
    const std::string& server = !plugin.server_name.empty()         ? plugin.server_name
                                : !store->store.server_name.empty() ? store->store.server_name
                                                                    : default_server;
    return {place_of(store->store, server, stores.observed_at()), store->retention_policy};
  }
  return {Place::unknown(Error(ErrorCode::kNotFound,
                               "there is no ObjectStore " + ns + "/" + plugin.object_store),
                         "kubernetes"),
          ""};
}

std::optional<Found> find_archive(const model::KubernetesSlice& kubernetes,
                                  const model::Cluster& cluster, WallTime at) {
  // With several plugins the one that archives WAL counts; older versions mark none.
  const model::ClusterPlugin* chosen = nullptr;
  for (const model::ClusterPlugin& plugin : cluster.plugins) {
    if (!plugin.enabled || plugin.name != kBarmanPlugin) continue;
    if (chosen == nullptr || plugin.wal_archiver) chosen = &plugin;
  }
  if (chosen != nullptr) {
    return find_store(kubernetes, cluster.meta.ns, *chosen, cluster.meta.name);
  }
  const model::BackupSettings& backup = cluster.backup;
  if (backup.object_store != true) return std::nullopt;
  model::BarmanStore store;
  store.destination_path = backup.destination_path;
  store.endpoint_url = backup.endpoint_url;
  const std::string& server = backup.server_name.empty() ? cluster.meta.name : backup.server_name;
  return Found{place_of(store, server, at), backup.retention_policy};
}

std::optional<Found> find_origin(const model::KubernetesSlice& kubernetes,
                                 const model::Cluster& cluster, WallTime at) {
  if (!cluster.recovery) return std::nullopt;
  for (const model::ExternalCluster& external : cluster.external_clusters) {
    if (external.name != cluster.recovery->external_cluster) continue;
    if (external.plugin) {
      return find_store(kubernetes, cluster.meta.ns, *external.plugin, external.name);
    }
    if (!external.store) return std::nullopt;
    const std::string& server =
        external.store->server_name.empty() ? external.name : external.store->server_name;
    return Found{place_of(*external.store, server, at), ""};
  }
  return std::nullopt;
}

}  // namespace

std::vector<ArchiveUse> find_archive_uses(const model::World& world, ArchiveUseMemory& memory) {
  const model::KubernetesSlice& kubernetes = *world.kubernetes;
  const auto& clusters = kubernetes.clusters;
  if (!clusters.is_known()) {
    if (clusters.why().absence != Absence::kUnknown) memory.uses.clear();
    return memory.uses;
  }
  std::vector<ArchiveUse> uses;
  const auto add = [&](const model::Cluster& cluster, ArchivePurpose purpose,
                       std::optional<Found> found) {
    if (!found) return;
    ArchiveUse use{cluster.meta.ns, cluster.meta.name, purpose, std::move(found->place),
                   std::move(found->retention_policy)};
    const auto before = std::ranges::find_if(memory.uses, [&](const ArchiveUse& old) {
      return old.ns == use.ns && old.cluster == use.cluster && old.purpose == use.purpose;
    });
    // The stores are silent, not gone.
    const bool silent = !use.archive.is_known() && !kubernetes.object_stores.is_known() &&
                        kubernetes.object_stores.why().absence == Absence::kUnknown;
    if (silent && before != memory.uses.end()) use = *before;
    uses.push_back(std::move(use));
  };
  for (const auto& cluster : clusters.known_value()) {
    add(*cluster, ArchivePurpose::kArchive,
        find_archive(kubernetes, *cluster, clusters.observed_at()));
    add(*cluster, ArchivePurpose::kRestore,
        find_origin(kubernetes, *cluster, clusters.observed_at()));
  }
  std::ranges::sort(
      uses, {}, [](const ArchiveUse& use) { return std::tie(use.ns, use.cluster, use.purpose); });
  memory.uses = uses;
  return uses;
}

}  // namespace keelwatch::analysis
