#include "base/json.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace keelwatch {
namespace {

std::string repeat(std::string_view s, std::size_t n) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += s;
  return out;
}

// Reads everything that a value holds, in the way of each accessor.
std::size_t read_all(JsonValue value) {
  std::size_t sum = value.raw().size();
  switch (value.type()) {
    case JsonType::kObject:
      value.for_each_member([&](std::string_view key, JsonValue member) {
        sum += key.size() + read_all(member) + read_all(value[key]);
      });
      break;
    case JsonType::kArray:
      value.for_each([&](JsonValue element) { sum += read_all(element); });
      break;
    case JsonType::kString:
      sum += value.string().value_or("").size();
      break;
    case JsonType::kNumber:
      sum += value.number() ? 1U : 0U;
      break;
    case JsonType::kBoolean:
    case JsonType::kAbsent:
      break;
  }
  if (value.type() > JsonType::kArray) sum += value.text().value_or("").size();
  return sum;
}

std::string complaint_of(JsonReader& reader) {
  const auto ok = reader.finish();
  return ok ? "" : ok.error().message();
}

}  // namespace

TEST_CASE("members are read in any order, as often as wanted, at any depth", "[json]") {
  JsonReader reader;
  const JsonValue root = reader.parse(
      R"({"metadata": {"labels": {"a": "1", "b": "2"}, "name": "pg-1"}, "spec": {"n": 3, "f": 1.5,
          "on": true}, "list": [1, [2, 3], {"x": "y"}]})");
  const JsonValue metadata = root["metadata"];
  CHECK(root["spec"]["n"].integer() == 3);
  CHECK(metadata["name"].string() == "pg-1");
  CHECK(metadata["labels"]["b"].string() == "2");
  CHECK(metadata["labels"]["a"].string() == "1");
  CHECK(metadata["name"].string() == "pg-1");
  CHECK(root["spec"]["f"].number() == 1.5);
  CHECK(root["spec"]["on"].boolean() == true);
  CHECK(root["spec"].raw() == "{\"n\": 3, \"f\": 1.5,\n          \"on\": true}");
  std::vector<std::string> raw;
  root["list"].for_each([&](JsonValue v) { raw.emplace_back(v.raw()); });
  CHECK(raw == std::vector<std::string>{"1", "[2, 3]", R"({"x": "y"})"});
  std::string members;
  metadata["labels"].for_each_member([&](std::string_view key, JsonValue v) {
    members += std::string(key) + "=" + std::string(v.string().value_or("?")) + ";";
  });
  CHECK(members == "a=1;b=2;");
  CHECK(reader.finish());
}

TEST_CASE("what is missing or null is absent, and so is everything below it", "[json]") {
  JsonReader reader;
  const JsonValue root = reader.parse(R"({"null": null, "empty": {}, "none": [], "l": [null, 1]})");
  for (const JsonValue value :
       {root["nope"], root["null"], root["empty"]["x"], root["no"]["x"]["y"], JsonValue()}) {
    CHECK_FALSE(value.present());
    CHECK_FALSE(value.string());
    CHECK_FALSE(value.integer());
    CHECK_FALSE(value.number());
    CHECK_FALSE(value.boolean());
    CHECK_FALSE(value.text());
    CHECK_FALSE(value.integer_or_text());
    CHECK(value.raw().empty());
    value.for_each([](JsonValue) { FAIL("an absent array has no element"); });
    value.for_each_member([](std::string_view, JsonValue) { FAIL("nor a member"); });
  }
  root["none"].for_each([](JsonValue) { FAIL("the array is empty"); });
  std::vector<bool> present;
  root["l"].for_each([&](JsonValue v) { present.push_back(v.present()); });
  CHECK(present == std::vector<bool>{false, true});
  CHECK(reader.finish());
}

