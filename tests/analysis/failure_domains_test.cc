// The smallest losses, against brute force and against what can be counted by hand.
#include "analysis/failure_domains.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace keelwatch::analysis {
namespace {

std::vector<Failure> losses_of(const std::vector<std::string>& domains) {
  std::vector<Failure> parts;
  for (const std::string& domain : domains) parts.push_back(loss_of(domain));
  return parts;
}

Failure copies(const std::vector<std::string>& nodes) { return all_of(losses_of(nodes)); }

SmallestLoss smallest(const Failure& failure) {
  const auto found = smallest_loss(failure);
  REQUIRE(found);
  return *found;
}

using Names = std::vector<std::string>;

// A cluster as the analysis sees one, judged below without a Failure.
struct Topology {
  struct Instance {
    unsigned node = 0;              // as a bit, as everywhere here
    std::vector<unsigned> volumes;  // the nodes with a copy of each
    bool ready = true;
    [[nodiscard]] bool has_data(unsigned lost) const {
      return std::ranges::none_of(volumes, [&](unsigned set) { return (set & ~lost) == 0; });
    }
    [[nodiscard]] bool serves(unsigned lost) const {
      return ready && (node & lost) == 0 && has_data(lost);
    }
  };
  int nodes = 0;
  std::vector<Instance> instances;           // the first is the primary
  std::vector<std::vector<unsigned>> pools;  // the node of each pod of poolers and ProxyGroups
  std::vector<unsigned> servers;             // of the control plane
  int must_serve = 1;                        // with the standbys that a commit waits for

  [[nodiscard]] bool no_data(unsigned lost) const {
    return std::ranges::none_of(instances, [&](const Instance& i) { return i.has_data(lost); });
  }
  [[nodiscard]] bool no_service(unsigned lost) const {
    const auto serving =
        std::ranges::count_if(instances, [&](const Instance& i) { return i.serves(lost); });
    if (serving < must_serve) return true;
    const auto alive =
        std::ranges::count_if(servers, [&](unsigned node) { return (node & lost) == 0; });
    const bool majority = 2 * static_cast<std::size_t>(alive) > servers.size();
    if (!instances[0].serves(lost) && !majority) return true;
    return std::ranges::any_of(pools, [&](const std::vector<unsigned>& pods) {
      return std::ranges::all_of(pods, [&](unsigned node) { return (node & lost) != 0; });
    });
  }
};

std::string name(unsigned bit) { return fmt::format("node-{}", std::countr_zero(bit)); }

std::vector<Failure> losses_of(unsigned nodes) {
  std::vector<Failure> parts;
  for (unsigned bit = 1; bit != 0 && bit <= nodes; bit <<= 1U) {
    if ((nodes & bit) != 0) parts.push_back(loss_of(name(bit)));
  }
  return parts;
}

Failure data_loss(const Topology::Instance& instance) {
  std::vector<Failure> volumes;
  for (const unsigned set : instance.volumes) volumes.push_back(all_of(losses_of(set)));
  return any_of(std::move(volumes));
}

Failure outage(const Topology::Instance& instance) {
  if (!instance.ready) return happened();
  return any_of({loss_of(name(instance.node)), data_loss(instance)});
}

Failure data_loss(const Topology& topology) {
  std::vector<Failure> parts;
  for (const auto& instance : topology.instances) parts.push_back(data_loss(instance));
  return all_of(std::move(parts));
}

Failure outage(const Topology& topology) {
  std::vector<Failure> instances;
  for (const auto& instance : topology.instances) instances.push_back(outage(instance));
  const std::size_t spare = instances.size() + 1 - static_cast<std::size_t>(topology.must_serve);
  std::vector<Failure> servers;
  for (const unsigned node : topology.servers) servers.push_back(loss_of(name(node)));
  const std::size_t majority = (servers.size() + 1) / 2;
  std::vector<Failure> parts = {
      at_least(spare, std::move(instances)),
      all_of({outage(topology.instances[0]), at_least(majority, std::move(servers))})};
  for (const auto& pods : topology.pools) {
    std::vector<Failure> lost;
    for (const unsigned node : pods) lost.push_back(loss_of(name(node)));
    parts.push_back(all_of(std::move(lost)));
  }
  return any_of(std::move(parts));
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int between(int low, int high) {  // the same on every machine, unlike a distribution
    return low + static_cast<int>(engine_() % static_cast<unsigned>(high - low + 1));
  }

 private:
  std::mt19937 engine_;
};

Topology random_topology(Random& random, int most_nodes) {
  Topology t;
  t.nodes = random.between(1, most_nodes);
  const auto node = [&] { return 1U << static_cast<unsigned>(random.between(0, t.nodes - 1)); };
  for (int i = random.between(1, 4); i > 0; --i) {
    Topology::Instance instance{node(), {}, random.between(0, 9) > 0};
    for (int v = random.between(1, 3); v > 0; --v) {
      unsigned set = 0;
      for (int c = random.between(0, 9) == 0 ? 0 : random.between(1, 3); c > 0; --c) set |= node();
      instance.volumes.push_back(set);
    }
    t.instances.push_back(std::move(instance));
  }
  for (int p = random.between(0, 2); p > 0; --p) {
    std::vector<unsigned> pods;
    for (int i = random.between(1, 3); i > 0; --i) pods.push_back(node());
    t.pools.push_back(std::move(pods));
  }
  for (int s = random.between(0, 1) * 2 + 1; s > 0; --s) t.servers.push_back(node());
  t.must_serve = random.between(1, static_cast<int>(t.instances.size()));
  return t;
}

unsigned bits(const Names& names) {
  unsigned set = 0;
  for (const std::string& one : names) set |= 1U << static_cast<unsigned>(std::stoi(one.substr(5)));
  return set;
}

// What is wrong with an answer; empty: nothing is.
template <typename Fails>
std::string compare(const SmallestLoss& found, int nodes, const Fails& fails) {
  std::optional<int> least;
  for (unsigned lost = 0; lost < 1U << static_cast<unsigned>(nodes); ++lost) {
    const int count = std::popcount(lost);
    if (fails(lost) && (!least || count < *least)) least = count;
  }
  if (found.domains.has_value() != least.has_value()) return "one of the two finds no loss";
  if (!least) return "";
  if (static_cast<int>(found.domains->size()) != *least) {
    return fmt::format("{} are found, {} suffice", found.domains->size(), *least);
  }
  return fails(bits(*found.domains)) ? "" : "those that are found do not do it";
}

}  // namespace

