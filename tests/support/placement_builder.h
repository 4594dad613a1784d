// Makes a Kubernetes cluster with databases on Longhorn's volumes for tests of where things are:
// nodes, instances with their claims, volumes and copies, poolers, proxies and buckets. What
// differs from a healthy world is set by the test on the objects themselves.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "app/step.h"
#include "tests/support/world_builder.h"

namespace keelwatch::testing {

class PlacementBuilder {
 public:
  using Names = std::vector<std::string>;

  model::Node& node(const std::string& name, const std::string& zone = "",
                    const Names& roles = {}) {
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

  // An instance with its Pod, a claim and a volume of which each of `copies` has a good copy.
  model::Pod& instance(const std::string& name, const std::string& node, const Names& copies) {
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

  // A claim of an instance; empty `instance`: of nobody.
  model::PersistentVolumeClaim& claim(const std::string& name, const std::string& instance,
                                      const std::string& role, const Names& copies,
                                      const std::string& ns = "default") {
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

  model::Pod& pod(const std::string& ns, const std::string& name, const std::string& node) {
    model::Pod& pod = pods_.emplace_back();
    pod.meta.ns = ns;
    pod.meta.name = name;
    pod.node = node;
    pod.phase = "Running";
    pod.ready = true;
    return pod;
  }

  void pooler(const std::string& name, const std::string& type, const Names& nodes) {
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

  model::Service& service(const std::string& ns, const std::string& name) {
    model::Service& service = services_.emplace_back();
    service.meta.ns = ns;
    service.meta.name = name;
    return service;
  }

  // The proxies of a ProxyGroup that a Service of the database is reached through.
  void proxies(const std::string& group, const std::string& service_name, const Names& nodes) {
    find(services_, service_name).meta.annotations["tailscale.com/proxy-group"] = group;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      pod("tailscale", group + "-" + std::to_string(i), nodes[i]).meta.labels = {
          {"tailscale.com/managed", "true"},
          {"tailscale.com/parent-resource-type", "proxygroup"},
          {"tailscale.com/parent-resource", group}};
    }
  }

  // A bucket behind a Service of this cluster, on a volume with these copies.
  model::Pod& bucket(const std::string& ns, const std::string& name, const std::string& node,
                     const Names& copies) {
    claim(name, "", "", copies, ns);
    service(ns, name);
    model::Pod& store = pod(ns, name + "-0", node);
    store.claims = {name};
    behind(ns, name, {store.meta.name});
    return store;
  }

  void behind(const std::string& ns, const std::string& service, const Names& pods) {
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

  // The Cluster backs up to that endpoint.
  void archive(const std::string& endpoint) {
    cluster.backup.object_store = true;
    cluster.backup.destination_path = "s3://backups/";
    cluster.backup.endpoint_url = endpoint;
  }

  template <typename T>
  static T& find(std::deque<T>& list, const std::string& name) {
    for (T& one : list) {
      if (one.meta.name == name) return one;
    }
    throw std::logic_error("the builder has no " + name);
  }
  std::deque<model::Service>& services() { return services_; }
  model::Node& node_of(const std::string& name) { return find(nodes_, name); }
  model::LonghornNode& storage_node(const std::string& name) { return find(storage_nodes_, name); }
  model::Pod& pod_of(const std::string& name) { return find(pods_, name); }
  model::LonghornVolume& volume_of(const std::string& claim) {
    return find(longhorn_volumes_, "vol-" + claim);
  }
  model::LonghornEngine& engine_of(const std::string& claim) {
    return find(engines_, "vol-" + claim + "-e-0");
  }
  model::VolumeReplica& replica_of(const std::string& claim, const std::string& node) {
    return find(replicas_, "vol-" + claim + "-r-" + node);
  }
  model::PersistentVolume& pv_of(const std::string& claim) { return find(volumes_, "pv-" + claim); }
  model::PersistentVolumeClaim& claim_of(const std::string& name) { return find(claims_, name); }

  [[nodiscard]] model::KubernetesSlice kubernetes() const {
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

  [[nodiscard]] std::shared_ptr<const app::Moment> moment(const config::Config& config = {}) const {
    return moment(kubernetes(), config);
  }
  [[nodiscard]] static std::shared_ptr<const app::Moment> moment(
      model::KubernetesSlice kubernetes, const config::Config& config = {}) {
    app::State state;
    return app::step(state, model::assemble(slices({}, std::move(kubernetes)), {}, kNow), config);
  }

  model::Cluster cluster = *cluster_object();

 private:
  void volume(const std::string& name, const Names& copies) {
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

  template <typename T>
  static void put(Observed<model::ObjectList<T>>& place, const std::deque<T>& objects) {
    model::ObjectList<T> list;
    for (const T& object : objects) list.push_back(std::make_shared<const T>(object));
    std::ranges::sort(list, {}, [](const auto& o) { return std::pair(o->meta.ns, o->meta.name); });
    place = Observed<model::ObjectList<T>>::known(std::move(list), kNow);
  }

  std::deque<model::Node> nodes_;
  std::deque<model::LonghornNode> storage_nodes_;
  std::deque<model::Pod> pods_;
  std::deque<model::Service> services_;
  std::deque<model::PersistentVolumeClaim> claims_;
  std::deque<model::PersistentVolume> volumes_;
  std::deque<model::Pooler> poolers_;
  std::deque<model::EndpointSlice> slices_;
  std::deque<model::LonghornVolume> longhorn_volumes_;
  std::deque<model::LonghornEngine> engines_;
  std::deque<model::VolumeReplica> replicas_;
};

// Three servers of k3s with etcd, an instance on each, two copies of each volume in a ring, and a
// pooler with two Pods.
inline PlacementBuilder three_nodes() {
  PlacementBuilder b;
  for (const char* name : {"n1", "n2", "n3"}) b.node(name, "", {"control-plane", "etcd"});
  b.instance("pg-1", "n1", {"n1", "n2"});
  b.instance("pg-2", "n2", {"n2", "n3"});
  b.instance("pg-3", "n3", {"n3", "n1"});
  b.pooler("pooler-rw", "rw", {"n1", "n2"});
  return b;
}

}  // namespace keelwatch::testing
