#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {

std::span<const Collector> all() {
  static const std::array<Collector, 16> collectors = {
      source_collector(),     cluster_collector(),    instance_collector(),
      database_collector(),   kubernetes_collector(), replication_collector(),
      slot_collector(),       failover_collector(),   backup_collector(),
      recovery_collector(),   pooler_collector(),     reachability_collector(),
      filesystem_collector(), storage_collector(),    placement_collector(),
      threshold_collector()};
  return collectors;
}

std::vector<const metrics::Family*> all_families() {
  std::vector<const metrics::Family*> families;
  for (const Collector& collector : all()) {
    families.insert(families.end(), collector.families.begin(), collector.families.end());
  }
  return families;
}

}  // namespace keelwatch::collectors
