// Facts from the Kubernetes API: only the fields that something uses. Optional means "the object
// does not say": older and newer versions of an operator omit fields, which is never an error.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/cnpg.h"
#include "model/cnpg_backup.h"
#include "model/longhorn.h"
#include "model/object_meta.h"
#include "model/source_report.h"

namespace keelwatch::model {

// A container of a Pod, as the kubelet reports it.
struct ContainerStatus {
  std::string name;
  bool init =
      false;  // from initContainerStatuses; sidecars with restartPolicy Always are there too
  std::optional<bool> ready;
  std::int64_t restarts = 0;
  std::optional<WallTime> running_since;
  std::string waiting_reason;  // CrashLoopBackOff, ImagePullBackOff, ...; empty: not waiting
  std::string waiting_message;
  std::string terminated_reason;  // OOMKilled, Error, Completed, ...; empty: not terminated
  std::optional<std::int64_t> exit_code;
  std::optional<WallTime> terminated_at;
  // Of the run before this one.
  std::string last_terminated_reason;
  std::optional<std::int64_t> last_exit_code;
  std::optional<WallTime> last_terminated_at;

  template <typename With>
  static auto fields(With&& with) {
    using S = ContainerStatus;
    return with(field("name", &S::name), field("init", &S::init), field("ready", &S::ready),
                field("restarts", &S::restarts), field("runningSince", &S::running_since),
                field("waitingReason", &S::waiting_reason),
                field("waitingMessage", &S::waiting_message),
                field("terminatedReason", &S::terminated_reason), field("exitCode", &S::exit_code),
                field("terminatedAt", &S::terminated_at),
                field("lastTerminatedReason", &S::last_terminated_reason),
                field("lastExitCode", &S::last_exit_code),
                field("lastTerminatedAt", &S::last_terminated_at));
  }
};

// Condition PodScheduled: whether the Pod has a node, and else why not.
struct Scheduling {
  std::optional<bool> scheduled;
  std::string reason;   // Unschedulable, SchedulingGated
  std::string message;  // the scheduler's words
  // From "0/3 nodes are available: ...": how many fit, of how many it looked at.
  std::optional<std::int64_t> nodes_fitting;
  std::optional<std::int64_t> nodes_seen;
  std::optional<WallTime> since;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("scheduled", &Scheduling::scheduled), field("reason", &Scheduling::reason),
                field("message", &Scheduling::message),
                field("nodesFitting", &Scheduling::nodes_fitting),
                field("nodesSeen", &Scheduling::nodes_seen), field("since", &Scheduling::since));
  }
};

struct Pod {
  static constexpr std::string_view kKind = "Pod";

  ObjectMeta meta;
  std::string node;
  std::string phase;  // Pending, Running, Succeeded, Failed, Unknown
  std::string pod_ip;
  std::optional<bool> ready;                 // condition Ready; absent before the kubelet wrote one
  std::optional<WallTime> ready_transition;  // when that condition changed last
  std::int64_t restarts = 0;                 // summed over containers
  std::vector<std::string> claims;           // names of the PersistentVolumeClaims it mounts
  // CNPG's labels (pkg/utils/labels_annotations.go); empty on other Pods.
  std::string cnpg_cluster;   // cnpg.io/cluster
  std::string cnpg_role;      // cnpg.io/podRole: instance, pooler; empty before 1.20
  std::string instance_role;  // cnpg.io/instanceRole, or its older alias role: primary, replica
  std::string pooler;         // cnpg.io/poolerName
  std::vector<ContainerStatus> containers;
  Scheduling scheduling;
  std::string reason;  // status.reason: Evicted, NodeLost, OutOfcpu, ...
  std::string message;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Pod::meta), field("node", &Pod::node),
                field("phase", &Pod::phase), field("podIP", &Pod::pod_ip),
                field("ready", &Pod::ready), field("readyTransition", &Pod::ready_transition),
                field("restarts", &Pod::restarts), field("claims", &Pod::claims),
                field("cnpgCluster", &Pod::cnpg_cluster), field("cnpgRole", &Pod::cnpg_role),
                field("instanceRole", &Pod::instance_role), field("pooler", &Pod::pooler),
                field("containers", &Pod::containers), field("scheduling", &Pod::scheduling),
                field("reason", &Pod::reason), field("message", &Pod::message));
  }
};

struct ServicePort {
  std::string name;
  std::int64_t port = 0;
  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &ServicePort::name), field("port", &ServicePort::port));
  }
};

struct Service {
  static constexpr std::string_view kKind = "Service";

