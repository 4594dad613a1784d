#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

// Cluster.IsReplica() of CNPG api/v1/cluster_funcs.go: `enabled` decides where it is given (always,
// before 1.24); else the cluster is a replica unless it names itself as the primary.
bool is_replica_cluster(JsonValue replica, std::string_view cluster_name) {
  if (!replica.present()) return false;
  if (const auto enabled = replica["enabled"].boolean()) return *enabled;
  const std::string_view self = replica["self"].string().value_or("");
  return (self.empty() ? cluster_name : self) != replica["primary"].string().value_or("");
}

// The operator omits counts of zero (`omitempty` in CNPG api/v1/cluster_types.go): once it has
// written a phase, a missing count is zero. That is what a cluster says when every instance is
// down.
std::optional<std::int64_t> count_of(JsonValue status, std::string_view key) {
  const auto count = status[key].integer();
  if (!count && !status[key].present() && status["phase"].present()) return 0;
  return count;
}

// Cluster.GetSuperuserSecretName(): the operator makes the secret only where access is enabled.
std::string superuser_secret(JsonValue spec, std::string_view cluster_name) {
  std::string name = text_or_empty(spec["superuserSecret"]["name"]);
  if (name.empty() && spec["enableSuperuserAccess"].boolean().value_or(false)) {
    name = std::string(cluster_name) + "-superuser";
  }
  return name;
}

}  // namespace

model::Cluster decode_cluster(JsonReader& reader, JsonValue object) {
  model::Cluster cluster;
  cluster.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  const JsonValue status = object["status"];
  cluster.instances = spec["instances"].integer();
  cluster.image = text_or_empty(status["image"]);
  if (cluster.image.empty()) cluster.image = text_or_empty(spec["imageName"]);
  cluster.superuser_secret = superuser_secret(spec, cluster.meta.name);
  const JsonValue certificates = status["certificates"];
  cluster.ca_secret = text_or_empty(certificates["serverCASecret"]);
  certificates["serverAltDNSNames"].for_each(
      [&](JsonValue name) { cluster.server_alt_dns_names.push_back(text_or_empty(name)); });
  cluster.slot_prefix = text_or_empty(spec["replicationSlots"]["highAvailability"]["slotPrefix"]);
  cluster.replica_cluster = is_replica_cluster(spec["replica"], cluster.meta.name);
  cluster.phase = text_or_empty(status["phase"]);
  cluster.phase_reason = text_or_empty(status["phaseReason"]);
  cluster.current_primary = text_or_empty(status["currentPrimary"]);
  cluster.target_primary = text_or_empty(status["targetPrimary"]);
  cluster.current_primary_timestamp = time_of(reader, status["currentPrimaryTimestamp"]);
  cluster.target_primary_timestamp = time_of(reader, status["targetPrimaryTimestamp"]);
  cluster.current_primary_failing_since =
      time_of(reader, status["currentPrimaryFailingSinceTimestamp"]);
  cluster.ready_instances = count_of(status, "readyInstances");
  cluster.status_instances = count_of(status, "instances");
  cluster.timeline_id = status["timelineID"].integer();
  cluster.system_id = text_or_empty(status["systemID"]);
  return cluster;
}

}  // namespace keelwatch::sources
