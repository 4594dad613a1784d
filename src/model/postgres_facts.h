// What a PostgreSQL server says of itself, one struct per row of an answer. LSNs are positions in
// bytes (the 64-bit value behind "16/B374D848"). An optional member is absent where the server said
// NULL or where its version has no such column, and the member's comment says which; what a role
// may not see makes the whole answer unknown (Instance), never a member absent.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/fields.h"

namespace keelwatch::model {

// A write-ahead log position.
struct Lsn {
  std::uint64_t bytes = 0;
  auto operator<=>(const Lsn&) const = default;
};

// "16/B374D848"; nullopt if the text is not one.
[[nodiscard]] std::optional<Lsn> parse_lsn(std::string_view text);
[[nodiscard]] std::string to_string(Lsn lsn);

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

  template <typename With>
  static auto fields(With&& with) {
    return with(field("applicationName", &Sender::application_name),
                field("slotType", &Sender::slot_type), field("state", &Sender::state),
                field("syncState", &Sender::sync_state), field("sent", &Sender::sent),
                field("write", &Sender::write), field("flush", &Sender::flush),
                field("replay", &Sender::replay), field("writeLag", &Sender::write_lag),
                field("flushLag", &Sender::flush_lag), field("replayLag", &Sender::replay_lag));
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

  template <typename With>
  static auto fields(With&& with) {
    return with(
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
  std::optional<WallTime> checkpoint_time;  // of the last checkpoint or restartpoint, as the
                                            // control file has it
  std::optional<Lsn> redo;                  // where a crash now would begin to replay
  WallTime server_time;                     // clock_timestamp()
  std::optional<WallTime> started;          // pg_postmaster_start_time()

  template <typename With>
  static auto fields(With&& with) {
    return with(
        field("version", &ServerFacts::version),
        field("systemIdentifier", &ServerFacts::system_identifier),
        field("inRecovery", &ServerFacts::in_recovery), field("readOnly", &ServerFacts::read_only),
        field("timeline", &ServerFacts::timeline), field("current", &ServerFacts::current),
        field("received", &ServerFacts::received), field("replayed", &ServerFacts::replayed),
        field("lastReplayedCommit", &ServerFacts::last_replayed_commit),
        field("replayPaused", &ServerFacts::replay_paused),
        field("recoveryMinApplyDelay", &ServerFacts::recovery_min_apply_delay),
        field("checkpointTime", &ServerFacts::checkpoint_time), field("redo", &ServerFacts::redo),
        field("serverTime", &ServerFacts::server_time), field("started", &ServerFacts::started));
  }
};

// A row of pg_replication_slots. On a standby the slots are copies: their `active` says nothing.
struct Slot {
  std::string name;
  std::string type;      // physical, logical
  std::string database;  // of a logical one
  bool temporary = false;
  bool active = false;
  std::optional<Lsn> restart;          // NULL: it has never reserved WAL
  std::optional<Lsn> confirmed_flush;  // logical only
  // From `restart` to this instance's own position (written, or received, else replayed).
  std::optional<std::int64_t> retained_bytes;
  std::string wal_status;                  // reserved, extended, unreserved, lost; empty: NULL
  std::optional<std::int64_t> safe_bytes;  // NULL with max_slot_wal_keep_size = -1, or lost
  std::optional<WallTime> inactive_since;  // 17+; NULL while active
  std::string invalidation_reason;       // 17+: wal_removed, rows_removed, wal_level_insufficient,
                                         // 18+: idle_timeout; before: empty
  std::optional<bool> conflicting;       // 16+, logical only
  std::optional<bool> failover;          // 17+
  std::optional<bool> synced;            // 17+
  std::optional<std::int64_t> xmin_age;  // transactions; NULL: it holds none
  std::optional<std::int64_t> catalog_xmin_age;

  template <typename With>
  static auto fields(With&& with) {
    return with(
        field("name", &Slot::name), field("type", &Slot::type), field("database", &Slot::database),
        field("temporary", &Slot::temporary), field("active", &Slot::active),
        field("restart", &Slot::restart), field("confirmedFlush", &Slot::confirmed_flush),
        field("retainedBytes", &Slot::retained_bytes), field("walStatus", &Slot::wal_status),
        field("safeBytes", &Slot::safe_bytes), field("inactiveSince", &Slot::inactive_since),
        field("invalidationReason", &Slot::invalidation_reason),
        field("conflicting", &Slot::conflicting), field("failover", &Slot::failover),
        field("synced", &Slot::synced), field("xminAge", &Slot::xmin_age),
        field("catalogXminAge", &Slot::catalog_xmin_age));
  }
};

// The one row of pg_stat_archiver, and what decides whether it means anything. CNPG's
// archive_command succeeds without an archiver, too: `archived` alone proves nothing.
struct Archiver {
  std::string mode;  // archive_mode: off, on, always
  std::int64_t archived = 0;
  std::int64_t failed = 0;
  std::string last_archived_wal;
  std::optional<WallTime> last_archived;
  std::string last_failed_wal;
  std::optional<WallTime> last_failed;
  std::optional<WallTime> stats_reset;

  template <typename With>
  static auto fields(With&& with) {
    return with(
        field("mode", &Archiver::mode), field("archived", &Archiver::archived),
        field("failed", &Archiver::failed), field("lastArchivedWal", &Archiver::last_archived_wal),
        field("lastArchived", &Archiver::last_archived),
        field("lastFailedWal", &Archiver::last_failed_wal),
        field("lastFailed", &Archiver::last_failed), field("statsReset", &Archiver::stats_reset));
  }
};

// Client sessions of pg_stat_activity (backend_type "client backend") in one state.
struct SessionCount {
  std::string state;  // active, idle, idle in transaction, ... ; a session without one: "unknown"
  std::int64_t count = 0;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("state", &SessionCount::state), field("count", &SessionCount::count));
  }
};

// pg_stat_activity in one row: how full the server is, and who has been at it for long. Our own
// session is not among them. Durations are of the longest; absent: there is none.
struct Activity {
  std::int64_t max_connections = 0;
  std::int64_t reserved_connections =
      0;                         // superuser_reserved_connections + reserved_connections (16+)
  std::int64_t connections = 0;  // that count against max_connections, ours among them
  std::vector<SessionCount> sessions;
  std::optional<Duration> longest_transaction;
  std::string longest_transaction_by;  // "database/user (application), pid 123"
  std::optional<Duration> longest_idle_in_transaction;
  std::string longest_idle_in_transaction_by;
  std::int64_t waiting_for_lock = 0;
  std::int64_t waiting_for_sync_standby = 0;  // wait_event SyncRep
  std::optional<Duration> longest_wait_for_sync_standby;

