// How far an archive is behind the database that writes to it: what would be lost, and whether what
// the archiver claims is there. Pure.
#pragma once

#include <optional>

#include "analysis/recovery.h"

namespace keelwatch::analysis {

// What the primary says that is compared with the store.
struct Live {
  LivePosition position;
  std::optional<std::uint64_t> system_id;
  std::optional<Duration> archive_timeout;  // 0: off; absent: never told
};

// The switch to a new segment comes that much later than archive_timeout at most.
inline constexpr Duration kArchiveTimeoutSlack = std::chrono::seconds(30);
inline constexpr std::size_t kLivePositionsKept = 512;

// A listing may be that much older than its time: it takes long, and an object may have come while
// it ran.
inline constexpr Duration kListingSlack = std::chrono::seconds(60);

// Remembers where the primary was when.
void remember_position(const LivePosition& now, std::vector<LivePosition>& live);

// `window`: at one level of proof. Bytes from its end to the primary's position, and since when the
// primary has been beyond it. What stays in the segment behind the window's end for longer than
// archive_timeout is not worth archiving to PostgreSQL (CheckArchiveTimeout in
// src/backend/postmaster/checkpointer.c), and is no loss.
[[nodiscard]] StorageLoss measure_loss(const Observed<std::optional<RecoveryWindow>>& window,
                                       const Observed<Live>& live,
                                       const std::vector<LivePosition>& history,
                                       std::int64_t segment_bytes, WallTime now);

// A listing proves or disproves only a claim that is older than itself.
[[nodiscard]] ArchiveLag measure_lag(const Observed<model::WalArchive>& wal,
                                     const Observed<Live>& live,
                                     const Observed<model::Archiver>& archiver,
                                     RecoveryMemory::OfCluster& memory);

[[nodiscard]] Observed<std::optional<Duration>> find_rhythm(
    const Observed<model::WalArchive>& wal, std::optional<Duration> archive_timeout);

}  // namespace keelwatch::analysis
