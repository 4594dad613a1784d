#include "app/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "app/terminal.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/time_text.h"

namespace keelwatch::app {
namespace {

constexpr int kDefaultSteps = 60;

// Of Unix seconds: the years 1700 to 2200 and some more, which WallTime can hold (1678 to 2261).
bool in_range(double seconds) { return seconds > -8.6e9 && seconds < 8.6e9; }

// Unix milliseconds.
Result<std::int64_t> parse_time(std::string_view name, std::string_view text, WallTime now) {
  const Error bad(
      ErrorCode::kInvalid,
      fmt::format("--{} {}: not a time, write RFC 3339, Unix seconds, now or now-1h", name, text));
  if (text.empty() || text == "now") return to_unix_millis(now);
  double seconds = 0;
  if (text.starts_with("now-") || text.starts_with("now+")) {
    const Result<Duration> distance = parse_duration(text.substr(4));
    if (!distance) return bad;
    seconds = to_unix_seconds(now) + (text[3] == '-' ? -1 : 1) * to_seconds(*distance);
  } else {
    const Result<double> time = parse_unix_time(text);
    if (!time) return bad;
    seconds = *time;
  }
  if (!in_range(seconds)) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("--{} {}: out of range, the years 1700 to 2200 are in", name, text));
  }
  return std::llround(seconds * 1000);
}

Result<double> parse_step(const std::string& text, std::int64_t span_ms) {
  if (text.empty()) {
    return std::max(1.0, std::ceil(static_cast<double>(span_ms) / 1000 / kDefaultSteps));
  }
  const Result<double> seconds = parse_seconds(text);
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

// What is not [time, "value"] is a complaint of the reader. Times are Unix seconds with up to three
// decimals; a native histogram is an object, of which a table says only how large it is.
struct PointReader {
  JsonReader& reader;
  std::int64_t time_ms = 0;
  std::string histogram;
  std::string_view value;

  bool read(JsonValue pair) {
    JsonValue parts[2];
    std::size_t count = 0;
    pair.for_each([&](JsonValue part) {
      if (count < 2) parts[count] = part;
      ++count;
    });
    const bool timed = parts[0].type() == JsonType::kNumber;
    const double seconds = timed ? parts[0].number().value_or(0) : 0;
    const bool known = parts[1].type() == JsonType::kString || parts[1].type() == JsonType::kObject;
    if (count != 2 || !timed || !known) {
      reader.fail("a point that is not [time, \"value\"]");
      return false;
    }
    if (!in_range(seconds)) {
      reader.fail("a time that is out of range");
      return false;
    }
    time_ms = std::llround(seconds * 1000);
    if (parts[1].type() == JsonType::kString) {
      value = parts[1].string().value_or("");
      return true;
    }
    histogram = fmt::format("histogram(count={}, sum={})", parts[1]["count"].string().value_or("?"),
                            parts[1]["sum"].string().value_or("?"));
    value = histogram;
    return true;
  }
};

QueryTable read_table(JsonValue result, bool timed, JsonReader& reader) {
  QueryTable table(timed);
  PointReader point{reader, 0, {}, {}};
  result.for_each([&](JsonValue series) {
    table.begin_series();
    series["metric"].for_each_member([&](std::string_view name, JsonValue value) {
      table.add_label(name, value.string().value_or(""));
    });
    const auto add = [&](JsonValue pair) {
      if (point.read(pair)) table.add_point(point.time_ms, point.value);
    };
    for (const std::string kind : {"value", "histogram"}) {
      if (timed) {
        series[kind + "s"].for_each(add);
      } else if (series[kind].present()) {
        add(series[kind]);
      }
    }
  });
  return table;
}

// The reader checks strings and numbers when they are read. As deep as JsonReader::kMaxDepth.
void check_values(JsonValue value) {
  switch (value.type()) {
    case JsonType::kObject:
      value.for_each_member([](std::string_view, JsonValue member) { check_values(member); });
      break;
    case JsonType::kArray:
      value.for_each([](JsonValue element) { check_values(element); });
      break;
    case JsonType::kString:
      static_cast<void>(value.string());
      break;
    case JsonType::kNumber:
      static_cast<void>(value.number());
      break;
    case JsonType::kBoolean:
      static_cast<void>(value.boolean());
      break;
    case JsonType::kAbsent:
      break;
  }
}

Error api_error(JsonValue root) {
  const std::string type(root["errorType"].string().value_or("error"));
  ErrorCode code = ErrorCode::kInvalid;
  if (type == "timeout" || type == "canceled") code = ErrorCode::kTimeout;
  if (type == "unavailable" || type == "internal") code = ErrorCode::kUnavailable;
  return Error(code, printable(fmt::format("{}: {}", type, root["error"].string().value_or(""))));
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
                   fmt::format("HTTP {}: this server has no query API; name a Prometheus (or "
                               "Thanos, Mimir) with --server",
                               status));
    default:
      return Error(status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kMalformed,
                   fmt::format("HTTP {} with an answer that is not the query API's", status));
  }
}

}  // namespace

Result<QueryRequest> query_request(const QueryOptions& options, WallTime now) {
  if (const Result<void> server = check_server(options.server); !server) return server.error();
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
    out.notices.push_back("warning: " + printable(text.string().value_or("")));
  });
  root["infos"].for_each([&](JsonValue text) {
    out.notices.push_back("info: " + printable(text.string().value_or("")));
  });
  const JsonValue result = root["data"]["result"];
  const std::string_view type = root["data"]["resultType"].string().value_or("");
  if (type == "scalar" || type == "string") {
    PointReader point{reader, 0, {}, {}};
    if (point.read(result)) out.line = printable(point.value) + "\n";
  } else if (type == "vector" || type == "matrix") {
    out.table = read_table(result, type == "matrix", reader);
    if (out.table.empty()) out.notices.push_back("no series");
  } else {
    return Error(ErrorCode::kMalformed, fmt::format("an answer of type {}", printable(type)));
  }
  if (const Result<void> read = reader.finish(); !read) {
    return Error(read.error().code(), printable(read.error().message()));
  }
  return out;
}

Result<void> check_server(const std::string& server) {
  if (server.starts_with("http://") || server.starts_with("https://")) return {};
  return Error(ErrorCode::kInvalid,
               fmt::format("--server {}: not an address, write http://{}", server, server));
}

Result<void> check_json(std::string_view text) {
  JsonReader reader;
  check_values(reader.parse(text));
  return reader.finish();
}

}  // namespace keelwatch::app
