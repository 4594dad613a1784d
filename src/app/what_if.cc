#include "app/what_if.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "analysis/placement.h"
#include "base/diagnostics.h"
#include "base/edit_distance.h"

namespace keelwatch::app {
namespace {

using analysis::Domains;
using analysis::Failure;
using analysis::NodeMap;
using analysis::PlacedInstance;
using analysis::Placement;

// ---- what is lost

Error no_such(std::string_view kind, const std::string& name,
              const std::vector<std::string_view>& known) {
  std::string text = fmt::format("there is no {} {}", kind, in_quotes(name));
  if (const std::string hint = did_you_mean(name, known); !hint.empty()) {
    text += ", " + hint;
  } else if (!known.empty()) {
    text += fmt::format("; there are {}", fmt::join(known, ", "));
  } else {
    text += "; none is known";
  }
  return Error(ErrorCode::kInvalid, text);
}

std::vector<std::string_view> zones_of(const NodeMap& map) {
  std::vector<std::string_view> zones;
  for (const analysis::NodePlace& node : map.nodes) {
    if (!node.zone.empty()) zones.push_back(node.zone);
  }
  std::ranges::sort(zones);
  zones.erase(std::unique(zones.begin(), zones.end()), zones.end());
  return zones;
}

Result<Domains> lost_domains(const NodeMap& map, const WhatIfRequest& request) {
  if (request.nodes.empty() && request.zones.empty() && request.hosts.empty()) {
    return Error(ErrorCode::kInvalid, "nothing is to be lost: name a node, a zone or a host");
  }
  Domains lost;
  std::vector<std::string_view> nodes;
  for (const analysis::NodePlace& node : map.nodes) nodes.push_back(node.name);
  for (const std::string& node : request.nodes) {
    if (map.find(node) == nullptr) return no_such("node", node, nodes);
    lost.insert(node);
  }
  const std::vector<std::string_view> zones = zones_of(map);
  for (const std::string& zone : request.zones) {
    if (!std::ranges::binary_search(zones, zone)) return no_such("zone", zone, zones);
    lost.merge(analysis::nodes_of_zone(map, zone));
  }
  const std::vector<std::string_view> hosts(map.hosts.begin(), map.hosts.end());
  for (const std::string& host : request.hosts) {
    if (std::ranges::find(hosts, host) == hosts.end()) return no_such("host", host, hosts);
    lost.merge(analysis::nodes_of_host(map, host));
  }
  return lost;
}

// ---- one cluster

Outcome absent(const Why& why) {
  const std::string_view verdict = why.absence == Absence::kUnknown        ? "unknown"
                                   : why.absence == Absence::kNotInstalled ? "none"
                                                                           : "not told";
  return {verdict, why.error.message()};
}

// "lost" only by this loss, "gone" before it.
std::string_view fate(const Failure& failure, const Domains& lost) {
  if (analysis::happens(failure, {})) return "gone";
  return analysis::happens(failure, lost) ? "lost" : "survives";
}

class Outlook {
 public:
  Outlook(const Moment& moment, const Placement& placement, const NodeMap& map, const Domains& lost)
      : moment_(moment), placement_(placement), map_(map), lost_(lost) {}

  [[nodiscard]] ClusterOutcome tell() const {
    ClusterOutcome outcome{.ns = placement_.ns,
                           .cluster = placement_.cluster,
                           .data = data(),
                           .read_write = read_write(),
                           .read_only = read_only(),
                           .control_plane = control_plane(),
                           .backups = backups(),
                           .instances = {}};
    if (const auto* instances = placement_.instances.if_known()) {
      for (const PlacedInstance& one : *instances) outcome.instances.push_back(instance(one));
    }
    return outcome;
  }

 private:
  template <typename Keep>
  [[nodiscard]] std::vector<std::string> names(Keep&& keep) const {
    std::vector<std::string> result;
    for (const PlacedInstance& one : placement_.instances.known_value()) {
      if (keep(one)) result.push_back(one.name);
    }
    return result;
  }
  [[nodiscard]] bool serves(const PlacedInstance& one) const {
    return !analysis::happens(one.outage(), lost_);
  }
  [[nodiscard]] const PlacedInstance* primary() const {
    const auto& all = placement_.instances.known_value();
    const auto found = std::ranges::find(all, true, &PlacedInstance::primary);
    return found == all.end() ? nullptr : &*found;
  }

  // Whether a standby becomes the primary.
  [[nodiscard]] bool promotes() const {
    const PlacedInstance* one = primary();
    if (one != nullptr && serves(*one)) return false;
    const analysis::ControlPlane* plane = placement_.control_plane.if_known();
    return plane == nullptr || !analysis::happens(plane->loss(map_), lost_);
  }

  [[nodiscard]] Outcome data() const {
    const auto& failure = placement_.failure[static_cast<std::size_t>(analysis::LossOf::kData)];
    if (!failure.is_known()) return absent(failure.why());
    const std::string_view verdict = fate(failure.known_value(), lost_);
    if (verdict != "survives") return {verdict, "no instance has all of its volumes left"};
    const auto left = names([&](const PlacedInstance& one) {
      return one.joined && !analysis::happens(one.data_loss(), lost_);
    });
    return {verdict, fmt::format("with {}{}", fmt::join(left, ", "), unreplicated())};
  }

