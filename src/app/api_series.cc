#include "app/api_series.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "app/api_answer.h"
#include "app/describe.h"
#include "app/version.h"
#include "base/json.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "promql/matcher.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "state/alert_file.h"

namespace keelwatch::app {
namespace {

using http::Response;

constexpr std::size_t kMaxHistory = 50'000;

Response bad_data(std::string_view message) { return refuse(400, "bad_data", message); }

// 0: none is set.
Result<std::size_t> limit_of(const Parameters& parameters) {
  const std::string_view text = parameters.get("limit");
  std::size_t limit = 0;
  if (text.empty()) return limit;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return limit;
  return Error(ErrorCode::kInvalid, "invalid parameter \"limit\": not a number");
}

Result<std::vector<store::Matcher>> matchers_of(std::string_view selector) {
  const Result<promql::ExprPtr> parsed = promql::parse(selector);
  if (!parsed) return parsed.error();
  const auto* vector = (*parsed)->as<promql::VectorSelector>();
  if (vector == nullptr) {
    return Error(ErrorCode::kInvalid, "invalid parameter \"match[]\": not a selector of series");
  }
  std::vector<store::Matcher> matchers;
  for (const promql::LabelMatcher& matcher : vector->matchers) {
    Result<store::Matcher> compiled = promql::compile_matcher(matcher);
    if (!compiled) return compiled.error();
    matchers.push_back(*std::move(compiled));
  }
  return matchers;
}

using SeriesLabels = std::set<Labels>;

// Of all selectors together; of all series where there is none.
Result<SeriesLabels> selected(const store::Queryable& store, const Parameters& parameters) {
  SeriesLabels found;
  std::vector<std::string_view> selectors = parameters.all("match[]");
  if (selectors.empty()) selectors.emplace_back("{__name__=~\".+\"}");
  for (const std::string_view selector : selectors) {
    const Result<std::vector<store::Matcher>> matchers = matchers_of(selector);
    if (!matchers) return matchers.error();
    for (const store::SeriesRef& series : store.select(*matchers)) found.insert(*series.labels);
  }
  return found;
}

JsonWriter begin() {
  JsonWriter json;
  json.begin_object().member("status", "success").key("data");
  return json;
}

Response end(JsonWriter& json) {
  json.end_object();
  return json_response(200, json.take());
}

Response list(const std::set<std::string>& texts, std::size_t limit) {
  JsonWriter json = begin();
  json.begin_array();
  std::size_t count = 0;
  for (const std::string& text : texts) {
    if (limit > 0 && count++ == limit) break;
    json.value(text);
  }
  json.end_array();
  return end(json);
}

// U__a_2e_b is "a.b": names that are none in the old sense (Prometheus' model.UnescapeName).
std::string unescaped(std::string_view name) {
  constexpr std::string_view kEscaped = "U__";
  if (!name.starts_with(kEscaped)) return std::string(name);
  std::string out;
  for (std::size_t i = kEscaped.size(); i < name.size(); ++i) {
    if (name[i] != '_') {
      out += name[i];
    } else if (i + 1 < name.size() && name[i + 1] == '_') {
      out += '_';
      ++i;
    } else {
      const std::size_t to = name.find('_', i + 1);
      std::uint32_t code = 0;
      if (to == std::string_view::npos) return std::string(name);
      const auto read = std::from_chars(name.data() + i + 1, name.data() + to, code, 16);
      if (read.ec != std::errc() || read.ptr != name.data() + to) return std::string(name);
      append_utf8(out, code);
      i = to;
    }
  }
  return out;
}

Result<std::optional<WallTime>> time_of(const Parameters& parameters, std::string_view name) {
  const std::string_view text = parameters.get(name);
  if (text.empty()) return std::optional<WallTime>();
  constexpr double kMaxSeconds = 8.6e9;  // what WallTime can hold
  const Result<double> seconds = parse_unix_time(text);
  if (!seconds || !(*seconds > -kMaxSeconds && *seconds < kMaxSeconds)) {
    return Error(ErrorCode::kInvalid, "invalid parameter \"" + std::string(name) + "\"");
  }
  return std::optional(
      WallTime{} + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds)));
}

void write_target(JsonWriter& json, const model::SourceReport& report) {
  json.begin_object().key("discoveredLabels").begin_object().end_object();
  json.key("labels");
  write_labels(json, Labels{{"job", report.source}, {"instance", report.target}});
  json.member("scrapePool", report.source).member("scrapeUrl", "").member("globalUrl", "");
  json.member("lastError", report.last_error);
  json.member("lastScrape", report.last_success ? format_rfc3339(*report.last_success)
                                                : std::string("0001-01-01T00:00:00Z"));
  json.member("lastScrapeDuration", to_seconds(report.last_duration));
  json.member("health", report.pending ? "unknown" : report.up ? "up" : "down");
  json.member("scrapeInterval", "").member("scrapeTimeout", "").end_object();
}

}  // namespace

Response serve_series(const store::Queryable& store, const http::Request& request) {
  const Parameters parameters(request);
  if (parameters.all("match[]").empty()) return bad_data("no match[] parameter provided");
  const Result<std::size_t> limit = limit_of(parameters);
  if (!limit) return bad_data(limit.error().message());
  const Result<SeriesLabels> found = selected(store, parameters);
  if (!found) return bad_data(found.error().message());
  JsonWriter json = begin();
  json.begin_array();
  std::size_t count = 0;
  for (const Labels& labels : *found) {
    if (*limit > 0 && count++ == *limit) break;
    write_labels(json, labels);
  }
  json.end_array();
  return end(json);
}

