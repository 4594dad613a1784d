// How few of the things that fail as a whole (nodes, zones, hosts) have to be lost until something
// is gone, and which. Pure, and exact: the smallest set of lost domains that brings a failure about
// is a minimum hitting set over everything that would still keep it away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace keelwatch::analysis {

using Domains = std::set<std::string, std::less<>>;

// A failure that losses bring about and that no loss takes back: that of one domain, or of at least
// `needed` of the parts. A volume is gone when all of its copies are; an instance when any of its
// volumes is; a database when all of its instances are; etcd when a majority of its servers is.
struct Failure {
  std::string domain;  // empty: by its parts
  std::size_t needed = 0;
  std::vector<Failure> parts;

  bool operator==(const Failure&) const = default;
};

[[nodiscard]] Failure loss_of(std::string domain);
[[nodiscard]] Failure all_of(std::vector<Failure> parts);  // of none: it has happened
[[nodiscard]] Failure any_of(std::vector<Failure> parts);  // of none: it cannot happen
[[nodiscard]] Failure at_least(std::size_t needed, std::vector<Failure> parts);
// That something which has no redundancy left is gone already, and that nothing here takes it.
[[nodiscard]] Failure happened();
[[nodiscard]] Failure impossible();

[[nodiscard]] bool happens(const Failure& failure, const Domains& lost);

// Every domain that the failure depends on.
[[nodiscard]] Domains domains_of(const Failure& failure);

// The same failure over other domains: a node's zone, or the machine that it runs on, in the place
// of each node.
[[nodiscard]] Failure with_domains(const Failure& failure,
                                   const std::function<Failure(const std::string& domain)>& larger);

struct SmallestLoss {
  // In alphabetical order. Empty: the failure has happened. None: no loss brings it about.
  std::optional<std::vector<std::string>> domains;

  bool operator==(const SmallestLoss&) const = default;
};

// What one search may look at. The search is exponential in the worst case, and that of fifteen
// nodes and fifty volumes takes some hundreds of looks.
inline constexpr std::uint64_t kMostLooks = 20'000;

// kTooLarge: it has not been found within so many looks. `looks`: how many it took.
[[nodiscard]] Result<SmallestLoss> smallest_loss(const Failure& failure,
                                                 std::uint64_t most_looks = kMostLooks,
                                                 std::uint64_t* looks = nullptr);

}  // namespace keelwatch::analysis
