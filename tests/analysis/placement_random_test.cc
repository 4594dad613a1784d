// The placement of random clusters, against a model that tries every set of losses and knows of a
// cluster only what a person would: who runs where, which copies are good, what is down.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "analysis/placement.h"
#include "tests/support/placement_builder.h"
#include "tests/support/sanitized.h"

using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

constexpr unsigned kTopologies = kSanitized ? 500 : 10'000;

using Set = unsigned;  // of nodes, a bit each

enum class Copy { kGood, kFailed, kErrorMode, kBeingMade, kDiskLost };

struct Volume {
  bool local = false;  // bound to the node of its only copy
  std::vector<std::pair<int, Copy>> copies;
  [[nodiscard]] int engine() const { return copies.front().first; }
};

struct Instance {
  std::optional<int> node;
  bool ready = true;
  bool joined = true;
  std::vector<Volume> volumes;
};

struct Pool {
  bool proxies = false;
  bool read_write = true;
  std::vector<std::pair<int, bool>> pods;  // node, ready
};

struct Topology {
  int nodes = 1;
  Set down = 0;
  std::vector<int> zones;           // of each node; empty: there are none
  std::vector<int> hosts;           // likewise
  std::vector<Instance> instances;  // the first is the primary
  std::vector<Pool> pools;
  std::vector<int> servers;  // of etcd; empty: the control plane is elsewhere
  int synchronous = 0;       // standbys that a commit waits for
  enum { kNoArchive, kOutside, kEmptyArchive, kInside } archive = kNoArchive;
  Volume bucket;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int between(int low, int high) {  // the same on every machine, unlike a distribution
    return low + static_cast<int>(engine_() % static_cast<unsigned>(high - low + 1));
  }
  bool once_in(int times) { return between(1, times) == 1; }

 private:
  std::mt19937 engine_;
};

Volume random_volume(Random& random, int nodes) {
  Volume volume;
  volume.local = random.once_in(6);
  Set used = 0;
  for (int wanted = volume.local ? 1 : random.between(1, 3); wanted > 0; --wanted) {
    const int node = random.between(0, nodes - 1);
    if ((used >> static_cast<unsigned>(node) & 1U) != 0) continue;
    used |= 1U << static_cast<unsigned>(node);
    const bool good = volume.local || random.between(0, 9) < 7;
    volume.copies.emplace_back(node, good ? Copy::kGood : static_cast<Copy>(random.between(1, 4)));
  }
  return volume;
}

Topology random_topology(unsigned seed) {
  Random random(seed);
  Topology t;
  t.nodes = random.between(1, 6);
  for (int node = 0; node < t.nodes; ++node) {
    if (random.once_in(12)) t.down |= 1U << static_cast<unsigned>(node);
  }
  const bool zones = random.once_in(2);
  const bool hosts = random.once_in(2);
  for (int node = 0; node < t.nodes; ++node) {
    if (zones) t.zones.push_back(random.between(0, 2));
    if (hosts) t.hosts.push_back(random.between(0, 2));
  }
  for (int i = random.between(1, 4); i > 0; --i) {
    Instance instance;
    if (!random.once_in(8)) instance.node = random.between(0, t.nodes - 1);
    instance.ready = !random.once_in(8);
    instance.joined = !random.once_in(8);
    for (int v = random.between(1, 3); v > 0; --v) {
      instance.volumes.push_back(random_volume(random, t.nodes));
    }
    t.instances.push_back(std::move(instance));
  }
  for (int p = random.between(0, 2); p > 0; --p) {
    Pool pool;
    pool.proxies = random.once_in(2);
    pool.read_write = random.once_in(2);
    for (int i = random.between(1, 3); i > 0; --i) {
      pool.pods.emplace_back(random.between(0, t.nodes - 1), !random.once_in(6));
    }
    t.pools.push_back(std::move(pool));
  }
  if (!random.once_in(4)) {
    for (int s = 0; s < std::min(t.nodes, random.once_in(2) ? 3 : 1); ++s) t.servers.push_back(s);
  }
  t.synchronous = random.once_in(3) ? random.between(1, 2) : 0;
  t.archive = static_cast<decltype(t.archive)>(random.between(0, 3));
  t.bucket = random_volume(random, t.nodes);
  return t;
}

