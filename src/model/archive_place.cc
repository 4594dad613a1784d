#include "model/archive_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace keelwatch::model {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view without_slashes(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

Error unsupported(std::string_view what, std::string_view destination) {
  return Error(ErrorCode::kUnsupported,
               fmt::format("{} is {}: keelwatch reads S3 only", destination, what));
}

// An ObjectStore of that name, or why there is none.
Result<const ObjectStore*> find_store(const KubernetesSlice& kubernetes, const std::string& ns,
                                      const std::string& name) {
  const auto* stores = kubernetes.object_stores.if_known();
  if (stores == nullptr) {
    const Why& why = kubernetes.object_stores.why();
    if (why.absence != Absence::kNotInstalled) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("ObjectStore {}/{}: {}", ns, name, why.error.message()));
    }
  } else {
    const auto found = std::ranges::find_if(
        *stores, [&](const auto& s) { return s->meta.ns == ns && s->meta.name == name; });
    if (found != stores->end()) return found->get();
  }
  return Error(ErrorCode::kNotFound, fmt::format("ObjectStore {}/{} does not exist", ns, name));
}

ArchivePlace begin(const Cluster& cluster, ArchiveUse use, std::string server) {
  return {.ns = cluster.meta.ns,
          .cluster = cluster.meta.name,
          .use = use,
          .id = Error(ErrorCode::kNotFound, "nothing names it"),
          .destination = {},
          .endpoint = {},
          .server = std::move(server),
          .credentials = {}};
}

void settle(ArchivePlace& place, const std::string& destination, const std::string& endpoint,
            const std::string& credentials) {
  place.id = archive_id(destination, endpoint, place.server);
  place.destination = destination;
  place.endpoint = endpoint;
  place.credentials = credentials;
}

void settle(ArchivePlace& place, const BarmanStore& store) {
  settle(place, store.destination_path, store.endpoint_url, store.credentials);
}

const std::string& either(const std::string& first, const std::string& second) {
  return first.empty() ? second : first;
}

ArchivePlace of_plugin(const Cluster& cluster, ArchiveUse use, const ClusterPlugin& plugin,
                       const KubernetesSlice& kubernetes) {
  ArchivePlace place = begin(cluster, use, either(plugin.server_name, cluster.meta.name));
  const auto store = find_store(kubernetes, cluster.meta.ns, plugin.object_store);
  if (store) {
    settle(place, (*store)->store);
  } else {
    place.id = store.error();
  }
  return place;
}

bool is_barman(const ClusterPlugin& plugin) {
  return plugin.name == kBarmanPlugin && !plugin.object_store.empty();
}

void add_external(const Cluster& cluster, const std::string& name,
                  const KubernetesSlice& kubernetes, std::vector<ArchivePlace>& places) {
  for (const ExternalCluster& external : cluster.external_clusters) {
    if (name.empty() || external.name != name) continue;
    if (external.store) {
      places.push_back(
          begin(cluster, ArchiveUse::kSource, either(external.store->server_name, name)));
      settle(places.back(), *external.store);
    }
    // The plugin falls back to the name of the Cluster itself (internal/cnpgi/operator/config).
    if (external.plugin && external.plugin->enabled && is_barman(*external.plugin)) {
      places.push_back(of_plugin(cluster, ArchiveUse::kSource, *external.plugin, kubernetes));
    }
  }
}

void add_backup(const Cluster& cluster, const std::string& name, const KubernetesSlice& kubernetes,
                std::vector<ArchivePlace>& places) {
  if (name.empty()) return;
  const auto* backups = kubernetes.backups.if_known();
  if (backups == nullptr) {
    places.push_back(begin(cluster, ArchiveUse::kSource, {}));
    places.back().id =
        Error(ErrorCode::kUnavailable, fmt::format("Backup {}/{}: {}", cluster.meta.ns, name,
                                                   kubernetes.backups.why().error.message()));
    return;
  }
  // One that is gone says nothing any more, and the Cluster has been made.
  for (const auto& backup : *backups) {
    if (backup->meta.ns != cluster.meta.ns || backup->meta.name != name) continue;
    if (backup->destination_path.empty()) continue;
    places.push_back(
        begin(cluster, ArchiveUse::kSource, either(backup->server_name, backup->cluster)));
    settle(places.back(), backup->destination_path, backup->endpoint_url, {});
  }
}

}  // namespace

