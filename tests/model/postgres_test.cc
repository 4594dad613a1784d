#include "model/postgres.h"

#include <catch2/catch.hpp>

namespace keelwatch::model {

TEST_CASE("a WAL position is read and written as PostgreSQL writes it", "[model]") {
  CHECK(parse_lsn("16/B374D848") == Lsn{0x16'B374'D848});
  CHECK(parse_lsn("0/0") == Lsn{0});
  CHECK(parse_lsn("FFFFFFFF/FFFFFFFF") == Lsn{~std::uint64_t{0}});
  CHECK(parse_lsn("a/b") == Lsn{0xA'0000'000B});
  CHECK(to_string(Lsn{0x16'B374'D848}) == "16/B374D848");
  CHECK(to_string(Lsn{0xA'0000'000B}) == "A/B");
  CHECK(to_string(Lsn{~std::uint64_t{0}}) == "FFFFFFFF/FFFFFFFF");
  for (const char* wrong : {"", "/", "1", "1/", "/1", "1/2/3", "123456789/0", "0/123456789", "g/0",
                            "-1/0", "+1/0", "0x1/0", " 1/0", "1/0 "}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_lsn(wrong));
  }
}

TEST_CASE("every reachability has a name that reads back", "[model]") {
  for (int i = 0; i <= static_cast<int>(Reachability::kNotSetUp); ++i) {
    const auto reachability = static_cast<Reachability>(i);
    CAPTURE(i);
    CHECK_FALSE(to_string(reachability).empty());
    CHECK(parse_reachability(to_string(reachability)) == reachability);
  }
  CHECK_FALSE(parse_reachability("fine"));
  CHECK_FALSE(parse_reachability(""));
}

}  // namespace keelwatch::model
