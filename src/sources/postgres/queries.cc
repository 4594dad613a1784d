#include "sources/postgres/queries.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace keelwatch::sources {
namespace {

constexpr int kVersion14 = 140000;
constexpr int kVersion15 = 150000;

// Reads the values of one row by column name and keeps the first problem: a decoder reads all of
// its columns and asks once.
class Row {
 public:
  Row(const PgRows& rows, std::size_t row) : rows_(rows), row_(row) {}

  std::optional<std::string_view> text(std::string_view name) {
    const std::optional<std::size_t> column = rows_.column(name);
    if (!column) {
      refuse(name, "is missing");
      return std::nullopt;
    }
    return rows_.get(row_, *column);
  }
  std::string text_or_empty(std::string_view name) { return std::string(text(name).value_or("")); }

  std::optional<std::int64_t> integer(std::string_view name) {
    const std::optional<std::string_view> value = text(name);
    if (!value) return std::nullopt;
    std::int64_t number = 0;
    const char* end = value->data() + value->size();
    const auto [stop, error] = std::from_chars(value->data(), end, number);
    if (error != std::errc() || stop != end) return refuse(name, "is not a whole number");
    return number;
  }

  std::optional<bool> boolean(std::string_view name) {
    const std::optional<std::string_view> value = text(name);
    if (!value) return std::nullopt;
    if (*value == "t") return true;
    if (*value == "f") return false;
    return refuse(name, "is not a boolean");
  }

  std::optional<model::Lsn> lsn(std::string_view name) {
    const std::optional<std::string_view> value = text(name);
    if (!value) return std::nullopt;
    const std::optional<model::Lsn> lsn = model::parse_lsn(*value);
    if (!lsn) return refuse(name, "is not a WAL position");
    return lsn;
  }

  std::optional<Duration> microseconds(std::string_view name) {
    const std::optional<std::int64_t> us = integer(name);
    if (!us) return std::nullopt;
    constexpr std::int64_t kLimit = std::numeric_limits<Duration::rep>::max() / 1000;
    if (*us > kLimit || *us < -kLimit) return refuse(name, "is out of range");
    return std::chrono::microseconds(*us);
  }

  std::optional<WallTime> time(std::string_view name) {
    const std::optional<Duration> since_epoch = microseconds(name);
    if (!since_epoch) return std::nullopt;
    return WallTime(*since_epoch);
  }

  // A value that this statement never leaves out.
  template <typename T>
  T required(std::string_view name, std::optional<T> value) {
    if (value) return *std::move(value);
    refuse(name, "is NULL");
    return T{};
  }

  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }

 private:
  std::nullopt_t refuse(std::string_view name, std::string_view what) {
    if (!problem_) {
      std::string text = "column \"";
      text.append(name).append("\" ").append(what);
      problem_ = Error(ErrorCode::kMalformed, std::move(text));
    }
    return std::nullopt;
  }

  const PgRows& rows_;
  std::size_t row_;
  std::optional<Error> problem_;
};

Error hidden(std::string_view view) {
  return Error(ErrorCode::kForbidden, "no permission to read " + std::string(view));
}

std::string in_microseconds(std::string_view expression) {
  std::string sql = "(extract(epoch from ";
  sql.append(expression).append(") * 1000000)::bigint");
  return sql;
}

}  // namespace

std::string server_sql(int version) {
  // Outside of recovery the pause functions are an error from 14 on, and mean nothing before.
  const std::string_view paused = version >= kVersion14
                                      ? "pg_get_wal_replay_pause_state() <> 'not paused'"
                                      : "pg_is_wal_replay_paused()";
  // How the statistics views themselves check it: has_privs_of_role() since 15, before that
  // is_member_of_role() (src/backend/replication/walsender.c).
  const std::string_view right = version >= kVersion15 ? "usage" : "member";
  std::string sql = "select current_setting('server_version_num')::bigint as version";
  sql.append(", (select system_identifier from pg_control_system()) as system_identifier");
  sql.append(", r.in_recovery");
  // A role or database may have its own default, which says nothing about the server.
  sql.append(
      ", case when not exists (select from pg_db_role_setting s"
      " where s.setrole in (0, current_user::regrole::oid)"
      " and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))"
      " and array_to_string(s.setconfig, ',') like '%default_transaction_read_only=%')"
      " then current_setting('default_transaction_read_only')::boolean end as read_only");
  sql.append(
      ", case when r.in_recovery then coalesce("
      "(select nullif(received_tli, 0) from pg_stat_wal_receiver limit 1),"
      " (select timeline_id from pg_control_checkpoint()))::bigint"
      // Eight hex digits to a number: by way of a bit string, for want of a function before 16.
      " else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"
      " end as timeline");
  sql.append(", case when not r.in_recovery then pg_current_wal_lsn() end as current");
  sql.append(", case when r.in_recovery then pg_last_wal_receive_lsn() end as received");
  sql.append(", case when r.in_recovery then pg_last_wal_replay_lsn() end as replayed");
  sql.append(", case when r.in_recovery then ")
      .append(in_microseconds("pg_last_xact_replay_timestamp()"))
      .append(" end as last_replayed_commit");
  sql.append(", case when r.in_recovery then ").append(paused).append(" end as replay_paused");
  sql.append(", ")
      .append(in_microseconds("current_setting('recovery_min_apply_delay')::interval"))
      .append(" as recovery_min_apply_delay");
  sql.append(", ").append(in_microseconds("clock_timestamp()")).append(" as server_time");
  sql.append(", ").append(in_microseconds("pg_postmaster_start_time()")).append(" as started");
  sql.append(", pg_has_role(current_user, 'pg_read_all_stats', '")
      .append(right)
      .append("') as may_read_stats");
  // Asked once: a promotion must not fall between two answers. `offset 0` keeps it from being
  // inlined.
  sql.append(" from (select pg_is_in_recovery() as in_recovery offset 0) r");
  return sql;
}