// ---- as keelwatch is told of it

std::string name(int node) { return fmt::format("n{}", node); }

void spoil(PlacementBuilder& b, const std::string& claim, const std::string& node, Copy copy) {
  model::VolumeReplica& replica = b.replica_of(claim, node);
  switch (copy) {
    case Copy::kGood:
      break;
    case Copy::kFailed:
      replica.failed_at = replica.last_failed_at = kNow;
      break;
    case Copy::kErrorMode:
      b.engine_of(claim).modes[replica.meta.name] = "ERR";
      break;
    case Copy::kBeingMade:
      b.engine_of(claim).modes[replica.meta.name] = "WO";
      replica.healthy_at.reset();
      break;
    case Copy::kDiskLost:
      b.storage_node(node).disks.push_back({});
      replica.disk_id = "lost-" + claim;
      b.storage_node(node).disks.back().name = b.storage_node(node).disks.back().uuid =
          replica.disk_id;
      b.storage_node(node).disks.back().conditions = {{"Ready", "False", "DiskNotReady", "", {}}};
      break;
  }
}

void tell_volume(PlacementBuilder& b, const std::string& claim, const Volume& volume) {
  if (volume.local) {
    model::PersistentVolume& pv = b.pv_of(claim);
    pv.csi_driver.clear();
    pv.volume_handle.clear();
    pv.node_affinity = {name(volume.engine())};
    return;
  }
  for (const auto& [node, copy] : volume.copies) spoil(b, claim, name(node), copy);
}

std::vector<std::string> nodes_of(const Volume& volume) {
  std::vector<std::string> nodes;
  for (const auto& [node, copy] : volume.copies) nodes.push_back(name(node));
  return nodes;
}

void tell_instance(PlacementBuilder& b, const std::string& pod, const Instance& instance) {
  static constexpr const char* kRoles[] = {"PG_DATA", "PG_WAL", "PG_TABLESPACE"};
  for (std::size_t v = 0; v < instance.volumes.size(); ++v) {
    const std::string claim = v == 0 ? pod : fmt::format("{}-{}", pod, v);
    const Volume& volume = instance.volumes[v];
    if (v == 0 && instance.node) {
      b.instance(pod, name(*instance.node), nodes_of(volume)).ready = instance.ready;
    } else {
      b.claim(claim, pod, kRoles[v], nodes_of(volume));
    }
    if (!instance.joined) {
      b.claim_of(claim).meta.annotations["cnpg.io/pvcStatus"] = "initializing";
    }
    tell_volume(b, claim, volume);
  }
}

void tell_pool(PlacementBuilder& b, std::size_t number, const Pool& pool) {
  std::vector<std::string> nodes;
  for (const auto& [node, ready] : pool.pods) nodes.push_back(name(node));
  const std::string pods = fmt::format("{}-{}", pool.proxies ? "group" : "pooler", number);
  if (pool.proxies) {
    const std::string service = fmt::format("service-{}", number);
    b.service("default", service).selector = {
        {"cnpg.io/cluster", "pg"},
        {"cnpg.io/instanceRole", pool.read_write ? "primary" : "replica"}};
    b.proxies(pods, service, nodes);
  } else {
    b.pooler(pods, pool.read_write ? "rw" : "ro", nodes);
  }
  for (std::size_t i = 0; i < pool.pods.size(); ++i) {
    b.pod_of(fmt::format("{}-{}", pods, i)).ready = pool.pods[i].second;
  }
}

