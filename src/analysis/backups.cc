#include "analysis/backups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

#include "analysis/cron_schedule.h"
#include "base/time_text.h"
#include "model/archive_place.h"

namespace keelwatch::analysis {
namespace {

using model::Backup;
using model::Cluster;
using model::ScheduledBackup;
using Key = std::pair<std::string, std::string>;  // namespace, cluster
using Outcome = Observed<std::optional<BackupOutcome>>;

constexpr std::string_view kObjectStoreMethod = "barmanObjectStore";
constexpr std::string_view kSnapshotMethod = "volumeSnapshot";
constexpr std::string_view kPluginMethod = "plugin";

// The operator acts within seconds of a slot.
constexpr Duration kSlotGrace = std::chrono::minutes(2);

// The zones of the world, by their offsets from UTC.
constexpr Duration kFirstOffset = std::chrono::hours(-12);
constexpr Duration kLastOffset = std::chrono::hours(14);
constexpr Duration kOffsetStep = std::chrono::minutes(15);

// What is known of one cluster; the answers that lists came from are in `world`.
struct Case {
  Key key;
  const Cluster* cluster = nullptr;  // null: there is none, or nobody knows
  bool hibernated = false;
  std::vector<const Backup*> backups;
  std::vector<const ScheduledBackup*> schedules;
};

std::string method_of(const std::string& method) {
  return method.empty() ? std::string(kObjectStoreMethod) : method;
}

bool is_finished(const Backup& backup) {
  return backup.phase == "completed" || backup.phase == "failed";
}

std::optional<WallTime> begin_of(const Backup& backup) {
  return backup.started ? backup.started : backup.meta.creation_timestamp;
}

std::optional<WallTime> end_of(const Backup& backup) {
  return backup.stopped ? backup.stopped : begin_of(backup);
}

BackupOutcome outcome_of(const Backup& backup, WallTime at) {
  return {backup.meta.name, method_of(backup.method), at, backup.phase, backup.error};
}

// Whether the data of a VolumeSnapshot is there: its content, and not only its own word.
bool is_ready(const Backup& backup, const std::string& name,
              const model::ObjectList<model::VolumeSnapshot>& snapshots,
              const model::ObjectList<model::VolumeSnapshotContent>& contents) {
  const auto snapshot = std::ranges::find_if(snapshots, [&](const auto& s) {
    return s->meta.ns == backup.meta.ns && s->meta.name == name;
  });
  if (snapshot == snapshots.end() || (*snapshot)->content.empty()) return false;
  return std::ranges::any_of(contents, [&](const auto& content) {
    return content->meta.name == (*snapshot)->content &&
           content->snapshot_namespace == backup.meta.ns && content->snapshot_name == name &&
           content->ready_to_use == true;
  });
}

// Whether a completed Backup counts.
Observed<bool> counts(const Backup& backup, const model::World& world) {
  const model::KubernetesSlice& k = *world.kubernetes;
  const WallTime at = k.backups.observed_at();
  if (backup.method != kSnapshotMethod) return Observed<bool>::known(true, at);
  const auto not_installed = [](const auto& answer) {
    return !answer.is_known() && answer.why().absence == Absence::kNotInstalled;
  };
  if (not_installed(k.volume_snapshots) || not_installed(k.volume_snapshot_contents)) {
    return Observed<bool>::known(false, at);
  }
  return combine(
      [&](const auto& snapshots, const auto& contents) {
        return !backup.snapshots.empty() &&
               std::ranges::all_of(backup.snapshots, [&](const std::string& name) {
                 return is_ready(backup, name, snapshots, contents);
               });
      },
      k.volume_snapshots, k.volume_snapshot_contents);
}

// What the plugin last saw in the cluster's own archives. Unknown where the ObjectStores are.
Outcome success_by_store(const Case& c, const model::World& world) {
  const model::KubernetesSlice& k = *world.kubernetes;
  std::optional<BackupOutcome> newest;
  if (c.cluster == nullptr) return Outcome::known(newest, k.backups.observed_at());
  for (const model::ClusterPlugin& plugin : c.cluster->plugins) {
    if (!plugin.enabled || plugin.name != model::kBarmanPlugin) continue;
    const auto* stores = k.object_stores.if_known();
    if (stores == nullptr) {
      if (k.object_stores.why().absence == Absence::kNotInstalled) continue;
      return Outcome::absent(k.object_stores.why());
    }
    const std::string& server =
        plugin.server_name.empty() ? c.cluster->meta.name : plugin.server_name;
    for (const auto& store : *stores) {
      if (store->meta.ns != c.key.first || store->meta.name != plugin.object_store) continue;
      const auto window = store->windows.find(server);
      if (window == store->windows.end() || !window->second.last_success) continue;
      newest = BackupOutcome{{}, std::string(kPluginMethod), *window->second.last_success, {}, {}};
    }
  }
  return Outcome::known(newest, k.backups.observed_at());
}

// The newest successful backup, of that method or (empty) of any.
Outcome last_success(const Case& c, const model::World& world, std::string_view method) {
  const auto& answer = world.kubernetes->backups;
  if (!answer.is_known()) return Outcome::absent(answer.why());
  std::optional<BackupOutcome> newest;
  std::optional<Why> unknown;
  std::optional<WallTime> unknown_at;
  for (const Backup* backup : c.backups) {
    const auto end = end_of(*backup);
    if (backup->phase != "completed" || !end) continue;
    if (!method.empty() && method_of(backup->method) != method) continue;
    const Observed<bool> counting = counts(*backup, world);
    if (!counting.is_known()) {
      unknown = counting.why();
      unknown_at = std::max(unknown_at.value_or(*end), *end);
    } else if (counting.known_value() && (!newest || newest->at < *end)) {
      newest = outcome_of(*backup, *end);
    }
  }
  if (method.empty() || method == kPluginMethod) {
    const Outcome by_store = success_by_store(c, world);
    if (!by_store.is_known() && !newest) return by_store;
    const auto* told = by_store.if_known();
    if (told != nullptr && *told && (!newest || newest->at < (*told)->at)) newest = *told;
  }
  if (unknown && (!newest || newest->at < *unknown_at)) return Outcome::absent(*unknown);
  return Outcome::known(newest, answer.observed_at());
}

Outcome last_failure(const Case& c, const model::World& world) {
  const auto& answer = world.kubernetes->backups;
  if (!answer.is_known()) return Outcome::absent(answer.why());
  std::optional<BackupOutcome> newest;
  for (const Backup* backup : c.backups) {
    const auto end = end_of(*backup);
    if (backup->phase != "failed" || !end || (newest && *end <= newest->at)) continue;
    newest = outcome_of(*backup, *end);
  }
  return Outcome::known(newest, answer.observed_at());
}

std::vector<BackupOutcome> unfinished_of(const std::vector<const Backup*>& backups, WallTime now) {
  std::vector<BackupOutcome> unfinished;
  for (const Backup* backup : backups) {
    if (is_finished(*backup)) continue;
    const auto begin = begin_of(*backup);
    unfinished.push_back(outcome_of(*backup, begin ? *begin : now));
  }
  std::ranges::sort(unfinished, {}, [](const BackupOutcome& b) { return std::tie(b.at, b.name); });
  return unfinished;
}

Duration allowance_of(const Case& c, const config::Config& config) {
  Duration longest{};
  for (const Backup* backup : c.backups) {
    if (backup->phase != "completed" || !backup->started || !backup->stopped) continue;
    longest = std::max(longest, *backup->stopped - *backup->started);
  }
  // One that is said to have taken years must not excuse all others.
  longest = std::min<Duration>(longest, std::chrono::hours(24 * 7));
  return config::thresholds_for(config, c.key.first, c.key.second).backup_delay + 2 * longest;
}

bool has_archiver(const Cluster& cluster) {
  if (cluster.switches.skip_wal_archiving == true) return false;
  return cluster.backup.object_store == true ||
         std::ranges::any_of(cluster.plugins, [](const model::ClusterPlugin& plugin) {
           return plugin.enabled && plugin.wal_archiver;
         });
}

// Why no backup of that method can succeed; empty: one can.
std::string what_lacks(const ScheduledBackup& scheduled, const Cluster& cluster) {
  const std::string method = method_of(scheduled.method);
  if (method == kPluginMethod) {
    const bool has = std::ranges::any_of(cluster.plugins, [&](const model::ClusterPlugin& plugin) {
      return plugin.enabled && plugin.name == scheduled.plugin;
    });
    return has ? "" : "the Cluster has no enabled plugin \"" + scheduled.plugin + "\"";
  }
  if (method == kObjectStoreMethod && cluster.backup.object_store != true) {
    return "the Cluster has no spec.backup.barmanObjectStore";
  }
  if (method == kSnapshotMethod && cluster.backup.volume_snapshot != true) {
    return "the Cluster has no spec.backup.volumeSnapshot";
  }
  return "";
}

Observed<std::string> orphaned(const ScheduledBackup& scheduled, const Case& c,
                               const model::World& world) {
  using Reason = Observed<std::string>;
  const auto& clusters = world.kubernetes->clusters;
  if (!clusters.is_known()) return Reason::absent(clusters.why());
  const WallTime at = clusters.observed_at();
  if (c.cluster == nullptr) {
    return Reason::known("there is no Cluster \"" + scheduled.cluster + "\"", at);
  }
  if (!c.cluster->backup.object_store) {
    return Reason::unknown(Error(ErrorCode::kMalformed, "the Cluster could not be decoded"),
                           "kubernetes");
  }
  return Reason::known(what_lacks(scheduled, *c.cluster), at);
}

// When the operator last did something about it: it counts slots from there.
std::optional<WallTime> last_look(const ScheduledBackup& scheduled) {
  return scheduled.last_check ? scheduled.last_check : scheduled.meta.creation_timestamp;
}

std::int64_t count_slots(const CronSchedule& cron, WallTime after, WallTime until,
                         Duration utc_offset) {
  std::int64_t count = 0;
  for (auto slot = cron.next(after, utc_offset); slot && *slot <= until && count < kMaxMissed;
       slot = cron.next(*slot, utc_offset)) {
    ++count;
  }
  return count;
}

// Why the configured offset of the operator's zone is not to be believed for a schedule. The
// operator notes with each Backup that it makes what Next(lastCheckTime) is in its own zone
// (advanceScheduledBackupStatus in scheduledbackup_controller.go).
std::optional<Why> doubt_zone(const ScheduledBackup& scheduled, const CronSchedule& cron,
                              Duration utc_offset) {
  if (cron.delay() || !scheduled.last_check || !scheduled.next_schedule) return std::nullopt;
  const auto ours = cron.next(*scheduled.last_check, utc_offset);
  if (ours == scheduled.next_schedule) return std::nullopt;
  return Why{Absence::kUnknown,
             Error(ErrorCode::kInvalid,
                   fmt::format("the operator's next slot after {} is {}, not {}: its zone is not "
                               "that of kubernetes.operator_utc_offset, or the schedule was "
                               "changed and it has made no Backup since",
                               format_rfc3339(*scheduled.last_check, 0),
                               format_rfc3339(*scheduled.next_schedule, 0),
                               ours ? format_rfc3339(*ours, 0) : "never")),
             "kubernetes"};
}

// Judges one schedule that can be read and is not suspended.
class Slots {
 public:
  Slots(const Case& c, const ScheduledBackup& scheduled, const CronSchedule& cron,
        const model::World& world, const config::Config& config)
      : case_(c),
        scheduled_(scheduled),
        cron_(cron),
        world_(world),
        offset_(config.kubernetes.operator_utc_offset),
        doubt_(doubt_zone(scheduled, cron, offset_)),
        allowance_(allowance_of(c, config)) {}

