#include "app/api_series.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/api_answer.h"
#include "base/clock.h"
#include "promql/matcher.h"
#include "promql/parser.h"

namespace keelwatch::app {
namespace {

using http::Response;
using store::SeriesRef;

constexpr std::string_view kMatch = "match[]";

bool is_label_name(std::string_view name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  return std::ranges::all_of(name, [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

// A selector without range, offset and @.
Result<std::vector<store::Matcher>> parse_selector(std::string_view text) {
  const Result<promql::ExprPtr> expr = promql::parse(text);
  if (!expr) return bad_parameter(kMatch, expr.error().message());
  const auto* selector = (*expr)->as<promql::VectorSelector>();
  if (selector == nullptr || selector->modifiers.offset != nullptr ||
      selector->modifiers.anchor != promql::Anchor::kNone) {
    return bad_parameter(kMatch, "not a series selector: " + std::string(text));
  }
  std::vector<store::Matcher> matchers;
  for (const promql::LabelMatcher& one : selector->matchers) {
    Result<store::Matcher> matcher = promql::compile_matcher(one);
    if (!matcher) return bad_parameter(kMatch, matcher.error().message());
    matchers.push_back(*std::move(matcher));
  }
  return matchers;
}

// What is asked for: series by selectors (all of them without any), of a time if one is given.
struct Question {
  std::vector<std::vector<store::Matcher>> selectors;
  std::optional<std::int64_t> start_ms;
  std::optional<std::int64_t> end_ms;
  std::optional<std::size_t> limit;

  [[nodiscard]] bool about_all() const { return selectors.empty() && !start_ms && !end_ms; }
};

Result<Question> read_question(const Parameters& parameters) {
  Question question;
  for (const std::string_view text : parameters.all(kMatch)) {
    Result<std::vector<store::Matcher>> selector = parse_selector(text);
    if (!selector) return selector.error();
    question.selectors.push_back(*std::move(selector));
  }
  for (auto [name, place] :
       {std::pair("start", &question.start_ms), std::pair("end", &question.end_ms)}) {
    if (parameters.get(name).empty()) continue;
    const Result<std::int64_t> time = parameters.time(name, std::nullopt);
    if (!time) return time.error();
    *place = *time;
  }
  const Result<std::optional<std::size_t>> limit = parameters.limit("limit");
  if (!limit) return limit.error();
  question.limit = *limit;
  return question;
}

// Each once, by labels.
std::vector<SeriesRef> find_series(const store::Store& store, const Question& question) {
  std::vector<SeriesRef> found;
  if (question.selectors.empty()) found = store.select({});
  for (const std::vector<store::Matcher>& selector : question.selectors) {
    std::vector<SeriesRef> more = store.select(selector);
    found.insert(found.end(), std::make_move_iterator(more.begin()),
                 std::make_move_iterator(more.end()));
  }
  if (question.selectors.size() > 1) {
    std::ranges::sort(found,
                      [](const SeriesRef& a, const SeriesRef& b) { return *a.labels < *b.labels; });
    const auto twice = std::ranges::unique(found, {}, &SeriesRef::id);
    found.erase(twice.begin(), twice.end());
  }
  if (!question.start_ms && !question.end_ms) return found;
  std::vector<Sample> newest;
  std::vector<std::uint8_t> has;
  constexpr auto kEver = std::numeric_limits<std::int64_t>::max();
  const std::int64_t start_ms = question.start_ms.value_or(0);
  store.read_last(found, start_ms - 1, question.end_ms.value_or(kEver), newest, has);
  std::vector<SeriesRef> within;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (has[i] != 0) within.push_back(std::move(found[i]));
  }
  return within;
}

// {"status":"success","data":[…]}, cut at the limit.
template <typename List, typename Write>
Response answer_list(const List& list, std::optional<std::size_t> limit, const Write& write) {
  JsonWriter json;
  json.begin_object().member("status", "success").key("data").begin_array();
  std::size_t written = 0;
  for (const auto& one : list) {
    if (limit && written == *limit) break;
    write(json, one);
    ++written;
  }
  json.end_array();
  if (written < list.size()) write_list(json, "warnings", {"results truncated due to limit"});
  json.end_object();
  return json_response(200, json.take());
}

template <typename List>
Response answer_texts(const List& texts, std::optional<std::size_t> limit) {
  return answer_list(texts, limit, [](JsonWriter& json, const auto& text) { json.value(text); });
}

}  // namespace

Response serve_series(const store::Store& store, const http::Request& request) {
  const Result<Question> question = read_question(Parameters(request));
  if (!question) return refuse_parameter(question.error());
  if (question->selectors.empty()) {
    return refuse(400, "bad_data", "no match[] parameter provided");
  }
  return answer_list(
      find_series(store, *question), question->limit,
      [](JsonWriter& json, const SeriesRef& series) { write_labels(json, *series.labels); });
}

Response serve_labels(const store::Store& store, const http::Request& request) {
  const Result<Question> question = read_question(Parameters(request));
  if (!question) return refuse_parameter(question.error());
  if (question->about_all()) return answer_texts(store.index()->label_names(), question->limit);
  std::set<std::string> names;
  for (const SeriesRef& series : find_series(store, *question)) {
    for (const LabelView label : *series.labels) names.emplace(label.name);
  }
  return answer_texts(names, question->limit);
}

Response serve_label_values(const store::Store& store, const http::Request& request) {
  constexpr std::string_view kEnd = "/values";
  std::string_view name = request.path;
  name.remove_prefix(kLabelPath.size());
  if (!name.ends_with(kEnd)) return refuse(404, "not_found", "no such path: " + request.path);
  name.remove_suffix(kEnd.size());
  if (!is_label_name(name)) {
    return refuse(400, "bad_data", "invalid label name: \"" + std::string(name) + "\"");
  }
  const Result<Question> question = read_question(Parameters(request));
  if (!question) return refuse_parameter(question.error());
  if (question->about_all()) {
    return answer_texts(store.index()->label_values(name), question->limit);
  }
  std::set<std::string> values;
  for (const SeriesRef& series : find_series(store, *question)) {
    const std::string_view value = series.labels->get(name);
    if (!value.empty()) values.emplace(value);
  }
  return answer_texts(values, question->limit);
}

}  // namespace keelwatch::app
