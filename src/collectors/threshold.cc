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

constexpr Family kAvailable("keelwatch_threshold_filesystem_available_ratio", Type::kGauge,
                            "thresholds.filesystem_available_ratio, or the cluster's own setting.",
                            {"namespace", "cluster"});
constexpr Family kCritical("keelwatch_threshold_filesystem_critical_ratio", Type::kGauge,
                           "thresholds.filesystem_critical_ratio, or the cluster's own setting.",
                           {"namespace", "cluster"});

constexpr std::array<const Family*, 4> kFamilies = {&kLagBytes, &kLag, &kAvailable, &kCritical};

// A file system may be of a cluster that no other source knows: without its threshold a rule about
// it would be silent for ever.
void collect_of_filesystems(const Input& input, metrics::Writer& writer) {
  std::set<std::pair<std::string_view, std::string_view>> clusters;
  for (const analysis::ClusterTopology& c : input.assessment.clusters) {
    clusters.emplace(c.ns, c.name);
  }
  for (const analysis::Filesystem& f : input.assessment.filesystems) {
    clusters.emplace(f.ns, f.cluster);
  }
  for (const auto& [ns, cluster] : clusters) {
    const config::Thresholds thresholds = config::thresholds_for(input.config, ns, cluster);
    const WallTime at = input.world.at;
    writer.write(kAvailable, {ns, cluster},
                 Observed<double>::known(thresholds.filesystem_available_ratio, at));
    writer.write(kCritical, {ns, cluster},
                 Observed<double>::known(thresholds.filesystem_critical_ratio, at));
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
  collect_of_filesystems(input, writer);
}

}  // namespace

const Collector& threshold_collector() {
  static constexpr Collector collector{"threshold", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
