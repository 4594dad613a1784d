#include "analysis/serving_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::World;
using Parts = Observed<std::vector<ServingPart>>;

constexpr const char* kSource = "placement";

// Tailscale's labels and annotations (tailscale cmd/k8s-operator: sts.go, svc.go, svc-for-pg.go).
constexpr const char* kManaged = "tailscale.com/managed";
constexpr const char* kParentType = "tailscale.com/parent-resource-type";
constexpr const char* kParent = "tailscale.com/parent-resource";
constexpr const char* kParentNs = "tailscale.com/parent-resource-ns";
constexpr const char* kProxyGroup = "tailscale.com/proxy-group";
constexpr const char* kExpose = "tailscale.com/expose";

std::string_view get(const std::map<std::string, std::string>& texts, const char* name) {
  const auto found = texts.find(name);
  return found == texts.end() ? std::string_view() : std::string_view(found->second);
}

bool has_ended(const model::Pod& pod) { return pod.phase == "Succeeded" || pod.phase == "Failed"; }

std::vector<PartPod> pods_where(const model::ObjectList<model::Pod>& all,
                                const std::function<bool(const model::Pod&)>& is_one) {
  std::vector<PartPod> pods;
  for (const auto& pod : all) {
    if (has_ended(*pod) || pod->meta.deletion_timestamp || !is_one(*pod)) continue;
    pods.push_back({pod->meta.name, pod->node, pod->ready == true});
  }
  return pods;
}

// What a Service leads to, if to this Cluster at all.
struct Lead {
  bool read_write = false;
  bool read_only = false;
};

Lead lead_of(const model::Service& service, std::string_view cluster,
             const std::vector<ServingPart>& poolers) {
  if (const auto pooler = get(service.selector, "cnpg.io/poolerName"); !pooler.empty()) {
    const auto found = std::ranges::find(poolers, pooler, &ServingPart::name);
    return found == poolers.end() ? Lead{} : Lead{found->read_write, found->read_only};
  }
  if (get(service.selector, "cnpg.io/cluster") != cluster) return {};
  std::string_view role = get(service.selector, "cnpg.io/instanceRole");
  if (role.empty()) role = get(service.selector, "role");
  return {role == "primary", role != "primary"};
}

struct Proxies {
  std::string name;
  std::function<bool(const model::Pod&)> is_one;
};

// Those that a Service is reached through by the tailnet; without name: it is not.
Proxies proxies_of(const model::Service& service) {
  const std::string group(get(service.meta.annotations, kProxyGroup));
  if (!group.empty()) {
    return {group, [group](const model::Pod& pod) {
              return get(pod.meta.labels, kParentType) == "proxygroup" &&
                     get(pod.meta.labels, kParent) == group;
            }};
  }
  if (service.load_balancer_class != "tailscale" &&
      get(service.meta.annotations, kExpose) != "true") {
    return {};
  }
  return {service.meta.name, [ns = service.meta.ns, name = service.meta.name](const auto& pod) {
            return get(pod.meta.labels, kManaged) == "true" &&
                   get(pod.meta.labels, kParentType) == "svc" &&
                   get(pod.meta.labels, kParent) == name && get(pod.meta.labels, kParentNs) == ns;
          }};
}

std::vector<ServingPart> pooler_parts(std::string_view ns, std::string_view cluster,
                                      const model::ObjectList<model::Pooler>& poolers,
                                      const model::ObjectList<model::Pod>& pods) {
  std::vector<ServingPart> parts;
  for (const auto& pooler : poolers) {
    if (pooler->meta.ns != ns || pooler->cluster != cluster || pooler->instances == 0) continue;
    parts.push_back({"pooler", pooler->meta.name, pooler->type == "rw", pooler->type != "rw",
                     pods_where(pods, [&](const model::Pod& pod) {
                       return pod.meta.ns == ns && pod.cnpg_role == "pooler" &&
                              pod.pooler == pooler->meta.name;
                     })});
  }
  return parts;
}