  ObjectMeta meta;
  std::string type;
  std::string cluster_ip;
  std::string external_name;
  std::string load_balancer_class;
  std::vector<std::string> load_balancer_addresses;  // IPs and host names of status
  std::map<std::string, std::string> selector;
  std::vector<ServicePort> ports;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Service::meta), field("type", &Service::type),
                field("clusterIP", &Service::cluster_ip),
                field("externalName", &Service::external_name),
                field("loadBalancerClass", &Service::load_balancer_class),
                field("loadBalancerAddresses", &Service::load_balancer_addresses),
                field("selector", &Service::selector), field("ports", &Service::ports));
  }
};

struct PersistentVolumeClaim {
  static constexpr std::string_view kKind = "PersistentVolumeClaim";

  ObjectMeta meta;
  std::string phase;  // Pending, Bound, Lost
  std::string volume_name;
  std::string storage_class;
  std::optional<std::int64_t> capacity_bytes;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &PersistentVolumeClaim::meta),
                field("phase", &PersistentVolumeClaim::phase),
                field("volumeName", &PersistentVolumeClaim::volume_name),
                field("storageClass", &PersistentVolumeClaim::storage_class),
                field("capacityBytes", &PersistentVolumeClaim::capacity_bytes));
  }
};

struct PersistentVolume {
  static constexpr std::string_view kKind = "PersistentVolume";

  ObjectMeta meta;
  std::string phase;
  std::string storage_class;
  std::string csi_driver;
  std::string volume_handle;  // of the CSI driver
  std::string claim_namespace;
  std::string claim_name;
  std::string reclaim_policy;
  std::vector<std::string> node_affinity;  // node names of a node-bound volume

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &PersistentVolume::meta),
                field("phase", &PersistentVolume::phase),
                field("storageClass", &PersistentVolume::storage_class),
                field("csiDriver", &PersistentVolume::csi_driver),
                field("volumeHandle", &PersistentVolume::volume_handle),
                field("claimNamespace", &PersistentVolume::claim_namespace),
                field("claimName", &PersistentVolume::claim_name),
                field("reclaimPolicy", &PersistentVolume::reclaim_policy),
                field("nodeAffinity", &PersistentVolume::node_affinity));
  }
};

// storage.k8s.io/v1.
struct StorageClass {
  static constexpr std::string_view kKind = "StorageClass";

  ObjectMeta meta;
  std::string provisioner;
  std::string reclaim_policy;
  // Longhorn's parameters numberOfReplicas and dataLocality, from which it makes a volume once.
  std::optional<std::int64_t> replicas;
  std::string data_locality;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &StorageClass::meta),
                field("provisioner", &StorageClass::provisioner),
                field("reclaimPolicy", &StorageClass::reclaim_policy),
                field("replicas", &StorageClass::replicas),
                field("dataLocality", &StorageClass::data_locality));
  }
};

struct Node {
  static constexpr std::string_view kKind = "Node";

  ObjectMeta meta;
  std::optional<bool> ready;  // condition Ready; Unknown counts as false
  bool unschedulable = false;
  std::string internal_ip;
  std::string zone;  // label topology.kubernetes.io/zone

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Node::meta), field("ready", &Node::ready),
                field("unschedulable", &Node::unschedulable),
                field("internalIP", &Node::internal_ip), field("zone", &Node::zone));
  }
};

// One address behind a Service. Conditions are absent where the controller does not know them,
// which readers are told to take for "ready" (k8s.io/api discovery/v1).
struct Endpoint {
  std::vector<std::string> addresses;  // interchangeable; the first is what clients use
  std::optional<bool> ready;
  std::optional<bool> serving;  // ready, whether or not it terminates
  std::optional<bool> terminating;
  std::string pod;  // targetRef, if it is a Pod
  std::string node;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("addresses", &Endpoint::addresses), field("ready", &Endpoint::ready),
                field("serving", &Endpoint::serving), field("terminating", &Endpoint::terminating),
                field("pod", &Endpoint::pod), field("node", &Endpoint::node));
  }
};

// discovery.k8s.io/v1: a part of the addresses behind a Service.
struct EndpointSlice {
  static constexpr std::string_view kKind = "EndpointSlice";

  ObjectMeta meta;
  std::string service;       // label kubernetes.io/service-name
  std::string address_type;  // IPv4, IPv6, FQDN
  std::vector<ServicePort> ports;
  std::vector<Endpoint> endpoints;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &EndpointSlice::meta), field("service", &EndpointSlice::service),
                field("addressType", &EndpointSlice::address_type),
                field("ports", &EndpointSlice::ports),
                field("endpoints", &EndpointSlice::endpoints));
  }
};

