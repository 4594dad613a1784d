#include "rules/template_functions.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/time_text.h"
#include "promql/printer.h"
#include "rules/template_regex.h"
#include "rules/template_text.h"

namespace keelwatch::rules {
namespace {

using Arguments = std::vector<TemplateValue>;
using Answer = Result<TemplateValue>;
using enum TemplateType;

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

const std::string& text(const Arguments& arguments, std::size_t i) {
  return *arguments[i].as<std::string>();
}
Answer of(std::string text) { return TemplateValue{std::move(text)}; }
Answer of(bool truth) { return TemplateValue{truth}; }
Answer of(double number) { return TemplateValue{number}; }

// Go's strconv.ParseFloat.
std::optional<double> parse_float(std::string_view text) {
  bool negative = false;
  if (text.starts_with('+') || text.starts_with('-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || text.front() == '+' || text.front() == '-') return std::nullopt;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ptr != end) return std::nullopt;
  if (parsed.ec != std::errc()) return std::nullopt;
  return negative ? -value : value;
}

Result<double> to_float(const TemplateValue& value) {
  if (const auto* d = value.as<double>()) return *d;
  if (const auto* i = value.as<std::int64_t>()) return static_cast<double>(*i);
  if (const auto* duration = value.as<TemplateDuration>()) {
    return static_cast<double>(duration->nanoseconds) / 1e9;
  }
  if (const auto* s = value.as<std::string>()) {
    if (const std::optional<double> parsed = parse_float(*s)) return *parsed;
    return invalid(
        fmt::format("strconv.ParseFloat: parsing {}: invalid syntax", promql::quote(*s)));
  }
  return invalid(fmt::format("can't convert {} to float", type_name(value)));
}

// A function of one number.
template <std::string (*convert)(double)>
Answer number_text(Arguments& arguments, TemplateWork&) {
  const Result<double> value = to_float(arguments[0]);
  if (!value) return value.error();
  return of(convert(*value));
}

// Comparison, as text/template/funcs.go.

enum class Kind { kOther, kBool, kInt, kFloat, kString };
Kind kind_of(const TemplateValue& value) {
  if (value.as<bool>() != nullptr) return Kind::kBool;
  if (value.as<std::int64_t>() != nullptr || value.as<TemplateDuration>() != nullptr) {
    return Kind::kInt;
  }
  if (value.as<double>() != nullptr) return Kind::kFloat;
  return value.as<std::string>() != nullptr ? Kind::kString : Kind::kOther;
}
std::int64_t integer_of(const TemplateValue& value) {
  const auto* duration = value.as<TemplateDuration>();
  return duration != nullptr ? duration->nanoseconds : *value.as<std::int64_t>();
}

Result<bool> equal(const TemplateValue& a, const TemplateValue& b) {
  const Kind kind = kind_of(a);
  if (kind != kind_of(b)) return invalid("incompatible types for comparison");
  switch (kind) {
    case Kind::kBool:
      return *a.as<bool>() == *b.as<bool>();
    case Kind::kInt:
      return integer_of(a) == integer_of(b);
    case Kind::kFloat:
      return *a.as<double>() == *b.as<double>();
    case Kind::kString:
      return *a.as<std::string>() == *b.as<std::string>();
    case Kind::kOther:
      break;
  }
  return invalid(fmt::format("non-comparable type {}: {}", go_text(a), type_name(a)));
}

Result<bool> less(const TemplateValue& a, const TemplateValue& b) {
  const Kind kind = kind_of(a);
  if (kind == Kind::kOther || kind_of(b) == Kind::kOther) {
    return invalid("invalid type for comparison");
  }
  if (kind != kind_of(b)) return invalid("incompatible types for comparison");
  switch (kind) {
    case Kind::kInt:
      return integer_of(a) < integer_of(b);
    case Kind::kFloat:
      return *a.as<double>() < *b.as<double>();
    case Kind::kString:
      return *a.as<std::string>() < *b.as<std::string>();
    default:
      return invalid("invalid type for comparison");
  }
}

Answer run_eq(Arguments& arguments, TemplateWork&) {
  if (arguments.size() < 2) return invalid("missing argument for comparison");
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const Result<bool> same = equal(arguments[0], arguments[i]);
    if (!same) return same.error();
    if (*same) return of(true);
  }
  return of(false);
}
Answer run_ne(Arguments& arguments, TemplateWork&) {
  const Result<bool> same = equal(arguments[0], arguments[1]);
  if (!same) return same.error();
  return of(!*same);
}
template <bool or_equal, bool inverted>
Answer run_order(Arguments& arguments, TemplateWork&) {
  Result<bool> result = less(arguments[0], arguments[1]);
  if (!result) return result.error();
  if (or_equal && !*result) result = equal(arguments[0], arguments[1]);
  if (!result) return result.error();
  return of(*result != inverted);
}
Answer run_not(Arguments& arguments, TemplateWork&) { return of(!is_true(arguments[0])); }
// and, or: the evaluator stops at the argument that decides; here is the last one.
Answer run_last(Arguments& arguments, TemplateWork&) { return arguments.back(); }

// Collections.

Answer index_once(const TemplateValue& item, const TemplateValue& index) {
  if (const auto* labels = item.as<TemplateLabels>()) {
    const auto* name = index.as<std::string>();
    if (name == nullptr) {
      return invalid(fmt::format("value has type {}; should be string", type_name(index)));
    }
    const auto found = (*labels)->find(*name);
    return of(found == (*labels)->end() ? std::string() : found->second);
  }
  if (const auto* args = item.as<TemplateArgs>()) {
    const auto* name = index.as<std::string>();
    if (name == nullptr) {
      return invalid(fmt::format("value has type {}; should be string", type_name(index)));
    }
    const auto found = (*args)->find(*name);
    return found == (*args)->end() ? TemplateValue{} : found->second;
  }
  const auto* samples = item.as<TemplateSamples>();
  const auto* string = item.as<std::string>();
  if (samples == nullptr && string == nullptr) {
    if (item.as<TemplateValue::Nothing>() != nullptr) return invalid("index of untyped nil");
    return invalid(fmt::format("can't index item of type {}", type_name(item)));
  }
  const auto* at = index.as<std::int64_t>();
  if (at == nullptr) {
    return invalid(fmt::format("cannot index slice/array with type {}", type_name(index)));
  }
  const std::size_t size = samples != nullptr ? (*samples)->size() : string->size();
  if (*at < 0 || static_cast<std::size_t>(*at) >= size) {
    return invalid(fmt::format("index out of range: {}", *at));
  }
  const auto place = static_cast<std::size_t>(*at);
  if (samples != nullptr) return TemplateValue{(**samples)[place]};
  return TemplateValue{static_cast<std::int64_t>(static_cast<unsigned char>((*string)[place]))};
}

Answer run_index(Arguments& arguments, TemplateWork&) {
  TemplateValue item = arguments[0];
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    Answer next = index_once(item, arguments[i]);
    if (!next) return next;
    item = *std::move(next);
  }
  return item;
}

Answer run_slice(Arguments& arguments, TemplateWork&) {
  const auto* samples = arguments[0].as<TemplateSamples>();
  const auto* string = arguments[0].as<std::string>();
  if (samples == nullptr && string == nullptr) {
    return invalid(fmt::format("can't slice item of type {}", type_name(arguments[0])));
  }
  if (arguments.size() > 4) {
    return invalid(fmt::format("too many slice indexes: {}", arguments.size() - 1));
  }
  if (arguments.size() == 4 && string != nullptr) {
    return invalid("cannot 3-index slice a string");
  }
  const std::size_t size = samples != nullptr ? (*samples)->size() : string->size();
  std::size_t bounds[3] = {0, size, size};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto* at = arguments[i].as<std::int64_t>();
    if (at == nullptr) {
      return invalid(fmt::format("cannot index slice/array with type {}", type_name(arguments[i])));
    }
    if (*at < 0 || static_cast<std::size_t>(*at) > size) {
      return invalid(fmt::format("index out of range: {}", *at));
    }
    bounds[i - 1] = static_cast<std::size_t>(*at);
  }
  if (bounds[0] > bounds[1]) {
    return invalid(fmt::format("invalid slice index: {} > {}", bounds[0], bounds[1]));
  }
  if (string != nullptr) return of(string->substr(bounds[0], bounds[1] - bounds[0]));
  const auto begin = (*samples)->begin();
  return TemplateValue{TemplateSamples(std::make_shared<std::vector<TemplateSamplePtr>>(
      begin + static_cast<std::ptrdiff_t>(bounds[0]),
      begin + static_cast<std::ptrdiff_t>(bounds[1])))};
}

Answer run_len(Arguments& arguments, TemplateWork&) {
  const TemplateValue& item = arguments[0];
  std::size_t size = 0;
  if (const auto* string = item.as<std::string>()) {
    size = string->size();
  } else if (const auto* labels = item.as<TemplateLabels>()) {
    size = (*labels)->size();
  } else if (const auto* samples = item.as<TemplateSamples>()) {
    size = (*samples)->size();
  } else if (const auto* args = item.as<TemplateArgs>()) {
    size = (*args)->size();
  } else if (item.as<TemplateValue::Nothing>() != nullptr) {
    return invalid("len of nil pointer");
  } else {
    return invalid(fmt::format("len of type {}", type_name(item)));
  }
  return TemplateValue{static_cast<std::int64_t>(size)};
}

Answer run_call(Arguments& arguments, TemplateWork&) {
  if (arguments[0].as<TemplateValue::Nothing>() != nullptr) return invalid("call of nil");
  return invalid(fmt::format("non-function of type {}", type_name(arguments[0])));
}

Answer run_args(Arguments& arguments, TemplateWork&) {
  auto map = std::make_shared<std::map<std::string, TemplateValue>>();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    map->emplace(fmt::format("arg{}", i), std::move(arguments[i]));
  }
  return TemplateValue{TemplateArgs(std::move(map))};
}

