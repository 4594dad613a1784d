# Longhorn as it would be under the lab: three nodes with one disk each, and for each claim of an
# instance a volume with two copies, one of them where its Pod is. $pods: [{name, address, role,
# node}], $now, $version.

def meta($name): {name: $name, namespace: "longhorn-system"};
def condition($type; $status): {type: $type, status: $status, reason: "", message: "", lastProbeTime: "",
                                lastTransitionTime: $now};
def image: "longhornio/longhorn-engine:v" + $version;
def gib: 1073741824 * .;
def other($node): {n1: "n2", n2: "n3", n3: "n1"}[$node];
def conditions: map(condition(.; "True"));
def longhorn($kind; $meta): {apiVersion: "longhorn.io/v1beta2", kind: $kind, metadata: $meta};

def claims: {claim: .name, gib: 10} + {name, node}, {claim: (.name + "-wal"), gib: 1} + {name, node};
def volume_name: "pv-" + .claim;
def replica_name($node): volume_name + "-r-" + $node;

def node: longhorn("Node"; meta(.)) + {
  spec: {name: ., allowScheduling: true, evictionRequested: false, tags: [],
         disks: {"default-disk": {path: "/var/lib/longhorn/", diskType: "filesystem", allowScheduling: true,
                                  evictionRequested: false, storageReserved: (30 | gib), tags: []}}},
  status: {zone: ("zone-" + .), region: "",
           conditions: (["Ready", "Schedulable", "MountPropagation"] | conditions),
           diskStatus: {"default-disk": {
             diskUUID: ("disk-" + .), storageMaximum: (100 | gib), storageAvailable: (60 | gib),
             storageScheduled: (44 | gib), diskType: "filesystem",
             conditions: (["Ready", "Schedulable"] | conditions)}}}};

def instance_manager: longhorn("InstanceManager"; meta("instance-manager-" + .)) + {
  spec: {nodeID: ., type: "aio", dataEngine: "v1", image: ("longhornio/longhorn-instance-manager:v" + $version)},
  status: {currentState: "running"}};

def volume: longhorn("Volume"; meta(volume_name)) + {
  spec: {size: (.gib | gib | tostring), numberOfReplicas: 2, dataLocality: "best-effort", dataEngine: "v1",
         accessMode: "rwo", nodeID: .node, image: image, frontend: "blockdev", staleReplicaTimeout: 30},
  status: {state: "attached", robustness: "healthy", currentNodeID: .node, ownerID: .node, currentImage: image,
           actualSize: (.gib | gib / 2), lastDegradedAt: "", lastBackup: "", lastBackupAt: "",
           expansionRequired: false, restoreRequired: false, isStandby: false,
           conditions: [condition("Scheduled"; "True"), condition("TooManySnapshots"; "False"),
                        condition("Restore"; "False")],
           kubernetesStatus: {pvName: volume_name, pvStatus: "Bound", pvcName: .claim, namespace: $namespace,
                              lastPVCRefAt: "", lastPodRefAt: "",
                              workloadsStatus: [{podName: .name, podStatus: "Running", workloadName: $cluster,
                                                 workloadType: "Cluster"}]}}};

def engine: longhorn("Engine"; meta(volume_name + "-e-0")) + {
  spec: {volumeName: volume_name, volumeSize: (.gib | gib | tostring), active: true, nodeID: .node, image: image,
         desireState: "running", frontend: "blockdev"},
  status: {currentState: "running", currentImage: image, currentSize: (.gib | gib | tostring), ownerID: .node,
           instanceManagerName: ("instance-manager-" + .node), isExpanding: false, lastExpansionError: "",
           replicaModeMap: {(replica_name(.node)): "RW", (replica_name(other(.node))): "RW"},
           rebuildStatus: {}, purgeStatus: {}, snapshotsError: "",
           snapshots: {"volume-head": {name: "volume-head", size: (.gib | gib / 2 | tostring), created: $now,
                                       parent: "", children: {}, removed: false, usercreated: false}},
           conditions: [condition("InstanceCreation"; "True"), condition("FilesystemReadOnly"; "False")]}};

def replica($node): longhorn("Replica"; meta(replica_name($node))) + {
  spec: {volumeName: volume_name, volumeSize: (.gib | gib | tostring), active: true, nodeID: $node,
         diskID: ("disk-" + $node), diskPath: "/var/lib/longhorn", engineName: (volume_name + "-e-0"),
         healthyAt: $now, failedAt: "", lastHealthyAt: $now, lastFailedAt: "", rebuildRetryCount: 0,
         evictionRequested: false, desireState: "running", image: image},
  status: {currentState: "running", ownerID: $node, conditions: [condition("RebuildFailed"; "False")]}};

def attachment: longhorn("VolumeAttachment"; meta(volume_name)) + {
  spec: {volume: volume_name, attachmentTickets: {("csi-" + .claim): {
    id: ("csi-" + .claim), type: "csi-attacher", nodeID: .node, generation: 1, parameters: {}}}},
  status: {attachmentTicketStatuses: {("csi-" + .claim): {
    id: ("csi-" + .claim), satisfied: true, generation: 1, conditions: [condition("Satisfied"; "True")]}}}};

def setting: longhorn("Setting"; meta(.key)) + {value: .value, status: {applied: true}};

def settings: {
  "auto-salvage": "true", "current-longhorn-version": ("v" + $version), "default-engine-image": image,
  "default-replica-count": "2", "node-drain-policy": "block-if-contains-last-replica",
  "replica-replenishment-wait-interval": "600", "replica-soft-anti-affinity": "false",
  "snapshot-max-count": "250", "storage-minimal-available-percentage": "25",
  "storage-over-provisioning-percentage": "100"};

def backup_target: longhorn("BackupTarget"; meta("default")) + {
  spec: {backupTargetURL: "", credentialSecret: "", pollInterval: "5m0s"}, status: {available: false}};

def engine_image: longhorn("EngineImage"; meta("ei-00000001")) + {
  spec: {image: image},
  status: {state: "deployed", version: ("v" + $version), nodeDeploymentMap: {n1: true, n2: true, n3: true}}};

def storage_class: {
  apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: {name: "longhorn"},
  provisioner: "driver.longhorn.io", reclaimPolicy: "Delete", volumeBindingMode: "Immediate",
  allowVolumeExpansion: true, parameters: {numberOfReplicas: "2", dataLocality: "best-effort"}};

{apiVersion: "v1", kind: "List", items: [
  ($pods[].node | node, instance_manager),
  ($pods[] | claims | volume, engine, replica(.node), replica(other(.node)), attachment),
  (settings | to_entries[] | setting), backup_target, engine_image, storage_class]}
