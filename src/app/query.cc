#include "app/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/http_client.h"
#include "base/json.h"
#include "base/labels.h"
#include "base/time_text.h"

namespace keelwatch::app {
namespace {

constexpr int kDefaultSteps = 60;

std::optional<double> whole_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// Unix milliseconds.
Result<std::int64_t> parse_time(std::string_view name, std::string_view text, WallTime now) {
  const Error bad(
      ErrorCode::kInvalid,
      fmt::format("--{} {}: not a time, write RFC 3339, Unix seconds, now or now-1h", name, text));
  if (text.empty() || text == "now") return to_unix_millis(now);
  if (text.starts_with("now-") || text.starts_with("now+")) {
    const Result<Duration> distance = parse_duration(text.substr(4));
    if (!distance) return bad;
    return to_unix_millis(text[3] == '-' ? now - *distance : now + *distance);
  }
  if (const std::optional<double> seconds = whole_number(text)) {
    if (!(std::abs(*seconds) < 1e12)) return bad;
    return std::llround(*seconds * 1000);
  }
  const Result<WallTime> time = parse_rfc3339(text);
  if (!time) return bad;
  return to_unix_millis(*time);
}

Result<double> parse_step(const std::string& text, std::int64_t span_ms) {
  if (text.empty()) {
    return std::max(1.0, std::ceil(static_cast<double>(span_ms) / 1000 / kDefaultSteps));
  }
  std::optional<double> seconds = whole_number(text);
  if (!seconds) {
    const Result<Duration> duration = parse_duration(text);
    if (duration) seconds = to_seconds(*duration);
  }
  if (!seconds || *seconds <= 0) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("--step {}: not a step, write 15s or seconds above 0", text));
  }
  return *seconds;
}

// "1700000000.000"
std::string seconds_text(std::int64_t ms) {
  return fmt::format("{:.3f}", static_cast<double>(ms) / 1000);
}

struct Row {
  std::map<std::string, std::string> labels;
  std::string time;
  std::string value;
};

struct Rows {
  std::vector<Row> rows;
  bool timed = false;
};

// A time as the API writes it: Unix seconds with up to three decimals.
std::string time_text(JsonValue value) {
  const double seconds = value.number().value_or(0);
  return format_rfc3339(from_unix_millis(std::llround(seconds * 1000)));
}

// [time, "value"]; a native histogram is an object, of which a table says only how large it is.
std::pair<JsonValue, std::string> point(JsonValue pair) {
  std::vector<JsonValue> parts;
  pair.for_each([&](JsonValue part) { parts.push_back(part); });
  if (parts.size() != 2) return {};
  if (parts[1].type() != JsonType::kObject) {
    return {parts[0], std::string(parts[1].string().value_or(""))};
  }
  return {parts[0],
          fmt::format("histogram(count={}, sum={})", parts[1]["count"].string().value_or("?"),
                      parts[1]["sum"].string().value_or("?"))};
}

Rows read_rows(JsonValue result, bool timed) {
  Rows out;
  out.timed = timed;
  result.for_each([&](JsonValue series) {
    Row row;
    series["metric"].for_each_member([&](std::string_view name, JsonValue value) {
      row.labels.emplace(name, value.string().value_or(""));
    });
    const auto add = [&](JsonValue pair) {
      auto [time, value] = point(pair);
      row.time = time_text(time);
      row.value = std::move(value);
      out.rows.push_back(row);
    };
    for (const std::string kind : {"value", "histogram"}) {
      if (timed) {
        series[kind + "s"].for_each(add);
      } else if (series[kind].present()) {
        add(series[kind]);
      }
    }
  });
  return out;
}

// Bytes that are no continuation of a UTF-8 sequence: near enough to columns for labels.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// One line, whatever a label's value holds: no terminal gets a peer's control characters.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return out;
}

