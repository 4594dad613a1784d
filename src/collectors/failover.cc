// keelwatch_failover_*: changes of the primary, measured as they happened.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family kCount(
    "keelwatch_failovers_total", Type::kCounter,
    "Changes of the primary that keelwatch has seen, by kind: a switchover was "
    "asked for while the old primary lived, a failover was not; begins anew with "
    "keelwatch.",
    {"namespace", "cluster", "kind"});
constexpr Family kDuration(
    "keelwatch_failover_last_duration_seconds", Type::kGauge,
    "How long the cluster had no writable primary at the last change; absent "
    "before the first one and where it was not watched closely enough.",
    {"namespace", "cluster", "kind"});
constexpr Family kTimestamp(
    "keelwatch_failover_last_timestamp_seconds", Type::kGauge,
    "When the new primary was writable at the last change; absent before the "
    "first one.",
    {"namespace", "cluster", "kind"});
constexpr Family kLastWritable(
    "keelwatch_cluster_last_writable_timestamp_seconds", Type::kGauge,
    "When a writable primary answered last; absent before the first time.",
    {"namespace", "cluster"});

constexpr std::array<const Family*, 4> kFamilies = {&kCount, &kDuration, &kTimestamp,
                                                    &kLastWritable};

void collect(const Input& input, metrics::Writer& writer) {
  const WallTime at = input.world.at;
  for (const analysis::Failovers& failovers : input.assessment.failovers) {
    for (std::size_t kind = 0; kind < failovers.changes.size(); ++kind) {
      const analysis::Changes& changes = failovers.changes[kind];
      const auto labels = {std::string_view(failovers.ns), std::string_view(failovers.cluster),
                           analysis::kChangeKinds[kind]};
      writer.write(kCount, labels, Observed<std::uint64_t>::known(changes.count, at));
      writer.write(kDuration, labels,
                   Observed<std::optional<Duration>>::known(changes.last_duration, at));
      writer.write(kTimestamp, labels, Observed<std::optional<WallTime>>::known(changes.last, at));
    }
    writer.write(kLastWritable, {failovers.ns, failovers.cluster},
                 Observed<std::optional<WallTime>>::known(failovers.last_writable, at));
  }
}

}  // namespace

const Collector& failover_collector() {
  static constexpr Collector collector{"replication", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
