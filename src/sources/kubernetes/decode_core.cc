#include <charconv>

#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kHostname = "kubernetes.io/hostname";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";

std::string label(const model::ObjectMeta& meta, const std::string& name) {
  const auto at = meta.labels.find(name);
  return at == meta.labels.end() ? "" : at->second;
}

// "0/3 nodes are available: ..." (kube-scheduler, framework.FitError): the two numbers.
void read_counts(std::string_view message, model::Scheduling& scheduling) {
  std::int64_t fitting = 0;
  std::int64_t seen = 0;
  const char* const end = message.data() + message.size();
  const auto first = std::from_chars(message.data(), end, fitting);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '/') return;
  const auto second = std::from_chars(first.ptr + 1, end, seen);
  const std::string_view rest(second.ptr, static_cast<std::size_t>(end - second.ptr));
  if (second.ec != std::errc() || !rest.starts_with(" nodes are available")) return;
  scheduling.nodes_fitting = fitting;
  scheduling.nodes_seen = seen;
}

model::Scheduling scheduling_of(JsonReader& reader, JsonValue scheduled) {
  model::Scheduling scheduling;
  scheduling.scheduled = condition_status(scheduled);
  scheduling.reason = text_or_empty(scheduled["reason"]);
  scheduling.message = words_or_empty(scheduled["message"]);
  scheduling.since = time_of(reader, scheduled["lastTransitionTime"]);
  read_counts(scheduling.message, scheduling);
  return scheduling;
}

model::ContainerStatus container_of(JsonReader& reader, JsonValue status, bool init) {
  model::ContainerStatus container;
  container.name = text_or_empty(status["name"]);
  container.init = init;
  container.ready = status["ready"].boolean();
  container.restarts = status["restartCount"].integer().value_or(0);
  const JsonValue state = status["state"];
  container.running_since = time_of(reader, state["running"]["startedAt"]);
  container.waiting_reason = text_or_empty(state["waiting"]["reason"]);
  container.waiting_message = words_or_empty(state["waiting"]["message"]);
  const JsonValue terminated = state["terminated"];
  container.terminated_reason = text_or_empty(terminated["reason"]);
  container.exit_code = terminated["exitCode"].integer();
  container.terminated_at = time_of(reader, terminated["finishedAt"]);
  const JsonValue last = status["lastState"]["terminated"];
  container.last_terminated_reason = text_or_empty(last["reason"]);
  container.last_exit_code = last["exitCode"].integer();
  container.last_terminated_at = time_of(reader, last["finishedAt"]);
  return container;
}

}  // namespace

model::Pod decode_pod(JsonReader& reader, JsonValue object) {
  model::Pod pod;
  pod.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  pod.node = text_or_empty(spec["nodeName"]);
  spec["volumes"].for_each([&](JsonValue volume) {
    if (const auto claim = volume["persistentVolumeClaim"]["claimName"].string()) {
      pod.claims.emplace_back(*claim);
    } else if (volume["ephemeral"].present()) {
      // The claim of a generic ephemeral volume (Kubernetes manual, "Ephemeral Volumes").
      pod.claims.push_back(pod.meta.name + "-" + text_or_empty(volume["name"]));
    }
  });
  const JsonValue status = object["status"];
  pod.phase = text_or_empty(status["phase"]);
  pod.pod_ip = text_or_empty(status["podIP"]);
  const JsonValue ready = find_condition(status, "Ready");
  pod.ready = condition_status(ready);
  pod.ready_transition = time_of(reader, ready["lastTransitionTime"]);
  status["initContainerStatuses"].for_each(
      [&](JsonValue c) { pod.containers.push_back(container_of(reader, c, true)); });
  status["containerStatuses"].for_each([&](JsonValue c) {
    pod.containers.push_back(container_of(reader, c, false));
    pod.restarts += pod.containers.back().restarts;
  });
  pod.scheduling = scheduling_of(reader, find_condition(status, "PodScheduled"));
  pod.reason = text_or_empty(status["reason"]);
  pod.message = words_or_empty(status["message"]);
  pod.cnpg_cluster = label(pod.meta, "cnpg.io/cluster");
  pod.cnpg_role = label(pod.meta, "cnpg.io/podRole");
  pod.pooler = label(pod.meta, "cnpg.io/poolerName");
  pod.instance_role = label(pod.meta, "cnpg.io/instanceRole");
  // Anybody may use a label "role".
  if (pod.instance_role.empty() && !pod.cnpg_cluster.empty()) {
    pod.instance_role = label(pod.meta, "role");
  }
  return pod;
}

