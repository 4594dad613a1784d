#include "config/config.h"

#include <algorithm>

namespace keelwatch::config {

Thresholds thresholds_for(const Config& config, std::string_view ns, std::string_view cluster) {
  Thresholds thresholds = config.thresholds;
  for (const bool with_namespace : {false, true}) {  // the later one wins
    for (const ThresholdOverride& o : config.threshold_overrides) {
      if (o.cluster != cluster || o.ns != (with_namespace ? ns : std::string_view())) continue;
      if (o.replication_lag_bytes) thresholds.replication_lag_bytes = *o.replication_lag_bytes;
      if (o.replication_lag) thresholds.replication_lag = *o.replication_lag;
      if (o.filesystem_available_ratio) {
        thresholds.filesystem_available_ratio = *o.filesystem_available_ratio;
      }
      if (o.filesystem_critical_ratio) {
        thresholds.filesystem_critical_ratio = *o.filesystem_critical_ratio;
      }
    }
  }
  return thresholds;
}

bool lists_instances(const Config& config, std::string_view ns, std::string_view cluster) {
  return std::ranges::any_of(config.postgres.clusters, [&](const PostgresCluster& c) {
    return c.ns == ns && c.name == cluster && !c.instances.empty();
  });
}

}  // namespace keelwatch::config