// Printing.

Answer run_print(Arguments& arguments, TemplateWork&) { return of(go_print(arguments)); }
Answer run_printf(Arguments& arguments, TemplateWork&) {
  const std::string format = text(arguments, 0);
  arguments.erase(arguments.begin());
  return of(go_printf(format, arguments));
}
Answer run_println(Arguments& arguments, TemplateWork&) {
  std::string out;
  for (const TemplateValue& value : arguments) {
    if (!out.empty()) out += ' ';
    out += go_print({value});
  }
  return of(out + "\n");
}
template <std::string (*escape)(std::string_view)>
Answer run_escape(Arguments& arguments, TemplateWork&) {
  return of(escape(go_print(arguments)));
}
template <std::string (*change)(std::string_view)>
Answer change_text(Arguments& arguments, TemplateWork&) {
  return of(change(text(arguments, 0)));
}
std::string same(std::string_view text) { return std::string(text); }

// Queries.

Answer run_query(Arguments& arguments, TemplateWork& work) {
  if (++work.queries > Template::kMaxQueries) {
    return Error(ErrorCode::kTooLarge,
                 fmt::format("more than {} queries in one text", Template::kMaxQueries));
  }
  if (!work.environment.query) return invalid("queries are not possible here");
  auto answer = work.environment.query(text(arguments, 0));
  if (!answer) {
    const std::string& message = answer.error().message();
    return Error(answer.error().code(), message.substr(0, message.find('\n')));
  }
  auto samples = std::make_shared<std::vector<TemplateSamplePtr>>();
  for (const promql::VectorSample& found : *answer) {
    auto sample = std::make_shared<TemplateSample>();
    for (const LabelView label : *found.labels) {
      sample->labels.emplace(label.name, label.value);
      work.bytes += label.name.size() + label.value.size() + 32;
    }
    sample->value = found.value;
    samples->push_back(std::move(sample));
  }
  return TemplateValue{TemplateSamples(std::move(samples))};
}

