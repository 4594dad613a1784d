#include "tests/support/placement_builder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/observed.h"
#include "model/archive_place.h"
#include "model/assemble.h"

namespace keelwatch::testing {
namespace {

template <typename T>
void put(Observed<model::ObjectList<T>>& place, const std::deque<T>& objects) {
  model::ObjectList<T> list;
  for (const T& object : objects) list.push_back(std::make_shared<const T>(object));
  std::ranges::sort(list, {}, [](const auto& o) { return std::pair(o->meta.ns, o->meta.name); });
  place = Observed<model::ObjectList<T>>::known(std::move(list), kNow);
}

}  // namespace

model::Node& PlacementBuilder::node(const std::string& name, const std::string& zone,
                                    const Names& roles) {
  model::Node& node = nodes_.emplace_back();
  node.meta.name = name;
  node.ready = true;
  node.zone = zone;
  for (const std::string& role : roles) {
    node.meta.labels["node-role.kubernetes.io/" + role] = "true";
  }
  model::LonghornNode& storage = storage_nodes_.emplace_back();
  storage.meta.name = name;
  model::LonghornDisk disk;
  disk.name = disk.uuid = "disk-" + name;
  disk.conditions = {{"Ready", "True", "", "", {}}};
  storage.disks = {disk};
  return node;
}

model::Pod& PlacementBuilder::instance(const std::string& name, const std::string& node,
                                       const Names& copies) {
  claim(name, name, "PG_DATA", copies);
  model::Pod& pod = pods_.emplace_back();
  pod.meta.ns = "default";
  pod.meta.name = name;
  pod.node = node;
  pod.phase = "Running";
  pod.ready = true;
  pod.cnpg_cluster = "pg";
  pod.cnpg_role = "instance";
  pod.claims = {name};
  return pod;
}

model::PersistentVolumeClaim& PlacementBuilder::claim(const std::string& name,
                                                      const std::string& instance,
                                                      const std::string& role, const Names& copies,
                                                      const std::string& ns) {
  model::PersistentVolumeClaim& claim = claims_.emplace_back();
  claim.meta.ns = ns;
  claim.meta.name = name;
  claim.volume_name = "pv-" + name;
  claim.storage_class = "longhorn";
  if (!instance.empty()) {
    claim.meta.labels = {
        {"cnpg.io/cluster", "pg"}, {"cnpg.io/instanceName", instance}, {"cnpg.io/pvcRole", role}};
  }
  model::PersistentVolume& pv = volumes_.emplace_back();
  pv.meta.name = claim.volume_name;
  pv.csi_driver = "driver.longhorn.io";
  pv.volume_handle = "vol-" + name;
  volume(pv.volume_handle, copies);
  return claim;
}

model::Pod& PlacementBuilder::pod(const std::string& ns, const std::string& name,
                                  const std::string& node) {
  model::Pod& pod = pods_.emplace_back();
  pod.meta.ns = ns;
  pod.meta.name = name;
  pod.node = node;
  pod.phase = "Running";
  pod.ready = true;
  return pod;
}

void PlacementBuilder::pooler(const std::string& name, const std::string& type,
                              const Names& nodes) {
  model::Pooler& pooler = poolers_.emplace_back();
  pooler.meta.ns = "default";
  pooler.meta.name = name;
  pooler.cluster = "pg";
  pooler.type = type;
  pooler.instances = static_cast<std::int64_t>(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    model::Pod& one = pod("default", name + "-" + std::to_string(i), nodes[i]);
    one.cnpg_cluster = "pg";
    one.cnpg_role = "pooler";
    one.pooler = name;
  }
  service("default", name).selector = {{"cnpg.io/poolerName", name}};
}

model::Service& PlacementBuilder::service(const std::string& ns, const std::string& name) {
  model::Service& service = services_.emplace_back();
  service.meta.ns = ns;
  service.meta.name = name;
  return service;
}

void PlacementBuilder::proxies(const std::string& group, const std::string& service_name,
                               const Names& nodes) {
  find(services_, service_name).meta.annotations["tailscale.com/proxy-group"] = group;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    pod("tailscale", group + "-" + std::to_string(i), nodes[i]).meta.labels = {
        {"tailscale.com/managed", "true"},
        {"tailscale.com/parent-resource-type", "proxygroup"},
        {"tailscale.com/parent-resource", group}};
  }
}

model::Pod& PlacementBuilder::bucket(const std::string& ns, const std::string& name,
                                     const std::string& node, const Names& copies) {
  claim(name, "", "", copies, ns);
  service(ns, name);
  model::Pod& store = pod(ns, name + "-0", node);
  store.claims = {name};
  behind(ns, name, {store.meta.name});
  return store;
}

