#include "model/assemble.h"

#include <algorithm>
#include <string>
#include <type_traits>
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
  [[nodiscard]] Staleness with_bound(Duration bound) const {
    return {source_, bound, awaited_since_, now_};
  }

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

  void apply(SourceReport& report) const {
    if (!expired(report)) return;
    report.up = false;
    report.last_error = reason(*report.last_success);
  }
  [[nodiscard]] std::vector<SourceReport> apply(std::vector<SourceReport> reports) const {
    for (SourceReport& report : reports) apply(report);
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

bool is_of_a_polled_kind(const SourceReport& report) {
  bool polled = false;
  KubernetesSlice::for_each_kind(
      [&](auto place) { polled |= is_polled(place) && kind_of(place) == report.target; });
  return polled;
}

std::shared_ptr<const KubernetesSlice> fresh(std::shared_ptr<const KubernetesSlice> slice,
                                             const Staleness& watched, Duration polled_bound) {
  if (!slice) {
    auto none = std::make_shared<KubernetesSlice>(KubernetesSlice::absent(
        {Absence::kUnknown, Error(ErrorCode::kUnavailable, "no answer yet"), watched.source()}));
    none->reports = watched.silent_reports();
    return none;
  }
  const Staleness polled = watched.with_bound(polled_bound);
  const auto of_kind = [&](auto place) -> const Staleness& {
    return is_polled(place) ? polled : watched;
  };
  const auto of_report = [&](const SourceReport& report) -> const Staleness& {
    return is_of_a_polled_kind(report) ? polled : watched;
  };
  bool all_fresh = std::ranges::none_of(
      slice->reports, [&](const SourceReport& r) { return of_report(r).expired(r); });
  KubernetesSlice::for_each_kind(
      [&](auto place) { all_fresh = all_fresh && !of_kind(place).expired((*slice).*place); });
  if (all_fresh) return slice;
  auto aged = std::make_shared<KubernetesSlice>(*slice);
  KubernetesSlice::for_each_kind([&](auto place) {
    (*aged).*place =
        of_kind(place).apply((*slice).*place, watched.source() + " " + std::string(kind_of(place)));
  });
  for (SourceReport& report : aged->reports) of_report(report).apply(report);
  return aged;
}

// A certificate is what it is until the server shows another one: that it has expired is still true
// when every handshake fails for it.
template <typename T>
constexpr bool ages(Observed<T> Instance::* /*place*/) {
  return !std::is_same_v<T, ServerCertificate>;
}

std::shared_ptr<const Instance> fresh(std::shared_ptr<const Instance> instance,
                                      const Staleness& rounds, const Freshness& freshness) {
  const Staleness slow = rounds.with_bound(freshness.postgres_slow);
  const Staleness databases = rounds.with_bound(freshness.postgres_databases);
  const auto at_pace = [&](Pace pace) -> const Staleness& {
    return pace == Pace::kRound ? rounds : pace == Pace::kSlow ? slow : databases;
  };
  bool all_fresh = std::ranges::none_of(
      instance->contents, [&](const DatabaseAnswer& d) { return databases.expired(d.content); });
  Instance::for_each_answer([&](auto place, Pace pace) {
    if (ages(place)) all_fresh = all_fresh && !at_pace(pace).expired((*instance).*place);
  });
  if (all_fresh) return instance;
  const std::string source = rounds.source() + " " + text(instance->id);
  Instance aged = *instance;
  Instance::for_each_answer([&](auto place, Pace pace) {
    if (ages(place)) aged.*place = at_pace(pace).apply((*instance).*place, source);
  });
  for (DatabaseAnswer& database : aged.contents) {
    database.content = databases.apply(database.content, source);
  }
  if (rounds.expired(instance->server)) {
    // "Connected" is as old as the answer that proved it.
    aged.reachability = Reachability::kConnecting;
    aged.reachability_detail = aged.server.why().error.message();
  }
  return std::make_shared<const Instance>(std::move(aged));
}

std::shared_ptr<const PgBouncer> fresh(std::shared_ptr<const PgBouncer> pgbouncer,
                                       const Staleness& staleness) {
  bool all_fresh = true;
  PgBouncer::for_each_answer(
      [&](auto place) { all_fresh = all_fresh && !staleness.expired((*pgbouncer).*place); });
  if (all_fresh) return pgbouncer;
  PgBouncer aged = *pgbouncer;
  PgBouncer::for_each_answer([&](auto place) {
    aged.*place =
        staleness.apply((*pgbouncer).*place, staleness.source() + " " + text(pgbouncer->id));
  });
  if (staleness.expired(pgbouncer->pools)) {
    aged.reachability = Reachability::kConnecting;
    aged.reachability_detail = aged.pools.why().error.message();
  }
  return std::make_shared<const PgBouncer>(std::move(aged));
}

template <typename T>
constexpr bool is_of_a_whole_listing(Observed<T> Archive::* /*place*/) {
  return std::is_same_v<T, BucketSettings>;
}

std::shared_ptr<const Archive> fresh(std::shared_ptr<const Archive> archive,
                                     const Staleness& listings, const Freshness& freshness) {
  const Staleness whole = listings.with_bound(freshness.archive_settings);
  const auto staleness = [&](auto place) -> const Staleness& {
    return is_of_a_whole_listing(place) ? whole : listings;
  };
  // A deletion shows only when everything is listed.
  const WalArchive* wal = archive->wal.if_known();
  const bool old_whole = wal != nullptr && whole.expired(wal->listed_whole_at);
  bool all_fresh = !old_whole;
  Archive::for_each_answer(
      [&](auto place) { all_fresh = all_fresh && !staleness(place).expired((*archive).*place); });
  if (all_fresh) return archive;
  Archive aged = *archive;
  Archive::for_each_answer([&](auto place) {
    aged.*place =
        staleness(place).apply((*archive).*place, listings.source() + " " + text(archive->id));
  });
  if (old_whole && aged.wal.is_known()) {
    aged.wal = Observed<WalArchive>::unknown(
        Error(ErrorCode::kTimeout, "everything was listed last at " +
                                       format_rfc3339(wal->listed_whole_at, 0) +
                                       ", and only what is new since"),
        listings.source() + " " + text(archive->id));
  }
  return std::make_shared<const Archive>(std::move(aged));
}

// An object whose only answer is `place`, and what its answers call it.
template <typename T, typename Answer>
std::shared_ptr<const T> fresh(std::shared_ptr<const T> object, Observed<Answer> T::* place,
                               const Staleness& staleness, const std::string& name) {
  if (!staleness.expired((*object).*place)) return object;
  T aged = *object;
  aged.*place = staleness.apply((*object).*place, staleness.source() + " " + name);
  return std::make_shared<const T>(std::move(aged));
}

// The list with each element aged by `age`; whether any changed.
template <typename T, typename Age>
bool age_all(std::vector<std::shared_ptr<const T>>& list, Age age) {
  bool changed = false;
  for (std::shared_ptr<const T>& element : list) {
    std::shared_ptr<const T> aged = age(element);
    changed = changed || aged != element;
    element = std::move(aged);
  }
  return changed;
}

// Of a slice that is nothing but lists of objects and the reports on them; `age_lists` returns
// whether any of them changed.
template <typename Slice, typename AgeLists>
std::shared_ptr<const Slice> fresh_slice(std::shared_ptr<const Slice> slice,
                                         const Staleness& staleness, AgeLists age_lists) {
  auto aged = slice ? std::make_shared<Slice>(*slice) : std::make_shared<Slice>();
  if (!slice) {
    aged->reports = staleness.silent_reports();
    return aged;
  }
  const bool reports_expired = any_expired(slice->reports, staleness);
  if (!age_lists(*aged) && !reports_expired) return slice;
  aged->reports = staleness.apply(slice->reports);
  return aged;
}

}  // namespace

