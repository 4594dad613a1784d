// Facts from the Kubernetes API: only the fields that something uses. Optional means "the object
// does not say": older and newer versions of an operator omit fields, which is never an error.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/fields.h"
#include "model/source_report.h"

namespace keelwatch::model {

struct ObjectMeta {
  std::string ns;  // empty for cluster-scoped objects
  std::string name;
  std::string uid;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;  // without kubectl's last-applied copy
  std::optional<WallTime> creation_timestamp;
  std::optional<WallTime> deletion_timestamp;

  static constexpr auto fields() {
    return std::tuple(field("namespace", &ObjectMeta::ns), field("name", &ObjectMeta::name),
                      field("uid", &ObjectMeta::uid), field("labels", &ObjectMeta::labels),
                      field("annotations", &ObjectMeta::annotations),
                      field("creationTimestamp", &ObjectMeta::creation_timestamp),
                      field("deletionTimestamp", &ObjectMeta::deletion_timestamp));
  }
};

// A postgresql.cnpg.io/v1 Cluster (CNPG api/v1/cluster_types.go).
struct Cluster {
  ObjectMeta meta;
  std::optional<std::int64_t> instances;  // spec.instances: desired
  std::string image;                      // status.image or spec.imageName
  std::string superuser_secret;
  std::string ca_secret;  // status.certificates.serverCASecret
  std::vector<std::string> server_alt_dns_names;
  std::string slot_prefix;       // spec.replicationSlots.highAvailability.slotPrefix
  bool replica_cluster = false;  // spec.replica.enabled, or primary names another cluster
  std::string phase;             // status.phase, verbatim
  std::string phase_reason;
  std::string current_primary;
  std::string target_primary;
  std::optional<WallTime> current_primary_timestamp;
  std::optional<WallTime> target_primary_timestamp;
  std::optional<WallTime> current_primary_failing_since;
  std::optional<std::int64_t> ready_instances;
  std::optional<std::int64_t> status_instances;
  std::optional<std::int64_t> timeline_id;
  std::string system_id;

  static constexpr auto fields() {
    return std::tuple(
        field("metadata", &Cluster::meta), field("instances", &Cluster::instances),
        field("image", &Cluster::image), field("superuserSecret", &Cluster::superuser_secret),
        field("caSecret", &Cluster::ca_secret),
        field("serverAltDNSNames", &Cluster::server_alt_dns_names),
        field("slotPrefix", &Cluster::slot_prefix),
        field("replicaCluster", &Cluster::replica_cluster), field("phase", &Cluster::phase),
        field("phaseReason", &Cluster::phase_reason),
        field("currentPrimary", &Cluster::current_primary),
        field("targetPrimary", &Cluster::target_primary),
        field("currentPrimaryTimestamp", &Cluster::current_primary_timestamp),
        field("targetPrimaryTimestamp", &Cluster::target_primary_timestamp),
        field("currentPrimaryFailingSince", &Cluster::current_primary_failing_since),
        field("readyInstances", &Cluster::ready_instances),
        field("statusInstances", &Cluster::status_instances),
        field("timelineID", &Cluster::timeline_id), field("systemID", &Cluster::system_id));
  }
};

struct Pod {
  ObjectMeta meta;
  std::string node;
  std::string phase;  // Pending, Running, Succeeded, Failed, Unknown
  std::string pod_ip;
  std::optional<bool> ready;                 // condition Ready; absent before the kubelet wrote one
  std::optional<WallTime> ready_transition;  // when that condition changed last
  std::int64_t restarts = 0;                 // summed over containers
  std::vector<std::string> claims;           // names of the PersistentVolumeClaims it mounts

