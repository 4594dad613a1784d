// backup.info as the generations of Barman write it, and what is none.
#include "sources/object_store/backup_info.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/time_text.h"

using Catch::Contains;

namespace keelwatch::sources {
namespace {

// What barman-cloud-backup 3.4 has for a server with two tablespaces.
const std::string kBarman34 =
    R"(backup_label='START WAL LOCATION: 0/2000028 (file x)\nstatus=FAILED\n'
begin_offset=40
begin_time=2025-11-24 00:01:05.510000+00:00
begin_wal=000000010000000000000002
begin_xlog=0/2000028
compression=None
config_file=/var/lib/postgresql/data/pgdata/postgresql.conf
copy_stats={'total_time': 1.5, 'number_of_workers': 2}
deduplicated_size=None
end_offset=312
end_time=2025-11-24 05:36:05+05:30
end_wal=000000010000000000000003
end_xlog=0/3000138
error=None
hba_file=/var/lib/postgresql/data/pgdata/pg_hba.conf
ident_file=/var/lib/postgresql/data/pgdata/pg_ident.conf
included_files=['/a', 'b']
mode=concurrent
pgdata=/var/lib/postgresql/data/pgdata
server_name=cloud
size=None
status=DONE
systemid=7412345678901234567
tablespaces=[("it's", 16390, '/var/lib/x'), ('b"\'\\é\n', 16391, '/q w')]
timeline=1
version=150004
xlog_segment_size=16777216
)";

// ... and what 3.19 has besides.
const std::string kBarman319 =
    "backup_name=nightly\nchildren_backup_ids=None\ncluster_size=23345678\ndata_checksums=on\n"
    "encryption=None\nparent_backup_id=None\nsnapshots_info=None\nsummarize_wal=off\n";

std::string error_of(const std::string& text) {
  const auto info = parse_backup_info(text);
  REQUIRE_FALSE(info);
  CHECK(info.error().code() == ErrorCode::kMalformed);
  return info.error().message();
}

}  // namespace

TEST_CASE("backup.info says what a backup is", "[object_store]") {
  const auto info = parse_backup_info(kBarman34);
  REQUIRE(info);
  CHECK(info->status == "DONE");
  CHECK(info->error.empty());
  CHECK(info->compression.empty());
  CHECK(info->server_version == 150004);
  CHECK(info->system_id == 7412345678901234567U);
  CHECK(info->timeline == 1);
  CHECK(info->segment_bytes == 16777216);
  CHECK(info->begin_wal == "000000010000000000000002");
  CHECK(info->end_wal == "000000010000000000000003");
  CHECK(info->begin_lsn == model::Lsn{0x2000028});
  CHECK(info->end_lsn == model::Lsn{0x3000138});
  REQUIRE((info->begin_time && info->end_time));
  CHECK(format_rfc3339(*info->begin_time) == "2025-11-24T00:01:05.510Z");
  CHECK(format_rfc3339(*info->end_time) == "2025-11-24T00:06:05.000Z");
  CHECK_FALSE(info->cluster_bytes);
  REQUIRE(info->tablespaces.size() == 2);
  CHECK(info->tablespaces[0].name == "it's");
  CHECK(info->tablespaces[0].oid == 16390);
  CHECK(info->tablespaces[1].name == "b\"'\\é\n");
  CHECK(info->tablespaces[1].location == "/q w");

  const auto newer = parse_backup_info(kBarman319 + kBarman34);
  REQUIRE(newer);
  CHECK(newer->backup_name == "nightly");
  CHECK(newer->cluster_bytes == 23345678);
  CHECK(newer->encryption.empty());
}

TEST_CASE("times of a backup are read in every form", "[object_store]") {
  for (const char* time :
       {"2025-11-24 00:01:05+00:00", "2025-11-24T00:01:05Z", "2025-11-24 00:01:05.000+00:00",
        "2025-11-24T01:01:05+01:00", "2025-11-24 00:01:05", "2025-11-24T00:01:05.000000"}) {
    INFO(time);
    const auto info = parse_backup_info("status=DONE\nend_time=" + std::string(time) + "\n");
    REQUIRE(info);
    REQUIRE(info->end_time);
    CHECK(format_rfc3339(*info->end_time, 0) == "2025-11-24T00:01:05Z");
  }
}

