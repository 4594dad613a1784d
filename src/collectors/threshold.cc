// keelwatch_threshold_*: what the rules compare with, so that a rule file never holds a number that
// a user would want to change.
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family kLagBytes("keelwatch_threshold_replication_lag_bytes", Type::kGauge,
                           "thresholds.replication_lag_bytes, or the cluster's own setting.",
                           {"namespace", "cluster"});
constexpr Family kLag("keelwatch_threshold_replication_lag_seconds", Type::kGauge,
                      "thresholds.replication_lag, or the cluster's own setting.",
                      {"namespace", "cluster"});

constexpr Family kPoolerWait("keelwatch_threshold_pooler_wait_seconds", Type::kGauge,
                             "thresholds.pooler_wait, or the cluster's own setting.",
                             {"namespace", "cluster"});

constexpr std::array<const Family*, 3> kFamilies = {&kLagBytes, &kLag, &kPoolerWait};

// A pooler may lead to a cluster that is not watched itself.
void write_pooler_thresholds(const Input& input, metrics::Writer& writer) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const analysis::Pooling& pooler : input.assessment.poolers) {
    if (!seen.emplace(pooler.ns, pooler.cluster).second) continue;
    writer.write(kPoolerWait, {pooler.ns, pooler.cluster},
                 Observed<Duration>::known(
                     config::thresholds_for(input.config, pooler.ns, pooler.cluster).pooler_wait,
                     input.world.at));
  }
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::ClusterTopology& cluster : input.assessment.clusters) {
    const config::Thresholds thresholds =
        config::thresholds_for(input.config, cluster.ns, cluster.name);
    const WallTime at = input.world.at;
    writer.write(kLagBytes, {cluster.ns, cluster.name},
                 Observed<double>::known(thresholds.replication_lag_bytes, at));
    writer.write(kLag, {cluster.ns, cluster.name},
                 Observed<Duration>::known(thresholds.replication_lag, at));
  }
  write_pooler_thresholds(input, writer);
}

}  // namespace

const Collector& threshold_collector() {
  static constexpr Collector collector{"threshold", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
