#include "promql/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "promql/engine.h"
#include "promql/matcher.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "promql/script_compare.h"
#include "promql/script_variants.h"
#include "store/store.h"

namespace keelwatch::promql {
namespace {

constexpr std::int64_t kMinute = 60 * 1000;
constexpr std::string_view kMetadata[] = {"__type__", "__unit__"};

// Reasons why a query's answer cannot be told: series that it selects and that this program does
// not have as the script means them.
struct Foreign {
  LabelsPtr labels;
  std::string reason;
  bool loaded;  // its samples are there, only their labels mean something else
};

class Runner {
 public:
  explicit Runner(std::string file) { report_.file = std::move(file); }

  ScriptReport run(const std::vector<ScriptCommand>& commands) {
    clear();
    for (const ScriptCommand& command : commands) {
      switch (command.kind) {
        case ScriptCommand::Kind::kClear:
          clear();
          break;
        case ScriptCommand::Kind::kLoad:
          load(command);
          break;
        default:
          report_.cases.push_back(judge(command));
      }
    }
    return std::move(report_);
  }

 private:
  void clear() {
    store_ =
        std::make_unique<store::Store>(store::StoreOptions{.retention = Duration::max(),
                                                           .memory_budget = std::size_t{1} << 30,
                                                           .max_series = 100'000});
    foreign_.clear();
  }

  void load(const ScriptCommand& command) {
    for (auto it = command.series.begin(); it != command.series.end(); ++it) {
      const ScriptSeries& series = *it;
      // Of a series that is given twice in one load the last one counts.
      const auto again = [&](const ScriptSeries& other) { return other.labels == series.labels; };
      if (std::any_of(it + 1, command.series.end(), again)) continue;
      const auto labels = std::make_shared<const Labels>(series.labels);
      const bool histogram = std::any_of(
          series.points.begin(), series.points.end(),
          [](const ScriptPoint& point) { return point.kind == ScriptPoint::Kind::kHistogram; });
      if (histogram) foreign_.push_back({labels, "native histograms", false});
      if (command.custom_buckets) custom_buckets(series.labels);
      if (labels->has(kMetadata[0]) || labels->has(kMetadata[1])) {
        foreign_.push_back({labels, "type and unit labels", true});
      }
      const Result<store::SeriesId> id = store_->series(series.labels);
      if (!id) continue;
      std::int64_t at = 0;
      for (const ScriptPoint& point : series.points) {
        if (point.kind == ScriptPoint::Kind::kValue) store_->append(*id, at, point.value);
        at += command.step_ms;
      }
    }
    store_->end_step(0);
  }

  // load_with_nhcb also makes a native histogram of each classic one.
  void custom_buckets(const Labels& bucket) {
    std::string_view name = bucket.get(kMetricName);
    for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
      if (!name.ends_with(suffix)) continue;
      name.remove_suffix(suffix.size());
      foreign_.push_back(
          {std::make_shared<const Labels>(bucket.without("le").with(kMetricName, name)),
           "native histograms", false});
      return;
    }
  }

  [[nodiscard]] const Foreign* selected_foreign(const Expr& expr) const {
    if (const auto* selector = expr.as<VectorSelector>()) {
      for (const Foreign& foreign : foreign_) {
        if (selects(*selector, *foreign.labels)) return &foreign;
      }
    }
    const Foreign* found = nullptr;
    for_each_child(expr, [&](const Expr& child) {
      if (found == nullptr || found->loaded) {
        if (const Foreign* inner = selected_foreign(child)) found = inner;
      }
    });
    return found;
  }

  static bool selects(const VectorSelector& selector, const Labels& labels) {
    for (const LabelMatcher& matcher : selector.matchers) {
      const Result<store::Matcher> compiled = compile_matcher(matcher);
      if (!compiled || !matches(*compiled, labels.get(matcher.name))) return false;
    }
    return true;
  }

  CaseResult judge(const ScriptCommand& command) {
    CaseResult result{command.line, command.column, command.query, CaseOutcome::kPassed, ""};
    const auto unsupported = [&](std::string reason) {
      result.outcome = CaseOutcome::kUnsupported;
      result.reason = std::move(reason);
      return result;
    };
    const Parsed parsed = parse_expression(command.query);
    const Foreign* foreign = parsed.expr ? selected_foreign(*parsed.expr) : nullptr;
    if (foreign != nullptr && !foreign->loaded) {
      return unsupported(fmt::format("{} ({})", foreign->reason, foreign->labels->text()));
    }
    for (const ScriptSeries& series : command.series) {
      for (const ScriptPoint& point : series.points) {
        if (point.kind == ScriptPoint::Kind::kHistogram) {
          return unsupported("native histograms (expected)");
        }
      }
    }
    const Result<void> passed = evaluate(command, parsed);
    if (passed) return result;
    if (passed.error().code() == ErrorCode::kUnsupported) {
      return unsupported(passed.error().message());
    }
    if (foreign != nullptr && only_metadata_differs(command)) {
      return unsupported(fmt::format("{} ({})", foreign->reason, foreign->labels->text()));
    }
    result.outcome = CaseOutcome::kFailed;
    result.reason = passed.error().message();
    return result;
  }

  // Whether the answer would be right without the labels that Prometheus' feature drops together
  // with the name, or the query is about them.
  [[nodiscard]] bool only_metadata_differs(const ScriptCommand& command) {
    for (const std::string_view label : kMetadata) {
      if (command.query.find(label) != std::string::npos) return true;
    }
    Result<Answer> answer = ask(command.query, command);
    if (!answer || command.expects(Expectation::Kind::kFail)) return false;
    const auto strip = [](const LabelsPtr& labels) {
      return std::make_shared<const Labels>(labels->without(kMetadata[0]).without(kMetadata[1]));
    };
    for (VectorSample& sample : answer->vector) sample.labels = strip(sample.labels);
    for (MatrixSeries& series : answer->matrix) series.labels = strip(series.labels);
    ScriptCommand stripped = command;
    for (ScriptSeries& series : stripped.series) {
      series.labels = series.labels.without(kMetadata[0]).without(kMetadata[1]);
    }
    return static_cast<bool>(compare_answer(stripped, *answer));
  }

  [[nodiscard]] Result<void> evaluate(const ScriptCommand& command, const Parsed& parsed) {
    Result<Answer> answer = ask(command.query, command);
    if (command.expects(Expectation::Kind::kFail)) return compare_failure(command, answer);
    if (!answer) return answer.error();
    if (Result<void> same = compare_answer(command, *answer); !same) return same;
    if (Result<void> same = compare_annotations(command, answer->annotations); !same) return same;
    if (command.kind == ScriptCommand::Kind::kRange || command.range_vector) return {};
    if (Result<void> same = evaluate_pinned(command); !same) return same;
    if (parsed.expr->type == ValueType::kString || command.ordered ||
        depends_on_query_range(*parsed.expr)) {
      return {};
    }
    return evaluate_in_range(command);
  }

  [[nodiscard]] Result<Answer> ask(const std::string& text, const ScriptCommand& command) {
    Result<Query> query = Query::compile(text, options());
    if (!query) return query.error();
    if (command.kind == ScriptCommand::Kind::kRange) {
      return query->range(*store_, command.start_ms, command.end_ms, command.step_ms);
    }
    Result<Answer> first = query->instant(*store_, command.start_ms);
    // What the second evaluation remembers of the first must not change the answer.
    Result<Answer> second = query->instant(*store_, command.start_ms);
    if (!same_answer(first, second)) {
      return Error(ErrorCode::kMalformed, "a second evaluation gives another answer");
    }
    return second;
  }

  [[nodiscard]] Result<void> evaluate_pinned(const ScriptCommand& command) {
    for (const Variant& variant : pinned_variants(command.query, command.start_ms)) {
      ScriptCommand other = command;
      other.start_ms = variant.at_ms;
      Result<Answer> answer = ask(variant.query, other);
      Result<void> same = answer ? compare_answer(command, *answer) : Result<void>(answer.error());
      if (!same) {
        return std::move(same).context(fmt::format("{} at {} ms", variant.query, variant.at_ms));
      }
    }
    return {};
  }

  // The middle of three steps.
  [[nodiscard]] Result<void> evaluate_in_range(const ScriptCommand& command) {
    ScriptCommand range = command;
    range.kind = ScriptCommand::Kind::kRange;
    range.start_ms = command.start_ms - kMinute;
    range.end_ms = command.start_ms + kMinute;
    range.step_ms = kMinute;
    Result<Answer> answer = ask(command.query, range);
    if (!answer) return answer.error().context("as a range query");
    Answer middle;
    middle.type = command.scalar ? ValueType::kScalar : ValueType::kVector;
    for (const MatrixSeries& series : answer->matrix) {
      for (const Sample& sample : series.samples) {
        if (sample.timestamp_ms != command.start_ms) continue;
        middle.vector.push_back({series.labels, sample.timestamp_ms, sample.value});
        middle.scalar = sample.value;
      }
    }
    return compare_answer(command, middle).context("as a range query");
  }

  static Options options() {
    Options options;
    options.delayed_name_removal = true;
    options.subquery_step_ms = kMinute;
    return options;
  }

  ScriptReport report_;
  std::unique_ptr<store::Store> store_;
  std::vector<Foreign> foreign_;
};

}  // namespace

std::string_view to_string(CaseOutcome outcome) {
  if (outcome == CaseOutcome::kFailed) return "failed";
  return outcome == CaseOutcome::kPassed ? "passed" : "unsupported";
}

std::size_t ScriptReport::count(CaseOutcome outcome) const {
  return static_cast<std::size_t>(std::count_if(
      cases.begin(), cases.end(), [&](const CaseResult& c) { return c.outcome == outcome; }));
}

std::string ScriptReport::text() const {
  std::string out;
  for (const CaseResult& c : cases) {
    if (c.outcome == CaseOutcome::kPassed) continue;
    std::string reason =
        c.reason;  // a diagnostic's source line says nothing that the query does not
    if (c.outcome == CaseOutcome::kUnsupported) reason = reason.substr(0, reason.find('\n'));
    out += fmt::format("{}:{}:{}: {}: {}: {}\n", file, c.line, c.column, to_string(c.outcome),
                       c.query, reason);
  }
  out +=
      fmt::format("{}: {} passed, {} failed, {} unsupported\n", file, count(CaseOutcome::kPassed),
                  count(CaseOutcome::kFailed), count(CaseOutcome::kUnsupported));
  return out;
}

Result<ScriptReport> run_script(const SourceFile& script) {
  Diagnostics problems(script);
  const std::vector<ScriptCommand> commands = parse_script(problems);
  if (problems.has_errors()) return Error(ErrorCode::kInvalid, problems.text());
  return Runner(script.name()).run(commands);
}

}  // namespace keelwatch::promql
