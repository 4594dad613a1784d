// Which addresses are tried as a client would use them: those listed by hand, and the hops that
// Kubernetes tells of on the way to each database cluster: its instances, the Services in front of
// them and of its poolers, and the addresses that Tailscale's operator hands out. Pure; Secrets are
// never read.
// Facts: CNPG pkg/specs/services.go (-rw, -ro, -r), pkg/specs/pgbouncer/services.go (the Service of
// a Pooler has its name); Tailscale cmd/k8s-operator svc.go, svc-for-pg.go, egress-services.go.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/pg_client.h"
#include "config/config.h"
#include "discovery/discover.h"
#include "model/endpoint.h"
#include "model/kubernetes.h"

namespace keelwatch::discovery {

struct EndpointTarget {
  model::EndpointId id;
  model::Hop hop = model::Hop::kOther;
  std::string role;  // rw, ro; empty: whatever is there
  std::string kind;  // postgres, tcp, tls, http
  std::string host;  // what is resolved; empty: no address is handed out yet
  int port = 0;
  std::string url;          // of kind http
  PgTarget login;           // of kind postgres: all but where to connect; host: the TLS name
  std::string tls_name;     // of kind tls and http
  std::string ca_file;      // of kind tls and http
  std::string socks5_host;  // empty: no proxy
  int socks5_port = 0;
  Duration interval{};
  Duration timeout{};
  bool canary = false;
  bool large_result = false;
  bool discovered = false;
  std::string not_set_up_reason;    // non-empty: no credential was ever given; what to do
  std::string cannot_probe_reason;  // non-empty, unknown: no address, or a credential that cannot
                                    // be read, or was there and vanished

  bool operator==(const EndpointTarget&) const = default;
};

struct EndpointTargets {
  std::vector<EndpointTarget> endpoints;  // sorted by id, each once
  bool operator==(const EndpointTargets&) const = default;
};

// As discover(): while Services, Pods or Poolers are unknown, what was found before stays. An
// address listed by hand goes before a discovered one of its name.
[[nodiscard]] EndpointTargets discover_endpoints(const config::Config& config,
                                                 const model::KubernetesSlice* kubernetes,
                                                 const ReadFile& read_file,
                                                 const EndpointTargets& previous);

}  // namespace keelwatch::discovery
