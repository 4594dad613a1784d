#include "analysis/filesystem.h"

#include <algorithm>
#include <string_view>

namespace keelwatch::analysis {
namespace {

using Usage = Observed<model::FilesystemUsage>;
using Key = std::pair<std::string, std::string>;

constexpr const char* kSource = "filesystem";

std::string label(const model::ObjectMeta& meta, std::string_view name) {
  const auto found = meta.labels.find(std::string(name));
  return found == meta.labels.end() ? std::string() : found->second;
}

bool has_ended(const model::Pod& pod) { return pod.phase == "Succeeded" || pod.phase == "Failed"; }

// (namespace, claim) → the node on which a Pod mounts it.
std::map<Key, std::string> find_mounts(const model::ObjectList<model::Pod>& pods) {
  std::map<Key, std::string> mounts;
  for (const auto& pod : pods) {
    if (pod->node.empty() || has_ended(*pod)) continue;
    for (const std::string& claim : pod->claims) mounts[{pod->meta.ns, claim}] = pod->node;
  }
  return mounts;
}

void learn_claims(const model::KubernetesSlice& kubernetes, FilesystemMemory& memory) {
  const auto& claims = kubernetes.claims;
  if (claims.is_known()) {
    FilesystemMemory seen;
    for (const auto& claim : claims.known_value()) {
      std::string cluster = label(claim->meta, "cnpg.io/cluster");
      if (cluster.empty()) continue;
      const Key key(claim->meta.ns, claim->meta.name);
      const auto before = memory.claims.find(key);
      seen.claims[key] = {std::move(cluster), label(claim->meta, "cnpg.io/instanceName"),
                          label(claim->meta, "cnpg.io/pvcRole"),
                          before == memory.claims.end() ? std::string() : before->second.node};
    }
    memory = std::move(seen);
  } else if (claims.why().absence != Absence::kUnknown) {
    memory = {};
  }
  if (const auto* pods = kubernetes.pods.if_known()) {
    const std::map<Key, std::string> mounts = find_mounts(*pods);
    for (auto& [key, claim] : memory.claims) {
      const auto mount = mounts.find(key);
      claim.node = mount == mounts.end() ? std::string() : mount->second;
    }
  }
}

const model::NodeFilesystems* find_node(const model::FilesystemSlice& slice,
                                        std::string_view node) {
  const auto found = std::ranges::lower_bound(
      slice.nodes, node, {}, [](const auto& n) { return std::string_view(n->node); });
  return found == slice.nodes.end() || (*found)->node != node ? nullptr : found->get();
}

Usage unknown(std::string why, const std::string& node) {
  return Usage::unknown(Error(ErrorCode::kUnavailable, std::move(why)),
                        std::string(kSource) + " " + node);
}

Usage usage_of(const Key& key, const std::string& node, const model::World& world) {
  if (node.empty()) {
    const auto& pods = world.kubernetes->pods;
    if (!pods.is_known()) return Usage::absent(pods.why());
    return unknown("no Pod mounts the claim", "kubernetes");
  }
  const model::NodeFilesystems* answer = find_node(*world.filesystems, node);
  if (answer == nullptr) return unknown("node " + node + " has not been asked yet", node);
  return answer->claims.map([&](const std::vector<model::ClaimUsage>& claims) {
    const auto found = std::ranges::lower_bound(
        claims, key, {}, [](const model::ClaimUsage& c) { return Key(c.ns, c.claim); });
    if (found == claims.end() || Key(found->ns, found->claim) != key) {
      return unknown("the kubelet of node " + node + " says nothing of the claim", node);
    }
    return Usage::known(found->usage, answer->claims.observed_at());
  });
}

}  // namespace

std::vector<Filesystem> find_filesystems(const model::World& world, FilesystemMemory& memory) {
  learn_claims(*world.kubernetes, memory);
  std::vector<Filesystem> result;
  result.reserve(memory.claims.size() + world.filesystems->paths.size());
  for (const auto& [key, claim] : memory.claims) {
    result.push_back({key.first, claim.cluster, claim.pod, key.second, "", claim.role,
                      usage_of(key, claim.node, world)});
  }
  for (const auto& path : world.filesystems->paths) {
    result.push_back({path->ns, path->cluster, path->pod, "", path->path, path->role, path->usage});
  }
  return result;
}

}  // namespace keelwatch::analysis
