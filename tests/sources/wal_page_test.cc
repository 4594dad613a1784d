// The first page of a WAL segment against its name and its archive.
#include "sources/object_store/wal_page.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "tests/support/wal_pages.h"

using Catch::Contains;

namespace keelwatch::sources {
namespace {

using testing::WalPage;
using Verdict = WalPageVerdict;

constexpr std::int64_t kSize = model::kDefaultWalSegmentBytes;

WalPageJudgement judge(const WalPage& page, model::WalSegment segment,
                       std::optional<std::int64_t> written_by,
                       std::optional<std::uint64_t> system_id = 42) {
  const auto header = read_wal_page_header(page.bytes());
  REQUIRE(header);
  return judge_wal_page(*header, {segment, kSize, written_by, system_id});
}

}  // namespace

TEST_CASE("the header of a real segment is read", "[object_store]") {
  // 000000010000000000000006 of PostgreSQL 15.13, initdb --wal-segsize=1.
  const unsigned char real[] = {0x10, 0xd1, 0x07, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
                                0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x1b, 0x00, 0x00,
                                0x00, 0x00, 0x00, 0x00, 0x7b, 0xd7, 0x6b, 0xc7, 0x6a, 0xce,
                                0x0d, 0x6b, 0x00, 0x00, 0x10, 0x00, 0x00, 0x20, 0x00, 0x00};
  const std::string_view bytes(reinterpret_cast<const char*>(real), sizeof(real));
  const auto header = read_wal_page_header(bytes);
  REQUIRE(header);
  CHECK(wal_version(header->magic) == 15);
  CHECK(header->timeline == 1);
  CHECK(header->address == model::Lsn{0x600000});
  CHECK(header->system_id == 7714048694763116411U);
  CHECK(header->segment_bytes == 1 << 20);
  CHECK(header->block_bytes == 8192);
  const auto judgement =
      judge_wal_page(*header, {{1, 6}, 1 << 20, 1, std::uint64_t{7714048694763116411U}});
  CHECK(judgement.verdict == Verdict::kFits);
  for (std::size_t i = 0; i < sizeof(real); ++i) {
    CHECK_FALSE(read_wal_page_header(bytes.substr(0, i)));
  }
}

TEST_CASE("each version of PostgreSQL has its magic", "[object_store]") {
  const std::pair<int, std::uint16_t> versions[] = {{13, 0xD106}, {14, 0xD10D}, {15, 0xD110},
                                                    {16, 0xD113}, {17, 0xD116}, {18, 0xD118}};
  for (const auto& [version, magic] : versions) {
    CHECK(wal_version(magic) == version);
    CHECK(judge({.magic = magic, .address = 3 * kSize}, {1, 3}, 1).verdict == Verdict::kFits);
  }
  // A version to come is not judged, even where the rest does not fit.
  CHECK(judge({.magic = 0xD121, .address = 9}, {1, 3}, 1).verdict == Verdict::kUnknownVersion);
  CHECK(judge({.magic = 0xD105, .address = 9}, {1, 3}, 1).verdict == Verdict::kUnknownVersion);
}

TEST_CASE("a segment that is not what its name says is a fault", "[object_store]") {
  struct Case {
    const char* name;
    WalPage page;
    const char* kind;
    const char* detail;
  };
  const WalPage good{.address = 3 * kSize};
  const auto with = [&good](auto change) {
    WalPage page = good;
    change(page);
    return page;
  };
  const Case cases[] = {
      {"zeros", with([](WalPage& p) { p.magic = 0; }), "magic", "begins with 0000"},
      {"text", with([](WalPage& p) { p.magic = 0x6568; }), "magic", "no WAL page"},
      {"a page from within", with([](WalPage& p) { p.flags = 0; }), "magic", "flags 0000"},
      {"flipped flags", with([](WalPage& p) { p.flags = 0x4002; }), "magic", "flags 4002"},
      {"another segment size", with([](WalPage& p) { p.segment_bytes = 1 << 20; }), "segment_size",
       "segments of 1048576 bytes, not 16777216"},
      {"another segment", with([](WalPage& p) { p.address = 4 * kSize; }), "address",
       "begins at 0/4000000, its name says 0/3000000"},
      {"another timeline", with([](WalPage& p) { p.timeline = 2; }), "timeline",
       "was written on timeline 2, its name says 1"},
      {"timeline 0", with([](WalPage& p) { p.timeline = 0; }), "timeline", "timeline 0"},
      {"another cluster", with([](WalPage& p) { p.system_id = 43; }), "system_id",
       "is of the cluster 43, the archive is of 42"},
  };
  REQUIRE(judge(good, {1, 3}, 1).verdict == Verdict::kFits);
  for (const Case& c : cases) {
    INFO(c.name);
    const WalPageJudgement judgement = judge(c.page, {1, 3}, 1);
    CHECK(judgement.verdict == Verdict::kFault);
    CHECK(judgement.kind == c.kind);
    CHECK_THAT(judgement.detail, Contains(c.detail));
  }
  WalPage other = good;
  other.system_id = 43;
  CHECK(judge(other, {1, 3}, 1, std::nullopt).verdict == Verdict::kFits);
}

TEST_CASE("the segment of a switch begins on the timeline before", "[object_store]") {
  WalPage page{.timeline = 2, .address = 3 * kSize};
  CHECK(judge(page, {3, 3}, 2).verdict == Verdict::kFits);
  CHECK(judge(page, {3, 3}, std::nullopt).verdict == Verdict::kFits);
  const WalPageJudgement later = judge(page, {3, 3}, 3);
  CHECK(later.kind == "timeline");
  CHECK_THAT(later.detail, Contains("written on timeline 2, its name says 3"));
  const WalPageJudgement grandparent = judge(page, {3, 3}, 1);
  CHECK_THAT(grandparent.detail, Contains("written on timeline 2, the history says 1"));
  page.timeline = 4;
  CHECK(judge(page, {3, 3}, std::nullopt).kind == "timeline");
}

}  // namespace keelwatch::sources
