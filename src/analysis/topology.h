// Which database clusters there are, who belongs to them, and who is primary: the ground of every
// other analysis. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/observed.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct ClusterTopology {
  std::string ns;  // empty outside Kubernetes
  std::string name;
  std::shared_ptr<const model::Cluster> object;  // null for a cluster listed only by hand
  // Whether it follows another cluster and has no writable primary of its own (spec.replica); the
  // last answer holds while the API is silent.
  Observed<bool> replica;
  // How many instances there should be: spec.instances, or the configuration's count. Unknown while
  // the API is silent.
  Observed<std::int64_t> instances_desired;
  std::vector<std::shared_ptr<const model::Instance>> instances;  // sorted by id
  // The Pods of its instances, without those of jobs and poolers; empty for a cluster by hand.
  Observed<model::ObjectList<model::Pod>> pods;

  // The writable instance that the others are measured against: highest timeline, then highest WAL
  // position. Null if no instance says that it is writable.
  std::shared_ptr<const model::Instance> primary;

  // How many instances say that they are writable. Unknown if none says so while one of them could
  // not be asked. A start, a shutdown and a refused connection are answers ("not writable now") as
  // long as the instance's address is certain.
  Observed<std::int64_t> writable_primaries;

  // Whether its user sent it to sleep (cnpg.io/hibernation): it then rightly has no instance.
  [[nodiscard]] bool hibernated() const { return object && object->switches.hibernation == true; }
  // Whether cnpg.io/fencedInstances names the instance.
  [[nodiscard]] bool fences(std::string_view pod) const;
  // Null: no such Pod, or nobody knows.
  [[nodiscard]] const model::Pod* find_pod(std::string_view pod_name) const;
  [[nodiscard]] const model::Instance* find_instance(std::string_view pod) const;
};

// Whether the instance answers that it is not in recovery.
[[nodiscard]] bool is_writable(const model::Instance& instance);

struct TopologyMemory {
  std::map<std::pair<std::string, std::string>, bool> replica;  // by (namespace, cluster)
};

// Sorted by (namespace, name): every Cluster object, every cluster of the configuration, and every
// cluster that the Postgres source still reports while the API is silent.
[[nodiscard]] std::vector<ClusterTopology> find_clusters(const model::World& world,
                                                         const config::Config& config,
                                                         TopologyMemory& memory);

}  // namespace keelwatch::analysis
