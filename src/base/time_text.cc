#include "base/time_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <system_error>

namespace keelwatch {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Unit {
  std::string_view name;
  Duration size;
};

constexpr std::array<Unit, 7> kUnits = {{{"y", days(365)},
                                         {"w", days(7)},
                                         {"d", days(1)},
                                         {"h", hours(1)},
                                         {"m", minutes(1)},
                                         {"s", seconds(1)},
                                         {"ms", milliseconds(1)}}};

Error bad_duration(std::string_view text) {
  return Error(ErrorCode::kInvalid,
               fmt::format("\"{}\" is not a duration, write it like 30s, 5m or 1h30m", text));
}

// Reads exactly `digits` decimal digits at `at`; -1 if they are not there.
int fixed_digits(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// The date and time of day in UTC, or nothing when a field is out of its range.
Result<WallTime> civil(int year, int month, int day, int hour, int minute, int second) {
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  const bool in_range = year >= 1678 && year <= 2261 && month > 0 && day > 0 && hour >= 0 &&
                        hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second <= 60;
  if (!in_range || !date.ok()) return Error(ErrorCode::kMalformed, "a field is out of range");
  return WallTime(std::chrono::sys_days(date)) + hours(hour) + minutes(minute) + seconds(second);
}

std::optional<double> finite_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration::zero();
  if (text.empty()) return bad_duration(text);
  Duration total{};
  std::size_t next_unit = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::int64_t count = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (parsed.ec != std::errc() || rest.front() == '-') return bad_duration(text);
    rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789"));
    while (next_unit < kUnits.size() && kUnits[next_unit].name != name) ++next_unit;
    if (next_unit == kUnits.size()) return bad_duration(text);
    const Duration size = kUnits[next_unit].size;
    const auto room = std::numeric_limits<Duration::rep>::max() - total.count();
    if (count > room / size.count()) return bad_duration(text);
    total += count * size;
    rest.remove_prefix(name.size());
    ++next_unit;
  }
  return total;
}

std::string format_duration(Duration d) {
  const bool negative = d < Duration::zero();
  std::string out = negative ? "-" : "";
  Duration rest = std::chrono::round<milliseconds>(negative ? -d : d);
  if (rest == Duration::zero()) return "0s";
  for (const Unit& unit : kUnits) {
    // Prometheus' rule: years and weeks only where nothing smaller is left over.
    const bool only_whole = unit.name == "y" || unit.name == "w";
    if (rest < unit.size || (only_whole && rest % unit.size != Duration::zero())) continue;
    out += fmt::format("{}{}", rest / unit.size, unit.name);
    rest %= unit.size;
  }
  return out;
}

std::string format_rfc3339(WallTime t, int digits) {
  const auto day = std::chrono::floor<days>(t);
  const std::chrono::year_month_day date(day);
  const auto second = std::chrono::floor<seconds>(t - day);
  const std::chrono::hh_mm_ss clock(second);
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int(date.year()),
                                unsigned(date.month()), unsigned(date.day()), clock.hours().count(),
                                clock.minutes().count(), clock.seconds().count());
  if (digits > 0) {
    const std::string nanos = fmt::format("{:09}", Duration(t - day - second).count());
    out += '.';
    out += nanos.substr(0, static_cast<std::size_t>(std::min(digits, 9)));
  }
  return out + 'Z';
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  const Error bad(ErrorCode::kMalformed, fmt::format("\"{}\" is not an RFC 3339 time", text));
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || text[13] != ':' ||
      text[16] != ':') {
    return bad;
  }
  auto time =
      civil(fixed_digits(text, 0, 4), fixed_digits(text, 5, 2), fixed_digits(text, 8, 2),
            fixed_digits(text, 11, 2), fixed_digits(text, 14, 2), fixed_digits(text, 17, 2));
  if (!time) return bad;
  std::size_t at = 19;
  if (text[at] == '.') {
    std::int64_t nanos = 0;
    int digits = 0;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      if (digits++ < 9) nanos = nanos * 10 + (text[at] - '0');
    }
    if (digits == 0) return bad;
    for (; digits < 9; ++digits) nanos *= 10;
    *time += Duration(nanos);
  }
  const std::string_view zone = text.substr(at);
  if (zone == "Z" || zone == "z") return time;
  const int zone_hours = fixed_digits(zone, 1, 2);
  const int zone_minutes = fixed_digits(zone, 4, 2);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || zone_hours < 0 ||
      zone_minutes < 0) {
    return bad;
  }
  const Duration offset = hours(zone_hours) + minutes(zone_minutes);
  return zone[0] == '+' ? *time - offset : *time + offset;
}

