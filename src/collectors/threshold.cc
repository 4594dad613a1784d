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
constexpr Family kSlotRetainedBytes("keelwatch_threshold_slot_retained_bytes", Type::kGauge,
                                    "thresholds.slot_retained_bytes, or the cluster's own setting.",
                                    {"namespace", "cluster"});
constexpr Family kConnectionsPercent(
    "keelwatch_threshold_connections_ratio", Type::kGauge,
    "thresholds.connections_percent as a share of 1, or the cluster's own setting.",
    {"namespace", "cluster"});
constexpr Family kLongTransaction("keelwatch_threshold_long_transaction_seconds", Type::kGauge,
                                  "thresholds.long_transaction, or the cluster's own setting.",
                                  {"namespace", "cluster"});
constexpr Family kIdleInTransaction("keelwatch_threshold_idle_in_transaction_seconds", Type::kGauge,
                                    "thresholds.idle_in_transaction, or the cluster's own setting.",
                                    {"namespace", "cluster"});
constexpr Family kPreparedTransaction(
    "keelwatch_threshold_prepared_transaction_seconds", Type::kGauge,
    "thresholds.prepared_transaction, or the cluster's own setting.", {"namespace", "cluster"});
constexpr Family kXminAge("keelwatch_threshold_xmin_age", Type::kGauge,
                          "thresholds.xmin_age, or the cluster's own setting.",
                          {"namespace", "cluster"});
constexpr Family kTransactionIdsPercent(
    "keelwatch_threshold_transaction_ids_ratio", Type::kGauge,
    "thresholds.transaction_ids_percent as a share of 1, or the cluster's own setting.",
    {"namespace", "cluster"});
constexpr Family kArchiveDelay("keelwatch_threshold_archive_delay_seconds", Type::kGauge,
                               "thresholds.archive_delay, or the cluster's own setting.",
                               {"namespace", "cluster"});
constexpr Family kCertificateExpiry("keelwatch_threshold_certificate_expiry_seconds", Type::kGauge,
                                    "thresholds.certificate_expiry, or the cluster's own setting.",
                                    {"namespace", "cluster"});

constexpr std::array<const Family*, 11> kFamilies = {&kLagBytes,
                                                     &kLag,
                                                     &kSlotRetainedBytes,
                                                     &kConnectionsPercent,
                                                     &kLongTransaction,
                                                     &kIdleInTransaction,
                                                     &kPreparedTransaction,
                                                     &kXminAge,
                                                     &kTransactionIdsPercent,
                                                     &kArchiveDelay,
                                                     &kCertificateExpiry};

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::ClusterTopology& cluster : input.assessment.clusters) {
    const config::Thresholds thresholds =
        config::thresholds_for(input.config, cluster.ns, cluster.name);
    const WallTime at = input.world.at;
    const auto labels = {std::string_view(cluster.ns), std::string_view(cluster.name)};
    writer.write(kLagBytes, labels, Observed<double>::known(thresholds.replication_lag_bytes, at));
    writer.write(kLag, labels, Observed<Duration>::known(thresholds.replication_lag, at));
    writer.write(kSlotRetainedBytes, labels,
                 Observed<double>::known(thresholds.slot_retained_bytes, at));
    writer.write(kConnectionsPercent, labels,
                 Observed<double>::known(thresholds.connections_percent / 100.0, at));
    writer.write(kLongTransaction, labels,
                 Observed<Duration>::known(thresholds.long_transaction, at));
    writer.write(kIdleInTransaction, labels,
                 Observed<Duration>::known(thresholds.idle_in_transaction, at));
    writer.write(kPreparedTransaction, labels,
                 Observed<Duration>::known(thresholds.prepared_transaction, at));
    writer.write(kXminAge, labels, Observed<int>::known(thresholds.xmin_age, at));
    writer.write(kTransactionIdsPercent, labels,
                 Observed<double>::known(thresholds.transaction_ids_percent / 100.0, at));
    writer.write(kArchiveDelay, labels, Observed<Duration>::known(thresholds.archive_delay, at));
    writer.write(kCertificateExpiry, labels,
                 Observed<Duration>::known(thresholds.certificate_expiry, at));
  }
}

}  // namespace

const Collector& threshold_collector() {
  static constexpr Collector collector{"threshold", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
