#include "sources/kubernetes/kubernetes_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "sources/kubernetes/object_store.h"
#include "sources/kubernetes/summary_store.h"

namespace keelwatch::sources {
namespace {

using model::KubernetesSlice;

constexpr Duration kPublishInterval = std::chrono::milliseconds(50);
constexpr Duration kSetUpRecheck = std::chrono::seconds(10);
constexpr const char* kSource = "kubernetes";

Why not_yet() {
  return {Absence::kUnknown, Error(ErrorCode::kUnavailable, "not listed yet"), kSource};
}

bool is_refusal(const Error& error) {
  return error.code() == ErrorCode::kForbidden || error.code() == ErrorCode::kUnauthorized;
}

// Why a kind cannot be known by this reflector; nullopt if it can.
std::optional<Why> why_absent(const Reflector::Status& status) {
  if (status.error && status.error->code() == ErrorCode::kNotInstalled) {
    return Why{Absence::kNotInstalled, *status.error, kSource};
  }
  if (status.error && (!status.listed || is_refusal(*status.error))) {
    return Why{Absence::kUnknown, *status.error, kSource};
  }
  if (!status.listed) return not_yet();
  return std::nullopt;
}

Why outside_the_namespaces() {
  return {Absence::kNotSetUp,
          Error(ErrorCode::kNotFound,
                "kubernetes.namespaces is set and kubernetes.operator_namespaces is not"),
          kSource};
}

Observed<model::ObjectList<model::PrometheusRule>> rules_not_wanted() {
  return Observed<model::ObjectList<model::PrometheusRule>>::absent(
      {Absence::kNotSetUp, Error(ErrorCode::kNotFound, "kubernetes.prometheus_rules is off"),
       kSource});
}

// The namespaces to look into, "" for all at once; none if there is nowhere to look.
std::set<std::string> namespaces_of(const KindInfo& kind, const config::Kubernetes& settings) {
  const std::set<std::string> everywhere = {""};
  if (!kind.namespaced) return everywhere;
  const std::vector<std::string>& chosen =
      kind.of_operators ? settings.operator_namespaces : settings.namespaces;
  if (!chosen.empty()) return {chosen.begin(), chosen.end()};
  if (kind.of_operators && !settings.namespaces.empty()) return {};
  return everywhere;
}

bool is_component(const model::Deployment& deployment) { return !deployment.component.empty(); }

}  // namespace

// One kind: a reflector and a store per namespace and name, or one of each.
class KubernetesSource::WatchedKind {
 public:
  virtual ~WatchedKind() = default;
  virtual void spawn(TaskScope& scope) = 0;
  virtual void write(KubernetesSlice& slice) const = 0;
  [[nodiscard]] virtual const KindInfo& kind() const = 0;
};

template <typename T, typename Store>
class KubernetesSource::WatchedKindOf final : public WatchedKind {
 public:
  using List = model::ObjectList<T>;
  using Place = Observed<List> KubernetesSlice::*;

  // Each store is made of `how`.
  template <typename... How>
  WatchedKindOf(KubernetesSource& source, const KindInfo& kind, Place place, How... how)
      : api_(source.api_), kind_(kind), place_(place) {
    const auto changed = [&source, quiet = kind.quiet] {
      if (!quiet) source.changed();
    };
    std::vector<std::string_view> names(kind.names.begin(), kind.names.end());
    if (names.empty()) names.emplace_back();
    const std::string labels =
        &kind == &kPrometheusRuleKind ? source.settings_.prometheus_rule_selector : "";
    for (const std::string& ns : namespaces_of(kind, source.settings_)) {
      for (const std::string_view name : names) {
        auto store = std::make_unique<Store>(how...);
        auto reflector = std::make_unique<Reflector>(source.context_, api_, source.reader_, kind,
                                                     Selection{ns, std::string(name), labels},
                                                     source.timing_, *store, changed);
        parts_.push_back({std::move(store), std::move(reflector)});
      }
    }
  }

  void spawn(TaskScope& scope) override {
    for (const Part& part : parts_) scope.spawn(part.reflector->run());
  }

  void write(KubernetesSlice& slice) const override {
    slice.*place_ = answer();
    slice.reports.push_back(report(slice.*place_));
  }

  [[nodiscard]] const KindInfo& kind() const override { return kind_; }

 private:
  struct Part {
    std::unique_ptr<Store> store;
    std::unique_ptr<Reflector> reflector;
  };