Result<ServerAnswer> decode_server(const PgRows& rows) {
  if (rows.rows() != 1) return Error(ErrorCode::kMalformed, "not one row about the server");
  Row row(rows, 0);
  ServerAnswer answer;
  model::ServerFacts& facts = answer.facts;
  facts.version = row.required("version", row.integer("version"));
  facts.system_identifier = row.text_or_empty("system_identifier");
  facts.in_recovery = row.required("in_recovery", row.boolean("in_recovery"));
  facts.read_only = row.boolean("read_only");
  answer.may_read_stats = row.required("may_read_stats", row.boolean("may_read_stats"));
  facts.current = row.lsn("current");
  facts.received = row.lsn("received");
  facts.replayed = row.lsn("replayed");
  facts.last_replayed_commit = row.time("last_replayed_commit");
  facts.replay_paused = row.boolean("replay_paused");
  facts.recovery_min_apply_delay = row.microseconds("recovery_min_apply_delay");
  facts.server_time = row.required("server_time", row.time("server_time"));
  facts.started = row.time("started");
  facts.timeline = row.integer("timeline");
  if (facts.in_recovery && !answer.may_read_stats) facts.timeline.reset();
  if (row.problem()) return *row.problem();
  return answer;
}

std::string senders_sql() {
  std::string sql =
      "select application_name, state, sync_state, sent_lsn, write_lsn, flush_lsn, replay_lsn"
      ", (select s.slot_type from pg_replication_slots s where s.active_pid = pid limit 1) as "
      "slot_type";
  for (const std::string_view lag : {"write_lag", "flush_lag", "replay_lag"}) {
    sql.append(", ").append(in_microseconds(lag)).append(" as ").append(lag);
  }
  return sql.append(" from pg_stat_replication order by application_name, pid");
}

Result<std::vector<model::Sender>> decode_senders(const PgRows& rows) {
  std::vector<model::Sender> senders;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Row row(rows, i);
    if (!row.text("state") && !row.problem()) return hidden("pg_stat_replication");
    model::Sender sender;
    sender.application_name = row.text_or_empty("application_name");
    sender.slot_type = row.text_or_empty("slot_type");
    sender.state = row.text_or_empty("state");
    sender.sync_state = row.text_or_empty("sync_state");
    sender.sent = row.lsn("sent_lsn");
    sender.write = row.lsn("write_lsn");
    sender.flush = row.lsn("flush_lsn");
    sender.replay = row.lsn("replay_lsn");
    sender.write_lag = row.microseconds("write_lag");
    sender.flush_lag = row.microseconds("flush_lag");
    sender.replay_lag = row.microseconds("replay_lag");
    if (row.problem()) return *row.problem();
    senders.push_back(std::move(sender));
  }
  return senders;
}

std::string wal_receiver_sql() {
  return "select status, received_tli, flushed_lsn, latest_end_lsn, slot_name, sender_host, " +
         in_microseconds("last_msg_receipt_time") + " as last_message from pg_stat_wal_receiver";
}

Result<std::vector<model::WalReceiver>> decode_wal_receiver(const PgRows& rows) {
  std::vector<model::WalReceiver> receivers;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Row row(rows, i);
    if (!row.text("status") && !row.problem()) return hidden("pg_stat_wal_receiver");
    model::WalReceiver receiver;
    receiver.status = row.text_or_empty("status");
    receiver.received_timeline = row.integer("received_tli");
    receiver.flushed = row.lsn("flushed_lsn");
    receiver.latest_end = row.lsn("latest_end_lsn");
    receiver.last_message = row.time("last_message");
    receiver.slot_name = row.text_or_empty("slot_name");
    receiver.sender_host = row.text_or_empty("sender_host");
    if (row.problem()) return *row.problem();
    receivers.push_back(std::move(receiver));
  }
  return receivers;
}

}  // namespace keelwatch::sources