// Adds the proxies of the Service, or tells why they cannot be seen.
std::optional<Why> add_proxies(const model::Service& service, const Lead& lead,
                               const model::ObjectList<model::Pod>& pods,
                               const config::Config& config, std::vector<ServingPart>& parts) {
  const Proxies proxies = proxies_of(service);
  if (proxies.name.empty()) return std::nullopt;
  const auto known = std::ranges::find_if(parts, [&](const ServingPart& part) {
    return part.kind == "proxies" && part.name == proxies.name;
  });
  if (known != parts.end()) {
    known->read_write = known->read_write || lead.read_write;
    known->read_only = known->read_only || lead.read_only;
    return std::nullopt;
  }
  ServingPart part{"proxies", proxies.name, lead.read_write, lead.read_only,
                   pods_where(pods, proxies.is_one)};
  if (part.pods.empty() && !config.kubernetes.namespaces.empty()) {
    return Why{
        Absence::kNotSetUp,
        Error(ErrorCode::kNotFound, fmt::format("the proxies {} of service {}/{} are outside of "
                                                "kubernetes.namespaces",
                                                part.name, service.meta.ns, service.meta.name)),
        kSource};
  }
  parts.push_back(std::move(part));
  return std::nullopt;
}

bool is_k3s(const model::Node& node) {
  const auto of_k3s = [](const auto& entry) { return entry.first.starts_with("k3s.io/"); };
  return std::ranges::any_of(node.meta.annotations, of_k3s) ||
         std::ranges::any_of(node.meta.labels, of_k3s) ||
         get(node.meta.labels, "node.kubernetes.io/instance-type") == "k3s";
}

}  // namespace

Failure ServingPart::loss(const NodeMap& nodes) const {
  std::vector<Failure> losses;
  for (const PartPod& pod : pods) {
    if (pod.ready && nodes.alive(pod.node)) losses.push_back(loss_of(pod.node));
  }
  return all_of(std::move(losses));
}

Parts serving_parts(std::string_view ns, std::string_view cluster, const World& world,
                    const config::Config& config) {
  const auto& kubernetes = *world.kubernetes;
  const auto all = combine(
      [](const auto&, const auto&) { return true; },
      combine([](const auto&, const auto&) { return true; }, kubernetes.pods, kubernetes.poolers),
      kubernetes.services);
  if (!all.is_known()) return Parts::absent(all.why());
  const auto& pods = kubernetes.pods.known_value();
  std::vector<ServingPart> parts =
      pooler_parts(ns, cluster, kubernetes.poolers.known_value(), pods);
  const std::vector<ServingPart> poolers = parts;
  for (const auto& service : kubernetes.services.known_value()) {
    if (service->meta.ns != ns) continue;
    const Lead lead = lead_of(*service, cluster, poolers);
    if (!lead.read_write && !lead.read_only) continue;
    if (const auto why = add_proxies(*service, lead, pods, config, parts)) {
      return Parts::absent(*why);
    }
  }
  return Parts::known(std::move(parts), all.observed_at());
}

Failure ControlPlane::loss(const NodeMap& map) const {
  std::vector<Failure> servers;
  for (const std::string& node : nodes) servers.push_back(map.loss(node));
  if (kind == "elsewhere") return impossible();
  if (kind == "servers") return all_of(std::move(servers));
  const std::size_t majority = servers.size() / 2 + 1;
  const std::size_t fatal = servers.size() - majority + 1;
  return at_least(fatal, std::move(servers));
}

ControlPlane control_plane(const model::ObjectList<model::Node>& nodes) {
  ControlPlane plane;
  std::vector<std::string> etcd;
  bool k3s = false;
  for (const auto& node : nodes) {
    const auto& labels = node->meta.labels;
    if (labels.contains("node-role.kubernetes.io/etcd")) etcd.push_back(node->meta.name);
    if (labels.contains("node-role.kubernetes.io/control-plane") ||
        labels.contains("node-role.kubernetes.io/master")) {
      plane.nodes.push_back(node->meta.name);
      k3s = k3s || is_k3s(*node);
    }
  }
  if (!etcd.empty()) return {"etcd", std::move(etcd)};
  plane.kind = plane.nodes.empty()       ? "elsewhere"
               : plane.nodes.size() == 1 ? "one"
               : k3s                     ? "servers"
                                         : "etcd";
  return plane;
}

Observed<std::vector<PartPod>> operator_pods(const World& world) {
  using Pods = Observed<std::vector<PartPod>>;
  return world.kubernetes->pods.map([&](const model::ObjectList<model::Pod>& all) {
    std::vector<PartPod> pods = pods_where(all, [](const model::Pod& pod) {
      return get(pod.meta.labels, "app.kubernetes.io/name") == "cloudnative-pg";
    });
    if (pods.empty()) {
      return Pods::not_set_up(
          "no Pod in the namespaces that are read has the label app.kubernetes.io/name: "
          "cloudnative-pg",
          kSource);
    }
    return Pods::known(std::move(pods), world.kubernetes->pods.observed_at());
  });
}

}  // namespace keelwatch::analysis