Response serve_labels(const store::Queryable& store, const http::Request& request) {
  const Parameters parameters(request);
  const Result<std::size_t> limit = limit_of(parameters);
  if (!limit) return bad_data(limit.error().message());
  const Result<SeriesLabels> found = selected(store, parameters);
  if (!found) return bad_data(found.error().message());
  std::set<std::string> names;
  for (const Labels& labels : *found) {
    for (const LabelView label : labels) names.emplace(label.name);
  }
  return list(names, *limit);
}

Response serve_label_values(const store::Queryable& store, const http::Request& request) {
  constexpr std::string_view kEnd = "/values";
  std::string_view path = request.path;
  if (!path.starts_with(kLabelPath) || !path.ends_with(kEnd) ||
      path.size() <= kLabelPath.size() + kEnd.size()) {
    return serve_unknown_path();
  }
  path.remove_prefix(kLabelPath.size());
  path.remove_suffix(kEnd.size());
  const std::string name = unescaped(path);
  const Parameters parameters(request);
  const Result<std::size_t> limit = limit_of(parameters);
  if (!limit) return bad_data(limit.error().message());
  const Result<SeriesLabels> found = selected(store, parameters);
  if (!found) return bad_data(found.error().message());
  std::set<std::string> values;
  for (const Labels& labels : *found) {
    if (labels.has(name)) values.emplace(labels.get(name));
  }
  return list(values, *limit);
}

Response serve_metadata(const http::Request& request) {
  const Parameters parameters(request);
  const Result<std::size_t> limit = limit_of(parameters);
  if (!limit) return bad_data(limit.error().message());
  JsonWriter json = begin();
  json.begin_object();
  std::size_t count = 0;
  for (const metrics::Family* family : described_families()) {
    const std::string_view wanted = parameters.get("metric");
    if (!wanted.empty() && wanted != family->name()) continue;
    if (*limit > 0 && count++ == *limit) break;
    json.key(family->name()).begin_array().begin_object();
    json.member("type", to_string(family->type())).member("help", family->help());
    json.member("unit", "").end_object().end_array();
  }
  json.end_object();
  return end(json);
}

Response serve_format_query(const http::Request& request) {
  const Result<promql::ExprPtr> parsed = promql::parse(Parameters(request).get("query"));
  if (!parsed) return bad_data(parsed.error().message());
  JsonWriter json = begin();
  json.value(promql::print(**parsed));
  return end(json);
}

Response serve_exemplars() {
  JsonWriter json = begin();
  json.begin_array().end_array();
  return end(json);
}

Response serve_buildinfo() {
  JsonWriter json = begin();
  json.begin_object().member("version", std::string_view(kVersion));
  json.member("revision", std::string_view(kRevision));
  for (const char* name : {"branch", "buildUser", "buildDate", "goVersion"}) json.member(name, "");
  json.end_object();
  return end(json);
}

Response serve_targets(const Moment* moment) {
  if (moment == nullptr) return refuse(503, "unavailable", "there is no newest look at anything");
  JsonWriter json = begin();
  json.begin_object().key("activeTargets").begin_array();
  model::Slices::for_each([&](std::string_view /*name*/, auto place) {
    for (const model::SourceReport& report : (moment->world.*place)->reports) {
      if (!report.not_set_up && !report.not_installed) write_target(json, report);
    }
  });
  json.end_array().key("droppedTargets").begin_array().end_array().end_object();
  return end(json);
}

Response serve_alertmanagers(const notifier::Delivery* delivery) {
  JsonWriter json = begin();
  json.begin_object().key("activeAlertmanagers").begin_array();
  if (delivery != nullptr) {
    for (const notifier::AlertmanagerReport& one : delivery->alertmanagers) {
      json.begin_object().member("url", one.name + "/api/v2/alerts").end_object();
    }
  }
  json.end_array().key("droppedAlertmanagers").begin_array().end_array().end_object();
  return end(json);
}

Response serve_history(const std::string& state_file, const http::Request& request) {
  const Parameters parameters(request);
  const Result<std::size_t> limit = limit_of(parameters);
  const Result<std::optional<WallTime>> from = time_of(parameters, "start");
  const Result<std::optional<WallTime>> to = time_of(parameters, "end");
  if (!limit) return bad_data(limit.error().message());
  if (!from) return bad_data(from.error().message());
  if (!to) return bad_data(to.error().message());
  if (state_file.empty()) {
    return refuse(404, "not_found", "there is no history without alerts.state_file");
  }
  state::HistoryQuery query{
      .alertname = std::string(parameters.get("alertname")), .from = *from, .to = *to};
  if (*limit > 0) query.limit = std::min(*limit, kMaxHistory);
  const auto changes = state::read_history(state_file, query);
  if (!changes) return refuse(503, "unavailable", changes.error().message());
  JsonWriter json = begin();
  json.begin_object().key("changes").begin_array();
  for (const rules::Transition& change : *changes) {
    json.begin_object().member("at", format_rfc3339(change.at)).key("labels");
    write_labels(json, change.labels);
    json.member("from", to_string(change.from)).member("to", to_string(change.to));
    json.member("value", text_of(change.value));
    if (!change.reason.empty()) json.member("reason", change.reason);
    json.end_object();
  }
  json.end_array().end_object();
  return end(json);
}

Response serve_unknown_path() { return refuse(404, "not_found", "there is no such path"); }

}  // namespace keelwatch::app
