#include "rules/template_value.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

namespace keelwatch::rules {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::string map_text(const std::map<std::string, std::string>& map) {
  std::string out = "map[";
  for (const auto& [name, value] : map) {
    if (out.size() > 4) out += ' ';
    out += name + ":" + value;
  }
  return out + "]";
}

std::string sample_text(const TemplateSample& sample) {
  return "{" + map_text(sample.labels) + " " + go_float(sample.value) + "}";
}

struct Civil {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::milliseconds> time;
  std::chrono::weekday weekday;
};

Civil civil(TemplateTime time) {
  using std::chrono::days;
  using std::chrono::milliseconds;
  const std::chrono::sys_time<milliseconds> at{milliseconds(time.unix_ms)};
  const auto day = std::chrono::floor<days>(at);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss<milliseconds>(at - day),
          std::chrono::weekday(day)};
}

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

// The parts of Go's reference time, longer ones before their beginnings.
std::string layout_part(std::string_view part, const Civil& at) {
  const int year = static_cast<int>(at.date.year());
  const unsigned month = static_cast<unsigned>(at.date.month());
  const unsigned day = static_cast<unsigned>(at.date.day());
  const auto hour = at.time.hours().count();
  const auto twelve = hour % 12 == 0 ? 12 : hour % 12;
  const auto minute = at.time.minutes().count();
  const auto second = at.time.seconds().count();
  const std::string_view name = kMonths[month - 1];
  const std::string_view weekday = kDays[at.weekday.c_encoding()];
  if (part == "January") return std::string(name);
  if (part == "Jan") return std::string(name.substr(0, 3));
  if (part == "Monday") return std::string(weekday);
  if (part == "Mon") return std::string(weekday.substr(0, 3));
  if (part == "2006") return fmt::format("{:04}", year);
  if (part == "06") return fmt::format("{:02}", year % 100);
  if (part == "01") return fmt::format("{:02}", month);
  if (part == "02") return fmt::format("{:02}", day);
  if (part == "_2") return fmt::format("{:2}", day);
  if (part == "15") return fmt::format("{:02}", hour);
  if (part == "03") return fmt::format("{:02}", twelve);
  if (part == "04") return fmt::format("{:02}", minute);
  if (part == "05") return fmt::format("{:02}", second);
  if (part == "PM") return hour >= 12 ? "PM" : "AM";
  if (part == "pm") return hour >= 12 ? "pm" : "am";
  if (part == "MST") return "UTC";
  if (part == "Z07:00") return "Z";
  if (part == "-07:00") return "+00:00";
  if (part == "-0700") return "+0000";
  if (part == ".000") return fmt::format(".{:03}", at.time.subseconds().count());
  if (part == "1") return fmt::format("{}", month);
  if (part == "2") return fmt::format("{}", day);
  if (part == "3") return fmt::format("{}", twelve);
  if (part == "4") return fmt::format("{}", minute);
  return fmt::format("{}", second);
}

constexpr std::array<std::string_view, 25> kLayoutParts = {
    "January", "Jan",  "Monday", "Mon", "2006", "06", "01",  "02",     "_2",
    "15",      "03",   "04",     "05",  "PM",   "pm", "MST", "Z07:00", "-07:00",
    "-0700",   ".000", "1",      "2",   "3",    "4",  "5"};

}  // namespace

std::string_view type_name(const TemplateValue& value) {
  return std::visit(
      Overloaded{[](TemplateValue::Nothing) -> std::string_view { return "<nil>"; },
                 [](bool) -> std::string_view { return "bool"; },
                 [](std::int64_t) -> std::string_view { return "int"; },
                 [](double) -> std::string_view { return "float64"; },
                 [](const std::string&) -> std::string_view { return "string"; },
                 [](const TemplateLabels&) -> std::string_view { return "map[string]string"; },
                 [](const TemplateSamplePtr&) -> std::string_view { return "*template.sample"; },
                 [](const TemplateSamples&) -> std::string_view { return "template.queryResult"; },
                 [](const TemplateArgs&) -> std::string_view { return "map[string]interface {}"; },
                 [](TemplateTime) -> std::string_view { return "*time.Time"; },
                 [](TemplateDuration) -> std::string_view { return "*time.Duration"; },
                 [](TemplateValue::Root) -> std::string_view {
                   return "struct { Labels map[string]string; ExternalLabels map[string]string; "
                          "ExternalURL string; Value interface {} }";
                 }},
      value.value);
}

