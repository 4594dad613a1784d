// keelwatch_wal_archive_* and keelwatch_recovery_*: what the object store holds of each database,
// and until when it can be restored from that.
#include <algorithm>
#include <array>
#include <string>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using analysis::Recovery;
using metrics::Family;
using metrics::Type;

constexpr Family of_archive(std::string_view name, std::string_view help) {
  return Family(name, Type::kGauge, help, {"namespace", "cluster", "archive"});
}
constexpr Family by(std::string_view label, std::string_view name, std::string_view help) {
  return Family(name, Type::kGauge, help, {"namespace", "cluster", "archive", label});
}

constexpr Family kReadable = of_archive(
    "keelwatch_wal_archive_readable",
    "1 if base backups and WAL of the archive are listed, 0 if the object store does not give them "
    "or the Cluster's ObjectStore is not there; absent while no credential is given, and before "
    "its "
    "first answer.");
constexpr Family kLastSegment = of_archive(
    "keelwatch_wal_archive_last_segment_timestamp_seconds",
    "When the newest WAL segment came into the archive; absent without one and while it cannot be "
    "listed.");
constexpr Family kObjects =
    of_archive("keelwatch_wal_archive_objects",
               "Objects below wals/ of the archive; absent while it cannot be listed.");
constexpr Family kBytes =
    of_archive("keelwatch_wal_archive_bytes",
               "Bytes below wals/ of the archive, as stored; absent while it cannot be listed.");
constexpr Family kTimelines =
    of_archive("keelwatch_wal_archive_timelines",
               "Timelines of which the archive has segments; absent while it cannot be listed.");
constexpr Family kGapSegments = of_archive(
    "keelwatch_wal_archive_gap_segments",
    "Segments that are missing between the oldest restorable backup and the newest segment, on the "
    "way of a recovery to latest; absent while the archive cannot be listed.");
constexpr Family kGapSince =
    of_archive("keelwatch_wal_archive_gap_since_timestamp_seconds",
               "When the first segment behind the newest hole came; absent without a hole.");
constexpr Family kFaulty = of_archive(
    "keelwatch_wal_archive_faulty_segments",
    "Segments that are in the archive and known to be damaged, foreign or not readable now; absent "
    "while it cannot be listed.");
constexpr Family kLag = of_archive("keelwatch_wal_archive_lag_segments",
                                   "Segments that the primary has completed and the archive does "
                                   "not have; absent while one of the "
                                   "two is unknown.");
constexpr Family kClaimed = of_archive(
    "keelwatch_wal_archive_claimed_missing_segments",
    "Segments by which the last success of pg_stat_archiver is ahead of a younger listing of the "
    "archive: more than 0 where archive_command succeeds and stores nothing here; absent before "
    "both are known.");
constexpr Family kRhythm =
    of_archive("keelwatch_wal_archive_interval_seconds",
               "How often a segment is expected: archive_timeout, else the mean of the newest "
               "segments; absent while neither is known.");
constexpr Family kBackups =
    by("state", "keelwatch_recovery_backups",
       "Base backups of the archive by state: restorable, or why not; absent while it cannot be "
       "listed.");
constexpr Family kRestorable =
    by("proof", "keelwatch_recovery_restorable_backups",
       "Base backups from which the live database can be restored, by proof: listed names and "
       "sizes, header (first page of each segment), deep (every byte); absent while the archive "
       "cannot be listed.");
constexpr Family kStart =
    by("proof", "keelwatch_recovery_window_start_timestamp_seconds",
       "The earliest moment to which the database can be restored, by proof, without a hole until "
       "the window's end; absent without a window.");
constexpr Family kEnd =
    by("proof", "keelwatch_recovery_window_end_timestamp_seconds",
       "When the last segment came that a restore reaches, by proof; absent without a window.");
constexpr Family kLossBytes = by(
    "proof", "keelwatch_recovery_loss_if_storage_dies_bytes",
    "WAL from the window's end to the primary's position, by proof, without what an idle primary "
    "never archives; absent without a window and while one of the two is unknown.");
constexpr Family kLossSeconds =
    by("proof", "keelwatch_recovery_loss_if_storage_dies_seconds",
       "How long the primary has been beyond the window's end, by proof; 0 while it idles there; "
       "absent without a window and while one of the two is unknown.");