Answer run_first(Arguments& arguments, TemplateWork&) {
  const TemplateSamples& samples = *arguments[0].as<TemplateSamples>();
  if (samples->empty()) return invalid("first() called on vector with no elements");
  return TemplateValue{samples->front()};
}
const TemplateSample& sample(const Arguments& arguments, std::size_t i) {
  return **arguments[i].as<TemplateSamplePtr>();
}
std::string label_of(const TemplateSample& sample, const std::string& name) {
  const auto found = sample.labels.find(name);
  return found == sample.labels.end() ? std::string() : found->second;
}
Answer run_label(Arguments& arguments, TemplateWork&) {
  return of(label_of(sample(arguments, 1), text(arguments, 0)));
}
Answer run_value(Arguments& arguments, TemplateWork&) { return of(sample(arguments, 0).value); }
Answer run_strvalue(Arguments& arguments, TemplateWork&) {
  return of(label_of(sample(arguments, 0), "__value__"));
}
Answer run_sort_by_label(Arguments& arguments, TemplateWork&) {
  const std::string& name = text(arguments, 0);
  auto sorted =
      std::make_shared<std::vector<TemplateSamplePtr>>(**arguments[1].as<TemplateSamples>());
  std::stable_sort(sorted->begin(), sorted->end(), [&](const auto& a, const auto& b) {
    return label_of(*a, name) < label_of(*b, name);
  });
  return TemplateValue{TemplateSamples(std::move(sorted))};
}

