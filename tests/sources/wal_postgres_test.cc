// WAL that a real PostgreSQL 15 wrote; pg_waldump says what is in it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "sources/object_store/wal_records.h"
#include "tests/support/postgres_server.h"

namespace keelwatch::sources {
namespace {

using testing::PostgresOptions;
using testing::PostgresServer;

constexpr std::int64_t kBytes = model::kDefaultWalSegmentBytes;

struct Record {
  std::uint64_t at = 0;
  std::uint64_t bytes = 0;
};

PostgresOptions keeping_wal() {
  PostgresOptions options;
  options.settings = {"wal_keep_size=1GB", "max_wal_size=4GB"};
  return options;
}

struct Server {
  PostgresServer server{keeping_wal()};

  [[nodiscard]] model::WalSegment current() {
    return *model::parse_wal_segment(server.sql("SELECT pg_walfile_name(pg_current_wal_lsn())"),
                                     kBytes);
  }
  // Its number; everything up to it is complete afterwards.
  std::int64_t switch_segment() {
    const std::int64_t number = current().number;
    server.sql("SELECT pg_switch_wal()");
    return number;
  }
};

std::string bytes_of(const PostgresServer& server, model::WalSegment segment) {
  const std::string path =
      server.data_directory() + "/pg_wal/" + model::wal_segment_name(segment, kBytes);
  return read_file(path, 2 * static_cast<std::size_t>(kBytes)).value();
}

// What pg_waldump shows of these segments of one timeline.
std::vector<Record> dumped(const PostgresServer& server, model::WalSegment first,
                           model::WalSegment last) {
  const std::string command =
      "/usr/lib/postgresql/15/bin/pg_waldump --path=" + server.data_directory() + "/pg_wal " +
      model::wal_segment_name(first, kBytes) + " " + model::wal_segment_name(last, kBytes) +
      " 2>/dev/null";
  std::vector<Record> records;
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    const std::string_view text = line;
    unsigned int total = 0;
    if (std::sscanf(line, "rmgr: %*s len (rec/tot): %*u/ %u", &total) != 1) continue;
    const std::size_t at = text.find("lsn: ");
    REQUIRE(at != std::string_view::npos);
    const auto lsn = model::parse_lsn(text.substr(at + 5, text.find(',', at) - at - 5));
    REQUIRE(lsn);
    records.push_back({lsn->bytes, total});
  }
  pclose(pipe);
  return records;
}

WalVerdict walk(WalWalker& walker, model::WalSegment segment, const std::string& bytes) {
  walker.begin(segment, true);
  walker.feed(bytes);
  return walker.finish();
}

void write_rows(PostgresServer& server) {
  server.sql("CREATE TABLE IF NOT EXISTS t (i int PRIMARY KEY, x text)");
  server.sql(
      "INSERT INTO t SELECT coalesce(max(i), 0) + g, repeat('r', 500) FROM t, "
      "generate_series(1, 8000) g GROUP BY g");
  server.sql("CHECKPOINT");
  server.sql("UPDATE t SET x = 'u' || x WHERE i % 3 = 0");
}

}  // namespace

