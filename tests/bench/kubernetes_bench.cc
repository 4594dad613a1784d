// CPU and memory of reading lists in pages of 500, as KubernetesSource does it: JSON check alone,
// and with decoding into the store. First 10,000 Pods of 3.5 kB, then Longhorn's 10,000 Volumes
// with 30,000 Replicas, which together may take 0.5 s and 64 MiB, and their 10,000 Engines.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "sources/kubernetes/object_store.h"

namespace {

using namespace keelwatch;

std::string pod(int number) {
  std::string managed;
  for (int i = 0; i < 3; ++i) {
    managed += fmt::format(
        R"({}{{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"2026-11-20T08:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:labels":{{".":{{}},"f:cnpg.io/cluster":{{}}}}}},"f:status":{{"f:conditions":{{".":{{}},"k:{{\"type\":\"Ready\"}}":{{".":{{}},"f:lastTransitionTime":{{}},"f:status":{{}}}}}},"f:podIP":{{}}}}}}}})",
        i ? "," : "");
  }
  std::string containers;
  for (const char* name : {"postgres", "plugin-barman-cloud"}) {
    containers += fmt::format(
        R"({}{{"name":"{}","image":"ghcr.io/cloudnative-pg/postgresql:17.0@sha256:0123456789abcdef0123456789abcdef","env":[{{"name":"PGDATA","value":"/var/lib/postgresql/data/pgdata"}},{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.name"}}}}}}],"ports":[{{"containerPort":5432,"name":"postgresql","protocol":"TCP"}}],"volumeMounts":[{{"mountPath":"/var/lib/postgresql/data","name":"pgdata"}},{{"mountPath":"/run","name":"scratch-data"}}]}})",
        containers.empty() ? "" : ",", name);
  }
  return fmt::format(
      R"({{"metadata":{{"name":"pg-{0}","namespace":"db","uid":"6f0c2f5e-0a51-4d0e-9a43-{0:012}","resourceVersion":"{0}","creationTimestamp":"2026-03-01T10:00:00Z","labels":{{"cnpg.io/cluster":"pg","cnpg.io/instanceName":"pg-{0}","cnpg.io/podRole":"instance","cnpg.io/instanceRole":"replica"}},"annotations":{{"cnpg.io/nodeSerial":"{0}","cnpg.io/podSpec":"{3:x>400}"}},"managedFields":[{1}]}},"spec":{{"nodeName":"node-{0}","containers":[{2}],"volumes":[{{"name":"pgdata","persistentVolumeClaim":{{"claimName":"pg-{0}"}}}}]}},"status":{{"phase":"Running","podIP":"10.42.0.7","conditions":[{{"type":"Initialized","status":"True","lastTransitionTime":"2026-11-20T08:00:00Z"}},{{"type":"Ready","status":"True","lastTransitionTime":"2026-11-20T08:00:00Z"}}],"containerStatuses":[{{"name":"postgres","restartCount":1}},{{"name":"plugin-barman-cloud","restartCount":0}}]}}}})",
      number, managed, containers, "");
}

double cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](timeval t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

// VmRSS: the peak (VmHWM) would be that of making the pages.
double resident_mb() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") {
      double kb = 0;
      status >> kb;
      return kb / 1e3;
    }
  }
  return 0;
}

std::string volume_name(int number) {
  return fmt::format("pvc-{:08x}-0a51-4d0e-9a43-{:012x}", number, number);
}