TEST_CASE("a value of another type reads as absent and the first such complaint is kept",
          "[json]") {
  struct Case {
    const char* name;
    const char* json;
    void (*read)(JsonValue);
    const char* complaint;
  };
  const Case cases[] = {
      {"string", R"({"v": 5})", [](JsonValue v) { CHECK_FALSE(v.string()); },
       "member \"v\" at byte 6: expected a string, found 5"},
      {"integer", R"({"v": "5"})", [](JsonValue v) { CHECK_FALSE(v.integer()); },
       "member \"v\" at byte 6: expected an integer, found a string"},
      {"fraction", R"({"v": 5.5})", [](JsonValue v) { CHECK_FALSE(v.integer()); },
       "member \"v\" at byte 6: expected an integer, found 5.5"},
      {"too large", R"({"v": 9223372036854775808})", [](JsonValue v) { CHECK_FALSE(v.integer()); },
       "member \"v\" at byte 6: expected an integer, found 9223372036854775808"},
      {"number", R"({"v": 1e999})", [](JsonValue v) { CHECK_FALSE(v.number()); },
       "member \"v\" at byte 6: expected a number, found 1e999"},
      {"boolean", R"({"v": [true]})", [](JsonValue v) { CHECK_FALSE(v.boolean()); },
       "member \"v\" at byte 6: expected a boolean, found an array"},
      {"text", R"({"v": {}})", [](JsonValue v) { CHECK_FALSE(v.text()); },
       "member \"v\" at byte 6: expected a text, found an object"},
      {"integer or text", R"({"v": "5x"})", [](JsonValue v) { CHECK_FALSE(v.integer_or_text()); },
       "member \"v\" at byte 6: expected an integer, found another text"},
      {"member of an array", R"({"v": []})", [](JsonValue v) { CHECK_FALSE(v["x"].present()); },
       "member \"v\" at byte 6: expected an object, found an array"},
      {"elements of an object", R"({"v": {"a": 1}})",
       [](JsonValue v) { v.for_each([](JsonValue) { FAIL("not an array"); }); },
       "member \"v\" at byte 6: expected an array, found an object"},
      {"wrong escape", R"({"v": "a\qb"})", [](JsonValue v) { CHECK_FALSE(v.string()); },
       "member \"v\" at byte 6: a string with a wrong escape"},
      {"half an escape", R"({"v": "\u12"})", [](JsonValue v) { CHECK_FALSE(v.string()); },
       "member \"v\" at byte 6: a string with a wrong escape"},
  };
  JsonReader reader;
  for (const Case& c : cases) {
    INFO(c.name);
    c.read(reader.parse(c.json)["v"]);
    (void)reader.parse(c.json)["v"];
    CHECK(reader.finish());
    c.read(reader.parse(c.json)["v"]);
    reader.fail("a later complaint");
    CHECK(complaint_of(reader) == c.complaint);
    REQUIRE(reader.take_complaint());
    CHECK(reader.finish());
  }
}

TEST_CASE("numbers and texts read leniently where a decoder asks for it", "[json]") {
  JsonReader reader;
  const JsonValue root = reader.parse(
      R"([5, "5", -7, 5.0, 5e2, true, "x", 9223372036854775807, -9223372036854775808, -0])");
  std::vector<std::string> texts;
  root.for_each([&](JsonValue v) { texts.push_back(v.text().value_or("?")); });
  CHECK(texts == std::vector<std::string>{"5", "5", "-7", "5.0", "5e2", "true", "x",
                                          "9223372036854775807", "-9223372036854775808", "-0"});
  CHECK(reader.finish());
  std::vector<std::int64_t> integers;
  root.for_each([&](JsonValue v) { integers.push_back(v.integer_or_text().value_or(-1)); });
  CHECK(integers == std::vector<std::int64_t>{5, 5, -7, 5, 500, -1, -1, INT64_MAX, INT64_MIN, 0});
}