constexpr Family kLatest = of_archive("keelwatch_recovery_latest_possible",
                                      "1 if a restore of the newest restorable backup to latest "
                                      "works, 0 if PostgreSQL refuses it and "
                                      "only earlier targets work; absent without such a backup.");
constexpr Family kBroken =
    of_archive("keelwatch_recovery_chain_broken",
               "1 if segments are archived that a restore of the newest restorable backup does not "
               "reach, for a "
               "hole or a damage in front of them, else 0; absent without such a backup.");
constexpr Family kProblem = by(
    "problem", "keelwatch_recovery_lineage_problem",
    "1 if the archive is not the live database's own in that respect (system_id, shared, "
    "timeline_behind, timeline_ahead, segment_ahead, foreign_files), else 0; absent while one of "
    "the two is unknown.");
constexpr Family kRestoreBytes = of_archive(
    "keelwatch_recovery_restore_bytes",
    "Bytes that a restore to the window's end reads: the newest restorable backup and the WAL "
    "behind it, as stored; absent without such a backup.");
constexpr Family kBackupBytes =
    of_archive("keelwatch_recovery_backup_bytes",
               "Bytes of all base backups of the archive, as stored; absent while it cannot be "
               "listed.");
constexpr Family kBeyond = of_archive(
    "keelwatch_recovery_backups_beyond_retention",
    "Base backups that the retention policy should have removed; absent without a policy and while "
    "the archive cannot be listed.");
constexpr Family kExpires = of_archive(
    "keelwatch_recovery_bucket_expires_early",
    "1 if a lifecycle rule of the bucket removes or freezes objects before the retention policy "
    "does, or there is no policy, else 0; absent where the bucket does not tell.");
constexpr Family kProtects =
    of_archive("keelwatch_recovery_bucket_protects",
               "1 if the bucket keeps versions or locks objects, so that a deletion can be undone, "
               "else 0; absent where it does not tell.");
constexpr Family kDrillSuccess = of_archive(
    "keelwatch_recovery_drill_last_success_timestamp_seconds",
    "When a Cluster that was restored from the archive became healthy last; absent before the "
    "first one that keelwatch saw.");
constexpr Family kDrillDuration =
    of_archive("keelwatch_recovery_drill_last_duration_seconds",
               "How long that took, from the Cluster's creation; absent like it.");
constexpr Family kDrillRunning =
    Family("keelwatch_recovery_drill_running_since_timestamp_seconds", Type::kGauge,
           "When a Cluster was made from the archive that has not been healthy yet; absent when it "
           "has.",
           {"namespace", "cluster", "archive", "drill"});

constexpr std::array<const Family*, 28> kFamilies = {
    &kReadable,   &kLastSegment,  &kObjects,       &kBytes,       &kTimelines,   &kGapSegments,
    &kGapSince,   &kFaulty,       &kLag,           &kClaimed,     &kRhythm,      &kBackups,
    &kRestorable, &kStart,        &kEnd,           &kLossBytes,   &kLossSeconds, &kLatest,
    &kBroken,     &kProblem,      &kRestoreBytes,  &kBackupBytes, &kBeyond,      &kExpires,
    &kProtects,   &kDrillSuccess, &kDrillDuration, &kDrillRunning};

struct Place {
  std::string_view ns;
  std::string_view cluster;
  std::string_view archive;
};

// Whether the store has not been asked yet, or has not answered for the first time.
bool is_awaited(const model::ArchiveSlice& slice, const model::Archive& archive) {
  const std::string target = text(archive.id);
  const auto report = std::ranges::find(slice.reports, target, &model::SourceReport::target);
  return report == slice.reports.end() || report->pending;
}

// Of an answer that is not there because nobody gave a credential nothing is said.
Observed<bool> is_readable(const model::Archive& archive, const model::World& world) {
  for (const Why* why : {archive.backups.is_known() ? nullptr : &archive.backups.why(),
                         archive.wal.is_known() ? nullptr : &archive.wal.why()}) {
    if (why == nullptr) continue;
    if (why->absence != Absence::kUnknown || is_awaited(*world.archives, archive)) {
      return Observed<bool>::absent(*why);
    }
    return Observed<bool>::known(false, world.at);
  }
  return Observed<bool>::known(true, world.at);
}

