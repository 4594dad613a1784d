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

}  // namespace keelwatch::app