bool is_true(const TemplateValue& value) {
  return std::visit(
      Overloaded{[](TemplateValue::Nothing) { return false; }, [](bool v) { return v; },
                 [](std::int64_t v) { return v != 0; }, [](double v) { return v != 0; },
                 [](const std::string& v) { return !v.empty(); },
                 [](const TemplateLabels& v) { return !v->empty(); },
                 [](const TemplateSamplePtr&) { return true; },
                 [](const TemplateSamples& v) { return !v->empty(); },
                 [](const TemplateArgs& v) { return !v->empty(); },
                 [](TemplateTime) { return true; }, [](TemplateDuration) { return true; },
                 [](TemplateValue::Root) { return true; }},
      value.value);
}

std::string go_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 64> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                          std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits, end, exponent);
  // Of the shortest form six digits count, however many there are.
  if (exponent < -4 || exponent >= 6) {
    return std::string(text);
  }
  const auto fixed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return {buffer.data(), fixed.ptr};
}

std::string four_digits(double value) {
  if (!std::isfinite(value)) return go_float(value);
  return fmt::format("{:.4g}", value);
}

std::string go_text(const TemplateValue& value) {
  return std::visit(
      Overloaded{[](TemplateValue::Nothing) { return std::string("<no value>"); },
                 [](bool v) { return std::string(v ? "true" : "false"); },
                 [](std::int64_t v) { return std::to_string(v); },
                 [](double v) { return go_float(v); }, [](const std::string& v) { return v; },
                 [](const TemplateLabels& v) { return map_text(*v); },
                 [](const TemplateSamplePtr& v) { return sample_text(*v); },
                 [](const TemplateSamples& v) {
                   std::string out = "[";
                   for (const TemplateSamplePtr& sample : *v) {
                     if (out.size() > 1) out += ' ';
                     out += sample_text(*sample);
                   }
                   return out + "]";
                 },
                 [](const TemplateArgs& v) {
                   std::string out = "map[";
                   for (const auto& [name, arg] : *v) {
                     if (out.size() > 4) out += ' ';
                     out += name + ":" + go_text(arg);
                   }
                   return out + "]";
                 },
                 [](TemplateTime v) { return go_time(v); },
                 [](TemplateDuration v) { return go_duration(v); },
                 [](TemplateValue::Root v) {
                   std::map<std::string, std::string> labels;
                   std::map<std::string, std::string> external;
                   for (const LabelView l : v.data->labels) labels.emplace(l.name, l.value);
                   for (const LabelView l : v.data->external_labels) {
                     external.emplace(l.name, l.value);
                   }
                   return fmt::format("{{{} {} {} {}}}", map_text(labels), map_text(external),
                                      v.data->external_url, go_float(v.data->value));
                 }},
      value.value);
}

std::string go_time(TemplateTime time) {
  const Civil at = civil(time);
  std::string fraction;
  if (const auto ms = at.time.subseconds().count(); ms != 0) {
    fraction = fmt::format(".{:03}", ms);
    while (fraction.back() == '0') fraction.pop_back();
  }
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}{} +0000 UTC",
                     static_cast<int>(at.date.year()), static_cast<unsigned>(at.date.month()),
                     static_cast<unsigned>(at.date.day()), at.time.hours().count(),
                     at.time.minutes().count(), at.time.seconds().count(), fraction);
}

std::string go_time_format(TemplateTime time, std::string_view layout) {
  const Civil at = civil(time);
  std::string out;
  while (!layout.empty()) {
    const auto* part = std::find_if(kLayoutParts.begin(), kLayoutParts.end(),
                                    [&](std::string_view p) { return layout.starts_with(p); });
    if (part == kLayoutParts.end()) {
      out += layout.front();
      layout.remove_prefix(1);
      continue;
    }
    out += layout_part(*part, at);
    layout.remove_prefix(part->size());
  }
  return out;
}

std::string go_duration(TemplateDuration duration) {
  const std::int64_t nanos = duration.nanoseconds;
  if (nanos == 0) return "0s";
  const std::string sign = nanos < 0 ? "-" : "";
  const std::uint64_t size = nanos < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(nanos)
                                       : static_cast<std::uint64_t>(nanos);
  const auto decimal = [](std::uint64_t whole, std::uint64_t part, int digits) {
    std::string out = fmt::format("{}.{:0{}}", whole, part, digits);
    while (out.back() == '0') out.pop_back();
    if (out.back() == '.') out.pop_back();
    return out;
  };
  if (size < 1000) return fmt::format("{}{}ns", sign, size);
  if (size < 1'000'000) return sign + decimal(size / 1000, size % 1000, 3) + "µs";
  if (size < 1'000'000'000) return sign + decimal(size / 1'000'000, size % 1'000'000, 6) + "ms";
  const std::uint64_t seconds = size / 1'000'000'000;
  std::string out = sign;
  if (seconds >= 3600) out += fmt::format("{}h", seconds / 3600);
  if (seconds >= 60) out += fmt::format("{}m", seconds / 60 % 60);
  return out + decimal(seconds % 60, size % 1'000'000'000, 9) + "s";
}

}  // namespace keelwatch::rules
