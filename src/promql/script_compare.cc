#include "promql/script_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/diagnostics.h"
#include "promql/matcher.h"
#include "promql/printer.h"

namespace keelwatch::promql {
namespace {

Error different(std::string what) { return Error(ErrorCode::kMalformed, std::move(what)); }

std::string all_of(const Answer& answer) {
  std::string out;
  for (const VectorSample& sample : answer.vector) {
    out += fmt::format("\n    got {} {}", sample.labels->text(), format_number(sample.value));
  }
  for (const MatrixSeries& series : answer.matrix) {
    out += fmt::format("\n    got {}", series.labels->text());
    for (const Sample& sample : series.samples) {
      out += fmt::format(" {}@{}", format_number(sample.value), sample.timestamp_ms);
    }
  }
  return out;
}

Result<void> compare_vector(const ScriptCommand& command, const Answer& answer) {
  for (std::size_t i = 0; i < command.series.size(); ++i) {
    const ScriptSeries& wanted = command.series[i];
    const auto found =
        std::find_if(answer.vector.begin(), answer.vector.end(),
                     [&](const VectorSample& sample) { return *sample.labels == wanted.labels; });
    if (found == answer.vector.end()) {
      return different(fmt::format("no {} in the answer{}", wanted.labels.text(), all_of(answer)));
    }
    const double value = wanted.points.empty() ? 0 : wanted.points.front().value;
    if (!almost_equal(value, found->value)) {
      return different(fmt::format("{}: {} instead of {}", wanted.labels.text(),
                                   format_number(found->value), format_number(value)));
    }
    if (command.ordered && found - answer.vector.begin() != static_cast<std::ptrdiff_t>(i)) {
      return different(fmt::format("{} is number {} instead of {}", wanted.labels.text(),
                                   found - answer.vector.begin() + 1, i + 1));
    }
  }
  if (answer.vector.size() != command.series.size()) {
    return different(fmt::format("{} series instead of {}{}", answer.vector.size(),
                                 command.series.size(), all_of(answer)));
  }
  return {};
}

Result<void> compare_matrix(const ScriptCommand& command, const Answer& answer) {
  const std::int64_t start = command.range_vector ? command.series_start_ms : command.start_ms;
  std::size_t wanted_series = 0;
  for (const ScriptSeries& wanted : command.series) {
    std::vector<Sample> samples;
    for (std::size_t p = 0; p < wanted.points.size(); ++p) {
      if (wanted.points[p].kind == ScriptPoint::Kind::kGap) continue;
      const std::int64_t at = start + static_cast<std::int64_t>(p) * command.step_ms;
      samples.push_back({at, wanted.points[p].value});
    }
    if (samples.empty()) continue;
    ++wanted_series;
    const auto found =
        std::find_if(answer.matrix.begin(), answer.matrix.end(),
                     [&](const MatrixSeries& series) { return *series.labels == wanted.labels; });
    const bool same =
        found != answer.matrix.end() && found->samples.size() == samples.size() &&
        std::equal(samples.begin(), samples.end(), found->samples.begin(),
                   [](const Sample& a, const Sample& b) {
                     return a.timestamp_ms == b.timestamp_ms && almost_equal(a.value, b.value);
                   });
    if (!same) {
      return different(fmt::format("{} differs{}", wanted.labels.text(), all_of(answer)));
    }
  }
  if (answer.matrix.size() != wanted_series) {
    return different(fmt::format("{} series instead of {}{}", answer.matrix.size(), wanted_series,
                                 all_of(answer)));
  }
  return {};
}

bool fits(const Expectation& expectation, const std::string& text) {
  if (expectation.message.empty()) return true;
  if (!expectation.regex) return text == expectation.message;
  // Unanchored, as Go's MatchString.
  const Result<Regex> regex = Regex::compile("(?s:.*)(?:" + expectation.message + ")(?s:.*)");
  return regex && regex->matches(text);
}

Result<void> compare_kind(const ScriptCommand& command, Expectation::Kind some,
                          Expectation::Kind none, std::string_view word,
                          const std::vector<std::string>& got) {
  if (command.expects(none) && !got.empty()) {
    return different(fmt::format("unexpected {}: {}", word, got.front()));
  }
  if (!command.expects(some)) return {};
  if (got.empty()) return different(fmt::format("no {}", word));
  bool worded = false;
  for (const Expectation& wanted : command.expectations) {
    if (wanted.kind != some) continue;
    worded = worded || !wanted.message.empty();
    if (std::none_of(got.begin(), got.end(),
                     [&](const auto& text) { return fits(wanted, text); })) {
      return different(
          fmt::format("no {} {}, but: {}", word, in_quotes(wanted.message), got.front()));
    }
  }
  for (const std::string& text : got) {
    const auto covers = [&](const Expectation& wanted) {
      return wanted.kind == some && fits(wanted, text);
    };
    if (worded && std::none_of(command.expectations.begin(), command.expectations.end(), covers)) {
      return different(fmt::format("unexpected {}: {}", word, text));
    }
  }
  return {};
}

}  // namespace

bool ScriptCommand::expects(Expectation::Kind wanted) const {
  return std::any_of(expectations.begin(), expectations.end(),
                     [&](const Expectation& e) { return e.kind == wanted; });
}

// util/almost/almost.go
bool almost_equal(double a, double b) {
  constexpr double kEpsilon = 1e-6;
  constexpr double kTiny = std::numeric_limits<double>::min();
  if (is_stale(a) || is_stale(b)) return is_stale(a) && is_stale(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double sum = std::abs(a) + std::abs(b);
  const double difference = std::abs(a - b);
  if (a == 0 || b == 0 || sum < kTiny) return difference < kEpsilon * kTiny;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kEpsilon;
}

Result<void> compare_answer(const ScriptCommand& command, const Answer& answer) {
  if (answer.type == ValueType::kString) {
    if (command.text && *command.text == answer.text) return {};
    return different("got the string " + in_quotes(answer.text));
  }
  if (command.text) return different("a string is expected");
  if (answer.type == ValueType::kScalar) {
    if (command.scalar && almost_equal(*command.scalar, answer.scalar)) return {};
    const std::string expected = command.scalar ? format_number(*command.scalar) : "no scalar";
    return different(
        fmt::format("expected {}, got the scalar {}", expected, format_number(answer.scalar)));
  }
  if (answer.type == ValueType::kMatrix) return compare_matrix(command, answer);
  if (command.scalar) return different("a scalar is expected");
  return compare_vector(command, answer);
}

Result<void> compare_annotations(const ScriptCommand& command, const Annotations& annotations) {
  Result<void> same = compare_kind(command, Expectation::Kind::kWarn, Expectation::Kind::kNoWarn,
                                   "warning", annotations.warnings);
  if (!same) return same;
  return compare_kind(command, Expectation::Kind::kInfo, Expectation::Kind::kNoInfo, "info",
                      annotations.infos);
}

bool same_answer(const Result<Answer>& a, const Result<Answer>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a) return a.error().message() == b.error().message();
  const auto equal = [](double x, double y) {
    return x == y || (std::isnan(x) && std::isnan(y) && is_stale(x) == is_stale(y));
  };
  const auto equal_samples = [&](const Sample& x, const Sample& y) {
    return x.timestamp_ms == y.timestamp_ms && equal(x.value, y.value);
  };
  return a->type == b->type && equal(a->scalar, b->scalar) && a->text == b->text &&
         std::equal(a->vector.begin(), a->vector.end(), b->vector.begin(), b->vector.end(),
                    [&](const VectorSample& x, const VectorSample& y) {
                      return *x.labels == *y.labels && x.timestamp_ms == y.timestamp_ms &&
                             equal(x.value, y.value);
                    }) &&
         std::equal(a->matrix.begin(), a->matrix.end(), b->matrix.begin(), b->matrix.end(),
                    [&](const MatrixSeries& x, const MatrixSeries& y) {
                      return *x.labels == *y.labels &&
                             std::equal(x.samples.begin(), x.samples.end(), y.samples.begin(),
                                        y.samples.end(), equal_samples);
                    }) &&
         a->annotations.warnings == b->annotations.warnings &&
         a->annotations.infos == b->annotations.infos;
}

Result<void> compare_failure(const ScriptCommand& command, const Result<Answer>& answer) {
  if (answer) return different("did not fail" + all_of(*answer));
  if (answer.error().code() == ErrorCode::kUnsupported) return answer.error();
  for (const Expectation& wanted : command.expectations) {
    if (wanted.kind == Expectation::Kind::kFail && !fits(wanted, answer.error().message())) {
      return different("failed with: " + answer.error().message());
    }
  }
  return {};
}

}  // namespace keelwatch::promql
