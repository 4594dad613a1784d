// What stands between a client and a database beside its instances: the Pods of poolers, the
// proxies of tailnet addresses, the operator that fails over and the control plane that lets it.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/failure_domains.h"
#include "analysis/node_map.h"
#include "base/observed.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct PartPod {
  std::string name;
  std::string node;  // empty: it has none yet
  bool ready = false;
};

// Pods of which one suffices.
struct ServingPart {
  std::string kind;  // pooler, proxies
  std::string name;  // of the Pooler; of the ProxyGroup, or of the Service that has its own proxy
  bool read_write = false;
  bool read_only = false;
  std::vector<PartPod> pods;  // without those that are being deleted

  // Losing every node that has a ready one.
  [[nodiscard]] Failure loss(const NodeMap& nodes) const;
};

// The poolers of a Cluster, and the Tailscale proxies (pods of the operator's, by its labels) of
// each Service that leads to one of these or to the instances. Not set up: such Pods are outside of
// the namespaces that are watched.
[[nodiscard]] Observed<std::vector<ServingPart>> serving_parts(std::string_view ns,
                                                               std::string_view cluster,
                                                               const model::World& world,
                                                               const config::Config& config);

// Without it nothing is scheduled and nobody is promoted.
struct ControlPlane {
  // etcd: a majority of its servers is needed. one: there is but one server. servers: any of them
  // does, their datastore is elsewhere (k3s without etcd). elsewhere: on none of these nodes.
  std::string kind;
  std::vector<std::string> nodes;

  [[nodiscard]] Failure loss(const NodeMap& map) const;
};
// By the nodes' roles. Servers that are not k3s' have an etcd each (kubeadm, Talos), whether or not
// a label says so.
[[nodiscard]] ControlPlane control_plane(const model::ObjectList<model::Node>& nodes);

// The Pods of CNPG's operator. Not set up: none is seen, which is no word on where it is.
[[nodiscard]] Observed<std::vector<PartPod>> operator_pods(const model::World& world);

}  // namespace keelwatch::analysis