TEST_CASE("what backup.info does not tell is absent", "[object_store]") {
  const auto info = parse_backup_info(
      "\n# a comment\n  status = FAILED \nerror=failure uploading data (x=y)\nversion=None\r\n"
      "tablespaces=None\nsystemid=None\nsome_new_key=[{'a': 1}\nbegin_wal=None\n");
  REQUIRE(info);
  CHECK(info->status == "FAILED");
  CHECK(info->error == "failure uploading data (x=y)");
  CHECK_FALSE(info->server_version);
  CHECK_FALSE(info->system_id);
  CHECK_FALSE(info->segment_bytes);
  CHECK_FALSE(info->begin_time);
  CHECK(info->begin_wal.empty());
  CHECK(info->tablespaces.empty());
  const auto odd = parse_backup_info("status=ALMOST\ntablespaces=[]\n");
  REQUIRE(odd);
  CHECK(odd->status == "ALMOST");
}

TEST_CASE("a backup.info that Barman would refuse is an error with its line", "[object_store]") {
  struct Case {
    const char* text;
    const char* says;
  };
  const Case cases[] = {
      {"", "nothing is in it"},
      {"\n\n", "it has no status"},
      {"version=150004\n", "it has no status"},
      {"status=None\n", "it has no status"},
      {"status=DONE\nsystemid=74", "line 2: the file ends within it"},
      {"status=DONE\n<html>\n", "line 2: has no '='"},
      {"status=DONE\nversion=15.4\n", "line 2: version: is no number that fits"},
      {"status=DONE\nversion=\n", "line 2: version: is no number that fits"},
      {"status=DONE\nsystemid=-1\n", "line 2: systemid: is no number that fits"},
      {"status=DONE\nsystemid=99999999999999999999\n", "line 2: systemid: is no number"},
      {"status=DONE\nxlog_segment_size=16777217\n", "xlog_segment_size: is no size of a WAL"},
      {"status=DONE\nbegin_time=yesterday\n", "line 2: begin_time: is no time"},
      {"status=DONE\nbegin_time=2025-13-24 00:01:05+00:00\n", "line 2: begin_time: is no time"},
      {"status=DONE\nbegin_wal=0000000100000002\n", "begin_wal: is no name of a WAL segment"},
      {"status=DONE\n\nend_xlog=0-3000138\n", "line 3: end_xlog: is no WAL position"},
      {"status=DONE\ntablespaces=[('a', 16390, '/b')\n", "tablespaces: column 20: expected"},
      {"status=DONE\ntablespaces=[('a', 16390)]\n", "tablespaces: is no list of"},
      {"status=DONE\ntablespaces=[('a', '16390', '/b')]\n", "tablespaces: is no list of"},
      {"status=DONE\ntablespaces=[('a', 16390, '/b)]\n", "the text does not end"},
      {"status=DONE\ntablespaces=[('\\q', 16390, '/b')]\n", "unknown escape"},
      {"status=DONE\ntablespaces=[('a', 1, '/b')] + []\n", "something follows the list"},
      {"status=DONE\ntablespaces=__import__('os')\n", "column 1: expected '['"},
      {"status=\xff\n", "line 1: is no UTF-8"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK_THAT(error_of(c.text), Contains(c.says));
  }
  // Any begin of it is cut.
  for (std::size_t i = 0; i < kBarman34.size(); ++i) {
    INFO(i);
    const auto cut = parse_backup_info(std::string_view(kBarman34).substr(0, i));
    const bool whole_lines = i > 0 && kBarman34[i - 1] == '\n';
    if (!whole_lines) CHECK_FALSE(cut);
  }
  const auto huge = parse_backup_info("status=DONE\nx=" + std::string(std::size_t{5} << 20U, 'x'));
  REQUIRE_FALSE(huge);
  CHECK(huge.error().code() == ErrorCode::kTooLarge);
}

TEST_CASE("names of tablespaces come out as Python wrote them", "[object_store]") {
  const auto info = parse_backup_info(
      "status=DONE\ntablespaces=[('\\x41\\u00e9\\U0001f600\\udc80\\t', 1, \"'\\\\\"), ]\n");
  REQUIRE(info);
  REQUIRE(info->tablespaces.size() == 1);
  CHECK(info->tablespaces[0].name == "Aé😀\xef\xbf\xbd\t");
  CHECK(info->tablespaces[0].location == "'\\");
}

}  // namespace keelwatch::sources