TEST_CASE("every record that PostgreSQL wrote is proven, through crash and switch",
          "[object_store][postgres]") {
  Server made;
  PostgresServer& server = made.server;
  const std::int64_t first = made.switch_segment() + 1;
  write_rows(server);
  // Larger than two segments.
  server.sql("SELECT pg_logical_emit_message(false, 'big', repeat('b', 40000000))");
  made.switch_segment();
  write_rows(server);
  server.kill9();
  server.start();
  write_rows(server);
  const std::string before = server.sql("SELECT (extract(epoch FROM clock_timestamp())*1e6)::int8");
  server.sql("INSERT INTO t VALUES (-1, 'the last commit')");
  const std::string after = server.sql("SELECT (extract(epoch FROM clock_timestamp())*1e6)::int8");
  const std::int64_t last = made.switch_segment();
  REQUIRE(last - first >= 3);

  WalWalker walker(kBytes, std::stoull(server.sql("SELECT system_identifier FROM "
                                                  "pg_control_system()")));
  std::int64_t records = 0;
  WalVerdict verdict;
  for (std::int64_t number = first; number <= last; ++number) {
    verdict = walk(walker, {1, number}, bytes_of(server, {1, number}));
    INFO(number - first);
    CHECK(verdict.detail == "");
    records += verdict.records;
  }
  CHECK(verdict.switched);
  REQUIRE(verdict.newest_commit);
  const std::int64_t committed =
      std::chrono::floor<std::chrono::microseconds>(verdict.newest_commit->time_since_epoch())
          .count();
  CHECK(committed >= std::stoll(before));
  CHECK(committed <= std::stoll(after));
  CHECK(records == static_cast<std::int64_t>(dumped(server, {1, first}, {1, last}).size()));
}

TEST_CASE("a flipped bit anywhere in a record or page header is found",
          "[object_store][postgres]") {
  Server made;
  const std::int64_t number = made.switch_segment() + 1;
  write_rows(made.server);
  made.switch_segment();
  const std::string good = bytes_of(made.server, {1, number});
  // Which bytes a record or the used part of a page header has.
  std::vector<bool> used(good.size());
  const std::uint64_t begin = static_cast<std::uint64_t>(number) * kBytes;
  std::uint64_t end = 0;
  for (const Record& record : dumped(made.server, {1, number}, {1, number})) {
    std::uint64_t at = record.at - begin;
    for (std::uint64_t left = record.bytes; left > 0 && at < good.size(); ++at) {
      if (at % 8192 == 0) at += 24;
      used[at] = true;
      --left;
    }
    end = std::min<std::uint64_t>(at, good.size());
  }
  REQUIRE(end > 100'000);
  for (std::size_t page = 0; page < end; page += 8192) {
    for (const std::size_t at : {0U, 1U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U}) {
      used[page + at] = true;
    }
  }
  std::minstd_rand random(5);
  int harmless = 0;
  for (int i = 0; i < 400; ++i) {
    const std::size_t at =
        i % 4 == 0 ? random() % end / 8192 * 8192 + random() % 40 : random() % end;
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1 << random() % 8);
    WalWalker walker(kBytes, std::nullopt);
    const WalVerdict verdict = walk(walker, {1, number}, bad);
    // One that crosses the segment's end is judged with the next segment.
    if (used[at] && !verdict.crosses) {
      INFO(at << ", flipped");
      CHECK(verdict.fault != "");
    }
    if (verdict.fault.empty()) ++harmless;
  }
  CHECK(harmless < 100);
}

TEST_CASE("the log goes on through a promotion", "[object_store][postgres]") {
  Server made;
  write_rows(made.server);
  const std::unique_ptr<PostgresServer> standby = made.server.make_standby("pg-2");
  made.server.sql("INSERT INTO t VALUES (-2, 'before')");
  const std::string position = made.server.sql("SELECT pg_current_wal_lsn()");
  for (int i = 0;
       i < 600 && standby->sql("SELECT pg_last_wal_replay_lsn() >= '" + position + "'") != "t";
       ++i) {
  }
  const std::int64_t fork = made.current().number;
  made.server.stop();
  standby->promote();
  REQUIRE(standby->sql("SELECT pg_is_in_recovery()") == "f");
  write_rows(*standby);
  standby->sql("SELECT pg_switch_wal()");
  WalWalker walker(kBytes, std::nullopt);
  walk(walker, {1, fork - 1}, bytes_of(made.server, {1, fork - 1}));
  const model::WalSegment first{2, fork};
  const WalVerdict verdict = walk(walker, first, bytes_of(*standby, first));
  CHECK(verdict.detail == "");
  CHECK(verdict.records > 10);
}

}  // namespace keelwatch::sources
