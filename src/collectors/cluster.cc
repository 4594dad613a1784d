// keelwatch_cluster_* and keelwatch_instance_*: what the Cluster object says and what its instances
// answer themselves.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;

// CNPG api/v1/cluster_types.go and internal/controller; a phase that is not listed here is exported
// under its own text.
constexpr std::string_view kPhases[] = {
    "Cluster in healthy state", "Setting up primary",
    "Creating a new replica",   "Waiting for the instances to become active",
    "Switchover in progress",   "Failing over",
    "Upgrading cluster",        "Primary instance is being restarted in-place",
    "Waiting for user action",  "Cluster is unrecoverable and needs manual intervention",
    "Not enough disk space",    "Unable to create required cluster objects",
};
constexpr std::string_view kReachabilities[] = {
    "connecting",    "connected",  "refused",     "unreachable",          "silent",
    "name_unknown",  "tls_failed", "auth_failed", "too_many_connections", "starting_up",
    "shutting_down",
};

constexpr Family kInfo("keelwatch_cluster_info", Type::kGauge,
                       "1 for each Cluster object, with its image and its PostgreSQL system "
                       "identifier; absent while the Kubernetes API is silent.",
                       {"namespace", "cluster", "image", "system_id"});
constexpr Family kPhase("keelwatch_cluster_phase", Type::kGauge,
                        "1 for the Cluster's status.phase, 0 for the other known phases; a phase "
                        "that keelwatch does not know appears under its own name; absent while the "
                        "Kubernetes API is silent.",
                        {"namespace", "cluster", "phase"});
constexpr Family kPhaseKind(
    "keelwatch_cluster_phase_kind", Type::kGauge,
    "1 for what the Cluster's phase means (healthy, transitional, stuck, or "
    "unknown to keelwatch), 0 for the others; absent before the Cluster has a "
    "phase and while the Kubernetes API is silent.",
    {"namespace", "cluster", "state"});
constexpr Family kPhaseSince(
    "keelwatch_cluster_phase_since_timestamp_seconds", Type::kGauge,
    "Since when the Cluster is in its phase or in the trouble behind it, as "
    "far as its conditions tell; absent where they do not.",
    {"namespace", "cluster"});
constexpr Family kMissing(
    "keelwatch_cluster_instances_missing", Type::kGauge,
    "Instances desired that have no Pod, 0 while the Cluster hibernates; absent "
    "while the Kubernetes API is silent.",
    {"namespace", "cluster"});
constexpr Family kAgrees(
    "keelwatch_cluster_status_agrees", Type::kGauge,
    "1 if the Cluster's status.currentPrimary is the instance that is writable "
    "by SQL, 0 if it is another one; absent while one of the two is unknown.",
    {"namespace", "cluster"});
constexpr Family kServiceReady("keelwatch_cluster_service_ready_addresses", Type::kGauge,
                               "Ready addresses behind the cluster's Service rw, ro or r, from its "
                               "EndpointSlices; absent for a Service that does not exist and while "
                               "the Kubernetes API is silent.",
                               {"namespace", "cluster", "role"});
constexpr Family kServiceRight(
    "keelwatch_cluster_service_leads_right", Type::kGauge,
    "1 if Service rw leads to writable instances only, and ro to none, 0 "
    "if not; absent without a ready address and while an instance behind "
    "it does not answer.",
    {"namespace", "cluster", "role"});
constexpr Family kDesired("keelwatch_cluster_instances_desired", Type::kGauge,
                          "Instances that there should be: spec.instances, or the configuration's "
                          "count for a cluster listed by hand.",
                          {"namespace", "cluster"});
constexpr Family kReady(
    "keelwatch_cluster_instances_ready", Type::kGauge,
    "The Cluster's status.readyInstances; absent for a cluster listed by hand and "
    "while the Kubernetes API is silent.",
    {"namespace", "cluster"});
constexpr Family kWritable("keelwatch_cluster_writable_primaries", Type::kGauge,
                           "Instances that answer that they are writable (not in recovery); absent "
                           "if none does while one of them could not be asked.",
                           {"namespace", "cluster"});
constexpr Family kReplica("keelwatch_cluster_replica_enabled", Type::kGauge,
                          "1 for a replica cluster, which follows another one and has no writable "
                          "primary of its own (spec.replica), else 0.",
                          {"namespace", "cluster"});
constexpr Family kPrimaryTimestamp("keelwatch_cluster_current_primary_timestamp_seconds",
                                   Type::kGauge,
                                   "When the current primary took over, from the Cluster's status; "
                                   "absent where the operator does not say.",
                                   {"namespace", "cluster"});
constexpr Family kUp("keelwatch_instance_up", Type::kGauge,
                     "1 if the instance answers SQL, 0 if it does not; absent while nothing is set "
                     "up for it or no attempt has ended.",
                     {"namespace", "cluster", "pod"});
constexpr Family kReachability("keelwatch_instance_reachability", Type::kGauge,
                               "1 for what the last attempt to talk to the instance met, 0 for the "
                               "other outcomes; absent where no credential is set up.",
                               {"namespace", "cluster", "pod", "state"});