  template <typename With>
  static auto fields(With&& with) {
    using A = Activity;
    return with(field("maxConnections", &A::max_connections),
                field("reservedConnections", &A::reserved_connections),
                field("connections", &A::connections), field("sessions", &A::sessions),
                field("longestTransaction", &A::longest_transaction),
                field("longestTransactionBy", &A::longest_transaction_by),
                field("longestIdleInTransaction", &A::longest_idle_in_transaction),
                field("longestIdleInTransactionBy", &A::longest_idle_in_transaction_by),
                field("waitingForLock", &A::waiting_for_lock),
                field("waitingForSyncStandby", &A::waiting_for_sync_standby),
                field("longestWaitForSyncStandby", &A::longest_wait_for_sync_standby));
  }
};

// What keeps old row versions from being removed: the oldest of each kind that there is.
struct XminHolder {
  std::string kind;      // session, prepared_transaction, slot, standby (hot_standby_feedback)
  std::string name;      // pid, global identifier, slot, application_name
  std::int64_t age = 0;  // transactions
  std::optional<WallTime> since;  // its transaction's start, or when it was prepared

  template <typename With>
  static auto fields(With&& with) {
    return with(field("kind", &XminHolder::kind), field("name", &XminHolder::name),
                field("age", &XminHolder::age), field("since", &XminHolder::since));
  }
};

struct PreparedTransactions {
  std::int64_t count = 0;
  std::optional<WallTime> oldest;  // prepared at
  template <typename With>
  static auto fields(With&& with) {
    return with(field("count", &PreparedTransactions::count),
                field("oldest", &PreparedTransactions::oldest));
  }
};

// A row of pg_database with its pg_stat_database. Counters are since stats_reset.
struct DatabaseFacts {
  std::string name;
  bool allows_connections = false;
  bool is_template = false;
  std::int64_t xid_age = 0;   // age(datfrozenxid)
  std::int64_t mxid_age = 0;  // mxid_age(datminmxid)
  std::int64_t deadlocks = 0;
  std::int64_t conflicts = 0;                     // queries cancelled on a standby
  std::optional<std::int64_t> checksum_failures;  // NULL without data checksums
  std::optional<WallTime> last_checksum_failure;
  std::int64_t commits = 0;
  std::int64_t rollbacks = 0;
  std::optional<WallTime> stats_reset;
  std::string collation_recorded;  // datcollversion (15+); empty: NULL, or before 15
  std::string collation_actual;    // pg_database_collation_actual_version (15+)