  void judge(BackupSchedule& out) const {
    out.zone_doubt = doubt_;
    const auto looked = last_look(scheduled_);
    if (!doubt_) {
      // The slots of @every count from the last Backup; a due one is then the next.
      const bool counts_on = cron_.delay() && looked;
      out.next_slot = cron_.next(counts_on ? *looked : world_.at, offset_);
      if (looked) {
        out.missed_slots = count_slots(cron_, *looked, world_.at - kSlotGrace, offset_);
      }
    }
    out.overdue_since = overdue_since();
    out.blocked_by = blocked_by();
  }

 private:
  [[nodiscard]] bool is_child(const Backup& backup) const {
    return backup.scheduled_backup == scheduled_.meta.name;
  }

  // The earliest and the latest first slot after a time, of all zones that the operator may be in;
  // nothing: there is none.
  struct FirstSlot {
    WallTime earliest;
    WallTime latest;
  };
  [[nodiscard]] std::optional<FirstSlot> first_slot(WallTime after) const {
    std::optional<FirstSlot> found;
    const auto consider = [&](Duration offset) {
      const auto slot = cron_.next(after, offset);
      if (!slot) return;
      if (!found) found = FirstSlot{*slot, *slot};
      found->earliest = std::min(found->earliest, *slot);
      found->latest = std::max(found->latest, *slot);
    };
    if (!doubt_) {
      consider(offset_);
      return found;
    }
    for (Duration offset = kFirstOffset; offset <= kLastOffset; offset += kOffsetStep) {
      consider(offset);
    }
    return found;
  }