  static constexpr auto fields() {
    return std::tuple(field("metadata", &Pod::meta), field("node", &Pod::node),
                      field("phase", &Pod::phase), field("podIP", &Pod::pod_ip),
                      field("ready", &Pod::ready), field("readyTransition", &Pod::ready_transition),
                      field("restarts", &Pod::restarts), field("claims", &Pod::claims));
  }
};

struct ServicePort {
  std::string name;
  std::int64_t port = 0;
  static constexpr auto fields() {
    return std::tuple(field("name", &ServicePort::name), field("port", &ServicePort::port));
  }
};

struct Service {
  ObjectMeta meta;
  std::string type;
  std::string cluster_ip;
  std::string external_name;
  std::string load_balancer_class;
  std::vector<std::string> load_balancer_addresses;  // IPs and host names of status
  std::map<std::string, std::string> selector;
  std::vector<ServicePort> ports;

  static constexpr auto fields() {
    return std::tuple(field("metadata", &Service::meta), field("type", &Service::type),
                      field("clusterIP", &Service::cluster_ip),
                      field("externalName", &Service::external_name),
                      field("loadBalancerClass", &Service::load_balancer_class),
                      field("loadBalancerAddresses", &Service::load_balancer_addresses),
                      field("selector", &Service::selector), field("ports", &Service::ports));
  }
};

struct PersistentVolumeClaim {
  ObjectMeta meta;
  std::string phase;  // Pending, Bound, Lost
  std::string volume_name;
  std::string storage_class;
  std::optional<std::int64_t> capacity_bytes;

  static constexpr auto fields() {
    return std::tuple(field("metadata", &PersistentVolumeClaim::meta),
                      field("phase", &PersistentVolumeClaim::phase),
                      field("volumeName", &PersistentVolumeClaim::volume_name),
                      field("storageClass", &PersistentVolumeClaim::storage_class),
                      field("capacityBytes", &PersistentVolumeClaim::capacity_bytes));
  }
};

struct PersistentVolume {
  ObjectMeta meta;
  std::string phase;
  std::string storage_class;
  std::string csi_driver;
  std::string volume_handle;  // of the CSI driver
  std::string claim_namespace;
  std::string claim_name;
  std::string reclaim_policy;
  std::vector<std::string> node_affinity;  // node names of a node-bound volume

  static constexpr auto fields() {
    return std::tuple(field("metadata", &PersistentVolume::meta),
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

struct Node {
  ObjectMeta meta;
  std::optional<bool> ready;  // condition Ready; Unknown counts as false
  bool unschedulable = false;
  std::string internal_ip;
  std::string zone;  // label topology.kubernetes.io/zone

  static constexpr auto fields() {
    return std::tuple(field("metadata", &Node::meta), field("ready", &Node::ready),
                      field("unschedulable", &Node::unschedulable),
                      field("internalIP", &Node::internal_ip), field("zone", &Node::zone));
  }
};

// Sorted by (namespace, name); pointers are shared between successive slices.
template <typename T>
using ObjectList = std::vector<std::shared_ptr<const T>>;

// What the Kubernetes source publishes. Each kind is one answer: known, unknown (with the missing
// right named when the API server said 403), not installed (no such API group), or not set up (no
// kubeconfig and no service account).
struct KubernetesSlice {
  Observed<ObjectList<Cluster>> clusters;
  Observed<ObjectList<Pod>> pods;
  Observed<ObjectList<Service>> services;
  Observed<ObjectList<PersistentVolumeClaim>> claims;
  Observed<ObjectList<PersistentVolume>> volumes;
  Observed<ObjectList<Node>> nodes;
  std::vector<SourceReport> reports;  // target = kind ("Cluster", "Pod", ...)

  static constexpr auto fields() {
    return std::tuple(
        field("clusters", &KubernetesSlice::clusters), field("pods", &KubernetesSlice::pods),
        field("services", &KubernetesSlice::services), field("claims", &KubernetesSlice::claims),
        field("volumes", &KubernetesSlice::volumes), field("nodes", &KubernetesSlice::nodes),
        field("reports", &KubernetesSlice::reports));
  }
};

}  // namespace keelwatch::model