model::Service decode_service(JsonReader& reader, JsonValue object) {
  model::Service service;
  service.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  service.type = text_or_empty(spec["type"]);
  service.cluster_ip = text_or_empty(spec["clusterIP"]);
  service.external_name = text_or_empty(spec["externalName"]);
  service.load_balancer_class = text_or_empty(spec["loadBalancerClass"]);
  spec["selector"].for_each_member([&](std::string_view key, JsonValue value) {
    service.selector.emplace(key, text_or_empty(value));
  });
  spec["ports"].for_each([&](JsonValue port) {
    service.ports.push_back({text_or_empty(port["name"]), port["port"].integer().value_or(0)});
  });
  object["status"]["loadBalancer"]["ingress"].for_each([&](JsonValue ingress) {
    for (const char* key : {"ip", "hostname"}) {
      if (const auto address = ingress[key].string()) {
        service.load_balancer_addresses.emplace_back(*address);
      }
    }
  });
  return service;
}

model::PersistentVolumeClaim decode_claim(JsonReader& reader, JsonValue object) {
  model::PersistentVolumeClaim claim;
  claim.meta = decode_meta(reader, object["metadata"]);
  claim.volume_name = text_or_empty(object["spec"]["volumeName"]);
  claim.storage_class = text_or_empty(object["spec"]["storageClassName"]);
  claim.phase = text_or_empty(object["status"]["phase"]);
  claim.capacity_bytes = quantity_of(reader, object["status"]["capacity"]["storage"]);
  return claim;
}

model::PersistentVolume decode_volume(JsonReader& reader, JsonValue object) {
  model::PersistentVolume volume;
  volume.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  volume.storage_class = text_or_empty(spec["storageClassName"]);
  volume.csi_driver = text_or_empty(spec["csi"]["driver"]);
  volume.volume_handle = text_or_empty(spec["csi"]["volumeHandle"]);
  volume.claim_namespace = text_or_empty(spec["claimRef"]["namespace"]);
  volume.claim_name = text_or_empty(spec["claimRef"]["name"]);
  volume.reclaim_policy = text_or_empty(spec["persistentVolumeReclaimPolicy"]);
  volume.phase = text_or_empty(object["status"]["phase"]);
  const auto add_nodes = [&](JsonValue requirements, std::string_view key) {
    requirements.for_each([&](JsonValue requirement) {
      if (requirement["key"].string() != key || requirement["operator"].string() != "In") return;
      requirement["values"].for_each(
          [&](JsonValue node) { volume.node_affinity.push_back(text_or_empty(node)); });
    });
  };
  spec["nodeAffinity"]["required"]["nodeSelectorTerms"].for_each([&](JsonValue term) {
    add_nodes(term["matchExpressions"], kHostname);
    add_nodes(term["matchFields"], "metadata.name");
  });
  return volume;
}

model::StorageClass decode_storage_class(JsonReader& reader, JsonValue object) {
  model::StorageClass storage_class;
  storage_class.meta = decode_meta(reader, object["metadata"]);
  storage_class.provisioner = text_or_empty(object["provisioner"]);
  storage_class.reclaim_policy = text_or_empty(object["reclaimPolicy"]);
  const JsonValue parameters = object["parameters"];
  storage_class.replicas = integer_of(parameters["numberOfReplicas"]);
  storage_class.data_locality = text_or_empty(parameters["dataLocality"]);
  return storage_class;
}

model::Node decode_node(JsonReader& reader, JsonValue object) {
  model::Node node;
  node.meta = decode_meta(reader, object["metadata"]);
  node.unschedulable = object["spec"]["unschedulable"].boolean().value_or(false);
  const JsonValue status = object["status"];
  node.ready = condition_status(find_condition(status, "Ready"));
  status["addresses"].for_each([&](JsonValue address) {
    if (node.internal_ip.empty() && address["type"].string() == "InternalIP") {
      node.internal_ip = text_or_empty(address["address"]);
    }
  });
  node.zone = label(node.meta, std::string(kZone));
  return node;
}

}  // namespace keelwatch::sources