  // What only the primary has goes with its data.
  [[nodiscard]] std::string unreplicated() const {
    const PlacedInstance* one = primary();
    if (one == nullptr || !analysis::happens(one->data_loss(), lost_)) return "";
    for (const analysis::Replication& replication : moment_.assessment.replication) {
      if (replication.ns != placement_.ns || replication.cluster != placement_.cluster) continue;
      const double* bytes = replication.loss_if_primary_dies_bytes.if_known();
      return bytes == nullptr
                 ? "; how much WAL only the primary has is unknown"
                 : fmt::format("; {:.0f} bytes of WAL that only the primary has are lost", *bytes);
    }
    return "";
  }

  // "2 of 3 pods of pooler pooler-rw are left"; nothing: none was lost. `dead`: no Pod is left.
  [[nodiscard]] std::string left_of(const analysis::ServingPart& part, bool& dead) const {
    std::size_t before = 0;
    std::size_t left = 0;
    for (const analysis::PartPod& pod : part.pods) {
      if (!pod.ready || !map_.alive(pod.node)) continue;
      ++before;
      left += lost_.contains(pod.node) ? 0 : 1;
    }
    dead = left == 0;
    if (left == before && !dead) return "";
    const std::string_view what = part.kind == "pooler" ? "pods of pooler" : "proxies";
    if (dead) return fmt::format("no {} {} are left", what, part.name);
    return fmt::format("{} of {} {} {} are left", left, before, what, part.name);
  }

  // Adds what is left of the poolers and proxies; whether one of them has nothing left.
  bool add_parts(bool read_write, std::vector<std::string>& words) const {
    bool any_dead = false;
    for (const analysis::ServingPart& part : placement_.parts.known_value()) {
      if (read_write ? !part.read_write : !part.read_only) continue;
      bool dead = false;
      if (std::string text = left_of(part, dead); !text.empty()) words.push_back(std::move(text));
      any_dead = any_dead || dead;
    }
    return any_dead;
  }

  [[nodiscard]] Outcome read_write() const {
    const auto& failure = placement_.failure[static_cast<std::size_t>(analysis::LossOf::kService)];
    if (!failure.is_known()) return absent(failure.why());
    const std::string_view verdict = fate(failure.known_value(), lost_);
    std::vector<std::string> words;
    const auto left = names([&](const PlacedInstance& one) { return serves(one); });
    const PlacedInstance* one = primary();
    const bool primary_serves = one != nullptr && serves(*one);
    if (static_cast<std::int64_t>(left.size()) < placement_.must_serve) {
      words.push_back(fmt::format("{} of {} instances that are needed are left", left.size(),
                                  placement_.must_serve));
    } else if (primary_serves) {
      words.push_back(fmt::format("primary {} stays", one->name));
    } else if (promotes()) {
      words.push_back(fmt::format("the primary is lost, {} can be promoted{}",
                                  fmt::join(left, " or "), without_operator()));
    } else {
      words.emplace_back("the primary is lost, and without the control plane none is promoted");
    }
    add_parts(true, words);
    const bool fails_over = verdict == "survives" && !primary_serves;
    return {fails_over ? "interrupted" : verdict, fmt::format("{}", fmt::join(words, "; "))};
  }

  [[nodiscard]] std::string without_operator() const {
    const auto pods = placement_.operators.if_known();
    if (pods == nullptr) return "";
    const bool left = std::ranges::any_of(*pods, [&](const analysis::PartPod& pod) {
      return pod.ready && map_.alive(pod.node) && !lost_.contains(pod.node);
    });
    return left ? "" : ", once the operator is started elsewhere";
  }

  // Standbys that are left when one of the instances is the primary.
  [[nodiscard]] Outcome read_only() const {
    if (!placement_.instances.is_known()) return absent(placement_.instances.why());
    if (!placement_.parts.is_known()) return absent(placement_.parts.why());
    const auto& all = placement_.instances.known_value();
    if (all.size() < 2) return {"none", "it has no standby"};
    const auto before = std::ranges::count_if(all, [](const PlacedInstance& one) {
      return !one.primary && !analysis::happens(one.outage(), {});
    });
    auto left = names([&](const PlacedInstance& one) { return serves(one) && !one.primary; });
    const std::size_t promoted = promotes() ? 1 : 0;
    std::vector<std::string> words;
    if (left.size() <= promoted) {
      words.emplace_back(left.empty() ? "no standby is left" : "the last standby is promoted");
    } else if (promoted == 1) {
      words.push_back(fmt::format("with all but one of {}", fmt::join(left, ", ")));
    } else {
      words.push_back(fmt::format("with {}", fmt::join(left, ", ")));
    }
    const bool dead = add_parts(false, words) || left.size() <= promoted;
    return {before == 0 ? "gone"
            : dead      ? "lost"
                        : "survives",
            fmt::format("{}", fmt::join(words, "; "))};
  }