void tell_archive(PlacementBuilder& b, const Topology& t) {
  if (t.archive == Topology::kNoArchive) return;
  if (t.archive == Topology::kOutside) {
    b.archive("");
    return;
  }
  b.archive("http://minio:9000");
  if (t.archive == Topology::kEmptyArchive) b.stored.backups.clear();
  b.bucket("default", "minio", "n0", nodes_of(t.bucket));
  tell_volume(b, "minio", t.bucket);
}

PlacementBuilder tell(const Topology& t, config::Config& config) {
  PlacementBuilder b;
  for (int node = 0; node < t.nodes; ++node) {
    const std::string zone =
        t.zones.empty() ? "" : fmt::format("z{}", t.zones[static_cast<std::size_t>(node)]);
    const bool server = std::ranges::find(t.servers, node) != t.servers.end();
    b.node(name(node), zone,
           server ? std::vector<std::string>{"control-plane", "etcd"} : std::vector<std::string>{})
        .ready = (t.down >> static_cast<unsigned>(node) & 1U) == 0;
  }
  for (int host = 0; host < 3 && !t.hosts.empty(); ++host) {
    config::PlacementHost one{fmt::format("h{}", host), {}, {}};
    for (int node = 0; node < t.nodes; ++node) {
      if (t.hosts[static_cast<std::size_t>(node)] == host) one.nodes.push_back(name(node));
    }
    config.placement.hosts.push_back(std::move(one));
  }
  for (std::size_t i = 0; i < t.instances.size(); ++i) {
    tell_instance(b, fmt::format("pg-{}", i + 1), t.instances[i]);
  }
  for (std::size_t p = 0; p < t.pools.size(); ++p) tell_pool(b, p, t.pools[p]);
  if (t.synchronous > 0) {
    b.cluster.synchronous.method = "any";
    b.cluster.synchronous.number = t.synchronous;
  }
  tell_archive(b, t);
  return b;
}

// ---- as it is

struct Truth {
  const Topology& t;

  [[nodiscard]] bool alive(int node, Set lost) const {
    return ((t.down | lost) >> static_cast<unsigned>(node) & 1U) == 0;
  }
  // The engine that knows which copies it writes to is believed while its node is up.
  [[nodiscard]] bool readable(const Volume& volume, Set lost) const {
    return std::ranges::any_of(volume.copies, [&](const auto& one) {
      const auto& [node, copy] = one;
      const bool good =
          copy == Copy::kGood || (copy == Copy::kErrorMode && !alive(volume.engine(), 0));
      return good && alive(node, lost);
    });
  }
  [[nodiscard]] bool has_data(const Instance& instance, Set lost) const {
    return std::ranges::all_of(instance.volumes,
                               [&](const Volume& volume) { return readable(volume, lost); });
  }
  [[nodiscard]] bool serves(const Instance& instance, Set lost) const {
    return instance.node && instance.ready && instance.joined && alive(*instance.node, lost) &&
           has_data(instance, lost);
  }

  [[nodiscard]] bool data_is_lost(Set lost) const {
    return std::ranges::none_of(t.instances,
                                [&](const Instance& i) { return i.joined && has_data(i, lost); });
  }
  [[nodiscard]] bool service_is_lost(Set lost) const {
    int serving = 0;
    for (const Instance& instance : t.instances) serving += serves(instance, lost) ? 1 : 0;
    if (serving < 1 + t.synchronous) return true;
    const auto servers =
        std::ranges::count_if(t.servers, [&](int node) { return alive(node, lost); });
    const bool quorum =
        t.servers.empty() || 2 * static_cast<std::size_t>(servers) > t.servers.size();
    if (!serves(t.instances.front(), lost) && !quorum) return true;
    return std::ranges::any_of(t.pools, [&](const Pool& pool) {
      return pool.read_write && std::ranges::none_of(pool.pods, [&](const auto& pod) {
               return pod.second && alive(pod.first, lost);
             });
    });
  }
  [[nodiscard]] bool everything_is_lost(Set lost) const {
    if (!data_is_lost(lost)) return false;
    return t.archive == Topology::kEmptyArchive ||
           (t.archive == Topology::kInside && !readable(t.bucket, lost));
  }
};