// What every object carries beside its facts.
std::string meta(const std::string& name, int number, const std::string& labels) {
  return fmt::format(
      R"("metadata":{{"name":"{0}","namespace":"longhorn-system","uid":"6f0c2f5e-0a51-4d0e-9a43-{1:012}","resourceVersion":"{1}","generation":7,"creationTimestamp":"2026-03-01T10:00:00Z","finalizers":["longhorn.io"],"labels":{{{2}}},"managedFields":[{{"manager":"longhorn-manager","operation":"Update","apiVersion":"longhorn.io/v1beta2","time":"2026-11-20T08:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:finalizers":{{".":{{}},"v:\"longhorn.io\"":{{}}}},"f:labels":{{".":{{}},"f:longhornnode":{{}},"f:longhornvolume":{{}},"f:setting.longhorn.io/remove-snapshots-during-filesystem-trim":{{}}}}}},"f:spec":{{".":{{}},"f:accessMode":{{}},"f:active":{{}},"f:backupCompressionMethod":{{}},"f:dataEngine":{{}},"f:dataLocality":{{}},"f:diskSelector":{{}},"f:encrypted":{{}},"f:frontend":{{}},"f:image":{{}},"f:nodeID":{{}},"f:numberOfReplicas":{{}},"f:size":{{}},"f:volumeName":{{}}}}}}}},{{"manager":"longhorn-manager","operation":"Update","apiVersion":"longhorn.io/v1beta2","time":"2026-11-20T08:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:status":{{".":{{}},"f:conditions":{{}},"f:currentImage":{{}},"f:currentState":{{}},"f:ownerID":{{}}}}}},"subresource":"status"}}]}})",
      name, number, labels);
}

std::string condition(const char* type, const char* status) {
  return fmt::format(
      R"({{"type":"{}","status":"{}","reason":"","message":"","lastProbeTime":"","lastTransitionTime":"2026-11-20T08:00:00Z"}})",
      type, status);
}

std::string volume(int number) {
  const std::string name = volume_name(number);
  return fmt::format(
      R"({{"apiVersion":"longhorn.io/v1beta2","kind":"Volume",{0},"spec":{{"Standby":false,"accessMode":"rwo","backingImage":"","backupCompressionMethod":"lz4","backupTargetName":"default","dataEngine":"v1","dataLocality":"best-effort","dataSource":"","disableFrontend":false,"diskSelector":[],"encrypted":false,"freezeFilesystemForSnapshot":"ignored","fromBackup":"","frontend":"blockdev","image":"longhornio/longhorn-engine:v1.11.3","lastAttachedBy":"","migratable":false,"migrationNodeID":"","nodeID":"node-{1}","nodeSelector":[],"numberOfReplicas":3,"offlineRebuilding":"ignored","replicaAutoBalance":"ignored","replicaDiskSoftAntiAffinity":"ignored","replicaSoftAntiAffinity":"ignored","replicaZoneSoftAntiAffinity":"ignored","restoreVolumeRecurringJob":"ignored","revisionCounterDisabled":true,"size":"21474836480","snapshotDataIntegrity":"ignored","snapshotMaxCount":250,"snapshotMaxSize":"0","staleReplicaTimeout":30,"unmapMarkSnapChainRemoved":"ignored"}},"status":{{"actualSize":5368709120,"cloneStatus":{{"snapshot":"","sourceVolume":"","state":""}},"conditions":[{2},{3},{4},{5},{6}],"currentImage":"longhornio/longhorn-engine:v1.11.3","currentMigrationNodeID":"","currentNodeID":"node-{1}","expansionRequired":false,"frontendDisabled":false,"isStandby":false,"kubernetesStatus":{{"lastPVCRefAt":"","lastPodRefAt":"","namespace":"db","pvName":"{7}","pvStatus":"Bound","pvcName":"pg-{8}","workloadsStatus":[{{"podName":"pg-{8}","podStatus":"Running","workloadName":"pg","workloadType":"Cluster"}}]}},"lastBackup":"","lastBackupAt":"","lastDegradedAt":"","ownerID":"node-{1}","remountRequestedAt":"","restoreInitiated":false,"restoreRequired":false,"robustness":"healthy","shareEndpoint":"","shareState":"","state":"attached"}}}})",
      meta(
          name, number,
          R"("backup-target":"default","longhornvolume":")" + name +
              R"(","recurring-job-group.longhorn.io/default":"enabled","setting.longhorn.io/remove-snapshots-during-filesystem-trim":"ignored")"),
      number % 30, condition("WaitForBackingImage", "False"),
      condition("TooManySnapshots", "False"), condition("Scheduled", "True"),
      condition("Restore", "False"), condition("OfflineRebuilding", "False"), name, number);
}

