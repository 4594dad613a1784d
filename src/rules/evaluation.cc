#include "rules/evaluation.h"

#include <memory>

namespace keelwatch::rules {

Result<void> StoreOutput::append(const Labels& labels, std::int64_t at_ms, double value) {
  Result<store::SeriesId> id = store_.series(labels);
  if (!id) return id.error();
  // A refused sample (the clock stepped back) is the store's business, which counts it.
  if (store_.append(*id, at_ms, value) != store::AppendOutcome::kGone) return {};
  return Error(ErrorCode::kTooLarge, "the series has been forgotten");
}

void EvaluationLog::add(EvaluationRecord record) {
  if (records_.size() == kKept) records_.erase(records_.begin());
  records_.push_back(std::move(record));
  shared_.reset();
}

std::shared_ptr<const std::vector<EvaluationRecord>> EvaluationLog::shared() const {
  if (!shared_) shared_ = std::make_shared<const std::vector<EvaluationRecord>>(records_);
  return shared_;
}

Result<promql::Answer> ask(promql::Query& query, const Evaluation& evaluation, std::int64_t at_ms,
                           EvaluationRecord& record) {
  promql::Context context{evaluation.stop, evaluation.clock, {}};
  if (evaluation.clock != nullptr) {
    context.deadline = evaluation.clock->steady() + evaluation.settings.rule_timeout;
  }
  Result<promql::Answer> answer = query.instant(evaluation.store, at_ms, context);
  if (!answer) return answer.error();
  if (answer->type == promql::ValueType::kScalar) {
    static const auto kNone = std::make_shared<const Labels>();
    answer->vector = {{kNone, at_ms, answer->scalar}};
  }
  record.results = answer->vector.size();
  record.warnings = std::move(answer->annotations.warnings);
  return answer;
}

std::string_view to_string(Health health) {
  if (health == Health::kUnknown) return "unknown";
  return health == Health::kOk ? "ok" : "err";
}

}  // namespace keelwatch::rules
