// keelwatch_replication_*: how each standby is doing and what would be lost.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family kExpected("keelwatch_replication_standbys_expected", Type::kGauge,
                           "Standbys that there should be: one less than the instances desired.",
                           {"namespace", "cluster"});
constexpr Family kStreamingCount(
    "keelwatch_replication_standbys_streaming", Type::kGauge,
    "Standbys to which somebody sends WAL; absent while that is unknown "
    "of one of them.",
    {"namespace", "cluster"});
constexpr Family kLoss("keelwatch_replication_loss_if_primary_dies_bytes", Type::kGauge,
                       "WAL that no standby has on disk yet; absent while no primary or no standby "
                       "tells its position.",
                       {"namespace", "cluster"});
constexpr Family kLossSeconds("keelwatch_replication_loss_if_primary_dies_seconds", Type::kGauge,
                              "Age of the oldest commit that no standby has on disk yet: 0 if "
                              "there is none, else the measured "
                              "flush lag or the age of the last commit that the most advanced "
                              "standby has; absent where neither "
                              "can be measured.",
                              {"namespace", "cluster"});
constexpr Family kSyncRequired(
    "keelwatch_replication_sync_standbys_required", Type::kGauge,
    "Standbys that each commit waits for, from the primary's "
    "synchronous_standby_names, 0 without any; absent while the primary's "
    "settings are unknown.",
    {"namespace", "cluster"});
constexpr Family kSyncPresent(
    "keelwatch_replication_sync_standbys_present", Type::kGauge,
    "Synchronous standbys (sync_state sync or quorum) that stream; absent "
    "while the primary does not answer.",
    {"namespace", "cluster"});
constexpr Family kSyncDeclared(
    "keelwatch_replication_sync_standbys_declared", Type::kGauge,
    "Synchronous standbys that the Cluster asks for, 0 if for none; absent "
    "for a cluster listed by hand and while the Kubernetes API is silent.",
    {"namespace", "cluster"});
constexpr Family kSyncWaiting("keelwatch_replication_sync_waiting_sessions", Type::kGauge,
                              "Sessions whose commit waits for a synchronous standby; absent while "
                              "the primary does not answer.",
                              {"namespace", "cluster"});
constexpr Family kSyncWait("keelwatch_replication_sync_longest_wait_seconds", Type::kGauge,
                           "How long a commit has been waiting for a synchronous standby at most; "
                           "absent if none waits and while the primary does not answer.",
                           {"namespace", "cluster"});
constexpr Family kSyncState(
    "keelwatch_replication_sync_state", Type::kGauge,
    "1 for the standby's sync_state on the primary, 0 for the others; absent "
    "while the primary has no row for it.",
    {"namespace", "cluster", "pod", "state"});
constexpr Family kApplyDelay("keelwatch_replication_apply_delay_seconds", Type::kGauge,
                             "recovery_min_apply_delay of the standby: its replay lag is "
                             "intended up to that; absent while it does not answer.",
                             {"namespace", "cluster", "pod"});
constexpr Family kState("keelwatch_replication_standby_state", Type::kGauge,
                        "1 for the state of the standby, judged by its own answer and by the "
                        "senders', 0 for the other states; absent while it is unknown.",
                        {"namespace", "cluster", "pod", "state"});
constexpr Family kStreaming(
    "keelwatch_replication_streaming", Type::kGauge,
    "1 if somebody sends WAL to the standby, 0 if nobody does; absent while "
    "that is unknown.",
    {"namespace", "cluster", "pod"});
constexpr Family kReceiver("keelwatch_replication_wal_receiver_up", Type::kGauge,
                           "1 if the standby's own WAL receiver streams, 0 if it has none; absent "
                           "while the standby does not answer.",
                           {"namespace", "cluster", "pod"});
constexpr Family kLagBytes("keelwatch_replication_lag_bytes", Type::kGauge,
                           "The primary's WAL position minus the standby's, by stage (sent, write, "
                           "flush, replay); absent while one of the two is unknown, never zero "
                           "because a standby is cut off.",
                           {"namespace", "cluster", "pod", "stage"});
constexpr Family kLagSeconds(
    "keelwatch_replication_lag_seconds", Type::kGauge,
    "How old the standby's data is: 0 with nothing left to replay, else the "
    "measured replay lag or the age of its last replayed commit.",
    {"namespace", "cluster", "pod", "stage"});

constexpr std::string_view kSyncStates[] = {"async", "potential", "sync", "quorum"};

constexpr std::array<const Family*, 16> kFamilies = {
    &kExpected,     &kStreamingCount, &kLoss,     &kLossSeconds, &kSyncRequired, &kSyncPresent,
    &kSyncDeclared, &kSyncWaiting,    &kSyncWait, &kSyncState,   &kApplyDelay,   &kState,
    &kStreaming,    &kReceiver,       &kLagBytes, &kLagSeconds};

void write_standby(const analysis::Standby& standby, metrics::Writer& writer) {
  const std::string_view ns = standby.id.ns;
  const std::string_view cluster = standby.id.cluster;
  const std::string_view pod = standby.id.pod;
  writer.write_states(kState, {ns, cluster, pod}, analysis::kStandbyStates, standby.state);
  writer.write(kStreaming, {ns, cluster, pod}, standby.streaming);
  writer.write(kReceiver, {ns, cluster, pod}, standby.wal_receiver_up);
  writer.write_states(kSyncState, {ns, cluster, pod}, kSyncStates, standby.sync_state);
  writer.write(kApplyDelay, {ns, cluster, pod}, standby.apply_delay);
  writer.write(kLagBytes, {ns, cluster, pod, "sent"}, standby.sent_lag_bytes);
  writer.write(kLagBytes, {ns, cluster, pod, "write"}, standby.write_lag_bytes);
  writer.write(kLagBytes, {ns, cluster, pod, "flush"}, standby.flush_lag_bytes);
  writer.write(kLagBytes, {ns, cluster, pod, "replay"}, standby.replay_lag_bytes);
  writer.write(kLagSeconds, {ns, cluster, pod, "replay"}, standby.replay_lag);
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::Replication& replication : input.assessment.replication) {
    const auto labels = {std::string_view(replication.ns), std::string_view(replication.cluster)};
    writer.write(kExpected, labels, replication.standbys_expected);
    writer.write(kStreamingCount, labels, replication.standbys_streaming);
    writer.write(kLoss, labels, replication.loss_if_primary_dies_bytes);
    writer.write(kLossSeconds, labels, replication.loss_if_primary_dies);
    writer.write(kSyncRequired, labels, replication.sync.required);
    writer.write(kSyncPresent, labels, replication.sync.present);
    writer.write(kSyncDeclared, labels, replication.sync.declared);
    writer.write(kSyncWaiting, labels, replication.sync.waiting_sessions);
    writer.write(kSyncWait, labels, replication.sync.longest_wait);
    for (const analysis::Standby& standby : replication.standbys) write_standby(standby, writer);
  }
}

}  // namespace

const Collector& replication_collector() {
  static constexpr Collector collector{"replication", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
