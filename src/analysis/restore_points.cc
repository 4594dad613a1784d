#include "analysis/restore_points.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/time_text.h"
#include "model/backup_part.h"

namespace keelwatch::analysis {
namespace {

using model::ArchivedFile;
using model::BackupInfo;
using model::BaseBackup;
using model::Lsn;
using model::WalSegment;

// A backup uploads a part every few minutes; its last file, backup.info, follows at once.
constexpr Duration kDebrisAge = std::chrono::hours(24);

constexpr std::size_t index(Proof proof) { return static_cast<std::size_t>(proof); }

bool must_be_thawed(std::string_view storage_class) {
  return storage_class == "GLACIER" || storage_class == "DEEP_ARCHIVE";
}

struct Verdict {
  BackupState state = BackupState::kRestorable;
  std::string reason;
};

// By the names and sizes of the files, and by what a deep pass found in them.
Verdict judge_data(const BaseBackup& backup, const BackupInfo& info) {
  std::map<std::string, std::set<std::int64_t>> parts;
  std::vector<std::string> wanted = {"data"};
  for (const auto& space : info.tablespaces) wanted.push_back(std::to_string(space.oid));
  for (const ArchivedFile& file : backup.files) {
    for (const std::string& name : wanted) {
      if (!model::is_stray_part(file.name, name)) continue;
      return {BackupState::kDataDamaged, "barman-cloud-restore fails on " + file.name};
    }
    const auto part = model::parse_backup_part(file.name);
    if (!part) continue;
    parts[part->of].insert(part->number);
    if (must_be_thawed(file.storage_class)) {
      return {BackupState::kThawFirst, file.name + " is in storage class " + file.storage_class +
                                           " and has to be restored from there first"};
    }
    if (file.bytes == 0) return {BackupState::kDataDamaged, file.name + " is empty"};
  }
  for (const std::string& name : wanted) {
    const std::set<std::int64_t>& there = parts[name];
    const std::int64_t last = there.empty() ? 0 : *there.rbegin();
    for (std::int64_t part = 0; part <= last; ++part) {
      if (there.contains(part)) continue;
      return {BackupState::kDataMissing,
              (part == 0 ? name : fmt::format("{}_{:04}", name, part)) + ".tar is missing"};
    }
  }
  if (backup.proof && !backup.proof->whole) {
    return {BackupState::kDataDamaged, backup.proof->fault};
  }
  return {};
}

// What of backup.info is needed to judge its WAL.
struct Span {
  std::int64_t timeline;
  std::int64_t first;
  Lsn begin;
  Lsn end;
};

std::optional<Span> span_of(const BackupInfo& info, std::int64_t segment_bytes) {
  const auto first = model::parse_wal_segment(info.begin_wal, segment_bytes);
  const auto last = model::parse_wal_segment(info.end_wal, segment_bytes);
  if (!first || !last || last->number < first->number) return std::nullopt;
  const Lsn begin = info.begin_lsn ? *info.begin_lsn : wal_segment_begin(*first, segment_bytes);
  const Lsn end = info.end_lsn ? *info.end_lsn : wal_segment_end(*last, segment_bytes);
  if (end < begin) return std::nullopt;
  return Span{info.timeline ? *info.timeline : first->timeline, first->number, begin, end};
}

Verdict judge_reach(const Reach& reach, std::int64_t segment_bytes) {
  const std::string at = model::wal_segment_name(reach.at, segment_bytes);
  const std::string detail = reach.detail.empty() ? "" : ": " + reach.detail;
  switch (reach.stop) {
    case ChainStop::kNewest:
      return {BackupState::kWaitingForWal, "it waits for segment " + at + detail};
    case ChainStop::kMissing:
      return {BackupState::kWalMissing, "segment " + at + " is missing" + detail};
    case ChainStop::kDamaged:
    case ChainStop::kFatal:
      return {BackupState::kWalDamaged, "segment " + at + ": " + reach.detail};
    case ChainStop::kAbandoned:
      return {BackupState::kWalMissing,
              "segment " + at + ", the first of its timeline, is missing"};
    case ChainStop::kNotProven:
      break;
  }
  return {BackupState::kUnknown, "nobody has looked into segment " + at};
}

std::string why_latest_fails(const Reach& reach, std::int64_t segment_bytes) {
  const std::string at = model::wal_segment_name(reach.at, segment_bytes);
  if (reach.stop == ChainStop::kFatal) {
    return "PostgreSQL refuses segment " + at + " (" + reach.detail +
           "): restore to a time before it";
  }
  if (reach.stop == ChainStop::kAbandoned) {
    return "segment " + at +
           " is missing and the old timeline went on: restore to a time before the promotion";
  }
  return "";
}

// PostgreSQL reads ahead of what it replays (recovery_prefetch), and a backup ends with a switch to
// the next segment: if it refuses that one, the recovery ends before the backup is consistent.
bool refused_ahead(const Reach& reach, const Span& span, std::int64_t segment_bytes) {
  const auto next =
      static_cast<std::int64_t>((span.end.bytes - 1) / static_cast<std::uint64_t>(segment_bytes)) +
      1;
  return reach.stop == ChainStop::kFatal && reach.at.number == next;
}

// A system's own chain: the segments of another one are not its WAL, and those that are faulty only
// because they are of this one are.
class Judge {
 public:
  Judge(const model::Archive& archive, std::optional<std::uint64_t> system) : system_(system) {
    if (const auto* wal = archive.wal.if_known(); wal && wal->segment_bytes) {
      chain_.emplace(*wal);
      other_wal_ = *wal;
      std::erase_if(other_wal_.faults, [&](const model::WalFault& fault) {
        if (fault.kind == "system_id") other_.insert(fault.segment);
        return fault.kind == "system_id";
      });
      other_chain_.emplace(other_wal_);
    }
    if (!archive.wal.is_known()) wal_absent_ = archive.wal.why();
    if (archive.backups.is_known()) listed_at_ = archive.backups.observed_at();
  }
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  [[nodiscard]] RestorePoint judge(const BaseBackup& backup) const;
  [[nodiscard]] const WalChain* chain() const { return chain_ ? &*chain_ : nullptr; }