Result<WallTime> parse_go_time(std::string_view text) {
  const Error bad(ErrorCode::kMalformed,
                  fmt::format("\"{}\" is not a time as Go writes it", text.substr(0, 64)));
  const std::size_t end = text.find(' ', 11);  // of the seconds
  if (text.size() < 19 || text[10] != ' ' || end == text.npos) return bad;
  const std::string_view zone = text.substr(end + 1, 5);
  const std::string_view name = text.substr(std::min(end + 6, text.size()));
  if (zone.size() != 5 || (!name.empty() && name.front() != ' ')) return bad;
  const auto time =
      parse_rfc3339(fmt::format("{}{}:{}", text.substr(0, end), zone.substr(0, 3), zone.substr(3)));
  if (!time) return bad;
  return *time;
}

Result<WallTime> parse_http_date(std::string_view text) {
  const Error bad(ErrorCode::kMalformed, fmt::format("\"{}\" is not an HTTP date", text));
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return bad;
  const std::size_t month = kMonths.find(text.substr(8, 3));
  if (month == kMonths.npos || month % 3 != 0) return bad;
  auto time =
      civil(fixed_digits(text, 12, 4), static_cast<int>(month / 3 + 1), fixed_digits(text, 5, 2),
            fixed_digits(text, 17, 2), fixed_digits(text, 20, 2), fixed_digits(text, 23, 2));
  if (!time) return bad;
  return time;
}

Result<Duration> parse_utc_offset(std::string_view text) {
  if (text == "UTC" || text == "Z") return Duration::zero();
  const Error bad(ErrorCode::kInvalid,
                  fmt::format("\"{}\" is not an offset from UTC like +02:00", text.substr(0, 64)));
  if (text.size() < 5 || (text[0] != '+' && text[0] != '-')) return bad;
  const bool colon = text[3] == ':';
  if (text.size() != (colon ? 6 : 5)) return bad;
  const int hour = fixed_digits(text, 1, 2);
  const int minute = fixed_digits(text, colon ? 4 : 3, 2);
  if (hour < 0 || minute < 0 || minute > 59 || hour * 60 + minute > 14 * 60) return bad;
  const Duration offset = hours(hour) + minutes(minute);
  return text[0] == '-' ? -offset : offset;
}

std::string format_utc_offset(Duration offset) {
  if (offset == Duration::zero()) return "UTC";
  const auto whole =
      std::chrono::duration_cast<minutes>(offset < Duration::zero() ? -offset : offset).count();
  return fmt::format("{}{:02}:{:02}", offset < Duration::zero() ? '-' : '+', whole / 60,
                     whole % 60);
}

Result<double> parse_unix_time(std::string_view text) {
  if (const std::optional<double> seconds = finite_number(text)) return *seconds;
  const Result<WallTime> time = parse_rfc3339(text);
  if (!time) return time.error();
  return to_unix_seconds(*time);
}

Result<double> parse_seconds(std::string_view text) {
  if (const std::optional<double> seconds = finite_number(text)) return *seconds;
  const Result<Duration> duration = parse_duration(text);
  if (!duration) return duration.error();
  return to_seconds(*duration);
}

}  // namespace keelwatch
