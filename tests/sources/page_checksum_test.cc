#include "sources/object_store/page_checksum.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "sources/object_store/control_file.h"
#include "tests/support/postgres_server.h"

namespace keelwatch::sources {
namespace {

namespace fs = std::filesystem;
using model::Lsn;

std::string page_of(Lsn changed, std::uint32_t block, char fill = 'd') {
  std::string page(kPageBytes, fill);
  const auto put = [&page](std::size_t at, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      page[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> 8 * i & 0xFFU);
    }
  };
  put(0, changed.bytes >> 32U, 4);
  put(4, changed.bytes & 0xFFFFFFFFU, 4);
  put(8, page_checksum(page, block), 2);
  return page;
}

void check_file(PageChecker& checker, const char* path, std::string_view bytes) {
  checker.begin_file(*parse_relation_path(path));
  checker.feed(bytes.substr(0, 5000));
  if (bytes.size() > 5000) checker.feed(bytes.substr(5000));
  checker.end_file();
}

}  // namespace

TEST_CASE("which files of a backup have pages", "[object_store]") {
  CHECK(parse_relation_path("base/5/1259")->relation == "base/5/1259");
  CHECK(parse_relation_path("global/1262")->relation == "global/1262");
  CHECK(parse_relation_path("PG_15_202209061/16384/16390_vm")->map);
  CHECK(parse_relation_path("base/5/16384_init")->init);
  CHECK(parse_relation_path("base/5/16384.2")->first_block == 2 * 131072);
  CHECK(parse_relation_path("base/5/16384_fsm.1")->relation == "base/5/16384");
  for (const char* path :
       {"base/5/PG_VERSION", "base/5/pg_filenode.map", "global/pg_control", "base/5/t3_16384",
        "base/5/pg_internal.init", "PG_VERSION", "1259", "base/1259", "pg_xact/0000",
        "base/5/16384.0", "base/5/16384.", "base/5/16384.99999999", "base/5/16384_old",
        "base/5/99999999999", "base/pgsql_tmp/1", "pg_wal/5/1259", "base/5/6/1259"}) {
    INFO(path);
    CHECK_FALSE(parse_relation_path(path));
  }
}

TEST_CASE("pages are judged as pg_basebackup judges them", "[object_store]") {
  const Lsn begin{0x3'0000'0000};
  const Lsn end{0x3'1000'0000};
  const std::string old = page_of({100}, 0);
  struct Case {
    const char* name;
    const char* path;
    std::string bytes;
    std::uint64_t right, unproven, wrong;
  };
  std::string flipped = old;
  flipped[7000] = static_cast<char>(flipped[7000] ^ 4);
  std::string torn = page_of({begin.bytes + 8}, 0);
  torn[5000] = 'x';
  std::string too_new = page_of({end.bytes + 8}, 0);
  too_new[5000] = 'x';
  std::string no_checksum = old;
  no_checksum[8] = no_checksum[9] = '\0';
  std::string spoilt_new(kPageBytes, '\0');
  spoilt_new[4000] = 1;
  const Case cases[] = {
      {"right", "base/5/1", old, 1, 0, 0},
      {"in the second block", "base/5/1", old + page_of({100}, 1), 2, 0, 0},
      {"of another block", "base/5/1", old + old, 1, 0, 1},
      {"of another file", "base/5/1.1", old, 0, 0, 1},
      {"of the second file", "base/5/1.1", page_of({100}, 131072), 1, 0, 0},
      {"flipped", "base/5/1", flipped, 0, 0, 1},
      {"flipped in a map", "base/5/1_fsm", flipped, 0, 1, 0},
      {"new", "base/5/1", std::string(kPageBytes, '\0'), 0, 1, 0},
      {"new and spoilt", "base/5/1", spoilt_new, 0, 0, 1},
      {"torn", "base/5/1", torn, 0, 1, 0},
      {"changed after the end", "base/5/1", too_new, 0, 0, 1},
      {"no checksum", "base/5/1", no_checksum, 0, 0, 1},
      {"ends within a page", "base/5/1", old + old.substr(0, 100), 1, 1, 0},
      {"empty", "base/5/1", "", 0, 0, 0},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    PageChecker checker(begin, end);
    check_file(checker, c.path, c.bytes);
    CHECK(checker.right() == c.right);
    CHECK(checker.unproven() == c.unproven);
    CHECK(checker.wrong() == c.wrong);
  }
}

TEST_CASE("an unlogged relation is empty after a restore: its pages do not matter",
          "[object_store]") {
  PageChecker checker(Lsn{1000}, std::nullopt);
  check_file(checker, "base/5/7", page_of({0}, 3));
  check_file(checker, "base/5/8", page_of({0}, 3));
  CHECK(checker.wrong() == 2);
  CHECK(checker.first_wrong() == "base/5/7, block 0");
  check_file(checker, "base/5/7_init", "");
  CHECK(checker.wrong() == 1);
  CHECK(checker.first_wrong() == "base/5/8, block 0");
}

TEST_CASE("every page of a cluster with checksums is right", "[object_store][postgres]") {
  testing::PostgresOptions fresh;
  fresh.fresh = true;
  testing::PostgresServer server(fresh);
  const std::string system_id = server.sql("SELECT system_identifier FROM pg_control_system()");
  server.sql("CREATE TABLE t AS SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g");
  server.stop();
  const std::string data = server.data_directory();
  REQUIRE(std::system(("/usr/lib/postgresql/15/bin/pg_checksums --enable -D " + data +
                       " >/dev/null 2>&1 || runuser -u postgres -- "
                       "/usr/lib/postgresql/15/bin/pg_checksums --enable -D " +
                       data + " >/dev/null 2>&1")
                          .c_str()) == 0);
  const std::string bytes = read_file(data + "/global/pg_control", 65536).value();
  const Result<ControlFile> control = parse_control_file(bytes);
  REQUIRE(control);
  CHECK(std::to_string(control->system_id) == system_id);
  CHECK(control->data_checksums);
  CHECK(control->page_bytes == kPageBytes);
  CHECK(control->pages_per_file == kPagesPerFile);
  CHECK(control->wal_segment_bytes == 16U << 20U);
  CHECK(control->timeline == 1);
  for (std::size_t at = 0; at < 292; ++at) {
    std::string bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    CHECK_FALSE(parse_control_file(bad));
  }
  CHECK(parse_control_file(bytes.substr(0, 200)).error().code() == ErrorCode::kMalformed);
  CHECK(parse_control_file("").error().code() == ErrorCode::kMalformed);

  PageChecker checker(std::nullopt, std::nullopt);
  for (const auto& entry : fs::recursive_directory_iterator(data)) {
    const std::string path = fs::relative(entry.path(), data);
    const auto file = parse_relation_path(path);
    if (!file || !entry.is_regular_file()) continue;
    checker.begin_file(*file);
    checker.feed(read_file(entry.path(), std::size_t{1} << 30U).value());
    checker.end_file();
  }
  CHECK(checker.first_wrong() == "");
  CHECK(checker.right() > 2000);
}

}  // namespace keelwatch::sources