// Texts and times.

Answer run_match(Arguments& arguments, TemplateWork&) {
  const Result<TemplateRegex> regex = TemplateRegex::compile(text(arguments, 0));
  if (!regex) return regex.error();
  return of(regex->found_in(text(arguments, 1)));
}
Answer run_replace(Arguments& arguments, TemplateWork&) {
  const Result<TemplateRegex> regex = TemplateRegex::compile(text(arguments, 0));
  if (!regex) {
    return invalid(fmt::format("regexp: Compile({}): {}", backquoted(text(arguments, 0)),
                               regex.error().message()));
  }
  Result<std::string> replaced =
      regex->replace_all(text(arguments, 2), text(arguments, 1), Template::kMaxOutput);
  if (!replaced) return replaced.error();
  return of(*std::move(replaced));
}

// template/template.go, floatToTime: kept to milliseconds.
Answer to_time(const TemplateValue& argument) {
  const Result<double> seconds = to_float(argument);
  if (!seconds) return seconds.error();
  const double nanos = *seconds * 1e9;
  if (!(std::abs(nanos) < 9.2233720368547748e18)) {
    return invalid(
        fmt::format("{} cannot be represented as a nanoseconds timestamp since it overflows int64",
                    go_float(*seconds)));
  }
  return TemplateValue{TemplateTime{static_cast<std::int64_t>(nanos) / 1'000'000}};
}
Answer run_to_time(Arguments& arguments, TemplateWork&) { return to_time(arguments[0]); }
Answer run_humanize_timestamp(Arguments& arguments, TemplateWork&) {
  const Result<double> seconds = to_float(arguments[0]);
  if (!seconds) return seconds.error();
  if (!std::isfinite(*seconds)) return of(four_digits(*seconds));
  const Answer time = to_time(arguments[0]);
  if (!time) return time;
  return of(go_text(*time));
}
Answer run_to_duration(Arguments& arguments, TemplateWork&) {
  const Result<double> seconds = to_float(arguments[0]);
  if (!seconds) return seconds.error();
  const double nanos = *seconds * 1e9;
  if (!(std::abs(nanos) < 9.2233720368547748e18)) {
    return invalid(
        fmt::format("{} cannot be represented as a nanoseconds timestamp since it "
                    "overflows int64",
                    go_float(*seconds)));
  }
  return TemplateValue{TemplateDuration{static_cast<std::int64_t>(nanos)}};
}
Answer run_parse_duration(Arguments& arguments, TemplateWork&) {
  const std::string& written = text(arguments, 0);
  const Result<Duration> duration = parse_duration(written);
  if (duration) return of(to_seconds(*duration));
  return invalid(written.empty()
                     ? "empty duration string"
                     : fmt::format("not a valid duration string: {}", promql::quote(written)));
}
Answer run_now(Arguments&, TemplateWork& work) {
  return of(static_cast<double>(work.environment.at_ms) / 1000);
}
Answer run_external_url(Arguments&, TemplateWork& work) { return of(work.data.external_url); }
Answer run_path_prefix(Arguments&, TemplateWork& work) {
  return of(url_path(work.data.external_url));
}

