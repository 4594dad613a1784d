#include "sources/object_store/wal_records.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "tests/support/wal_writer.h"

namespace keelwatch::sources {
namespace {

using testing::WalWriter;

constexpr std::int64_t kBytes = WalWriter::kSegmentBytes;

WalVerdict walk(WalWalker& walker, model::WalSegment segment, std::string_view bytes,
                bool continues = true, std::size_t piece = 100'000) {
  walker.begin(segment, continues);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    if (!walker.feed(bytes.substr(0, piece))) break;
  }
  return walker.finish();
}

// Three segments: small records, one that is larger than a segment, a switch in the last.
WalWriter three_segments() {
  WalWriter writer({1, 5});
  for (int i = 0; i < 300; ++i) writer.record(static_cast<std::size_t>(i * 7 % 900));
  writer.record(1'500'000, 'b');
  writer.record(10);
  writer.switch_segment();
  return writer;
}

std::string verdict_of(const std::string& bytes) {
  WalWalker walker(kBytes, WalWriter::kSystemId);
  return walk(walker, {1, 5}, bytes).fault;
}

}  // namespace

TEST_CASE("records are proven across pages and segments, in whatever pieces they come",
          "[object_store]") {
  const WalWriter writer = three_segments();
  for (const std::size_t piece : {std::size_t{13}, std::size_t{8192}, std::size_t{1} << 20U}) {
    WalWalker walker(kBytes, std::nullopt);
    const WalVerdict first = walk(walker, {1, 5}, writer.segment(5), true, piece);
    CHECK(first.detail == "");
    CHECK(first.records == 300);
    CHECK(first.crosses);
    CHECK(first.from.bytes == 5 * kBytes + 40);
    const WalVerdict second = walk(walker, {1, 6}, writer.segment(6), true, piece);
    CHECK(second.detail == "");
    // The writer's record of 1.5 MB ends here.
    CHECK(second.records == 3);
    CHECK(second.switched);
    CHECK(second.to.bytes == 7 * kBytes);
    CHECK_FALSE(second.crosses);
  }
}