 private:
  void judge_wal(const BaseBackup& backup, const BackupInfo& info, RestorePoint& point) const;
  void cut_to_own_system(const Span& span, Reach& reach) const;

  std::optional<std::uint64_t> system_;
  WallTime listed_at_{};
  std::optional<WalChain> chain_;
  model::WalArchive other_wal_;
  std::set<WalSegment> other_;  // segments of another system than the newest one's
  std::optional<WalChain> other_chain_;
  std::optional<Why> wal_absent_;
};

void set(RestorePoint& point, Verdict verdict) {
  point.state = verdict.state;
  point.reason = std::move(verdict.reason);
}

// By names alone nobody can tell where the WAL of a former system ends.
void Judge::cut_to_own_system(const Span& span, Reach& reach) const {
  Lsn limit = span.end;
  for (const WalSegment& segment : other_) {
    limit = std::max(limit, wal_segment_end(segment, other_chain_->segment_bytes()));
  }
  if (reach.end <= limit) return;
  reach.end = limit;
  reach.last_modified.reset();
}

void Judge::judge_wal(const BaseBackup& backup, const BackupInfo& info, RestorePoint& point) const {
  if (wal_absent_) {
    return set(point, {BackupState::kUnknown, "its WAL: " + wal_absent_->error.message()});
  }
  const bool other = system_ && info.system_id && *system_ != *info.system_id;
  const auto& chain = other ? other_chain_ : chain_;
  if (!chain) {
    return set(point, {BackupState::kUnknown, "the size of the WAL segments is not known"});
  }
  const auto span = span_of(info, chain->segment_bytes());
  if (!span) {
    return set(point, {BackupState::kUnreadable, "backup.info does not tell its WAL"});
  }
  point.target = chain->latest(span->timeline, span->begin, span->end);
  if (point.target.unknown) {
    return set(point, {BackupState::kUnknown, point.target.unknown->error.message()});
  }
  if (!point.target.fatal.empty()) {
    return set(point, {BackupState::kTimeline, point.target.fatal});
  }
  for (const Proof proof : {Proof::kListed, Proof::kHeader, Proof::kDeep}) {
    Reach reach = chain->reach(point.target, span->first, proof);
    if (other) cut_to_own_system(*span, reach);
    const bool consistent =
        reach.end >= span->end && !refused_ahead(reach, *span, chain->segment_bytes());
    if (proof == Proof::kListed) {
      if (!consistent) return set(point, judge_reach(reach, chain->segment_bytes()));
      point.latest_fails = why_latest_fails(reach, chain->segment_bytes());
    }
    const bool data_proven = proof != Proof::kDeep || (backup.proof && backup.proof->whole);
    point.restorable[index(proof)] = consistent && data_proven;
    point.reach[index(proof)] = std::move(reach);
  }
  if (other) {
    set(point, {BackupState::kOtherSystem,
                fmt::format("it is of system {}, not of {}", *info.system_id, *system_)});
  } else {
    set(point, {BackupState::kRestorable, ""});
  }
}

RestorePoint Judge::judge(const BaseBackup& backup) const {
  RestorePoint point;
  point.id = backup.id;
  std::optional<WallTime> newest;
  for (const ArchivedFile& file : backup.files) {
    point.stored_bytes += file.bytes;
    if (file.modified && (!newest || *newest < *file.modified)) newest = file.modified;
  }
  const BackupInfo* info = backup.info.if_known();
  if (info == nullptr) {
    const Error& error = backup.info.why().error;
    if (error.code() == ErrorCode::kNotFound) {
      const bool debris = newest && *newest < listed_at_ - kDebrisAge;
      set(point,
          {debris ? BackupState::kDebris : BackupState::kIncomplete,
           "it has no backup.info; its last file came " +
               (newest ? "at " + format_rfc3339(*newest) : std::string("at no known time"))});
    } else {
      set(point,
          {error.code() == ErrorCode::kMalformed ? BackupState::kUnreadable : BackupState::kUnknown,
           "backup.info: " + error.message()});
    }
    return point;
  }
  point.system_id = info->system_id;
  point.timeline = info->timeline;
  point.server_version = info->server_version;
  point.begin_lsn = info->begin_lsn;
  point.end_lsn = info->end_lsn;
  point.end_time = info->end_time;
  point.cluster_bytes = info->cluster_bytes;
  if (info->status != "DONE") {
    set(point, {BackupState::kNotDone, "its status is " +
                                           (info->status.empty() ? "not told" : info->status) +
                                           (info->error.empty() ? "" : ": " + info->error)});
    return point;
  }
  Verdict data = judge_data(backup, *info);
  if (data.state != BackupState::kRestorable) {
    set(point, std::move(data));
    return point;
  }
  if (!info->end_time) {
    set(point, {BackupState::kUnreadable, "backup.info does not tell when it ended"});
    return point;
  }
  judge_wal(backup, *info, point);
  return point;
}

// What one backup covers.
RecoveryWindow window_of(const RestorePoint& point, Proof proof) {
  const Reach& reach = point.reach[index(proof)];
  RecoveryWindow window;
  window.start = *point.end_time;
  window.end = reach.last_modified ? std::max(window.start, *reach.last_modified) : window.start;
  window.start_lsn = point.end_lsn ? *point.end_lsn : reach.end;
  window.end_lsn = reach.end;
  window.timeline = point.target.timeline;
  window.system_id = point.system_id;
  window.passed_fork = reach.passed_fork;
  window.oldest_backup = window.newest_backup = point.id;
  return window;
}

// Windows that touch are one. Oldest first.
std::vector<RecoveryWindow> find_windows(const std::vector<RestorePoint>& points, Proof proof) {
  std::vector<RecoveryWindow> windows;
  for (const RestorePoint& point : points) {
    if (point.restorable[index(proof)]) windows.push_back(window_of(point, proof));
  }
  std::ranges::sort(windows, [](const RecoveryWindow& a, const RecoveryWindow& b) {
    return std::tie(a.system_id, a.start_lsn, a.start) <
           std::tie(b.system_id, b.start_lsn, b.start);
  });
  std::vector<RecoveryWindow> joined;
  for (RecoveryWindow& next : windows) {
    if (joined.empty() || joined.back().system_id != next.system_id ||
        joined.back().timeline != next.timeline || joined.back().end_lsn < next.start_lsn) {
      joined.push_back(std::move(next));
      continue;
    }
    RecoveryWindow& open = joined.back();
    open.newest_backup = next.newest_backup;
    if (next.end_lsn < open.end_lsn) continue;
    open.end_lsn = next.end_lsn;
    open.end = std::max(open.end, next.end);
    open.passed_fork = next.passed_fork;
  }
  std::ranges::sort(joined, {}, &RecoveryWindow::start);
  return joined;
}

std::optional<std::uint64_t> system_of(const model::Archive& archive) {
  if (const auto* wal = archive.wal.if_known(); wal && wal->system_id) return wal->system_id;
  std::optional<std::uint64_t> newest;
  if (const auto* backups = archive.backups.if_known()) {
    for (const BaseBackup& backup : *backups) {
      const BackupInfo* info = backup.info.if_known();
      if (info && info->status == "DONE" && info->system_id) newest = info->system_id;
    }
  }
  return newest;
}

Observed<std::optional<RecoveryWindow>> current_window(const RestorePoints& result,
                                                       const std::vector<RecoveryWindow>& windows,
                                                       WallTime at) {
  using Window = Observed<std::optional<RecoveryWindow>>;
  std::optional<RecoveryWindow> current;
  for (const RecoveryWindow& window : windows) {
    if (!window.system_id || !result.system_id || *window.system_id == *result.system_id) {
      current = window;
    }
  }
  if (current) return Window::known(std::move(current), at);
  for (const RestorePoint& point : result.backups.known_value()) {
    if (point.state == BackupState::kUnknown) {
      return Window::unknown(
          Error(ErrorCode::kUnavailable, "backup " + point.id + ": " + point.reason),
          "object_store");
    }
  }
  return Window::known(std::nullopt, at);
}

// The holes behind the oldest backup that counts, and what a restore to the end reads.
void measure(const WalChain* chain, const model::Archive& archive, RestorePoints& result) {
  const std::vector<RestorePoint>& points = result.backups.known_value();
  const auto counts = [&](const RestorePoint& p) { return p.state == BackupState::kRestorable; };
  const WallTime at = std::min(archive.wal.observed_at(), archive.backups.observed_at());
  result.restore_bytes = Observed<std::optional<std::int64_t>>::known(std::nullopt, at);
  result.gaps = Observed<WalGaps>::known({}, at);
  const auto oldest = std::ranges::find_if(points, counts);
  if (chain == nullptr || oldest == points.end()) return;
  const RestorePoint& newest = *std::find_if(points.rbegin(), points.rend(), counts);
  const auto segment = [&](Lsn position) {
    return model::wal_segment_at(1, position, chain->segment_bytes()).number;
  };
  if (oldest->begin_lsn) {
    result.gaps =
        Observed<WalGaps>::known(chain->gaps(newest.target, segment(*oldest->begin_lsn)), at);
  }
  const Reach& reach = newest.reach[index(Proof::kListed)];
  if (newest.begin_lsn && reach.last) {
    result.restore_bytes = Observed<std::optional<std::int64_t>>::known(
        newest.stored_bytes +
            chain->stored_bytes(newest.target, segment(*newest.begin_lsn), reach.last->number),
        at);
  }
}

}  // namespace

std::string_view to_string(BackupState state) {
  return kBackupStates[static_cast<std::size_t>(state)];
}

RestorePoints find_restore_points(const model::Archive& archive,
                                  std::optional<std::uint64_t> live) {
  const Why nothing{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not judged"),
                    "object_store"};
  const AbsentOfAny none{!archive.backups.is_known() ? archive.backups.why()
                         : !archive.wal.is_known()   ? archive.wal.why()
                                                     : nothing};
  RestorePoints result{none, live ? live : system_of(archive), {none, none, none}, {}, none, none};
  const auto* backups = archive.backups.if_known();
  if (backups == nullptr) return result;
  const Judge judge(archive, result.system_id);
  std::vector<RestorePoint> points;
  points.reserve(backups->size());
  for (const BaseBackup& backup : *backups) points.push_back(judge.judge(backup));
  result.backups =
      Observed<std::vector<RestorePoint>>::known(std::move(points), archive.backups.observed_at());
  if (!archive.wal.is_known()) return result;
  const WallTime at = std::min(archive.wal.observed_at(), archive.backups.observed_at());
  for (const Proof proof : {Proof::kListed, Proof::kHeader, Proof::kDeep}) {
    std::vector<RecoveryWindow> windows = find_windows(result.backups.known_value(), proof);
    result.window[index(proof)] = current_window(result, windows, at);
    if (proof != Proof::kListed) continue;
    const auto* current = result.window[index(proof)].if_known();
    for (RecoveryWindow& window : windows) {
      if (current && *current && (*current)->end_lsn == window.end_lsn &&
          (*current)->system_id == window.system_id) {
        continue;
      }
      result.closed.push_back(std::move(window));
    }
  }
  measure(judge.chain(), archive, result);
  return result;
}

}  // namespace keelwatch::analysis
