// keelwatch_instance_* and keelwatch_archiver_*: what each instance answers of its sessions, its
// settings, its WAL directory and its archiver.
#include <algorithm>
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;
using model::Activity;
using model::Settings;

constexpr Family kConnections(
    "keelwatch_instance_connections", Type::kGauge,
    "Client sessions by state, from pg_stat_activity, without keelwatch's "
    "own; absent while the instance does not answer.",
    {"namespace", "cluster", "pod", "state"});
constexpr Family kConnectionsUsed(
    "keelwatch_instance_connections_used", Type::kGauge,
    "Connections that count against max_connections; absent while the "
    "instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kConnectionsMax(
    "keelwatch_instance_connections_max", Type::kGauge,
    "max_connections without the reserved ones: what ordinary roles can "
    "use; absent while the instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kLockWaiters("keelwatch_instance_lock_waiters", Type::kGauge,
                              "Sessions that wait for a lock, from pg_stat_activity; absent while "
                              "the instance does not answer.",
                              {"namespace", "cluster", "pod"});
constexpr Family kLongestTransaction(
    "keelwatch_instance_longest_transaction_seconds", Type::kGauge,
    "Age of the oldest open transaction of a client, 0 without one; absent while the instance does "
    "not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kLongestIdle(
    "keelwatch_instance_longest_idle_in_transaction_seconds", Type::kGauge,
    "How long a session has been idle within its transaction at most, 0 without one; absent while "
    "the instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kPrepared(
    "keelwatch_instance_prepared_transactions", Type::kGauge,
    "Prepared transactions that nobody has finished, from pg_prepared_xacts; "
    "absent while the instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kOldestPrepared(
    "keelwatch_instance_oldest_prepared_timestamp_seconds", Type::kGauge,
    "When the oldest prepared transaction was prepared; absent without one and while the instance "
    "does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kXminAge("keelwatch_instance_xmin_age", Type::kGauge,
                          "Transactions since the oldest one whose row versions must be kept, by "
                          "what keeps them (session, prepared_transaction, slot, standby), 0 where "
                          "nothing does; absent while the instance does not answer.",
                          {"namespace", "cluster", "pod", "kind"});
constexpr Family kCheckpoint(
    "keelwatch_instance_checkpoint_timestamp_seconds", Type::kGauge,
    "When the last checkpoint or restartpoint began, from the control file; "
    "absent while the instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kSettingOn(
    "keelwatch_instance_setting_enabled", Type::kGauge,
    "1 if the setting (data_checksums, fsync, full_page_writes) is on, else "
    "0; absent while the instance's settings are unknown.",
    {"namespace", "cluster", "pod", "setting"});
constexpr Family kSyncCommit(
    "keelwatch_instance_synchronous_commit", Type::kGauge,
    "1 for the server's synchronous_commit, 0 for its other values; absent "
    "while the instance's settings are unknown.",
    {"namespace", "cluster", "pod", "state"});
constexpr Family kSyncCommitOverrides(
    "keelwatch_instance_synchronous_commit_overrides", Type::kGauge,
    "Roles and databases that have a synchronous_commit of their own, from pg_db_role_setting; "
    "absent while the instance's settings are unknown.",
    {"namespace", "cluster", "pod"});
constexpr Family kPendingRestart(
    "keelwatch_instance_settings_pending_restart", Type::kGauge,
    "Settings that were changed and wait for a restart; absent while the "
    "instance's settings are unknown.",
    {"namespace", "cluster", "pod"});
constexpr Family kWalBytes(
    "keelwatch_instance_wal_directory_bytes", Type::kGauge,
    "Size of pg_wal, from pg_ls_waldir(); absent while the instance does not "
    "tell.",
    {"namespace", "cluster", "pod"});
constexpr Family kCertificate(
    "keelwatch_instance_certificate_expiry_timestamp_seconds", Type::kGauge,
    "When the certificate expires that the instance showed in the last TLS "
    "handshake; absent without TLS and before the first one.",
    {"namespace", "cluster", "pod"});
