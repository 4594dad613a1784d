// The envelope of Prometheus' HTTP API, its parameters, and what all of its answers are made of.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/labels.h"
#include "http/message.h"

namespace keelwatch::app {

[[nodiscard]] http::Response json_response(int status, std::string text);
[[nodiscard]] http::Response refuse(int status, std::string_view type, std::string_view message);

// Of the query string and an urlencoded body.
class Parameters {
 public:
  explicit Parameters(const http::Request& request);
  [[nodiscard]] std::string_view get(std::string_view name) const;  // the first; "" without one
  [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

[[nodiscard]] std::string text_of(double value);
void write_labels(JsonWriter& json, const Labels& labels);
// Nothing where there are none.
void write_list(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts);

}  // namespace keelwatch::app
