#include "rules/evaluation.h"

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
}

std::string_view to_string(Health health) {
  if (health == Health::kUnknown) return "unknown";
  return health == Health::kOk ? "ok" : "err";
}

}  // namespace keelwatch::rules