const TemplateFunction kFunctions[] = {
    // Go's.
    {"and", {kAny, kAny}, true, run_last},
    {"or", {kAny, kAny}, true, run_last},
    {"not", {kAny}, false, run_not},
    {"eq", {kAny, kAny}, true, run_eq},
    {"ne", {kAny, kAny}, false, run_ne},
    {"lt", {kAny, kAny}, false, run_order<false, false>},
    {"le", {kAny, kAny}, false, run_order<true, false>},
    {"gt", {kAny, kAny}, false, run_order<true, true>},
    {"ge", {kAny, kAny}, false, run_order<false, true>},
    {"index", {kAny, kAny}, true, run_index},
    {"slice", {kAny, kAny}, true, run_slice},
    {"len", {kAny}, false, run_len},
    {"call", {kAny, kAny}, true, run_call},
    {"print", {kAny}, true, run_print},
    {"printf", {kString, kAny}, true, run_printf},
    {"println", {kAny}, true, run_println},
    {"html", {kAny}, true, run_escape<html_escape>},
    {"js", {kAny}, true, run_escape<js_escape>},
    {"urlquery", {kAny}, true, run_escape<query_escape>},
    // Prometheus'.
    {"query", {kString}, false, run_query},
    {"first", {kSamples}, false, run_first},
    {"label", {kString, kSample}, false, run_label},
    {"value", {kSample}, false, run_value},
    {"strvalue", {kSample}, false, run_strvalue},
    {"sortByLabel", {kString, kSamples}, false, run_sort_by_label},
    {"args", {kAny}, true, run_args},
    {"humanize", {kAny}, false, number_text<humanize>},
    {"humanize1024", {kAny}, false, number_text<humanize_1024>},
    {"humanizeDuration", {kAny}, false, number_text<humanize_duration>},
    {"humanizePercentage", {kAny}, false, number_text<humanize_percentage>},
    {"humanizeTimestamp", {kAny}, false, run_humanize_timestamp},
    {"toTime", {kAny}, false, run_to_time},
    {"toDuration", {kAny}, false, run_to_duration},
    {"parseDuration", {kString}, false, run_parse_duration},
    {"now", {}, false, run_now},
    {"title", {kString}, false, change_text<title>},
    {"toUpper", {kString}, false, change_text<upper_case>},
    {"toLower", {kString}, false, change_text<lower_case>},
    {"match", {kString, kString}, false, run_match},
    {"reReplaceAll", {kString, kString, kString}, false, run_replace},
    {"stripPort", {kString}, false, change_text<strip_port>},
    {"stripDomain", {kString}, false, change_text<strip_domain>},
    {"urlQueryEscape", {kString}, false, change_text<query_escape>},
    {"graphLink", {kString}, false, change_text<graph_link>},
    {"tableLink", {kString}, false, change_text<table_link>},
    {"safeHtml", {kString}, false, change_text<same>},
    {"externalURL", {}, false, run_external_url},
    {"pathPrefix", {}, false, run_path_prefix},
};

}  // namespace

const TemplateFunction* find_template_function(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                   [&](const TemplateFunction& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

std::span<const std::string_view> template_function_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const TemplateFunction& function : kFunctions) all.push_back(function.name);
    return all;
  }();
  return names;
}

}  // namespace keelwatch::rules
