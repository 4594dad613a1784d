#include "app/api_status.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "app/api_answer.h"
#include "app/describe.h"
#include "app/version.h"
#include "base/time_text.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "state/alert_file.h"

namespace keelwatch::app {
namespace {

using http::Response;

constexpr std::size_t kHistory = 1000;

JsonWriter begin_answer() {
  JsonWriter json;
  json.begin_object().member("status", "success").key("data");
  return json;
}

Response end_answer(JsonWriter& json) {
  json.end_object();
  return json_response(200, json.take());
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// up, down; unknown before the first attempt has ended, and where there is nobody to be asked.
std::string_view health_of(const model::SourceReport& report) {
  if (report.pending || report.not_set_up || report.not_installed) return "unknown";
  return report.up ? "up" : "down";
}

std::string_view error_of(const model::SourceReport& report) {
  if (report.not_set_up) return "not set up";
  if (report.not_installed) return "not installed";
  return report.last_error;
}

void write_target(JsonWriter& json, const model::SourceReport& report) {
  json.begin_object().key("discoveredLabels").begin_object().end_object();
  json.key("labels").begin_object().member("source", report.source);
  json.member("target", report.target).end_object();
  json.member("scrapePool", report.source).member("scrapeUrl", "").member("globalUrl", "");
  json.member("lastError", error_of(report));
  json.member("lastScrape",
              report.last_success ? format_rfc3339(*report.last_success) : "0001-01-01T00:00:00Z");
  json.key("lastScrapeDuration").value(seconds(report.last_duration));
  json.member("health", health_of(report)).end_object();
}

}  // namespace

Response serve_metadata(const http::Request& request) {
  const Parameters parameters(request);
  const Result<std::optional<std::size_t>> limit = parameters.limit("limit");
  if (!limit) return refuse_parameter(limit.error());
  const std::string_view wanted = parameters.get("metric");
  JsonWriter json = begin_answer();
  json.begin_object();
  std::size_t written = 0;
  for (const metrics::Family* family : described_families()) {
    if ((!wanted.empty() && family->name() != wanted) || (*limit && written == **limit)) continue;
    json.key(family->name()).begin_array().begin_object();
    json.member("type", to_string(family->type())).member("help", family->help());
    json.member("unit", "").end_object().end_array();
    ++written;
  }
  json.end_object();
  return end_answer(json);
}

Response serve_targets(const Moment* moment) {
  if (moment == nullptr) return not_evaluated_yet();
  JsonWriter json = begin_answer();
  json.begin_object().key("activeTargets").begin_array();
  std::set<std::pair<std::string_view, std::string_view>> seen;
  model::Slices::for_each([&](std::string_view /*name*/, auto place) {
    for (const model::SourceReport& report : (moment->world.*place)->reports) {
      if (seen.emplace(report.source, report.target).second) write_target(json, report);
    }
  });
  json.end_array().key("droppedTargets").begin_array().end_array();
  json.key("droppedTargetCounts").begin_object().end_object().end_object();
  return end_answer(json);
}

Response serve_alertmanagers(const notifier::Delivery* delivery) {
  JsonWriter json = begin_answer();
  json.begin_object();
  for (const bool up : {true, false}) {
    json.key(up ? "activeAlertmanagers" : "droppedAlertmanagers").begin_array();
    for (std::size_t i = 0; delivery != nullptr && i < delivery->alertmanagers.size(); ++i) {
      const notifier::AlertmanagerReport& one = delivery->alertmanagers[i];
      if (one.up == up) json.begin_object().member("url", one.name).end_object();
    }
    json.end_array();
  }
  json.end_object();
  return end_answer(json);
}

Response serve_format_query(const http::Request& request) {
  const Result<promql::ExprPtr> expr = promql::parse(Parameters(request).get("query"));
  if (!expr) return refuse_parameter(bad_parameter("query", expr.error().message()));
  JsonWriter json = begin_answer();
  json.value(promql::print(**expr));
  return end_answer(json);
}

Response serve_build_info() {
  JsonWriter json = begin_answer();
  json.begin_object().member("application", "keelwatch").member("version", kVersion);
  json.member("revision", kRevision).end_object();
  return end_answer(json);
}

Response serve_exemplars() {
  JsonWriter json = begin_answer();
  json.begin_array().end_array();
  return end_answer(json);
}

Response serve_history(const std::string& state_file, const http::Request& request) {
  if (state_file.empty()) {
    return refuse(404, "not_found", "there is no history: alerts.state_file is not set");
  }
  const Parameters parameters(request);
  state::HistoryQuery query{.alertname = std::string(parameters.get("alertname"))};
  for (auto [name, place] : {std::pair("start", &query.from), std::pair("end", &query.to)}) {
    if (parameters.get(name).empty()) continue;
    const Result<std::int64_t> time = parameters.time(name, std::nullopt);
    if (!time) return refuse_parameter(time.error());
    *place = WallTime(std::chrono::milliseconds(*time));
  }
  const Result<std::optional<std::size_t>> limit = parameters.limit("limit");
  if (!limit) return refuse_parameter(limit.error());
  query.limit = std::min(limit->value_or(kHistory), 10 * kHistory);
  const auto history = state::read_history(state_file, query);
  if (!history && history.error().code() != ErrorCode::kNotFound) {
    return refuse(503, "unavailable", history.error().message());
  }
  JsonWriter json = begin_answer();
  json.begin_array();
  for (const rules::Transition& one : history ? *history : std::vector<rules::Transition>()) {
    json.begin_object().member("at", format_rfc3339(one.at)).key("labels");
    write_labels(json, one.labels);
    json.member("from", to_string(one.from)).member("to", to_string(one.to));
    json.member("value", text_of(one.value)).member("reason", one.reason).end_object();
  }
  json.end_array();
  return end_answer(json);
}

Response serve_no_such_api(const http::Request& request) {
  return refuse(404, "not_found", "no such path: " + request.path);
}

}  // namespace keelwatch::app
