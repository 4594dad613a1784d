#include "model/assemble.h"

#include <string>

#include "base/time_text.h"

namespace keelwatch::model {
namespace {

// A clock that was set back leaves answers "from the future". Their true age is unknown, and so are
// they, beyond the little that two clock reads in one process may differ.
constexpr Duration kFutureTolerance = std::chrono::seconds(1);

class Staleness {
 public:
  Staleness(Duration bound, WallTime now) : bound_(bound), now_(now) {}

  template <typename T>
  [[nodiscard]] bool expired(const Observed<T>& observed) const {
    if (!observed.is_known()) return false;
    const Duration age = now_ - observed.observed_at();
    return age > bound_ || age < -kFutureTolerance;
  }

  template <typename T>
  [[nodiscard]] Observed<T> apply(const Observed<T>& observed, const std::string& source) const {
    if (!expired(observed)) return observed;
    const Duration age = now_ - observed.observed_at();
    return Observed<T>::unknown(
        Error(ErrorCode::kTimeout, age < Duration::zero()
                                       ? "the answer is " + format_duration(-age) +
                                             " from the future: the clock was set back"
                                       : "no answer for " + format_duration(age)),
        source);
  }

 private:
  Duration bound_;
  WallTime now_;
};

std::shared_ptr<const KubernetesSlice> fresh(std::shared_ptr<const KubernetesSlice> slice,
                                             const Staleness& staleness) {
  if (!slice) {
    const Error silent(ErrorCode::kUnavailable, "no answer yet");
    const std::string source = "kubernetes";
    return std::make_shared<KubernetesSlice>(KubernetesSlice{
        .clusters = Observed<ObjectList<Cluster>>::unknown(silent, source),
        .pods = Observed<ObjectList<Pod>>::unknown(silent, source),
        .services = Observed<ObjectList<Service>>::unknown(silent, source),
        .claims = Observed<ObjectList<PersistentVolumeClaim>>::unknown(silent, source),
        .volumes = Observed<ObjectList<PersistentVolume>>::unknown(silent, source),
        .nodes = Observed<ObjectList<Node>>::unknown(silent, source),
        .reports = {}});
  }
  const bool all_fresh = !staleness.expired(slice->clusters) && !staleness.expired(slice->pods) &&
                         !staleness.expired(slice->services) && !staleness.expired(slice->claims) &&
                         !staleness.expired(slice->volumes) && !staleness.expired(slice->nodes);
  if (all_fresh) return slice;
  return std::make_shared<KubernetesSlice>(
      KubernetesSlice{.clusters = staleness.apply(slice->clusters, "kubernetes Cluster"),
                      .pods = staleness.apply(slice->pods, "kubernetes Pod"),
                      .services = staleness.apply(slice->services, "kubernetes Service"),
                      .claims = staleness.apply(slice->claims, "kubernetes PersistentVolumeClaim"),
                      .volumes = staleness.apply(slice->volumes, "kubernetes PersistentVolume"),
                      .nodes = staleness.apply(slice->nodes, "kubernetes Node"),
                      .reports = slice->reports});
}

std::shared_ptr<const Instance> fresh(std::shared_ptr<const Instance> instance,
                                      const Staleness& staleness) {
  if (!staleness.expired(instance->server) && !staleness.expired(instance->senders) &&
      !staleness.expired(instance->wal_receiver)) {
    return instance;
  }
  const std::string source = "postgres " + text(instance->id);
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
  if (!slice) return std::make_shared<const PostgresSlice>();
  auto aged = std::make_shared<PostgresSlice>();
  bool changed = false;
  aged->instances.reserve(slice->instances.size());
  for (const auto& instance : slice->instances) {
    aged->instances.push_back(fresh(instance, staleness));
    changed = changed || aged->instances.back() != instance;
  }
  if (!changed) return slice;
  aged->reports = slice->reports;
  return aged;
}

}  // namespace

World assemble(const Slices& slices, const Freshness& freshness, WallTime now) {
  return World{.at = now,
               .kubernetes = fresh(slices.kubernetes, Staleness(freshness.kubernetes, now)),
               .postgres = fresh(slices.postgres, Staleness(freshness.postgres, now))};
}

}  // namespace keelwatch::model
