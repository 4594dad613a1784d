// Backups as barman-cloud-backup lays them out, of a real PostgreSQL 15's data directory.
#include "sources/object_store/deep_backup.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "tests/support/compress.h"
#include "tests/support/memory_objects.h"
#include "tests/support/postgres_server.h"

namespace keelwatch::sources {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "pg/base/20251124T000105/";

// argv: data directory, tablespace's directory, its oid, where to write, begin LSN. What barman's
// CloudBackupUploader does: the tablespace, the data directory in several parts, then pg_control
// and backup_label.
constexpr const char* kTarScript = R"(
import io, os, sys, tarfile
data, space, oid, out, begin = sys.argv[1:]
parts = [tarfile.open(out + "/data" + ("_%04d" % n if n else "") + ".tar", "w",
                      format=tarfile.PAX_FORMAT) for n in range(3)]
def upload(src, tars, skip=()):
  n = 0
  for root, dirs, files in os.walk(src):
    rel = os.path.relpath(root, src)
    if any(rel.startswith(s) for s in skip): continue
    tars[0].add(root, arcname=rel, recursive=False)
    for f in sorted(files):
      name = os.path.join(rel, f)
      if name == "global/pg_control": continue
      n += 1
      tars[n * len(tars) // 2000 % len(tars)].add(os.path.join(root, f), arcname=name)
upload(data, parts, ("pg_wal", "pg_tblspc/"))
parts[-1].add(data + "/global/pg_control", arcname="global/pg_control")
label = ("START WAL LOCATION: %s (file 000000010000000000000002)\n" % begin).encode()
info = tarfile.TarInfo("backup_label"); info.size = len(label)
parts[-1].addfile(info, io.BytesIO(label))
for p in parts: p.close()
with tarfile.open(out + "/" + oid + ".tar", "w", format=tarfile.PAX_FORMAT) as t:
  upload(space, [t])
)";

struct Sample {
  std::map<std::string, std::string> objects;
  model::BackupInfo info;
  std::string relation;  // base/5/16385, with a known row in it
};

Sample make_sample() {
  testing::PostgresOptions fresh;
  fresh.fresh = true;
  testing::PostgresServer server(fresh);
  Sample sample;
  const fs::path space = server.socket_directory() + "/space";
  fs::create_directory(space);
  fs::permissions(space, fs::perms::all);
  // PostgreSQL wants it to be its own.
  if (geteuid() == 0) REQUIRE(std::system(("chown postgres " + space.string()).c_str()) == 0);
  server.sql("CREATE TABLESPACE fast LOCATION '" + space.string() + "'");
  server.sql("CREATE TABLE t AS SELECT g, repeat('needle', 20) x FROM generate_series(1, 5000) g");
  server.sql("CREATE TABLE f TABLESPACE fast AS SELECT g FROM generate_series(1, 500) g");
  sample.relation = server.sql("SELECT pg_relation_filepath('t')");
  const std::string oid = server.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'");
  sample.info.tablespaces = {{"fast", std::stoll(oid), space}};
  sample.info.system_id =
      std::stoull(server.sql("SELECT system_identifier FROM pg_control_system()"));
  server.sql("CHECKPOINT");
  const std::string begin = server.sql("SELECT pg_current_wal_lsn()");
  sample.info.begin_lsn = model::parse_lsn(begin);
  server.stop();
  const std::string checksums =
      "/usr/lib/postgresql/15/bin/pg_checksums --enable -D " + server.data_directory();
  REQUIRE(std::system(
              ("{ " + checksums + " || runuser -u postgres -- " + checksums + "; } >/dev/null 2>&1")
                  .c_str()) == 0);
  const fs::path out = server.socket_directory() + "/out";
  fs::create_directory(out);
  std::ofstream(out / "script.py") << kTarScript;
  REQUIRE(std::system(("python3 " + (out / "script.py").string() + " " + server.data_directory() +
                       " " + space.string() + " " + oid + " " + out.string() + " " + begin)
                          .c_str()) == 0);
  fs::remove(out / "script.py");
  for (const auto& entry : fs::directory_iterator(out)) {
    sample.objects[kPrefix + entry.path().filename().string()] =
        read_file(entry.path(), std::size_t{1} << 30U).value();
  }
  return sample;
}

struct Case {
  explicit Case(std::string_view suffix = "") {
    static const Sample made = make_sample();
    sample = made;
    for (const auto& [key, bytes] : sample.objects) {
      bucket.objects[key + std::string(suffix)] = testing::compress(suffix, bytes);
    }
  }
  std::string& object(const std::string& name) { return bucket.objects.at(kPrefix + name); }
  Result<model::BackupProof> prove() {
    model::BaseBackup backup{
        "20251124T000105", {}, Observed<model::BackupInfo>::known(sample.info, WallTime{}), {}};
    for (const auto& [key, bytes] : bucket.objects) {
      backup.files.push_back({key.substr(std::string_view(kPrefix).size()),
                              static_cast<std::int64_t>(bytes.size()),
                              {},
                              ""});
    }
    return loop.block_on(prove_backup(loop, bucket, kPrefix, backup, options));
  }
  std::string fault() {
    const Result<model::BackupProof> proof = prove();
    REQUIRE(proof);
    CHECK(proof->whole == proof->fault.empty());
    return proof->fault;
  }

