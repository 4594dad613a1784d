#include "store/appender.h"

#include <algorithm>

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
  if (absent_.empty() && present_ == previous_) return result_;
  absent_ = absent_now();
  previous_ = present_;
  std::erase_if(absent_, [&](Absent& absent) {
    const SeriesRef ref = store_.ref(absent.id);
    return ref.labels == nullptr || !mark(absent, missing(ref));
  });
  return result_;
}

// Those of the last step and those absent before, without those present now.
std::vector<Appender::Absent> Appender::absent_now() {
  std::vector<SeriesId> now = present_;
  std::sort(now.begin(), now.end());
  const auto is_present = [&](SeriesId id) {
    return std::binary_search(now.begin(), now.end(), id);
  };
  std::vector<Absent> absent;
  for (const SeriesId id : previous_) {
    if (!is_present(id)) absent.push_back({id});
  }
  for (const Absent& before : absent_) {
    if (!is_present(before.id)) absent.push_back(before);
  }
  std::sort(absent.begin(), absent.end(),
            [](const Absent& a, const Absent& b) { return a.id < b.id; });
  const auto same = [](const Absent& a, const Absent& b) { return a.id == b.id; };
  absent.erase(std::unique(absent.begin(), absent.end(), same), absent.end());
  return absent;
}

bool Appender::mark(Absent& absent, Missing what) {
  // kSame: the marker has been there.
  const auto append = [&](double marker, std::size_t& count) {
    const AppendOutcome outcome = store_.append(absent.id, time_ms_, marker);
    if (outcome == AppendOutcome::kAdded) ++count;
    return outcome == AppendOutcome::kAdded || outcome == AppendOutcome::kSame;
  };
  switch (what) {
    case Missing::kStale:
      return !append(stale_marker(), result_.stale);
    case Missing::kUnknown:
      absent.unknown = absent.unknown || append(unknown_marker(), result_.unknown);
      return true;
    case Missing::kKeep:
      return true;
  }
  return true;
}

}  // namespace keelwatch::store
