#include "analysis/cluster_archives.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::ArchiveId;
using model::ArchivePlace;
using model::ArchiveUse;

std::string retention_of(const model::Cluster& cluster, const model::KubernetesSlice& kubernetes) {
  if (cluster.backup.object_store == true) return cluster.backup.retention_policy;
  const auto* stores = kubernetes.object_stores.if_known();
  if (stores == nullptr) return "";
  for (const model::ClusterPlugin& plugin : cluster.plugins) {
    if (!plugin.enabled || plugin.name != model::kBarmanPlugin) continue;
    for (const auto& store : *stores) {
      if (store->meta.ns == cluster.meta.ns && store->meta.name == plugin.object_store) {
        return store->retention_policy;
      }
    }
  }
  return "";
}

ClusterArchive of_place(const ArchivePlace& place, std::string retention, WallTime at) {
  return {place.ns, place.cluster, place.use,
          place.id ? Observed<ArchiveId>::known(*place.id, at)
                   : Observed<ArchiveId>::unknown(place.id.error(), "kubernetes"),
          std::move(retention)};
}

// A Cluster that names no archive any more, because its plugin was taken out: what it archived
// until then is all that there is of it, as long as an ObjectStore's status knows its server.
void add_former(const model::Cluster& cluster, const model::KubernetesSlice& kubernetes,
                const std::vector<ClusterArchive>& before, std::vector<ClusterArchive>& archives) {
  const auto* stores = kubernetes.object_stores.if_known();
  if (stores == nullptr) return;
  const auto was_its_own = [&](const std::string& server) {
    return server == cluster.meta.name ||
           std::ranges::any_of(before, [&](const ClusterArchive& old) {
             const ArchiveId* id = old.archive.if_known();
             return old.ns == cluster.meta.ns && old.cluster == cluster.meta.name &&
                    old.use == ArchiveUse::kOwn && id != nullptr && id->server == server;
           });
  };
  for (const auto& store : *stores) {
    if (store->meta.ns != cluster.meta.ns) continue;
    for (const auto& [server, window] : store->windows) {
      if (!was_its_own(server)) continue;
      auto id = model::archive_id(store->store.destination_path, store->store.endpoint_url, server);
      if (!id) continue;
      archives.push_back(
          {cluster.meta.ns, cluster.meta.name, ArchiveUse::kOwn,
           Observed<ArchiveId>::known(std::move(*id), kubernetes.object_stores.observed_at()),
           store->retention_policy});
    }
  }
}

void add_configured(const config::Config& config, WallTime at,
                    std::vector<ClusterArchive>& archives) {
  for (const config::ObjectStore& store : config.object_stores.stores) {
    for (const config::ArchivedServer& server : store.servers) {
      auto id = model::archive_id(store.destination, store.endpoint, server.name);
      if (!id) continue;  // the loader has said so
      archives.push_back({server.ns, server.cluster.empty() ? server.name : server.cluster,
                          ArchiveUse::kOwn, Observed<ArchiveId>::known(std::move(*id), at), ""});
    }
  }
}

bool is_same(const ClusterArchive& a, const ClusterArchive& b) {
  const ArchiveId* left = a.archive.if_known();
  const ArchiveId* right = b.archive.if_known();
  if (std::tie(a.ns, a.cluster, a.use) != std::tie(b.ns, b.cluster, b.use)) return false;
  return left == nullptr || right == nullptr ? left == right : *left == *right;
}

}  // namespace

std::vector<ClusterArchive> find_cluster_archives(const model::World& world,
                                                  const config::Config& config,
                                                  ClusterArchiveMemory& memory) {
  const model::KubernetesSlice& kubernetes = *world.kubernetes;
  std::vector<ClusterArchive> archives;
  if (const auto* clusters = kubernetes.clusters.if_known()) {
    for (const auto& cluster : *clusters) {
      bool has_own = false;
      for (const ArchivePlace& place : model::archives_of(*cluster, kubernetes)) {
        has_own = has_own || place.use == ArchiveUse::kOwn;
        ClusterArchive one =
            of_place(place, place.use == ArchiveUse::kOwn ? retention_of(*cluster, kubernetes) : "",
                     kubernetes.clusters.observed_at());
        const auto before = std::ranges::find_if(memory.archives, [&](const ClusterArchive& old) {
          return std::tie(old.ns, old.cluster, old.use) == std::tie(one.ns, one.cluster, one.use);
        });
        // The stores are silent, not gone.
        const bool silent = !place.id && place.id.error().code() == ErrorCode::kUnavailable;
        if (silent && before != memory.archives.end()) one = *before;
        archives.push_back(std::move(one));
      }
      if (!has_own) add_former(*cluster, kubernetes, memory.archives, archives);
    }
    memory.archives = archives;
  } else {
    if (kubernetes.clusters.why().absence != Absence::kUnknown) memory.archives.clear();
    archives = memory.archives;
  }
  add_configured(config, world.at, archives);
  std::ranges::sort(archives, {}, [](const ClusterArchive& one) {
    const ArchiveId* id = one.archive.if_known();
    return std::tuple(one.ns, one.cluster, one.use, id == nullptr ? ArchiveId{} : *id);
  });
  const auto twice = std::ranges::unique(archives, is_same);
  archives.erase(twice.begin(), twice.end());
  return archives;
}

}  // namespace keelwatch::analysis