// ---- both

// The domains of one kind: which nodes each takes.
std::vector<std::pair<std::string, Set>> domains_of(const Topology& t, DomainKind kind) {
  const std::vector<int>* group = kind == DomainKind::kZone   ? &t.zones
                                  : kind == DomainKind::kHost ? &t.hosts
                                                              : nullptr;
  std::vector<std::pair<std::string, Set>> domains;
  if (group == nullptr) {
    for (int node = 0; node < t.nodes; ++node) {
      domains.emplace_back(name(node), 1U << static_cast<unsigned>(node));
    }
    return domains;
  }
  for (int one = 0; one < 3 && !group->empty(); ++one) {
    Set nodes = 0;
    for (int node = 0; node < t.nodes; ++node) {
      if ((*group)[static_cast<std::size_t>(node)] == one)
        nodes |= 1U << static_cast<unsigned>(node);
    }
    domains.emplace_back(fmt::format("{}{}", kind == DomainKind::kZone ? "z" : "h", one), nodes);
  }
  return domains;
}

// What is wrong with an answer; empty: nothing is.
template <typename Fails>
std::string compare(const SmallestLoss& found,
                    const std::vector<std::pair<std::string, Set>>& domains, const Fails& fails) {
  std::optional<int> least;
  for (unsigned chosen = 0; chosen < 1U << domains.size(); ++chosen) {
    Set lost = 0;
    for (std::size_t i = 0; i < domains.size(); ++i) {
      if ((chosen >> i & 1U) != 0) lost |= domains[i].second;
    }
    if (fails(lost) && (!least || std::popcount(chosen) < *least)) least = std::popcount(chosen);
  }
  if (found.domains.has_value() != least.has_value()) return "one of the two finds no loss";
  if (!least) return "";
  if (static_cast<int>(found.domains->size()) != *least) {
    return fmt::format("{} are found, {} suffice", found.domains->size(), *least);
  }
  Set lost = 0;
  for (const std::string& member : *found.domains) {
    const auto domain = std::ranges::find_if(domains, [&](auto& d) { return d.first == member; });
    if (domain == domains.end()) return "there is no " + member;
    lost |= domain->second;
  }
  return fails(lost) ? "" : "those that are found do not do it";
}

// One line for each answer that is wrong.
std::string judge(const Topology& t, const Placement& placement) {
  const Truth truth{t};
  std::string wrong;
  for (std::size_t of = 0; of < kLossOfCount; ++of) {
    const auto fails = [&](Set lost) {
      return of == 0   ? truth.data_is_lost(lost)
             : of == 1 ? truth.service_is_lost(lost)
                       : truth.everything_is_lost(lost);
    };
    for (std::size_t kind = 0; kind < kDomainKindCount; ++kind) {
      const auto domains = domains_of(t, static_cast<DomainKind>(kind));
      const auto& found = placement.smallest[of][kind];
      const bool told = !domains.empty() && (of != 2 || t.archive != Topology::kNoArchive);
      std::string fault;
      if (found.is_known() != told) {
        fault = found.is_known() ? "known" : found.why().error.message();
      } else if (told) {
        fault = compare(found.known_value(), domains, fails);
      }
      if (!fault.empty()) {
        wrong += fmt::format("{} by {}: {}\n", kLossesOf[of], kDomainKinds[kind], fault);
      }
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("the placement of 10,000 random clusters is that of brute force", "[placement]") {
  for (unsigned seed = 0; seed < kTopologies; ++seed) {
    const Topology topology = random_topology(seed);
    config::Config config;
    const PlacementBuilder b = tell(topology, config);
    const auto moment = b.moment(config);
    REQUIRE(moment->assessment.placement.clusters.size() == 1);
    const std::string wrong = judge(topology, moment->assessment.placement.clusters[0]);
    if (!wrong.empty()) FAIL("seed " << seed << ": " << wrong);
  }
}

}  // namespace keelwatch::analysis
