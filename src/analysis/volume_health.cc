#include "analysis/volume_health.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "base/time_text.h"

namespace keelwatch::analysis {
namespace {

// One start mends one copy: more than there are copies, and at least so many, go round in circles.
constexpr std::int64_t kLoopStarts = 3;
constexpr Duration kSalvageIsNews = std::chrono::hours(24);
constexpr Duration kExpansionTakes = std::chrono::minutes(10);
constexpr std::int64_t kSnapshotLimit = 250;  // of versions without the setting
constexpr double kNearLimit = 0.8;

std::optional<std::int64_t> integer(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

template <typename T>
std::optional<T> latest(std::optional<T> a, std::optional<T> b) {
  return !a || (b && *b > *a) ? b : a;
}

// A verdict in the making: everything about one volume at hand.
class Judge {
 public:
  Judge(const PlacedVolume& placed, const LonghornObjects& objects, const StorageNodes& nodes,
        const StorageFacts& facts, StorageMemory::OfVolume& memory)
      : placed_(placed),
        objects_(objects),
        volume_(*objects.volume),
        nodes_(nodes),
        facts_(facts),
        memory_(memory),
        engine_(objects.engine()),
        believed_(believed_engine(objects, nodes)),
        copies_(find_copies(objects, nodes)) {}

  // Absent: see judge_volume().
  std::optional<VolumeHealth> judge() {
    health_.robustness = volume_.robustness;
    health_.attached = volume_.state == "attached";
    count_copies();
    read_sizes();
    read_backups();
    read_salvage();
    follow_rebuilds();
    find_waiting();
    follow_degradation();
    health_.node_down = is_of_node();
    const bool rests = volume_.state == "detached" && !waiting_;
    if (rests && !placed_.users.is_known()) return std::nullopt;
    decide();
    return std::move(health_);
  }

 private:
  // Whether data was ever written: a volume that was only made has Replicas that are not whole yet.
  [[nodiscard]] bool was_used() const {
    return volume_.actual_size_bytes.value_or(0) > 0 ||
           std::ranges::any_of(objects_.replicas, [](const auto& r) {
             return r->healthy_at || r->failed_at || r->last_healthy_at;
           });
  }
  [[nodiscard]] std::int64_t count(CopyState state) const {
    return std::ranges::count(copies_, state, &VolumeCopy::state);
  }
  [[nodiscard]] std::string node() const {
    return volume_.current_node.empty() ? volume_.node : volume_.current_node;
  }
  [[nodiscard]] bool engine_runs() const {
    return engine_ != nullptr && engine_->state == "running";
  }

  void count_copies() {
    if (volume_.sharded()) return;
    health_.desired = volume_.replicas_desired;
    if (count(CopyState::kUnknown) > 0 || !was_used()) return;
    const auto all = static_cast<std::int64_t>(copies_.size());
    health_.scheduled = all - count(CopyState::kUnscheduled);
    health_.healthy = count(CopyState::kUsable) + count(CopyState::kUnverified);
    if (!health_.attached) return;
    health_.local = std::ranges::any_of(
        copies_, [&](const VolumeCopy& c) { return c.usable() && c.node == volume_.current_node; });
  }

  void read_sizes() {
    const std::string engine = volume_.data_engine.empty() ? "v1" : volume_.data_engine;
    health_.capacity_bytes = volume_.size_bytes;
    health_.actual_bytes = volume_.actual_size_bytes;
    if (const auto* listed = facts_.snapshots(volume_.meta.name)) {
      health_.snapshots = listed->count;
      health_.snapshot_bytes = listed->bytes;
    }
    if (believed_ != nullptr) {
      health_.snapshots = believed_->snapshots;
      health_.snapshot_bytes = believed_->snapshot_bytes;
      // The engines of v2 are in the instance manager; that setting is not about them.
      const auto wanted = facts_.setting("default-engine-image", engine);
      if (engine == "v1" && wanted && !believed_->image.empty())
        health_.engine_outdated = believed_->image != *wanted;
    }
    health_.snapshots_max = most_snapshots(engine);
  }

  [[nodiscard]] std::optional<std::int64_t> most_snapshots(const std::string& engine) const {
    if (volume_.snapshot_max_count.value_or(0) > 0) return volume_.snapshot_max_count;
    if (!facts_.knows_settings()) return std::nullopt;
    const auto most = integer(facts_.setting("snapshot-max-count", engine));
    return most.value_or(0) > 0 ? most : kSnapshotLimit;
  }

  void read_backups() {
    if (!facts_.backups_are_taken()) return;
    health_.backup_success = volume_.last_backup_at;
    if (const auto* listed = facts_.backups(volume_.meta.name)) {
      health_.backup_success = latest(health_.backup_success, listed->newest);
      health_.backup_running_since = listed->oldest_in_progress;
    }
  }

  // Before 1.12 nothing says so; but a copy that failed after it was last known whole, and counts
  // again, was revived.
  void read_salvage() {
    health_.salvaged = volume_.last_auto_salvaged;
    for (const auto& replica : objects_.replicas) {
      if (replica->failed_at || !replica->active || !replica->last_failed_at) continue;
      if (replica->last_healthy_at && *replica->last_healthy_at > *replica->last_failed_at)
        continue;
      if (replica->healthy_at) health_.salvaged = latest(health_.salvaged, replica->last_failed_at);
    }
    // Once its engine runs, the copy is known whole anew, and nothing tells any more.
    health_.salvaged = latest(health_.salvaged, memory_.salvaged);
    memory_.salvaged = health_.salvaged;
  }

  void follow_rebuilds() {
    const RebuildsSeen seen =
        keelwatch::analysis::follow_rebuilds({.engine = believed_,
                                              .silent = believed_ == nullptr && engine_runs(),
                                              .degraded = is_degraded(),
                                              .now = facts_.now()},
                                             memory_.rebuilding);
    health_.rebuild_progress = seen.progress;
    health_.rebuild_moved = seen.moved;
    health_.rebuild_starts = seen.starts;
  }

  void wait(std::optional<WallTime> evidence) {
    waiting_ = true;
    if (evidence && (!waited_since_ || *evidence < *waited_since_)) waited_since_ = evidence;
  }
  // Whether it is where somebody on that node wants it. One that is moved live, or that several
  // nodes use at once, is where it shall be.
  [[nodiscard]] bool is_at(const std::string& node) const {
    const std::string& at = volume_.current_node;
    return health_.attached && (at == node || at.empty() || volume_.access_mode == "rwx" ||
                                !volume_.migration_node.empty());
  }

  // A Pod that has a node wants its volumes there, also while another node has them. One that is
  // being deleted lets go, and what a Pod on a node that is down does nobody knows.
  void find_waiting() {
    if (volume_.state == "attaching") wait(std::nullopt);
    if (const auto* users = placed_.users.if_known()) {
      for (const auto& pod : *users) {
        if (pod->node.empty() || pod->meta.deletion_timestamp || nodes_.is_down(pod->node) ||
            is_at(pod->node))
          continue;
        const bool runs = pod->phase == "Running";
        in_use_ = in_use_ || runs;
        wait(runs ? std::nullopt : pod->scheduling.since);
        user_ = pod->meta.name;
      }
    }
    if (const auto* attachment = facts_.attachment(volume_.meta.name)) {
      for (const model::AttachmentTicket& ticket : attachment->tickets) {
        if (ticket.type != "csi-attacher" || ticket.satisfied == true || is_at(ticket.node))
          continue;
        wait(ticket.since);
        ticket_ = ticket.reason.empty() ? ticket.message : ticket.reason + ": " + ticket.message;
      }
    }
    if (!waiting_) {
      memory_.waiting_since.reset();
      return;
    }
    if (!memory_.waiting_since) memory_.waiting_since = facts_.now();
    health_.waiting_since = waited_since_ && *waited_since_ < *memory_.waiting_since
                                ? waited_since_
                                : memory_.waiting_since;
  }

  // See VolumeHealth::node_down.
  [[nodiscard]] std::optional<bool> is_of_node() const {
    const auto down = [&](const std::string& name) {
      return nodes_.is_down(name) && nodes_.with_storage.contains(name);
    };
    if (!node().empty() && down(node())) return true;
    if (!health_.healthy || !health_.desired) return std::nullopt;
    const auto missing = *health_.desired - *health_.healthy;
    auto there = std::ranges::count_if(copies_, [&](const VolumeCopy& copy) {
      return copy.state != CopyState::kFailed && !copy.node.empty() && down(copy.node);
    });
    // Of those that failed, the newest: what failed before was replaced since.
    std::vector<std::pair<WallTime, bool>> failures;
    for (const auto& replica : objects_.replicas) {
      if (replica->failed_at && replica->active && !replica->meta.deletion_timestamp)
        failures.emplace_back(*replica->failed_at, down(replica->node));
    }
    std::ranges::sort(failures, std::greater<>());
    for (std::size_t i = 0; i < failures.size() && static_cast<std::int64_t>(i) < missing; ++i) {
      if (failures[i].second) ++there;
    }
    return missing > 0 && there >= missing;
  }

  [[nodiscard]] bool is_degraded() const {
    if (volume_.standby || volume_.restore_required) return false;
    if (health_.attached && volume_.robustness == "degraded") return true;
    return health_.healthy && health_.desired && *health_.healthy < *health_.desired;
  }

  // Since when so many copies as are missing have failed. What failed before that was replaced
  // since, and is a leftover until staleReplicaTimeout has passed.
  [[nodiscard]] std::optional<WallTime> failed_since() const {
    if (!health_.healthy || !health_.desired) return std::nullopt;
    std::vector<WallTime> failures;
    for (const auto& replica : objects_.replicas) {
      if (replica->failed_at && replica->active && !replica->meta.deletion_timestamp)
        failures.push_back(*replica->failed_at);
    }
    const auto missing =
        std::min(static_cast<std::int64_t>(failures.size()), *health_.desired - *health_.healthy);
    if (missing <= 0) return std::nullopt;
    std::ranges::sort(failures, std::greater<>());
    return failures[static_cast<std::size_t>(missing - 1)];
  }

  void follow_degradation() {
    if (!is_degraded()) {
      memory_.degraded_since.reset();
      return;
    }
    if (!memory_.degraded_since) memory_.degraded_since = facts_.now();
    std::optional<WallTime> since = memory_.degraded_since;
    const auto earlier = [&](std::optional<WallTime> evidence) {
      if (evidence && *evidence < *since) since = evidence;
    };
    earlier(health_.attached ? volume_.last_degraded : failed_since());
    health_.degraded_since = since;
  }

  void say(VolumeVerdict verdict, std::string detail) {
    health_.verdict = verdict;
    health_.detail = std::move(detail);
  }

  void decide() {
    if (decide_lost() || decide_attachment() || decide_copies() || decide_rest()) return;
    say(volume_.state == "detached" ? VolumeVerdict::kDetached : VolumeVerdict::kOk, praise());
  }

  bool decide_lost() {
    const bool mine = !volume_.standby && !volume_.restore_required;
    const bool none = mine && health_.healthy == 0 && !copies_.empty();
    const bool all_down =
        !copies_.empty() && std::ranges::all_of(copies_, [&](const VolumeCopy& copy) {
          return copy.state == CopyState::kUnscheduled || nodes_.is_down(copy.node) ||
                 copy.state == CopyState::kNodeDown;
        });
    if (none && volume_.robustness != "faulted" && count(CopyState::kSuspect) > 0) {
      say(VolumeVerdict::kSalvaged, "its copies had all failed and were revived: none is proven");
      return true;
    }
    if (none || volume_.robustness == "faulted") {
      // Whatever else failed: a whole one that is away comes back with its node.
      if (all_down || (mine && count(CopyState::kNodeDown) > 0)) {
        say(VolumeVerdict::kUnreachable,
            all_down ? "every copy is on a node or disk that is down"
                     : "its last whole copy is on a node or disk that is down");
      } else {
        say(VolumeVerdict::kFaulted, "no copy of it is whole");
      }
      return true;
    }
    if (believed_ != nullptr && believed_->filesystem_read_only == true) {
      say(VolumeVerdict::kReadOnly, "its file system was remounted read-only");
      return true;
    }
    return false;
  }

  bool decide_attachment() {
    const std::string at = node();
    if (!at.empty() && nodes_.is_down(at)) {
      say(VolumeVerdict::kEngineNodeLost, "it is attached to " + at + ", which is down");
      return true;
    }
    if (health_.attached && !engine_runs()) {
      say(VolumeVerdict::kEngineNodeLost,
          "it is attached to " + at + ", and its engine there is " +
              (engine_ == nullptr       ? "missing"
               : engine_->state.empty() ? "in no state"
                                        : "in state " + engine_->state));
      return true;
    }
    if (in_use_ && volume_.state != "attaching") {
      say(VolumeVerdict::kDetachedInUse,
          "Pod " + user_ + " runs on it, and it is " +
              (health_.attached ? "attached to " + at : volume_.state));
      return true;
    }
    if (waiting_) {
      std::string detail = volume_.state.empty() ? "not attached" : volume_.state;
      if (health_.attached) detail += " to " + volume_.current_node;
      if (!user_.empty()) detail += ", Pod " + user_ + " waits for it";
      if (!ticket_.empty()) detail += ", " + ticket_;
      say(VolumeVerdict::kAttaching, std::move(detail));
      return true;
    }
    return false;
  }

  bool decide_copies() {
    if (expansion_is_stuck()) return true;
    if (volume_.standby || volume_.restore_required) {
      say(VolumeVerdict::kRestoring, volume_.standby                  ? "follows a backup"
                                     : volume_.restore_reason.empty() ? "is restored from a backup"
                                                                      : volume_.restore_reason);
      return true;
    }
    if (!is_degraded()) return false;
    const std::string copies = count_text();
    if (health_.rebuild_starts >= std::max(kLoopStarts, health_.desired.value_or(0) + 1)) {
      say(VolumeVerdict::kRebuildLoop,
          fmt::format("{}, {} rebuilds begun within an hour", copies, health_.rebuild_starts));
    } else if (volume_.scheduled == false || count(CopyState::kUnscheduled) > 0) {
      say(VolumeVerdict::kReplicaUnscheduled, copies + ", no disk takes another: " + no_disk());
    } else if (health_.rebuild_progress) {
      say(VolumeVerdict::kRebuilding,
          fmt::format("{}, rebuilding: {:.0f} %", copies, *health_.rebuild_progress * 100));
    } else {
      say(VolumeVerdict::kDegraded, copies);
    }
    return true;
  }

  bool expansion_is_stuck() {
    const bool required = volume_.expansion_required && health_.attached;
    if (!required) {
      memory_.expansion_since.reset();
    } else if (!memory_.expansion_since) {
      memory_.expansion_since = facts_.now();
    }
    if (believed_ != nullptr && required && !believed_->expansion_error.empty()) {
      say(VolumeVerdict::kExpansionStuck, believed_->expansion_error);
      return true;
    }
    if (required && facts_.now() - *memory_.expansion_since > kExpansionTakes) {
      say(VolumeVerdict::kExpansionStuck,
          "its expansion has not ended for " +
              format_duration(facts_.now() - *memory_.expansion_since));
      return true;
    }
    return false;
  }

  bool decide_rest() {
    const auto most = health_.snapshots_max;
    if (health_.snapshots && most &&
        static_cast<double>(*health_.snapshots) >= kNearLimit * static_cast<double>(*most)) {
      say(VolumeVerdict::kSnapshotsNearLimit,
          fmt::format("{} snapshots of {} that it may have", *health_.snapshots, *most));
      return true;
    }
    if (health_.salvaged && facts_.now() - *health_.salvaged < kSalvageIsNews) {
      say(VolumeVerdict::kSalvaged,
          "its copies had all failed and were revived at " + format_rfc3339(*health_.salvaged, 0));
      return true;
    }
    return false;
  }

  [[nodiscard]] std::string count_text() const {
    if (!health_.healthy || !health_.desired) return "Longhorn calls it " + volume_.robustness;
    return fmt::format("{} of {} copies", *health_.healthy, *health_.desired);
  }
  [[nodiscard]] std::string no_disk() const {
    if (!volume_.scheduling_message.empty()) return volume_.scheduling_message;
    return volume_.scheduling_reason.empty() ? "nothing says why" : volume_.scheduling_reason;
  }

  // What a volume that is well should be known for.
  [[nodiscard]] std::string praise() const {
    std::string text;
    if (volume_.sharded()) {
      text = "sharded: its copies are not counted";
    } else if (health_.desired == 1) {
      text = volume_.data_locality == "strict-local" ? "single copy, strict-local" : "single copy";
    } else {
      text = health_.healthy                  ? count_text()
             : count(CopyState::kUnknown) > 0 ? "its copies cannot be counted"
                                              : "never used";
    }
    const std::int64_t size = health_.capacity_bytes.value_or(0);
    if (size > 0 && health_.actual_bytes.value_or(0) > size) {
      text +=
          fmt::format(", takes {} % of its size on each disk: {} bytes are of snapshots",
                      *health_.actual_bytes / (size / 100 + 1), health_.snapshot_bytes.value_or(0));
      if (believed_ != nullptr && believed_->snapshots_removed.value_or(0) > 0) {
        text +=
            fmt::format(" ({} of them removed and not purged yet)", *believed_->snapshots_removed);
      }
    }
    return text;
  }

  const PlacedVolume& placed_;
  const LonghornObjects& objects_;
  const model::LonghornVolume& volume_;
  const StorageNodes& nodes_;
  const StorageFacts& facts_;
  StorageMemory::OfVolume& memory_;
  const model::LonghornEngine* engine_;    // null: none is active
  const model::LonghornEngine* believed_;  // null: what is written of it may be old
  std::vector<VolumeCopy> copies_;
  VolumeHealth health_;
  bool waiting_ = false;
  std::optional<WallTime> waited_since_;  // by what the objects say
  bool in_use_ = false;
  std::string user_;
  std::string ticket_;
};

template <typename T>
void index_by_name(const Observed<model::ObjectList<T>>& answer,
                   std::map<std::string_view, const T*>& index) {
  if (const auto* all = answer.if_known()) {
    for (const auto& one : *all) index.emplace_hint(index.end(), one->meta.name, one.get());
  }
}

template <typename T>
const T* look_up(const std::map<std::string_view, const T*>& index, const std::string& name) {
  const auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

// Of a volume that is attached: the Engine that may be its active one and could not be decoded.
const model::LonghornEngine* unread_engine(const LonghornObjects& objects) {
  if (objects.volume->state != "attached" || objects.engine() != nullptr) return nullptr;
  const auto found = std::ranges::find_if(
      objects.engines, [](const auto& engine) { return engine->volume.empty(); });
  return found == objects.engines.end() ? nullptr : found->get();
}

}  // namespace

StorageFacts::StorageFacts(const model::World& world) : now_(world.at), slice_(*world.kubernetes) {
  index_by_name(slice_.longhorn_attachments, attachments_);
  index_by_name(slice_.longhorn_snapshots, snapshots_);
  index_by_name(slice_.longhorn_backups, backups_);
  if (const auto* targets = slice_.longhorn_backup_targets.if_known()) {
    backups_are_taken_ =
        std::ranges::any_of(*targets, [](const auto& t) { return !t->url.empty(); });
  }
}

const model::VolumeAttachment* StorageFacts::attachment(const std::string& volume) const {
  return look_up(attachments_, volume);
}
const model::VolumeSnapshots* StorageFacts::snapshots(const std::string& volume) const {
  return look_up(snapshots_, volume);
}
const model::VolumeBackups* StorageFacts::backups(const std::string& volume) const {
  return look_up(backups_, volume);
}
std::optional<std::string> StorageFacts::setting(std::string_view name,
                                                 std::string_view engine) const {
  const auto* settings = slice_.longhorn_settings.if_known();
  return settings == nullptr ? std::nullopt : longhorn_setting(*settings, name, engine);
}

Observed<VolumeHealth> judge_volume(const PlacedVolume& volume, const Observed<StorageNodes>& nodes,
                                    const StorageFacts& facts, StorageMemory::OfVolume& memory) {
  using Health = Observed<VolumeHealth>;
  return combine(
      [&](const LonghornObjects& objects, const StorageNodes& known_nodes) {
        const WallTime at = std::min(volume.objects.observed_at(), nodes.observed_at());
        if (objects.volume->state.empty() && objects.volume->robustness.empty()) {
          return Health::unknown(
              Error(ErrorCode::kMalformed,
                    "Volume " + volume.volume + " has no status yet, or one that cannot be read"),
              "kubernetes");
        }
        if (const auto* engine = unread_engine(objects)) {
          return Health::unknown(
              Error(ErrorCode::kMalformed, "Engine " + engine->meta.name + " cannot be read"),
              "kubernetes");
        }
        std::optional<VolumeHealth> health =
            Judge(volume, objects, known_nodes, facts, memory).judge();
        if (!health) return Health::absent(volume.users.why());
        return Health::known(*std::move(health), at);
      },
      volume.objects, nodes);
}

}  // namespace keelwatch::analysis
