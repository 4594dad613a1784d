#include "analysis/archive_lag.h"

#include <algorithm>
#include <utility>

#include "model/wal_segment.h"

namespace keelwatch::analysis {
namespace {

using model::Lsn;
using model::WalSegment;
using Bytes = std::optional<double>;
using Time = std::optional<Duration>;
using Count = std::optional<std::int64_t>;

double distance(Lsn from, Lsn to) {
  return from < to ? static_cast<double>(to.bytes - from.bytes) : 0;
}

StorageLoss unknown_loss(std::string why) {
  const Why reason{Absence::kUnknown, Error(ErrorCode::kUnavailable, std::move(why)),
                   "object_store"};
  const AbsentOfAny none{reason};
  return {none, none};
}

const LivePosition* last_at_or_before(const std::vector<LivePosition>& history, WallTime time) {
  const auto behind = std::ranges::upper_bound(history, time, {}, &LivePosition::at);
  return behind == history.begin() ? nullptr : &*std::prev(behind);
}

// The newest time at which the primary had written nothing beyond that position.
std::optional<WallTime> last_within(const std::vector<LivePosition>& history, Lsn position) {
  const auto behind = std::ranges::upper_bound(history, position, {}, &LivePosition::position);
  if (behind == history.begin()) return std::nullopt;
  // It stood there until it was seen further on.
  return behind == history.end() ? history.back().at : std::prev(behind)->at;
}

// The end of the window on the primary's own timeline.
Lsn common_end(const RecoveryWindow& window) {
  return window.passed_fork ? std::min(window.end_lsn, window.passed_fork->begin) : window.end_lsn;
}

// How far the primary has come with nothing that is worth archiving.
Lsn idle_until(Lsn end, const RecoveryWindow& window, const Live& live,
               const std::vector<LivePosition>& history, std::int64_t segment_bytes, WallTime now) {
  const auto segment = [&](Lsn position) {
    return model::wal_segment_at(1, position, segment_bytes).number;
  };
  if (!live.archive_timeout || *live.archive_timeout <= Duration::zero()) return end;
  if (segment(live.position.position) != segment(end)) return end;
  const WallTime due = now - *live.archive_timeout - kArchiveTimeoutSlack;
  if (last_at_or_before(history, due) == nullptr) {
    // Not watched for long enough: the segment before it came long ago.
    if (window.end > due || history.empty()) return end;
    return std::max(end, history.front().position);
  }
  return std::max(end, last_at_or_before(history, due)->position);
}

// "00000002000000000000000A", also with a suffix behind; histories and partials are no segment.
std::optional<WalSegment> claimed_segment(const std::string& name, std::int64_t segment_bytes) {
  if (name.size() > 24 && !name.ends_with(".backup")) return std::nullopt;
  return model::parse_wal_segment(std::string_view(name).substr(0, 24), segment_bytes);
}

Count newest_of(const model::WalArchive& wal, std::int64_t timeline) {
  const auto behind = std::ranges::upper_bound(wal.runs, timeline, {}, &model::WalRun::timeline);
  if (behind == wal.runs.begin() || std::prev(behind)->timeline != timeline) return std::nullopt;
  return std::prev(behind)->last;
}

// Of a timeline without segments: what the store has of the one that it left.
Count newest_before(const model::WalArchive& wal, std::int64_t timeline) {
  for (const model::TimelineHistory& history : wal.histories) {
    const auto* switches = history.switches.if_known();
    if (history.timeline != timeline || switches == nullptr || switches->empty()) continue;
    const model::TimelineSwitch& fork = switches->back();
    const auto newest = newest_of(wal, fork.parent);
    const std::int64_t before =
        model::wal_segment_at(1, fork.position, *wal.segment_bytes).number - 1;
    if (newest) return std::min(*newest, before);
  }
  return std::nullopt;
}

Count newest_for(const model::WalArchive& wal, std::int64_t timeline) {
  const Count newest = newest_of(wal, timeline);
  return newest ? newest : newest_before(wal, timeline);
}

}  // namespace

void remember_position(const LivePosition& now, std::vector<LivePosition>& live) {
  if (!live.empty() && (live.back().timeline != now.timeline ||
                        now.position < live.back().position || now.at < live.back().at)) {
    live.clear();
  }
  if (live.size() > 1 && live.back().position == now.position &&
      live[live.size() - 2].position == now.position) {
    live.back().at = now.at;  // of a time in which it stood still only the ends are kept
    return;
  }
  live.push_back(now);
  if (live.size() <= kLivePositionsKept) return;
  std::vector<LivePosition> kept;
  const std::size_t half = live.size() / 2;
  for (std::size_t i = 0; i < live.size(); ++i) {
    if (i >= half || i % 2 == 0) kept.push_back(live[i]);
  }
  live = std::move(kept);
}

StorageLoss measure_loss(const Observed<std::optional<RecoveryWindow>>& window,
                         const Observed<Live>& live, const std::vector<LivePosition>& history,
                         std::int64_t segment_bytes, WallTime now) {
  if (!window.is_known()) {
    const AbsentOfAny none{window.why()};
    return {none, none};
  }
  if (!live.is_known()) {
    const AbsentOfAny none{live.why()};
    return {none, none};
  }
  const Live& primary = live.known_value();
  const WallTime at = std::min(window.observed_at(), live.observed_at());
  if (!window.known_value()) {
    return {Observed<Bytes>::known(std::nullopt, at), Observed<Time>::known(std::nullopt, at)};
  }
  const RecoveryWindow& own = *window.known_value();
  if (own.system_id && primary.system_id && *own.system_id != *primary.system_id) {
    return {Observed<Bytes>::known(std::nullopt, at), Observed<Time>::known(std::nullopt, at)};
  }
  if (own.timeline != primary.position.timeline) {
    return unknown_loss("the archive leads to timeline " + std::to_string(own.timeline) +
                        ", the primary is on " + std::to_string(primary.position.timeline));
  }
  const Lsn end = idle_until(common_end(own), own, primary, history, segment_bytes, now);
  const Lsn position = primary.position.position;
  if (position <= end) {
    return {Observed<Bytes>::known(0.0, at), Observed<Time>::known(Duration::zero(), at)};
  }
  const std::optional<WallTime> seen = last_within(history, end);
  // Not seen: it was beyond that before the segment that ends there came.
  const WallTime since = seen ? *seen : own.end;
  return {Observed<Bytes>::known(distance(end, position), at),
          Observed<Time>::known(std::max(Duration::zero(), now - since), at)};
}

ArchiveLag measure_lag(const Observed<model::WalArchive>& wal, const Observed<Live>& live,
                       const Observed<model::Archiver>& archiver,
                       RecoveryMemory::OfCluster& memory) {
  ArchiveLag lag{Observed<Count>::known(std::nullopt, WallTime{}),
                 Observed<Count>::known(std::nullopt, WallTime{})};
  lag.live_segments = combine(
      [](const model::WalArchive& archive, const Live& primary) -> Count {
        if (!archive.segment_bytes) return std::nullopt;
        const Count newest = newest_for(archive, primary.position.timeline);
        if (!newest) return std::nullopt;
        const std::int64_t writing =
            model::wal_segment_at(1, primary.position.position, *archive.segment_bytes).number;
        return std::max<std::int64_t>(0, writing - 1 - *newest);
      },
      wal, live);
  lag.claimed_missing = combine(
      [&](const model::WalArchive& archive, const model::Archiver& said) -> Count {
        const std::int64_t size =
            archive.segment_bytes ? *archive.segment_bytes : model::kDefaultWalSegmentBytes;
        if (memory.claim && wal.observed_at() > memory.claim->at + kListingSlack) {
          const Count newest = newest_of(archive, memory.claim->segment.timeline);
          memory.claimed_missing =
              newest ? std::max<std::int64_t>(0, memory.claim->segment.number - *newest) : 1;
          memory.claim.reset();
        }
        const auto segment = claimed_segment(said.last_archived_wal, size);
        if (segment && !memory.claim) memory.claim = {{*segment, archiver.observed_at()}};
        return memory.claimed_missing;
      },
      wal, archiver);
  return lag;
}

Observed<Time> find_rhythm(const Observed<model::WalArchive>& wal,
                           std::optional<Duration> archive_timeout) {
  return wal.map([&](const model::WalArchive& archive) -> Time {
    if (archive_timeout && *archive_timeout > Duration::zero()) return archive_timeout;
    const model::WalRun* newest = nullptr;
    for (const model::WalRun& run : archive.runs) {
      if (newest == nullptr || newest->last_modified < run.last_modified) newest = &run;
    }
    if (newest == nullptr || newest->first >= newest->last || !newest->first_modified ||
        !newest->last_modified) {
      return std::nullopt;
    }
    return (*newest->last_modified - *newest->first_modified) / (newest->last - newest->first);
  });
}

}  // namespace keelwatch::analysis
