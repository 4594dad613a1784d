#include "tests/support/archive_builder.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/result.h"

namespace keelwatch::testing {

model::Lsn inside(std::int64_t number, double part) {
  return {static_cast<std::uint64_t>((static_cast<double>(number) + part) *
                                     static_cast<double>(kSegment))};
}

WallTime archived_at(std::int64_t number) {
  return kNow - std::chrono::hours(24) + std::chrono::minutes(number);
}

ArchiveBuilder& ArchiveBuilder::wal(std::int64_t timeline, std::int64_t first, std::int64_t last) {
  for (std::int64_t n = first; n <= last; ++n) segments[{timeline, n}] = kSegment;
  return *this;
}

ArchiveBuilder& ArchiveBuilder::without(std::int64_t timeline, std::int64_t number) {
  segments.erase({timeline, number});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::fault(std::int64_t timeline, std::int64_t number,
                                      std::string kind) {
  faults.push_back({{timeline, number},
                    std::move(kind),
                    "found it",
                    archived_at(number),
                    archived_at(number - 1)});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::partial(std::int64_t timeline, std::int64_t number) {
  partials.push_back({{timeline, number}, kSegment, archived_at(number)});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::tail(std::int64_t timeline, std::int64_t number, model::Lsn end) {
  tails.push_back({{timeline, number}, end});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::history(std::int64_t timeline,
                                        std::vector<model::TimelineSwitch> switches) {
  histories.push_back(
      {timeline, Observed<std::vector<model::TimelineSwitch>>::known(std::move(switches), kNow),
       kNow});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::garbage_history(std::int64_t timeline) {
  histories.push_back({timeline,
                       Observed<std::vector<model::TimelineSwitch>>::unknown(
                           Error(ErrorCode::kMalformed, "line 1: not a switch"), "object_store"),
                       kNow});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::proven(std::string by, std::int64_t timeline, std::int64_t first,
                                       std::int64_t last) {
  proofs.push_back({timeline, first, last, std::move(by), archived_at(last)});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::backup(std::string name, std::int64_t first, std::int64_t last,
                                       std::int64_t timeline) {
  model::BackupInfo info;
  info.status = "DONE";
  info.server_version = 150'007;
  info.system_id = kSystemId;
  info.timeline = timeline;
  info.segment_bytes = kSegment;
  info.begin_wal = model::wal_segment_name({timeline, first}, kSegment);
  info.end_wal = model::wal_segment_name({timeline, last}, kSegment);
  info.begin_lsn = inside(first, 0.25);
  info.end_lsn = inside(last, 0.75);
  info.begin_time = archived_at(first) - std::chrono::seconds(40);
  info.end_time = archived_at(last) - std::chrono::seconds(20);
  info.cluster_bytes = 1'000'000'000;
  backups.push_back({std::move(name),
                     {{"backup.info", 1000, kNow, ""}, {"data.tar.gz", 400'000'000, kNow, ""}},
                     Observed<model::BackupInfo>::known(std::move(info), kNow),
                     std::nullopt});
  return *this;
}

model::BaseBackup& ArchiveBuilder::last_backup() { return backups.back(); }

model::WalArchive ArchiveBuilder::wal_archive() const {
  model::WalArchive wal;
  wal.segment_bytes = kSegment;
  wal.system_id = kSystemId;
  for (const auto& [segment, bytes] : segments) {
    const WallTime at = archived_at(segment.number);
    if (wal.runs.empty() || wal.runs.back().timeline != segment.timeline ||
        wal.runs.back().last + 1 != segment.number) {
      wal.runs.push_back({segment.timeline, segment.number, segment.number, bytes, at, at});
    } else {
      wal.runs.back().last = segment.number;
      wal.runs.back().bytes += bytes;
      wal.runs.back().last_modified = at;
    }
    wal.objects += 1;
    wal.bytes += bytes;
  }
  wal.faults = faults;
  wal.tails = tails;
  for (const model::PartialSegment& partial : partials) {  // the whole one counts
    if (!segments.contains(partial.segment)) wal.partials.push_back(partial);
  }
  wal.histories = histories;
  wal.proofs = proofs;
  std::ranges::sort(wal.faults, {}, &model::WalFault::segment);
  std::ranges::sort(wal.tails, {}, &model::WalTail::segment);
  std::ranges::sort(wal.partials, {}, &model::PartialSegment::segment);
  std::ranges::sort(wal.histories, {}, &model::TimelineHistory::timeline);
  wal.listed_whole_at = kNow;
  return wal;
}

model::Archive ArchiveBuilder::archive(WallTime at) const {
  model::WalArchive wal = wal_archive();
  wal.listed_whole_at = at;
  return {id, Observed<std::vector<model::BaseBackup>>::known(backups, at),
          Observed<model::WalArchive>::known(std::move(wal), at),
          Observed<model::BucketSettings>::known({}, at)};
}

}  // namespace keelwatch::testing