  template <typename With>
  static auto fields(With&& with) {
    using D = DatabaseFacts;
    return with(field("name", &D::name), field("allowsConnections", &D::allows_connections),
                field("isTemplate", &D::is_template), field("xidAge", &D::xid_age),
                field("mxidAge", &D::mxid_age), field("deadlocks", &D::deadlocks),
                field("conflicts", &D::conflicts), field("checksumFailures", &D::checksum_failures),
                field("lastChecksumFailure", &D::last_checksum_failure),
                field("commits", &D::commits), field("rollbacks", &D::rollbacks),
                field("statsReset", &D::stats_reset),
                field("collationRecorded", &D::collation_recorded),
                field("collationActual", &D::collation_actual));
  }
};

struct DatabaseSize {
  std::string name;
  std::int64_t bytes = 0;
  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &DatabaseSize::name), field("bytes", &DatabaseSize::bytes));
  }
};

// pg_ls_waldir() and pg_ls_archive_statusdir().
struct WalDirectory {
  std::int64_t files = 0;  // segments, not histories
  std::int64_t bytes = 0;
  std::int64_t segment_bytes = 0;  // wal_segment_size
  std::int64_t ready = 0;          // .ready: waiting to be archived
  std::optional<WallTime> oldest_ready;
  std::int64_t done = 0;

  template <typename With>
  static auto fields(With&& with) {
    using W = WalDirectory;
    return with(field("files", &W::files), field("bytes", &W::bytes),
                field("segmentBytes", &W::segment_bytes), field("ready", &W::ready),
                field("oldestReady", &W::oldest_ready), field("done", &W::done));
  }
};

// A row of pg_settings, of the settings that keelwatch judges (queries.cc lists them).
struct Setting {
  std::string name;
  std::string value;  // `setting`, in the setting's own unit
  std::string unit;   // kB, 8kB, MB, s, ms, min; empty: none
  std::string source;
  bool pending_restart = false;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &Setting::name), field("value", &Setting::value),
                field("unit", &Setting::unit), field("source", &Setting::source),
                field("pendingRestart", &Setting::pending_restart));
  }
};

// A row of pg_db_role_setting about one of those settings.
struct SettingOverride {
  std::string role;      // empty: every role
  std::string database;  // empty: every database
  std::string name;
  std::string value;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("role", &SettingOverride::role),
                field("database", &SettingOverride::database),
                field("name", &SettingOverride::name), field("value", &SettingOverride::value));
  }
};

struct Settings {
  std::vector<Setting> values;               // sorted by name
  std::vector<std::string> pending_restart;  // names of all settings that wait for a restart
  std::vector<SettingOverride> overrides;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("values", &Settings::values),
                field("pendingRestart", &Settings::pending_restart),
                field("overrides", &Settings::overrides));
  }
};

// The value, or nullptr: this version has no such setting, or it is not among those asked for.
[[nodiscard]] const Setting* find_setting(const Settings& settings, std::string_view name);
// A setting of bytes or time in bytes or seconds, -1 kept; nullopt if it is no number.
[[nodiscard]] std::optional<double> in_base_unit(const Setting& setting);

// A row of pg_subscription with its pg_stat_subscription (and _stats, 15+): this server subscribes.
struct Subscription {
  std::string name;
  std::string database;
  bool enabled = false;
  bool worker_running = false;
  std::optional<Lsn> received;
  std::optional<WallTime> last_message;
  std::optional<std::int64_t> apply_errors;  // 15+
  std::optional<std::int64_t> sync_errors;   // 15+

  template <typename With>
  static auto fields(With&& with) {
    using S = Subscription;
    return with(field("name", &S::name), field("database", &S::database),
                field("enabled", &S::enabled), field("workerRunning", &S::worker_running),
                field("received", &S::received), field("lastMessage", &S::last_message),
                field("applyErrors", &S::apply_errors), field("syncErrors", &S::sync_errors));
  }
};

// A collation whose library has another version than the one that its indexes were built with.
struct CollationMismatch {
  std::string name;  // schema-qualified
  std::string recorded;
  std::string actual;
  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &CollationMismatch::name),
                field("recorded", &CollationMismatch::recorded),
                field("actual", &CollationMismatch::actual));
  }
};

// What only a connection to the database itself can see.
struct DatabaseContent {
  std::vector<CollationMismatch> collations;
  std::int64_t unlogged_tables = 0;
  std::vector<std::string> unlogged_examples;  // schema-qualified, a few
  template <typename With>
  static auto fields(With&& with) {
    using C = DatabaseContent;
    return with(field("collations", &C::collations), field("unloggedTables", &C::unlogged_tables),
                field("unloggedExamples", &C::unlogged_examples));
  }
};

// The certificate that the server showed in the handshake.
struct ServerCertificate {
  std::string subject;
  std::string issuer;
  WallTime not_before;
  WallTime not_after;
  template <typename With>
  static auto fields(With&& with) {
    using C = ServerCertificate;
    return with(field("subject", &C::subject), field("issuer", &C::issuer),
                field("notBefore", &C::not_before), field("notAfter", &C::not_after));
  }
};

}  // namespace keelwatch::model
