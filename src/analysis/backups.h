// Whether backups are made when they should be, by what Kubernetes says of them: ScheduledBackups
// and their slots, Backups and what became of them, and whether there is an archiver at all. What
// the object store holds is another question. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/topology.h"
#include "base/observed.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

// A Backup object, as far as a judgement is about it.
struct BackupOutcome {
  std::string name;  // empty: an ObjectStore's status says it
  std::string method;
  WallTime at;        // when it ended; of an unfinished one, when it began
  std::string phase;  // of an unfinished one; empty: the operator has not looked at it
  std::string error;
};

// A ScheduledBackup.
struct BackupSchedule {
  std::string name;
  std::string schedule;  // as it is written
  std::string method;    // barmanObjectStore, volumeSnapshot, plugin
  std::string plugin;
  // Unknown where the object could not be decoded.
  Observed<bool> suspended;
  // Empty: it can be read and has slots. Else what is wrong with it, in words.
  std::string problem;
  // What the operator says of its next slot is not what the configured offset of its zone gives:
  // its zone is another one, or the schedule has been changed since. Then neither the next slot nor
  // the missed ones are told, and the rest only where it is so in every zone.
  std::optional<Why> zone_doubt;
  std::optional<WallTime> next_slot;  // none where it is suspended or has a problem
  // Slots that have passed since the operator last made a Backup of it, counted up to kMaxMissed.
  std::int64_t missed_slots = 0;
  // The first slot since the last successful backup of its method, once the time that a backup may
  // take is over as well. None: it is not overdue, suspended, or the cluster is hibernated. Unknown
  // where nobody knows what became of the last one.
  Observed<std::optional<WallTime>> overdue_since;
  // Why no backup of it can succeed: the Cluster has not what its method needs. Empty: it has.
  Observed<std::string> orphaned;
  // The child Backup, neither completed nor failed, for which the operator has let slots pass.
  Observed<std::optional<BackupOutcome>> blocked_by;
};

struct ClusterBackups {
  std::string ns;
  std::string cluster;
  Observed<std::vector<BackupSchedule>> schedules;  // sorted by name
  // The newest completed Backup, or what an ObjectStore's status says of the cluster's archive if
  // that is newer. A backup by volume snapshots counts once the contents of all of them are ready.
  Observed<std::optional<BackupOutcome>> last_success;
  Observed<std::optional<BackupOutcome>> last_failure;
  // Whether the last backup that ended has failed.
  Observed<bool> failing;
  Observed<std::vector<BackupOutcome>> unfinished;  // oldest first
  // How long a backup may take: thresholds.backup_delay and twice the longest completed one.
  Observed<Duration> allowance;
  // Whether an unfinished one takes longer.
  Observed<bool> stuck;
  // Whether WAL goes anywhere: an enabled plugin that is the WAL archiver, or a barmanObjectStore.
  // Without either, or with cnpg.io/skipWalArchiving, CNPG's archive_command succeeds and keeps
  // nothing (pkg/management/postgres/archiver), so pg_stat_archiver goes on as if all were well.
  Observed<bool> archiver_configured;
  // There is none, although a schedule that is not suspended and whose method needs one exists.
  Observed<bool> without_archiver;
};

inline constexpr std::int64_t kMaxMissed = 1000;

// Sorted by (namespace, cluster): every cluster that has an object, and every one that a
// ScheduledBackup names.
[[nodiscard]] std::vector<ClusterBackups> assess_backups(
    const std::vector<ClusterTopology>& clusters, const model::World& world,
    const config::Config& config);

}  // namespace keelwatch::analysis
