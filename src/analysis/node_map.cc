#include "analysis/node_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace keelwatch::analysis {
namespace {

constexpr std::string_view kSource = "placement";

std::string label(const model::ObjectMeta& meta, const char* name) {
  const auto found = meta.labels.find(name);
  return found == meta.labels.end() ? std::string() : found->second;
}

std::map<std::string, std::string> hosts_by_node(const config::Placement& placement) {
  std::map<std::string, std::string> hosts;
  for (const config::PlacementHost& host : placement.hosts) {
    for (const std::string& node : host.nodes) hosts.emplace(node, host.name);
  }
  return hosts;
}

// What is known of no zone, or of no host, is for its user to say.
Observed<Failure> not_told(std::string message) {
  return Observed<Failure>::not_set_up(std::move(message), std::string(kSource));
}

Observed<Failure> missing(const std::string& node, DomainKind kind) {
  return Observed<Failure>::unknown(
      Error(ErrorCode::kNotFound,
            kind == DomainKind::kZone
                ? fmt::format("node {} has no label topology.kubernetes.io/zone", node)
                : fmt::format("node {} is on none of placement.hosts", node)),
      std::string(kSource));
}

}  // namespace

const NodePlace* NodeMap::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(nodes, name, {}, &NodePlace::name);
  return found != nodes.end() && found->name == name ? &*found : nullptr;
}

const NodePlace* NodeMap::find_by_hostname(std::string_view hostname) const {
  const auto found = std::ranges::find(nodes, hostname, &NodePlace::hostname);
  return found != nodes.end() ? &*found : find(hostname);
}

bool NodeMap::alive(std::string_view name) const {
  const NodePlace* node = find(name);
  return node != nullptr && !node->down;
}

Failure NodeMap::loss(const std::string& name) const {
  return alive(name) ? loss_of(name) : happened();
}

std::string host_domain(std::string_view host) { return fmt::format("host/{}", host); }

Observed<NodeMap> map_nodes(const model::World& world, const config::Config& config,
                            const Observed<StorageNodes>& storage) {
  const StorageNodes* known = storage.if_known();
  const auto hosts = hosts_by_node(config.placement);
  return world.kubernetes->nodes.map([&](const model::ObjectList<model::Node>& list) {
    NodeMap map;
    for (const auto& node : list) {
      const std::string& name = node->meta.name;
      const auto host = hosts.find(name);
      map.nodes.push_back(
          {.name = name,
           .hostname = label(node->meta, "kubernetes.io/hostname"),
           .zone = node->zone,
           .host = host == hosts.end() ? std::string() : host->second,
           .down = node->ready != true || (known != nullptr && known->is_down(name))});
    }
    std::ranges::sort(map.nodes, {}, &NodePlace::name);
    for (const config::PlacementHost& host : config.placement.hosts) {
      map.hosts.push_back(host.name);
    }
    return map;
  });
}

Observed<Failure> over(DomainKind kind, const Failure& failure, const NodeMap& map, WallTime at) {
  const auto zone_of = [](const NodePlace& node) -> const std::string& { return node.zone; };
  const auto host_of = [](const NodePlace& node) -> const std::string& { return node.host; };
  const auto name_of = [](const NodePlace& node) -> const std::string& { return node.name; };
  if (kind == DomainKind::kZone && std::ranges::all_of(map.nodes, &std::string::empty, zone_of)) {
    return not_told("no node has a label topology.kubernetes.io/zone");
  }
  if (kind == DomainKind::kHost && map.hosts.empty()) {
    return not_told("the configuration has no placement.hosts");
  }
  const auto domain_of = [&](const NodePlace& node) -> const std::string& {
    return kind == DomainKind::kZone   ? zone_of(node)
           : kind == DomainKind::kHost ? host_of(node)
                                       : name_of(node);
  };
  for (const std::string& domain : domains_of(failure)) {
    const NodePlace* node = map.find(domain);
    if (node != nullptr && domain_of(*node).empty()) return missing(domain, kind);
  }
  const auto larger = [&](const std::string& domain) {
    if (const NodePlace* node = map.find(domain)) return loss_of(domain_of(*node));
    if (kind != DomainKind::kHost) return impossible();
    return loss_of(domain.substr(host_domain("").size()));
  };
  return Observed<Failure>::known(with_domains(failure, larger), at);
}

Domains nodes_of_zone(const NodeMap& map, std::string_view zone) {
  Domains domains;
  for (const NodePlace& node : map.nodes) {
    if (node.zone == zone) domains.insert(node.name);
  }
  return domains;
}

Domains nodes_of_host(const NodeMap& map, std::string_view host) {
  Domains domains = {host_domain(host)};
  for (const NodePlace& node : map.nodes) {
    if (node.host == host) domains.insert(node.name);
  }
  return domains;
}

}  // namespace keelwatch::analysis
