// What an object of an archive is by its key.
#include "sources/object_store/barman_key.h"

#include <catch2/catch.hpp>
#include <string>

namespace keelwatch::sources {

TEST_CASE("a key below a server says what the object is", "[object_store]") {
  using Kind = BarmanKeyKind;
  struct Case {
    const char* key;
    Kind kind;
  };
  const Case cases[] = {
      {"base/20251124T000105/backup.info", Kind::kBackupInfo},
      {"base/20251124T000105/data.tar", Kind::kBackupFile},
      {"base/20251124T000105/data_0001.tar.snappy", Kind::kBackupFile},
      {"base/20251124T000105/16390.tar.gz", Kind::kBackupFile},
      {"base/20251124T000105/annotations/keep", Kind::kBackupFile},
      {"base/20251124T000105/annotations/backup.info", Kind::kBackupFile},
      {"base/20251124T000105/", Kind::kFolder},
      {"base/", Kind::kFolder},
      {"base/backup.info", Kind::kForeign},
      {"base//backup.info", Kind::kForeign},
      {"wals/0000000100000000/000000010000000000000002", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.gz", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.bz2", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.xz", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.snappy", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.zst", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.lz4", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.gpg", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.zst.gpg", Kind::kSegment},
      {"wals/0000000100000000/000000010000000000000002.gz.gz", Kind::kForeign},
      {"wals/0000000100000000/000000010000000000000002.zip", Kind::kForeign},
      {"wals/0000000100000000/000000010000000000000002.tmp", Kind::kForeign},
      {"wals/0000000100000000/000000010000000000000002.partial", Kind::kPartial},
      {"wals/0000000100000000/000000010000000000000002.partial.gz", Kind::kPartial},
      {"wals/0000000100000000/000000010000000000000002.gz.partial", Kind::kForeign},
      {"wals/0000000100000000/000000010000000000000002.00000028.backup", Kind::kBackupLabel},
      {"wals/0000000100000000/000000010000000000000002.00000028.backup.gz", Kind::kBackupLabel},
      {"wals/0000000100000000/000000010000000000000002.0000028.backup", Kind::kForeign},
      {"wals/0000000100000000/000000010000000000000002.backup", Kind::kForeign},
      // Nothing looks for it there.
      {"wals/0000000100000001/000000010000000000000002", Kind::kForeign},
      {"wals/0000000200000000/000000010000000000000002", Kind::kForeign},
      {"wals/000000010000000000000002", Kind::kForeign},
      {"wals/0000000100000000/x/000000010000000000000002", Kind::kForeign},
      {"wals/0000000100000000/00000001000000000000000a", Kind::kForeign},
      {"wals/0000000000000000/000000000000000000000002", Kind::kForeign},
      {"wals/00000002.history", Kind::kHistory},
      {"wals/00000002.history.xz", Kind::kHistory},
      {"wals/00000002.history.gz.gpg", Kind::kHistory},
      {"wals/00000000.history", Kind::kForeign},
      {"wals/2.history", Kind::kForeign},
      {"wals/.history", Kind::kForeign},
      {"wals/0000000200000000/00000002.history", Kind::kForeign},
      {"wals/0000000100000000/", Kind::kFolder},
      {"wals/README", Kind::kForeign},
      {"other", Kind::kForeign},
      {"", Kind::kFolder},
  };
  for (const Case& c : cases) {
    INFO(c.key);
    CHECK(read_barman_key(c.key).kind == c.kind);
  }
}

TEST_CASE("a key is told apart into its parts, and put together again", "[object_store]") {
  const BarmanKey info = read_barman_key("base/20251124T000105/annotations/keep");
  CHECK(info.backup == "20251124T000105");
  CHECK(info.name == "annotations/keep");
  for (const char* below :
       {"0000000A000000FF/0000000A000000FF0000001F", "0000000A000000FF/0000000A000000FF0000001F.gz",
        "0000000A000000FF/0000000A000000FF0000001F.snappy.gpg"}) {
    INFO(below);
    const std::string key = "wals/" + std::string(below);
    const BarmanKey segment = read_barman_key(key);
    CHECK(segment.segment == SegmentName{10, 255, 31});
    CHECK(segment_key(segment.segment, segment.stored) == below);
    CHECK(segment.stored.plain() == key.ends_with("1F"));
  }
  const BarmanKey history = read_barman_key("wals/0000000B.history.lz4");
  CHECK(history.segment.timeline == 11);
  CHECK(history_key(11, history.stored) == "0000000B.history.lz4");
  CHECK(compression_ending(history.stored) == ".lz4");
}

}  // namespace keelwatch::sources
