// keelwatch_placement_*: what the loss of a node, a zone or a host would take.
#include <array>
#include <initializer_list>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using analysis::Placement;
using metrics::Family;
using metrics::Type;

constexpr Family kTolerated(
    "keelwatch_placement_tolerated_node_losses", Type::kGauge,
    "How many nodes, zones or hosts (domain) may be lost, whichever they are, until the data, the "
    "service, or the data with all its backups (for) is gone: -1 if it is, +Inf if no such loss "
    "takes it; absent while any of what it is made from is unknown, without zone labels or "
    "placement.hosts, and for data_and_backups while nothing tells where the bucket lies.",
    {"namespace", "cluster", "for", "domain"});
constexpr Family kMember("keelwatch_placement_smallest_loss", Type::kGauge,
                         "1 for each node, zone or host (member) of one of the smallest sets whose "
                         "loss takes it; absent "
                         "if it is gone, and while keelwatch_placement_tolerated_node_losses is.",
                         {"namespace", "cluster", "for", "domain", "member"});
constexpr Family kKnown(
    "keelwatch_placement_known", Type::kGauge,
    "1 if keelwatch_placement_tolerated_node_losses is known, 0 while it is not because a source "
    "is silent or contradicts itself; absent where it can't be known: nobody tells where something "
    "lies.",
    {"namespace", "cluster", "for", "domain"});
constexpr Family kRedundant(
    "keelwatch_placement_redundancy_wanted", Type::kGauge,
    "1 if more is asked for than one node could take (there are several nodes and several "
    "instances or, for data, several copies of each volume), else 0; absent while it is unknown.",
    {"namespace", "cluster", "for"});
constexpr Family kCopies(
    "keelwatch_placement_copies", Type::kGauge,
    "Nodes with a copy of the instance's volume that could be read now: by Longhorn's Replicas and "
    "the running engine, or the node that the volume is bound to; absent while it is unknown, and "
    "for storage that does not tell where it is.",
    {"namespace", "cluster", "pod", "persistentvolumeclaim", "role"});
constexpr Family kTogether("keelwatch_placement_standbys_with_primary", Type::kGauge,
                           "Ready standbys on the primary's node; absent while no primary is on a "
                           "node, or that is unknown.",
                           {"namespace", "cluster"});
constexpr Family kElsewhere("keelwatch_placement_standbys_elsewhere", Type::kGauge,
                            "Ready standbys on other nodes than the primary's; absent while no "
                            "primary is on a node, or that is unknown.",
                            {"namespace", "cluster"});
constexpr Family kEnoughNodes(
    "keelwatch_placement_enough_nodes", Type::kGauge,
    "1 if there are at least as many nodes that take Pods as instances should be, else 0; absent "
    "while that is unknown.",
    {"namespace", "cluster"});
constexpr Family kPods(
    "keelwatch_placement_pods_ready", Type::kGauge,
    "Ready Pods of a pooler, or proxies of a tailnet address that leads to the database (part is "
    "pooler or proxies); absent while they are unknown.",
    {"namespace", "cluster", "part", "name"});
constexpr Family kPodNodes("keelwatch_placement_pod_nodes", Type::kGauge,
                           "Nodes that these Pods are on; absent while they are unknown.",
                           {"namespace", "cluster", "part", "name"});
constexpr Family kOperator(
    "keelwatch_placement_operator_with_primary", Type::kGauge,
    "1 if every ready Pod of CloudNativePG's operator is on the primary's node, so that a failover "
    "waits until it is started elsewhere, else 0; absent while no Pod of it is seen.",
    {"namespace", "cluster"});

constexpr std::array<const Family*, 11> kFamilies = {
    &kTolerated, &kMember,      &kKnown, &kRedundant, &kCopies,  &kTogether,
    &kElsewhere, &kEnoughNodes, &kPods,  &kPodNodes,  &kOperator};

double tolerated(const analysis::SmallestLoss& loss) {
  if (!loss.domains) return std::numeric_limits<double>::infinity();
  return static_cast<double>(loss.domains->size()) - 1;
}

using Labels = std::initializer_list<std::string_view>;

void write_loss(const Observed<analysis::SmallestLoss>& loss, const Labels& labels, WallTime now,
                metrics::Writer& writer) {
  writer.write(kTolerated, labels, loss.map(tolerated));
  const analysis::SmallestLoss* known = loss.if_known();
  if (known == nullptr) {
    const bool silent = loss.why().absence == Absence::kUnknown;
    const auto is_known =
        silent ? Observed<bool>::known(false, now) : Observed<bool>::absent(loss.why());
    return writer.write(kKnown, labels, is_known);
  }
  writer.write(kKnown, labels, Observed<bool>::known(true, loss.observed_at()));
  if (!known->domains) return;
  const auto* at = labels.begin();
  for (const std::string& member : *known->domains) {
    writer.write(kMember, {at[0], at[1], at[2], at[3], member},
                 Observed<bool>::known(true, loss.observed_at()));
  }
}

void write_losses(const Placement& placement, WallTime now, metrics::Writer& writer) {
  for (std::size_t of = 0; of < analysis::kLossOfCount; ++of) {
    for (std::size_t kind = 0; kind < analysis::kDomainKindCount; ++kind) {
      write_loss(
          placement.smallest[of][kind],
          {placement.ns, placement.cluster, analysis::kLossesOf[of], analysis::kDomainKinds[kind]},
          now, writer);
    }
  }
}

void write_copies(const Placement& placement, metrics::Writer& writer) {
  const auto* instances = placement.instances.if_known();
  if (instances == nullptr) return;
  for (const analysis::PlacedInstance& instance : *instances) {
    for (const analysis::InstanceVolume& volume : instance.volumes) {
      writer.write(kCopies,
                   {placement.ns, placement.cluster, instance.name, volume.claim, volume.role},
                   Observed<std::size_t>::known(volume.copies.nodes.size(),
                                                placement.instances.observed_at()));
    }
  }
}

void write_parts(const Placement& placement, metrics::Writer& writer) {
  const auto* parts = placement.parts.if_known();
  if (parts == nullptr) return;
  for (const analysis::ServingPart& part : *parts) {
    const Labels labels = {placement.ns, placement.cluster, part.kind, part.name};
    std::set<std::string_view> nodes;
    std::size_t ready = 0;
    for (const analysis::PartPod& pod : part.pods) {
      if (!pod.ready) continue;
      ++ready;
      nodes.insert(pod.node);
    }
    const WallTime at = placement.parts.observed_at();
    writer.write(kPods, labels, Observed<std::size_t>::known(ready, at));
    writer.write(kPodNodes, labels, Observed<std::size_t>::known(nodes.size(), at));
  }
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const Placement& placement : input.assessment.placement.clusters) {
    const std::string_view ns = placement.ns;
    const std::string_view cluster = placement.cluster;
    write_losses(placement, input.world.at, writer);
    writer.write(kRedundant, {ns, cluster, "data"}, placement.redundant_data);
    writer.write(kRedundant, {ns, cluster, "service"}, placement.redundant_service);
    write_copies(placement, writer);
    writer.write(kTogether, {ns, cluster}, placement.standbys_with_primary);
    writer.write(kElsewhere, {ns, cluster}, placement.standbys_elsewhere);
    writer.write(kEnoughNodes, {ns, cluster}, placement.enough_nodes);
    write_parts(placement, writer);
    writer.write(kOperator, {ns, cluster}, placement.operator_with_primary);
  }
}

}  // namespace

const Collector& placement_collector() {
  static constexpr Collector collector{"placement", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