  [[nodiscard]] Outcome control_plane() const {
    const analysis::ControlPlane* plane = placement_.control_plane.if_known();
    if (plane == nullptr) return absent(placement_.control_plane.why());
    if (plane->kind == "elsewhere") return {"survives", "it is on none of these nodes"};
    const auto left = std::ranges::count_if(plane->nodes, [&](const std::string& node) {
      return map_.alive(node) && !lost_.contains(node);
    });
    std::string why = fmt::format("{} of {} {} left", left, plane->nodes.size(),
                                  plane->kind == "etcd" ? "members of etcd are" : "servers are");
    return {fate(plane->loss(map_), lost_), std::move(why)};
  }

  [[nodiscard]] Outcome backups_in(const analysis::StorePlace& store) const {
    if (!store.loss.is_known()) return absent(store.loss.why());
    return {fate(store.loss.known_value(), lost_), store.where};
  }

  [[nodiscard]] Outcome backups() const {
    const auto* stores = placement_.stores.if_known();
    if (stores == nullptr) return absent(placement_.stores.why());
    if (stores->empty()) return {"none", "it has no archive"};
    if (stores->size() == 1) return backups_in(stores->front());
    // The best of them counts.
    static constexpr std::string_view kBest[] = {"survives", "unknown", "not told", "lost"};
    std::string_view verdict = "gone";
    std::vector<std::string> words;
    for (const analysis::StorePlace& store : *stores) {
      const Outcome one = backups_in(store);
      words.push_back(fmt::format("{}: {}", one.verdict, one.why));
      const auto rank = [](std::string_view v) { return std::ranges::find(kBest, v); };
      if (rank(one.verdict) < rank(verdict)) verdict = one.verdict;
    }
    return {verdict, fmt::format("{}", fmt::join(words, "; "))};
  }

  [[nodiscard]] ClusterOutcome::Instance instance(const PlacedInstance& one) const {
    ClusterOutcome::Instance outcome{.name = one.name,
                                     .node = one.node,
                                     .primary = one.primary,
                                     .service = {fate(one.outage(), lost_), ""},
                                     .data = {fate(one.data_loss(), lost_), ""},
                                     .volumes = {}};
    if (lost_.contains(one.node)) outcome.service.why = "its node is lost";
    if (one.volumes.empty()) outcome.data = {"none", "it has no volume"};
    if (!one.joined) outcome.data.why = "it has not got all data";
    for (const analysis::InstanceVolume& volume : one.volumes) {
      ClusterOutcome::Volume& told = outcome.volumes.emplace_back(
          volume.claim, volume.role, volume.copies.nodes, std::vector<std::string>());
      std::ranges::copy_if(volume.copies.nodes, std::back_inserter(told.left),
                           [&](const std::string& node) { return !lost_.contains(node); });
    }
    return outcome;
  }

  const Moment& moment_;
  const Placement& placement_;
  const NodeMap& map_;
  const Domains& lost_;
};

Result<std::vector<const Placement*>> chosen(const Moment& moment, const std::string& cluster) {
  std::vector<const Placement*> found;
  std::vector<std::string> names;
  for (const Placement& one : moment.assessment.placement.clusters) {
    names.push_back(one.ns + "/" + one.cluster);
    if (cluster.empty() || cluster == one.cluster || cluster == names.back()) {
      found.push_back(&one);
    }
  }
  if (!found.empty() || cluster.empty()) return found;
  return no_such("cluster", cluster, {names.begin(), names.end()});
}

}  // namespace

bool WhatIf::survives() const {
  const auto is_left = [](const Outcome& outcome) {
    return outcome.verdict == "survives" || outcome.verdict == "interrupted" ||
           outcome.verdict == "none";
  };
  return std::ranges::all_of(clusters, [&](const ClusterOutcome& one) {
    return is_left(one.data) && is_left(one.read_write);
  });
}

std::vector<std::string> split_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, end);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) names.emplace_back(name);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

Result<WhatIf> what_if(const Moment& moment, const WhatIfRequest& request) {
  const Observed<NodeMap>& nodes = moment.assessment.placement.nodes;
  const NodeMap* map = nodes.if_known();
  if (map == nullptr) {
    return Error(ErrorCode::kUnavailable,
                 "which nodes there are is unknown: " + nodes.why().error.message());
  }
  const Result<Domains> lost = lost_domains(*map, request);
  if (!lost) return lost.error();
  const auto placements = chosen(moment, request.cluster);
  if (!placements) return placements.error();
  WhatIf result;
  for (const std::string& domain : *lost) {
    const bool node = map->find(domain) != nullptr;
    result.lost.push_back(node ? domain
                               : "host " + domain.substr(analysis::host_domain("").size()));
  }
  for (const analysis::NodePlace& node : map->nodes) {
    if (node.down) result.down.push_back(node.name);
  }
  for (const Placement* placement : *placements) {
    result.clusters.push_back(Outlook(moment, *placement, *map, *lost).tell());
  }
  return result;
}

}  // namespace keelwatch::app
