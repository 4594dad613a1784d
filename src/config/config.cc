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
      if (o.pooler_wait) thresholds.pooler_wait = *o.pooler_wait;
    }
  }
  return thresholds;
}

bool lists_instances(const Config& config, std::string_view ns, std::string_view cluster) {
  return std::ranges::any_of(config.postgres.clusters, [&](const PostgresCluster& c) {
    return c.ns == ns && c.name == cluster && !c.instances.empty();
  });
}

const PgBouncerPooler* find_pooler(const Config& config, std::string_view ns,
                                   std::string_view pooler) {
  const auto found = std::ranges::find_if(config.pgbouncer.poolers, [&](const PgBouncerPooler& p) {
    return p.ns == ns && p.name == pooler;
  });
  return found == config.pgbouncer.poolers.end() ? nullptr : &*found;
}

}  // namespace keelwatch::config
