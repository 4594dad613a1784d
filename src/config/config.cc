#include "config/config.h"

#include <algorithm>

namespace keelwatch::config {

Thresholds thresholds_for(const Config& config, std::string_view ns, std::string_view cluster) {
  const Thresholds* of_any_namespace = &config.thresholds;
  for (const ThresholdOverride& o : config.threshold_overrides) {
    if (o.cluster != cluster) continue;
    if (o.ns == ns) return o.values;
    if (o.ns.empty()) of_any_namespace = &o.values;
  }
  return *of_any_namespace;
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