std::string replica(int number) {
  const std::string of = volume_name(number / 3);
  return fmt::format(
      R"({{"apiVersion":"longhorn.io/v1beta2","kind":"Replica",{0},"spec":{{"active":true,"backingImage":"","dataDirectoryName":"{1}-0b9e3a4d","dataEngine":"v1","desireState":"running","diskID":"d15c0002-0000-4000-8000-{2:012}","diskPath":"/var/lib/longhorn/","engineName":"{1}-e-0","evictionRequested":false,"failedAt":"","hardNodeAffinity":"","healthyAt":"2026-11-01T00:00:00Z","image":"longhornio/longhorn-engine:v1.11.3","lastFailedAt":"","lastHealthyAt":"2026-11-20T08:00:00Z","logRequested":false,"migrationEngineName":"","nodeID":"node-{2}","rebuildRetryCount":0,"revisionCounterDisabled":true,"salvageRequested":false,"snapshotMaxCount":250,"snapshotMaxSize":"0","unmapMarkDiskChainRemovedEnabled":false,"volumeName":"{1}","volumeSize":"21474836480"}},"status":{{"conditions":[{3},{4},{5}],"currentImage":"longhornio/longhorn-engine:v1.11.3","currentState":"running","instanceManagerName":"instance-manager-6f0c2f5e0a514d0e9a43{2:08}","ip":"10.42.0.7","logFetched":false,"ownerID":"node-{2}","port":10020,"salvageExecuted":false,"started":true,"starting":false,"storageIP":"10.42.0.7","ublkID":0,"uuid":""}}}})",
      meta(
          fmt::format("{}-r-{:08x}", of, number), number,
          fmt::format(
              R"("longhorn.io/backing-image":"","longhorndiskuuid":"d15c0002","longhornnode":"node-{}","longhornvolume":"{}")",
              number % 30, of)),
      of, number % 30, condition("InstanceCreation", "True"),
      condition("FilesystemReadOnly", "False"), condition("RebuildFailed", "False"));
}

std::string engine(int number) {
  const std::string of = volume_name(number);
  std::string modes;
  std::string addresses;
  for (int i = 0; i < 3; ++i) {
    const std::string name = fmt::format("{}-r-{:08x}", of, number * 3 + i);
    modes += fmt::format(R"({}"{}":"RW")", i ? "," : "", name);
    addresses += fmt::format(R"({}"{}":"10.42.{}.7:10020")", i ? "," : "", name, i);
  }
  std::string snapshots;
  for (const char* name : {"volume-head", "6f0c2f5e-0a51-4d0e-9a43-000000000001"}) {
    snapshots += fmt::format(
        R"({}"{}":{{"children":{{}},"created":"2026-11-20T08:00:00Z","labels":{{}},"name":"{}","parent":"","removed":false,"size":"1073741824","usercreated":false}})",
        snapshots.empty() ? "" : ",", name, name);
  }
  return fmt::format(
      R"({{"apiVersion":"longhorn.io/v1beta2","kind":"Engine",{0},"spec":{{"active":true,"dataEngine":"v1","desireState":"running","frontend":"blockdev","image":"longhornio/longhorn-engine:v1.11.3","nodeID":"node-{1}","replicaAddressMap":{{{3}}},"volumeName":"{2}","volumeSize":"21474836480"}},"status":{{"backupStatus":null,"cloneStatus":null,"conditions":[{6},{7}],"currentImage":"longhornio/longhorn-engine:v1.11.3","currentReplicaAddressMap":{{{3}}},"currentSize":"21474836480","currentState":"running","instanceManagerName":"instance-manager-6f0c2f5e0a51","isExpanding":false,"lastExpansionError":"","lastExpansionFailedAt":"","ownerID":"node-{1}","purgeStatus":{{}},"rebuildStatus":{{}},"replicaModeMap":{{{4}}},"restoreStatus":null,"snapshots":{{{5}}},"snapshotsError":""}}}})",
      meta(of + "-e-0", number, R"("longhornnode":"node-1","longhornvolume":")" + of + "\""),
      number % 30, of, addresses, modes, snapshots, condition("InstanceCreation", "True"),
      condition("FilesystemReadOnly", "False"));
}

