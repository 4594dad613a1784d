#include "config/config.h"

#include <algorithm>

namespace keelwatch::config {
namespace {

template <typename T>
void take(T& threshold, const std::optional<T>& other) {
  if (other) threshold = *other;
}

}  // namespace

Thresholds thresholds_for(const Config& config, std::string_view ns, std::string_view cluster) {
  Thresholds thresholds = config.thresholds;
  for (const bool with_namespace : {false, true}) {  // the later one wins
    for (const ThresholdOverride& o : config.threshold_overrides) {
      if (o.cluster != cluster || o.ns != (with_namespace ? ns : std::string_view())) continue;
      take(thresholds.replication_lag_bytes, o.replication_lag_bytes);
      take(thresholds.replication_lag, o.replication_lag);
      take(thresholds.slot_retained_bytes, o.slot_retained_bytes);
      take(thresholds.connections_percent, o.connections_percent);
      take(thresholds.long_transaction, o.long_transaction);
      take(thresholds.idle_in_transaction, o.idle_in_transaction);
      take(thresholds.prepared_transaction, o.prepared_transaction);
      take(thresholds.xmin_age, o.xmin_age);
      take(thresholds.transaction_ids_percent, o.transaction_ids_percent);
      take(thresholds.archive_delay, o.archive_delay);
      take(thresholds.certificate_expiry, o.certificate_expiry);
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