TEST_CASE("escapes are undone, in values and in names", "[json]") {
  JsonReader reader;
  const JsonValue root = reader.parse(
      R"({"\u0061b": "\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00", "lone": "\ud83dx\ude00",
          "last": "x\\", "nul": "\u0000"})");
  CHECK(root["ab"].string() == "\"\\/\b\f\n\r\té€😀");
  CHECK(root["lone"].string() == "\uFFFDx\uFFFD");
  CHECK(root["last"].string() == "x\\");
  CHECK(root["nul"].string() == std::string_view("\0", 1));
  CHECK(reader.finish());
}

TEST_CASE("what is not one JSON value is refused as a whole, with the place", "[json]") {
  struct Case {
    const char* name;
    std::string json;
    const char* message;
  };
  const Case cases[] = {
      {"nothing", "", "not JSON: the text is empty"},
      {"white space", " \n", "not JSON: the text is empty"},
      {"trailing garbage", "{} x", "not JSON: byte 3: expected the end of the text"},
      {"two values", "{}{}", "not JSON: byte 2: expected the end of the text"},
      {"trailing comma", "[1,]", "not JSON: byte 3: expected a value"},
      {"trailing comma in an object", R"({"a":1,})", "not JSON: byte 7: expected a member's name"},
      {"no colon", R"({"a" 1})", "not JSON: byte 5: expected a colon"},
      {"no comma", "[1 2]", "not JSON: byte 3: expected a comma or ]"},
      {"no comma between members", R"({"a":1 "b":2})", "not JSON: byte 7: expected a comma or }"},
      {"wrong bracket", R"({"a":[1}})", "not JSON: byte 7: expected a comma or ]"},
      {"closing only", "]", "not JSON: byte 0: expected a value"},
      {"name without quotes", "{a:1}", "not JSON: byte 1: expected a member's name"},
      {"unclosed string", R"({"a":"b)", "not JSON: a string is not closed"},
      {"unclosed by an escape", R"(["a\"])", "not JSON: a string is not closed"},
      {"control character", "[\"a\nb\"]", "not JSON: a string holds a bare control character"},
      {"invalid UTF-8", "[\"\xC0\xAF\"]", "not JSON: invalid UTF-8"},
      {"cut UTF-8", "[\"\xE2\x82\"]", "not JSON: invalid UTF-8"},
      {"surrogate in UTF-8", "[\"\xED\xA0\x80\"]", "not JSON: invalid UTF-8"},
      {"misspelt", "[trux]", "not JSON: byte 1: expected a value"},
      {"longer", "[truee]", "not JSON: byte 1: expected a value"},
      {"letters after a string", R"(["a"b])", "not JSON: byte 4: expected a comma or ]"},
      {"string after letters", R"([a"b"])", "not JSON: byte 1: expected a value"},
      {"leading zero", "[01]", "not JSON: byte 1: expected a value"},
      {"plus", "[+1]", "not JSON: byte 1: expected a value"},
      {"bare point", "[1.]", "not JSON: byte 1: expected a value"},
      {"bare exponent", "[1e]", "not JSON: byte 1: expected a value"},
      {"NaN", "[NaN]", "not JSON: byte 1: expected a value"},
      {"byte order mark", "\xEF\xBB\xBF{}", "not JSON: byte 0: expected a value"},
      {"NUL", std::string("[1]\0", 4), "not JSON: byte 3: expected the end of the text"},
      {"depth bomb of arrays", repeat("[", 1'000'000),
       "not JSON: byte 256: expected at most 256 levels of nesting"},
      {"depth bomb of objects", repeat("{\"a\":", 1'000'000),
       "not JSON: byte 1280: expected at most 256 levels of nesting"},
      {"skipped parts too", R"({"managedFields": {"x": [1 2]}, "a": 1})",
       "not JSON: byte 27: expected a comma or ]"},
  };
  JsonReader reader;
  for (const Case& c : cases) {
    INFO(c.name);
    const JsonValue root = reader.parse(c.json);
    CHECK_FALSE(root.present());
    CHECK_FALSE(root["a"].present());
    REQUIRE_FALSE(reader.finish());
    CHECK(reader.finish().error().code() == ErrorCode::kMalformed);
    CHECK(complaint_of(reader) == c.message);
    CHECK_FALSE(reader.take_complaint());
    CHECK_FALSE(reader.finish());
  }
  // The reader is as good as new afterwards.
  CHECK(reader.parse(repeat("[", 256) + repeat("]", 256)).present());
  CHECK(reader.parse("7").integer() == 7);
}