constexpr Family kReady("keelwatch_archiver_ready_segments", Type::kGauge,
                        "WAL segments that wait to be archived (.ready files); absent while the "
                        "instance does not tell.",
                        {"namespace", "cluster", "pod"});
constexpr Family kOldestReady(
    "keelwatch_archiver_oldest_ready_timestamp_seconds", Type::kGauge,
    "When the segment was finished that has waited longest to be archived; "
    "absent if none waits and while the instance does not tell.",
    {"namespace", "cluster", "pod"});
constexpr Family kArchived(
    "keelwatch_archiver_archived_total", Type::kCounter,
    "Segments for which archive_command returned success, from "
    "pg_stat_archiver: it does so without an archiver, too; absent while the "
    "instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kFailed("keelwatch_archiver_failed_total", Type::kCounter,
                         "Attempts to archive a segment that failed, from pg_stat_archiver; absent "
                         "while the instance does not answer.",
                         {"namespace", "cluster", "pod"});
constexpr Family kLastArchived("keelwatch_archiver_last_archived_timestamp_seconds", Type::kGauge,
                               "When archive_command returned success last, from pg_stat_archiver; "
                               "absent before the first time.",
                               {"namespace", "cluster", "pod"});
constexpr Family kLastFailed(
    "keelwatch_archiver_last_failed_timestamp_seconds", Type::kGauge,
    "When archive_command failed last, from pg_stat_archiver; absent before "
    "the first time.",
    {"namespace", "cluster", "pod"});

constexpr std::array<const Family*, 22> kFamilies = {&kConnections,
                                                     &kConnectionsUsed,
                                                     &kConnectionsMax,
                                                     &kLockWaiters,
                                                     &kLongestTransaction,
                                                     &kLongestIdle,
                                                     &kPrepared,
                                                     &kOldestPrepared,
                                                     &kXminAge,
                                                     &kCheckpoint,
                                                     &kSettingOn,
                                                     &kSyncCommit,
                                                     &kSyncCommitOverrides,
                                                     &kPendingRestart,
                                                     &kWalBytes,
                                                     &kCertificate,
                                                     &kReady,
                                                     &kOldestReady,
                                                     &kArchived,
                                                     &kFailed,
                                                     &kLastArchived,
                                                     &kLastFailed};

constexpr std::string_view kSessionStates[] = {"active", "idle", "idle in transaction",
                                               "idle in transaction (aborted)"};
constexpr std::string_view kXminKinds[] = {"session", "prepared_transaction", "slot", "standby"};
constexpr std::string_view kSwitches[] = {"data_checksums", "fsync", "full_page_writes"};
constexpr std::string_view kCommitModes[] = {"on", "off", "local", "remote_write", "remote_apply"};

struct Names {
  std::string_view ns;
  std::string_view cluster;
  std::string_view pod;
};

void write_sessions(const model::Instance& instance, const Names& n, metrics::Writer& writer) {
  const auto labels = {n.ns, n.cluster, n.pod};
  const auto& activity = instance.activity;
  for (const std::string_view state : kSessionStates) {
    writer.write(
        kConnections, {n.ns, n.cluster, n.pod, state}, activity.map([&](const Activity& a) {
          const auto found = std::ranges::find(a.sessions, state, &model::SessionCount::state);
          return found == a.sessions.end() ? std::int64_t{0} : found->count;
        }));
  }
  writer.write(kConnectionsUsed, labels,
               activity.map([](const Activity& a) { return a.connections; }));
  writer.write(kConnectionsMax, labels, activity.map([](const Activity& a) {
    return a.max_connections - a.reserved_connections;
  }));
  writer.write(kLockWaiters, labels,
               activity.map([](const Activity& a) { return a.waiting_for_lock; }));
  // Without an open transaction the longest is none: zero is the truth.
  const auto or_none = [](std::optional<Duration> d) { return d ? *d : Duration::zero(); };
  writer.write(kLongestTransaction, labels,
               activity.map([&](const Activity& a) { return or_none(a.longest_transaction); }));
  writer.write(kLongestIdle, labels, activity.map([&](const Activity& a) {
    return or_none(a.longest_idle_in_transaction);
  }));
  writer.write(kPrepared, labels,
               instance.prepared.map([](const auto& prepared) { return prepared.count; }));
  writer.write(kOldestPrepared, labels,
               instance.prepared.map([](const auto& prepared) { return prepared.oldest; }));
  for (const std::string_view kind : kXminKinds) {
    writer.write(kXminAge, {n.ns, n.cluster, n.pod, kind},
                 instance.xmin_holders.map([&](const std::vector<model::XminHolder>& holders) {
                   std::int64_t age = 0;
                   for (const model::XminHolder& holder : holders) {
                     if (holder.kind == kind) age = std::max(age, holder.age);
                   }
                   return age;
                 }));
  }
}

