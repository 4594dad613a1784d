#include <algorithm>
#include <string_view>

#include "sources/postgres/queries.h"
#include "sources/postgres/row.h"

namespace keelwatch::sources {
namespace {

constexpr std::size_t kExamples = 5;

}  // namespace

std::string databases_sql(int version) {
  const bool has_collation = version >= kVersion15;
  std::string sql =
      "select datname as name, datallowconn as allows_connections, datistemplate as is_template"
      ", age(datfrozenxid)::bigint as xid_age, mxid_age(datminmxid)::bigint as mxid_age"
      ", pg_stat_get_db_deadlocks(oid) as deadlocks"
      ", pg_stat_get_db_conflict_all(oid) as conflicts"
      ", pg_stat_get_db_checksum_failures(oid) as checksum_failures"
      ", pg_stat_get_db_xact_commit(oid) as commits"
      ", pg_stat_get_db_xact_rollback(oid) as rollbacks";
  sql.append(", ")
      .append(in_microseconds("pg_stat_get_db_checksum_last_failure(oid)"))
      .append(" as last_checksum_failure, ")
      .append(in_microseconds("pg_stat_get_db_stat_reset_time(oid)"))
      .append(" as stats_reset, ")
      .append(column_since(has_collation, "datcollversion", "text", "collation_recorded") + ", ")
      .append(column_since(has_collation, "pg_database_collation_actual_version(oid)", "text",
                           "collation_actual"));
  return sql.append(" from pg_database order by datname collate \"C\"");
}

Result<std::vector<model::DatabaseFacts>> decode_databases(const PgRows& rows) {
  return each_row<model::DatabaseFacts>(rows, [](Row& row) {
    model::DatabaseFacts database;
    database.name = row.required_text("name");
    database.allows_connections = row.flag("allows_connections");
    database.is_template = row.flag("is_template");
    database.xid_age = row.count("xid_age");
    database.mxid_age = row.count("mxid_age");
    database.deadlocks = row.count("deadlocks");
    database.conflicts = row.count("conflicts");
    database.checksum_failures = row.integer("checksum_failures");
    database.last_checksum_failure = row.time("last_checksum_failure");
    database.commits = row.count("commits");
    database.rollbacks = row.count("rollbacks");
    database.stats_reset = row.time("stats_reset");
    database.collation_recorded = row.text_or_empty("collation_recorded");
    database.collation_actual = row.text_or_empty("collation_actual");
    return database;
  });
}

std::string database_sizes_sql(int version) {
  // Asked for without the right, pg_database_size() would refuse all of them. A database that was
  // dropped meanwhile has no right or no size (NULL), and is left out.
  std::string sql =
      "select name, bytes from (select datname as name, allowed"
      ", case when allowed then pg_database_size(oid) end as bytes from pg_database"
      ", lateral (select has_database_privilege(oid, 'connect') as own) o"
      ", lateral (select own or own is not null"
      " and pg_has_role(current_user, 'pg_read_all_stats', '";
  sql.append(version >= kVersion15 ? "usage" : "member");
  return sql.append(
      "') as allowed) a offset 0) d where bytes is not null or not allowed"
      " order by name collate \"C\"");
}

Result<std::vector<model::DatabaseSize>> decode_database_sizes(const PgRows& rows) {
  bool hidden = false;
  auto sizes = each_row<model::DatabaseSize>(rows, [&](Row& row) {
    const std::optional<std::int64_t> bytes = row.integer("bytes");
    hidden = hidden || !bytes;
    return model::DatabaseSize{row.required_text("name"), bytes.value_or(0)};
  });
  if (sizes && hidden) {
    return Error(ErrorCode::kForbidden, "no permission to read pg_database_size()");
  }
  return sizes;
}

std::string content_sql(int /*version*/) {
  // An ICU build has some 800 collations, and to ask for the version of one means to open it: those
  // that no column and no index uses are left out.
  std::string sql =
      "(select 'collation' as kind, format('%I.%I', n.nspname, c.collname) as name"
      ", c.collversion as recorded, coalesce(v.actual, '') as actual, null::bigint as total"
      " from pg_collation c join pg_namespace n on n.oid = c.collnamespace"
      ", lateral (select pg_collation_actual_version(c.oid) as actual offset 0) v"
      " where c.collversion is not null and c.collversion is distinct from v.actual"
      " and c.oid in (select attcollation from pg_attribute where attcollation <> 0)"
      " order by 2)"
      " union all (select 'unlogged', format('%I.%I', n.nspname, c.relname), null, null"
      ", count(*) over () from pg_class c join pg_namespace n on n.oid = c.relnamespace"
      " where c.relpersistence = 'u' and c.relkind in ('r', 'p') order by 2 limit ";
  return sql.append(std::to_string(kExamples)).append(")");
}

Result<model::DatabaseContent> decode_content(const PgRows& rows) {
  model::DatabaseContent content;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Row row(rows, i);
    const std::string kind = row.required_text("kind");
    if (kind == "collation") {
      content.collations.push_back(
          {row.required_text("name"), row.required_text("recorded"), row.required_text("actual")});
    } else if (kind == "unlogged") {
      content.unlogged_tables = row.count("total");
      content.unlogged_examples.push_back(row.required_text("name"));
    } else {
      row.refuse("kind", "is not one of ours");
    }
    if (row.problem()) return *row.problem();
  }
  return content;
}

}  // namespace keelwatch::sources
