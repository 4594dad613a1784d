#include <algorithm>
#include <array>
#include <string_view>

#include "sources/postgres/queries.h"
#include "sources/postgres/row.h"

namespace keelwatch::sources {
namespace {

using namespace std::string_view_literals;

constexpr std::array kJudged = {
    "archive_command"sv,
    "archive_library"sv,  // 15
    "archive_mode"sv,
    "archive_timeout"sv,
    "autovacuum"sv,
    "autovacuum_freeze_max_age"sv,
    "autovacuum_multixact_freeze_max_age"sv,
    "data_checksums"sv,
    "default_transaction_read_only"sv,
    "fsync"sv,
    "full_page_writes"sv,
    "hot_standby"sv,
    "hot_standby_feedback"sv,
    "idle_replication_slot_timeout"sv,  // 18
    "ignore_checksum_failure"sv,
    "max_connections"sv,
    "max_prepared_transactions"sv,
    "max_replication_slots"sv,
    "max_slot_wal_keep_size"sv,
    "max_wal_senders"sv,
    "max_wal_size"sv,
    "min_wal_size"sv,
    "primary_slot_name"sv,
    "recovery_min_apply_delay"sv,
    "sync_replication_slots"sv,      // 17
    "synchronized_standby_slots"sv,  // 17
    "synchronous_commit"sv,
    "synchronous_standby_names"sv,
    "track_counts"sv,
    "wal_keep_size"sv,
    "wal_level"sv,
    "wal_log_hints"sv,
    "wal_receiver_timeout"sv,
    "wal_segment_size"sv,
    "wal_sender_timeout"sv,
    "zero_damaged_pages"sv,
};
static_assert(std::ranges::is_sorted(kJudged));

// An archive_command may hold a password. What archives nothing is told as it is.
constexpr std::string_view kShownSetting =
    "case when name = 'archive_command'"
    " and setting not in ('', '(disabled)', 'true', '/bin/true', '/usr/bin/true', ':')"
    " then '(set)' else setting end";

std::string quoted_list() {
  std::string list;
  for (const std::string_view name : kJudged) {
    list.append(list.empty() ? "'" : ", '").append(name).append("'");
  }
  return list;
}

}  // namespace

std::span<const std::string_view> judged_settings() { return kJudged; }

std::string settings_sql(int version) {
  const std::string judged = quoted_list();
  // pg_settings leaves out what a role may not see.
  std::string sql =
      "with s as materialized (select name, setting, unit, source, pending_restart"
      " from pg_settings), o as (select setrole, setdatabase, unnest(setconfig) as entry"
      " from pg_db_role_setting)"
      " select * from (select 'right' as kind, null as name, null as value, null as unit"
      ", null as source"
      ", pg_has_role(current_user, 'pg_read_all_settings', '";
  sql.append(version >= kVersion15 ? "usage" : "member")
      .append(
          "') as flag, null::text as role, null::text as database"
          " union all select 'value', name, ")
      .append(kShownSetting)
      .append(
          ", unit, source, pending_restart, null, null"
          " from s where name in (")
      .append(judged)
      .append(
          ") union all select 'pending', name, null, null, null, null, null, null"
          " from s where pending_restart"
          " union all select 'override', split_part(o.entry, '=', 1)"
          ", substr(o.entry, strpos(o.entry, '=') + 1), null, null, null"
          ", case when o.setrole <> 0 then pg_get_userbyid(o.setrole) end, d.datname"
          " from o left join pg_database d on d.oid = o.setdatabase"
          " where split_part(o.entry, '=', 1) in (")
      .append(judged)
      .append(
          ")) u order by kind, name collate \"C\", role collate \"C\" nulls first"
          ", database collate \"C\" nulls first");
  return sql;
}

Result<model::Settings> decode_settings(const PgRows& rows) {
  model::Settings settings;
  bool complete = false;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Row row(rows, i);
    const std::string kind = row.required_text("kind");
    if (kind == "right") {
      complete = row.flag("flag");
    } else if (kind == "value") {
      settings.values.push_back({row.required_text("name"), row.text_or_empty("value"),
                                 row.text_or_empty("unit"), row.text_or_empty("source"),
                                 row.flag("flag")});
    } else if (kind == "pending") {
      settings.pending_restart.push_back(row.required_text("name"));
    } else if (kind == "override") {
      settings.overrides.push_back({row.text_or_empty("role"), row.text_or_empty("database"),
                                    row.required_text("name"), row.required_text("value")});
    } else {
      row.refuse("kind", "is not one of ours");
    }
    if (row.problem()) return *row.problem();
  }
  if (!complete) return Error(ErrorCode::kForbidden, "no permission to read all of pg_settings");
  std::ranges::sort(settings.values, {}, &model::Setting::name);
  return settings;
}

}  // namespace keelwatch::sources
