// One recording rule: its result under another name. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "promql/engine.h"
#include "rules/alerting_rule.h"
#include "rules/evaluation.h"
#include "rules/rule_file.h"

namespace keelwatch::rules {

class RecordingRule {
 public:
  // The rule compiles: it comes from parse_rule_file().
  RecordingRule(const Rule& rule, std::size_t limit, const Settings& settings);

  // Appends the series to `samples`. Errors: those of the expression; kInvalid, two results with
  // the same labels, or more than the limit.
  [[nodiscard]] Result<void> evaluate(const Evaluation& evaluation, Duration query_offset,
                                      std::vector<OutputSample>& samples);
  // The selected series that are silent: nothing is known then of a result that vanished with
  // them, it has not ended.
  [[nodiscard]] std::vector<promql::UnknownSeries> silent_series(const Evaluation& evaluation,
                                                                 Duration query_offset);

  [[nodiscard]] const Rule& rule() const { return rule_; }
  [[nodiscard]] Health health() const { return health_; }
  [[nodiscard]] const EvaluationLog& log() const { return log_; }

 private:
  [[nodiscard]] Result<void> run(const Evaluation& evaluation, std::int64_t at_ms,
                                 std::vector<OutputSample>& samples, EvaluationRecord& record);

  Rule rule_;
  std::size_t limit_;
  promql::Query query_;
  Health health_ = Health::kUnknown;
  EvaluationLog log_;
};

}  // namespace keelwatch::rules
