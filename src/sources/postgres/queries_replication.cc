#include <string_view>

#include "sources/postgres/queries.h"
#include "sources/postgres/row.h"

namespace keelwatch::sources {
namespace {

// The instance's own position. Both functions for a primary raise an error in recovery and the
// others are NULL outside of it, hence the CASE.
constexpr std::string_view kOwnPosition =
    "(select case when pg_is_in_recovery()"
    " then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"
    " else pg_current_wal_lsn() end as position offset 0) own";

void check_visible(Row& row, std::string_view column, std::string_view view,
                   std::optional<Error>& hidden) {
  if (row.text(column) || row.problem()) return;
  hidden = Error(ErrorCode::kForbidden, "no permission to read " + std::string(view));
}

}  // namespace

std::string senders_sql(int /*version*/) {
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
  std::optional<Error> hidden;
  Result<std::vector<model::Sender>> senders = each_row<model::Sender>(rows, [&](Row& row) {
    check_visible(row, "state", "pg_stat_replication", hidden);
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
    return sender;
  });
  if (senders && hidden) return *hidden;
  return senders;
}

std::string wal_receiver_sql(int /*version*/) {
  return "select status, received_tli, flushed_lsn, latest_end_lsn, slot_name, sender_host, " +
         in_microseconds("last_msg_receipt_time") + " as last_message from pg_stat_wal_receiver";
}

Result<std::vector<model::WalReceiver>> decode_wal_receiver(const PgRows& rows) {
  std::optional<Error> hidden;
  Result<std::vector<model::WalReceiver>> receivers =
      each_row<model::WalReceiver>(rows, [&](Row& row) {
        check_visible(row, "status", "pg_stat_wal_receiver", hidden);
        model::WalReceiver receiver;
        receiver.status = row.text_or_empty("status");
        receiver.received_timeline = row.integer("received_tli");
        receiver.flushed = row.lsn("flushed_lsn");
        receiver.latest_end = row.lsn("latest_end_lsn");
        receiver.last_message = row.time("last_message");
        receiver.slot_name = row.text_or_empty("slot_name");
        receiver.sender_host = row.text_or_empty("sender_host");
        return receiver;
      });
  if (receivers && hidden) return *hidden;
  return receivers;
}

// An invalidated slot may keep its restart_lsn (16+), but it keeps no WAL.
std::string slots_sql(int version) {
  const bool has_16 = version >= kVersion16;
  const bool has_17 = version >= kVersion17;
  std::string sql =
      "select slot_name, slot_type, database, temporary, active, restart_lsn"
      ", confirmed_flush_lsn, wal_status, safe_wal_size"
      ", case when wal_status is distinct from 'lost'"
      " then pg_wal_lsn_diff(own.position, restart_lsn)::bigint end as retained_bytes"
      ", age(xmin)::bigint as xmin_age, age(catalog_xmin)::bigint as catalog_xmin_age, ";
  sql.append(column_since(has_17, in_microseconds("inactive_since"), "bigint", "inactive_since") +
             ", ")
      .append(column_since(has_17, "invalidation_reason", "text", "invalidation_reason") + ", ")
      .append(column_since(has_16, "conflicting", "boolean", "conflicting") + ", ")
      .append(column_since(has_17, "failover", "boolean", "failover") + ", ")
      .append(column_since(has_17, "synced", "boolean", "synced"))
      .append(" from pg_replication_slots, ")
      .append(kOwnPosition);
  return sql.append(" order by slot_name collate \"C\"");
}

Result<std::vector<model::Slot>> decode_slots(const PgRows& rows) {
  return each_row<model::Slot>(rows, [](Row& row) {
    model::Slot slot;
    slot.name = row.required_text("slot_name");
    slot.type = row.required_text("slot_type");
    slot.database = row.text_or_empty("database");
    slot.temporary = row.flag("temporary");
    slot.active = row.flag("active");
    slot.restart = row.lsn("restart_lsn");
    slot.confirmed_flush = row.lsn("confirmed_flush_lsn");
    slot.retained_bytes = row.integer("retained_bytes");
    slot.wal_status = row.text_or_empty("wal_status");
    slot.safe_bytes = row.integer("safe_wal_size");
    slot.inactive_since = row.time("inactive_since");
    slot.invalidation_reason = row.text_or_empty("invalidation_reason");
    slot.conflicting = row.boolean("conflicting");
    slot.failover = row.boolean("failover");
    slot.synced = row.boolean("synced");
    slot.xmin_age = row.integer("xmin_age");
    slot.catalog_xmin_age = row.integer("catalog_xmin_age");
    return slot;
  });
}

std::string subscriptions_sql(int version) {
  // 13 hides pg_subscription.oid from all but superusers: there the worker is found by its session,
  // which knows the database. Synchronisation and parallel workers are not the subscription's own.
  const std::string_view worker =
      version >= kVersion14
          ? " left join pg_stat_get_subscription(null) w on w.subid = s.oid and w.relid is null"
          : " left join (select v.subname, a.datid, v.pid, v.received_lsn, v.last_msg_receipt_time"
            " from pg_stat_subscription v join pg_stat_get_activity(null) a on a.pid = v.pid"
            " where v.relid is null) w on w.subname = s.subname and w.datid = s.subdbid";
  std::string sql =
      "select s.subname as name, d.datname as database, s.subenabled as enabled"
      ", w.pid is not null as worker_running, w.received_lsn as received, ";
  sql.append(in_microseconds("w.last_msg_receipt_time")).append(" as last_message, ");
  const bool has_errors = version >= kVersion15;
  sql.append(column_since(has_errors, "e.apply_error_count", "bigint", "apply_errors") + ", ")
      .append(column_since(has_errors, "e.sync_error_count", "bigint", "sync_errors"))
      .append(" from pg_subscription s join pg_database d on d.oid = s.subdbid")
      .append(worker);
  if (version >= kVersion16) sql.append(" and w.leader_pid is null");
  if (has_errors) sql.append(" left join pg_stat_subscription_stats e on e.subid = s.oid");
  return sql.append(" order by d.datname collate \"C\", s.subname collate \"C\"");
}

Result<std::vector<model::Subscription>> decode_subscriptions(const PgRows& rows) {
  return each_row<model::Subscription>(rows, [](Row& row) {
    model::Subscription subscription;
    subscription.name = row.required_text("name");
    subscription.database = row.required_text("database");
    subscription.enabled = row.flag("enabled");
    subscription.worker_running = row.flag("worker_running");
    subscription.received = row.lsn("received");
    subscription.last_message = row.time("last_message");
    subscription.apply_errors = row.integer("apply_errors");
    subscription.sync_errors = row.integer("sync_errors");
    return subscription;
  });
}

}  // namespace keelwatch::sources
