#include "store/appender.h"

#include <algorithm>
#include <iterator>

namespace keelwatch::store {

void Appender::begin_step(std::int64_t timestamp_ms) {
  time_ms_ = timestamp_ms;
  present_.clear();
  result_ = {};
}

AppendOutcome Appender::append(SeriesId id, double value) {
  const AppendOutcome outcome = store_.append(id, time_ms_, value);
  if (outcome == AppendOutcome::kGone) return outcome;
  present_.push_back(id);
  if (outcome == AppendOutcome::kAdded) {
    ++result_.added;
  } else if (outcome != AppendOutcome::kSame) {
    ++result_.refused;
  }
  return outcome;
}

StepResult Appender::end_step(const std::function<Missing(const SeriesRef&)>& missing) {
  // Nearly always the same series in the same order as before.
  if (present_ == previous_) return result_;
  std::vector<SeriesId> now = present_;
  std::sort(now.begin(), now.end());
  std::sort(previous_.begin(), previous_.end());
  std::vector<SeriesId> gone;
  std::set_difference(previous_.begin(), previous_.end(), now.begin(), now.end(),
                      std::back_inserter(gone));
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  previous_ = present_;
  for (const SeriesId id : gone) {
    const SeriesRef ref = store_.ref(id);
    if (ref.labels == nullptr) continue;
    switch (missing(ref)) {
      case Missing::kStale:
        if (store_.append(id, time_ms_, stale_marker()) == AppendOutcome::kAdded) ++result_.stale;
        break;
      case Missing::kUnknown:
        if (store_.append(id, time_ms_, unknown_marker()) == AppendOutcome::kAdded) {
          ++result_.unknown;
        }
        break;
      case Missing::kKeep:
        previous_.push_back(id);
        break;
    }
  }
  return result_;
}

}  // namespace keelwatch::store
