#include "app/api.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/api_answer.h"
#include "base/time_text.h"
#include "config/limits.h"
#include "promql/engine.h"

namespace keelwatch::app {
namespace {

using http::Response;

void write_result(JsonWriter& json, const promql::Answer& answer, std::int64_t at_ms) {
  json.key("result").begin_array();
  switch (answer.type) {
    case promql::ValueType::kScalar:
      json.raw(text_of(static_cast<double>(at_ms) / 1000)).value(text_of(answer.scalar));
      break;
    case promql::ValueType::kString:
      json.raw(text_of(static_cast<double>(at_ms) / 1000)).value(answer.text);
      break;
    case promql::ValueType::kVector:
      for (const promql::VectorSample& one : answer.vector) {
        json.begin_object().key("metric");
        write_labels(json, *one.labels);
        json.key("value");
        write_point(json, one.timestamp_ms, one.value);
        json.end_object();
      }
      break;
    case promql::ValueType::kMatrix:
      for (const promql::MatrixSeries& one : answer.matrix) {
        json.begin_object().key("metric");
        write_labels(json, *one.labels);
        json.key("values").begin_array();
        for (const Sample& sample : one.samples) {
          write_point(json, sample.timestamp_ms, sample.value);
        }
        json.end_array().end_object();
      }
      break;
  }
  json.end_array();
}

std::string_view word(promql::ValueType type) {
  switch (type) {
    case promql::ValueType::kScalar:
      return "scalar";
    case promql::ValueType::kString:
      return "string";
    case promql::ValueType::kVector:
      return "vector";
    case promql::ValueType::kMatrix:
      return "matrix";
  }
  return "vector";
}

Response answered(const Result<promql::Answer>& answer, std::int64_t at_ms) {
  if (!answer) return refuse(answer.error());
  JsonWriter json;
  json.begin_object().member("status", "success").key("data").begin_object();
  json.member("resultType", word(answer->type));
  write_result(json, *answer, at_ms);
  json.end_object();
  write_list(json, "warnings", answer->annotations.warnings);
  write_list(json, "infos", answer->annotations.infos);
  json.end_object();
  return json_response(200, json.take());
}

Result<promql::Context> context_of(const Parameters& parameters, const Clock& clock,
                                   const std::stop_token& stop) {
  const Result<Duration> timeout = parameters.duration("timeout", kQueryTimeout);
  if (!timeout) return timeout.error();
  return promql::Context{.stop = stop,
                         .clock = &clock,
                         .deadline = clock.steady() + std::min(*timeout, kQueryTimeout)};
}

void write_alert(JsonWriter& json, const rules::Alert& alert) {
  json.begin_object().key("labels");
  write_labels(json, alert.labels);
  json.key("annotations").begin_object();
  for (const auto& [name, text] : alert.annotations) json.member(name, text);
  json.end_object().member("state", to_string(alert.state));
  json.member("activeAt", format_rfc3339(alert.active_at.wall));
  if (alert.keep_firing_since) {
    json.member("keepFiringSince", format_rfc3339(alert.keep_firing_since->wall));
  }
  json.member("value", text_of(alert.value)).end_object();
}

void write_rule(JsonWriter& json, const RuleView& rule) {
  json.begin_object().member("type", "alerting").member("name", rule.name);
  json.member("query", rule.expr).member("state", to_string(rule.state));
  json.member("health", to_string(rule.health));
  if (!rule.last_error.empty()) json.member("lastError", rule.last_error);
  json.key("alerts").begin_array();
  for (const rules::Alert& alert : rule.alerts) write_alert(json, alert);
  json.end_array().end_object();
}

}  // namespace

Response serve_query(const store::Queryable& store, const Clock& clock,
                     const http::Request& request, const std::stop_token& stop) {
  const Parameters parameters(request);
  const Result<std::int64_t> at = parameters.time("time", clock.wall());
  if (!at) return refuse_parameter(at.error());
  const Result<promql::Context> context = context_of(parameters, clock, stop);
  if (!context) return refuse_parameter(context.error());
  Result<promql::Query> query =
      promql::Query::compile(parameters.get("query"), {.max_samples = limits::kQuerySamples});
  if (!query) return refuse_parameter(query.error());
  return answered(query->instant(store, *at, *context), *at);
}

Response serve_query_range(const store::Queryable& store, const Clock& clock,
                           const http::Request& request, const std::stop_token& stop) {
  const Parameters parameters(request);
  const Result<std::int64_t> start = parameters.time("start", std::nullopt);
  if (!start) return refuse_parameter(start.error());
  const Result<std::int64_t> end = parameters.time("end", std::nullopt);
  if (!end) return refuse_parameter(end.error());
  if (*end < *start) return refuse_parameter(bad_parameter("end", "end is before start"));
  const Result<Duration> step = parameters.duration("step", std::nullopt);
  if (!step) return refuse_parameter(step.error());
  const auto step_ms = std::chrono::duration_cast<std::chrono::milliseconds>(*step).count();
  if (step_ms < 1) return refuse_parameter(bad_parameter("step", "below a millisecond"));
  const Result<promql::Context> context = context_of(parameters, clock, stop);
  if (!context) return refuse_parameter(context.error());
  Result<promql::Query> query =
      promql::Query::compile(parameters.get("query"), {.max_samples = limits::kQuerySamples});
  if (!query) return refuse_parameter(query.error());
  return answered(query->range(store, *start, *end, step_ms, *context), *end);
}

Response serve_alerts(const AlertsView* view) {
  if (view == nullptr) return not_evaluated_yet();
  JsonWriter json;
  json.begin_object().member("status", "success").key("data").begin_object();
  json.key("alerts").begin_array();
  for (const RuleView& rule : view->rules) {
    for (const rules::Alert& alert : rule.alerts) write_alert(json, alert);
  }
  json.end_array().end_object().end_object();
  return json_response(200, json.take());
}

Response serve_rules(const AlertsView* view) {
  if (view == nullptr) return not_evaluated_yet();
  JsonWriter json;
  json.begin_object().member("status", "success").key("data").begin_object();
  json.key("groups").begin_array();
  const RuleView* before = nullptr;
  for (const RuleView& rule : view->rules) {
    const bool same = before != nullptr && before->group == rule.group && before->file == rule.file;
    if (!same) {
      if (before != nullptr) json.end_array().end_object();
      json.begin_object().member("name", rule.group).member("file", rule.file);
      json.key("rules").begin_array();
    }
    write_rule(json, rule);
    before = &rule;
  }
  if (before != nullptr) json.end_array().end_object();
  json.end_array().end_object().end_object();
  return json_response(200, json.take());
}

}  // namespace keelwatch::app
