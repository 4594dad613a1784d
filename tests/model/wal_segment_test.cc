#include "model/wal_segment.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "model/postgres_facts.h"

namespace keelwatch::model {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20U;

}  // namespace

TEST_CASE("a WAL segment is a power of two between 1 MiB and 1 GiB", "[wal]") {
  for (std::int64_t size = kMiB; size <= 1024 * kMiB; size *= 2) {
    CHECK(is_wal_segment_size(size));
    CHECK_FALSE(is_wal_segment_size(size + 1));
    CHECK_FALSE(is_wal_segment_size(size - 1));
  }
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-1}, -16 * kMiB, kMiB / 2,
                                  2048 * kMiB, 3 * kMiB, INT64_MIN, INT64_MAX}) {
    CHECK_FALSE(is_wal_segment_size(size));
  }
}

TEST_CASE("the last segment of a log is followed by the first of the next, at every segment size",
          "[wal]") {
  struct Case {
    std::int64_t mebibytes;
    const char* last;  // of log 0
  };
  const Case cases[] = {{1, "00000FFF"},   {2, "000007FF"},   {4, "000003FF"},   {8, "000001FF"},
                        {16, "000000FF"},  {32, "0000007F"},  {64, "0000003F"},  {128, "0000001F"},
                        {256, "0000000F"}, {512, "00000007"}, {1024, "00000003"}};
  for (const Case& c : cases) {
    INFO(c.mebibytes);
    const std::int64_t size = c.mebibytes * kMiB;
    const auto last = parse_wal_segment("0000000A00000000" + std::string(c.last), size);
    REQUIRE(last);
    CHECK(last->timeline == 10);
    CHECK(last->number == 4096 / c.mebibytes - 1);
    CHECK(wal_segment_end(*last, size) == Lsn{std::uint64_t{1} << 32U});
    const WalSegment next{10, last->number + 1};
    CHECK(wal_segment_name(next, size) == "0000000A0000000100000000");
    CHECK(parse_wal_segment("0000000A0000000100000000", size) == next);
    CHECK(wal_segment_begin(next, size) == Lsn{std::uint64_t{1} << 32U});
    CHECK(wal_segment_at(10, Lsn{(std::uint64_t{1} << 32U) - 1}, size) == *last);
    CHECK(wal_segment_at(10, Lsn{std::uint64_t{1} << 32U}, size) == next);
    // The number behind the last one is none of a log of such segments.
    const std::string beyond =
        wal_segment_name({10, last->number + 1}, size / 2 < kMiB ? size : size / 2);
    if (c.mebibytes > 1) CHECK_FALSE(parse_wal_segment(beyond, size));
    CHECK(wal_segment_name(*last, size) == "0000000A00000000" + std::string(c.last));
  }
  CHECK_FALSE(parse_wal_segment("0000000A0000000000001000", kMiB));
}

TEST_CASE("the highest segment keeps its name", "[wal]") {
  for (std::int64_t size = kMiB; size <= 1024 * kMiB; size *= 2) {
    const WalSegment highest = wal_segment_at(0xFFFFFFFF, Lsn{UINT64_MAX}, size);
    const std::string name = wal_segment_name(highest, size);
    CHECK(name.substr(0, 16) == "FFFFFFFFFFFFFFFF");
    CHECK(parse_wal_segment(name, size) == highest);
  }
}

TEST_CASE("what is not the name of a WAL segment is none", "[wal]") {
  for (const char* name :
       {"", "00000001000000000000000", "0000000100000000000000010", "00000001000000000000000a",
        "00000000000000000000000A", "00000001000000000000000G", "0000000100000000000000 1",
        "000000010000000000000001.gz", "0000000100000000000001FF", "-00000010000000000000001"}) {
    INFO(name);
    CHECK_FALSE(parse_wal_segment(name, kDefaultWalSegmentBytes));
  }
}

}  // namespace keelwatch::model