  [[nodiscard]] Observed<std::optional<WallTime>> overdue_since() const {
    using Since = Observed<std::optional<WallTime>>;
    const Outcome success = last_success(case_, world_, method_of(scheduled_.method));
    if (!success.is_known()) return Since::absent(success.why());
    const WallTime at = world_.kubernetes->scheduled_backups.observed_at();
    if (case_.hibernated) return Since::known(std::nullopt, at);
    std::optional<WallTime> from = scheduled_.meta.creation_timestamp;
    if (const auto& last = success.known_value()) from = begin_of(*last);
    if (!from) return Since::unknown(Error(ErrorCode::kNotFound, "no time to count from"), "api");
    const auto slot = first_slot(*from);
    if (!slot || world_.at <= slot->earliest + allowance_) return Since::known(std::nullopt, at);
    if (world_.at <= slot->latest + allowance_) return Since::absent(*doubt_);
    if (is_gone(slot->latest)) {
      return Since::unknown(
          Error(ErrorCode::kNotFound, "the Backup that was made for its last slot is gone"),
          "kubernetes");
    }
    return Since::known(slot->latest, at);
  }

  // Of a success: when it began. What an ObjectStore says has no begin.
  [[nodiscard]] std::optional<WallTime> begin_of(const BackupOutcome& outcome) const {
    for (const Backup* backup : case_.backups) {
      if (!outcome.name.empty() && backup->meta.name == outcome.name) {
        return analysis::begin_of(*backup);
      }
    }
    return outcome.at;
  }

