#include "app/silence.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rules/selection.h"

namespace keelwatch::app {
namespace {

// Kinds of objects that only some families, "keelwatch_" and one of these words, are made of; all
// others have a part in every family.
struct Part {
  std::string_view kind;
  std::vector<std::string_view> families;
};

const std::vector<Part>& parts() {
  static const std::vector<Part> all = {
      {model::Service::kKind,
       {"cluster_service_", "endpoint_", "placement_", "pooler_", "reachability_"}},
      {model::EndpointSlice::kKind,
       {"cluster_service_", "endpoint_", "placement_", "reachability_"}},
      {model::PersistentVolumeClaim::kKind,
       {"cluster_claims_", "filesystem_", "placement_", "volume_"}},
      {model::PersistentVolume::kKind, {"filesystem_", "placement_", "volume_"}},
      {model::StorageClass::kKind, {"placement_", "volume_"}},
      {model::Pooler::kKind, {"endpoint_", "placement_", "pooler_"}},
      {model::Database::kKind, {"database_"}},
      {model::Lease::kKind, {"operator_", "placement_"}},
      {model::Deployment::kKind, {"operator_", "placement_"}},
      {model::ScheduledBackup::kKind, {"backup_"}},
      {model::Backup::kKind, {"backup_"}},
      {model::ObjectStore::kKind, {"backup_", "placement_", "recovery_", "wal_archive_"}},
      {model::VolumeSnapshot::kKind, {"backup_"}},
      {model::VolumeSnapshotContent::kKind, {"backup_"}},
      {model::LonghornVolume::kKind, {"placement_", "storage_", "volume_"}},
      {model::LonghornEngine::kKind, {"placement_", "volume_"}},
      {model::VolumeReplica::kKind, {"disk_", "placement_", "volume_"}},
      {model::LonghornNode::kKind, {"disk_", "placement_", "storage_", "volume_"}},
      {model::InstanceManager::kKind, {"volume_"}},
      {model::VolumeAttachment::kKind, {"volume_"}},
      {model::BackupTarget::kKind, {"storage_", "volume_"}},
      {model::BackupVolume::kKind, {"volume_"}},
      {model::RecurringJob::kKind, {"volume_"}},
      {model::LonghornSetting::kKind, {"disk_", "volume_"}},
      {model::EngineImage::kKind, {"volume_"}},
      {model::VolumeSnapshots::kKind, {"volume_"}},
      {model::VolumeBackups::kKind, {"volume_"}},
      {model::SystemBackup::kKind, {"storage_"}},
      {model::PrometheusRule::kKind, {}},
  };
  return all;
}

bool has_part(std::string_view kind, std::string_view family) {
  constexpr std::string_view kOurs = "keelwatch_";
  const auto part = std::ranges::find(parts(), kind, &Part::kind);
  if (part == parts().end()) return true;
  if (!family.starts_with(kOurs)) return false;
  family.remove_prefix(kOurs.size());
  return std::ranges::any_of(part->families,
                             [&](std::string_view word) { return family.starts_with(word); });
}

// What instances themselves are asked for, and what poolers are.
constexpr std::array<std::string_view, 7> kOfInstances = {
    "keelwatch_instance_", "keelwatch_replication_",  "keelwatch_slot_",   "keelwatch_database_",
    "keelwatch_archiver_", "keelwatch_subscription_", "keelwatch_cluster_"};

bool is_of_instances(std::string_view family) {
  return std::any_of(kOfInstances.begin(), kOfInstances.end(),
                     [&](std::string_view prefix) { return family.starts_with(prefix); });
}

// A report ends with its target, and tells of no fact.
bool is_of_reports(std::string_view family) {
  return family == "up" || family.starts_with("keelwatch_source_");
}

// Results of aggregations have few labels.
bool agree(const Labels& series, LabelView label) {
  const std::string_view value = series.get(label.name);
  return value.empty() || value == label.value;
}

bool speaks_of(const model::SourceReport& report, std::string_view family, const Labels& series) {
  const std::string_view source = report.source;
  if (source == "kubernetes") return has_part(report.target, family);
  if (source == "object_store") return series.get("archive") == report.target;
  if (source == "filesystem") return family.starts_with("keelwatch_filesystem_");
  if (source == "endpoints") {
    return family.starts_with("keelwatch_endpoint_") ||
           family.starts_with("keelwatch_reachability_");
  }
  return false;  // of the others, see below
}

// An instance that does not answer, of its own series and of those of its cluster as a whole.
bool speaks_of(const model::InstanceId& id, const Labels& series) {
  return agree(series, {"namespace", id.ns}) && agree(series, {"cluster", id.cluster}) &&
         agree(series, {"pod", id.pod}) && !series.get("cluster").empty();
}
bool speaks_of(const model::PgBouncerId& id, const Labels& series) {
  return agree(series, {"namespace", id.ns}) && agree(series, {"pooler", id.pooler}) &&
         agree(series, {"pod", id.pod});
}
bool speaks_of(const model::ScrapeId& id, const Labels& series) {
  return (id.ns.empty() || agree(series, {"namespace", id.ns})) &&
         (id.pod.empty() || agree(series, {"pod", id.pod}));
}

// Connected, and not every question has been asked yet: directories, sizes and databases take their
// turn. What was refused has been asked.
bool is_unread(const model::Instance& instance) {
  if (!instance.server.is_known()) return false;
  bool unread = false;
  model::Instance::for_each_answer([&](auto place, model::Pace /*pace*/) {
    const auto& answer = instance.*place;
    unread = unread || (!answer.is_known() && answer.why().absence == Absence::kUnknown &&
                        answer.why().error.code() == ErrorCode::kUnavailable);
  });
  const auto* databases = instance.databases.if_known();
  if (unread || databases == nullptr) return unread;
  return std::ranges::any_of(*databases, [&](const model::DatabaseFacts& one) {
    return one.allows_connections &&
           std::ranges::find(instance.contents, one.name, &model::DatabaseAnswer::name) ==
               instance.contents.end();
  });
}

template <typename F>
void for_each_report(const model::World& world, F&& f) {
  model::Slices::for_each([&](std::string_view /*name*/, auto place) {
    for (const model::SourceReport& report : (world.*place)->reports) f(report);
  });
}

bool is_asked(const model::SourceReport& report) {
  return !report.not_set_up && !report.not_installed;
}

}  // namespace

Silence::Silence(const Moment& moment) : world_(moment.world) {
  for (const metrics::Absent& absent : moment.samples.absent) {
    // Without a source the fact is known and says that there is nothing: a time that has not come.
    if (absent.why.absence == Absence::kUnknown && !absent.why.source.empty()) {
      absent_[absent.family->name()].push_back(&absent);
    }
  }
  for_each_report(moment.world, [this](const model::SourceReport& report) {
    if (is_asked(report) && !report.up) down_.emplace(report.source, &report);
  });
}

const metrics::Absent* Silence::find_absent(const Labels& series) const {
  const auto found = absent_.find(series.get(kMetricName));
  if (found == absent_.end()) return nullptr;
  const auto at = std::ranges::find_if(found->second, [&](const metrics::Absent* absent) {
    return rules::agree_on_shared(series, absent->labels);
  });
  return at == found->second.end() ? nullptr : *at;
}

std::optional<std::string> Silence::member_of(const Labels& series) const {
  const std::string_view family = series.get(kMetricName);
  if (const metrics::Absent* absent = find_absent(series)) return absent->why.source;
  if (is_of_reports(family)) return std::nullopt;
  if (!family.empty() && !family.starts_with("keelwatch_")) return silent_page(series);
  return is_of_instances(family) ? silent_instance(series) : std::nullopt;
}

std::optional<std::string> Silence::source_of(const Labels& series) const {
  const std::string_view family = series.get(kMetricName);
  if (const metrics::Absent* absent = find_absent(series)) return absent->why.source;
  if (is_of_reports(family)) return std::nullopt;
  for (const auto& [source, report] : down_) {
    if (speaks_of(*report, family, series)) return report->source + " " + report->target;
  }
  if (is_of_instances(family)) return silent_instance(series);
  if (family.starts_with("keelwatch_pooler_")) return silent_pooler(series);
  if (!family.starts_with("keelwatch_")) return silent_page(series);
  return std::nullopt;
}

bool Silence::is_down(std::string_view source, const std::string& target) const {
  const auto [first, last] = down_.equal_range(source);
  return std::any_of(first, last, [&](const auto& one) { return one.second->target == target; });
}

std::optional<std::string> Silence::silent_instance(const Labels& series) const {
  for (const auto& instance : world_.postgres->instances) {
    const std::string target = text(instance->id);
    if (!speaks_of(instance->id, series)) continue;
    if (is_down("postgres", target) || is_unread(*instance)) return "postgres " + target;
  }
  return std::nullopt;
}

std::optional<std::string> Silence::silent_pooler(const Labels& series) const {
  for (const auto& process : world_.pgbouncer->instances) {
    const std::string target = text(process->id);
    if (speaks_of(process->id, series) && is_down("pgbouncer", target)) {
      return "pgbouncer " + target;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Silence::silent_page(const Labels& series) const {
  for (const auto& target : world_.scrapes->targets) {
    if (target->page.is_known() || !speaks_of(target->id, series)) continue;
    return "scrape " + target->id.kind + " " + target->url;
  }
  return std::nullopt;
}

std::optional<std::size_t> settled(const model::World& world) {
  std::size_t fingerprint = 0;
  bool pending = false;
  for_each_report(world, [&](const model::SourceReport& report) {
    if (!is_asked(report)) return;
    pending = pending || report.pending;
    // Objects that come back bring new targets with them.
    const bool kubernetes_up = report.source == "kubernetes" && report.up;
    fingerprint += std::hash<std::string>()(report.source + "/" + report.target +
                                            (kubernetes_up ? " up" : ""));
  });
  return pending ? std::nullopt : std::optional(fingerprint);
}

}  // namespace keelwatch::app