  [[nodiscard]] Observed<List> answer() const {
    if (parts_.empty()) return Observed<List>::absent(outside_the_namespaces());
    List all;
    WallTime at = WallTime::max();
    for (const Part& part : parts_) {
      const Reflector::Status& status = part.reflector->status();
      if (const auto why = why_absent(status)) return Observed<List>::absent(*why);
      at = std::min(at, part.reflector->observed_at());
      const List& objects = part.store->objects();
      all.insert(all.end(), objects.begin(), objects.end());
    }
    // Parts come in the order of their namespaces, and are sorted themselves.
    if (kind_.names.size() > 1) {
      std::ranges::sort(all, {}, [](const auto& object) {
        return std::pair<std::string_view, std::string_view>(object->meta.ns, object->meta.name);
      });
    }
    return Observed<List>::known(std::move(all), at);
  }

  [[nodiscard]] model::SourceReport report(const Observed<List>& answer) const {
    model::SourceReport report;
    report.source = kSource;
    report.target = std::string(kind_.kind);
    report.clock_skew_seconds = api_.clock_skew_seconds();
    report.not_installed = !answer.is_known() && answer.why().absence == Absence::kNotInstalled;
    report.not_set_up = parts_.empty();
    if (report.not_set_up) return report;
    for (const Part& part : parts_) {
      const Reflector::Status& status = part.reflector->status();
      report.last_duration = std::max(report.last_duration, status.last_duration);
      report.requests += status.requests;
      for (const auto& [code, n] : status.errors) report.errors[code] += n;
      if (const std::uint64_t n = part.store->malformed()) {
        report.errors[std::string(to_string(ErrorCode::kMalformed))] += n;
      }
      if (!report.last_error.empty()) continue;
      if (status.error)
        report.last_error = status.error->message();
      else
        report.last_error = part.store->problem();
    }
    if (report.not_installed) report.last_error.clear();
    report.up = answer.is_known() && report.last_error.empty();
    report.pending = !answer.is_known() && !report.not_installed && report.last_error.empty();
    if (answer.is_known()) report.last_success = answer.observed_at();
    return report;
  }

