#include "analysis/replication.h"

#include <algorithm>
#include <utility>

#include "analysis/not_serving.h"
#include "base/time_text.h"

namespace keelwatch::analysis {
namespace {

using model::Instance;
using model::Lsn;
using model::Reachability;
using model::Sender;
using model::ServerFacts;
using model::WalReceiver;

// The state, and the evidence for it in words.
struct Verdict {
  StandbyState state;
  std::string reason;
};

// What the senders of a cluster say of one standby.
struct SenderRow {
  const Instance* sender = nullptr;  // null: no row
  const Sender* row = nullptr;
  WallTime at;
};

double bytes_between(Lsn ahead, Lsn behind) {
  // The two positions were read at slightly different times: a standby may have passed the
  // primary's position by then, which is "nothing behind".
  return ahead <= behind ? 0.0 : static_cast<double>(ahead.bytes - behind.bytes);
}

bool sends(const Sender& row) { return row.state == "streaming" || row.state == "catchup"; }

// The row of `standby` on any instance of the cluster: a cascaded standby streams, too.
SenderRow find_row(const ClusterTopology& cluster, const Instance& standby) {
  for (const auto& instance : cluster.instances) {
    const std::vector<Sender>* senders = instance->senders.if_known();
    if (senders == nullptr) continue;
    for (const Sender& row : *senders) {
      if (row.application_name == standby.id.pod) {
        return {instance.get(), &row, instance->senders.observed_at()};
      }
    }
  }
  return {};
}

// A sender's row that may be one of the cluster's standbys under another application_name. CNPG
// gives a standby its Pod's name; a logical subscriber and pg_receivewal replay nothing.
bool has_unnamed_standby(const ClusterTopology& cluster) {
  if (cluster.object) return false;
  for (const auto& instance : cluster.instances) {
    const std::vector<Sender>* senders = instance->senders.if_known();
    if (senders == nullptr) continue;
    for (const Sender& row : *senders) {
      const bool named =
          std::any_of(cluster.instances.begin(), cluster.instances.end(),
                      [&](const auto& other) { return other->id.pod == row.application_name; });
      if (!named && sends(row) && row.slot_type != "logical" && row.replay) return true;
    }
  }
  return false;
}

// Whether somebody sends WAL to the standby. The primary's answer decides; without it, the
// standby's own: no receiver is certain, a receiver may be a half-open connection.
Observed<bool> streaming(const ClusterTopology& cluster, const Instance& standby,
                         const SenderRow& row) {
  if (row.row != nullptr) return Observed<bool>::known(sends(*row.row), row.at);
  const std::vector<WalReceiver>* receiver = standby.wal_receiver.if_known();
  if (receiver != nullptr && receiver->empty()) {
    return Observed<bool>::known(false, standby.wal_receiver.observed_at());
  }
  const Instance* primary = cluster.primary.get();
  if (primary != nullptr && primary->senders.is_known() && !has_unnamed_standby(cluster)) {
    return Observed<bool>::known(false, primary->senders.observed_at());
  }
  if (receiver != nullptr) {
    return Observed<bool>::known(receiver->front().status == "streaming",
                                 standby.wal_receiver.observed_at());
  }
  return Observed<bool>::absent(standby.wal_receiver.why());
}

// Whether WAL comes from the archive: without a sender, replay went on within kReplayAdvanceWindow,
// and beyond what was ever received by streaming (the rest of that is replayed after a cut, too).
bool replay_advances(const ServerFacts& server, const Observed<bool>& streams,
                     const model::InstanceId& id, ReplicationMemory& memory, WallTime now) {
  if (!server.replayed) return false;
  const auto [found, is_new] =
      memory.replay.try_emplace(id, ReplicationMemory::Replay{*server.replayed, std::nullopt});
  ReplicationMemory::Replay& replay = found->second;
  const bool moved = replay.position != *server.replayed;
  const bool beyond_received = !server.received || *server.replayed > *server.received;
  replay.position = *server.replayed;
  if (const bool* yes = streams.if_known(); yes != nullptr && *yes) {
    replay.advanced_at.reset();
  } else if (moved && beyond_received) {
    replay.advanced_at = now;
  }
  return replay.advanced_at && now - *replay.advanced_at <= kReplayAdvanceWindow;
}

Verdict unreachable(const Instance& standby) {
  switch (standby.reachability) {
    case Reachability::kStartingUp:
      return {StandbyState::kStarting, "the server says that it is starting up"};
    case Reachability::kShuttingDown:
      return {StandbyState::kStarting, "the server says that it is shutting down"};
    default:
      return {StandbyState::kUnreachable,
              std::string(to_string(standby.reachability)) + ": " + standby.reachability_detail};
  }
}

std::optional<Verdict> diverged(const ClusterTopology& cluster, const ServerFacts& server,
                                bool has_row, bool advances) {
  if (!cluster.primary) return std::nullopt;
  const ServerFacts& primary = cluster.primary->server.known_value();
  if (server.system_identifier != primary.system_identifier) {
    return Verdict{StandbyState::kDivergedTimeline,
                   "system identifier " + server.system_identifier + " is not the primary's " +
                       primary.system_identifier};
  }
  if (!server.in_recovery) {
    return Verdict{StandbyState::kDivergedTimeline,
                   "it is writable itself, beside the primary " + cluster.primary->id.pod};
  }
  if (!server.timeline || !primary.timeline || *server.timeline == *primary.timeline) {
    return std::nullopt;
  }
  // Right after a failover a standby that follows names the old timeline for a moment, and the
  // control file does so until the next restartpoint: streaming and advancing outweigh it. A later
  // timeline than the primary's is never the primary's history.
  if (*server.timeline < *primary.timeline && (has_row || advances)) return std::nullopt;
  return Verdict{StandbyState::kDivergedTimeline, "timeline " + std::to_string(*server.timeline) +
                                                      ", the primary writes timeline " +
                                                      std::to_string(*primary.timeline)};
}

// A standby of the primary's history, of which it is known whether it streams.
Verdict judge(const ServerFacts& server, const SenderRow& row, const Observed<bool>& is_streaming,
              bool advances) {
  if (!is_streaming.known_value()) {
    if (advances) {
      return {StandbyState::kArchiveRecovery, "no WAL receiver, but replay advances"};
    }
    return {StandbyState::kCutOff, "nobody sends WAL to it and replay stands still at " +
                                       (server.replayed ? to_string(*server.replayed) : "?")};
  }
  if (server.replay_paused == true) {
    return {StandbyState::kPaused, "pg_wal_replay_pause() was called on it"};
  }
  const std::string from = row.sender ? " from " + row.sender->id.pod : " by its receiver's word";
  if (row.row != nullptr && row.row->state == "catchup") {
    return {StandbyState::kCatchingUp, "catching up" + from};
  }
  if (server.recovery_min_apply_delay && *server.recovery_min_apply_delay > Duration::zero()) {
    return {StandbyState::kDelayed, "streaming" + from + ", applied " +
                                        format_duration(*server.recovery_min_apply_delay) +
                                        " later on purpose"};
  }
  return {StandbyState::kStreaming, "streaming" + from};
}

// The primary's position minus one of the sender's columns.
Observed<double> stage_lag(const ClusterTopology& cluster, const SenderRow& row,
                           std::optional<Lsn> Sender::* column) {
  using Lag = Observed<double>;
  if (!cluster.primary) {
    return Lag::unknown(Error(ErrorCode::kUnavailable, "no primary to compare with"), "postgres");
  }
  if (row.row == nullptr) {
    return Lag::unknown(Error(ErrorCode::kUnavailable, "no sender has a row for this standby"),
                        "postgres " + text(cluster.primary->id));
  }
  const std::optional<Lsn> current = cluster.primary->server.known_value().current;
  const std::optional<Lsn> position = row.row->*column;
  if (!current || !position) {
    return Lag::unknown(Error(ErrorCode::kMalformed, "the sender's row holds no position"),
                        "postgres " + text(row.sender->id));
  }
  return Lag::known(bytes_between(*current, *position),
                    std::min(cluster.primary->server.observed_at(), row.at));
}

Observed<double> replay_lag_bytes(const ClusterTopology& cluster, const Instance& standby,
                                  const SenderRow& row) {
  using Lag = Observed<double>;
  if (!standby.server.is_known()) {
    if (row.row != nullptr) return stage_lag(cluster, row, &Sender::replay);
    return Lag::absent(standby.server.why());
  }
  if (!cluster.primary) {
    return Lag::unknown(Error(ErrorCode::kUnavailable, "no primary to compare with"), "postgres");
  }
  return combine(
             [](const ServerFacts& primary, const ServerFacts& server) -> std::optional<double> {
               if (!primary.current || !server.replayed) return std::nullopt;
               return bytes_between(*primary.current, *server.replayed);
             },
             cluster.primary->server, standby.server)
      .map([&](const std::optional<double>& bytes) {
        if (bytes) return Lag::known(*bytes, standby.server.observed_at());
        return Lag::unknown(Error(ErrorCode::kMalformed, "a server gave no WAL position"),
                            "postgres " + text(standby.id));
      });
}

Observed<Duration> replay_lag(const ClusterTopology& cluster, const Instance& standby,
                              const SenderRow& row, const Observed<double>& bytes) {
  using Lag = Observed<Duration>;
  if (!bytes.is_known()) return Lag::absent(bytes.why());
  if (bytes.known_value() == 0) return Lag::known(Duration::zero(), bytes.observed_at());
  if (row.row != nullptr && row.row->replay_lag) {
    return Lag::known(*row.row->replay_lag, bytes.observed_at());
  }
  // By the primary's own row the standby has replayed all that was written when it was asked: the
  // bytes came about between two looks, and the last commit may be hours old.
  if (row.row != nullptr && row.sender == cluster.primary.get() &&
      row.row->replay >= cluster.primary->server.known_value().current) {
    return Lag::known(Duration::zero(), row.at);
  }
  const ServerFacts* server = standby.server.if_known();
  if (server != nullptr && server->last_replayed_commit) {
    return Lag::known(server->server_time - *server->last_replayed_commit, bytes.observed_at());
  }
  return Lag::unknown(Error(ErrorCode::kUnavailable, "no commit was replayed yet to measure by"),
                      "postgres " + text(standby.id));
}

Observed<std::string> sync_state(const ClusterTopology& cluster, const SenderRow& row) {
  using State = Observed<std::string>;
  if (row.row != nullptr && row.sender == cluster.primary.get() && !row.row->sync_state.empty()) {
    return State::known(row.row->sync_state, row.at);
  }
  return State::unknown(Error(ErrorCode::kUnavailable, "the primary has no row for this standby"),
                        "postgres");
}

Observed<bool> receiver_up(const Instance& standby) {
  return standby.wal_receiver.map([](const std::vector<WalReceiver>& rows) {
    return !rows.empty() && rows.front().status == "streaming";
  });
}

Standby assess_standby(const ClusterTopology& cluster, const Instance& instance,
                       ReplicationMemory& memory, WallTime now) {
  const SenderRow row = find_row(cluster, instance);
  const Observed<bool> is_streaming = streaming(cluster, instance, row);
  const Observed<double> replay_bytes = replay_lag_bytes(cluster, instance, row);
  Standby standby{.id = instance.id,
                  .state = Observed<std::string>::known({}, now),
                  .reason = {},
                  .streaming = is_streaming,
                  .wal_receiver_up = receiver_up(instance),
                  .sync_state = sync_state(cluster, row),
                  .apply_delay = instance.server.map(
                      [](const ServerFacts& s) { return s.recovery_min_apply_delay; }),
                  .sent_lag_bytes = stage_lag(cluster, row, &Sender::sent),
                  .write_lag_bytes = stage_lag(cluster, row, &Sender::write),
                  .flush_lag_bytes = stage_lag(cluster, row, &Sender::flush),
                  .replay_lag_bytes = replay_bytes,
                  .replay_lag = replay_lag(cluster, instance, row, replay_bytes)};

  Verdict verdict;
  if (const ServerFacts* server = instance.server.if_known()) {
    const bool advances = replay_advances(*server, is_streaming, instance.id, memory, now);
    std::optional<Verdict> left = diverged(cluster, *server, row.row != nullptr, advances);
    if (left) {
      // Positions of two histories cannot be subtracted: the difference may well be "nothing".
      const Error other(ErrorCode::kUnavailable, "on another history than the primary");
      standby.replay_lag_bytes = Observed<double>::unknown(other, "postgres " + text(instance.id));
      standby.replay_lag = Observed<Duration>::unknown(other, "postgres " + text(instance.id));
      verdict = *std::move(left);
    } else if (!is_streaming.is_known()) {
      standby.state = Observed<std::string>::absent(is_streaming.why());
      standby.reason = is_streaming.why().error.message();
      return standby;
    } else {
      verdict = judge(*server, row, is_streaming, advances);
    }
  } else if (auto reason = why_not_serving(cluster, instance.id.pod)) {
    verdict = {reason->state, std::move(reason->reason)};
  } else if (instance.reachability == Reachability::kConnected ||
             instance.reachability == Reachability::kConnecting ||
             instance.reachability == Reachability::kNotSetUp) {
    standby.state = Observed<std::string>::absent(instance.server.why());
    standby.reason = instance.server.why().error.message();
    return standby;
  } else {
    verdict = unreachable(instance);
  }
  standby.state = Observed<std::string>::known(std::string(to_string(verdict.state)), now);
  standby.reason = std::move(verdict.reason);
  return standby;
}

Observed<std::int64_t> count_streaming(const ClusterTopology& cluster,
                                       const std::vector<Standby>& standbys, WallTime now) {
  if (cluster.instances.empty()) {
    return Observed<std::int64_t>::unknown(Error(ErrorCode::kNotFound, "no instance to ask"),
                                           "postgres");
  }
  std::int64_t count = 0;
  for (const Standby& standby : standbys) {
    const bool* streams = standby.streaming.if_known();
    if (streams == nullptr) return Observed<std::int64_t>::absent(standby.streaming.why());
    if (*streams) ++count;
  }
  return Observed<std::int64_t>::known(count, now);
}

// The standby of the primary's history that has most of its WAL on disk, by its own answer or by a
// sender's.
struct Furthest {
  std::optional<Lsn> position;
  const Instance* standby = nullptr;
  SenderRow row;
};

Furthest find_furthest(const ClusterTopology& cluster) {
  const ServerFacts& primary = cluster.primary->server.known_value();
  Furthest best;
  for (const auto& instance : cluster.instances) {
    if (instance == cluster.primary) continue;
    const SenderRow row = find_row(cluster, *instance);
    const ServerFacts* server = instance->server.if_known();
    if (server != nullptr && (server->system_identifier != primary.system_identifier ||
                              server->timeline > primary.timeline)) {
      continue;  // another history: its positions are of no use
    }
    std::optional<Lsn> position;
    if (row.row != nullptr) position = row.row->flush;
    if (server != nullptr && server->in_recovery && server->timeline == primary.timeline) {
      position = std::max({position, server->received, server->replayed});
    }
    if (position > best.position) best = {position, instance.get(), row};
  }
  return best;
}

void assess_loss(const ClusterTopology& cluster, Replication& out) {
  if (!cluster.primary) return;  // unknown, as it was made
  const auto& primary = cluster.primary->server;
  const std::string source = "postgres " + text(cluster.primary->id);
  const Furthest furthest = find_furthest(cluster);
  if (!furthest.position || !primary.known_value().current) {
    const Error nobody(ErrorCode::kUnavailable, "no standby tells what it has on disk");
    out.loss_if_primary_dies_bytes = Observed<double>::unknown(nobody, source);
    out.loss_if_primary_dies = Observed<Duration>::unknown(nobody, source);
    return;
  }
  const double bytes = bytes_between(*primary.known_value().current, *furthest.position);
  out.loss_if_primary_dies_bytes = Observed<double>::known(bytes, primary.observed_at());
  std::optional<Duration> seconds;
  const ServerFacts* standby = furthest.standby->server.if_known();
  if (bytes == 0) {
    seconds = Duration::zero();
  } else if (furthest.row.row != nullptr && sends(*furthest.row.row)) {
    seconds = furthest.row.row->flush_lag;
  } else if (standby != nullptr && standby->last_replayed_commit &&
             standby->replayed >= standby->received) {
    // It has replayed all that it has: its last commit is the last one that would survive.
    seconds = standby->server_time - *standby->last_replayed_commit;
  }
  out.loss_if_primary_dies =
      seconds ? Observed<Duration>::known(*seconds, primary.observed_at())
              : Observed<Duration>::unknown(
                    Error(ErrorCode::kUnavailable, "nothing to measure its age by"), source);
}

// A primary that cannot be asked is still no standby: the one that was writable last, or that the
// Cluster's status names, is left out until it answers that it is in recovery.
std::string primary_by_name(const ClusterTopology& cluster, const ReplicationMemory& memory) {
  if (cluster.primary) return cluster.primary->id.pod;
  const bool* replica = cluster.replica.if_known();
  if (replica != nullptr && *replica && cluster.object) return cluster.object->current_primary;
  const auto last = memory.last_primary.find({cluster.ns, cluster.name});
  if (last != memory.last_primary.end()) return last->second;
  return cluster.object ? cluster.object->current_primary : std::string();
}

// The designated primary of a replica cluster is in recovery, and still the one that the cluster's
// own standbys follow.
bool is_standby(const ClusterTopology& cluster, const Instance& instance,
                const std::string& primary) {
  if (instance.id.pod != primary) return true;
  if (const bool* replica = cluster.replica.if_known(); replica != nullptr && *replica)
    return false;
  const ServerFacts* server = instance.server.if_known();
  return server != nullptr && server->in_recovery;
}

}  // namespace

std::string_view to_string(StandbyState state) {
  return kStandbyStates[static_cast<std::size_t>(state)];
}

std::vector<Replication> assess_replication(const std::vector<ClusterTopology>& clusters,
                                            ReplicationMemory& memory, WallTime now) {
  const Error no_primary(ErrorCode::kUnavailable, "no primary to compare with");
  std::vector<Replication> result;
  ReplicationMemory seen;
  for (const ClusterTopology& cluster : clusters) {
    Replication replication{
        .ns = cluster.ns,
        .cluster = cluster.name,
        .standbys_expected = cluster.instances_desired.map([&](std::int64_t desired) {
          return cluster.hibernated() ? 0 : std::max<std::int64_t>(desired - 1, 0);
        }),
        .standbys_streaming = Observed<std::int64_t>::known(0, now),
        .loss_if_primary_dies_bytes = Observed<double>::unknown(no_primary, "postgres"),
        .loss_if_primary_dies = Observed<Duration>::unknown(no_primary, "postgres"),
        .sync = assess_sync(cluster, now),
        .standbys = {}};
    assess_loss(cluster, replication);
    const std::string primary = primary_by_name(cluster, memory);
    if (!primary.empty()) seen.last_primary[{cluster.ns, cluster.name}] = primary;
    for (const auto& instance : cluster.instances) {
      if (!is_standby(cluster, *instance, primary)) continue;
      replication.standbys.push_back(assess_standby(cluster, *instance, memory, now));
    }
    add_missing_standbys(cluster, primary, now, replication.standbys);
    replication.standbys_streaming = count_streaming(cluster, replication.standbys, now);
    for (const auto& instance : cluster.instances) {
      if (auto kept = memory.replay.extract(instance->id)) seen.replay.insert(std::move(kept));
    }
    result.push_back(std::move(replication));
  }
  memory = std::move(seen);  // forgets instances that are gone
  return result;
}

}  // namespace keelwatch::analysis
