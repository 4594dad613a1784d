#include "discovery/scrapes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "config/limits.h"

namespace keelwatch::discovery {
namespace {

constexpr int kInstancePort = 9187;
constexpr int kPoolerPort = 9127;
constexpr const char* kInstance = "instance";
constexpr const char* kPooler = "pooler";

using Pages = std::map<std::pair<model::ScrapeId, std::string>, ScrapeTarget>;

std::string address(const std::string& ip, int port) {
  const bool v6 = ip.find(':') != std::string::npos;
  return (v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port);
}

// Poolers carry it since they exist; instances since 1.20, and before that only their name.
bool is_instance(const model::Pod& pod) {
  if (pod.cnpg_cluster.empty()) return false;
  return pod.cnpg_role.empty() ? pod.meta.labels.contains("cnpg.io/instanceName")
                               : pod.cnpg_role == "instance";
}

bool is_pooler(const model::Pod& pod) {
  return !pod.cnpg_cluster.empty() && (pod.cnpg_role == "pooler" || !pod.pooler.empty());
}

const std::string& ca_of(const config::Config& config, const model::ScrapeId& id) {
  if (!config.scrape.cnpg_ca.empty()) return config.scrape.cnpg_ca;
  for (const config::PostgresCluster& c : config.postgres.clusters) {
    if (c.ns == id.ns && c.name == id.cluster) return c.login.sslrootcert;
  }
  return config.postgres.login.sslrootcert;
}

// What the object `name` says; while the API is silent, as it was.
template <typename T>
bool speaks_tls(const Observed<model::ObjectList<T>>& objects, std::optional<bool> T::* says,
                const std::string& name, const model::ScrapeId& id, const ScrapeTargets& previous) {
  if (const auto* known = objects.if_known()) {
    return std::ranges::any_of(*known, [&](const auto& object) {
      return object->meta.ns == id.ns && object->meta.name == name && (*object).*says == true;
    });
  }
  return std::ranges::any_of(previous.pages, [&](const ScrapeTarget& page) {
    return page.id == id && page.url.starts_with("https");
  });
}

// CNPG serves both kinds of page under the certificate of the cluster's server.
void set_address(ScrapeTarget& target, const config::Config& config, const model::Pod& pod,
                 int port, bool tls) {
  target.url = (tls ? "https://" : "http://") + address(pod.pod_ip, port) + "/metrics";
  if (!tls) return;
  target.ca_file = ca_of(config, target.id);
  target.server_name = pod.cnpg_cluster + "-rw";
}

void add(Pages& pages, ScrapeTarget target) {
  if (pages.size() == limits::kScrapeTargets) return;
  std::pair key(target.id, target.url);
  pages.insert_or_assign(std::move(key), std::move(target));
}

std::optional<ScrapeTarget> page_of(const config::Config& config,
                                    const model::KubernetesSlice& kubernetes, const model::Pod& pod,
                                    const ScrapeTargets& previous) {
  if (pod.pod_ip.empty() || pod.phase == "Succeeded" || pod.phase == "Failed") return std::nullopt;
  ScrapeTarget target;
  target.id = {kInstance, pod.meta.ns, pod.cnpg_cluster, pod.meta.name};
  if (config.scrape.cnpg_instances && is_instance(pod)) {
    const bool tls = speaks_tls(kubernetes.clusters, &model::Cluster::monitoring_tls,
                                pod.cnpg_cluster, target.id, previous);
    set_address(target, config, pod, kInstancePort, tls);
    return target;
  }
  if (config.scrape.cnpg_poolers && is_pooler(pod)) {
    target.id.kind = kPooler;
    const bool tls = speaks_tls(kubernetes.poolers, &model::Pooler::metrics_tls, pod.pooler,
                                target.id, previous);
    set_address(target, config, pod, kPoolerPort, tls);
    return target;
  }
  return std::nullopt;
}

}  // namespace

ScrapeTargets discover_scrapes(const config::Config& config,
                               const model::KubernetesSlice* kubernetes,
                               const ScrapeTargets& previous) {
  Pages pages;
  for (const config::ScrapeTarget& t : config.scrape.targets) {
    add(pages, {{t.job, t.ns, t.cluster, t.pod}, t.url, t.ca, t.server_name, true});
  }
  const auto* pods = kubernetes == nullptr ? nullptr : kubernetes->pods.if_known();
  if (pods != nullptr) {
    for (const auto& pod : *pods) {
      if (auto page = page_of(config, *kubernetes, *pod, previous)) add(pages, *std::move(page));
    }
  } else if (kubernetes == nullptr || kubernetes->pods.why().absence == Absence::kUnknown) {
    for (const ScrapeTarget& page : previous.pages) {
      const bool wanted =
          page.id.kind == kInstance ? config.scrape.cnpg_instances : config.scrape.cnpg_poolers;
      if (!page.by_hand && wanted) add(pages, page);
    }
  }
  ScrapeTargets targets;
  targets.pages.reserve(pages.size());
  for (auto& [key, page] : pages) targets.pages.push_back(std::move(page));
  return targets;
}

}  // namespace keelwatch::discovery