struct Reading {
  std::size_t object_bytes = 0;
  std::size_t objects = 0;
  double check_cpu_ms = 0;
  double decode_cpu_ms = 0;
  double objects_mb = 0;  // held afterwards
  double reading_mb = 0;  // more than that while it was read
};

template <typename T>
Reading read_list(sources::TypedStore<T>& store, int count, std::string (*object)(int)) {
  constexpr int kPageSize = 500;
  Reading reading;
  reading.object_bytes = object(count / 2).size();
  malloc_trim(0);
  const double before_mb = resident_mb();
  double largest_mb = 0;
  {
    JsonReader reader;
    store.begin_listing();
    for (int first = 0; first < count; first += kPageSize) {
      std::string text = R"({"kind":"List","metadata":{"resourceVersion":"9"},"items":[)";
      for (int i = first; i < first + kPageSize; ++i) {
        if (i > first) text += ',';
        text += object(i);
      }
      text += "]}";
      const double begun = cpu_ms();
      const JsonValue root = reader.parse(text);
      const double checked = cpu_ms();
      root["items"].for_each([&](JsonValue one) {
        const auto id = sources::decode_identity(reader, one);
        if (id) store.add_listed(reader, one, *id);
      });
      reading.check_cpu_ms += checked - begun;
      reading.decode_cpu_ms += cpu_ms() - checked;
      largest_mb = std::max(largest_mb, resident_mb() - before_mb);
    }
    store.finish_listing();
  }
  malloc_trim(0);
  reading.objects = store.objects().size();
  reading.objects_mb = resident_mb() - before_mb;
  reading.reading_mb = largest_mb - reading.objects_mb;
  return reading;
}

void print(const char* prefix, const Reading& r) {
  std::printf("%sobject_bytes %zu\n%sobjects %zu\n%scheck_cpu_ms %.1f\n%sdecode_cpu_ms %.1f\n",
              prefix, r.object_bytes, prefix, r.objects, prefix, r.check_cpu_ms, prefix,
              r.decode_cpu_ms);
  std::printf("%sobjects_mb %.1f\n%sreading_mb %.1f\n", prefix, r.objects_mb, prefix, r.reading_mb);
}

}  // namespace

int main() {
  {
    sources::TypedStore<model::Pod> pods(sources::decode_pod);
    print("", read_list(pods, 10'000, pod));
  }
  sources::TypedStore<model::LonghornVolume> volumes(sources::decode_longhorn_volume);
  sources::TypedStore<model::VolumeReplica> replicas(sources::decode_volume_replica);
  sources::TypedStore<model::LonghornEngine> engines(sources::decode_longhorn_engine);
  const Reading of_volumes = read_list(volumes, 10'000, volume);
  const Reading of_replicas = read_list(replicas, 30'000, replica);
  print("volume_", of_volumes);
  print("replica_", of_replicas);
  print("engine_", read_list(engines, 10'000, engine));
  std::printf("volumes_and_replicas_cpu_ms %.1f\nvolumes_and_replicas_mib %.1f\n",
              of_volumes.check_cpu_ms + of_volumes.decode_cpu_ms + of_replicas.check_cpu_ms +
                  of_replicas.decode_cpu_ms,
              (of_volumes.objects_mb + of_replicas.objects_mb) * 1e6 / (1024.0 * 1024.0));
  return 0;
}