  // Whether the operator made a Backup since that slot, and none of them is there any more.
  [[nodiscard]] bool is_gone(WallTime slot) const {
    if (!scheduled_.last_schedule || *scheduled_.last_schedule < slot) return false;
    return std::ranges::none_of(case_.backups, [&](const Backup* backup) {
      const auto begin = analysis::begin_of(*backup);
      return is_child(*backup) && begin && *begin >= slot;
    });
  }

  [[nodiscard]] Outcome blocked_by() const {
    const auto& backups = world_.kubernetes->backups;
    if (!backups.is_known()) return Outcome::absent(backups.why());
    std::vector<const Backup*> children;
    for (const Backup* backup : case_.backups) {
      if (is_child(*backup)) children.push_back(backup);
    }
    const std::vector<BackupOutcome> unfinished = unfinished_of(children, world_.at);
    const auto none = Outcome::known(std::nullopt, backups.observed_at());
    const auto looked = last_look(scheduled_);
    if (unfinished.empty() || !looked) return none;
    const auto slot = first_slot(*looked);
    const WallTime due = world_.at - kSlotGrace;
    if (!slot || due < slot->earliest) return none;
    if (due < slot->latest) return Outcome::absent(*doubt_);
    return Outcome::known(unfinished.front(), backups.observed_at());
  }

