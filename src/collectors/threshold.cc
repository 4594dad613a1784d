// keelwatch_threshold_*: what the rules compare with, so that a rule file never holds a number that
// a user would want to change.
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using config::Thresholds;
using metrics::Family;
using metrics::Type;

struct Threshold {
  Family family;
  double (*value)(const Thresholds&);
};

constexpr Threshold threshold(std::string_view name, std::string_view help,
                              double (*value)(const Thresholds&)) {
  return {Family(name, Type::kGauge, help, {"namespace", "cluster"}), value};
}

constexpr std::array kThresholds = {
    threshold("keelwatch_threshold_replication_lag_bytes",
              "thresholds.replication_lag_bytes, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return t.replication_lag_bytes; }),
    threshold("keelwatch_threshold_replication_lag_seconds",
              "thresholds.replication_lag, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.replication_lag); }),
    threshold("keelwatch_threshold_slot_retained_bytes",
              "thresholds.slot_retained_bytes, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return t.slot_retained_bytes; }),
    threshold("keelwatch_threshold_connections_ratio",
              "thresholds.connections_ratio, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return t.connections_ratio; }),
    threshold("keelwatch_threshold_long_transaction_seconds",
              "thresholds.long_transaction, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.long_transaction); }),
    threshold("keelwatch_threshold_idle_in_transaction_seconds",
              "thresholds.idle_in_transaction, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.idle_in_transaction); }),
    threshold("keelwatch_threshold_prepared_transaction_seconds",
              "thresholds.prepared_transaction, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.prepared_transaction); }),
    threshold("keelwatch_threshold_xmin_age", "thresholds.xmin_age, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return t.xmin_age; }),
    threshold("keelwatch_threshold_transaction_ids_ratio",
              "thresholds.transaction_ids_ratio, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return t.transaction_ids_ratio; }),
    threshold("keelwatch_threshold_archive_delay_seconds",
              "thresholds.archive_delay, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.archive_delay); }),
    threshold("keelwatch_threshold_restore_drill_seconds",
              "thresholds.restore_drill, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.restore_drill); }),
    threshold("keelwatch_threshold_restore_drill_interval_seconds",
              "thresholds.restore_drill_interval, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.restore_drill_interval); }),
    threshold("keelwatch_threshold_certificate_expiry_seconds",
              "thresholds.certificate_expiry, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.certificate_expiry); }),
    threshold("keelwatch_threshold_pooler_wait_seconds",
              "thresholds.pooler_wait, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.pooler_wait); }),
    threshold("keelwatch_threshold_filesystem_available_ratio",
              "thresholds.filesystem_available_ratio, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return t.filesystem_available_ratio; }),
    threshold("keelwatch_threshold_filesystem_critical_ratio",
              "thresholds.filesystem_critical_ratio, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return t.filesystem_critical_ratio; }),
    threshold("keelwatch_threshold_backup_delay_seconds",
              "thresholds.backup_delay, or the cluster's own setting.",
              [](const Thresholds& t) -> double { return to_seconds(t.backup_delay); }),
};

// Volumes of other workloads have a threshold, too, by their namespace alone.
constexpr Threshold kVolumeDegraded =
    threshold("keelwatch_threshold_volume_degraded_seconds",
              "thresholds.volume_degraded, or the cluster's own setting; without a cluster for the "
              "volumes of other workloads in the namespace.",
              [](const Thresholds& t) -> double { return to_seconds(t.volume_degraded); });

constexpr auto kFamilies = [] {
  std::array<const Family*, kThresholds.size() + 1> families{};
  for (std::size_t i = 0; i < kThresholds.size(); ++i) families[i] = &kThresholds[i].family;
  families.back() = &kVolumeDegraded.family;
  return families;
}();

// Of every cluster that any subject speaks of: a pooler or a file system may be of one that is not
// watched itself, and without a threshold a rule about it would be silent for ever.
void collect(const Input& input, metrics::Writer& writer) {
  std::set<std::pair<std::string_view, std::string_view>> clusters;
  const analysis::Assessment& assessment = input.assessment;
  for (const auto& c : assessment.clusters) clusters.emplace(c.ns, c.name);
  for (const auto& b : assessment.backups) clusters.emplace(b.ns, b.cluster);
  for (const auto& p : assessment.poolers) clusters.emplace(p.ns, p.cluster);
  for (const auto& f : assessment.filesystems) clusters.emplace(f.ns, f.cluster);
  const auto write = [&](const Threshold& one, std::string_view ns, std::string_view cluster) {
    const Thresholds thresholds = config::thresholds_for(input.config, ns, cluster);
    writer.write(one.family, {ns, cluster},
                 Observed<double>::known(one.value(thresholds), input.world.at));
  };
  for (const auto& [ns, cluster] : clusters) {
    for (const Threshold& one : kThresholds) write(one, ns, cluster);
  }
  std::set<std::pair<std::string_view, std::string_view>> owners;
  for (const auto& v : assessment.storage.volumes) owners.emplace(v.ns, v.cluster);
  for (const auto& [ns, cluster] : owners) write(kVolumeDegraded, ns, cluster);
}

}  // namespace

const Collector& threshold_collector() {
  static constexpr Collector collector{"threshold", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
