#include <catch2/catch.hpp>
#include <optional>
#include <vector>

#include "base/labels.h"
#include "base/log.h"
#include "base/time_text.h"

using namespace std::chrono_literals;

namespace keelwatch {

TEST_CASE("durations read and print in Prometheus' form", "[base]") {
  struct Case {
    const char* text;
    Duration value;
    const char* printed;
  };
  const Case cases[] = {
      {"0", 0s, "0s"},           {"30s", 30s, "30s"},   {"1h30m", 90min, "1h30m"},
      {"250ms", 250ms, "250ms"}, {"90s", 90s, "1m30s"}, {"1d", 24h, "1d"},
      {"2w", 24h * 14, "2w"},    {"8d", 24h * 8, "8d"}, {"1y", 24h * 365, "1y"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto parsed = parse_duration(c.text);
    REQUIRE(parsed);
    CHECK(*parsed == c.value);
    CHECK(format_duration(c.value) == c.printed);
  }
}

TEST_CASE("what is not a duration is refused", "[base]") {
  for (const char* text : {"", "5", "s", "1m1h", "1s1s", "-5s", "1.5h", "5 m", "99999999999999y"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("RFC 3339 times read with any offset, and print in UTC", "[base]") {
  struct Case {
    const char* text;
    const char* printed;
  };
  const Case cases[] = {
      {"2026-11-25T02:56:43Z", "2026-11-25T02:56:43.000Z"},
      {"2026-11-25T02:56:43.123456Z", "2026-11-25T02:56:43.123Z"},
      {"2025-11-24 00:01:05.51+00:00", "2025-11-24T00:01:05.510Z"},
      {"2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z"},
      {"2024-02-29T12:00:00-02:30", "2024-02-29T14:30:00.000Z"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto parsed = parse_rfc3339(c.text);
    REQUIRE(parsed);
    CHECK(format_rfc3339(*parsed) == c.printed);
  }
  for (const char* text :
       {"", "2026-11-25", "2026-13-25T02:56:43Z", "2026-02-30T02:56:43Z", "2026-11-25T02:56:43",
        "2026-11-25T25:56:43Z", "2026-11-25T02:56:43.Z"}) {
    INFO(text);
    CHECK_FALSE(parse_rfc3339(text));
  }
}

TEST_CASE("times read as Go prints them", "[base]") {
  struct Case {
    const char* text;
    const char* printed;  // nullptr: not a time
  };
  const Case cases[] = {
      {"2026-02-01 10:00:00 +0000 UTC", "2026-02-01T10:00:00.000Z"},
      {"2026-02-01 10:00:00.5 +0000 UTC", "2026-02-01T10:00:00.500Z"},
      {"2026-07-01 10:00:00 +0200 CEST", "2026-07-01T08:00:00.000Z"},
      {"2026-07-01 10:00:00 -0330 -0330", "2026-07-01T13:30:00.000Z"},
      {"2026-02-01 10:00:00.123456789 +0100 CET m=+0.017", "2026-02-01T09:00:00.123Z"},
      {"2026-02-01 10:00:00 +0000", "2026-02-01T10:00:00.000Z"},
      {"0001-01-01 00:00:00 +0000 UTC", nullptr},  // Go's zero time is before our clock's first
      {"", nullptr},
      {"2026-02-01", nullptr},
      {"2026-02-01 10:00:00", nullptr},
      {"2026-02-01 10:00:00 UTC", nullptr},
      {"2026-02-01 10:00:00 +000", nullptr},
      {"2026-02-01 10:00:00 +00000 UTC", nullptr},
      {"2026-02-01T10:00:00 +0000 UTC", nullptr},
      {"2026-02-30 10:00:00 +0000 UTC", nullptr},
      {"2026-02-01 10:00:00. +0000 UTC", nullptr},
      {"2026-02-01 10:00:00 +a000 UTC", nullptr},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto parsed = parse_go_time(c.text);
    REQUIRE(parsed.has_value() == (c.printed != nullptr));
    if (parsed) CHECK(format_rfc3339(*parsed) == c.printed);
  }
}

TEST_CASE("HTTP dates read", "[base]") {
  const auto parsed = parse_http_date("Wed, 25 Nov 2026 02:56:43 GMT");
  REQUIRE(parsed);
  CHECK(format_rfc3339(*parsed) == "2026-11-25T02:56:43.000Z");
  CHECK_FALSE(parse_http_date("Wednesday, 25-Nov-26 02:56:43 GMT"));
}

TEST_CASE("labels are a sorted set without empty values", "[base]") {
  const Labels labels{{"b", "2"}, {"a", "1"}, {"c", ""}, {"b", "3"}};
  CHECK(labels.text() == R"({a="1",b="3"})");
  CHECK(labels.size() == 2);
  CHECK(labels.get("b") == "3");
  CHECK(labels.get("c").empty());
  CHECK(labels.with("aa", "x").text() == R"({a="1",aa="x",b="3"})");
  CHECK(labels.without("a") == Labels{{"b", "3"}});
  CHECK(labels.hash() == Labels{{"b", "3"}, {"a", "1"}}.hash());
  CHECK(Labels{{"a", "1"}} < Labels{{"a", "1"}, {"b", "1"}});
  CHECK(Labels{{"a", "q\"\\\n"}}.text() == "{a=\"q\\\"\\\\\\n\"}");
}

TEST_CASE("log lines are logfmt or JSON and never show a secret", "[base]") {
  std::vector<std::string> lines;
  const auto sink = [&](std::string_view line) { lines.emplace_back(line); };
  Logger(LogLevel::kInfo, LogFormat::kLogfmt, sink)
      .warn("kubernetes", "watch ended",
            {{"kind", "Cluster"},
             {"retry_seconds", 2.5},
             {"token", Secret("hunter2")},
             {"err", "a \"b\"\n"}});
  Logger(LogLevel::kInfo, LogFormat::kJson, sink)
      .info("app", "up", {{"port", 10555}, {"ok", true}});
  Logger(LogLevel::kInfo, LogFormat::kJson, sink).debug("app", "not shown");
  REQUIRE(lines.size() == 2);
  CHECK_THAT(lines[0],
             Catch::Contains("level=warn source=kubernetes msg=\"watch ended\" kind=Cluster "
                             "retry_seconds=2.5 token=<secret> err=\"a \\\"b\\\"\\n\""));
  CHECK_THAT(lines[1], Catch::Contains(
                           R"("level":"info","source":"app","msg":"up","port":10555,"ok":true})"));
}

TEST_CASE("offsets from UTC are read and written", "[base]") {
  struct Case {
    const char* text;
    std::optional<Duration> offset;
    const char* written;
  };
  const Case cases[] = {
      {"UTC", 0h, "UTC"},
      {"Z", 0h, "UTC"},
      {"+00:00", 0h, "UTC"},
      {"+02:00", 2h, "+02:00"},
      {"-0530", -330min, "-05:30"},
      {"+14:00", 14h, "+14:00"},
      {"+14:01", {}, ""},
      {"+02:60", {}, ""},
      {"02:00", {}, ""},
      {"+2:00", {}, ""},
      {"+02:00x", {}, ""},
      {"+02", {}, ""},
      {"+-2:00", {}, ""},
      {"CET", {}, ""},
      {"", {}, ""},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const Result<Duration> offset = parse_utc_offset(c.text);
    CHECK(offset.has_value() == c.offset.has_value());
    if (!offset) continue;
    CHECK(*offset == *c.offset);
    CHECK(format_utc_offset(*offset) == c.written);
  }
}

}  // namespace keelwatch
