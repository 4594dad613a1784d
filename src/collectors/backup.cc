// keelwatch_backup_*: whether backups are made when they should be, by what Kubernetes says of
// them.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using analysis::BackupOutcome;
using analysis::BackupSchedule;
using analysis::ClusterBackups;
using metrics::Family;
using metrics::Type;

constexpr Family kLastSuccess(
    "keelwatch_backup_last_success_timestamp_seconds", Type::kGauge,
    "When the last successful backup ended. from=\"api\": by the newest completed Backup, or what "
    "the ObjectStore's status says if that is newer; one by volume snapshots counts once their "
    "contents are ready. Absent before the first one and while that is unknown.",
    {"namespace", "cluster", "from"});
constexpr Family kLastFailure("keelwatch_backup_last_failure_timestamp_seconds", Type::kGauge,
                              "When the last Backup that failed ended; absent where none is there.",
                              {"namespace", "cluster"});
constexpr Family kFailing(
    "keelwatch_backup_failing", Type::kGauge,
    "1 if the last Backup that ended has failed, else 0; absent while that is "
    "unknown.",
    {"namespace", "cluster"});
constexpr Family kInProgress(
    "keelwatch_backup_in_progress_since_timestamp_seconds", Type::kGauge,
    "When a Backup began that is neither completed nor failed, with its phase (pending, running, "
    "walArchivingFailing...; empty: the operator has not looked at it).",
    {"namespace", "cluster", "backup", "phase"});
constexpr Family kStuck("keelwatch_backup_stuck", Type::kGauge,
                        "1 if a Backup is unfinished for longer than a backup may take, else 0; "
                        "absent while that is unknown.",
                        {"namespace", "cluster"});
constexpr Family kAllowance("keelwatch_backup_allowance_seconds", Type::kGauge,
                            "How long a backup may take: thresholds.backup_delay and twice as long "
                            "as the longest completed Backup took.",
                            {"namespace", "cluster"});
constexpr Family kArchiver(
    "keelwatch_archiver_configured", Type::kGauge,
    "1 if the Cluster archives WAL anywhere (an enabled plugin that is the WAL archiver, or "
    "spec.backup.barmanObjectStore), else 0: its archive_command then succeeds and keeps nothing. "
    "Absent while the Kubernetes API is silent.",
    {"namespace", "cluster"});
constexpr Family kWithoutArchiver(
    "keelwatch_backup_without_archiver", Type::kGauge,
    "1 if the Cluster archives no WAL although a ScheduledBackup that needs it and is not "
    "suspended exists, else 0; "
    "absent while that is unknown.",
    {"namespace", "cluster"});
constexpr Family kInfo("keelwatch_backup_schedule_info", Type::kGauge,
                       "1 for each ScheduledBackup, with its method, plugin and schedule.",
                       {"namespace", "cluster", "scheduled_backup", "method", "plugin",
                        "schedule"});
constexpr Family kSuspended("keelwatch_backup_schedule_suspended", Type::kGauge,
                            "1 if the ScheduledBackup is suspended, else 0.",
                            {"namespace", "cluster", "scheduled_backup"});
constexpr Family kValid("keelwatch_backup_schedule_valid", Type::kGauge,
                        "1 if the schedule can be read and has a slot in the next five years, else "
                        "0.",
                        {"namespace", "cluster", "scheduled_backup"});
constexpr Family kOrphaned(
    "keelwatch_backup_schedule_orphaned", Type::kGauge,
    "1 if no backup of the schedule can succeed because the Cluster, or what "
    "its method needs there, is missing, else 0; absent while the Kubernetes "
    "API is silent.",
    {"namespace", "cluster", "scheduled_backup"});
constexpr Family kNext(
    "keelwatch_backup_next_scheduled_timestamp_seconds", Type::kGauge,
    "When the schedule is due next, as keelwatch reads it itself; absent where it "
    "is suspended or not valid, and while the operator itself names another slot.",
    {"namespace", "cluster", "scheduled_backup"});
constexpr Family kMissed(
    "keelwatch_backup_schedule_missed_slots", Type::kGauge,
    "Slots that have passed since the operator last made a Backup of the "
    "schedule, up to 1000; absent where it is suspended or not valid, and while the "
    "operator itself names another slot.",
    {"namespace", "cluster", "scheduled_backup"});
constexpr Family kBlocked(
    "keelwatch_backup_schedule_blocked", Type::kGauge,
    "1 if slots pass because a Backup of the schedule is neither completed nor "
    "failed, else 0; absent while Backups are unknown.",
    {"namespace", "cluster", "scheduled_backup"});