  Sample sample;
  testing::MemoryObjects bucket;
  DeepOptions options;
  EventLoop loop;
};

}  // namespace

TEST_CASE("the parts of a backup are told by their names", "[object_store]") {
  using model::parse_backup_part;
  CHECK(parse_backup_part("data.tar")->number == 0);
  CHECK(parse_backup_part("data_0001.tar.gz")->number == 1);
  CHECK(parse_backup_part("data_10000.tar")->number == 10000);
  CHECK(parse_backup_part("16390_0002.tar.snappy")->of == "16390");
  for (const char* name : {"backup.info", "data", "data_1.tar", "data_0000.tar", "data_x.tar",
                           "other.tar", "annotations/keep", "data.tarball", ".tar", "data.tar.bak",
                           "data.tar.xz", "data_0001.tar~"}) {
    INFO(name);
    CHECK_FALSE(parse_backup_part(name));
  }
  CHECK(model::is_stray_part("data_0001.tar.bak", "data"));
  CHECK(model::is_stray_part("16390_0002.tarx", "16390"));
  CHECK_FALSE(model::is_stray_part("data.tar.bak", "data"));
  CHECK_FALSE(model::is_stray_part("data_0001.tar.lz4", "data"));
  CHECK_FALSE(model::is_stray_part("16390_0002.tarx", "1639"));
}

TEST_CASE("a part that is not there is missed", "[object_store]") {
  model::BackupInfo info;
  info.tablespaces = {{"fast", 16390, "/fast"}};
  const auto missing = [&info](std::vector<std::string> names) {
    std::vector<model::ArchivedFile> files;
    for (std::string& name : names) files.push_back({std::move(name), 1, {}, ""});
    return find_missing_part(info, files);
  };
  CHECK(missing({"16390.tar", "data.tar", "data_0001.tar"}) == "");
  CHECK(missing({"16390.tar.gz", "backup.info", "data.tar.gz"}) == "");
  CHECK(missing({"data.tar"}) == "16390.tar is missing");
  CHECK(missing({"16390.tar"}) == "data.tar is missing");
  CHECK(missing({"16390.tar", "data_0001.tar"}) == "data.tar is missing: parts go up to 0001");
  CHECK(missing({"16390.tar", "data.tar", "data_0001.tar", "data_0003.tar"}) ==
        "data_0002.tar is missing: parts go up to 0003");
  CHECK(missing({"16390.tar", "data.tar", "data.tar.gz"}) == "part 0 of data.tar is there twice");
}

