#include "app/api.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "app/api_answer.h"
#include "base/json.h"
#include "base/time_text.h"
#include "config/limits.h"
#include "promql/engine.h"

namespace keelwatch::app {
namespace {

using http::Response;

Response refuse_parameter(const Error& error) { return refuse(400, "bad_data", error.message()); }

// Of an evaluation.
Response refuse_evaluation(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kTimeout:
      return refuse(503, "timeout", error.message());
    case ErrorCode::kCancelled:
      return refuse(503, "canceled", error.message());
    default:
      return refuse(422, "execution", error.message());
  }
}

Error bad_parameter(std::string_view name, std::string_view why) {
  return Error(ErrorCode::kInvalid,
               "invalid parameter \"" + std::string(name) + "\": " + std::string(why));
}

// What WallTime and Duration can hold, and some less: the years 1700 to 2200.
constexpr double kMaxSeconds = 8.6e9;

// Unix milliseconds.
Result<std::int64_t> time_parameter(const Parameters& parameters, std::string_view name,
                                    std::optional<WallTime> otherwise) {
  const std::string_view text = parameters.get(name);
  if (text.empty() && otherwise) return to_unix_millis(*otherwise);
  if (text.empty()) return bad_parameter(name, "missing");
  const Result<double> seconds = parse_unix_time(text);
  if (!seconds) return bad_parameter(name, seconds.error().message());
  if (std::abs(*seconds) > kMaxSeconds) return bad_parameter(name, "out of range");
  return static_cast<std::int64_t>(std::llround(*seconds * 1000));
}

Result<Duration> duration_parameter(const Parameters& parameters, std::string_view name,
                                    std::optional<Duration> otherwise) {
  const std::string_view text = parameters.get(name);
  if (text.empty() && otherwise) return *otherwise;
  const Result<double> seconds = parse_seconds(text);
  if (!seconds) return bad_parameter(name, seconds.error().message());
  if (*seconds <= 0 || *seconds > kMaxSeconds) return bad_parameter(name, "out of range");
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

// [seconds, "value"]
void write_point(JsonWriter& json, std::int64_t at_ms, double value) {
  json.begin_array().raw(text_of(static_cast<double>(at_ms) / 1000)).value(text_of(value));
  json.end_array();
}

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
  if (!answer) return refuse_evaluation(answer.error());
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
  const Result<Duration> timeout = duration_parameter(parameters, "timeout", kQueryTimeout);
  if (!timeout) return timeout.error();
  return promql::Context{.stop = stop,
                         .clock = &clock,
                         .deadline = clock.steady() + std::min(*timeout, kQueryTimeout)};
}

}  // namespace

Response serve_query(const store::Queryable& store, const Clock& clock,
                     const http::Request& request, const std::stop_token& stop) {
  const Parameters parameters(request);
  const Result<std::int64_t> at = time_parameter(parameters, "time", clock.wall());
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
  const Result<std::int64_t> start = time_parameter(parameters, "start", std::nullopt);
  if (!start) return refuse_parameter(start.error());
  const Result<std::int64_t> end = time_parameter(parameters, "end", std::nullopt);
  if (!end) return refuse_parameter(end.error());
  if (*end < *start) return refuse_parameter(bad_parameter("end", "end is before start"));
  const Result<Duration> step = duration_parameter(parameters, "step", std::nullopt);
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