// coordination.k8s.io/v1: who leads the replicas of an operator, and until when.
struct Lease {
  static constexpr std::string_view kKind = "Lease";

  ObjectMeta meta;
  std::string holder;  // empty: released
  std::optional<std::int64_t> duration_seconds;
  std::optional<WallTime> acquired;
  std::optional<WallTime> renewed;
  std::optional<std::int64_t> transitions;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Lease::meta), field("holder", &Lease::holder),
                field("durationSeconds", &Lease::duration_seconds),
                field("acquired", &Lease::acquired), field("renewed", &Lease::renewed),
                field("transitions", &Lease::transitions));
  }
};

// apps/v1, of those that keep the databases running only: the operators.
struct Deployment {
  static constexpr std::string_view kKind = "Deployment";

  ObjectMeta meta;
  // cloudnative-pg, plugin-barman-cloud, cert-manager, cert-manager-webhook,
  // cert-manager-cainjector: by its images, else by its labels. Empty: another one, or it could not
  // be decoded.
  std::string component;
  std::vector<std::string> images;
  std::optional<std::int64_t> replicas;  // desired
  std::optional<std::int64_t> ready_replicas;
  std::optional<std::int64_t> available_replicas;
  std::optional<std::int64_t> updated_replicas;
  std::optional<std::int64_t> generation;
  std::optional<std::int64_t> observed_generation;  // that the counts are about
  std::vector<Condition> conditions;                // Available, Progressing, ReplicaFailure

  template <typename With>
  static auto fields(With&& with) {
    return with(field("metadata", &Deployment::meta), field("component", &Deployment::component),
                field("images", &Deployment::images), field("replicas", &Deployment::replicas),
                field("readyReplicas", &Deployment::ready_replicas),
                field("availableReplicas", &Deployment::available_replicas),
                field("updatedReplicas", &Deployment::updated_replicas),
                field("generation", &Deployment::generation),
                field("observedGeneration", &Deployment::observed_generation),
                field("conditions", &Deployment::conditions));
  }
};

// monitoring.coreos.com/v1: rules, which are no facts of the world; the text is JSON.
struct PrometheusRule {
  static constexpr std::string_view kKind = "PrometheusRule";
  ObjectMeta meta;
  std::string spec;  // empty: it could not be decoded
};

// Sorted by (namespace, name); pointers are shared between successive slices.
template <typename T>
using ObjectList = std::vector<std::shared_ptr<const T>>;

// What the Kubernetes source publishes. Each kind is one answer: known, unknown (with the missing
// right named when the API server said 403), not installed (no such API group), or not set up (no
// kubeconfig and no service account; Leases, Deployments and Longhorn's objects also where the
// namespaces to look into are chosen and those of the operators are not among them).
struct KubernetesSlice {
  Observed<ObjectList<Cluster>> clusters;
  Observed<ObjectList<Pod>> pods;
  Observed<ObjectList<Service>> services;
  Observed<ObjectList<PersistentVolumeClaim>> claims;
  Observed<ObjectList<PersistentVolume>> volumes;
  Observed<ObjectList<Node>> nodes;
  Observed<ObjectList<Pooler>> poolers;
  Observed<ObjectList<Database>> databases;
  Observed<ObjectList<EndpointSlice>> endpoint_slices;
  Observed<ObjectList<Lease>> leases;            // leader elections of the operators
  Observed<ObjectList<Deployment>> deployments;  // those with a component
  Observed<ObjectList<ScheduledBackup>> scheduled_backups;
  Observed<ObjectList<Backup>> backups;
  Observed<ObjectList<ObjectStore>> object_stores;
  Observed<ObjectList<VolumeSnapshot>> volume_snapshots;
  Observed<ObjectList<VolumeSnapshotContent>> volume_snapshot_contents;
  Observed<ObjectList<StorageClass>> storage_classes;
  Observed<ObjectList<LonghornVolume>> longhorn_volumes;
  Observed<ObjectList<LonghornEngine>> longhorn_engines;
  Observed<ObjectList<VolumeReplica>> longhorn_replicas;
  Observed<ObjectList<LonghornNode>> longhorn_nodes;
  Observed<ObjectList<InstanceManager>> longhorn_instance_managers;
  Observed<ObjectList<VolumeAttachment>> longhorn_attachments;
  Observed<ObjectList<BackupTarget>> longhorn_backup_targets;
  Observed<ObjectList<BackupVolume>> longhorn_backup_volumes;
  Observed<ObjectList<RecurringJob>> longhorn_jobs;
  Observed<ObjectList<LonghornSetting>> longhorn_settings;
  Observed<ObjectList<EngineImage>> longhorn_engine_images;
  Observed<ObjectList<VolumeSnapshots>> longhorn_snapshots;
  Observed<ObjectList<VolumeBackups>> longhorn_backups;
  Observed<ObjectList<SystemBackup>> longhorn_system_backups;
  // Not set up unless settings.prometheus_rules is on. Rules stay in force for as long as nobody
  // answers: it has no part in for_each_kind(), and never becomes too old.
  Observed<ObjectList<PrometheusRule>> prometheus_rules;
  std::vector<SourceReport> reports;  // target = kind ("Cluster", "Pod", ...)

