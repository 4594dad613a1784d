// From which backups of an archive a database can be restored, and until when: each base backup
// with its files, the WAL that it needs to become consistent, and the chain behind it. Pure.
//
// A backup counts with status DONE, every data file, and every segment from its begin to its end.
// What is known to be broken counts on every level of proof; what only a closer look can see is not
// proven until somebody looked.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/wal_chain.h"
#include "base/observed.h"
#include "model/archive.h"

namespace keelwatch::analysis {

enum class BackupState {
  kRestorable,
  kIncomplete,     // without backup.info, and files came within a day: it runs
  kDebris,         // without backup.info, and nothing comes any more: what a crash left
  kUnreadable,     // backup.info cannot be read: its tools cannot restore it
  kNotDone,        // status FAILED, ...: its bytes may be whole, it must not be counted
  kDataMissing,    // a file of its data is not there
  kDataDamaged,    // a deep pass found it damaged, or a file is empty
  kThawFirst,      // a file is in a storage class that cannot be read now
  kWaitingForWal,  // its last segment has not come yet, nothing behind it either
  kWalMissing,     // between its begin and its end
  kWalDamaged,
  kTimeline,  // PostgreSQL refuses the target `latest` for it: a history is damaged, or leads away
  kOtherSystem,  // restorable, and of another database: before an upgrade, or foreign
  kUnknown,
};
inline constexpr std::string_view kBackupStates[] = {
    "restorable",   "incomplete",   "debris",       "unreadable",      "not_done",
    "data_missing", "data_damaged", "thaw_first",   "waiting_for_wal", "wal_missing",
    "wal_damaged",  "timeline",     "other_system", "unknown",
};
[[nodiscard]] std::string_view to_string(BackupState state);

struct RestorePoint {
  std::string id;
  BackupState state = BackupState::kUnknown;
  std::string reason;  // one sentence; empty if restorable
  // By proof: whether it restores to a consistent database.
  std::array<bool, kProofCount> restorable{};
  std::array<Reach, kProofCount> reach{};  // of a replay from it; of restorable ones
  // Empty, or why a recovery to `latest` fails although an earlier target works.
  std::string latest_fails;
  TargetTimeline target;
  // From backup.info; absent without it.
  std::optional<std::uint64_t> system_id;
  std::optional<std::int64_t> timeline;
  std::optional<std::int64_t> server_version;
  std::optional<model::Lsn> begin_lsn;
  std::optional<model::Lsn> end_lsn;
  std::optional<WallTime> end_time;
  std::optional<std::int64_t> cluster_bytes;
  std::int64_t stored_bytes = 0;  // of its files
};

// Times between which every moment can be restored.
struct RecoveryWindow {
  WallTime start;  // the end of its oldest backup
  WallTime end;    // when the last segment that is reached came into the store
  model::Lsn start_lsn;
  model::Lsn end_lsn;
  std::int64_t timeline = 0;  // the target's
  std::optional<std::uint64_t> system_id;
  std::optional<TimelineEntry> passed_fork;
  std::string oldest_backup;
  std::string newest_backup;
};

struct RestorePoints {
  Observed<std::vector<RestorePoint>> backups;  // as the archive has them
  // The system whose window is `window`; absent: nothing in the archive tells.
  std::optional<std::uint64_t> system_id;
  // By proof: the newest window of that system; none: nothing can be restored.
  std::array<Observed<std::optional<RecoveryWindow>>, kProofCount> window;
  // Windows that end before a hole, a damage or an upgrade, by what is listed; oldest first.
  std::vector<RecoveryWindow> closed;
  // On the path of the newest restorable backup's target, from the oldest restorable backup on.
  Observed<WalGaps> gaps;
  // What a restore to the window's end reads: the newest backup's files and the WAL behind it.
  Observed<std::optional<std::int64_t>> restore_bytes;
};

// `live`: the system identifier of the database that archives here, where it is known; else that
// of the newest segment, else of the newest backup.
[[nodiscard]] RestorePoints find_restore_points(const model::Archive& archive,
                                                std::optional<std::uint64_t> live);

}  // namespace keelwatch::analysis