void PlacementBuilder::behind(const std::string& ns, const std::string& service,
                              const Names& pods) {
  model::EndpointSlice& slice = slices_.emplace_back();
  slice.meta.ns = ns;
  slice.meta.name = service + "-x";
  slice.service = service;
  for (const std::string& one : pods) {
    model::Endpoint endpoint;
    endpoint.pod = one;
    slice.endpoints.push_back(endpoint);
  }
}

void PlacementBuilder::archive(const std::string& endpoint) {
  cluster.backup.object_store = true;
  cluster.backup.destination_path = "s3://backups/";
  cluster.backup.endpoint_url = endpoint;
  stored.wal(1, 0, 5).backup("20261101T000000", 1, 2);
  stored.id =
      model::archive_id(cluster.backup.destination_path, endpoint, cluster.meta.name).value();
}

std::deque<model::Service>& PlacementBuilder::services() { return services_; }

model::Node& PlacementBuilder::node_of(const std::string& name) { return find(nodes_, name); }

model::LonghornNode& PlacementBuilder::storage_node(const std::string& name) {
  return find(storage_nodes_, name);
}

model::Pod& PlacementBuilder::pod_of(const std::string& name) { return find(pods_, name); }

model::LonghornVolume& PlacementBuilder::volume_of(const std::string& claim) {
  return find(longhorn_volumes_, "vol-" + claim);
}

model::LonghornEngine& PlacementBuilder::engine_of(const std::string& claim) {
  return find(engines_, "vol-" + claim + "-e-0");
}

model::VolumeReplica& PlacementBuilder::replica_of(const std::string& claim,
                                                   const std::string& node) {
  return find(replicas_, "vol-" + claim + "-r-" + node);
}

model::PersistentVolume& PlacementBuilder::pv_of(const std::string& claim) {
  return find(volumes_, "pv-" + claim);
}

model::PersistentVolumeClaim& PlacementBuilder::claim_of(const std::string& name) {
  return find(claims_, name);
}

model::KubernetesSlice PlacementBuilder::kubernetes() const {
  model::KubernetesSlice slice = kubernetes_slice({std::make_shared<model::Cluster>(cluster)});
  put(slice.pods, pods_);
  put(slice.services, services_);
  put(slice.claims, claims_);
  put(slice.volumes, volumes_);
  put(slice.nodes, nodes_);
  put(slice.poolers, poolers_);
  put(slice.endpoint_slices, slices_);
  put(slice.longhorn_volumes, longhorn_volumes_);
  put(slice.longhorn_engines, engines_);
  put(slice.longhorn_replicas, replicas_);
  put(slice.longhorn_nodes, storage_nodes_);
  return slice;
}

std::shared_ptr<const app::Moment> PlacementBuilder::moment(const config::Config& config) const {
  return moment(kubernetes(), config);
}

std::shared_ptr<const app::Moment> PlacementBuilder::moment(model::KubernetesSlice kubernetes,
                                                            const config::Config& config) const {
  model::Slices all = slices({}, std::move(kubernetes));
  if (cluster.backup.object_store) {
    auto archives = std::make_shared<model::ArchiveSlice>();
    archives->archives.push_back(std::make_shared<const model::Archive>(stored.archive()));
    all.archives = std::move(archives);
  }
  model::Freshness freshness;
  freshness.archives = std::chrono::hours(48);
  app::State state;
  return app::step(state, model::assemble(all, freshness, kNow), config);
}

void PlacementBuilder::volume(const std::string& name, const Names& copies) {
  model::LonghornVolume& volume = longhorn_volumes_.emplace_back();
  volume.meta.name = name;
  volume.state = "attached";
  volume.replicas_desired = static_cast<std::int64_t>(copies.size());
  model::LonghornEngine& engine = engines_.emplace_back();
  engine.meta.name = name + "-e-0";
  engine.volume = name;
  engine.active = true;
  engine.state = "running";
  if (!copies.empty()) engine.node = copies.front();
  for (const std::string& node : copies) {
    model::VolumeReplica& replica = replicas_.emplace_back();
    replica.meta.name = name + "-r-" + node;
    replica.volume = name;
    replica.node = node;
    replica.disk_id = "disk-" + node;
    replica.active = true;
    replica.state = "running";
    replica.healthy_at = replica.last_healthy_at = kNow - std::chrono::hours(24);
    engine.modes[replica.meta.name] = "RW";
  }
}

PlacementBuilder three_nodes() {
  PlacementBuilder b;
  for (const char* name : {"n1", "n2", "n3"}) b.node(name, "", {"control-plane", "etcd"});
  b.instance("pg-1", "n1", {"n1", "n2"});
  b.instance("pg-2", "n2", {"n2", "n3"});
  b.instance("pg-3", "n3", {"n3", "n1"});
  b.pooler("pooler-rw", "rw", {"n1", "n2"});
  return b;
}

}  // namespace keelwatch::testing
