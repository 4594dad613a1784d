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

TEST_CASE("a setting is found by its whole name", "[model]") {
  Settings settings;
  settings.values = {{"fsync", "on", "", "default", false}, {"wal_level", "replica", "", "", true}};
  REQUIRE(find_setting(settings, "wal_level"));
  CHECK(find_setting(settings, "wal_level")->pending_restart);
  CHECK(find_setting(settings, "fsync")->value == "on");
  for (const char* absent : {"", "a", "fsyn", "fsynch", "wal_levels", "z"}) {
    CAPTURE(absent);
    CHECK(find_setting(settings, absent) == nullptr);
  }
  CHECK(find_setting(Settings{}, "fsync") == nullptr);
}

TEST_CASE("settings of bytes and time are read in bytes and seconds", "[model]") {
  struct Case {
    std::string value;
    std::string unit;
    std::optional<double> expected;
  };
  const Case cases[] = {{"16777216", "B", 16777216.0},
                        {"64", "kB", 65536.0},
                        {"16384", "8kB", 134217728.0},
                        {"1024", "MB", 1073741824.0},
                        {"500", "ms", 0.5},
                        {"300", "s", 300.0},
                        {"5", "min", 300.0},
                        {"1", "h", 3600.0},
                        {"100", "", 100.0},
                        {"0.5", "", 0.5},
                        {"-1", "MB", -1.0},
                        {"-1", "ms", -1.0},
                        {"on", "", std::nullopt},
                        {"", "", std::nullopt},
                        {"5x", "s", std::nullopt},
                        {"5", "furlong", std::nullopt}};
  for (const Case& c : cases) {
    CAPTURE(c.value, c.unit);
    CHECK(in_base_unit({"x", c.value, c.unit, "", false}) == c.expected);
  }
}

}  // namespace keelwatch::model
