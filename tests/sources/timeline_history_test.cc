// Timeline history files, judged as a recovery would judge them.
#include "sources/object_store/timeline_history.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/compress.h"

using Catch::Contains;

namespace keelwatch::sources {

TEST_CASE("a history tells where each timeline was left", "[object_store]") {
  const auto history = parse_timeline_history(
      "1\t0/3000158\tno recovery target specified\n"
      "\n"
      "# by hand\n"
      "   2  A/FF000000   before transaction 7  \r\n"
      "4\t1B/0",
      5);
  REQUIRE(history);
  REQUIRE(history->size() == 3);
  CHECK((*history)[0].parent == 1);
  CHECK((*history)[0].position == model::Lsn{0x3000158});
  CHECK((*history)[0].reason == "no recovery target specified");
  CHECK((*history)[1].position == model::Lsn{0xAFF000000});
  CHECK((*history)[1].reason == "before transaction 7");
  CHECK((*history)[2].parent == 4);
  CHECK((*history)[2].reason.empty());

  CHECK(timeline_of(*history, 5, model::Lsn{0x3000157}) == 1);
  CHECK(timeline_of(*history, 5, model::Lsn{0x3000158}) == 2);
  CHECK(timeline_of(*history, 5, model::Lsn{0xAFF000000}) == 4);
  CHECK(timeline_of(*history, 5, model::Lsn{0x1B00000000}) == 5);
}

TEST_CASE("a history without switches is that of a timeline without parents", "[object_store]") {
  for (const char* text : {"", "\n \t\n", "# 1\t0/1\n"}) {
    const auto history = parse_timeline_history(text, 3);
    REQUIRE(history);
    CHECK(history->empty());
  }
}

TEST_CASE("a history that a recovery would refuse is an error with its line", "[object_store]") {
  struct Case {
    const char* name;
    std::string text;
    const char* says;
  };
  const Case cases[] = {
      {"garbage", std::string("\x7f\x45LF\x02\x01", 6), "line 1: begins with no timeline"},
      {"no position", "1\n", "line 1: has no position"},
      {"half a position", "1\t0/\n", "line 1: has no position"},
      {"the name of a segment", "1\t000000010000000000000003\tx\n", "line 1: has no position"},
      {"not increasing", "1\t0/1\tx\n1\t0/2\tx\n", "line 2: timeline 1 does not come after"},
      {"falling", "2\t0/1\tx\n\n1\t0/2\tx\n", "line 3: timeline 1 does not come after timeline 2"},
      {"its own parent", "3\t0/1\tx\n", "line 1: timeline 3 is no parent of timeline 3"},
      {"a number too large", "99999999999\t0/1\tx\n", "line 1: begins with no timeline"},
      {"a position too large", "1\t100000000/1\tx\n", "line 1: has no position"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const auto history = parse_timeline_history(c.text, 3);
    REQUIRE_FALSE(history);
    CHECK(history.error().code() == ErrorCode::kMalformed);
    CHECK_THAT(history.error().message(), Contains(c.says));
  }
  const auto huge = parse_timeline_history(std::string(std::size_t{2} << 20U, '\n'), 3);
  REQUIRE_FALSE(huge);
  CHECK(huge.error().code() == ErrorCode::kTooLarge);
}

TEST_CASE("a history is read however it was stored", "[object_store]") {
  const std::string text = "1\t0/3000158\tno recovery target specified\n";
  for (const char* suffix : {"", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".snappy"}) {
    INFO(suffix);
    const StoredAs stored = read_barman_key("wals/00000002.history" + std::string(suffix)).stored;
    const std::string object = testing::compress(suffix, text);
    const auto history = read_timeline_history(object, stored, 2);
    REQUIRE(history);
    CHECK(history->size() == 1);
    if (stored.plain()) continue;
    // restore_command gives none, or, by what Python makes of it, an empty one.
    const std::string name = suffix;
    const bool cut = name == ".zst" || name == ".snappy";
    const auto of_empty = read_timeline_history("", stored, 2);
    const auto of_half = read_timeline_history(object.substr(0, object.size() / 2), stored, 2);
    const auto of_garbage = read_timeline_history(text, stored, 2);
    CHECK((of_empty ? of_empty->empty() : false) == (cut || name == ".gz"));
    CHECK(of_garbage.error().code() == ErrorCode::kNotFound);
    if (!of_empty) CHECK(of_empty.error().code() == ErrorCode::kNotFound);
    // What there is of it may be a line that ends early.
    const bool given = of_half || of_half.error().code() == ErrorCode::kMalformed;
    CHECK(given == cut);
    if (!given) CHECK(of_half.error().code() == ErrorCode::kNotFound);
  }
  const auto encrypted = read_timeline_history(text, {0, true}, 2);
  REQUIRE_FALSE(encrypted);
  CHECK(encrypted.error().code() == ErrorCode::kUnsupported);
}

}  // namespace keelwatch::sources
