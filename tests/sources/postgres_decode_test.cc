// Decoders of the PostgreSQL source on rows that no server sent.
#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sources/postgres/queries.h"
#include "sources/postgres/questions.h"

using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

using Value = std::optional<std::string>;
using Values = std::vector<std::pair<std::string, Value>>;

PgRows row_of(const Values& values) {
  std::vector<std::string> columns;
  std::vector<Value> row;
  for (const auto& [name, value] : values) {
    columns.push_back(name);
    row.push_back(value);
  }
  return PgRows::of(columns, {row});
}

Values with(Values values, const std::string& name, Value value) {
  for (auto& [column, old] : values) {
    if (column == name) old = std::move(value);
  }
  return values;
}

const Values kSlot = {{"slot_name", "_cnpg_pg_2"},
                      {"slot_type", "logical"},
                      {"database", "shop"},
                      {"temporary", "f"},
                      {"active", "t"},
                      {"restart_lsn", "1/0"},
                      {"confirmed_flush_lsn", "1/8"},
                      {"wal_status", "extended"},
                      {"safe_wal_size", "-5"},
                      {"retained_bytes", "4096"},
                      {"xmin_age", std::nullopt},
                      {"catalog_xmin_age", "12"},
                      {"inactive_since", "1764040000000000"},
                      {"invalidation_reason", "idle_timeout"},
                      {"conflicting", "f"},
                      {"failover", "t"},
                      {"synced", "f"}};

const Values kActivity = {{"max_connections", "100"},
                          {"reserved_connections", "3"},
                          {"connections", "7"},
                          {"waiting_for_lock", "1"},
                          {"waiting_for_sync_standby", "0"},
                          {"longest_wait_for_sync_standby", std::nullopt},
                          {"sessions", "active=1,idle in transaction (aborted)=4"},
                          {"longest_transaction", "5000000"},
                          {"longest_transaction_by", "shop/app, pid 7"},
                          {"longest_idle_in_transaction", std::nullopt},
                          {"longest_idle_in_transaction_by", std::nullopt}};

const std::vector<std::string> kSettingColumns = {"kind",   "name", "value", "unit",
                                                  "source", "flag", "role",  "database"};

const std::vector<Value> kRight = {"right", {}, {}, {}, {}, "t", {}, {}};

}  // namespace

TEST_CASE("a slot's row is read, and what its version lacks is absent", "[sources]") {
  const auto slots = decode_slots(row_of(kSlot));
  REQUIRE(slots);
  const model::Slot& slot = slots->front();
  CHECK(slot.name == "_cnpg_pg_2");
  CHECK(slot.type == "logical");
  CHECK(slot.database == "shop");
  CHECK(slot.active);
  CHECK_FALSE(slot.temporary);
  CHECK(slot.restart == model::Lsn{0x1'0000'0000});
  CHECK(slot.confirmed_flush == model::Lsn{0x1'0000'0008});
  CHECK(slot.wal_status == "extended");
  CHECK(slot.safe_bytes == -5);
  CHECK(slot.retained_bytes == 4096);
  CHECK_FALSE(slot.xmin_age);
  CHECK(slot.catalog_xmin_age == 12);
  CHECK(slot.inactive_since == WallTime(1764040000s));
  CHECK(slot.invalidation_reason == "idle_timeout");
  CHECK(slot.conflicting == false);
  CHECK(slot.failover == true);
  CHECK(slot.synced == false);
  const auto old = decode_slots(row_of(with(with(kSlot, "synced", {}), "inactive_since", {})));
  REQUIRE(old);
  CHECK_FALSE(old->front().synced);
  CHECK_FALSE(old->front().inactive_since);
}

TEST_CASE("sessions are counted by state", "[sources]") {
  const auto activity = decode_activity(row_of(kActivity));
  REQUIRE(activity);
  REQUIRE(activity->sessions.size() == 2);
  CHECK(activity->sessions[0].state == "active");
  CHECK(activity->sessions[1].state == "idle in transaction (aborted)");
  CHECK(activity->sessions[1].count == 4);
  CHECK(activity->longest_transaction == 5s);
  CHECK_FALSE(activity->longest_idle_in_transaction);
  const auto alone = decode_activity(row_of(with(kActivity, "sessions", {})));
  REQUIRE(alone);
  CHECK(alone->sessions.empty());
}