  const Case& case_;
  const ScheduledBackup& scheduled_;
  const CronSchedule& cron_;
  const model::World& world_;
  Duration offset_;
  std::optional<Why> doubt_;
  Duration allowance_;
};

BackupSchedule judge_schedule(const ScheduledBackup& scheduled, const Case& c,
                              const model::World& world, const config::Config& config) {
  const WallTime at = world.kubernetes->scheduled_backups.observed_at();
  const Why undecoded{Absence::kUnknown,
                      Error(ErrorCode::kMalformed, "the ScheduledBackup could not be decoded"),
                      "kubernetes"};
  BackupSchedule out{.name = scheduled.meta.name,
                     .schedule = scheduled.schedule,
                     .method = method_of(scheduled.method),
                     .plugin = scheduled.plugin,
                     .suspended = AbsentOfAny{undecoded},
                     .problem = {},
                     .zone_doubt = {},
                     .next_slot = {},
                     .missed_slots = 0,
                     .overdue_since = AbsentOfAny{undecoded},
                     .orphaned = AbsentOfAny{undecoded},
                     .blocked_by = AbsentOfAny{undecoded}};
  if (!scheduled.suspended) return out;
  out.suspended = Observed<bool>::known(*scheduled.suspended, at);
  out.orphaned = orphaned(scheduled, c, world);
  out.overdue_since = Observed<std::optional<WallTime>>::known(std::nullopt, at);
  out.blocked_by = Outcome::known(std::nullopt, at);
  const Result<CronSchedule> cron = CronSchedule::parse(scheduled.schedule);
  if (!cron) {
    out.problem = cron.error().message();
  } else if (!cron->next(world.at, config.kubernetes.operator_utc_offset)) {
    out.problem = "it has no slot in the next five years";
  } else if (!*scheduled.suspended) {
    Slots(c, scheduled, *cron, world, config).judge(out);
  }
  return out;
}

Observed<bool> failing(const ClusterBackups& backups) {
  return combine(
      [](const std::optional<BackupOutcome>& success, const std::optional<BackupOutcome>& failure) {
        return failure && (!success || success->at < failure->at);
      },
      backups.last_success, backups.last_failure);
}

// A schedule whose backups are worth nothing without WAL. Snapshots of a stopped database need
// none.
// Who suspends all schedules wants no backups.
bool needs_archiver(const BackupSchedule& schedule) {
  const bool* suspended = schedule.suspended.if_known();
  return schedule.method != kSnapshotMethod && suspended != nullptr && !*suspended;
}

ClusterBackups assess(const Case& c, const model::World& world, const config::Config& config) {
  const model::KubernetesSlice& k = *world.kubernetes;
  ClusterBackups out{
      .ns = c.key.first,
      .cluster = c.key.second,
      .schedules = k.scheduled_backups.map([&](const auto&) {
        std::vector<BackupSchedule> schedules;
        for (const ScheduledBackup* scheduled : c.schedules) {
          schedules.push_back(judge_schedule(*scheduled, c, world, config));
        }
        return schedules;
      }),
      .last_success = last_success(c, world, ""),
      .last_failure = last_failure(c, world),
      .failing = Observed<bool>::absent({Absence::kUnknown, Error(ErrorCode::kNotFound, ""), ""}),
      .unfinished = k.backups.map([&](const auto&) { return unfinished_of(c.backups, world.at); }),
      .allowance = k.backups.map([&](const auto&) { return allowance_of(c, config); }),
      .stuck = Observed<bool>::absent({Absence::kUnknown, Error(ErrorCode::kNotFound, ""), ""}),
      .archiver_configured = k.clusters.map([&](const auto&) -> Observed<bool> {
        if (c.cluster == nullptr || !c.cluster->backup.object_store) {
          return Observed<bool>::unknown(
              Error(ErrorCode::kNotFound, "there is no Cluster that can be decoded"), "kubernetes");
        }
        return Observed<bool>::known(has_archiver(*c.cluster), k.clusters.observed_at());
      }),
      .without_archiver =
          Observed<bool>::absent({Absence::kUnknown, Error(ErrorCode::kNotFound, ""), ""})};
  out.failing = failing(out);
  out.stuck = combine(
      [&](const std::vector<BackupOutcome>& unfinished, Duration allowance) {
        return !unfinished.empty() && world.at - unfinished.front().at > allowance;
      },
      out.unfinished, out.allowance);
  out.without_archiver = combine(
      [](bool configured, const std::vector<BackupSchedule>& schedules) {
        return !configured && std::ranges::any_of(schedules, needs_archiver);
      },
      out.archiver_configured, out.schedules);
  return out;
}

}  // namespace

std::vector<ClusterBackups> assess_backups(const std::vector<ClusterTopology>& clusters,
                                           const model::World& world,
                                           const config::Config& config) {
  std::map<Key, Case> cases;
  for (const ClusterTopology& cluster : clusters) {
    if (!cluster.object) continue;
    Case& c = cases[{cluster.ns, cluster.name}];
    c.cluster = cluster.object.get();
    c.hibernated = cluster.hibernated();
  }
  if (const auto* schedules = world.kubernetes->scheduled_backups.if_known()) {
    for (const auto& scheduled : *schedules) {
      cases[{scheduled->meta.ns, scheduled->cluster}].schedules.push_back(scheduled.get());
    }
  }
  if (const auto* backups = world.kubernetes->backups.if_known()) {
    for (const auto& backup : *backups) {
      const auto found = cases.find({backup->meta.ns, backup->cluster});
      if (found != cases.end()) found->second.backups.push_back(backup.get());
    }
  }
  std::vector<ClusterBackups> result;
  result.reserve(cases.size());
  for (auto& [key, c] : cases) {
    c.key = key;
    result.push_back(assess(c, world, config));
  }
  return result;
}

}  // namespace keelwatch::analysis
