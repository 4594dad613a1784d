# The Kubernetes objects that describe the lab, as the operator, the kubelet and the volume
# provisioner would have completed them. $pods: [{name, address, role, node}],
# $poolers: [{name, type, address, port, node}].

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

# Of each instance a claim for its data and one for its WAL.
def claims: {name, claim: .name, pvc_role: "PG_DATA", size: "10Gi"} + {address, role, node},
            {name, claim: (.name + "-wal"), pvc_role: "PG_WAL", size: "384Mi"} + {address, role, node};

def volume: {
  apiVersion: "v1", kind: "PersistentVolume",
  metadata: {name: ("pv-" + .claim)},
  spec: {capacity: {storage: .size}, accessModes: ["ReadWriteOnce"], persistentVolumeReclaimPolicy: "Delete",
         storageClassName: "longhorn", volumeMode: "Filesystem",
         csi: {driver: "driver.longhorn.io", volumeHandle: ("pv-" + .claim), fsType: "ext4"},
         claimRef: {apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: $namespace, name: .claim}},
  status: {phase: "Bound"}};

def claim: {
  apiVersion: "v1", kind: "PersistentVolumeClaim",
  metadata: (meta(.claim) + {labels: (labels(.) + {"cnpg.io/pvcRole": .pvc_role}),
                            annotations: {"cnpg.io/pvcStatus": "ready"}}),
  spec: {accessModes: ["ReadWriteOnce"], resources: {requests: {storage: .size}},
         storageClassName: "longhorn", volumeMode: "Filesystem", volumeName: ("pv-" + .claim)},
  status: {phase: "Bound", accessModes: ["ReadWriteOnce"], capacity: {storage: .size}}};

def pod: {
  apiVersion: "v1", kind: "Pod",
  metadata: (meta(.name) + {labels: labels(.)}),
  spec: {
    nodeName: .node, serviceAccountName: $cluster,
    containers: [{name: "postgres", image: "ghcr.io/cloudnative-pg/postgresql:15",
                  ports: [{name: "postgresql", containerPort: $port, protocol: "TCP"}],
                  volumeMounts: [{name: "pgdata", mountPath: "/var/lib/postgresql/data"},
                                 {name: "pg-wal", mountPath: "/var/lib/postgresql/wal"}]}],
    volumes: [{name: "pgdata", persistentVolumeClaim: {claimName: .name}},
              {name: "pg-wal", persistentVolumeClaim: {claimName: (.name + "-wal")}}]},
  status: {
    phase: "Running", podIP: .address, podIPs: [{ip: .address}], hostIP: .address, startTime: $now,
    conditions: [("PodScheduled", "Initialized", "ContainersReady", "Ready")
                 | {type: ., status: "True", lastTransitionTime: $now}],
    containerStatuses: [{name: "postgres", ready: true, started: true, restartCount: 0,
                         image: "ghcr.io/cloudnative-pg/postgresql:15", imageID: "",
                         state: {running: {startedAt: $now}}}]}};

def pooler_labels: {"cnpg.io/cluster": $cluster, "cnpg.io/poolerName": .name, "cnpg.io/podRole": "pooler"};

def pooler: {
  apiVersion: "postgresql.cnpg.io/v1", kind: "Pooler",
  metadata: meta(.name),
  spec: {cluster: {name: $cluster}, type: .type, instances: 1, pgbouncer: {poolMode: "session"}},
  status: {instances: 1}};

def pooler_pod: {
  apiVersion: "v1", kind: "Pod",
  metadata: (meta(.name + "-6c8f4-" + .type) + {labels: pooler_labels}),
  spec: {nodeName: .node,
         containers: [{name: "pgbouncer", image: "ghcr.io/cloudnative-pg/pgbouncer:1.24.1",
                       ports: [{name: "pgbouncer", containerPort: .port, protocol: "TCP"}]}]},
  status: {
    phase: "Running", podIP: .address, podIPs: [{ip: .address}], hostIP: .address, startTime: $now,
    conditions: [("PodScheduled", "Initialized", "ContainersReady", "Ready")
                 | {type: ., status: "True", lastTransitionTime: $now}],
    containerStatuses: [{name: "pgbouncer", ready: true, started: true, restartCount: 0,
                         image: "ghcr.io/cloudnative-pg/pgbouncer:1.24.1", imageID: "",
                         state: {running: {startedAt: $now}}}]}};

