// CPU and memory of reading a list of 10,000 Pods of 3.5 kB in pages of 500, as KubernetesSource
// does it: JSON check alone, and with decoding into the store.
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

}  // namespace

int main() {
  constexpr int kPages = 20;
  constexpr int kPageSize = 500;
  const auto make_page = [](int page) {
    std::string text =
        R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[)";
    for (int i = 0; i < kPageSize; ++i) {
      if (i) text += ',';
      text += pod(page * kPageSize + i);
    }
    return text + "]}";
  };
  std::printf("object_bytes %zu\n", pod(5000).size());
  const double before_mb = resident_mb();
  double check = 0;
  double decode = 0;
  double largest_mb = 0;
  sources::TypedStore<model::Pod> store(sources::decode_pod);
  {
    JsonReader reader;
    store.begin_listing();
    for (int page = 0; page < kPages; ++page) {
      const std::string text = make_page(page);
      const double begun = cpu_ms();
      const JsonValue root = reader.parse(text);
      const double checked = cpu_ms();
      root["items"].for_each([&](JsonValue object) {
        const auto id = sources::decode_identity(reader, object);
        if (id) store.add_listed(reader, object, *id);
      });
      check += checked - begun;
      decode += cpu_ms() - checked;
      largest_mb = std::max(largest_mb, resident_mb() - before_mb);
    }
    store.finish_listing();
  }
  malloc_trim(0);
  const double objects_mb = resident_mb() - before_mb;
  std::printf("objects %zu\ncheck_cpu_ms %.1f\ndecode_cpu_ms %.1f\n", store.objects().size(), check,
              decode);
  std::printf("objects_mb %.1f\nreading_mb %.1f\n", objects_mb, largest_mb - objects_mb);
  return 0;
}