TEST_CASE("no answer takes a missing or a wrong value for a zero", "[sources]") {
  struct Case {
    std::string name;
    std::function<std::optional<Error>()> decode;
    std::string message;
  };
  const auto problem = [](const auto& result) -> std::optional<Error> {
    if (result) return std::nullopt;
    return result.error();
  };
  const Case cases[] = {
      {"slot without a state of activity",
       [&] { return problem(decode_slots(row_of(with(kSlot, "active", {})))); },
       "column \"active\" is NULL"},
      {"slot with half a position",
       [&] { return problem(decode_slots(row_of(with(kSlot, "restart_lsn", "1/")))); },
       "column \"restart_lsn\" is not a WAL position"},
      {"connections unknown",
       [&] { return problem(decode_activity(row_of(with(kActivity, "connections", {})))); },
       "column \"connections\" is NULL"},
      {"session count that is no number",
       [&] { return problem(decode_activity(row_of(with(kActivity, "sessions", "idle=x")))); },
       "column \"sessions\" is not a list of counts"},
      {"session state without a count",
       [&] { return problem(decode_activity(row_of(with(kActivity, "sessions", "idle")))); },
       "column \"sessions\" is not a list of counts"},
      {"no row about the archiver",
       [&] { return problem(decode_archiver(PgRows::of({"mode"}, {}))); }, "not exactly one row"},
      {"prepared transactions uncounted",
       [&] { return problem(decode_prepared(row_of({{"count", {}}, {"oldest", {}}}))); },
       "column \"count\" is NULL"},
      {"WAL directory without its size",
       [&] { return problem(decode_wal_directory(row_of({{"files", "1"}}))); },
       "column \"bytes\" is missing"},
      {"database without an age",
       [&] {
         return problem(decode_databases(row_of({{"name", "shop"},
                                                 {"allows_connections", "t"},
                                                 {"is_template", "f"},
                                                 {"xid_age", {}}})));
       },
       "column \"xid_age\" is NULL"},
      {"holder without an age",
       [&] {
         return problem(decode_xmin_holders(
             row_of({{"kind", "slot"}, {"name", "s"}, {"age", {}}, {"since", {}}})));
       },
       "column \"age\" is NULL"},
      {"content of an unknown kind",
       [&] { return problem(decode_content(row_of({{"kind", "new"}}))); },
       "column \"kind\" is not one of ours"},
      {"unlogged tables uncounted",
       [&] {
         return problem(
             decode_content(row_of({{"kind", "unlogged"}, {"total", {}}, {"name", "public.t"}})));
       },
       "column \"total\" is NULL"},
      {"setting of an unknown kind",
       [&] {
         return problem(
             decode_settings(PgRows::of(kSettingColumns, {{"new", {}, {}, {}, {}, {}, {}, {}}})));
       },
       "column \"kind\" is not one of ours"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const std::optional<Error> error = c.decode();
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::kMalformed);
    CHECK(error->message() == c.message);
  }
}

TEST_CASE("one hidden size hides the sizes", "[sources]") {
  const PgRows rows = PgRows::of({"name", "bytes"}, {{"a", "1"}, {"b", std::nullopt}});
  const auto sizes = decode_database_sizes(rows);
  REQUIRE_FALSE(sizes);
  CHECK(sizes.error().code() == ErrorCode::kForbidden);
}

TEST_CASE("settings are sorted, with overrides, and never half of them", "[sources]") {
  const std::vector<std::vector<Value>> rows = {
      {"override", "synchronous_commit", "off", {}, {}, {}, "app", {}},
      {"pending", "max_connections", {}, {}, {}, {}, {}, {}},
      {"value", "wal_keep_size", "512", "MB", "configuration file", "f", {}, {}},
      {"value", "fsync", "on", {}, "default", "t", {}, {}},
  };
  const auto partial = decode_settings(PgRows::of(kSettingColumns, rows));
  REQUIRE_FALSE(partial);
  CHECK(partial.error().code() == ErrorCode::kForbidden);
  auto complete = rows;
  complete.push_back(kRight);
  const auto settings = decode_settings(PgRows::of(kSettingColumns, complete));
  REQUIRE(settings);
  REQUIRE(settings->values.size() == 2);
  CHECK(settings->values[0].name == "fsync");
  CHECK(settings->values[0].pending_restart);
  CHECK(settings->values[0].unit.empty());
  CHECK(settings->pending_restart == std::vector<std::string>{"max_connections"});
  REQUIRE(settings->overrides.size() == 1);
  CHECK(settings->overrides[0].role == "app");
  CHECK(settings->overrides[0].database.empty());
  CHECK(settings->overrides[0].value == "off");
  CHECK(model::in_base_unit(*model::find_setting(*settings, "wal_keep_size")) ==
        512.0 * 1024 * 1024);
}

TEST_CASE("no secret is among the settings that are read", "[sources]") {
  for (const std::string_view name : judged_settings()) {
    CHECK(name != "primary_conninfo");
    CHECK(name.find("password") == std::string_view::npos);
  }
  CHECK(settings_sql(180000).find("primary_conninfo") == std::string::npos);
}

TEST_CASE("a missing grant names the role as SQL wants it", "[sources]") {
  struct Case {
    std::string name;
    std::string quoted;
  };
  const Case cases[] = {{"keelwatch", "keelwatch"}, {"kw_2", "kw_2"},      {"2kw", "\"2kw\""},
                        {"Poor", "\"Poor\""},       {"a-b", "\"a-b\""},    {"", "\"\""},
                        {"a\"b", "\"a\"\"b\""},     {"größe", "\"größe\""}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(missing_grant("pg_monitor", c.name).message() ==
          "no permission, grant pg_monitor to " + c.quoted);
  }
}

}  // namespace keelwatch::sources
