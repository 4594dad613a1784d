// What Kubernetes says of a cluster beyond its phase: keelwatch_cluster_* of switches, claims,
// certificates and managed objects, keelwatch_pod_*, and keelwatch_operator_*.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family kSwitch("keelwatch_cluster_switch_enabled", Type::kGauge,
                         "1 if an annotation of the Cluster has the switch on (hibernation, "
                         "reconciliation_disabled, skip_wal_archiving), else 0; absent while the "
                         "Kubernetes API is silent.",
                         {"namespace", "cluster", "switch"});
constexpr Family kFenced(
    "keelwatch_instance_fenced", Type::kGauge,
    "1 if cnpg.io/fencedInstances names the instance, which is stopped by it, "
    "else 0; absent where the annotation cannot be read and while the Kubernetes "
    "API is silent.",
    {"namespace", "cluster", "pod"});
constexpr Family kClaims(
    "keelwatch_cluster_claims", Type::kGauge,
    "PersistentVolumeClaims that the Cluster's status calls dangling (of no Pod) "
    "or unusable (another one of the instance is missing); absent while the "
    "Kubernetes API is silent.",
    {"namespace", "cluster", "state"});
constexpr Family kCertificate("keelwatch_cluster_certificate_expiry_timestamp_seconds",
                              Type::kGauge,
                              "When the certificate in the Secret expires, from the Cluster's "
                              "status.certificates; absent where the text is no time and while the "
                              "Kubernetes API is silent.",
                              {"namespace", "cluster", "secret"});
constexpr Family kNotApplied(
    "keelwatch_cluster_managed_objects_not_applied", Type::kGauge,
    "Managed roles (kind role) and Database objects (kind database) that the "
    "operator cannot bring about; absent while the Kubernetes API is silent "
    "or does not know the kind.",
    {"namespace", "cluster", "kind"});
constexpr Family kPodReady(
    "keelwatch_pod_ready", Type::kGauge,
    "1 if the instance's Pod is ready, else 0; absent before the kubelet has "
    "said so and while the Kubernetes API is silent.",
    {"namespace", "cluster", "pod"});
constexpr Family kPodScheduled("keelwatch_pod_scheduled", Type::kGauge,
                               "1 if the instance's Pod has a node, else 0; absent before the "
                               "scheduler has said so and while the Kubernetes API is silent.",
                               {"namespace", "cluster", "pod"});
constexpr Family kPodRestarts("keelwatch_pod_restarts_total", Type::kCounter,
                              "Restarts of the containers of the instance's Pod; absent while the "
                              "Kubernetes API is silent.",
                              {"namespace", "cluster", "pod"});
constexpr Family kOperatorUp(
    "keelwatch_operator_up", Type::kGauge,
    "1 if the operator works: a replica of its Deployment is available, and "
    "CNPG's leader renews its Lease, else 0; absent where neither was found "
    "and while the Kubernetes API is silent.",
    {"component"});
constexpr Family kOperatorDesired(
    "keelwatch_operator_replicas_desired", Type::kGauge,
    "Replicas that the operator's Deployments ask for; absent without "
    "one and while the Kubernetes API is silent.",
    {"component"});
constexpr Family kOperatorAvailable("keelwatch_operator_replicas_available", Type::kGauge,
                                    "Replicas of the operator that are available; absent without a "
                                    "Deployment and while the Kubernetes API is silent.",
                                    {"component"});
constexpr Family kLeaseExpiry(
    "keelwatch_operator_lease_expiry_timestamp_seconds", Type::kGauge,
    "When the Lease of CNPG's leader runs out unless it is renewed; absent "
    "for other operators and while the Kubernetes API is silent.",
    {"component"});

constexpr std::array<const Family*, 12> kFamilies = {&kSwitch,
                                                     &kFenced,
                                                     &kClaims,
                                                     &kCertificate,
                                                     &kNotApplied,
                                                     &kPodReady,
                                                     &kPodScheduled,
                                                     &kPodRestarts,
                                                     &kOperatorUp,
                                                     &kOperatorDesired,
                                                     &kOperatorAvailable,
                                                     &kLeaseExpiry};

void write_object(const model::Cluster& object, WallTime at, metrics::Writer& writer) {
  using Switch = Observed<std::optional<bool>>;
  using Count = Observed<std::int64_t>;
  const std::string& ns = object.meta.ns;
  const std::string& name = object.meta.name;
  const model::ClusterSwitches& switches = object.switches;
  writer.write(kSwitch, {ns, name, "hibernation"}, Switch::known(switches.hibernation, at));
  writer.write(kSwitch, {ns, name, "reconciliation_disabled"},
               Switch::known(switches.reconciliation_disabled, at));
  writer.write(kSwitch, {ns, name, "skip_wal_archiving"},
               Switch::known(switches.skip_wal_archiving, at));
  const auto size = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
  writer.write(kClaims, {ns, name, "dangling"}, Count::known(size(object.claims.dangling), at));
  writer.write(kClaims, {ns, name, "unusable"}, Count::known(size(object.claims.unusable), at));
  for (const auto& [secret, expiry] : object.certificate_expirations) {
    writer.write(kCertificate, {ns, name, secret},
                 Observed<std::optional<WallTime>>::known(expiry, at));
  }
  writer.write(kNotApplied, {ns, name, "role"},
               Count::known(size(object.roles_not_reconciled), at));
}

void write_databases(const analysis::ClusterTopology& cluster, const model::World& world,
                     metrics::Writer& writer) {
  const auto& databases = world.kubernetes->databases;
  writer.write(kNotApplied, {cluster.ns, cluster.name, "database"},
               databases.map([&](const model::ObjectList<model::Database>& all) {
                 std::int64_t count = 0;
                 for (const auto& database : all) {
                   if (database->meta.ns == cluster.ns && database->cluster == cluster.name &&
                       database->applied == false) {
                     ++count;
                   }
                 }
                 return count;
               }));
}

void write_pods(const analysis::ClusterTopology& cluster, metrics::Writer& writer) {
  const auto* pods = cluster.pods.if_known();
  if (pods == nullptr) return;
  const WallTime at = cluster.pods.observed_at();
  for (const auto& pod : *pods) {
    const auto labels = {std::string_view(cluster.ns), std::string_view(cluster.name),
                         std::string_view(pod->meta.name)};
    writer.write(kPodReady, labels, Observed<std::optional<bool>>::known(pod->ready, at));
    writer.write(kPodScheduled, labels,
                 Observed<std::optional<bool>>::known(pod->scheduling.scheduled, at));
    writer.write(kPodRestarts, labels, Observed<std::int64_t>::known(pod->restarts, at));
    if (cluster.object) {
      writer.write(
          kFenced, labels,
          Observed<std::optional<bool>>::known(cluster.object->switches.fenced_instances
                                                   ? std::optional(cluster.fences(pod->meta.name))
                                                   : std::nullopt,
                                               at));
    }
  }
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::ClusterTopology& cluster : input.assessment.clusters) {
    if (cluster.object) {
      write_object(*cluster.object, input.world.kubernetes->clusters.observed_at(), writer);
      write_databases(cluster, input.world, writer);
    }
    write_pods(cluster, writer);
  }
  for (const analysis::OperatorHealth& one : input.assessment.operators) {
    writer.write(kOperatorUp, {one.component}, one.up);
    writer.write(kOperatorDesired, {one.component}, one.replicas);
    writer.write(kOperatorAvailable, {one.component}, one.available);
    writer.write(kLeaseExpiry, {one.component}, one.lease_expires);
  }
}

}  // namespace

const Collector& kubernetes_collector() {
  static constexpr Collector collector{"cluster", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