def pooler_service: {
  apiVersion: "v1", kind: "Service",
  metadata: (meta(.name) + {labels: pooler_labels}),
  spec: {type: "ClusterIP", selector: {"cnpg.io/poolerName": .name},
         ports: [{name: "pgbouncer", port: 5432, targetPort: "pgbouncer", protocol: "TCP"}]},
  status: {loadBalancer: {}}};

def service($suffix; $selector): {
  apiVersion: "v1", kind: "Service",
  metadata: (meta($cluster + "-" + $suffix) + {labels: {"cnpg.io/cluster": $cluster}}),
  spec: {type: "ClusterIP", selector: ({"cnpg.io/cluster": $cluster} + $selector),
         ports: [{name: "postgres", port: 5432, targetPort: $port, protocol: "TCP"}]},
  status: {loadBalancer: {}}};

# A real API server takes no loopback address here. Nobody connects to it: what counts is the Pod.
def endpoint_address: if $real then sub("^127\\.0\\.0\\."; "192.0.2.") else . end;

def endpoint_slice($suffix; $pods): {
  apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
  metadata: (meta($cluster + "-" + $suffix + "-lab01")
             + {labels: {"cnpg.io/cluster": $cluster, "kubernetes.io/service-name": ($cluster + "-" + $suffix),
                         "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}),
  endpoints: [$pods[] | {addresses: [.address | endpoint_address], nodeName: .node,
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

def lease: ($now | sub("Z$"; ".000000Z")) as $micro | {
  apiVersion: "coordination.k8s.io/v1", kind: "Lease",
  metadata: {name: "db9c8771.cnpg.io", namespace: "cnpg-system"},
  spec: {holderIdentity: "cnpg-controller-manager-7d8f6c5b9-lab01_0c6ab5b8-4d0c-4c1b-8f3e-1f2a3b4c5d6e",
         leaseDurationSeconds: 15, acquireTime: $micro, renewTime: $micro, leaseTransitions: 1}};

def cluster_object: ([$pods[] | select(.role == "primary")][0].name) as $primary | {
  apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster",
  metadata: meta($cluster),
  spec: {instances: ($pods | length), imageName: "ghcr.io/cloudnative-pg/postgresql:15",
         storage: {size: "10Gi", storageClass: "longhorn"},
         walStorage: {size: "384Mi", storageClass: "longhorn"},
         replicationSlots: {highAvailability: {enabled: true, slotPrefix: "_cnpg_"}}},
  status: {
    phase: "Cluster in healthy state", instances: ($pods | length), readyInstances: ($pods | length),
    instanceNames: [$pods[].name], currentPrimary: $primary, targetPrimary: $primary,
    currentPrimaryTimestamp: $now, targetPrimaryTimestamp: $now, timelineID: $timeline,
    latestGeneratedNode: ($pods | length),
    instancesStatus: {healthy: [$pods[].name]},
    instancesReportedState: (reduce $pods[] as $p ({};
      .[$p.name] = {isPrimary: ($p.role == "primary"), timeLineID: $timeline, ip: $p.address})),
    writeService: ($cluster + "-rw"), readService: ($cluster + "-r"), healthyPVC: [$pods[] | claims | .claim],
    certificates: {serverCASecret: ($cluster + "-ca"), serverTLSSecret: ($cluster + "-server"),
                   expirations: {($cluster + "-server"): $expires}},
    conditions: [{type: "Ready", status: "True", reason: "ClusterIsReady", message: "Cluster is Ready",
                  lastTransitionTime: $now}]}};

{apiVersion: "v1", kind: "List", items: [
  ("cnpg-system", "longhorn-system" | {apiVersion: "v1", kind: "Namespace", metadata: {name: .}}),
  ($pods[] | node), ($pods[] | claims | volume, claim),
  service("rw"; {"cnpg.io/instanceRole": "primary"}),
  service("ro"; {"cnpg.io/instanceRole": "replica"}),
  service("r"; {"cnpg.io/podRole": "instance"}),
  endpoint_slice("rw"; [$pods[] | select(.role == "primary")]),
  endpoint_slice("ro"; [$pods[] | select(.role == "replica")]),
  endpoint_slice("r"; $pods),
  operator, lease, cluster_object, ($poolers[] | pooler, pooler_service, pooler_pod), ($pods[] | pod)]}
