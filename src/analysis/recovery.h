// From when until when each database can be restored from its archive, what is lost if its storage
// dies now, and whether the archive is its own. What the store holds is compared with what the
// primary says and with what its archiver claims. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/cluster_archives.h"
#include "analysis/restore_points.h"
#include "analysis/topology.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

// What speaks against an archive being the database's own.
enum class LineageProblem {
  kSystemId,        // its newest WAL or backup is of another database
  kShared,          // two Clusters archive to the same place
  kTimelineBehind,  // the primary's timeline is not in it
  kTimelineAhead,   // it has a timeline that the primary is not on: a recovery to `latest` goes
                    // there
  kSegmentAhead,    // a segment that the primary has not written yet
  kForeignFiles,    // files that are none of barman's
};
inline constexpr std::string_view kLineageProblems[] = {
    "system_id", "shared", "timeline_behind", "timeline_ahead", "segment_ahead", "foreign_files",
};
inline constexpr std::size_t kLineageProblemCount = 6;

struct LineageFact {
  Observed<bool> holds;
  std::string detail;  // one sentence; empty if it does not hold
};

// What would be lost, measured from the end of the window.
struct StorageLoss {
  // None: there is no window, so all is lost.
  Observed<std::optional<double>> bytes;
  Observed<std::optional<Duration>> time;
};

struct ArchiveLag {
  // Segments that the primary has completed and the store does not have yet.
  Observed<std::optional<std::int64_t>> live_segments;
  // Segments by which the archiver's last success is ahead of the store: without an archiver
  // archive_command succeeds, too.
  Observed<std::optional<std::int64_t>> claimed_missing;
};

// A Cluster that is made from this archive.
struct RestoreDrill {
  std::string ns;
  std::string cluster;
  std::optional<WallTime> begun;
  std::optional<WallTime> succeeded;  // when it was first healthy
};

struct Retention {
  // DONE backups that the policy would have removed: all but one that ended before its window.
  Observed<std::optional<std::int64_t>> backups_beyond;
  // Whether the bucket itself removes or freezes objects before the policy does.
  Observed<std::optional<bool>> expires_early;
  // Whether versions or a lock survive a deletion.
  Observed<std::optional<bool>> protects;
};

// One Cluster's use of one archive, or an archive that no Cluster uses.
struct Recovery {
  std::string ns;  // both empty: no Cluster uses it
  std::string cluster;
  model::ArchiveId archive;
  std::shared_ptr<const model::Archive> found;  // never null; absent answers if nothing read it
  std::shared_ptr<const RestorePoints> points;  // never null
  std::array<StorageLoss, kProofCount> loss;
  std::array<LineageFact, kLineageProblemCount> lineage;
  ArchiveLag lag;
  // How often a segment comes: archive_timeout, else the mean of the newest run.
  Observed<std::optional<Duration>> rhythm;
  Retention retention;
  std::vector<RestoreDrill> drills;  // that are there
  // Of all drills that were seen, also of those that are gone.
  std::optional<WallTime> last_drill_success;
  std::optional<Duration> last_drill_duration;
};

// A Cluster that declares an archive of which nobody knows where it is.
struct UnresolvedArchive {
  std::string ns;
  std::string cluster;
  Why why;
};

struct RecoveryAssessment {
  std::vector<Recovery> archives;  // by (namespace, cluster), then those of nobody
  std::vector<UnresolvedArchive> unresolved;
};

struct LivePosition {
  WallTime at;
  std::int64_t timeline = 0;
  model::Lsn position;
};

struct RecoveryMemory {
  struct Claim {
    model::WalSegment segment;
    WallTime at;  // when the server told it
  };
  struct OfCluster {
    std::vector<LivePosition> live;  // rising positions of one timeline, thinned when old
    std::optional<Duration> archive_timeout;
    std::optional<Claim> claim;  // that no listing is newer than
    std::optional<std::int64_t> claimed_missing;
    std::optional<bool> segment_ahead;
  };
  struct Judged {
    std::shared_ptr<const model::Archive> archive;
    std::optional<std::uint64_t> live;
    std::shared_ptr<const RestorePoints> points;
  };
  struct Drills {
    std::map<std::string, WallTime> succeeded;  // by uid
    std::optional<WallTime> last_success;
    std::optional<Duration> last_duration;
  };
  using Name = std::pair<std::string, std::string>;

  ClusterArchiveMemory uses;
  std::map<Name, OfCluster> clusters;
  std::map<std::pair<Name, model::ArchiveId>, Judged> judged;
  std::map<model::ArchiveId, Drills> drills;
};

[[nodiscard]] RecoveryAssessment assess_recovery(const std::vector<ClusterTopology>& clusters,
                                                 const model::World& world,
                                                 const config::Config& config,
                                                 RecoveryMemory& memory);

}  // namespace keelwatch::analysis
