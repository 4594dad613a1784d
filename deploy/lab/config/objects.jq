# The Kubernetes objects that describe the lab, as the operator, the kubelet and the volume
# provisioner would have completed them. $pods: [{name, address, role, node}].

def labels($pod): {
  "cnpg.io/cluster": $cluster, "cnpg.io/instanceName": $pod.name, "cnpg.io/podRole": "instance",
  "cnpg.io/instanceRole": $pod.role, "role": $pod.role};

def meta($name): {name: $name, namespace: $namespace};

def node: {
  apiVersion: "v1", kind: "Node",
  metadata: {name: .node, labels: {"kubernetes.io/hostname": .node, "topology.kubernetes.io/zone": ("zone-" + .node)}},
  spec: {},
  status: {
    conditions: [{type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is ready",
                  lastHeartbeatTime: $now, lastTransitionTime: $now}],
    addresses: [{type: "InternalIP", address: .address}, {type: "Hostname", address: .node}],
    capacity: {cpu: "4", memory: "8Gi", pods: "110"}, allocatable: {cpu: "4", memory: "8Gi", pods: "110"}}};

def volume: {
  apiVersion: "v1", kind: "PersistentVolume",
  metadata: {name: ("pv-" + .name)},
  spec: {capacity: {storage: "10Gi"}, accessModes: ["ReadWriteOnce"], persistentVolumeReclaimPolicy: "Delete",
         storageClassName: "longhorn", volumeMode: "Filesystem",
         csi: {driver: "driver.longhorn.io", volumeHandle: ("pv-" + .name), fsType: "ext4"},
         claimRef: {apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: $namespace, name: .name}},
  status: {phase: "Bound"}};

def claim: {
  apiVersion: "v1", kind: "PersistentVolumeClaim",
  metadata: (meta(.name) + {labels: (labels(.) + {"cnpg.io/pvcRole": "PG_DATA"}),
                            annotations: {"cnpg.io/pvcStatus": "ready"}}),
  spec: {accessModes: ["ReadWriteOnce"], resources: {requests: {storage: "10Gi"}},
         storageClassName: "longhorn", volumeMode: "Filesystem", volumeName: ("pv-" + .name)},
  status: {phase: "Bound", accessModes: ["ReadWriteOnce"], capacity: {storage: "10Gi"}}};

def pod: {
  apiVersion: "v1", kind: "Pod",
  metadata: (meta(.name) + {labels: labels(.)}),
  spec: {
    nodeName: .node, serviceAccountName: $cluster,
    containers: [{name: "postgres", image: "ghcr.io/cloudnative-pg/postgresql:15",
                  ports: [{name: "postgresql", containerPort: $port, protocol: "TCP"}],
                  volumeMounts: [{name: "pgdata", mountPath: "/var/lib/postgresql/data"}]}],
    volumes: [{name: "pgdata", persistentVolumeClaim: {claimName: .name}}]},
  status: {
    phase: "Running", podIP: .address, podIPs: [{ip: .address}], hostIP: .address, startTime: $now,
    conditions: [("PodScheduled", "Initialized", "ContainersReady", "Ready")
                 | {type: ., status: "True", lastTransitionTime: $now}],
    containerStatuses: [{name: "postgres", ready: true, started: true, restartCount: 0,
                         image: "ghcr.io/cloudnative-pg/postgresql:15", imageID: "",
                         state: {running: {startedAt: $now}}}]}};

def service($suffix; $selector): {
  apiVersion: "v1", kind: "Service",
  metadata: (meta($cluster + "-" + $suffix) + {labels: {"cnpg.io/cluster": $cluster}}),
  spec: {type: "ClusterIP", selector: ({"cnpg.io/cluster": $cluster} + $selector),
         ports: [{name: "postgres", port: 5432, targetPort: $port, protocol: "TCP"}]},
  status: {loadBalancer: {}}};

def endpoint_slice($suffix; $pods): {
  apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
  metadata: (meta($cluster + "-" + $suffix + "-lab01")
             + {labels: {"cnpg.io/cluster": $cluster, "kubernetes.io/service-name": ($cluster + "-" + $suffix),
                         "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}),
  endpoints: [$pods[] | {addresses: [.address], nodeName: .node,
                         conditions: {ready: true, serving: true, terminating: false},
                         targetRef: {kind: "Pod", namespace: $namespace, name: .name}}],
  ports: [{name: "postgres", port: $port, protocol: "TCP"}]};

def operator: {
  apiVersion: "apps/v1", kind: "Deployment",
  metadata: {name: "cnpg-controller-manager", namespace: "cnpg-system",
             labels: {"app.kubernetes.io/name": "cloudnative-pg"}},
  spec: {replicas: 1, selector: {matchLabels: {"app.kubernetes.io/name": "cloudnative-pg"}},
         template: {metadata: {labels: {"app.kubernetes.io/name": "cloudnative-pg"}},
                    spec: {containers: [{name: "manager", image: "ghcr.io/cloudnative-pg/cloudnative-pg:1.27.1"}]}}},
  status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1,
           conditions: [{type: "Available", status: "True", reason: "MinimumReplicasAvailable",
                         message: "Deployment has minimum availability.", lastTransitionTime: $now,
                         lastUpdateTime: $now}]}};

def cluster_object: ([$pods[] | select(.role == "primary")][0].name) as $primary | {
  apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster",
  metadata: meta($cluster),
  spec: {instances: ($pods | length), imageName: "ghcr.io/cloudnative-pg/postgresql:15",
         storage: {size: "10Gi", storageClass: "longhorn"},
         replicationSlots: {highAvailability: {enabled: true, slotPrefix: "_cnpg_"}}},
  status: {
    phase: "Cluster in healthy state", instances: ($pods | length), readyInstances: ($pods | length),
    instanceNames: [$pods[].name], currentPrimary: $primary, targetPrimary: $primary,
    currentPrimaryTimestamp: $now, targetPrimaryTimestamp: $now, timelineID: 1,
    latestGeneratedNode: ($pods | length),
    instancesStatus: {healthy: [$pods[].name]},
    instancesReportedState: (reduce $pods[] as $p ({};
      .[$p.name] = {isPrimary: ($p.role == "primary"), timeLineID: 1, ip: $p.address})),
    writeService: ($cluster + "-rw"), readService: ($cluster + "-r"), healthyPVC: [$pods[].name],
    conditions: [{type: "Ready", status: "True", reason: "ClusterIsReady", message: "Cluster is Ready",
                  lastTransitionTime: $now}]}};

{apiVersion: "v1", kind: "List", items: [
  {apiVersion: "v1", kind: "Namespace", metadata: {name: "cnpg-system"}},
  ($pods[] | node), ($pods[] | volume), ($pods[] | claim),
  service("rw"; {"cnpg.io/instanceRole": "primary"}),
  service("ro"; {"cnpg.io/instanceRole": "replica"}),
  service("r"; {"cnpg.io/podRole": "instance"}),
  endpoint_slice("rw"; [$pods[] | select(.role == "primary")]),
  endpoint_slice("ro"; [$pods[] | select(.role == "replica")]),
  endpoint_slice("r"; $pods),
  operator, cluster_object, ($pods[] | pod)]}