// Of an archive of which nobody knows where it is: while the API is silent nothing is said.
Observed<bool> is_readable(const Why& why, WallTime now) {
  const bool told = why.absence == Absence::kUnknown && why.error.code() != ErrorCode::kUnavailable;
  return told ? Observed<bool>::known(false, now) : Observed<bool>::absent(why);
}

std::optional<WallTime> newest_segment(const model::WalArchive& wal) {
  std::optional<WallTime> newest;
  for (const model::WalRun& run : wal.runs) {
    if (!newest || (run.last_modified && *newest < *run.last_modified)) newest = run.last_modified;
  }
  return newest;
}

std::int64_t count_timelines(const model::WalArchive& wal) {
  std::int64_t count = 0;
  std::int64_t before = 0;
  for (const model::WalRun& run : wal.runs) {
    if (run.timeline != before) ++count;
    before = run.timeline;
  }
  return count;
}

std::optional<WallTime> newest_gap(const analysis::WalGaps& gaps) {
  return gaps.first.empty() ? std::nullopt : gaps.first.back().since;
}

void write_wal(const Recovery& recovery, const Place& p, metrics::Writer& writer) {
  using Wal = model::WalArchive;
  const auto& wal = recovery.found->wal;
  const auto count = [](std::size_t n) { return static_cast<double>(n); };
  writer.write(kLastSegment, {p.ns, p.cluster, p.archive}, wal.map(newest_segment));
  writer.write(kObjects, {p.ns, p.cluster, p.archive},
               wal.map([](const Wal& w) { return w.objects; }));
  writer.write(kBytes, {p.ns, p.cluster, p.archive}, wal.map([](const Wal& w) { return w.bytes; }));
  writer.write(kTimelines, {p.ns, p.cluster, p.archive}, wal.map(count_timelines));
  writer.write(kFaulty, {p.ns, p.cluster, p.archive},
               wal.map([&](const Wal& w) { return count(w.faults.size()); }));
  const auto& gaps = recovery.points->gaps;
  writer.write(kGapSegments, {p.ns, p.cluster, p.archive},
               gaps.map([](const analysis::WalGaps& g) { return g.segments; }));
  writer.write(kGapSince, {p.ns, p.cluster, p.archive}, gaps.map(newest_gap));
  writer.write(kLag, {p.ns, p.cluster, p.archive}, recovery.lag.live_segments);
  writer.write(kClaimed, {p.ns, p.cluster, p.archive}, recovery.lag.claimed_missing);
  writer.write(kRhythm, {p.ns, p.cluster, p.archive}, recovery.rhythm);
}

// Whether what is archived goes on behind the place where a replay ends.
bool is_broken(const analysis::RestorePoint& point) {
  const analysis::ChainStop stop = point.reach[0].stop;
  return stop != analysis::ChainStop::kNewest && stop != analysis::ChainStop::kNotProven;
}

void write_backups(const Recovery& recovery, const Place& p, metrics::Writer& writer) {
  using Points = std::vector<analysis::RestorePoint>;
  const auto& backups = recovery.points->backups;
  for (std::size_t state = 0; state < std::size(analysis::kBackupStates); ++state) {
    writer.write(kBackups, {p.ns, p.cluster, p.archive, analysis::kBackupStates[state]},
                 backups.map([&](const Points& points) {
                   double count = 0;
                   for (const auto& point : points) {
                     if (static_cast<std::size_t>(point.state) == state) ++count;
                   }
                   return count;
                 }));
  }
  writer.write(kBackupBytes, {p.ns, p.cluster, p.archive}, backups.map([](const Points& points) {
    double bytes = 0;
    for (const auto& point : points) bytes += static_cast<double>(point.stored_bytes);
    return bytes;
  }));
  const auto of_newest = [&](auto what) {
    return backups.map([&](const Points& points) -> std::optional<bool> {
      for (auto point = points.rbegin(); point != points.rend(); ++point) {
        if (point->state == analysis::BackupState::kRestorable) return what(*point);
      }
      return std::nullopt;
    });
  };
  writer.write(kLatest, {p.ns, p.cluster, p.archive},
               of_newest([](const analysis::RestorePoint& b) { return b.latest_fails.empty(); }));
  writer.write(kBroken, {p.ns, p.cluster, p.archive}, of_newest(is_broken));
}

