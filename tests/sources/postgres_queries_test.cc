#include "sources/postgres/queries.h"

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

using Value = std::optional<std::string>;

// One row, from its columns by name.
PgRows row_of(const std::map<std::string, Value>& values) {
  std::vector<std::string> columns;
  std::vector<Value> row;
  for (const auto& [name, value] : values) {
    columns.push_back(name);
    row.push_back(value);
  }
  return PgRows::of(columns, {row});
}

std::map<std::string, Value> with(std::map<std::string, Value> values, const std::string& name,
                                  Value value) {
  values[name] = std::move(value);
  return values;
}

const std::map<std::string, Value> kStandby = {
    {"version", "150015"},
    {"system_identifier", "7523456789012345678"},
    {"in_recovery", "t"},
    {"read_only", std::nullopt},
    {"timeline", "3"},
    {"current", std::nullopt},
    {"received", "16/B374D848"},
    {"replayed", "16/B374D000"},
    {"last_replayed_commit", "1764040000123456"},
    {"replay_paused", "f"},
    {"recovery_min_apply_delay", "5400000000"},
    {"checkpoint_time", "1764039000000000"},
    {"redo", "16/B0000028"},
    {"server_time", "1764040001000001"},
    {"started", "1764030000000000"},
    {"may_read_stats", "t"},
};

const std::map<std::string, Value> kSender = {
    {"application_name", "pg-2\n\"odd\""},
    {"slot_type", "physical"},
    {"state", "a state of tomorrow"},
    {"sync_state", "async"},
    {"sent_lsn", "0/30"},
    {"write_lsn", "0/20"},
    {"flush_lsn", "0/10"},
    {"replay_lsn", std::nullopt},
    {"write_lag", "1500"},
    {"flush_lag", "-1"},
    {"replay_lag", std::nullopt},
};

const std::map<std::string, Value> kReceiver = {
    {"status", "streaming"},           {"received_tli", "3"},       {"flushed_lsn", "16/B374D848"},
    {"latest_end_lsn", "16/B374D848"}, {"slot_name", std::nullopt}, {"sender_host", "10.0.0.1"},
    {"last_message", std::nullopt},
};

}  // namespace

TEST_CASE("a standby's row becomes facts, NULL stays absent", "[sources]") {
  const Result<ServerAnswer> answer = decode_server(row_of(kStandby));
  REQUIRE(answer);
  const model::ServerFacts& facts = answer->facts;
  CHECK(answer->may_read_stats);
  CHECK(facts.version == 150015);
  CHECK(facts.system_identifier == "7523456789012345678");
  CHECK(facts.in_recovery);
  CHECK_FALSE(facts.read_only);
  CHECK(facts.timeline == 3);
  CHECK_FALSE(facts.current);
  CHECK(facts.received == model::Lsn{0x16'B374'D848});
  CHECK(facts.replayed == model::Lsn{0x16'B374'D000});
  CHECK(facts.last_replayed_commit == WallTime(1764040000123456us));
  CHECK(facts.replay_paused == false);
  CHECK(facts.recovery_min_apply_delay == 90min);
  CHECK(facts.checkpoint_time == WallTime(1764039000000000us));
  CHECK(facts.redo == model::Lsn{0x16'B000'0028});
  CHECK(facts.server_time == WallTime(1764040001000001us));
}

TEST_CASE("a standby's timeline is unknown without the right to see it", "[sources]") {
  const Result<ServerAnswer> answer = decode_server(row_of(with(kStandby, "may_read_stats", "f")));
  REQUIRE(answer);
  CHECK_FALSE(answer->may_read_stats);
  CHECK_FALSE(answer->facts.timeline);
}

TEST_CASE("answers that make no sense are malformed and name the column", "[sources]") {
  struct Case {
    std::string name;
    std::string column;
    Value value;
    std::string message;
  };
  const Case cases[] = {
      {"no version", "version", std::nullopt, "column \"version\" is NULL"},
      {"text for a number", "timeline", "3x", "column \"timeline\" is not a whole number"},
      {"too large a number", "version", "99999999999999999999",
       "column \"version\" is not a whole number"},
      {"no boolean", "in_recovery", "true", "column \"in_recovery\" is not a boolean"},
      {"no position", "replayed", "16", "column \"replayed\" is not a WAL position"},
      {"a time beyond our clock", "started", "9223372036854775807",
       "column \"started\" is out of range"},
      {"no time", "server_time", std::nullopt, "column \"server_time\" is NULL"},
      {"empty", "received", "", "column \"received\" is not a WAL position"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Result<ServerAnswer> answer = decode_server(row_of(with(kStandby, c.column, c.value)));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code() == ErrorCode::kMalformed);
    CHECK(answer.error().message() == c.message);
  }
  std::map<std::string, Value> incomplete = kStandby;
  incomplete.erase("started");
  const Result<ServerAnswer> missing = decode_server(row_of(incomplete));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message() == "column \"started\" is missing");
  CHECK_FALSE(decode_server(PgRows::of({"version"}, {})));
}

TEST_CASE("senders are kept verbatim, and hidden ones are no permission", "[sources]") {
  const Result<std::vector<model::Sender>> senders = decode_senders(row_of(kSender));
  REQUIRE(senders);
  REQUIRE(senders->size() == 1);
  const model::Sender& sender = senders->front();
  CHECK(sender.application_name == "pg-2\n\"odd\"");
  CHECK(sender.slot_type == "physical");
  CHECK(sender.state == "a state of tomorrow");
  CHECK(sender.sent == model::Lsn{0x30});
  CHECK_FALSE(sender.replay);
  CHECK(sender.write_lag == 1500us);
  CHECK(sender.flush_lag == -1us);
  CHECK_FALSE(sender.replay_lag);

  const auto hidden = decode_senders(row_of(with(kSender, "state", std::nullopt)));
  REQUIRE_FALSE(hidden);
  CHECK(hidden.error().code() == ErrorCode::kForbidden);
  const auto malformed = decode_senders(row_of(with(kSender, "sent_lsn", "x")));
  REQUIRE_FALSE(malformed);
  CHECK(malformed.error().code() == ErrorCode::kMalformed);
  const auto none = decode_senders(PgRows::of({"state"}, {}));
  REQUIRE(none);
  CHECK(none->empty());
}

TEST_CASE("the WAL receiver's row is read, and a hidden one is no permission", "[sources]") {
  const Result<std::vector<model::WalReceiver>> receivers = decode_wal_receiver(row_of(kReceiver));
  REQUIRE(receivers);
  REQUIRE(receivers->size() == 1);
  CHECK(receivers->front().status == "streaming");
  CHECK(receivers->front().received_timeline == 3);
  CHECK(receivers->front().slot_name.empty());
  CHECK_FALSE(receivers->front().last_message);
  const auto hidden = decode_wal_receiver(row_of(with(kReceiver, "status", std::nullopt)));
  REQUIRE_FALSE(hidden);
  CHECK(hidden.error().code() == ErrorCode::kForbidden);
}

}  // namespace keelwatch::sources
