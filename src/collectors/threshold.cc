// keelwatch_threshold_*: what the rules compare with, so that a rule file never holds a number that
// a user would want to change.
#include <array>

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

constexpr std::array<const Family*, 2> kFamilies = {&kLagBytes, &kLag};

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
}

}  // namespace

const Collector& threshold_collector() {
  static constexpr Collector collector{"threshold", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
