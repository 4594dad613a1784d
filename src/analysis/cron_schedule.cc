#include "analysis/cron_schedule.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace keelwatch::analysis {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_days;

constexpr std::size_t kMaxText = 1024;  // of a schedule; real ones have a few dozen characters
constexpr int kYearsAhead = 5;          // robfig/cron's own limit

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

struct Bounds {
  std::string_view name;
  unsigned min;
  unsigned max;
  std::span<const std::string_view> names;  // the first one means min
};
constexpr std::array<Bounds, 6> kFields = {{{"second", 0, 59, {}},
                                            {"minute", 0, 59, {}},
                                            {"hour", 0, 23, {}},
                                            {"day of month", 1, 31, {}},
                                            {"month", 1, 12, kMonths},
                                            {"day of week", 0, 6, kWeekdays}}};

struct Bits {
  std::uint64_t values = 0;
  bool star = false;
};

Error invalid(std::string message) { return Error(ErrorCode::kInvalid, std::move(message)); }

Error invalid(const Bounds& field, std::string_view part, std::string_view problem) {
  return invalid(fmt::format("{} \"{}\": {}", field.name, part, problem));
}

// Every bit from min to max, `step` apart.
std::uint64_t bits(std::uint64_t min, std::uint64_t max, std::uint64_t step = 1) {
  std::uint64_t values = 0;
  for (std::uint64_t i = min; i <= max; i += step) values |= std::uint64_t{1} << i;
  return values;
}

std::uint64_t all(const Bounds& field) { return bits(field.min, field.max); }

// Length of the white space at the begin of the text, of unicode.IsSpace: the operator takes a
// no-break space that somebody has pasted for a separator.
std::size_t space_at(std::string_view text) {
  constexpr std::string_view kWide[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001",
                                        "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
                                        "\u2007", "\u2008", "\u2009", "\u200a", "\u2028",
                                        "\u2029", "\u202f", "\u205f", "\u3000"};
  if (text.find_first_of(" \t\n\v\f\r") == 0) return 1;
  for (const std::string_view space : kWide) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

std::vector<std::string_view> split_fields(std::string_view text) {
  std::vector<std::string_view> fields;
  std::size_t begin = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t space = at < text.size() ? space_at(text.substr(at)) : 0;
    if (space == 0 && at < text.size()) {
      ++at;
      continue;
    }
    if (at > begin) fields.push_back(text.substr(begin, at - begin));
    at += space == 0 ? 1 : space;
    begin = at;
  }
  return fields;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c =
        text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// What Go's strconv.Atoi takes, a sign included, but no number below zero.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.starts_with('+') || text == "-0") text.remove_prefix(1);
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  std::int64_t number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

std::optional<std::uint64_t> parse_value(std::string_view text, const Bounds& field) {
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (equal_ignoring_case(text, field.names[i])) return field.min + i;
  }
  return parse_number(text);
}

std::string range_text(const Bounds& field) { return fmt::format("{}-{}", field.min, field.max); }

Error no_value(const Bounds& field, std::string_view part, std::string_view text) {
  const std::string names =
      field.names.empty()
          ? ""
          : fmt::format(" or a name ({}-{})", field.names.front(), field.names.back());
  return invalid(field, part,
                 fmt::format("\"{}\" is not a number of {}{}", text, range_text(field), names));
}

// One of a field's ranges: value, value-value, * or ?, each with or without /step.
Result<Bits> parse_range(std::string_view part, const Bounds& field) {
  const std::vector<std::string_view> range_and_step = split(part, '/');
  const std::vector<std::string_view> ends = split(range_and_step[0], '-');
  const bool star = ends[0] == "*" || ends[0] == "?";
  std::uint64_t first = field.min;
  std::uint64_t last = field.max;
  if (!star) {
    const auto begin = parse_value(ends[0], field);
    if (!begin) return no_value(field, part, ends[0]);
    if (ends.size() > 2) return invalid(field, part, "more than one hyphen");
    const auto end = ends.size() == 2 ? parse_value(ends[1], field) : begin;
    if (!end) return no_value(field, part, ends[1]);
    first = *begin;
    last = *end;
  }
  std::uint64_t step = 1;
  if (range_and_step.size() > 2) return invalid(field, part, "more than one slash");
  if (range_and_step.size() == 2) {
    const auto given = parse_number(range_and_step[1]);
    if (!given) return invalid(field, part, "the step is not a number");
    step = *given;
    if (ends.size() == 1) last = field.max;
  }
  if (first < field.min || first > field.max || last > field.max) {
    const std::uint64_t wrong = last > field.max ? last : first;
    std::string problem = fmt::format("{} is not within {}", wrong, range_text(field));
    if (field.names.data() == kWeekdays.data() && wrong == 7) problem += "; Sunday is 0";
    return invalid(field, part, problem);
  }
  if (first > last) {
    return invalid(field, part, fmt::format("{} is beyond the end of the range, {}", first, last));
  }
  if (step == 0) return invalid(field, part, "a step of 0");
  return Bits{bits(first, last, step), star};
}