TEST_CASE("a whole backup is proven, whatever its compression", "[object_store][postgres]") {
  for (const std::string_view suffix : {"", ".gz", ".snappy"}) {
    INFO(suffix);
    Case c(suffix);
    REQUIRE(c.bucket.objects.size() == 4);
    std::int64_t done = 0;
    std::int64_t total = 0;
    c.options.progress = [&](const DeepProgress& p) {
      done = p.done;
      total = p.total;
    };
    const Result<model::BackupProof> proof = c.prove();
    REQUIRE(proof);
    CHECK(proof->fault == "");
    CHECK(proof->whole);
    CHECK(proof->page_checksums);
    CHECK(proof->bytes == total);
    CHECK(done == total);
  }
}

TEST_CASE("damage to a backup is found and named", "[object_store][postgres]") {
  Case c;
  const std::string space = std::to_string(c.sample.info.tablespaces[0].oid) + ".tar";
  SECTION("a middle part gone") {
    c.bucket.objects.erase(kPrefix + std::string("data_0001.tar"));
    CHECK(c.fault() == "data_0001.tar is missing: parts go up to 0002");
  }
  SECTION("the last part gone") {
    c.bucket.objects.erase(kPrefix + std::string("data_0002.tar"));
    CHECK(c.fault() == "global/pg_control is not in the data tar");
  }
  SECTION("the tablespace's tar gone") {
    c.bucket.objects.erase(kPrefix + space);
    CHECK(c.fault() == space + " is missing");
  }
  SECTION("a part cut") {
    c.object("data_0001.tar").resize(c.object("data_0001.tar").size() / 2);
    CHECK_THAT(c.fault(),
               Catch::StartsWith("data_0001.tar: tar: ") && Catch::Contains("ends early"));
  }
  SECTION("a part empty") {
    c.object(space).clear();
    CHECK_THAT(c.fault(), Catch::StartsWith(space) && Catch::Contains("ends early"));
  }
  SECTION("a byte flipped in a page of a table") {
    for (auto& [key, bytes] : c.bucket.objects) {
      if (const std::size_t at = bytes.find("needleneedle"); at != std::string::npos) {
        bytes[at + 3] = 'D';
        break;
      }
    }
    CHECK(c.fault() ==
          "1 page with a wrong checksum, the first: " + c.sample.relation + ", block 0");
  }
  SECTION("a byte flipped in the map of relations") {
    for (auto& [key, bytes] : c.bucket.objects) {
      constexpr std::string_view kMagic("\x17\x27\x59\x00", 4);  // RELMAPPER_FILEMAGIC
      const std::size_t name = bytes.find("global/pg_filenode.map");
      if (name == std::string::npos) continue;
      const std::size_t at = bytes.find(kMagic, name);
      REQUIRE(at != std::string::npos);
      bytes[at + 100] = static_cast<char>(bytes[at + 100] ^ 1);
    }
    CHECK(c.fault() == "global/pg_filenode.map has a wrong checksum");
  }
  SECTION("another cluster's") {
    c.sample.info.system_id = 7;
    CHECK_THAT(c.fault(), Catch::Contains("backup.info of 7"));
  }
  SECTION("another backup's") {
    c.sample.info.begin_lsn = model::Lsn{1};
    CHECK_THAT(c.fault(), Catch::StartsWith("backup_label begins at"));
  }
  SECTION("no label") {
    std::string& bytes = c.object("data_0002.tar");
    bytes.resize(bytes.find("backup_label"));
    bytes.append(1024, '\0');
    CHECK(c.fault() == "backup_label is not in the data tar");
  }
}

TEST_CASE("what cannot be read of a backup is no verdict on it", "[object_store][postgres]") {
  Case c;
  ErrorCode expected = ErrorCode::kUnavailable;
  SECTION("the connection breaks") { c.bucket.cut = kPrefix + std::string("data_0001.tar"); }
  SECTION("too large") {
    c.options.max_bytes = 1000;
    expected = ErrorCode::kTooLarge;
  }
  SECTION("encrypted") {
    c.sample.info.encryption = "gpg";
    expected = ErrorCode::kUnsupported;
  }
  CHECK(c.prove().error().code() == expected);
}

}  // namespace keelwatch::sources