TEST_CASE("without the segment before, the rest of its last record is passed over",
          "[object_store]") {
  const WalWriter writer = three_segments();
  WalWalker walker(kBytes, std::nullopt);
  const WalVerdict second = walk(walker, {1, 6}, writer.segment(6));
  CHECK(second.detail == "");
  CHECK(second.records == 2);
  CHECK(second.from.bytes > 6 * kBytes + 400'000);
}

TEST_CASE("a damaged record that crosses is a fault at its begin", "[object_store]") {
  const WalWriter writer = three_segments();
  for (const std::int64_t damaged : {5, 6}) {
    INFO(damaged);
    std::string bytes[] = {writer.segment(5), writer.segment(6)};
    char& c = bytes[damaged - 5][damaged == 5 ? 900'000 : 100'000];
    c = static_cast<char>(c ^ 1);
    WalWalker walker(kBytes, std::nullopt);
    CHECK(walk(walker, {1, 5}, bytes[0]).crosses);
    const WalVerdict second = walk(walker, {1, 6}, bytes[1]);
    CHECK(second.fault == "record");
    CHECK(second.at.bytes < 6 * kBytes);
    CHECK_THAT(second.detail, Catch::Contains("checksum"));
  }
}

TEST_CASE("what is not the segment of its name is told", "[object_store]") {
  const std::string good = three_segments().segment(5);
  const auto with = [&good](std::size_t at, std::string_view bytes) {
    std::string changed = good;
    return changed.replace(at, bytes.size(), bytes);
  };
  struct Case {
    const char* name;
    std::string bytes;
    const char* fault;
  };
  const Case cases[] = {
      {"good", good, ""},
      {"empty", "", "empty"},
      {"half", good.substr(0, good.size() / 2), "wrong_size"},
      {"a few bytes", good.substr(0, 20), "wrong_size"},
      {"one byte more", good + "x", "wrong_size"},
      {"zeros", std::string(good.size(), '\0'), "magic"},
      {"text", std::string(good.size(), 'x'), "magic"},
      {"magic of PostgreSQL 12", with(0, "\x01\xD1"), "unknown_version"},
      {"magic of another version on a page", with(8192, "\x0D\xD1"), "magic"},
      {"no long header", with(2, std::string_view("\0\0", 2)), "magic"},
      {"long header on a later page", with(8194, "\x02"), "record"},
      {"of a later timeline", with(4, "\x02"), "timeline"},
      {"of timeline 0", with(4, std::string_view("\0", 1)), "timeline"},
      {"of another place", with(10, "\x51"), "address"},
      {"a page of another place", with(8192 * 3 + 10, "\x51"), "address"},
      {"of another system", with(24, "\x55"), "system_id"},
      {"of another segment size", with(34, "\x20"), "segment_size"},
      {"page size zero", with(36, std::string_view("\0\0", 2)), "segment_size"},
      {"record of no bytes", with(40, std::string_view("\0\0", 2)), "record"},
      {"record shorter than its header", with(40, "\x17"), "record"},
      {"record of 4 GiB", with(43, "\xFF"), "record"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(verdict_of(c.bytes) == c.fault);
  }
}

TEST_CASE("a segment under the name of another timeline is told", "[object_store]") {
  WalWalker walker(kBytes, std::nullopt);
  CHECK(walk(walker, {2, 5}, three_segments().segment(5)).fault == "timeline");
}

TEST_CASE("the log has to go on where it was left", "[object_store]") {
  WalWriter writer({1, 5});
  writer.fill_segment();
  writer.fill_segment();
  writer.switch_segment();
  WalWalker walker(kBytes, std::nullopt);
  CHECK(walk(walker, {1, 5}, writer.segment(5)).crosses);
  SECTION("another server's record follows") {
    WalWriter other({1, 6});
    other.record(100);
    other.switch_segment();
    CHECK(walk(walker, {1, 6}, other.segment(6)).fault == "record");
  }
  SECTION("after a fault nothing is continued") {
    CHECK(walk(walker, {1, 6}, "").fault == "empty");
    CHECK(walk(walker, {1, 7}, writer.segment(7)).fault == "");
  }
  SECTION("a gap is no fault of what comes behind it") {
    CHECK(walk(walker, {1, 7}, writer.segment(7)).fault == "");
  }
}

TEST_CASE("a log that ends within a segment is a fault there", "[object_store]") {
  WalWriter writer({1, 5});
  for (int i = 0; i < 10; ++i) writer.record(100);
  const std::uint64_t end = writer.at();
  std::string bytes = writer.segment(5);
  bytes.resize(kBytes);
  WalWalker walker(kBytes, std::nullopt);
  const WalVerdict verdict = walk(walker, {1, 5}, bytes);
  CHECK(verdict.fault == "record");
  CHECK(verdict.records == 10);
  CHECK(verdict.to.bytes == end);
}

TEST_CASE("a record left unfinished by a crash is replaced", "[object_store]") {
  WalWriter writer({1, 5});
  for (int i = 0; i < 10; ++i) writer.record(100);
  writer.crash_within_record(kBytes * 2);
  writer.record(50);
  writer.switch_segment();
  WalWalker walker(kBytes, std::nullopt);
  CHECK(walk(walker, {1, 5}, writer.segment(5)).crosses);
  const WalVerdict second = walk(walker, {1, 6}, writer.segment(6));
  CHECK(second.detail == "");
  CHECK(second.records == 3);  // the replacement, one more, the switch
  SECTION("only by a record that says so") {
    std::string bytes = writer.segment(6);
    bytes[2] = static_cast<char>(bytes[2] & ~8);
    WalWalker strict(kBytes, std::nullopt);
    CHECK(walk(strict, {1, 5}, writer.segment(5)).fault == "");
    CHECK(walk(strict, {1, 6}, bytes).fault == "record");
  }
}

TEST_CASE("the first segment of a timeline begins with its parent's pages", "[object_store]") {
  WalWriter writer({1, 5});
  writer.fill_segment();
  for (int i = 0; i < 100; ++i) writer.record(1000);
  writer.fork();
  for (int i = 0; i < 100; ++i) writer.record(1000);
  writer.switch_segment();
  WalWalker walker(kBytes, std::nullopt);
  CHECK(walk(walker, {1, 5}, writer.segment(5)).fault == "");
  CHECK(walk(walker, {2, 6}, writer.segment(6)).detail == "");
  SECTION("and never goes back") {
    WalWalker backwards(kBytes, std::nullopt);
    std::string bytes = writer.segment(6);
    bytes[kBytes - 4] = 0;
    const std::size_t page = 8192 * 20;
    bytes[page + 4] = 1;
    CHECK(walk(backwards, {2, 6}, bytes).fault == "timeline");
  }
}

TEST_CASE("what follows a switch is not read", "[object_store]") {
  WalWriter writer({1, 5});
  writer.record(100);
  writer.switch_segment();
  std::string bytes = writer.segment(5);
  bytes[50'000] = 'x';
  CHECK(verdict_of(bytes) == "");
}

TEST_CASE("a flipped bit in a record is always found", "[object_store]") {
  WalWriter writer({1, 5});
  for (int i = 0; i < 60; ++i) writer.record(static_cast<std::size_t>(i * 8 * 13 % 1000));
  const auto used = static_cast<std::uint32_t>(writer.at() - 5 * kBytes);
  writer.switch_segment();
  const std::string good = writer.segment(5);
  std::minstd_rand random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::size_t at = random() % used;
    const std::size_t in_page = at % 8192;
    // Padding, the length of a rest where there is none, and flags that say nothing here.
    const std::size_t header = at < 8192 ? 40 : 24;
    if (in_page < header && (in_page >= 20 && in_page < 24)) continue;
    if (in_page == 2 || (in_page >= 16 && in_page < 20)) continue;
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1 << random() % 8);
    if (verdict_of(bad).empty()) {
      // Alignment behind a record.
      INFO(at);
      CHECK(good[at] == '\0');
      CHECK(good[(at | 7U)] == '\0');
    }
  }
}

}  // namespace keelwatch::sources
