// Makes a Kubernetes cluster with databases on Longhorn's volumes for tests of where things are:
// nodes, instances with their claims, volumes and copies, poolers, proxies and buckets. What
// differs from a healthy world is set by the test on the objects themselves.
#pragma once

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/step.h"
#include "config/config.h"
#include "model/world.h"
#include "tests/support/archive_builder.h"
#include "tests/support/world_builder.h"

namespace keelwatch::testing {

class PlacementBuilder {
 public:
  using Names = std::vector<std::string>;

  model::Node& node(const std::string& name, const std::string& zone = "", const Names& roles = {});
  // An instance with its Pod, a claim and a volume of which each of `copies` has a good copy.
  model::Pod& instance(const std::string& name, const std::string& node, const Names& copies);
  // A claim of an instance; empty `instance`: of nobody.
  model::PersistentVolumeClaim& claim(const std::string& name, const std::string& instance,
                                      const std::string& role, const Names& copies,
                                      const std::string& ns = "default");
  model::Pod& pod(const std::string& ns, const std::string& name, const std::string& node);
  void pooler(const std::string& name, const std::string& type, const Names& nodes);
  model::Service& service(const std::string& ns, const std::string& name);
  // The proxies of a ProxyGroup that a Service of the database is reached through.
  void proxies(const std::string& group, const std::string& service_name, const Names& nodes);
  // A bucket behind a Service of this cluster, on a volume with these copies.
  model::Pod& bucket(const std::string& ns, const std::string& name, const std::string& node,
                     const Names& copies);
  void behind(const std::string& ns, const std::string& service, const Names& pods);
  // The Cluster backs up to that endpoint, where a backup and the WAL behind it are.
  void archive(const std::string& endpoint);

  template <typename T>
  static T& find(std::deque<T>& list, const std::string& name) {
    for (T& one : list) {
      if (one.meta.name == name) return one;
    }
    throw std::logic_error("the builder has no " + name);
  }
  std::deque<model::Service>& services();
  model::Node& node_of(const std::string& name);
  model::LonghornNode& storage_node(const std::string& name);
  model::Pod& pod_of(const std::string& name);
  model::LonghornVolume& volume_of(const std::string& claim);
  model::LonghornEngine& engine_of(const std::string& claim);
  model::VolumeReplica& replica_of(const std::string& claim, const std::string& node);
  model::PersistentVolume& pv_of(const std::string& claim);
  model::PersistentVolumeClaim& claim_of(const std::string& name);

  [[nodiscard]] model::KubernetesSlice kubernetes() const;
  [[nodiscard]] std::shared_ptr<const app::Moment> moment(const config::Config& config = {}) const;
  // The same with other objects of Kubernetes'.
  [[nodiscard]] std::shared_ptr<const app::Moment> moment(model::KubernetesSlice kubernetes,
                                                          const config::Config& config = {}) const;

  model::Cluster cluster = *cluster_object();
  ArchiveBuilder stored;  // of the archive

 private:
  void volume(const std::string& name, const Names& copies);

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
PlacementBuilder three_nodes();

}  // namespace keelwatch::testing
