#include "analysis/lineage.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace keelwatch::analysis {
namespace {

using Facts = std::array<LineageFact, kLineageProblemCount>;

LineageFact holds_if(bool holds, WallTime at, std::string detail) {
  return {Observed<bool>::known(holds, at), holds ? std::move(detail) : std::string()};
}

LineageFact absent(const Why& why) { return {Observed<bool>::absent(why), ""}; }

LineageFact unknown(std::string why) {
  return absent(
      {Absence::kUnknown, Error(ErrorCode::kUnavailable, std::move(why)), "object_store"});
}

LineageFact judge_system(const model::WalArchive& wal, const RestorePoints& points,
                         const Live& live, WallTime at) {
  if (!live.system_id) return unknown("the primary does not tell its system identifier");
  if (wal.system_id && *wal.system_id != *live.system_id) {
    return holds_if(true, at,
                    fmt::format("its newest WAL is of system {}, the primary is {}", *wal.system_id,
                                *live.system_id));
  }
  if (wal.system_id) return holds_if(false, at, "");
  // Nobody has looked into its WAL: the newest backup tells.
  if (const auto* backups = points.backups.if_known()) {
    for (auto backup = backups->rbegin(); backup != backups->rend(); ++backup) {
      if (!backup->system_id) continue;
      return holds_if(*backup->system_id != *live.system_id, at,
                      fmt::format("backup {} is of system {}, the primary is {}", backup->id,
                                  *backup->system_id, *live.system_id));
    }
  }
  return holds_if(false, at, "");
}

std::int64_t newest_timeline(const model::WalArchive& wal) {
  std::int64_t newest = 0;
  if (!wal.runs.empty()) newest = wal.runs.back().timeline;
  if (!wal.histories.empty()) newest = std::max(newest, wal.histories.back().timeline);
  return newest;
}

bool has_timeline(const model::WalArchive& wal, std::int64_t timeline) {
  return std::ranges::binary_search(wal.runs, timeline, {}, &model::WalRun::timeline) ||
         std::ranges::binary_search(wal.histories, timeline, {}, &model::TimelineHistory::timeline);
}

// The newest segment is judged by a position that is younger than the listing.
LineageFact judge_position(const model::WalArchive& wal, WallTime listed_at, const Live& live,
                           WallTime live_at, RecoveryMemory::OfCluster& memory) {
  const auto behind =
      std::ranges::upper_bound(wal.runs, live.position.timeline, {}, &model::WalRun::timeline);
  const bool any =
      behind != wal.runs.begin() && std::prev(behind)->timeline == live.position.timeline;
  if (!wal.segment_bytes || !any) {
    memory.segment_ahead = false;
    return holds_if(false, listed_at, "");
  }
  const std::int64_t newest = std::prev(behind)->last;
  const std::int64_t writing =
      model::wal_segment_at(1, live.position.position, *wal.segment_bytes).number;
  if (live_at >= listed_at) memory.segment_ahead = newest >= writing;
  if (!memory.segment_ahead) return unknown("no position is younger than the listing");
  return holds_if(
      *memory.segment_ahead, listed_at,
      fmt::format("it holds segment {}, the primary is at {} on timeline {}",
                  model::wal_segment_name({live.position.timeline, newest}, *wal.segment_bytes),
                  to_string(live.position.position), live.position.timeline));
}

// Days that a policy spans, by its unit.
std::int64_t days_of(char unit) { return unit == 'd' ? 1 : unit == 'w' ? 7 : unit == 'm' ? 31 : 0; }

}  // namespace

Facts judge_lineage(const model::Archive& archive, const RestorePoints& points,
                    const Observed<Live>& live, const Observed<std::string>& shared_with,
                    RecoveryMemory::OfCluster& memory) {
  const auto& observed = archive.wal;
  LineageFact shared = shared_with.is_known()
                           ? holds_if(!shared_with.known_value().empty(), shared_with.observed_at(),
                                      shared_with.known_value() + " archives to the same place")
                           : absent(shared_with.why());
  if (!observed.is_known()) {
    const LineageFact none = absent(observed.why());
    return {none, std::move(shared), none, none, none, none};
  }
  const model::WalArchive& wal = observed.known_value();
  const WallTime at = observed.observed_at();
  LineageFact foreign =
      holds_if(wal.foreign_objects > 0, at,
               fmt::format("{} files that are none of barman's, {} among them", wal.foreign_objects,
                           wal.foreign.empty() ? std::string("unnamed") : wal.foreign.front()));
  if (!live.is_known()) {
    const LineageFact none = absent(live.why());
    return {none, std::move(shared), none, none, none, std::move(foreign)};
  }
  const Live& primary = live.known_value();
  const std::int64_t newest = newest_timeline(wal);
  const std::int64_t own = primary.position.timeline;
  LineageFact behind =
      holds_if(newest > 0 && newest < own && !has_timeline(wal, own), at,
               fmt::format("the primary is on timeline {}, the archive ends with {}", own, newest));
  LineageFact ahead = holds_if(
      newest > own, at, fmt::format("it holds timeline {}, the primary is on {}", newest, own));
  return {judge_system(wal, points, primary, at),
          std::move(shared),
          std::move(behind),
          std::move(ahead),
          judge_position(wal, at, primary, live.observed_at(), memory),
          std::move(foreign)};
}

std::optional<Duration> parse_retention(std::string_view policy) {
  if (policy.size() < 2) return std::nullopt;
  std::int64_t count = 0;
  const char* unit = policy.data() + policy.size() - 1;
  const auto [end, failed] = std::from_chars(policy.data(), unit, count);
  const std::int64_t days = days_of(*unit);
  if (failed != std::errc() || end != unit || count < 1 || count > 100'000 || days == 0) {
    return std::nullopt;
  }
  return std::chrono::hours(24 * days * count);
}

Retention judge_retention(const model::Archive& archive, std::string_view policy, WallTime now) {
  using Count = std::optional<std::int64_t>;
  using Flag = std::optional<bool>;
  const std::optional<Duration> keep = parse_retention(policy);
  Retention result{archive.backups.map([&](const std::vector<model::BaseBackup>& backups) -> Count {
                     if (!keep) return std::nullopt;
                     std::int64_t before = 0;
                     for (const model::BaseBackup& backup : backups) {
                       const model::BackupInfo* info = backup.info.if_known();
                       const bool kept =
                           std::ranges::any_of(backup.files, [](const model::ArchivedFile& f) {
                             return f.name.starts_with("annotations/keep");
                           });
                       if (kept || info == nullptr || info->status != "DONE" || !info->end_time)
                         continue;
                       if (*info->end_time < now - *keep) ++before;
                     }
                     return std::max<std::int64_t>(0, before - 1);
                   }),
                   archive.settings.map([&](const model::BucketSettings& settings) -> Flag {
                     std::optional<std::int64_t> days = settings.expires_after_days;
                     if (settings.archives_after_days) {
                       days = days ? std::min(*days, *settings.archives_after_days)
                                   : settings.archives_after_days;
                     }
                     if (!days) return settings.not_permitted.empty() ? Flag(false) : std::nullopt;
                     // Without a policy nothing is to go at all.
                     return !keep || std::chrono::hours(24 * *days) < *keep;
                   }),
                   archive.settings.map([&](const model::BucketSettings& settings) -> Flag {
                     if (settings.versioning == true || settings.object_lock == true) return true;
                     if (!settings.versioning || !settings.object_lock) return std::nullopt;
                     return false;
                   })};
  return result;
}

}  // namespace keelwatch::analysis
