#include "model/assemble.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/time_text.h"

namespace keelwatch::model {
namespace {

// A clock that was set back leaves answers "from the future". Their true age is unknown, and so are
// they, beyond the little that two clock reads in one process may differ.
constexpr Duration kFutureTolerance = std::chrono::seconds(1);

class Staleness {
 public:
  Staleness(std::string source, Duration bound, std::optional<WallTime> awaited_since, WallTime now)
      : source_(std::move(source)), bound_(bound), awaited_since_(awaited_since), now_(now) {}

  [[nodiscard]] const std::string& source() const { return source_; }

  [[nodiscard]] bool expired(WallTime at) const {
    const Duration age = now_ - at;
    return age > bound_ || age < -kFutureTolerance;
  }

  template <typename T>
  [[nodiscard]] bool expired(const Observed<T>& observed) const {
    return observed.is_known() && expired(observed.observed_at());
  }

  [[nodiscard]] bool expired(const SourceReport& report) const {
    return report.up && report.last_success && expired(*report.last_success);
  }

  template <typename T>
  [[nodiscard]] Observed<T> apply(const Observed<T>& observed, const std::string& source) const {
    if (!expired(observed)) return observed;
    return Observed<T>::unknown(Error(ErrorCode::kTimeout, reason(observed.observed_at())), source);
  }

  [[nodiscard]] std::vector<SourceReport> apply(std::vector<SourceReport> reports) const {
    for (SourceReport& report : reports) {
      if (!expired(report)) continue;
      report.up = false;
      report.last_error = reason(*report.last_success);
    }
    return reports;
  }

  // Of a source that has not published yet.
  [[nodiscard]] std::vector<SourceReport> silent_reports() const {
    if (!awaited_since_) return {};
    SourceReport report;
    report.source = source_;
    report.target = source_;
    report.pending = !expired(*awaited_since_);
    report.last_error = "it has published nothing for " + format_duration(now_ - *awaited_since_);
    return {report};
  }

 private:
  [[nodiscard]] std::string reason(WallTime at) const {
    const Duration age = now_ - at;
    if (age >= Duration::zero()) return "no answer for " + format_duration(age);
    return "the answer is " + format_duration(-age) + " from the future: the clock was set back";
  }

  std::string source_;
  Duration bound_;
  std::optional<WallTime> awaited_since_;
  WallTime now_;
};

bool any_expired(const std::vector<SourceReport>& reports, const Staleness& staleness) {
  return std::ranges::any_of(reports,
                             [&](const SourceReport& report) { return staleness.expired(report); });
}

std::shared_ptr<const KubernetesSlice> fresh(std::shared_ptr<const KubernetesSlice> slice,
                                             const Staleness& staleness) {
  if (!slice) {
    auto none = std::make_shared<KubernetesSlice>(KubernetesSlice::absent(
        {Absence::kUnknown, Error(ErrorCode::kUnavailable, "no answer yet"), staleness.source()}));
    none->reports = staleness.silent_reports();
    return none;
  }
  bool all_fresh = !any_expired(slice->reports, staleness);
  KubernetesSlice::for_each_kind(
      [&](auto place) { all_fresh = all_fresh && !staleness.expired((*slice).*place); });
  if (all_fresh) return slice;
  auto aged = std::make_shared<KubernetesSlice>(*slice);
  KubernetesSlice::for_each_kind([&](auto place) {
    (*aged).*place =
        staleness.apply((*slice).*place, staleness.source() + " " + std::string(kind_of(place)));
  });
  aged->reports = staleness.apply(slice->reports);
  return aged;
}

std::shared_ptr<const Instance> fresh(std::shared_ptr<const Instance> instance,
                                      const Staleness& staleness) {
  if (!staleness.expired(instance->server) && !staleness.expired(instance->senders) &&
      !staleness.expired(instance->wal_receiver)) {
    return instance;
  }
  const std::string source = staleness.source() + " " + text(instance->id);
  Instance aged = *instance;
  aged.server = staleness.apply(instance->server, source);
  aged.senders = staleness.apply(instance->senders, source);
  aged.wal_receiver = staleness.apply(instance->wal_receiver, source);
  if (staleness.expired(instance->server)) {
    // "Connected" is as old as the answer that proved it.
    aged.reachability = Reachability::kConnecting;
    aged.reachability_detail = aged.server.why().error.message();
  }
  return std::make_shared<const Instance>(std::move(aged));
}

std::shared_ptr<const PostgresSlice> fresh(std::shared_ptr<const PostgresSlice> slice,
                                           const Staleness& staleness) {
  auto aged = std::make_shared<PostgresSlice>();
  if (!slice) {
    aged->reports = staleness.silent_reports();
    return aged;
  }
  bool changed = any_expired(slice->reports, staleness);
  aged->instances.reserve(slice->instances.size());
  for (const auto& instance : slice->instances) {
    aged->instances.push_back(fresh(instance, staleness));
    changed = changed || aged->instances.back() != instance;
  }
  if (!changed) return slice;
  aged->reports = staleness.apply(slice->reports);
  return aged;
}

}  // namespace

World assemble(const Slices& slices, const Freshness& freshness, WallTime now) {
  const std::optional<WallTime> since = slices.awaited_since;
  return World{
      .at = now,
      .kubernetes =
          fresh(slices.kubernetes, Staleness("kubernetes", freshness.kubernetes, since, now)),
      .postgres = fresh(slices.postgres, Staleness("postgres", freshness.postgres, since, now))};
}

}  // namespace keelwatch::model
