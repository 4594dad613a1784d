// How each standby is doing, judged by its own answer and by the senders' — never by a lag of zero:
// a standby that is cut off has replayed all that it received, too.
//
// Bytes are the primary's WAL position minus the standby's replay position. Seconds are given only
// where they are honest. What cannot be known has no value.
// Facts: PostgreSQL manual, 28.2 (pg_stat_replication, pg_stat_wal_receiver), 9.27 (recovery
// information functions).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/sync.h"
#include "analysis/topology.h"
#include "base/observed.h"
#include "model/postgres.h"

namespace keelwatch::analysis {

enum class StandbyState {
  kStreaming,
  kCatchingUp,        // streaming, and the sender still reads old WAL
  kArchiveRecovery,   // no receiver, but replay advances: fed from the archive
  kDelayed,           // streaming with recovery_min_apply_delay
  kPaused,            // replay is paused
  kStarting,          // "the database system is starting up", or shutting down
  kCutOff,            // in recovery, nobody sends to it and replay stands still
  kDivergedTimeline,  // on another timeline or another system than the primary
  kUnreachable,       // it cannot be asked: refused, silent, TLS, password, too many connections
  kCloning,           // its data is being copied
  kFenced,            // stopped by cnpg.io/fencedInstances
  kHibernated,        // stopped by cnpg.io/hibernation
  kMissing,           // the Cluster has it, and it has no Pod, or one without a node
};

// In declaration order, as the state set exports them.
inline constexpr std::string_view kStandbyStates[] = {
    "streaming", "catching_up", "archive_recovery",  "delayed",     "paused",
    "starting",  "cut_off",     "diverged_timeline", "unreachable", "cloning",
    "fenced",    "hibernated",  "missing",
};
[[nodiscard]] std::string_view to_string(StandbyState state);

struct Standby {
  model::InstanceId id;
  Observed<std::string> state;  // to_string(StandbyState)
  std::string reason;           // one sentence: the evidence for the state
  Observed<bool> streaming;     // a sender has it in state streaming or catchup
  Observed<bool> wal_receiver_up;

  // Of its sender's row on the primary: async, potential, sync, quorum.
  Observed<std::string> sync_state;
  // recovery_min_apply_delay: what it is behind by replay is then intended.
  Observed<std::optional<Duration>> apply_delay;

  // Behind the primary, by stage. sent, write and flush come from the sender's row; replay from the
  // standby itself, or from the sender's row while the standby cannot be asked.
  Observed<double> sent_lag_bytes;
  Observed<double> write_lag_bytes;
  Observed<double> flush_lag_bytes;
  Observed<double> replay_lag_bytes;
  // Zero when nothing is left to replay; else the sender's measured replay lag, or the age of the
  // last replayed commit.
  Observed<Duration> replay_lag;
};

struct Replication {
  std::string ns;
  std::string cluster;
  Observed<std::int64_t> standbys_expected;
  // Unknown as long as it is unknown of one standby.
  Observed<std::int64_t> standbys_streaming;
  // What is lost if the primary's storage vanishes now and the most advanced standby is promoted:
  // the one that has most on disk of those that are connected or answer. Seconds are the measured
  // flush lag, or the age of the last commit that it replayed, and absent where neither is honest.
  Observed<double> loss_if_primary_dies_bytes;
  Observed<Duration> loss_if_primary_dies;
  SyncReplication sync;
  // Every instance but the primary, sorted by id, and then those that the Cluster names and that do
  // not exist.
  std::vector<Standby> standbys;
};

// What has to be remembered between steps to tell archive recovery from standing still.
struct ReplicationMemory {
  struct Replay {
    model::Lsn position;
    std::optional<WallTime> advanced_at;  // without a sender
  };
  std::map<model::InstanceId, Replay> replay;
  std::map<std::pair<std::string, std::string>, std::string> last_primary;  // (namespace, cluster)
};

// A standby without receiver whose replay advanced within this time is fed from the archive.
inline constexpr Duration kReplayAdvanceWindow = std::chrono::seconds(30);

[[nodiscard]] std::vector<Replication> assess_replication(
    const std::vector<ClusterTopology>& clusters, ReplicationMemory& memory, WallTime now);

}  // namespace keelwatch::analysis