Result<Bits> parse_field(std::string_view text, const Bounds& field) {
  Bits all;
  for (const std::string_view part : split(text, ',')) {
    if (part.empty()) continue;
    const Result<Bits> range = parse_range(part, field);
    if (!range) return range.error();
    all.values |= range->values;
    all.star = all.star || range->star;
  }
  return all;
}

// Nanoseconds of a Go duration's unit; 0: none.
std::int64_t nanoseconds_of(std::string_view unit) {
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"ns", 1},         {"us", 1'000},        {"\u00b5s", 1'000},    {"\u03bcs", 1'000},
      {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};
  for (const auto& [name, size] : kUnits) {
    if (name == unit) return size;
  }
  return 0;
}

// Go's time.ParseDuration: "1h30m", "-1.5h", "0". Fractions are cut at a nanosecond.
std::optional<Duration> parse_go_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const std::size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string_view number = text.substr(0, number_end);
    const std::size_t point = number.find('.');
    if (number.find_first_of("0123456789") == std::string_view::npos ||
        (point != std::string_view::npos && number.find('.', point + 1) < number.size())) {
      return std::nullopt;
    }
    text.remove_prefix(number_end);
    const std::size_t unit_end = std::min(text.find_first_of("0123456789."), text.size());
    const std::int64_t unit = nanoseconds_of(text.substr(0, unit_end));
    double value = 0;
    const auto [stop, failure] =
        std::from_chars(number.data(), number.data() + number.size(), value);
    if (unit == 0 || failure != std::errc() || stop != number.data() + number.size()) {
      return std::nullopt;
    }
    text.remove_prefix(unit_end);
    total += value * static_cast<double>(unit);
  }
  if (!(total < 9.2e18)) return std::nullopt;
  const Duration length(static_cast<std::int64_t>(total));
  return negative ? -length : length;
}

// Times whose arithmetic cannot overflow: within the years 1700 and 2250.
bool is_sane(WallTime t) {
  constexpr WallTime kFirst = sys_days(std::chrono::year(1700) / 1 / 1);
  constexpr WallTime kLast = sys_days(std::chrono::year(2250) / 1 / 1);
  return t >= kFirst && t <= kLast;
}

unsigned lowest(std::uint64_t values) { return static_cast<unsigned>(std::countr_zero(values)); }
unsigned highest(std::uint64_t values) {
  return 63U - static_cast<unsigned>(std::countl_zero(values));
}

// The values from `value` on, or up to it.
std::uint64_t from(std::uint64_t values, unsigned value) {
  return value > 63 ? 0 : values & (~std::uint64_t{0} << value);
}
std::uint64_t up_to(std::uint64_t values, unsigned value) {
  return values & (~std::uint64_t{0} >> (63U - value));
}

struct TimeOfDay {
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
};

TimeOfDay time_of_day(seconds since_midnight) {
  const auto s = static_cast<unsigned>(since_midnight.count());
  return {s / 3600, s / 60 % 60, s % 60};
}

// The first matching time of a day at or after `t`.
std::optional<seconds> first_time(std::uint64_t hours, std::uint64_t minutes, std::uint64_t secs,
                                  TimeOfDay t) {
  const auto at = [](unsigned h, unsigned m, unsigned s) { return seconds(h * 3600 + m * 60 + s); };
  if (from(hours, t.hour) != 0 && lowest(from(hours, t.hour)) == t.hour) {
    if (from(minutes, t.minute) != 0 && lowest(from(minutes, t.minute)) == t.minute &&
        from(secs, t.second) != 0) {
      return at(t.hour, t.minute, lowest(from(secs, t.second)));
    }
    if (const std::uint64_t later = from(minutes, t.minute + 1)) {
      return at(t.hour, lowest(later), lowest(secs));
    }
  }
  const std::uint64_t later = from(hours, t.hour + 1);
  if (later == 0) return std::nullopt;
  return at(lowest(later), lowest(minutes), lowest(secs));
}