// How many backups of the live database count; unknown while one that may count is.
Observed<double> count_restorable(const analysis::RestorePoints& points, std::size_t proof) {
  if (!points.window[proof].is_known()) return Observed<double>::absent(points.window[proof].why());
  return points.backups.map([&](const std::vector<analysis::RestorePoint>& backups) {
    double count = 0;
    for (const auto& backup : backups) {
      const bool own = backup.state == analysis::BackupState::kRestorable;
      if (own && backup.restorable[proof]) ++count;
    }
    return count;
  });
}

void write_window(const Recovery& recovery, const Place& p, metrics::Writer& writer) {
  using Window = std::optional<analysis::RecoveryWindow>;
  using Time = std::optional<WallTime>;
  for (std::size_t i = 0; i < analysis::kProofCount; ++i) {
    const std::initializer_list<std::string_view> labels = {p.ns, p.cluster, p.archive,
                                                            analysis::kProofs[i]};
    const auto& window = recovery.points->window[i];
    writer.write(kRestorable, labels, count_restorable(*recovery.points, i));
    writer.write(kStart, labels,
                 window.map([](const Window& w) { return w ? Time(w->start) : Time(); }));
    writer.write(kEnd, labels,
                 window.map([](const Window& w) { return w ? Time(w->end) : Time(); }));
    writer.write(kLossBytes, labels, recovery.loss[i].bytes);
    writer.write(kLossSeconds, labels, recovery.loss[i].time);
  }
  writer.write(kRestoreBytes, {p.ns, p.cluster, p.archive}, recovery.points->restore_bytes);
}

void write_drills(const Recovery& recovery, const Place& p, WallTime now, metrics::Writer& writer) {
  if (recovery.last_drill_success) {
    writer.write(kDrillSuccess, {p.ns, p.cluster, p.archive},
                 Observed<WallTime>::known(*recovery.last_drill_success, now));
    writer.write(kDrillDuration, {p.ns, p.cluster, p.archive},
                 Observed<std::optional<Duration>>::known(recovery.last_drill_duration, now));
  }
  for (const analysis::RestoreDrill& drill : recovery.drills) {
    if (drill.succeeded) continue;
    const std::string name = drill.ns + "/" + drill.cluster;
    writer.write(kDrillRunning, {p.ns, p.cluster, p.archive, name},
                 Observed<std::optional<WallTime>>::known(drill.begun, now));
  }
}

void collect(const Input& input, metrics::Writer& writer) {
  const WallTime now = input.world.at;
  for (const Recovery& recovery : input.assessment.recovery.archives) {
    const std::string archive = text(recovery.archive);
    const Place p{recovery.ns, recovery.cluster, archive};
    writer.write(kReadable, {p.ns, p.cluster, p.archive},
                 is_readable(*recovery.found, input.world));
    write_wal(recovery, p, writer);
    write_backups(recovery, p, writer);
    write_window(recovery, p, writer);
    for (std::size_t i = 0; i < analysis::kLineageProblemCount; ++i) {
      writer.write(kProblem, {p.ns, p.cluster, p.archive, analysis::kLineageProblems[i]},
                   recovery.lineage[i].holds);
    }
    writer.write(kBeyond, {p.ns, p.cluster, p.archive}, recovery.retention.backups_beyond);
    writer.write(kExpires, {p.ns, p.cluster, p.archive}, recovery.retention.expires_early);
    writer.write(kProtects, {p.ns, p.cluster, p.archive}, recovery.retention.protects);
    write_drills(recovery, p, now, writer);
  }
  for (const analysis::UnresolvedArchive& one : input.assessment.recovery.unresolved) {
    writer.write(kReadable, {one.ns, one.cluster, ""}, is_readable(one.why, now));
  }
}

}  // namespace

const Collector& recovery_collector() {
  static constexpr Collector collector{"recovery", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
