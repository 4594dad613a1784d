# The objects of the Barman Cloud plugin that describe the lab's archive. Input: the backups,
# [{id, pod, begin_wal, end_wal, begin_lsn, end_lsn, timeline, began, ended}].

def meta($name): {name: $name, namespace: $namespace};
def plugin: {name: "barman-cloud.cloudnative-pg.io"};

def object_store: {
  apiVersion: "barmancloud.cnpg.io/v1", kind: "ObjectStore",
  metadata: meta($store),
  spec: {
    configuration: {
      destinationPath: $destination, endpointURL: $endpoint,
      s3Credentials: {accessKeyId: {name: ($store + "-keys"), key: "ACCESS_KEY_ID"},
                      secretAccessKey: {name: ($store + "-keys"), key: "ACCESS_SECRET_KEY"}}},
    retentionPolicy: "7d"},
  status: (if length == 0 then {} else {serverRecoveryWindow: {($cluster): {
    firstRecoverabilityPoint: .[0].ended, lastSuccessfulBackupTime: .[-1].ended}}} end)};

def secret: {
  apiVersion: "v1", kind: "Secret", metadata: meta($store + "-keys"), type: "Opaque",
  data: {ACCESS_KEY_ID: ($access_key | @base64), ACCESS_SECRET_KEY: ($secret_key | @base64)}};

def scheduled_backup: {
  apiVersion: "postgresql.cnpg.io/v1", kind: "ScheduledBackup",
  metadata: meta($cluster + "-nightly"),
  spec: {schedule: "0 0 3 * * *", immediate: true, backupOwnerReference: "none", cluster: {name: $cluster},
         method: "plugin", pluginConfiguration: plugin},
  status: (if length == 0 then {} else
    {lastCheckTime: .[-1].began, lastScheduleTime: .[-1].began, nextScheduleTime: $next} end)};

def backup: {
  apiVersion: "postgresql.cnpg.io/v1", kind: "Backup",
  metadata: (meta($cluster + "-nightly-" + (.id | sub("T"; "")))
             + {labels: {"cnpg.io/cluster": $cluster, "cnpg.io/scheduled-backup": ($cluster + "-nightly")}}),
  spec: {cluster: {name: $cluster}, method: "plugin", pluginConfiguration: plugin},
  status: {phase: "completed", method: "plugin", backupId: .id, backupName: ("backup-" + (.id | sub("T"; ""))),
           startedAt: .began, stoppedAt: .ended, beginWal: .begin_wal, endWal: .end_wal, beginLSN: .begin_lsn,
           endLSN: .end_lsn, instanceID: {podName: .pod}, pluginMetadata: {timeline: .timeline}}};

{apiVersion: "v1", kind: "List", items: ([object_store, secret, scheduled_backup] + map(backup))}