  template <typename With>
  static auto fields(With&& with) {
    using S = KubernetesSlice;
    return with(
        field("clusters", &S::clusters), field("pods", &S::pods), field("services", &S::services),
        field("claims", &S::claims), field("volumes", &S::volumes), field("nodes", &S::nodes),
        field("poolers", &S::poolers), field("databases", &S::databases),
        field("endpointSlices", &S::endpoint_slices), field("leases", &S::leases),
        field("deployments", &S::deployments), field("scheduledBackups", &S::scheduled_backups),
        field("backups", &S::backups), field("objectStores", &S::object_stores),
        field("volumeSnapshots", &S::volume_snapshots),
        field("volumeSnapshotContents", &S::volume_snapshot_contents),
        field("storageClasses", &S::storage_classes),
        field("longhornVolumes", &S::longhorn_volumes),
        field("longhornEngines", &S::longhorn_engines),
        field("longhornReplicas", &S::longhorn_replicas),
        field("longhornNodes", &S::longhorn_nodes),
        field("longhornInstanceManagers", &S::longhorn_instance_managers),
        field("longhornAttachments", &S::longhorn_attachments),
        field("longhornBackupTargets", &S::longhorn_backup_targets),
        field("longhornBackupVolumes", &S::longhorn_backup_volumes),
        field("longhornJobs", &S::longhorn_jobs), field("longhornSettings", &S::longhorn_settings),
        field("longhornEngineImages", &S::longhorn_engine_images),
        field("longhornSnapshots", &S::longhorn_snapshots),
        field("longhornBackups", &S::longhorn_backups),
        field("longhornSystemBackups", &S::longhorn_system_backups), field("reports", &S::reports));
  }

  // Calls f(place) with the member of each kind, an Observed<ObjectList<T>> KubernetesSlice::*.
  template <typename F>
  static void for_each_kind(F&& f) {
    using S = KubernetesSlice;
    f(&S::clusters);
    f(&S::pods);
    f(&S::services);
    f(&S::claims);
    f(&S::volumes);
    f(&S::nodes);
    f(&S::poolers);
    f(&S::databases);
    f(&S::endpoint_slices);
    f(&S::leases);
    f(&S::deployments);
    f(&S::scheduled_backups);
    f(&S::backups);
    f(&S::object_stores);
    f(&S::volume_snapshots);
    f(&S::volume_snapshot_contents);
    f(&S::storage_classes);
    f(&S::longhorn_volumes);
    f(&S::longhorn_engines);
    f(&S::longhorn_replicas);
    f(&S::longhorn_nodes);
    f(&S::longhorn_instance_managers);
    f(&S::longhorn_attachments);
    f(&S::longhorn_backup_targets);
    f(&S::longhorn_backup_volumes);
    f(&S::longhorn_jobs);
    f(&S::longhorn_settings);
    f(&S::longhorn_engine_images);
    f(&S::longhorn_snapshots);
    f(&S::longhorn_backups);
    f(&S::longhorn_system_backups);
  }

  // Every kind absent for that reason, without reports.
  [[nodiscard]] static KubernetesSlice absent(const Why& why);
};

template <typename T>
[[nodiscard]] constexpr std::string_view kind_of(
    Observed<ObjectList<T>> KubernetesSlice::* /*place*/) {
  return T::kKind;
}

// Whether the kind is listed every few minutes instead of being watched.
template <typename T>
[[nodiscard]] constexpr bool is_polled(Observed<ObjectList<T>> KubernetesSlice::* /*place*/) {
  return requires { T::kPolled; };
}

}  // namespace keelwatch::model
