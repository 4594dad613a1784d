// Cases agree with robfig/cron v1.2.0, run on the same texts and times.
#include "analysis/cron_schedule.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/time_text.h"

using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

WallTime at(std::string_view text) { return parse_rfc3339(text).value(); }

std::string text_of(std::optional<WallTime> time) { return time ? format_rfc3339(*time, 0) : "-"; }

CronSchedule schedule(std::string_view text) {
  const Result<CronSchedule> parsed = CronSchedule::parse(text);
  INFO(text << ": " << (parsed ? "" : parsed.error().message()));
  REQUIRE(parsed);
  return *parsed;
}

std::string next(std::string_view text, std::string_view after, Duration offset = 0s) {
  return text_of(schedule(text).next(at(after), offset));
}

}  // namespace

TEST_CASE("the next slot is the first one after a time", "[analysis][cron]") {
  struct Case {
    const char* name;
    const char* text;
    const char* after;
    const char* next;
  };
  const Case cases[] = {
      {"nightly", "0 0 2 * * *", "2026-11-24T01:59:59Z", "2026-11-24T02:00:00Z"},
      {"at the slot itself", "0 0 2 * * *", "2026-11-24T02:00:00Z", "2026-11-25T02:00:00Z"},
      {"within the second before", "0 0 2 * * *", "2026-11-24T01:59:59.999Z",
       "2026-11-24T02:00:00Z"},
      {"within the second of the slot", "0 0 2 * * *", "2026-11-24T02:00:00.001Z",
       "2026-11-25T02:00:00Z"},
      {"over a year's end", "30 15 0 1 1 *", "2026-11-24T00:00:00Z", "2027-01-01T00:15:30Z"},
      // A crontab's "daily at three" has its fields one place too far to the left.
      {"five fields begin with the second", "0 3 * * *", "2026-11-24T10:00:00Z",
       "2026-11-24T10:03:00Z"},
      {"seconds of every minute", "*/20 * * * * *", "2026-11-24T10:00:00Z", "2026-11-24T10:00:20Z"},
      {"the next minute", "0 */15 * * * *", "2026-11-24T10:59:59Z", "2026-11-24T11:00:00Z"},
      {"N/S runs to the end", "0 40/15 * * * *", "2026-11-24T10:41:00Z", "2026-11-24T10:55:00Z"},
      {"a list", "0 0 1,13 * * *", "2026-11-24T02:00:00Z", "2026-11-24T13:00:00Z"},
      {"empty parts of a list", "0 0 ,1,,13, * * *", "2026-11-24T02:00:00Z",
       "2026-11-24T13:00:00Z"},
      {"a range with a step", "0 0 8-18/4 * * *", "2026-11-24T12:00:00Z", "2026-11-24T16:00:00Z"},
      {"question marks", "0 0 3 ? * MON", "2026-11-24T00:00:00Z", "2026-11-30T03:00:00Z"},
      {"names in any case", "0 0 3 ? feB-mAr sUn,tue", "2026-11-24T00:00:00Z",
       "2027-02-02T03:00:00Z"},
      {"numbers with a sign and zeros", "+0 00 03 * * *", "2026-11-24T00:00:00Z",
       "2026-11-24T03:00:00Z"},
      {"tabs and no-break spaces", "0\t0\u00a03 * * *", "2026-11-24T00:00:00Z",
       "2026-11-24T03:00:00Z"},
      // 2026-11-24 is a Tuesday.
      {"both days restricted: either", "0 0 0 1 * TUE", "2026-11-25T00:00:00Z",
       "2026-12-01T00:00:00Z"},
      {"both days restricted: the weekday first", "0 0 0 13 * MON", "2026-11-25T00:00:00Z",
       "2026-11-30T00:00:00Z"},
      {"a star in the day: both", "0 0 0 * * SUN", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"},
      // A star keeps its meaning with a step: odd days that are Mondays.
      {"a star with a step: both", "0 0 0 */2 * MON", "2026-11-24T00:00:00Z",
       "2026-12-07T00:00:00Z"},
      {"the whole range is no star", "0 0 0 1-31 * MON", "2026-11-24T00:00:00Z",
       "2026-11-25T00:00:00Z"},
      {"a leap day", "0 0 12 29 2 *", "2026-11-24T00:00:00Z", "2028-02-29T12:00:00Z"},
      {"a leap day on a Monday is too far", "0 0 12 29 2 ?", "2096-03-01T00:00:00Z", "-"},
      {"the end of the fifth year", "0 0 0 31 12 *", "2026-12-31T00:00:00Z",
       "2027-12-31T00:00:00Z"},
      {"31 February", "0 0 0 31 2 *", "2026-11-24T00:00:00Z", "-"},
      {"31 April or June", "0 0 0 31 4,6 *", "2026-11-24T00:00:00Z", "-"},
      {"31 February, or a Sunday of it", "0 0 0 31 2 SUN", "2026-11-24T00:00:00Z",
       "2027-02-07T00:00:00Z"},
      {"a field of nothing", "0 , 0 * * *", "2026-11-24T00:00:00Z", "-"},
      {"@yearly", "@yearly", "2026-11-24T10:11:12Z", "2027-01-01T00:00:00Z"},
      {"@annually", "@annually", "2026-11-24T10:11:12Z", "2027-01-01T00:00:00Z"},
      {"@monthly", "@monthly", "2026-11-24T10:11:12Z", "2026-12-01T00:00:00Z"},
      {"@weekly", "@weekly", "2026-11-24T10:11:12Z", "2026-11-29T00:00:00Z"},
      {"@daily", "@daily", "2026-11-24T10:11:12Z", "2026-11-25T00:00:00Z"},
      {"@midnight", "@midnight", "2026-11-24T10:11:12Z", "2026-11-25T00:00:00Z"},
      {"@hourly", "@hourly", "2026-11-24T10:11:12Z", "2026-11-24T11:00:00Z"},
      {"@every", "@every 1h30m", "2026-11-24T10:11:12.5Z", "2026-11-24T11:41:12Z"},
      {"@every with a fraction", "@every 1.5h", "2026-11-24T10:00:00Z", "2026-11-24T11:30:00Z"},
      {"@every cut to seconds", "@every 2s999ms", "2026-11-24T10:00:00Z", "2026-11-24T10:00:02Z"},
      {"@every of less than a second", "@every 5us", "2026-11-24T10:00:00Z",
       "2026-11-24T10:00:01Z"},
      {"@every of less than nothing", "@every -1h", "2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z"},
      {"@every zero", "@every 0", "2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(next(c.text, c.after) == c.next);
  }
}

TEST_CASE("slots are times of day of the operator's zone", "[analysis][cron]") {
  CHECK(next("0 0 2 * * *", "2026-11-24T00:00:00Z", 2h) == "2026-11-25T00:00:00Z");
  CHECK(next("0 0 2 * * *", "2026-11-23T23:59:59Z", 2h) == "2026-11-24T00:00:00Z");
  CHECK(next("0 0 20 * * *", "2026-11-24T00:00:00Z", -5h) == "2026-11-24T01:00:00Z");
  // The first of the month begins there 5:45 h before it does in UTC.
  CHECK(next("@monthly", "2026-11-24T00:00:00Z", 5h + 45min) == "2026-11-30T18:15:00Z");
  CHECK(text_of(schedule("0 0 2 * * *").latest(at("2026-11-24T00:00:00Z"), 2h)) ==
        "2026-11-24T00:00:00Z");
}

TEST_CASE("the latest slot is the last one that is due", "[analysis][cron]") {
  struct Case {
    const char* text;
    const char* at;
    const char* latest;
  };
  const Case cases[] = {
      {"0 0 2 * * *", "2026-11-24T02:00:00Z", "2026-11-24T02:00:00Z"},
      {"0 0 2 * * *", "2026-11-24T01:59:59.999Z", "2026-11-23T02:00:00Z"},
      {"30 15 4 1 1 *", "2026-11-24T00:00:00Z", "2026-01-01T04:15:30Z"},
      {"*/20 10,50 8-10 * * *", "2026-11-24T10:49:59Z", "2026-11-24T10:10:40Z"},
      {"*/20 10,50 8-10 * * *", "2026-11-24T10:09:59Z", "2026-11-24T09:50:40Z"},
      {"*/20 10,50 8-10 * * *", "2026-11-24T07:00:00Z", "2026-11-23T10:50:40Z"},
      {"0 0 12 29 2 *", "2027-06-01T00:00:00Z", "2024-02-29T12:00:00Z"},
      {"0 0 0 31 2 *", "2026-11-24T00:00:00Z", "-"},
      {"@weekly", "2026-11-24T10:11:12Z", "2026-11-22T00:00:00Z"},
      {"@every 1h", "2026-11-24T10:11:12Z", "-"},
  };
  for (const Case& c : cases) {
    INFO(c.text << " at " << c.at);
    CHECK(text_of(schedule(c.text).latest(at(c.at))) == c.latest);
  }
  CHECK(schedule("@every 1h").delay() == Duration(1h));
  CHECK_FALSE(schedule("@hourly").delay());
}

TEST_CASE("a schedule that the operator refuses says what is wrong", "[analysis][cron]") {
  struct Case {
    const char* text;
    const char* problem;
  };
  const Case cases[] = {
      {"", "the schedule is empty"},
      {"0 3 * *",
       "4 fields instead of second, minute, hour, day of month, month and, optionally, day of "
       "week"},
      {"0 0 3 * * * *",
       "7 fields instead of second, minute, hour, day of month, month and, optionally, day of "
       "week"},
      {" @daily",
       "1 fields instead of second, minute, hour, day of month, month and, optionally, day of "
       "week"},
      {"60 0 3 * * *", "second \"60\": 60 is not within 0-59"},
      {"0 0 24 * * *", "hour \"24\": 24 is not within 0-23"},
      {"0 0 0 0 * *", "day of month \"0\": 0 is not within 1-31"},
      {"0 0 0 * 13 *", "month \"13\": 13 is not within 1-12"},
      {"0 0 0 * * 7", "day of week \"7\": 7 is not within 0-6; Sunday is 0"},
      {"0 0 0 * * 5-7", "day of week \"5-7\": 7 is not within 0-6; Sunday is 0"},
      {"0 0 0 * * FRI-MON", "day of week \"FRI-MON\": 5 is beyond the end of the range, 1"},
      {"0 0 0 * * monday",
       "day of week \"monday\": \"monday\" is not a number of 0-6 or a name "
       "(sun-sat)"},
      {"0 x 0 * * *", "minute \"x\": \"x\" is not a number of 0-59"},
      {"0 0 1,x * * *", "hour \"x\": \"x\" is not a number of 0-23"},
      {"0 0 1-x * * *", "hour \"1-x\": \"x\" is not a number of 0-23"},
      {"0 0 -1 * * *", "hour \"-1\": \"\" is not a number of 0-23"},
      {"0 0 1-2-3 * * *", "hour \"1-2-3\": more than one hyphen"},
      {"0 0 1/2/3 * * *", "hour \"1/2/3\": more than one slash"},
      {"0 0 */0 * * *", "hour \"*/0\": a step of 0"},
      {"0 0 */ * * *", "hour \"*/\": the step is not a number"},
      {"0 0 99999999999999999999 * * *",
       "hour \"99999999999999999999\": \"99999999999999999999\" is not a number of 0-23"},
      {"0 0 0 L * *", "day of month \"L\": \"L\" is not a number of 1-31"},
      {"TZ=UTC 0 0 3 * * *",
       "the operator's cron takes no time zone: write the times of its own zone"},
      {"CRON_TZ=Europe/Berlin 0 3 * * *",
       "the operator's cron takes no time zone: write the times of its own zone"},
      {"@Daily",
       "\"@Daily\" is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, "
       "@hourly and @every DURATION"},
      {"@every",
       "\"@every\" is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, "
       "@hourly and @every DURATION"},
      {"@every 1d", "\"1d\" is not a duration like 1h30m, in h, m and s"},
      {"@every 90", "\"90\" is not a duration like 1h30m, in h, m and s"},
      {"@every 1..5h", "\"1..5h\" is not a duration like 1h30m, in h, m and s"},
      {"@every 99999999999h", "\"99999999999h\" is not a duration like 1h30m, in h, m and s"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const Result<CronSchedule> parsed = CronSchedule::parse(c.text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code() == ErrorCode::kInvalid);
    CHECK(parsed.error().message() == c.problem);
  }
  CHECK_FALSE(CronSchedule::parse(std::string(100'000, '*')));
}

TEST_CASE("times at the ends of what can be told have no slots", "[analysis][cron]") {
  for (const WallTime t : {WallTime::max(), WallTime::min()}) {
    CHECK_FALSE(schedule("@daily").next(t));
    CHECK_FALSE(schedule("@daily").latest(t));
    CHECK_FALSE(schedule("@every 1h").next(t));
  }
  CHECK_FALSE(schedule("@every 2000000h").next(at("2026-11-24T00:00:00Z")));
}

}  // namespace keelwatch::analysis