TEST_CASE("the smallest loss of 10,000 random clusters is that of brute force", "[analysis]") {
  for (unsigned seed = 0; seed < 10'000; ++seed) {
    Random random(seed);
    const Topology topology = random_topology(random, 6);
    const std::string data = compare(smallest(data_loss(topology)), topology.nodes,
                                     [&](unsigned lost) { return topology.no_data(lost); });
    const std::string service = compare(smallest(outage(topology)), topology.nodes,
                                        [&](unsigned lost) { return topology.no_service(lost); });
    if (!data.empty() || !service.empty()) {
      FAIL("seed " << seed << ": data: " << data << "; service: " << service);
    }
  }
}

TEST_CASE("three instances on three nodes with two copies each", "[analysis]") {
  const auto instance = [](const std::string& node, const Names& nodes) {
    return any_of({loss_of(node), copies(nodes)});
  };
  const std::vector<Failure> ring = {copies({"a", "b"}), copies({"b", "c"}), copies({"c", "a"})};
  CHECK(smallest(all_of(ring)) == SmallestLoss{Names{"a", "b", "c"}});
  const std::vector<Failure> pair = {copies({"a", "b"}), copies({"a", "b"}), copies({"b", "a"})};
  CHECK(smallest(all_of(pair)) == SmallestLoss{Names{"a", "b"}});
  const Failure primary = instance("a", {"a", "b"});
  const Failure all = all_of({primary, instance("b", {"b", "c"}), instance("c", {"c", "a"})});
  CHECK(smallest(all) == SmallestLoss{Names{"a", "b", "c"}});
  // With two of three servers of the control plane nobody promotes the last one.
  const Failure majority = at_least(2, losses_of(Names{"a", "b", "c"}));
  CHECK(smallest(any_of({all, all_of({primary, majority})})) == SmallestLoss{Names{"a", "b"}});
  // Spread pods, and every copy of every volume on one node.
  CHECK(smallest(all_of({instance("a", {"b"}), instance("b", {"b"}), instance("c", {"b"})})) ==
        SmallestLoss{Names{"b"}});
}

TEST_CASE("what has happened needs no loss, and what cannot happen has none", "[analysis]") {
  CHECK(smallest(happened()) == SmallestLoss{Names{}});
  CHECK(smallest(impossible()) == SmallestLoss{std::nullopt});
  CHECK(smallest(any_of({impossible(), loss_of("a")})) == SmallestLoss{Names{"a"}});
  CHECK(smallest(all_of({impossible(), loss_of("a")})) == SmallestLoss{std::nullopt});
  CHECK(smallest(all_of({happened(), loss_of("a")})) == SmallestLoss{Names{"a"}});
  CHECK(smallest(at_least(2, {loss_of("a")})) == SmallestLoss{std::nullopt});
  CHECK(smallest(at_least(2, {loss_of("a"), loss_of("b"), loss_of("c")})).domains->size() == 2);
  CHECK(happens(happened(), {}));
  CHECK_FALSE(happens(impossible(), {"a"}));
}

TEST_CASE("over larger domains fewer losses do it", "[analysis]") {
  const Failure failure = copies({"n1", "n2", "n3"});
  const auto host = [](const std::string& node) {
    return loss_of(node == "n3" ? "beta" : "alpha");
  };
  CHECK(smallest(failure).domains->size() == 3);
  CHECK(smallest(with_domains(failure, host)) == SmallestLoss{Names{"alpha", "beta"}});
  CHECK(domains_of(failure) == Domains{"n1", "n2", "n3"});
}

TEST_CASE("fifteen nodes and fifty volumes take few looks", "[analysis]") {
  std::uint64_t most = 0;
  for (unsigned seed = 0; seed < 50; ++seed) {
    Random random(seed);
    std::vector<Failure> instances;
    for (int i = 0; i < 25; ++i) {
      std::vector<Failure> volumes;
      for (int v = 0; v < 2; ++v) {
        Names nodes;
        for (int c = 0; c < 3; ++c) nodes.push_back(fmt::format("node-{}", random.between(0, 14)));
        volumes.push_back(copies(nodes));
      }
      instances.push_back(any_of(std::move(volumes)));
    }
    std::uint64_t looks = 0;
    REQUIRE(smallest_loss(all_of(std::move(instances)), kMostLooks, &looks));
    most = std::max(most, looks);
  }
  CAPTURE(most);
  CHECK(most < 1'000);
}

TEST_CASE("a search that would take too long is given up", "[analysis]") {
  std::vector<Failure> parts;
  for (int i = 0; i < 40; ++i) {
    parts.push_back(any_of({copies({fmt::format("a{}", i % 7), fmt::format("b{}", i % 11)}),
                            copies({fmt::format("c{}", i % 13), fmt::format("b{}", i % 5)})}));
  }
  const auto given_up = smallest_loss(all_of(std::move(parts)), 5);
  REQUIRE_FALSE(given_up);
  CHECK(given_up.error().code() == ErrorCode::kTooLarge);
}

}  // namespace keelwatch::analysis