// The last matching time of a day at or before `t`.
std::optional<seconds> last_time(std::uint64_t hours, std::uint64_t minutes, std::uint64_t secs,
                                 TimeOfDay t) {
  const auto at = [](unsigned h, unsigned m, unsigned s) { return seconds(h * 3600 + m * 60 + s); };
  if (up_to(hours, t.hour) != 0 && highest(up_to(hours, t.hour)) == t.hour) {
    if (up_to(minutes, t.minute) != 0 && highest(up_to(minutes, t.minute)) == t.minute &&
        up_to(secs, t.second) != 0) {
      return at(t.hour, t.minute, highest(up_to(secs, t.second)));
    }
    if (t.minute > 0 && up_to(minutes, t.minute - 1) != 0) {
      return at(t.hour, highest(up_to(minutes, t.minute - 1)), highest(secs));
    }
  }
  if (t.hour == 0 || up_to(hours, t.hour - 1) == 0) return std::nullopt;
  return at(highest(up_to(hours, t.hour - 1)), highest(minutes), highest(secs));
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  if (text.empty()) return invalid("the schedule is empty");
  if (text.size() > kMaxText) return invalid("the schedule is longer than 1024 bytes");
  if (text[0] == '@') return parse_descriptor(text);
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) {
    return invalid("the operator's cron takes no time zone: write the times of its own zone");
  }
  const std::vector<std::string_view> texts = split_fields(text);
  if (texts.size() < 5 || texts.size() > 6) {
    return invalid(
        fmt::format("{} fields instead of second, minute, hour, day of month, month and, "
                    "optionally, day of week",
                    texts.size()));
  }
  std::array<Bits, 6> read;
  read[5] = {all(kFields[5]), true};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Result<Bits> field = parse_field(texts[i], kFields[i]);
    if (!field) return field.error();
    read[i] = *field;
  }
  CronSchedule schedule;
  schedule.fields_ = {read[0].values,
                      read[1].values,
                      read[2].values,
                      read[3].values,
                      read[4].values,
                      read[5].values,
                      read[3].star || read[5].star};
  return schedule;
}

Result<CronSchedule> CronSchedule::parse_descriptor(std::string_view text) {
  constexpr std::string_view kEvery = "@every ";
  CronSchedule schedule;
  if (text.starts_with(kEvery)) {
    const std::optional<Duration> length = parse_go_duration(text.substr(kEvery.size()));
    if (!length) {
      return invalid(fmt::format("\"{}\" is not a duration like 1h30m, in h, m and s",
                                 text.substr(kEvery.size())));
    }
    schedule.delay_ = std::max<Duration>(floor<seconds>(*length), seconds(1));
    return schedule;
  }
  // Second and minute are 0 in all of them.
  Fields& f = schedule.fields_;
  f = {1, 1, 1, all(kFields[3]), all(kFields[4]), all(kFields[5]), true};
  if (text == "@yearly" || text == "@annually") {
    f.day = f.month = bits(1, 1);
  } else if (text == "@monthly") {
    f.day = bits(1, 1);
  } else if (text == "@weekly") {
    f.weekday = bits(0, 0);
  } else if (text == "@hourly") {
    f.hour = all(kFields[2]);
  } else if (text != "@daily" && text != "@midnight") {
    return invalid(
        fmt::format("\"{}\" is none of @yearly, @annually, @monthly, @weekly, @daily, "
                    "@midnight, @hourly and @every DURATION",
                    text));
  }
  return schedule;
}

bool CronSchedule::has_slots() const {
  const Fields& f = fields_;
  return f.second != 0 && f.minute != 0 && f.hour != 0 && f.month != 0;
}

bool CronSchedule::matches(sys_days date) const {
  const std::chrono::year_month_day ymd(date);
  const auto has = [](std::uint64_t values, unsigned value) { return (values >> value & 1U) != 0; };
  if (!has(fields_.month, static_cast<unsigned>(ymd.month()))) return false;
  const bool day = has(fields_.day, static_cast<unsigned>(ymd.day()));
  const bool weekday = has(fields_.weekday, std::chrono::weekday(date).c_encoding());
  return fields_.any_day ? day && weekday : day || weekday;
}

std::optional<WallTime> CronSchedule::next(WallTime after, Duration utc_offset) const {
  if (!is_sane(after)) return std::nullopt;
  if (delay_) {
    if (*delay_ > days(36'500)) return std::nullopt;
    return floor<seconds>(after) + *delay_;
  }
  if (!has_slots()) return std::nullopt;
  const auto local = floor<seconds>(after + utc_offset) + seconds(1);
  sys_days date = floor<days>(local);
  TimeOfDay earliest = time_of_day(local - date);
  const sys_days end =
      (std::chrono::year_month_day(date).year() + std::chrono::years(kYearsAhead + 1)) /
      std::chrono::January / 1;
  for (; date < end; date += days(1)) {
    if (matches(date)) {
      const auto time = first_time(fields_.hour, fields_.minute, fields_.second, earliest);
      if (time) return WallTime(date + *time) - utc_offset;
    }
    earliest = {};
  }
  return std::nullopt;
}

std::optional<WallTime> CronSchedule::latest(WallTime at, Duration utc_offset) const {
  if (delay_ || !is_sane(at) || !has_slots()) return std::nullopt;
  const auto local = floor<seconds>(at + utc_offset);
  sys_days date = floor<days>(local);
  TimeOfDay until = time_of_day(local - date);
  const sys_days first =
      (std::chrono::year_month_day(date).year() - std::chrono::years(kYearsAhead)) /
      std::chrono::January / 1;
  for (; date >= first; date -= days(1)) {
    if (matches(date)) {
      const auto time = last_time(fields_.hour, fields_.minute, fields_.second, until);
      if (time) return WallTime(date + *time) - utc_offset;
    }
    until = {23, 59, 59};
  }
  return std::nullopt;
}

}  // namespace keelwatch::analysis
