#include "analysis/recovery.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "analysis/archive_lag.h"
#include "analysis/lineage.h"

namespace keelwatch::analysis {
namespace {

using model::Archive;
using model::ArchiveId;
using Name = RecoveryMemory::Name;

std::optional<std::uint64_t> parse_system(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

const ClusterTopology* find_cluster(const std::vector<ClusterTopology>& clusters,
                                    const Name& name) {
  const auto found = std::ranges::find_if(clusters, [&](const ClusterTopology& c) {
    return c.ns == name.first && c.name == name.second;
  });
  return found == clusters.end() ? nullptr : &*found;
}

// What the primary says now; it is remembered how far it had come.
Observed<Live> live_of(const ClusterTopology* cluster, RecoveryMemory::OfCluster& memory) {
  const auto unknown = [](std::string why) {
    return Observed<Live>::unknown(Error(ErrorCode::kUnavailable, std::move(why)), "postgres");
  };
  if (cluster == nullptr) return unknown("the cluster is not watched");
  if (!cluster->primary) {
    if (!cluster->writable_primaries.is_known()) {
      return Observed<Live>::absent(cluster->writable_primaries.why());
    }
    return unknown("no instance says that it is the primary");
  }
  const auto& settings = cluster->primary->settings;
  if (const auto* known = settings.if_known()) {
    const model::Setting* timeout = find_setting(*known, "archive_timeout");
    const auto seconds = timeout ? in_base_unit(*timeout) : std::nullopt;
    if (seconds) {
      memory.archive_timeout =
          std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
    }
  }
  const auto& server = cluster->primary->server;
  auto live = server.map([&](const model::ServerFacts& facts) {
    if (!facts.current || !facts.timeline) return unknown("the primary does not tell its position");
    return Observed<Live>::known({{server.observed_at(), *facts.timeline, *facts.current},
                                  parse_system(facts.system_identifier),
                                  memory.archive_timeout},
                                 server.observed_at());
  });
  if (const Live* now = live.if_known()) remember_position(now->position, memory.live);
  return live;
}

// The system that is alive; while no primary answers, the one that the operator saw.
std::optional<std::uint64_t> system_of(const ClusterTopology* cluster, const Observed<Live>& live) {
  if (const Live* now = live.if_known(); now && now->system_id) return now->system_id;
  if (cluster != nullptr && cluster->object) return parse_system(cluster->object->system_id);
  return std::nullopt;
}

class Assessor {
 public:
  Assessor(const std::vector<ClusterTopology>& clusters, const model::World& world,
           const config::Config& config, RecoveryMemory& memory)
      : clusters_(clusters), world_(world), config_(config), memory_(memory) {}

  RecoveryAssessment assess();

 private:
  [[nodiscard]] std::shared_ptr<const Archive> find(const ArchiveId& id) const;
  [[nodiscard]] Recovery judge(const Name& name, const ArchiveId& id, std::string_view policy);
  [[nodiscard]] std::shared_ptr<const RestorePoints> points_of(
      const Name& name, const std::shared_ptr<const Archive>& archive,
      std::optional<std::uint64_t> live);
  [[nodiscard]] Observed<std::string> shared_with(const Name& name, const ArchiveId& id) const;
  void follow_drills(Recovery& recovery);
  void forget();

  const std::vector<ClusterTopology>& clusters_;
  const model::World& world_;
  const config::Config& config_;
  RecoveryMemory& memory_;
  std::vector<ClusterArchive> uses_;
  std::set<std::pair<Name, ArchiveId>> seen_;
};

std::shared_ptr<const Archive> Assessor::find(const ArchiveId& id) const {
  const auto& archives = world_.archives->archives;
  const auto found =
      std::ranges::lower_bound(archives, id, {}, [](const auto& a) { return a->id; });
  if (found != archives.end() && (*found)->id == id) return *found;
  return std::make_shared<const Archive>(Archive::absent(
      id, {Absence::kUnknown, Error(ErrorCode::kUnavailable, "the archive has not been read yet"),
           "object_store " + text(id)}));
}

std::shared_ptr<const RestorePoints> Assessor::points_of(
    const Name& name, const std::shared_ptr<const Archive>& archive,
    std::optional<std::uint64_t> live) {
  seen_.insert({name, archive->id});
  RecoveryMemory::Judged& judged = memory_.judged[{name, archive->id}];
  if (judged.archive != archive || judged.live != live || !judged.points) {
    judged = {archive, live,
              std::make_shared<const RestorePoints>(find_restore_points(*archive, live))};
  }
  return judged.points;
}

Observed<std::string> Assessor::shared_with(const Name& name, const ArchiveId& id) const {
  const auto& clusters = world_.kubernetes->clusters;
  std::string other;
  for (const ClusterArchive& use : uses_) {
    const ArchiveId* theirs = use.archive.if_known();
    if (use.use != model::ArchiveUse::kOwn || theirs == nullptr || *theirs != id) continue;
    if (Name(use.ns, use.cluster) == name) continue;
    if (!other.empty()) other += ", ";
    other += use.ns + "/" + use.cluster;
  }
  if (other.empty() && !clusters.is_known()) return Observed<std::string>::absent(clusters.why());
  return Observed<std::string>::known(std::move(other), world_.at);
}

void Assessor::follow_drills(Recovery& recovery) {
  RecoveryMemory::Drills& drills = memory_.drills[recovery.archive];
  const auto* objects = world_.kubernetes->clusters.if_known();
  std::set<std::string> there;
  for (const ClusterArchive& use : uses_) {
    const ArchiveId* origin = use.archive.if_known();
    if (use.use != model::ArchiveUse::kSource || origin == nullptr) continue;
    if (*origin != recovery.archive ||
        Name(use.ns, use.cluster) == Name(recovery.ns, recovery.cluster)) {
      continue;
    }
    const ClusterTopology* topology = find_cluster(clusters_, {use.ns, use.cluster});
    if (topology == nullptr || !topology->object) continue;
    const model::Cluster& object = *topology->object;
    if (!object.recovery || object.replica_cluster) continue;  // it follows, and is no restore
    const std::string key = object.meta.uid.empty() ? use.ns + "/" + use.cluster : object.meta.uid;
    there.insert(key);
    if (model::phase_kind(object.phase) == model::PhaseKind::kHealthy &&
        !drills.succeeded.contains(key)) {
      const WallTime when = object.phase_since ? *object.phase_since : world_.at;
      drills.succeeded[key] = when;
      if (!drills.last_success || *drills.last_success < when) {
        drills.last_success = when;
        drills.last_duration.reset();
        if (object.meta.creation_timestamp && *object.meta.creation_timestamp <= when) {
          drills.last_duration = when - *object.meta.creation_timestamp;
        }
      }
    }
    RestoreDrill drill{use.ns, use.cluster, object.meta.creation_timestamp, std::nullopt};
    if (const auto done = drills.succeeded.find(key); done != drills.succeeded.end()) {
      drill.succeeded = done->second;
    }
    recovery.drills.push_back(std::move(drill));
  }
  if (objects != nullptr) {
    std::erase_if(drills.succeeded, [&](const auto& one) { return !there.contains(one.first); });
  }
  recovery.last_drill_success = drills.last_success;
  recovery.last_drill_duration = drills.last_duration;
}

Recovery Assessor::judge(const Name& name, const ArchiveId& id, std::string_view policy) {
  const ClusterTopology* cluster = find_cluster(clusters_, name);
  const bool nobody = name.second.empty();
  RecoveryMemory::OfCluster none;
  RecoveryMemory::OfCluster& memory = nobody ? none : memory_.clusters[name];
  const Observed<Live> live =
      nobody ? Observed<Live>::not_installed("no Cluster archives here", "kubernetes")
             : live_of(cluster, memory);
  auto archive = find(id);
  auto points = points_of(name, archive, system_of(cluster, live));
  const auto archiver = cluster != nullptr && cluster->primary
                            ? cluster->primary->archiver
                            : Observed<model::Archiver>::unknown(
                                  Error(ErrorCode::kUnavailable, "no primary answers"), "postgres");
  std::int64_t segment_bytes = model::kDefaultWalSegmentBytes;
  if (const auto* wal = archive->wal.if_known(); wal && wal->segment_bytes) {
    segment_bytes = *wal->segment_bytes;
  }
  const auto loss = [&](std::size_t proof) {
    return measure_loss(points->window[proof], live, memory.live, segment_bytes, world_.at);
  };
  Recovery recovery{
      .ns = name.first,
      .cluster = name.second,
      .archive = id,
      .found = archive,
      .points = points,
      .loss = {loss(0), loss(1), loss(2)},
      .lineage = judge_lineage(*archive, *points, live, shared_with(name, id), memory),
      .lag = measure_lag(archive->wal, live, archiver, memory),
      .rhythm = find_rhythm(archive->wal, memory.archive_timeout),
      .retention = judge_retention(*archive, policy, world_.at),
      .drills = {},
      .last_drill_success = std::nullopt,
      .last_drill_duration = std::nullopt};
  if (!nobody) follow_drills(recovery);
  return recovery;
}

// What nobody speaks of any more.
void Assessor::forget() {
  std::erase_if(memory_.judged, [&](const auto& one) { return !seen_.contains(one.first); });
  std::erase_if(memory_.clusters, [&](const auto& one) {
    return std::ranges::none_of(seen_, [&](const auto& s) { return s.first == one.first; });
  });
}

RecoveryAssessment Assessor::assess() {
  uses_ = find_cluster_archives(world_, config_, memory_.uses);
  RecoveryAssessment result;
  std::set<ArchiveId> used;
  for (const ClusterArchive& use : uses_) {
    if (use.use != model::ArchiveUse::kOwn) continue;
    const ArchiveId* id = use.archive.if_known();
    if (id == nullptr) {
      result.unresolved.push_back({use.ns, use.cluster, use.archive.why()});
      continue;
    }
    used.insert(*id);
    result.archives.push_back(judge({use.ns, use.cluster}, *id, use.retention_policy));
  }
  for (const auto& archive : world_.archives->archives) {
    if (!used.contains(archive->id)) result.archives.push_back(judge({}, archive->id, ""));
  }
  forget();
  return result;
}

}  // namespace

RecoveryAssessment assess_recovery(const std::vector<ClusterTopology>& clusters,
                                   const model::World& world, const config::Config& config,
                                   RecoveryMemory& memory) {
  return Assessor(clusters, world, config, memory).assess();
}

}  // namespace keelwatch::analysis