constexpr Family kOverdue(
    "keelwatch_backup_overdue", Type::kGauge,
    "1 if a slot of the schedule has passed without a successful backup of its "
    "method and the time that one may take is over, else 0; absent while it is "
    "unknown what became of the last one.",
    {"namespace", "cluster", "scheduled_backup"});
constexpr Family kOverdueSince(
    "keelwatch_backup_overdue_since_timestamp_seconds", Type::kGauge,
    "The first slot without a successful backup; absent where the schedule "
    "is not overdue.",
    {"namespace", "cluster", "scheduled_backup"});

constexpr std::array<const Family*, 17> kFamilies = {
    &kLastSuccess, &kLastFailure,     &kFailing, &kInProgress, &kStuck,       &kAllowance,
    &kArchiver,    &kWithoutArchiver, &kInfo,    &kSuspended,  &kValid,       &kOrphaned,
    &kNext,        &kMissed,          &kBlocked, &kOverdue,    &kOverdueSince};

Observed<std::optional<WallTime>> time_of(const Observed<std::optional<BackupOutcome>>& outcome) {
  return outcome.map([](const std::optional<BackupOutcome>& o) {
    return o ? std::optional(o->at) : std::nullopt;
  });
}

template <typename T>
Observed<bool> is_there(const Observed<std::optional<T>>& answer) {
  return answer.map([](const std::optional<T>& value) { return value.has_value(); });
}

void write_schedule(const ClusterBackups& backups, const BackupSchedule& schedule, WallTime at,
                    metrics::Writer& writer) {
  const auto labels = {std::string_view(backups.ns), std::string_view(backups.cluster),
                       std::string_view(schedule.name)};
  const auto valid = [&](auto value) {
    return schedule.suspended.map([&](bool) { return value; });
  };
  writer.write(kInfo,
               {backups.ns, backups.cluster, schedule.name, schedule.method, schedule.plugin,
                schedule.schedule},
               Observed<bool>::known(true, at));
  writer.write(kSuspended, labels, schedule.suspended);
  writer.write(kValid, labels, valid(schedule.problem.empty()));
  writer.write(kOrphaned, labels,
               schedule.orphaned.map([](const std::string& why) { return !why.empty(); }));
  if (schedule.zone_doubt) {
    writer.write(kNext, labels, Observed<WallTime>::absent(*schedule.zone_doubt));
    writer.write(kMissed, labels, Observed<std::int64_t>::absent(*schedule.zone_doubt));
  } else if (schedule.next_slot) {
    writer.write(kNext, labels, valid(*schedule.next_slot));
    writer.write(kMissed, labels, valid(schedule.missed_slots));
  }
  writer.write(kBlocked, labels, is_there(schedule.blocked_by));
  writer.write(kOverdue, labels, is_there(schedule.overdue_since));
  const auto* since = schedule.overdue_since.if_known();
  if (since == nullptr || *since) writer.write(kOverdueSince, labels, schedule.overdue_since);
}

void write_cluster(const ClusterBackups& backups, metrics::Writer& writer) {
  const auto labels = {std::string_view(backups.ns), std::string_view(backups.cluster)};
  writer.write(kLastSuccess, {backups.ns, backups.cluster, "api"}, time_of(backups.last_success));
  const auto* failure = backups.last_failure.if_known();
  if (failure == nullptr || *failure) {
    writer.write(kLastFailure, labels, time_of(backups.last_failure));
  }
  writer.write(kFailing, labels, backups.failing);
  if (const auto* unfinished = backups.unfinished.if_known()) {
    for (const BackupOutcome& one : *unfinished) {
      writer.write(kInProgress, {backups.ns, backups.cluster, one.name, one.phase},
                   Observed<WallTime>::known(one.at, backups.unfinished.observed_at()));
    }
  }
  writer.write(kStuck, labels, backups.stuck);
  writer.write(kAllowance, labels, backups.allowance);
  writer.write(kArchiver, labels, backups.archiver_configured);
  writer.write(kWithoutArchiver, labels, backups.without_archiver);
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const ClusterBackups& backups : input.assessment.backups) {
    write_cluster(backups, writer);
    const auto* schedules = backups.schedules.if_known();
    if (schedules == nullptr) continue;
    for (const BackupSchedule& schedule : *schedules) {
      write_schedule(backups, schedule, backups.schedules.observed_at(), writer);
    }
  }
}

}  // namespace

const Collector& backup_collector() {
  static constexpr Collector collector{"backup", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
