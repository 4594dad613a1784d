// Makes archives for tests: segments by number, one object at a time, as a listing would find them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/archive.h"
#include "tests/support/world_builder.h"

namespace keelwatch::testing {

inline constexpr std::int64_t kSegment = model::kDefaultWalSegmentBytes;
inline constexpr std::uint64_t kSystemId = 7'300'000'000'000'000'001U;

// The position `part` (0 to 1) into a segment.
model::Lsn inside(std::int64_t number, double part = 0.5);

// Segment n of a steady archive is complete, and so archived, at this time: one a minute.
WallTime archived_at(std::int64_t number);

struct ArchiveBuilder {
  std::map<model::WalSegment, std::int64_t> segments;  // stored bytes
  std::vector<model::WalFault> faults;
  std::vector<model::PartialSegment> partials;
  std::vector<model::WalTail> tails;
  std::vector<model::TimelineHistory> histories;
  std::vector<model::WalProof> proofs;
  std::vector<model::BaseBackup> backups;
  model::ArchiveId id{"http://minio:9000", "backups", "pg", "pg"};

  ArchiveBuilder& wal(std::int64_t timeline, std::int64_t first, std::int64_t last);
  ArchiveBuilder& without(std::int64_t timeline, std::int64_t number);
  ArchiveBuilder& fault(std::int64_t timeline, std::int64_t number, std::string kind);
  ArchiveBuilder& partial(std::int64_t timeline, std::int64_t number);
  // Records of it are whole until `end`.
  ArchiveBuilder& tail(std::int64_t timeline, std::int64_t number, model::Lsn end);
  ArchiveBuilder& history(std::int64_t timeline, std::vector<model::TimelineSwitch> switches);
  ArchiveBuilder& garbage_history(std::int64_t timeline);
  ArchiveBuilder& proven(std::string by, std::int64_t timeline, std::int64_t first,
                         std::int64_t last);

  // A backup whose WAL is in segments first to last.
  ArchiveBuilder& backup(std::string name, std::int64_t first, std::int64_t last,
                         std::int64_t timeline = 1);
  model::BaseBackup& last_backup();
  // Changes what the last backup's backup.info says.
  template <typename F>
  ArchiveBuilder& info(F&& change) {
    model::BackupInfo info = backups.back().info.known_value();
    change(info);
    backups.back().info = Observed<model::BackupInfo>::known(std::move(info), kNow);
    return *this;
  }

  [[nodiscard]] model::WalArchive wal_archive() const;
  [[nodiscard]] model::Archive archive(WallTime at = kNow) const;
};

}  // namespace keelwatch::testing
