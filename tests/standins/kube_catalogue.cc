#include "tests/standins/kube_catalogue.h"

namespace keelwatch::standins {

namespace {

struct Row {
  const char* group;
  const char* version;
  const char* plural;
  const char* kind;
  bool namespaced = true;
};

constexpr Row kBuiltIn[] = {
    {"", "v1", "configmaps", "ConfigMap"},
    {"", "v1", "endpoints", "Endpoints"},
    {"", "v1", "events", "Event"},
    {"", "v1", "namespaces", "Namespace", false},
    {"", "v1", "nodes", "Node", false},
    {"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"},
    {"", "v1", "persistentvolumes", "PersistentVolume", false},
    {"", "v1", "pods", "Pod"},
    {"", "v1", "secrets", "Secret"},
    {"", "v1", "serviceaccounts", "ServiceAccount"},
    {"", "v1", "services", "Service"},
    {"apps", "v1", "daemonsets", "DaemonSet"},
    {"apps", "v1", "deployments", "Deployment"},
    {"apps", "v1", "replicasets", "ReplicaSet"},
    {"apps", "v1", "statefulsets", "StatefulSet"},
    {"batch", "v1", "cronjobs", "CronJob"},
    {"batch", "v1", "jobs", "Job"},
    {"coordination.k8s.io", "v1", "leases", "Lease"},
    {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"},
    {"networking.k8s.io", "v1", "ingresses", "Ingress"},
    {"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"},
    {"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"},
    {"storage.k8s.io", "v1", "csidrivers", "CSIDriver", false},
    {"storage.k8s.io", "v1", "csinodes", "CSINode", false},
    {"storage.k8s.io", "v1", "storageclasses", "StorageClass", false},
    {"storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", false},
};

// From the CustomResourceDefinitions of CloudNativePG 1.30, plugin-barman-cloud 0.14,
// Longhorn 1.12, the Tailscale operator 1.98, external-snapshotter and prometheus-operator.
constexpr Row kCustom[] = {
    {"barmancloud.cnpg.io", "v1", "objectstores", "ObjectStore"},
    {"longhorn.io", "v1beta2", "backingimages", "BackingImage"},
    {"longhorn.io", "v1beta2", "backups", "Backup"},
    {"longhorn.io", "v1beta2", "backuptargets", "BackupTarget"},
    {"longhorn.io", "v1beta2", "backupvolumes", "BackupVolume"},
    {"longhorn.io", "v1beta2", "engineimages", "EngineImage"},
    {"longhorn.io", "v1beta2", "engines", "Engine"},
    {"longhorn.io", "v1beta2", "instancemanagers", "InstanceManager"},
    {"longhorn.io", "v1beta2", "nodes", "Node"},
    {"longhorn.io", "v1beta2", "orphans", "Orphan"},
    {"longhorn.io", "v1beta2", "recurringjobs", "RecurringJob"},
    {"longhorn.io", "v1beta2", "replicas", "Replica"},
    {"longhorn.io", "v1beta2", "settings", "Setting"},
    {"longhorn.io", "v1beta2", "sharemanagers", "ShareManager"},
    {"longhorn.io", "v1beta2", "snapshots", "Snapshot"},
    {"longhorn.io", "v1beta2", "systembackups", "SystemBackup"},
    {"longhorn.io", "v1beta2", "volumeattachments", "VolumeAttachment"},
    {"longhorn.io", "v1beta2", "volumes", "Volume"},
    {"monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"},
    {"monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule"},
    {"monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor"},
    {"postgresql.cnpg.io", "v1", "backups", "Backup"},
    {"postgresql.cnpg.io", "v1", "clusterimagecatalogs", "ClusterImageCatalog", false},
    {"postgresql.cnpg.io", "v1", "clusters", "Cluster"},
    {"postgresql.cnpg.io", "v1", "databases", "Database"},
    {"postgresql.cnpg.io", "v1", "imagecatalogs", "ImageCatalog"},
    {"postgresql.cnpg.io", "v1", "poolers", "Pooler"},
    {"postgresql.cnpg.io", "v1", "publications", "Publication"},
    {"postgresql.cnpg.io", "v1", "scheduledbackups", "ScheduledBackup"},
    {"postgresql.cnpg.io", "v1", "subscriptions", "Subscription"},
    {"snapshot.storage.k8s.io", "v1", "volumesnapshotclasses", "VolumeSnapshotClass", false},
    {"snapshot.storage.k8s.io", "v1", "volumesnapshotcontents", "VolumeSnapshotContent", false},
    {"snapshot.storage.k8s.io", "v1", "volumesnapshots", "VolumeSnapshot"},
    {"tailscale.com", "v1alpha1", "connectors", "Connector", false},
    {"tailscale.com", "v1alpha1", "dnsconfigs", "DNSConfig", false},
    {"tailscale.com", "v1alpha1", "proxyclasses", "ProxyClass", false},
    {"tailscale.com", "v1alpha1", "proxygroups", "ProxyGroup", false},
    {"tailscale.com", "v1alpha1", "recorders", "Recorder", false},
};

KubeResource resource_of(const Row& row, bool custom) {
  return {row.group, row.version, row.plural, row.kind, row.namespaced, custom};
}

}  // namespace

std::vector<KubeResource> built_in_resources() {
  std::vector<KubeResource> resources;
  for (const Row& row : kBuiltIn) resources.push_back(resource_of(row, false));
  return resources;
}

std::vector<KubeResource> known_custom_resources(std::string_view group) {
  std::vector<KubeResource> resources;
  for (const Row& row : kCustom) {
    if (group == "*" || group == row.group) resources.push_back(resource_of(row, true));
  }
  return resources;
}

}  // namespace keelwatch::standins
