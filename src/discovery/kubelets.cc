#include "discovery/kubelets.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "config/limits.h"

namespace keelwatch::discovery {
namespace {

using ClaimKey = std::pair<std::string_view, std::string_view>;  // namespace, name

// A Pod that has ended keeps its claims in its spec and has unmounted them.
bool mounts(const model::Pod& pod) {
  return !pod.node.empty() && pod.phase != "Succeeded" && pod.phase != "Failed";
}

std::set<std::string> nodes_of(const model::KubernetesSlice& kubernetes,
                               const model::ObjectList<model::Pod>& pods) {
  const auto* claims = kubernetes.claims.if_known();
  std::set<ClaimKey> of_databases;
  if (claims != nullptr) {
    for (const auto& claim : *claims) {
      if (claim->meta.labels.contains("cnpg.io/cluster")) {
        of_databases.emplace(claim->meta.ns, claim->meta.name);
      }
    }
  }
  std::set<std::string> nodes;
  for (const auto& pod : pods) {
    if (!mounts(*pod)) continue;
    const bool of_database = std::ranges::any_of(pod->claims, [&](const std::string& claim) {
      return claims != nullptr ? of_databases.contains({pod->meta.ns, claim})
                               : !pod->cnpg_cluster.empty();
    });
    if (of_database) nodes.insert(pod->node);
  }
  return nodes;
}

}  // namespace

KubeletTargets discover_kubelets(const model::KubernetesSlice* kubernetes,
                                 const KubeletTargets& previous) {
  if (kubernetes == nullptr) return previous;
  const auto* pods = kubernetes->pods.if_known();
  if (pods == nullptr) {
    return kubernetes->pods.why().absence == Absence::kUnknown ? previous : KubeletTargets();
  }
  const bool nodes_known = kubernetes->nodes.is_known();
  std::map<std::string_view, std::string> addresses;
  if (nodes_known) {
    for (const auto& node : kubernetes->nodes.known_value()) {
      addresses[node->meta.name] = node->internal_ip;
    }
  } else {
    for (const KubeletTarget& target : previous.kubelets) addresses[target.node] = target.address;
  }

  KubeletTargets targets;
  for (const std::string& name : nodes_of(*kubernetes, *pods)) {
    if (targets.kubelets.size() == limits::kKubelets) break;
    KubeletTarget target{.node = name, .address = {}, .cannot_ask_reason = {}};
    const auto found = addresses.find(name);
    if (found != addresses.end()) target.address = found->second;
    if (target.address.empty()) {
      target.cannot_ask_reason =
          nodes_known
              ? found == addresses.end() ? "there is no such Node" : "the Node has no InternalIP"
              : "its address is unknown: " + kubernetes->nodes.why().error.message();
    }
    targets.kubelets.push_back(std::move(target));
  }
  return targets;
}

}  // namespace keelwatch::discovery
