// Which kubelets are asked how full the databases' volumes are: those of the nodes on which a Pod
// mounts a claim of a database, and no others. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/kubernetes.h"

namespace keelwatch::discovery {

struct KubeletTarget {
  std::string node;
  std::string address;            // InternalIP
  std::string cannot_ask_reason;  // non-empty: the node has no address, or nobody knows it

  bool operator==(const KubeletTarget&) const = default;
};

struct KubeletTargets {
  std::vector<KubeletTarget> kubelets;  // sorted by node
  bool operator==(const KubeletTargets&) const = default;
};

// `kubernetes` is the newest published slice (null before the first). While Pods are unknown the
// nodes of `previous` stay, while nodes are unknown their addresses do. A claim is a database's by
// its own label cnpg.io/cluster, and while claims are unknown by that of the Pod that mounts it.
[[nodiscard]] KubeletTargets discover_kubelets(const model::KubernetesSlice* kubernetes,
                                               const KubeletTargets& previous);

}  // namespace keelwatch::discovery