  ApiServer& api_;
  const KindInfo& kind_;
  Place place_;
  std::vector<Part> parts_;
};

KubernetesSource::KubernetesSource(SourceContext context, config::Kubernetes settings,
                                   Publish<KubernetesSlice> publish, ReflectorTiming timing,
                                   ProcessEnvironment environment)
    : context_(context),
      settings_(std::move(settings)),
      publish_(std::move(publish)),
      timing_(timing),
      credentials_(context, settings_, std::move(environment)),
      api_(context, credentials_),
      publish_timer_(context.loop, [this] { publish_now(); }) {
  timing_.request_timeout = settings_.request_timeout;
  timing_.watch_silence = settings_.watch_silence;
  add_kinds();
}

KubernetesSource::~KubernetesSource() = default;

template <typename T>
void KubernetesSource::add_kind(const KindInfo& kind, T (*decode)(JsonReader&, JsonValue),
                                Observed<model::ObjectList<T>> KubernetesSlice::* place,
                                bool (*keep)(const T&)) {
  kinds_.push_back(
      std::make_unique<WatchedKindOf<T, TypedStore<T>>>(*this, kind, place, decode, keep));
}

template <typename T>
void KubernetesSource::add_sums(const KindInfo& kind, std::string (*group)(JsonValue),
                                void (*add)(JsonReader&, JsonValue, T&),
                                Observed<model::ObjectList<T>> KubernetesSlice::* place) {
  kinds_.push_back(
      std::make_unique<WatchedKindOf<T, SummaryStore<T>>>(*this, kind, place, group, add));
}

void KubernetesSource::add_kinds() {
  add_kind(kClusterKind, decode_cluster, &KubernetesSlice::clusters);
  add_kind(kPodKind, decode_pod, &KubernetesSlice::pods);
  add_kind(kServiceKind, decode_service, &KubernetesSlice::services);
  add_kind(kClaimKind, decode_claim, &KubernetesSlice::claims);
  add_kind(kVolumeKind, decode_volume, &KubernetesSlice::volumes);
  add_kind(kNodeKind, decode_node, &KubernetesSlice::nodes);
  add_kind(kPoolerKind, decode_pooler, &KubernetesSlice::poolers);
  add_kind(kDatabaseKind, decode_database, &KubernetesSlice::databases);
  add_kind(kEndpointSliceKind, decode_endpoint_slice, &KubernetesSlice::endpoint_slices);
  add_kind(kLeaseKind, decode_lease, &KubernetesSlice::leases);
  add_kind(kDeploymentKind, decode_deployment, &KubernetesSlice::deployments, is_component);
  add_kind(kScheduledBackupKind, decode_scheduled_backup, &KubernetesSlice::scheduled_backups);
  add_kind(kBackupKind, decode_backup, &KubernetesSlice::backups);
  add_kind(kObjectStoreKind, decode_object_store, &KubernetesSlice::object_stores);
  add_kind(kVolumeSnapshotKind, decode_volume_snapshot, &KubernetesSlice::volume_snapshots);
  add_kind(kVolumeSnapshotContentKind, decode_volume_snapshot_content,
           &KubernetesSlice::volume_snapshot_contents);
  add_kind(kStorageClassKind, decode_storage_class, &KubernetesSlice::storage_classes);
  add_longhorn_kinds();
  if (settings_.prometheus_rules) {
    add_kind(kPrometheusRuleKind, decode_prometheus_rule, &KubernetesSlice::prometheus_rules);
  }
}

void KubernetesSource::add_longhorn_kinds() {
  add_kind(kLonghornVolumeKind, decode_longhorn_volume, &KubernetesSlice::longhorn_volumes);
  add_kind(kLonghornEngineKind, decode_longhorn_engine, &KubernetesSlice::longhorn_engines);
  add_kind(kLonghornReplicaKind, decode_volume_replica, &KubernetesSlice::longhorn_replicas);
  add_kind(kLonghornNodeKind, decode_longhorn_node, &KubernetesSlice::longhorn_nodes);
  add_kind(kInstanceManagerKind, decode_instance_manager,
           &KubernetesSlice::longhorn_instance_managers);
  add_kind(kVolumeAttachmentKind, decode_volume_attachment, &KubernetesSlice::longhorn_attachments);
  add_kind(kBackupTargetKind, decode_backup_target, &KubernetesSlice::longhorn_backup_targets);
  add_kind(kBackupVolumeKind, decode_backup_volume, &KubernetesSlice::longhorn_backup_volumes);
  add_kind(kRecurringJobKind, decode_recurring_job, &KubernetesSlice::longhorn_jobs);
  add_kind(kLonghornSettingKind, decode_longhorn_setting, &KubernetesSlice::longhorn_settings,
           is_used);
  add_kind(kEngineImageKind, decode_engine_image, &KubernetesSlice::longhorn_engine_images);
  add_sums(kLonghornSnapshotKind, volume_of_snapshot, add_snapshot,
           &KubernetesSlice::longhorn_snapshots);
  add_sums(kLonghornBackupKind, volume_of_backup, add_backup, &KubernetesSlice::longhorn_backups);
  add_kind(kSystemBackupKind, decode_system_backup, &KubernetesSlice::longhorn_system_backups);
}

Task<> KubernetesSource::run() {
  co_await wait_until_set_up();
  TaskScope scope;
  for (const auto& kind : kinds_) kind->spawn(scope);
  for (;;) {
    const SteadyTime next = context_.loop.after(settings_.health_interval);
    co_await api_.check_health(settings_.health_timeout);
    changed();
    scope.rethrow_failure();
    co_await context_.loop.sleep_until(next);
  }
}

Task<> KubernetesSource::wait_until_set_up() {
  if (settings_.enabled == config::Switch::kOff) {
    publish_absent(
        {Absence::kNotSetUp, Error(ErrorCode::kNotFound, "kubernetes.enabled is off"), kSource},
        true);
    for (;;) co_await context_.loop.sleep_for(std::chrono::hours(1));
  }
  bool told = false;
  while (!credentials_.set_up()) {
    const bool wanted = settings_.enabled == config::Switch::kOn;
    const std::string text = Credentials::how_to_set_up();
    if (!std::exchange(told, true)) {
      if (wanted) context_.log.error(kSource, "no way to the API server", {{"remedy", text}});
      publish_absent(
          wanted ? Why{Absence::kUnknown,
                       Error(ErrorCode::kInvalid, "kubernetes.enabled is on, but " + text), kSource}
                 : Why{Absence::kNotSetUp, Error(ErrorCode::kNotFound, text), kSource},
          !wanted);
    }
    co_await context_.loop.sleep_for(kSetUpRecheck);
  }
}

void KubernetesSource::publish_absent(const Why& why, bool not_set_up) {
  auto slice = std::make_shared<KubernetesSlice>(KubernetesSlice::absent(why));
  if (!settings_.prometheus_rules) slice->prometheus_rules = rules_not_wanted();
  for (const auto& kind : kinds_) {
    model::SourceReport report;
    report.source = kSource;
    report.target = std::string(kind->kind().kind);
    report.not_set_up = not_set_up;
    if (!not_set_up) report.last_error = why.error.message();
    slice->reports.push_back(std::move(report));
  }
  publish_(std::move(slice));
}

void KubernetesSource::changed() {
  if (publish_timer_.armed()) return;
  publish_timer_.arm(std::max(context_.loop.now(), last_publish_ + kPublishInterval));
}

void KubernetesSource::publish_now() {
  last_publish_ = context_.loop.now();
  auto slice = std::make_shared<KubernetesSlice>(KubernetesSlice::absent(not_yet()));
  if (!settings_.prometheus_rules) slice->prometheus_rules = rules_not_wanted();
  for (const auto& kind : kinds_) kind->write(*slice);
  slice->reports.push_back(api_.report());
  publish_(std::move(slice));
}

}  // namespace keelwatch::sources