std::string print_table(const Rows& rows) {
  std::set<std::string> names;
  for (const Row& row : rows.rows) {
    for (const auto& [name, value] : row.labels) names.insert(name);
  }
  const std::string metric(kMetricName);
  std::vector<std::vector<std::string>> cells(rows.rows.size() + 1);
  const auto column = [&](const std::string& title, const auto& of) {
    cells[0].push_back(title);
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
      cells[i + 1].push_back(printable(of(rows.rows[i])));
    }
  };
  const auto label = [&](const std::string& name) {
    return [name](const Row& row) {
      const auto found = row.labels.find(name);
      return found == row.labels.end() ? std::string() : found->second;
    };
  };
  if (rows.timed) column("time", [](const Row& row) { return row.time; });
  if (names.erase(metric) > 0) column("metric", label(metric));
  for (const std::string& name : names) column(printable(name), label(name));
  column("value", [](const Row& row) { return row.value; });

  std::string out;
  std::vector<std::size_t> widths(cells[0].size(), 0);
  for (const auto& line : cells) {
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], width(line[c]));
  }
  for (const auto& line : cells) {
    for (std::size_t c = 0; c + 1 < line.size(); ++c) {
      out += line[c] + std::string(widths[c] - width(line[c]) + 2, ' ');
    }
    out += line.back() + "\n";
  }
  return out;
}

Error api_error(JsonValue root) {
  const std::string type(root["errorType"].string().value_or("error"));
  ErrorCode code = ErrorCode::kInvalid;
  if (type == "timeout" || type == "canceled") code = ErrorCode::kTimeout;
  if (type == "unavailable" || type == "internal") code = ErrorCode::kUnavailable;
  return Error(code, fmt::format("{}: {}", type, root["error"].string().value_or("")));
}

// What is no answer of the API: a proxy's refusal, a server without the API.
Error foreign_answer(int status) {
  switch (status) {
    case 401:
      return Error(ErrorCode::kUnauthorized,
                   "HTTP 401, give --user with --password-file, or --bearer-token-file");
    case 403:
      return Error(ErrorCode::kForbidden, "HTTP 403");
    case 404:
    case 405:
      return Error(ErrorCode::kNotInstalled,
                   fmt::format("HTTP {}: this server has no query API, name one that has with "
                               "--server (a Prometheus, Thanos or Mimir)",
                               status));
    default:
      return Error(status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kMalformed,
                   fmt::format("HTTP {} with an answer that is not the query API's", status));
  }
}

}  // namespace

Result<QueryRequest> query_request(const QueryOptions& options, WallTime now) {
  QueryRequest request;
  request.form = "query=" + percent_encode(options.expression) +
                 "&timeout=" + percent_encode(format_duration(options.timeout));
  if (!options.range) {
    const Result<std::int64_t> time = parse_time("time", options.time, now);
    if (!time) return time.error();
    request.path = "/api/v1/query";
    request.form += "&time=" + seconds_text(*time);
    return request;
  }
  const Result<std::int64_t> end = parse_time("end", options.end, now);
  if (!end) return end.error();
  const WallTime hour_before = from_unix_millis(*end) - std::chrono::hours(1);
  Result<std::int64_t> start = to_unix_millis(hour_before);
  if (!options.start.empty()) start = parse_time("start", options.start, now);
  if (!start) return start.error();
  if (*start > *end) return Error(ErrorCode::kInvalid, "--start is after --end");
  const Result<double> step = parse_step(options.step, *end - *start);
  if (!step) return step.error();
  request.path = "/api/v1/query_range";
  request.form +=
      fmt::format("&start={}&end={}&step={}", seconds_text(*start), seconds_text(*end), *step);
  return request;
}

Result<QueryOutput> query_output(int status, std::string_view body) {
  JsonReader reader;
  const JsonValue root = reader.parse(body);
  if (root.type() != JsonType::kObject || !root["status"].present()) return foreign_answer(status);
  if (root["status"].string() != "success") return api_error(root);
  QueryOutput out;
  root["warnings"].for_each([&](JsonValue text) {
    out.notices.push_back(fmt::format("warning: {}", text.string().value_or("")));
  });
  root["infos"].for_each([&](JsonValue text) {
    out.notices.push_back(fmt::format("info: {}", text.string().value_or("")));
  });
  const JsonValue result = root["data"]["result"];
  const std::string_view type = root["data"]["resultType"].string().value_or("");
  if (type == "scalar" || type == "string") {
    out.table = printable(point(result).second) + "\n";
  } else if (type == "vector" || type == "matrix") {
    const Rows rows = read_rows(result, type == "matrix");
    if (rows.rows.empty()) {
      out.notices.push_back("no series");
    } else {
      out.table = print_table(rows);
    }
  } else {
    return Error(ErrorCode::kMalformed, fmt::format("an answer of type {}", printable(type)));
  }
  if (const Result<void> read = reader.finish(); !read) return read.error();
  return out;
}

}  // namespace keelwatch::app
