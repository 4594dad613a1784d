#include "app/judgements.h"

#include <string_view>
#include <utility>

#include "base/time_text.h"

namespace keelwatch::app {
namespace {

class Finder {
 public:
  explicit Finder(const Labels& labels) : labels_(labels) {}

  [[nodiscard]] bool agrees(std::string_view label, std::string_view value) const {
    return !labels_.has(label) || labels_.get(label) == value;
  }
  [[nodiscard]] bool of_cluster(std::string_view ns, std::string_view cluster) const {
    return !labels_.has("component") && agrees("namespace", ns) && agrees("cluster", cluster);
  }
  void add(std::string about, const Observed<bool>& verdict, std::string_view yes,
           std::string_view no, const std::string& reason) {
    const bool* known = verdict.if_known();
    add(std::move(about),
        known == nullptr ? "unknown"
        : *known         ? yes
                         : no,
        known == nullptr && reason.empty() ? verdict.why().error.message() : reason);
  }
  void add(std::string about, std::string_view verdict, std::string reason) {
    found.push_back({std::move(about), std::string(verdict), std::move(reason)});
  }

  std::vector<Judgement> found;

 private:
  const Labels& labels_;
};

// Who is meant by the figures of an instance's sessions.
void add_sessions(const model::Instance& instance, Finder& finder) {
  const model::Activity* activity = instance.activity.if_known();
  if (activity == nullptr) return;
  if (!activity->longest_transaction_by.empty()) {
    finder.add("longest transaction on " + text(instance.id), activity->longest_transaction_by, {});
  }
  if (!activity->longest_idle_in_transaction_by.empty()) {
    finder.add("longest idle in transaction on " + text(instance.id),
               activity->longest_idle_in_transaction_by, {});
  }
}

void add_pod(const model::Pod& pod, Finder& finder) {
  const std::string about = "Pod " + pod.meta.ns + "/" + pod.meta.name;
  if (pod.scheduling.scheduled == false) {
    finder.add(about, "not scheduled", pod.scheduling.reason + ": " + pod.scheduling.message);
  }
  for (const model::ContainerStatus& container : pod.containers) {
    if (!container.waiting_reason.empty()) {
      finder.add(about + " container " + container.name, container.waiting_reason,
                 container.waiting_message);
    } else if (!container.last_terminated_reason.empty()) {
      finder.add(about + " container " + container.name, "restarted",
                 container.last_terminated_reason);
    }
  }
}

void add_object(const model::Cluster& object, Finder& finder) {
  const std::string about = object.meta.ns + "/" + object.meta.name;
  for (const auto& [role, reasons] : object.roles_not_reconciled) {
    finder.add("role " + role + " of " + about, "not applied",
               reasons.empty() ? std::string() : reasons.front());
  }
  for (const model::PluginStatus& plugin : object.plugin_status) {
    finder.add("plugin " + plugin.name + " of " + about, plugin.version, plugin.status);
  }
}

// What stands behind an outcome, as kubectl calls it.
std::string named(const analysis::BackupOutcome& backup) {
  return backup.name.empty() ? "the status of the ObjectStore" : "Backup " + backup.name;
}

void add_outcome(const std::string& about,
                 const Observed<std::optional<analysis::BackupOutcome>>& outcome, Finder& finder) {
  const auto* known = outcome.if_known();
  if (known == nullptr) return finder.add(about, "unknown", outcome.why().error.message());
  if (*known) finder.add(about, named(**known), (*known)->error);
}

void add_schedule(const std::string& ns, const analysis::BackupSchedule& schedule, Finder& finder) {
  const std::string about = "ScheduledBackup " + ns + "/" + schedule.name;
  const std::string* orphaned = schedule.orphaned.if_known();
  if (!schedule.problem.empty()) {
    finder.add(about, "never due", schedule.problem);
  } else if (orphaned != nullptr && !orphaned->empty()) {
    finder.add(about, "orphaned", *orphaned);
  } else if (!schedule.overdue_since.is_known()) {
    finder.add(about, "unknown", schedule.overdue_since.why().error.message());
  } else if (schedule.overdue_since.known_value()) {
    finder.add(about, "overdue",
               "since " + format_rfc3339(*schedule.overdue_since.known_value(), 0));
  }
  if (schedule.zone_doubt) {
    finder.add("slots of " + about, "unknown", schedule.zone_doubt->error.message());
  }
  const auto* blocked = schedule.blocked_by.if_known();
  if (blocked != nullptr && *blocked) {
    finder.add(about, "blocked", named(**blocked) + " is " + (*blocked)->phase);
  }
}

void add_backups(const analysis::ClusterBackups& backups, Finder& finder) {
  const std::string cluster = backups.ns + "/" + backups.cluster;
  add_outcome("last successful backup of " + cluster, backups.last_success, finder);
  add_outcome("last failed backup of " + cluster, backups.last_failure, finder);
  const auto* schedules = backups.schedules.if_known();
  if (schedules == nullptr) return;
  for (const analysis::BackupSchedule& schedule : *schedules) {
    if (finder.agrees("scheduled_backup", schedule.name)) {
      add_schedule(backups.ns, schedule, finder);
    }
  }
}

void add_recovery(const analysis::Recovery& recovery, Finder& finder) {
  const std::string about = "archive " + text(recovery.archive);
  for (std::size_t i = 0; i < analysis::kLineageProblemCount; ++i) {
    const analysis::LineageFact& fact = recovery.lineage[i];
    const bool* holds = fact.holds.if_known();
    if (holds != nullptr && *holds) {
      finder.add(about, analysis::kLineageProblems[i], fact.detail);
    }
  }
  const auto& window = recovery.points->window[0];
  if (!window.is_known()) {
    finder.add("recovery window of " + about, "unknown", window.why().error.message());
  } else if (const auto& known = window.known_value(); !known) {
    finder.add("recovery window of " + about, "none", "no backup of it can be restored");
  } else {
    finder.add("recovery window of " + about, "is there",
               format_rfc3339(known->start, 0) + " to " + format_rfc3339(known->end, 0));
  }
  if (const auto* gaps = recovery.points->gaps.if_known(); gaps != nullptr && gaps->segments > 0) {
    finder.add("WAL of " + about, "has gaps", std::to_string(gaps->segments) + " segments");
  }
  const auto* backups = recovery.points->backups.if_known();
  if (backups == nullptr || backups->empty()) return;
  const analysis::RestorePoint& newest = backups->back();
  finder.add("newest backup in " + about + ", " + newest.id, to_string(newest.state),
             newest.reason.empty() ? newest.latest_fails : newest.reason);
}

// Whatever cluster it belongs to, or none.
void add_volume(const analysis::StorageVolume& volume, Finder& finder) {
  if (!finder.agrees("namespace", volume.ns) || !finder.agrees("cluster", volume.cluster) ||
      !finder.agrees("pod", volume.pod) || !finder.agrees("volume", volume.volume) ||
      !finder.agrees("persistentvolumeclaim", volume.claim)) {
    return;
  }
  const std::string about =
      "volume " + (volume.claim.empty() ? volume.volume : volume.ns + "/" + volume.claim);
  if (const analysis::VolumeHealth* health = volume.health.if_known()) {
    finder.add(about, analysis::to_string(health->verdict), health->detail);
  } else {
    finder.add(about, "unknown", volume.health.why().error.message());
  }
}

}  // namespace

std::vector<Judgement> find_judgements(const Moment& moment, const Labels& labels) {
  Finder finder(labels);
  const analysis::Assessment& all = moment.assessment;
  for (std::size_t i = 0; i < all.clusters.size(); ++i) {
    const analysis::ClusterTopology& cluster = all.clusters[i];
    if (!finder.of_cluster(cluster.ns, cluster.name)) continue;
    const analysis::ClusterHealth& health = all.health[i];
    finder.add("status of " + cluster.ns + "/" + cluster.name, health.status_agrees,
               "agrees with SQL", "disagrees with SQL", health.status_reason);
    for (const analysis::ServiceHealth& service : health.services) {
      if (!finder.agrees("role", service.role)) continue;
      finder.add("Service " + cluster.name + "-" + service.role, service.leads_right, "leads right",
                 "leads astray", service.reason);
    }
    for (const analysis::Standby& standby : all.replication[i].standbys) {
      if (!finder.agrees("pod", standby.id.pod)) continue;
      const std::string* state = standby.state.if_known();
      finder.add("standby " + text(standby.id), state ? *state : "unknown", standby.reason);
    }
    for (const analysis::FailoverSlotCopy& copy : all.failover_slots[i].copies) {
      if (!finder.agrees("pod", copy.standby.pod) || !finder.agrees("slot", copy.slot)) continue;
      finder.add("copy of slot " + copy.slot + " on " + text(copy.standby), copy.ready, "ready",
                 "not ready", copy.reason);
    }
    for (const auto& instance : cluster.instances) {
      if (finder.agrees("pod", instance->id.pod)) add_sessions(*instance, finder);
    }
    if (const auto* pods = cluster.pods.if_known()) {
      for (const auto& pod : *pods) {
        if (finder.agrees("pod", pod->meta.name)) add_pod(*pod, finder);
      }
    }
    if (cluster.object) add_object(*cluster.object, finder);
  }
  for (const analysis::ClusterBackups& backups : all.backups) {
    if (finder.of_cluster(backups.ns, backups.cluster)) add_backups(backups, finder);
  }
  for (const analysis::Recovery& recovery : all.recovery.archives) {
    if (finder.of_cluster(recovery.ns, recovery.cluster) &&
        finder.agrees("archive", text(recovery.archive))) {
      add_recovery(recovery, finder);
    }
  }
  for (const analysis::UnresolvedArchive& one : all.recovery.unresolved) {
    if (!finder.of_cluster(one.ns, one.cluster)) continue;
    finder.add("archive of " + one.ns + "/" + one.cluster, "unknown", one.why.error.message());
  }
  // Without a label of theirs, all of them would be in every answer.
  if (labels.has("volume") || labels.has("persistentvolumeclaim") || labels.has("pod")) {
    for (const analysis::StorageVolume& volume : all.storage.volumes) add_volume(volume, finder);
  }
  for (const analysis::OperatorHealth& one : all.operators) {
    if (!labels.has("component") || !finder.agrees("component", one.component)) continue;
    finder.add("operator " + one.component, one.up, "up", "down", one.reason);
  }
  return std::move(finder.found);
}

}  // namespace keelwatch::app