constexpr Family kInRecovery(
    "keelwatch_instance_in_recovery", Type::kGauge,
    "1 for a standby, 0 for a writable instance, from pg_is_in_recovery(); "
    "absent while the instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kTimeline("keelwatch_instance_timeline_id", Type::kGauge,
                           "Timeline of the WAL that the instance writes or receives; absent while "
                           "it does not answer.",
                           {"namespace", "cluster", "pod"});
constexpr Family kPosition(
    "keelwatch_instance_wal_position_bytes", Type::kGauge,
    "WAL position: written by a primary, replayed by a standby; absent while "
    "the instance does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kStarted(
    "keelwatch_instance_start_timestamp_seconds", Type::kGauge,
    "When the instance's postmaster started; absent while it does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kVersion("keelwatch_instance_version_number", Type::kGauge,
                          "server_version_num of the instance (150007 is 15.7); absent while it "
                          "does not answer.",
                          {"namespace", "cluster", "pod"});

constexpr std::array<const Family*, 20> kFamilies = {
    &kInfo,       &kPhase,        &kPhaseKind,        &kPhaseSince, &kMissing,
    &kAgrees,     &kServiceReady, &kServiceRight,     &kDesired,    &kReady,
    &kWritable,   &kReplica,      &kPrimaryTimestamp, &kUp,         &kReachability,
    &kInRecovery, &kTimeline,     &kPosition,         &kStarted,    &kVersion};

void write_object(const model::Cluster& object, WallTime at, metrics::Writer& writer) {
  const std::string& ns = object.meta.ns;
  const std::string& name = object.meta.name;
  writer.write(kInfo, {ns, name, object.image, object.system_id}, Observed<bool>::known(true, at));
  if (!object.phase.empty()) {
    writer.write_states(kPhase, {ns, name}, kPhases,
                        Observed<std::string>::known(object.phase, at));
  }
  writer.write(kPhaseSince, {ns, name},
               Observed<std::optional<WallTime>>::known(object.phase_since, at));
  writer.write(kReady, {ns, name},
               Observed<std::optional<std::int64_t>>::known(object.ready_instances, at));
  writer.write(kPrimaryTimestamp, {ns, name},
               Observed<std::optional<WallTime>>::known(object.current_primary_timestamp, at));
}

void write_instance(const model::Instance& instance, WallTime at, metrics::Writer& writer) {
  using model::Reachability;
  const model::InstanceId& id = instance.id;
  const auto labels = {std::string_view(id.ns), std::string_view(id.cluster),
                       std::string_view(id.pod)};
  const bool failed = instance.reachability != Reachability::kNotSetUp &&
                      instance.reachability != Reachability::kConnecting &&
                      instance.reachability != Reachability::kConnected;
  writer.write(kUp, labels,
               failed || instance.server.is_known()
                   ? Observed<bool>::known(!failed, at)
                   : Observed<bool>::absent(instance.server.why()));
  writer.write_states(
      kReachability, labels, kReachabilities,
      instance.reachability == Reachability::kNotSetUp
          ? Observed<std::string>::absent(instance.server.why())
          : Observed<std::string>::known(std::string(to_string(instance.reachability)), at));
  const auto& server = instance.server;
  using Facts = model::ServerFacts;
  writer.write(kInRecovery, labels, server.map([](const Facts& s) { return s.in_recovery; }));
  writer.write(kTimeline, labels, server.map([](const Facts& s) { return s.timeline; }));
  writer.write(kPosition, labels, server.map([](const Facts& s) -> std::optional<std::uint64_t> {
    const auto& position = s.in_recovery ? s.replayed : s.current;
    if (!position) return std::nullopt;
    return position->bytes;
  }));
  writer.write(kStarted, labels, server.map([](const Facts& s) { return s.started; }));
  writer.write(kVersion, labels, server.map([](const Facts& s) { return s.version; }));
}

void write_health(const analysis::ClusterHealth& health, metrics::Writer& writer) {
  const auto labels = {std::string_view(health.ns), std::string_view(health.cluster)};
  writer.write_states(kPhaseKind, labels, analysis::kPhaseKinds, health.phase_kind);
  writer.write(kMissing, labels, health.instances_missing);
  writer.write(kAgrees, labels, health.status_agrees);
  for (const analysis::ServiceHealth& one : health.services) {
    writer.write(kServiceReady, {health.ns, health.cluster, one.role}, one.ready_addresses);
    writer.write(kServiceRight, {health.ns, health.cluster, one.role}, one.leads_right);
  }
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::ClusterHealth& health : input.assessment.health) {
    write_health(health, writer);
  }
  for (const analysis::ClusterTopology& cluster : input.assessment.clusters) {
    if (cluster.object) {
      write_object(*cluster.object, input.world.kubernetes->clusters.observed_at(), writer);
    }
    writer.write(kDesired, {cluster.ns, cluster.name}, cluster.instances_desired);
    writer.write(kWritable, {cluster.ns, cluster.name}, cluster.writable_primaries);
    writer.write(kReplica, {cluster.ns, cluster.name}, cluster.replica);
    for (const auto& instance : cluster.instances) {
      write_instance(*instance, input.world.at, writer);
    }
  }
}

}  // namespace

const Collector& cluster_collector() {
  static constexpr Collector collector{"cluster", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
