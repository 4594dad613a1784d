// From configuration and Kubernetes objects to the PgBouncer processes that are watched, and by
// which way each is asked. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/http_client.h"
#include "base/pg_client.h"
#include "config/config.h"
#include "discovery/discover.h"
#include "model/kubernetes.h"
#include "model/pgbouncer.h"

namespace keelwatch::discovery {

// The metrics of a CNPG pooler's pod (its instance manager serves them; no credential is asked).
struct MetricsEndpoint {
  std::string url;
  TlsOptions tls;

  bool operator==(const MetricsEndpoint&) const = default;
};

struct PgBouncerTarget {
  model::PgBouncerId id;
  std::string via;                  // console, metrics
  std::string address;              // host:port of the way; empty before the Pod has one
  std::optional<PgTarget> console;  // one of the two, or neither: there is a reason then
  std::optional<MetricsEndpoint> metrics;
  std::string not_set_up_reason;      // non-empty: no credential was ever given; what to do
  std::string cannot_connect_reason;  // non-empty, unknown: no address yet, or the credential
                                      // cannot be read, or was there and vanished
  // Found by discovery and asked without anybody having set it up: as long as nothing was ever
  // reached this way, silence says nothing of PgBouncer but that we may not be where it is.
  bool vantage_unproven = false;
  bool terminating = false;  // the Pod has a deletionTimestamp: let go of the connection

  bool operator==(const PgBouncerTarget&) const = default;
};

struct PoolerTargets {
  std::vector<PgBouncerTarget> processes;  // sorted by id
  bool operator==(const PoolerTargets&) const = default;
};

// As discover(): while Pods or Poolers are unknown, what was found before stays. A pooler listed by
// hand with instances goes before a discovered one of its name.
[[nodiscard]] PoolerTargets discover_poolers(const config::Config& config,
                                             const model::KubernetesSlice* kubernetes,
                                             const ReadFile& read_file,
                                             const PoolerTargets& previous);

}  // namespace keelwatch::discovery
