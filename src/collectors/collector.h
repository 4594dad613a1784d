// A collector is data and one pure function: the families that it declares, and how they are
// written from the world and its assessment. `describe metrics` and the README's table read the
// same list.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "analysis/assessment.h"
#include "config/config.h"
#include "metrics/writer.h"
#include "model/world.h"

namespace keelwatch::collectors {

struct Input {
  const model::World& world;
  const analysis::Assessment& assessment;
  const config::Config& config;
};

struct Collector {
  std::string_view name;  // the subject
  std::span<const metrics::Family* const> families;
  void (*collect)(const Input& input, metrics::Writer& writer);
};

// Every collector, in the order of the page.
[[nodiscard]] std::span<const Collector> all();

// Every declared family, in the order of the page.
[[nodiscard]] std::vector<const metrics::Family*> all_families();

// The single collectors, one file each.
[[nodiscard]] const Collector& source_collector();
[[nodiscard]] const Collector& cluster_collector();
[[nodiscard]] const Collector& instance_collector();
[[nodiscard]] const Collector& database_collector();
[[nodiscard]] const Collector& kubernetes_collector();
[[nodiscard]] const Collector& replication_collector();
[[nodiscard]] const Collector& backup_collector();
[[nodiscard]] const Collector& pooler_collector();
[[nodiscard]] const Collector& filesystem_collector();
[[nodiscard]] const Collector& storage_collector();
[[nodiscard]] const Collector& reachability_collector();
[[nodiscard]] const Collector& slot_collector();
[[nodiscard]] const Collector& failover_collector();
[[nodiscard]] const Collector& recovery_collector();
[[nodiscard]] const Collector& placement_collector();
[[nodiscard]] const Collector& threshold_collector();

}  // namespace keelwatch::collectors