std::string normalized_endpoint(std::string_view endpoint) {
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  const std::size_t scheme = endpoint.find("://");
  if (scheme == std::string_view::npos) return lower(endpoint);
  const std::size_t path = std::min(endpoint.find('/', scheme + 3), endpoint.size());
  return lower(endpoint.substr(0, path)) + std::string(endpoint.substr(path));
}

Result<ArchiveId> archive_id(std::string_view destination, std::string_view endpoint,
                             std::string_view server) {
  constexpr std::string_view kScheme = "s3://";
  const std::string text = lower(destination.substr(0, 1024));
  if (text.starts_with("azure://") || text.starts_with("wasb://") ||
      text.find(".blob.core.windows.net") != std::string::npos) {
    return unsupported("a container of Azure Blob Storage", destination);
  }
  if (text.starts_with("gs://"))
    return unsupported("a bucket of Google Cloud Storage", destination);
  // barman-cloud takes any other http(s) address for Azure's emulator.
  if (text.starts_with("http://") || text.starts_with("https://")) {
    return unsupported("no s3:// address", destination);
  }
  const std::string_view rest =
      text.starts_with(kScheme) ? without_slashes(destination.substr(kScheme.size())) : "";
  if (rest.empty()) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("\"{}\" is no address like s3://bucket/folder", destination));
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  return ArchiveId{.endpoint = normalized_endpoint(endpoint),
                   .bucket = std::string(rest.substr(0, slash)),
                   .path = std::string(without_slashes(rest.substr(slash))),
                   .server = std::string(server)};
}

std::vector<ArchivePlace> archives_of(const Cluster& cluster, const KubernetesSlice& kubernetes) {
  std::vector<ArchivePlace> places;
  if (cluster.backup.object_store == true) {
    places.push_back(
        begin(cluster, ArchiveUse::kOwn, either(cluster.backup.server_name, cluster.meta.name)));
    settle(places.back(), cluster.backup.destination_path, cluster.backup.endpoint_url,
           cluster.backup.credentials);
  }
  for (const ClusterPlugin& plugin : cluster.plugins) {
    if (!plugin.enabled || !is_barman(plugin)) continue;
    places.push_back(of_plugin(cluster, ArchiveUse::kOwn, plugin, kubernetes));
  }
  if (cluster.recovery) {
    add_external(cluster, cluster.recovery->external_cluster, kubernetes, places);
    add_backup(cluster, cluster.recovery->backup, kubernetes, places);
  }
  const bool told =
      cluster.recovery && cluster.recovery->external_cluster == cluster.replica.source;
  if (!told) add_external(cluster, cluster.replica.source, kubernetes, places);
  return places;
}

std::vector<ArchivePlace> all_archives(const KubernetesSlice& kubernetes) {
  std::vector<ArchivePlace> places;
  const auto* clusters = kubernetes.clusters.if_known();
  if (clusters == nullptr) return places;
  std::set<ArchiveId> named;
  for (const auto& cluster : *clusters) {
    for (ArchivePlace& place : archives_of(*cluster, kubernetes)) {
      if (place.id) named.insert(*place.id);
      places.push_back(std::move(place));
    }
  }
  const auto* stores = kubernetes.object_stores.if_known();
  if (stores == nullptr) return places;
  for (const auto& store : *stores) {
    for (const auto& [server, window] : store->windows) {
      ArchivePlace place = begin({}, ArchiveUse::kOwn, server);
      place.ns = store->meta.ns;
      settle(place, store->store);
      if (place.id && !named.insert(*place.id).second) continue;
      places.push_back(std::move(place));
    }
  }
  return places;
}

}  // namespace keelwatch::model
