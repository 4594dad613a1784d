#include "app/api_answer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/time_text.h"
#include "metrics/text.h"

namespace keelwatch::app {
namespace {

// What WallTime and Duration can hold, and some less: the years 1700 to 2200.
constexpr double kMaxSeconds = 8.6e9;

}  // namespace

using http::Response;

Response json_response(int status, std::string text) {
  Response response = Response::text(status, std::move(text));
  response.content_type = "application/json";
  return response;
}

Response refuse(int status, std::string_view type, std::string_view message) {
  JsonWriter json;
  json.begin_object().member("status", "error").member("errorType", type);
  json.member("error", message).end_object();
  return json_response(status, json.take());
}

Response refuse_parameter(const Error& error) { return refuse(400, "bad_data", error.message()); }

Response refuse(const Error& error) {
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

Response not_evaluated_yet() { return refuse(503, "unavailable", "no evaluation has ended yet"); }

Parameters::Parameters(const http::Request& request) : values_(request.query) {
  if (request.body.empty()) return;
  const auto form = http::parse_form(request.body);
  if (form) values_.insert(values_.end(), form->begin(), form->end());
}

std::string_view Parameters::get(std::string_view name) const {
  const auto found = std::find_if(values_.begin(), values_.end(),
                                  [&](const auto& one) { return one.first == name; });
  return found == values_.end() ? std::string_view() : found->second;
}

std::vector<std::string_view> Parameters::all(std::string_view name) const {
  std::vector<std::string_view> found;
  for (const auto& [key, value] : values_) {
    if (key == name) found.push_back(value);
  }
  return found;
}

Result<std::int64_t> Parameters::time(std::string_view name,
                                      std::optional<WallTime> otherwise) const {
  const std::string_view text = get(name);
  if (text.empty() && otherwise) return to_unix_millis(*otherwise);
  if (text.empty()) return bad_parameter(name, "missing");
  const Result<double> seconds = parse_unix_time(text);
  if (!seconds) return bad_parameter(name, seconds.error().message());
  if (std::abs(*seconds) > kMaxSeconds) return bad_parameter(name, "out of range");
  return static_cast<std::int64_t>(std::llround(*seconds * 1000));
}

Result<Duration> Parameters::duration(std::string_view name,
                                      std::optional<Duration> otherwise) const {
  const std::string_view text = get(name);
  if (text.empty() && otherwise) return *otherwise;
  const Result<double> seconds = parse_seconds(text);
  if (!seconds) return bad_parameter(name, seconds.error().message());
  if (*seconds <= 0 || *seconds > kMaxSeconds) return bad_parameter(name, "out of range");
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

Result<std::optional<std::size_t>> Parameters::limit(std::string_view name) const {
  const std::string_view text = get(name);
  if (text.empty()) return std::optional<std::size_t>();
  std::size_t limit = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, limit);
  if (error != std::errc() || stop != end) return bad_parameter(name, "not a count");
  return limit == 0 ? std::nullopt : std::optional(limit);
}

std::string text_of(double value) {
  std::string text;
  metrics::append_number(text, value);
  return text;
}

// [seconds, "value"]
void write_point(JsonWriter& json, std::int64_t at_ms, double value) {
  json.begin_array().raw(text_of(static_cast<double>(at_ms) / 1000)).value(text_of(value));
  json.end_array();
}

void write_labels(JsonWriter& json, const Labels& labels) {
  json.begin_object();
  for (const LabelView label : labels) json.member(label.name, label.value);
  json.end_object();
}

void write_list(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  json.key(name).begin_array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
}

}  // namespace keelwatch::app
