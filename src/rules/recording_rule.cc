#include "rules/recording_rule.h"

#include <fmt/format.h>

#include <unordered_set>

namespace keelwatch::rules {

RecordingRule::RecordingRule(const Rule& rule, std::size_t limit, const Settings& settings)
    : rule_(rule), limit_(limit), query_(*promql::Query::compile(rule.expr, settings.promql)) {}

Result<void> RecordingRule::evaluate(const Evaluation& evaluation, Duration query_offset,
                                     std::vector<OutputSample>& samples) {
  EvaluationRecord record{.at = evaluation.now.wall};
  const SteadyTime begin = evaluation.clock != nullptr ? evaluation.clock->steady() : SteadyTime{};
  Result<void> result =
      run(evaluation, to_unix_millis(evaluation.now.wall - query_offset), samples, record);
  if (!result) {
    record.error = result.error().message();
    samples.clear();
  }
  health_ = result ? Health::kOk : Health::kError;
  if (evaluation.clock != nullptr) record.duration = evaluation.clock->steady() - begin;
  log_.add(std::move(record));
  return result;
}

Result<void> RecordingRule::run(const Evaluation& evaluation, std::int64_t at_ms,
                                std::vector<OutputSample>& samples, EvaluationRecord& record) {
  Result<promql::Answer> answer = ask(query_, evaluation, at_ms, record);
  if (!answer) return answer.error();
  std::unordered_set<Labels, LabelsHash> seen;
  for (const promql::VectorSample& sample : answer->vector) {
    std::vector<LabelView> labels(sample.labels->begin(), sample.labels->end());
    for (const TemplatedText& label : rule_.labels)
      labels.push_back({label.name, label.text.text()});
    labels.push_back({kMetricName, rule_.name});
    samples.push_back({Labels(std::move(labels)), sample.value});
    if (!seen.insert(samples.back().labels).second) {
      return Error(ErrorCode::kInvalid,
                   "vector contains metrics with the same labelset after applying rule labels");
    }
  }
  if (limit_ > 0 && samples.size() > limit_) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("exceeded limit of {} with {} series", limit_, samples.size()));
  }
  return {};
}

std::vector<promql::UnknownSeries> RecordingRule::silent_series(const Evaluation& evaluation,
                                                                Duration query_offset) {
  if (evaluation.settings.semantics == Semantics::kPrometheus) return {};
  auto silent =
      query_.unknown_series(evaluation.store, to_unix_millis(evaluation.now.wall - query_offset));
  return silent ? *std::move(silent) : std::vector<promql::UnknownSeries>();
}

}  // namespace keelwatch::rules
