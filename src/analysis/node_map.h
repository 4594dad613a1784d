// The nodes of a Kubernetes cluster and what each of them fails with: its zone, by the node's
// label, and its host, by the configuration. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/copies.h"
#include "analysis/failure_domains.h"
#include "base/observed.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct NodePlace {
  std::string name;
  std::string hostname;  // label kubernetes.io/hostname, which node-bound volumes name
  std::string zone;      // empty: it has no label
  std::string host;      // empty: the configuration does not say
  // Kubernetes says that it is not ready, or Longhorn does (analysis/copies.h).
  bool down = false;
};

struct NodeMap {
  std::vector<NodePlace> nodes;    // sorted by name
  std::vector<std::string> hosts;  // of the configuration

  [[nodiscard]] const NodePlace* find(std::string_view name) const;  // nullptr: there is none
  [[nodiscard]] const NodePlace* find_by_hostname(std::string_view hostname) const;
  [[nodiscard]] bool alive(std::string_view name) const;
  // The loss of a node: it has happened if the node is down, or gone.
  [[nodiscard]] Failure loss(const std::string& name) const;
};

// The domain that a host is in a Failure over nodes: no node has such a name.
[[nodiscard]] std::string host_domain(std::string_view host);

enum class DomainKind { kNode, kZone, kHost };
inline constexpr std::string_view kDomainKinds[] = {"node", "zone", "host"};
inline constexpr std::size_t kDomainKindCount = 3;

// `storage`: what Longhorn says of its nodes, as far as it is known.
[[nodiscard]] Observed<NodeMap> map_nodes(const model::World& world, const config::Config& config,
                                          const Observed<StorageNodes>& storage);

// A failure over nodes and hosts as one over domains of that kind: of a host that is no node only
// the loss of hosts takes what is there. Not set up: no node has a zone, or there are no hosts in
// the configuration. Unknown: one of the nodes that matter has none.
[[nodiscard]] Observed<Failure> over(DomainKind kind, const Failure& failure, const NodeMap& map,
                                     WallTime at);

// The nodes, and the hosts as domains, that are lost with these.
[[nodiscard]] Domains nodes_of_zone(const NodeMap& map, std::string_view zone);
[[nodiscard]] Domains nodes_of_host(const NodeMap& map, std::string_view host);

}  // namespace keelwatch::analysis
