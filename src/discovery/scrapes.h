// Which /metrics pages of others are taken over: of CNPG's instances and poolers where that is
// switched on, and those listed by hand. Pure.
// Facts: CNPG pkg/url/url.go (port 9187), pkg/management/pgbouncer/metricsserver (port 9127),
// api/v1/cluster_types.go (spec.monitoring.tls: the metrics port then speaks TLS with the server's
// certificate, which names the Services and not the Pods).
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "model/kubernetes.h"
#include "model/scrape.h"

namespace keelwatch::discovery {

struct ScrapeTarget {
  model::ScrapeId id;
  std::string url;
  std::string ca_file;      // empty: the system's trust store
  std::string server_name;  // empty: the URL's host
  bool by_hand = false;

  bool operator==(const ScrapeTarget&) const = default;
};

struct ScrapeTargets {
  std::vector<ScrapeTarget> pages;  // sorted by (id, url), which no two share
  bool operator==(const ScrapeTargets&) const = default;
};

// `kubernetes` is the newest published slice (null before the first). While Pods are unknown the
// discovered pages of `previous` stay; whether an instance speaks TLS stays as it was while
// Clusters are unknown. A Pod without address yet is no target.
[[nodiscard]] ScrapeTargets discover_scrapes(const config::Config& config,
                                             const model::KubernetesSlice* kubernetes,
                                             const ScrapeTargets& previous);

}  // namespace keelwatch::discovery
