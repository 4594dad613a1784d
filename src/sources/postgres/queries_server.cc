#include <string_view>

#include "sources/postgres/queries.h"
#include "sources/postgres/row.h"

namespace keelwatch::sources {
namespace {

ServerAnswer read_server(Row& row) {
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
  facts.checkpoint_time = row.time("checkpoint_time");
  facts.redo = row.lsn("redo");
  facts.server_time = row.required("server_time", row.time("server_time"));
  facts.started = row.time("started");
  facts.timeline = row.integer("timeline");
  if (facts.in_recovery && !answer.may_read_stats) facts.timeline.reset();
  return answer;
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
      " where s.setrole in (0, quote_ident(current_user)::regrole::oid)"
      " and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))"
      " and array_to_string(s.setconfig, ',') like '%default_transaction_read_only=%')"
      " then current_setting('default_transaction_read_only')::boolean end as read_only");
  sql.append(
      ", case when r.in_recovery then coalesce("
      "(select nullif(received_tli, 0) from pg_stat_wal_receiver limit 1),"
      // The checkpoint's trails a switch until the next restartpoint; where recovery has come to
      // does not.
      " greatest(c.timeline_id, (select min_recovery_end_timeline from pg_control_recovery()))"
      ")::bigint"
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
  sql.append(", ").append(in_microseconds("c.checkpoint_time")).append(" as checkpoint_time");
  sql.append(", c.redo_lsn as redo");
  sql.append(", ").append(in_microseconds("clock_timestamp()")).append(" as server_time");
  sql.append(", ").append(in_microseconds("pg_postmaster_start_time()")).append(" as started");
  sql.append(", pg_has_role(current_user, 'pg_read_all_stats', '")
      .append(right)
      .append("') as may_read_stats");
  // Asked once: a promotion must not fall between two answers. `offset 0` keeps it from being
  // inlined.
  sql.append(
      " from (select pg_is_in_recovery() as in_recovery offset 0) r"
      ", pg_control_checkpoint() c");
  return sql;
}

Result<ServerAnswer> decode_server(const PgRows& rows) {
  return only_row<ServerAnswer>(rows, read_server);
}

}  // namespace keelwatch::sources