World assemble(const Slices& slices, const Freshness& freshness, WallTime now,
               std::optional<WallTime> awaited_since) {
  const auto staleness = [&](std::string source, Duration bound) {
    return Staleness(std::move(source), bound, awaited_since, now);
  };
  World world;
  world.at = now;
  world.kubernetes = fresh(slices.kubernetes, staleness("kubernetes", freshness.kubernetes),
                           freshness.kubernetes_polled);
  const Staleness postgres = staleness("postgres", freshness.postgres);
  world.postgres = fresh_slice(slices.postgres, postgres, [&](PostgresSlice& slice) {
    return age_all(slice.instances, [&](const auto& i) { return fresh(i, postgres, freshness); });
  });
  const Staleness pgbouncer = staleness("pgbouncer", freshness.pgbouncer);
  world.pgbouncer = fresh_slice(slices.pgbouncer, pgbouncer, [&](PgBouncerSlice& slice) {
    return age_all(slice.instances, [&](const auto& i) { return fresh(i, pgbouncer); });
  });
  const Staleness disks = staleness("filesystem", freshness.filesystems);
  world.filesystems = fresh_slice(slices.filesystems, disks, [&](FilesystemSlice& slice) {
    const bool nodes = age_all(slice.nodes, [&](const auto& n) {
      return fresh(n, &NodeFilesystems::claims, disks, n->node);
    });
    return age_all(
               slice.paths,
               [&](const auto& p) { return fresh(p, &PathFilesystem::usage, disks, p->path); }) ||
           nodes;
  });
  const Staleness scrapes = staleness("scrape", freshness.scrapes);
  world.scrapes = fresh_slice(slices.scrapes, scrapes, [&](ScrapeSlice& slice) {
    return age_all(slice.targets,
                   [&](const auto& t) { return fresh(t, &Scrape::page, scrapes, t->url); });
  });
  const Staleness stores = staleness("object_store", freshness.archives);
  world.archives = fresh_slice(slices.archives, stores, [&](ArchiveSlice& slice) {
    return age_all(slice.archives, [&](const auto& a) { return fresh(a, stores, freshness); });
  });
  const Staleness probes = staleness("endpoints", freshness.endpoints);
  world.probes = fresh_slice(slices.probes, probes, [&](ProbeSlice& slice) {
    return age_all(slice.endpoints, [&](const auto& e) {
      return fresh(e, &EndpointProbe::last, probes, text(e->id));
    });
  });
  return world;
}

}  // namespace keelwatch::model
