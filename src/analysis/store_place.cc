#include "analysis/store_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "model/archive_place.h"

namespace keelwatch::analysis {
namespace {

using Loss = Observed<Failure>;

constexpr const char* kSource = "placement";
constexpr std::string_view kRemedy = "list its endpoint under placement.hosts";

// "https://minio.backup.svc:9000/x" is "minio.backup.svc".
std::string_view host_of(std::string_view endpoint) {
  if (const std::size_t scheme = endpoint.find("://"); scheme != std::string_view::npos) {
    endpoint.remove_prefix(scheme + 3);
  }
  endpoint = endpoint.substr(0, endpoint.find('/'));
  if (endpoint.starts_with('[')) return endpoint.substr(1, endpoint.find(']') - 1);
  return endpoint.substr(0, endpoint.find(':'));
}

// Whether the name is that of the Service, as a Pod of the namespace resolves it: name, name.ns,
// name.ns.svc, name.ns.svc.cluster.local (Kubernetes manual, "DNS for Services and Pods"); or one
// of its addresses.
bool leads_to(std::string_view host, std::string_view ns, const model::Service& service) {
  const std::string full = service.meta.name + "." + service.meta.ns;
  if (host == full || host == full + ".svc" || host.starts_with(full + ".svc.")) return true;
  if (host == service.meta.name && service.meta.ns == ns) return true;
  return (!service.cluster_ip.empty() && host == service.cluster_ip) ||
         std::ranges::find(service.load_balancer_addresses, host) !=
             service.load_balancer_addresses.end();
}

const model::Service* find_service(std::string_view host, std::string_view ns,
                                   const model::ObjectList<model::Service>& services) {
  for (const auto& service : services) {
    if (leads_to(host, ns, *service)) return service.get();
  }
  return nullptr;
}

std::set<std::string> pods_behind(const model::Service& service,
                                  const model::ObjectList<model::EndpointSlice>& slices) {
  std::set<std::string> pods;
  for (const auto& slice : slices) {
    if (slice->meta.ns != service.meta.ns || slice->service != service.meta.name) continue;
    for (const model::Endpoint& endpoint : slice->endpoints) {
      if (!endpoint.pod.empty()) pods.insert(endpoint.pod);
    }
  }
  return pods;
}

Loss not_told(std::string_view what) {
  return Loss::not_set_up(fmt::format("{}: {}", what, kRemedy), kSource);
}

// The volumes of one Pod: its bucket is lost with any of them.
Loss loss_of_claims(const model::Pod& pod, const model::World& world, const NodeMap& nodes,
                    const StorageView& storage) {
  std::vector<Failure> parts;
  WallTime at = world.at;
  for (const std::string& claim : pod.claims) {
    const PlacedVolume* volume = storage.find(pod.meta.ns, claim);
    if (volume == nullptr) continue;  // it waits for a volume, and holds nothing
    const Observed<UsableCopies> copies = usable_copies(*volume, storage.nodes, nodes, world);
    const UsableCopies* known = copies.if_known();
    if (known == nullptr) return Loss::absent(copies.why());
    at = std::min(at, copies.observed_at());
    parts.push_back(known->loss());
  }
  if (parts.empty()) {
    return not_told(
        fmt::format("pod {}/{} mounts no claim with a volume, so that nothing tells "
                    "where it keeps its data",
                    pod.meta.ns, pod.meta.name));
  }
  return Loss::known(any_of(std::move(parts)), at);
}

// Several Pods that share their claims are one store; several with claims of their own spread the
// data in a way that only the store knows.
void follow(const model::Service& service, const model::World& world, const NodeMap& nodes,
            const StorageView& storage, StorePlace& place) {
  const auto& slices = world.kubernetes->endpoint_slices;
  const auto& pods = world.kubernetes->pods;
  if (!slices.is_known() || !pods.is_known() || storage.volumes.stale) {
    place.loss = Loss::absent(storage.volumes.stale ? *storage.volumes.stale
                              : !slices.is_known()  ? slices.why()
                                                    : pods.why());
    return;
  }
  const std::string name = service.meta.ns + "/" + service.meta.name;
  const model::Pod* first = nullptr;
  for (const std::string& behind : pods_behind(service, slices.known_value())) {
    const auto pod = std::ranges::find_if(pods.known_value(), [&](const auto& p) {
      return p->meta.ns == service.meta.ns && p->meta.name == behind;
    });
    if (pod == pods.known_value().end()) continue;
    if (first != nullptr && first->claims != (*pod)->claims) {
      place.where = "service " + name;
      place.loss = not_told(
          fmt::format("service {} leads to several pods with volumes of their own, and how many of "
                      "them may be lost only they know",
                      name));
      return;
    }
    first = pod->get();
  }
  if (first == nullptr && service.selector.empty()) {
    place.where = "service " + name;
    place.loss = not_told(fmt::format("service {} selects no pods", name));
    return;
  }
  if (first == nullptr) {
    place.where = "service " + name;
    place.loss = Loss::unknown(
        Error(ErrorCode::kNotFound, fmt::format("no pod is behind service {}", name)), kSource);
    return;
  }
  place.where = fmt::format("pod {}/{}", first->meta.ns, first->meta.name);
  place.loss = loss_of_claims(*first, world, nodes, storage);
}

}  // namespace

StorePlace place_store(std::string_view endpoint, std::string_view ns, const model::World& world,
                       const config::Config& config, const NodeMap& nodes,
                       const StorageView& storage) {
  StorePlace place{.endpoint = std::string(endpoint),
                   .where = "outside",
                   .loss = Loss::known(impossible(), world.at)};
  for (const config::PlacementHost& host : config.placement.hosts) {
    const bool here = std::ranges::any_of(host.object_stores, [&](const std::string& one) {
      return model::normalized_endpoint(one) == model::normalized_endpoint(endpoint);
    });
    if (!here) continue;
    place.where = "host " + host.name;
    place.loss = Loss::known(loss_of(host_domain(host.name)), world.at);
    return place;
  }
  if (endpoint.empty()) return place;  // AWS
  const auto& services = world.kubernetes->services;
  if (!services.is_known()) {
    place.where = "unknown";
    place.loss = Loss::absent(services.why());
    return place;
  }
  if (const model::Service* service = find_service(host_of(endpoint), ns, services.known_value())) {
    follow(*service, world, nodes, storage, place);
    return place;
  }
  place.where = "not told";
  place.loss = not_told(fmt::format("where {} keeps its data is not told", endpoint));
  return place;
}

}  // namespace keelwatch::analysis
