#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kHostname = "kubernetes.io/hostname";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";

// The condition of that type in status.conditions; absent if there is none.
JsonValue condition(JsonValue status, std::string_view type) {
  JsonValue found;
  status["conditions"].for_each([&](JsonValue c) {
    if (!found.present() && c["type"].string() == type) found = c;
  });
  return found;
}

// "True" is true; "False" and "Unknown" are false; no condition is nullopt.
std::optional<bool> condition_status(JsonValue found) {
  const auto status = found["status"].string();
  if (!status) return std::nullopt;
  return *status == "True";
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
  const JsonValue ready = condition(status, "Ready");
  pod.ready = condition_status(ready);
  pod.ready_transition = time_of(reader, ready["lastTransitionTime"]);
  status["containerStatuses"].for_each(
      [&](JsonValue c) { pod.restarts += c["restartCount"].integer().value_or(0); });
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

model::Node decode_node(JsonReader& reader, JsonValue object) {
  model::Node node;
  node.meta = decode_meta(reader, object["metadata"]);
  node.unschedulable = object["spec"]["unschedulable"].boolean().value_or(false);
  const JsonValue status = object["status"];
  node.ready = condition_status(condition(status, "Ready"));
  status["addresses"].for_each([&](JsonValue address) {
    if (node.internal_ip.empty() && address["type"].string() == "InternalIP") {
      node.internal_ip = text_or_empty(address["address"]);
    }
  });
  if (const auto zone = node.meta.labels.find(std::string(kZone)); zone != node.meta.labels.end()) {
    node.zone = zone->second;
  }
  return node;
}

}  // namespace keelwatch::sources
