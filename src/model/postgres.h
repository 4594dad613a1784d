// Facts from each PostgreSQL instance's own answers. LSNs are positions in bytes (the 64-bit value
// behind "16/B374D848"). Facts that are compared with each other come from one statement.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/fields.h"
#include "model/source_report.h"

namespace keelwatch::model {

// A write-ahead log position.
struct Lsn {
  std::uint64_t bytes = 0;
  auto operator<=>(const Lsn&) const = default;
};

// "16/B374D848"; nullopt if the text is not one.
[[nodiscard]] std::optional<Lsn> parse_lsn(std::string_view text);
[[nodiscard]] std::string to_string(Lsn lsn);

// Identity of an instance: stable over restarts, moves and failovers.
struct InstanceId {
  std::string ns;       // empty outside Kubernetes
  std::string cluster;  // the CNPG Cluster, or the name given in the configuration
  std::string pod;      // the Pod, or the instance name given in the configuration
  auto operator<=>(const InstanceId&) const = default;

  static constexpr auto fields() {
    return std::tuple(field("namespace", &InstanceId::ns), field("cluster", &InstanceId::cluster),
                      field("pod", &InstanceId::pod));
  }
};

// "namespace/pod"; "cluster/pod" outside Kubernetes: how reports, logs and reasons name an
// instance.
[[nodiscard]] inline std::string text(const InstanceId& id) {
  return (id.ns.empty() ? id.cluster : id.ns) + "/" + id.pod;
}

// What happened at the last attempt to talk to the instance.
enum class Reachability {
  kConnecting,  // no attempt has ended yet, or none since a held connection was lost
  kConnected,
  kRefused,             // nobody listens there: the host itself says so
  kUnreachable,         // no route, reset, or what answers is no PostgreSQL
  kSilent,              // the deadline passed: frozen, black hole
  kNameUnknown,         // DNS
  kTlsFailed,           // verification or handshake
  kAuthFailed,          // wrong password, no such role, pg_hba
  kTooManyConnections,  // 53300
  kStartingUp,          // 57P03
  kShuttingDown,        // 57P03
  kNotSetUp,            // no credential given
};
[[nodiscard]] std::string_view to_string(Reachability reachability);
[[nodiscard]] std::optional<Reachability> parse_reachability(std::string_view text);

// One row of pg_stat_replication on the instance that sends. Positions are NULL without pg_monitor.
struct Sender {
  std::string application_name;  // CNPG: the standby's pod name
  std::string slot_type;         // physical, logical; empty: it uses no slot
  std::string state;             // startup, catchup, streaming, backup, stopping
  std::string sync_state;        // async, potential, sync, quorum
  std::optional<Lsn> sent;
  std::optional<Lsn> write;
  std::optional<Lsn> flush;
  std::optional<Lsn> replay;
  std::optional<Duration> write_lag;
  std::optional<Duration> flush_lag;
  std::optional<Duration> replay_lag;  // NULL when caught up and idle: not zero

  static constexpr auto fields() {
    return std::tuple(field("applicationName", &Sender::application_name),
                      field("slotType", &Sender::slot_type), field("state", &Sender::state),
                      field("syncState", &Sender::sync_state), field("sent", &Sender::sent),
                      field("write", &Sender::write), field("flush", &Sender::flush),
                      field("replay", &Sender::replay), field("writeLag", &Sender::write_lag),
                      field("flushLag", &Sender::flush_lag),
                      field("replayLag", &Sender::replay_lag));
  }
};

// The one row of pg_stat_wal_receiver.
struct WalReceiver {
  std::string status;  // starting, streaming, waiting, restarting, stopping, stopped
  std::optional<std::int64_t> received_timeline;
  std::optional<Lsn> flushed;
  std::optional<Lsn> latest_end;
  std::optional<WallTime> last_message;  // last_msg_receipt_time
  std::string slot_name;
  std::string sender_host;

  static constexpr auto fields() {
    return std::tuple(
        field("status", &WalReceiver::status),
        field("receivedTimeline", &WalReceiver::received_timeline),
        field("flushed", &WalReceiver::flushed), field("latestEnd", &WalReceiver::latest_end),
        field("lastMessage", &WalReceiver::last_message),
        field("slotName", &WalReceiver::slot_name), field("senderHost", &WalReceiver::sender_host));
  }
};

// One row about the server itself.
struct ServerFacts {
  std::int64_t version = 0;  // server_version_num: 150007
  std::string system_identifier;
  bool in_recovery = false;
  std::optional<bool> read_only;         // default_transaction_read_only
  std::optional<std::int64_t> timeline;  // primary: of the WAL file being written;
                                         // standby: of the WAL receiver, else of the control file
  std::optional<Lsn> current;            // primary: pg_current_wal_lsn()
  std::optional<Lsn> received;           // standby: pg_last_wal_receive_lsn(); frozen when cut off
  std::optional<Lsn> replayed;           // standby: pg_last_wal_replay_lsn()
  std::optional<WallTime> last_replayed_commit;  // pg_last_xact_replay_timestamp()
  std::optional<bool> replay_paused;
  std::optional<Duration> recovery_min_apply_delay;
  WallTime server_time;             // clock_timestamp()
  std::optional<WallTime> started;  // pg_postmaster_start_time()

  static constexpr auto fields() {
    return std::tuple(
        field("version", &ServerFacts::version),
        field("systemIdentifier", &ServerFacts::system_identifier),
        field("inRecovery", &ServerFacts::in_recovery), field("readOnly", &ServerFacts::read_only),
        field("timeline", &ServerFacts::timeline), field("current", &ServerFacts::current),
        field("received", &ServerFacts::received), field("replayed", &ServerFacts::replayed),
        field("lastReplayedCommit", &ServerFacts::last_replayed_commit),
        field("replayPaused", &ServerFacts::replay_paused),
        field("recoveryMinApplyDelay", &ServerFacts::recovery_min_apply_delay),
        field("serverTime", &ServerFacts::server_time), field("started", &ServerFacts::started));
  }
};

// Everything one instance said. Each Observed is one answer (one statement).
struct Instance {
  InstanceId id;
  std::string address;  // host:port as connected to
  Reachability reachability = Reachability::kConnecting;
  std::string reachability_detail;  // the error text; empty when connected
  Observed<ServerFacts> server;
  Observed<std::vector<Sender>> senders;
  Observed<std::vector<WalReceiver>> wal_receiver;  // no row = no receiver

  static constexpr auto fields() {
    return std::tuple(field("id", &Instance::id), field("address", &Instance::address),
                      field("reachability", &Instance::reachability),
                      field("reachabilityDetail", &Instance::reachability_detail),
                      field("server", &Instance::server), field("senders", &Instance::senders),
                      field("walReceiver", &Instance::wal_receiver));
  }
};

// What the Postgres source publishes: one Instance per target, sorted by id.
struct PostgresSlice {
  std::vector<std::shared_ptr<const Instance>> instances;
  std::vector<SourceReport> reports;  // target = "namespace/pod", or "cluster/instance"

  static constexpr auto fields() {
    return std::tuple(field("instances", &PostgresSlice::instances),
                      field("reports", &PostgresSlice::reports));
  }
};

}  // namespace keelwatch::model
