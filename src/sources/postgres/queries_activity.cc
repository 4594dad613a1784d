#include <charconv>
#include <string_view>
#include <utility>

#include "sources/postgres/queries.h"
#include "sources/postgres/row.h"

namespace keelwatch::sources {
namespace {

// pg_stat_activity without its joins: names are looked up for the one session that is reported.
constexpr std::string_view kSessions =
    "with s as materialized (select pid, datid, usesysid, application_name, state, wait_event_type"
    ", wait_event, xact_start, query_start, state_change, backend_xid, backend_xmin, backend_type"
    ", clock_timestamp() as now from pg_stat_get_activity(null))";

// The longest of our fellow sessions for which `since` is set, and who it is.
std::string longest(std::string_view name, std::string_view since, std::string_view where) {
  std::string sql = " left join lateral (select greatest(";
  sql.append(in_microseconds("(s.now - s." + std::string(since) + ")"))
      .append(", 0) as lasts, coalesce(d.datname, '') || '/' || pg_get_userbyid(s.usesysid)")
      .append(" || coalesce(' (' || nullif(s.application_name, '') || ')', '')")
      .append(" || ', pid ' || s.pid as by")
      .append(" from s left join pg_database d on d.oid = s.datid")
      .append(" where s.backend_type = 'client backend' and s.pid <> pg_backend_pid() and s.")
      .append(since)
      .append(" is not null")
      .append(where)
      .append(" order by s.")
      .append(since)
      .append(" limit 1) ")
      .append(name)
      .append(" on true");
  return sql;
}

// "idle=3,idle in transaction=1": a state holds neither sign.
void read_sessions(Row& row, std::vector<model::SessionCount>& sessions) {
  std::string_view rest = row.text("sessions").value_or("");
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    const auto equals = one.rfind('=');
    std::int64_t count = 0;
    const char* end = one.data() + one.size();
    if (equals == std::string_view::npos ||
        std::from_chars(one.data() + equals + 1, end, count).ptr != end) {
      row.refuse("sessions", "is not a list of counts");
      return;
    }
    sessions.push_back({std::string(one.substr(0, equals)), count});
  }
}

}  // namespace

std::string activity_sql(int version) {
  std::string sql(kSessions);
  sql.append(
      " select current_setting('max_connections')::bigint as max_connections"
      ", current_setting('superuser_reserved_connections')::bigint");
  if (version >= kVersion16) sql.append(" + current_setting('reserved_connections')::bigint");
  // WAL senders and workers have places of their own (InitializeMaxBackends(), since 12).
  sql.append(
      " as reserved_connections, c.connections, c.waiting_for_lock, c.waiting_for_sync_standby"
      ", c.longest_wait_for_sync_standby"
      ", (select string_agg(state || '=' || count, ',' order by state) from"
      " (select coalesce(state, 'unknown') as state, count(*) from s"
      " where backend_type = 'client backend' and pid <> pg_backend_pid() group by 1) x)"
      " as sessions"
      ", t.lasts as longest_transaction, t.by as longest_transaction_by"
      ", i.lasts as longest_idle_in_transaction, i.by as longest_idle_in_transaction_by"
      " from (select count(*) filter (where backend_type = 'client backend') as connections"
      ", count(*) filter (where backend_type = 'client backend' and wait_event_type = 'Lock')"
      " as waiting_for_lock"
      ", count(*) filter (where wait_event = 'SyncRep') as waiting_for_sync_standby"
      ", ");
  sql.append(in_microseconds("max(now - query_start) filter (where wait_event = 'SyncRep')"))
      .append(" as longest_wait_for_sync_standby from s) c")
      .append(longest("t", "xact_start", ""))
      .append(longest("i", "state_change", " and s.state like 'idle in transaction%'"));
  return sql;
}

Result<model::Activity> decode_activity(const PgRows& rows) {
  return only_row<model::Activity>(rows, [&](Row& row) {
    model::Activity a;
    a.max_connections = row.count("max_connections");
    a.reserved_connections = row.count("reserved_connections");
    a.connections = row.count("connections");
    read_sessions(row, a.sessions);
    a.longest_transaction = row.microseconds("longest_transaction");
    a.longest_transaction_by = row.text_or_empty("longest_transaction_by");
    a.longest_idle_in_transaction = row.microseconds("longest_idle_in_transaction");
    a.longest_idle_in_transaction_by = row.text_or_empty("longest_idle_in_transaction_by");
    a.waiting_for_lock = row.count("waiting_for_lock");
    a.waiting_for_sync_standby = row.count("waiting_for_sync_standby");
    a.longest_wait_for_sync_standby = row.microseconds("longest_wait_for_sync_standby");
    return a;
  });
}

std::string xmin_holders_sql(int /*version*/) {
  const std::string xact_start = in_microseconds("xact_start");
  std::string sql(kSessions);
  // A WAL sender's xmin is what a standby without a slot asks for (hot_standby_feedback). An
  // invalidated slot may keep its xmin, but it holds nothing back.
  sql.append(
      ", held as (select case when backend_type = 'walsender' then 'standby' else 'session' end"
      " as kind, case when backend_type = 'walsender' then application_name else pid::text end"
      " as name, greatest(age(backend_xid), age(backend_xmin)) as age, ");
  sql.append(xact_start)
      .append(
          " as since from s where pid <> pg_backend_pid()"
          " and coalesce(backend_type, '') <> 'autovacuum worker'"
          " union all select 'prepared_transaction', gid, age(transaction), ")
      .append(in_microseconds("prepared"))
      .append(
          " from pg_prepared_xacts union all select 'slot', slot_name"
          ", greatest(age(xmin), age(catalog_xmin)), null from pg_replication_slots"
          " where wal_status is distinct from 'lost')"
          " select distinct on (kind) kind, name, age::bigint, since from held"
          " where age is not null order by kind, age desc, name");
  return sql;
}

Result<std::vector<model::XminHolder>> decode_xmin_holders(const PgRows& rows) {
  return each_row<model::XminHolder>(rows, [](Row& row) {
    model::XminHolder holder;
    holder.kind = row.required_text("kind");
    holder.name = row.text_or_empty("name");
    holder.age = row.count("age");
    holder.since = row.time("since");
    return holder;
  });
}

std::string prepared_sql(int /*version*/) {
  return "select count(*) as count, " + in_microseconds("min(prepared)") +
         " as oldest from pg_prepared_xact()";
}

Result<model::PreparedTransactions> decode_prepared(const PgRows& rows) {
  return only_row<model::PreparedTransactions>(rows, [](Row& row) {
    model::PreparedTransactions prepared;
    prepared.count = row.count("count");
    prepared.oldest = row.time("oldest");
    return prepared;
  });
}

}  // namespace keelwatch::sources
