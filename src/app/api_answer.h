// What all answers of Prometheus' HTTP API share: the envelope, parameters, and how labels and
// numbers are written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/labels.h"
#include "base/result.h"
#include "http/message.h"

namespace keelwatch::app {

[[nodiscard]] http::Response json_response(int status, std::string text);
// {"status":"error","errorType":…,"error":…}
[[nodiscard]] http::Response refuse(int status, std::string_view type, std::string_view message);
[[nodiscard]] http::Response refuse_parameter(const Error& error);  // 400 bad_data
[[nodiscard]] http::Response refuse(const Error& error);            // of an evaluation
[[nodiscard]] http::Response not_evaluated_yet();                   // 503

// Of the query string and an urlencoded body.
class Parameters {
 public:
  explicit Parameters(const http::Request& request);
  [[nodiscard]] std::string_view get(std::string_view name) const;  // the first; empty: none
  [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;

  // Unix milliseconds. Errors: kInvalid, also for a missing one without `otherwise`.
  [[nodiscard]] Result<std::int64_t> time(std::string_view name,
                                          std::optional<WallTime> otherwise) const;
  [[nodiscard]] Result<Duration> duration(std::string_view name,
                                          std::optional<Duration> otherwise) const;
  // A count; nullopt: it is not given, or 0, and so there is no limit.
  [[nodiscard]] Result<std::optional<std::size_t>> limit(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

// kInvalid: `invalid parameter "name": why`.
[[nodiscard]] Error bad_parameter(std::string_view name, std::string_view why);

[[nodiscard]] std::string text_of(double value);
// [seconds, "value"]
void write_point(JsonWriter& json, std::int64_t at_ms, double value);
void write_labels(JsonWriter& json, const Labels& labels);
// Nothing where there are none.
void write_list(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts);

}  // namespace keelwatch::app