TEST_CASE("a text cut at any byte is refused, and reading it stays inside it", "[json]") {
  const std::string json =
      R"({"kind":"Pod","é€😀":[1,-2.5e3,true,null,{"a":"\u00e9\n"}],"n":{"x":[[],{}]},"z":"\\"})";
  // The text ends where its page ends: one byte read beyond it is a crash.
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* map = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(map != MAP_FAILED);
  char* const end = static_cast<char*>(map) + page;
  REQUIRE(mprotect(end, page, PROT_NONE) == 0);
  JsonReader reader;
  for (std::size_t size = 0; size <= json.size(); ++size) {
    INFO(size);
    char* const begin = end - size;
    std::memcpy(begin, json.data(), size);
    const JsonValue root = reader.parse({begin, size});
    CHECK(root.present() == (size == json.size()));
    CHECK(read_all(root) == read_all(root));
    CHECK(reader.finish().has_value() == (size == json.size()));
  }
  munmap(map, 2 * page);
}

TEST_CASE("a text that is larger than the bound is refused unread", "[json]") {
  JsonReader reader;
  const char one_byte = '[';
  (void)reader.parse({&one_byte, std::size_t{5'000'000'000}});
  REQUIRE_FALSE(reader.finish());
  CHECK(reader.finish().error().code() == ErrorCode::kTooLarge);
}

TEST_CASE("a value of an earlier text reads as absent", "[json]") {
  JsonReader reader;
  const JsonValue old = reader.parse(R"({"a": [1, 2, 3], "b": "x"})");
  const JsonValue old_a = old["a"];
  const JsonValue root = reader.parse("[7]");
  CHECK_FALSE(old["b"].string());
  CHECK_FALSE(old_a.integer());
  CHECK(old_a.type() == JsonType::kAbsent);
  CHECK(root.present());
  int rounds = 0;
  root.for_each([&](JsonValue) {
    ++rounds;
    (void)reader.parse("{}");
  });
  CHECK(rounds == 1);
}

TEST_CASE("the writer puts commas and escapes, and its numbers read back exactly", "[json]") {
  JsonWriter w;
  w.begin_object()
      .member("text", "a\"\\\n\x01\x7F/é")
      .member("bad \xFF utf8", "\xC0\xAF\xED\xA0\x80\xF0\x9F\x98")
      .member("nul", std::string_view("\0", 1))
      .key("list")
      .begin_array()
      .value(1)
      .value(std::uint64_t{18446744073709551615U})
      .value(std::int64_t{INT64_MIN})
      .value(0.1)
      .value(1e300)
      .value(true)
      .null()
      .raw("[2]")
      .begin_object()
      .end_object()
      .end_array()
      .member("nan", std::nan(""))
      .member("inf", -std::numeric_limits<double>::infinity())
      .end_object();
  const std::string text = w.take();
  CHECK(
      text ==
      "{\"text\":\"a\\\"\\\\\\n\\u0001\x7F/é\",\"bad \uFFFD utf8\":\"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"
      "\uFFFD\uFFFD\uFFFD\",\"nul\":\"\\u0000\",\"list\":[1,18446744073709551615,"
      "-9223372036854775808,0.1,1e+300,true,null,[2],{}],\"nan\":\"NaN\",\"inf\":\"-Inf\"}");
  CHECK(w.text().empty());
  JsonReader reader;
  CHECK(reader.parse(text)["text"].string() == "a\"\\\n\x01\x7F/é");
  CHECK(reader.finish());
  CHECK(w.begin_array().value("again").end_array().take() == R"(["again"])");
}

}  // namespace keelwatch
