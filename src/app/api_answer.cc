#include "app/api_answer.h"

#include <algorithm>

#include "metrics/text.h"

namespace keelwatch::app {

http::Response json_response(int status, std::string text) {
  http::Response response = http::Response::text(status, std::move(text));
  response.content_type = "application/json";
  return response;
}

http::Response refuse(int status, std::string_view type, std::string_view message) {
  JsonWriter json;
  json.begin_object().member("status", "error").member("errorType", type);
  json.member("error", message).end_object();
  return json_response(status, json.take());
}

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

std::string text_of(double value) {
  std::string text;
  metrics::append_number(text, value);
  return text;
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