void write_settings(const model::Instance& instance, const Names& n, metrics::Writer& writer) {
  const auto labels = {n.ns, n.cluster, n.pod};
  const auto& settings = instance.settings;
  for (const std::string_view name : kSwitches) {
    writer.write(kSettingOn, {n.ns, n.cluster, n.pod, name},
                 settings.map([&](const Settings& all) -> std::optional<bool> {
                   const model::Setting* setting = find_setting(all, name);
                   if (setting == nullptr) return std::nullopt;
                   return setting->value == "on";
                 }));
  }
  const Settings* known = settings.if_known();
  const model::Setting* commit =
      known != nullptr ? find_setting(*known, "synchronous_commit") : nullptr;
  if (commit != nullptr) {
    writer.write_states(kSyncCommit, labels, kCommitModes,
                        Observed<std::string>::known(commit->value, settings.observed_at()));
  }
  writer.write(kSyncCommitOverrides, labels, settings.map([](const Settings& all) {
    return static_cast<std::int64_t>(
        std::ranges::count(all.overrides, "synchronous_commit", &model::SettingOverride::name));
  }));
  writer.write(kPendingRestart, labels, settings.map([](const Settings& all) {
    return static_cast<std::int64_t>(all.pending_restart.size());
  }));
}

void write_wal(const model::Instance& instance, const Names& n, metrics::Writer& writer) {
  const auto labels = {n.ns, n.cluster, n.pod};
  using Directory = model::WalDirectory;
  const auto& directory = instance.wal_directory;
  writer.write(kCheckpoint, labels,
               instance.server.map([](const model::ServerFacts& s) { return s.checkpoint_time; }));
  writer.write(kWalBytes, labels, directory.map([](const Directory& d) { return d.bytes; }));
  writer.write(kReady, labels, directory.map([](const Directory& d) { return d.ready; }));
  writer.write(kOldestReady, labels,
               directory.map([](const Directory& d) { return d.oldest_ready; }));
  using Archiver = model::Archiver;
  const auto& archiver = instance.archiver;
  writer.write(kArchived, labels, archiver.map([](const Archiver& a) { return a.archived; }));
  writer.write(kFailed, labels, archiver.map([](const Archiver& a) { return a.failed; }));
  writer.write(kLastArchived, labels,
               archiver.map([](const Archiver& a) { return a.last_archived; }));
  writer.write(kLastFailed, labels, archiver.map([](const Archiver& a) { return a.last_failed; }));
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::ClusterTopology& cluster : input.assessment.clusters) {
    for (const auto& instance : cluster.instances) {
      const Names names{instance->id.ns, instance->id.cluster, instance->id.pod};
      write_sessions(*instance, names, writer);
      write_settings(*instance, names, writer);
      write_wal(*instance, names, writer);
      writer.write(
          kCertificate, {names.ns, names.cluster, names.pod},
          instance->certificate.map([](const model::ServerCertificate& c) { return c.not_after; }));
    }
  }
}

}  // namespace

const Collector& instance_collector() {
  static constexpr Collector collector{"cluster", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
