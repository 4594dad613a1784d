// What the loss of nodes takes with it, in worlds that differ from a healthy one by one thing.
#include "analysis/placement.h"

#include <catch2/catch.hpp>

#include "tests/support/placement_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

using Names = std::vector<std::string>;

const Placement& placed(const app::Moment& moment) {
  REQUIRE(moment.assessment.placement.clusters.size() == 1);
  return moment.assessment.placement.clusters[0];
}

const Observed<SmallestLoss>& smallest(const app::Moment& moment, LossOf of,
                                       DomainKind kind = DomainKind::kNode) {
  return placed(moment).smallest[static_cast<std::size_t>(of)][static_cast<std::size_t>(kind)];
}

// "n1 n2", "gone" where nothing has to be lost any more, "never", or why it is not known.
std::string words(const Observed<SmallestLoss>& loss) {
  const SmallestLoss* known = loss.if_known();
  if (known == nullptr) {
    return std::string(to_string(loss.why().absence)) + ": " + loss.why().error.message();
  }
  if (!known->domains) return "never";
  std::string text;
  for (const std::string& domain : *known->domains) text += (text.empty() ? "" : " ") + domain;
  return text.empty() ? "gone" : text;
}

std::string data(const PlacementBuilder& b, const config::Config& config = {},
                 DomainKind kind = DomainKind::kNode) {
  return words(smallest(*b.moment(config), LossOf::kData, kind));
}
std::string service(const PlacementBuilder& b, const config::Config& config = {},
                    DomainKind kind = DomainKind::kNode) {
  return words(smallest(*b.moment(config), LossOf::kService, kind));
}
std::string everything(const PlacementBuilder& b, const config::Config& config = {},
                       DomainKind kind = DomainKind::kNode) {
  return words(smallest(*b.moment(config), LossOf::kDataAndBackups, kind));
}

// The nodes with a usable copy of pg-1's data.
std::string copies_of_first(const PlacementBuilder& b) {
  const auto moment = b.moment();
  const Observed<std::vector<PlacedInstance>>& instances = placed(*moment).instances;
  if (!instances.is_known()) return "unknown: " + instances.why().error.message();
  std::string text;
  const UsableCopies& copies = instances.known_value().at(0).volumes.at(0).copies;
  for (const std::string& node : copies.nodes) text += (text.empty() ? "" : " ") + node;
  return text + (copies.unverified ? " (unverified)" : "");
}

config::Config with_hosts(std::vector<config::PlacementHost> hosts) {
  config::Config config;
  config.placement.hosts = std::move(hosts);
  return config;
}

}  // namespace

TEST_CASE("a healthy cluster on three nodes loses its data with three of them", "[placement]") {
  const PlacementBuilder b = three_nodes();
  CHECK(data(b) == "n1 n2 n3");
  // n1 has the primary, and with n2 the majority of etcd is lost; the pooler's Pods, too.
  CHECK(service(b) == "n1 n2");
  const auto moment = b.moment();
  CHECK(placed(*moment).standbys_with_primary.known_value() == 0);
  CHECK(placed(*moment).standbys_elsewhere.known_value() == 2);
  CHECK(placed(*moment).redundant_data.known_value());
  CHECK(placed(*moment).enough_nodes.known_value());
}

TEST_CASE("a copy counts only where it could be read", "[placement]") {
  struct Case {
    const char* name;
    void (*change)(PlacementBuilder&);
    const char* copies;
  };
  const Case cases[] = {
      {"as it is", [](PlacementBuilder&) {}, "n1 n2"},
      {"one being rebuilt",
       [](PlacementBuilder& b) { b.engine_of("pg-1").modes["vol-pg-1-r-n2"] = "WO"; }, "n1"},
      {"one in error",
       [](PlacementBuilder& b) { b.engine_of("pg-1").modes["vol-pg-1-r-n2"] = "ERR"; }, "n1"},
      {"one that the engine does not have",
       [](PlacementBuilder& b) { b.engine_of("pg-1").modes.erase("vol-pg-1-r-n2"); }, "n1"},
      {"one that failed", [](PlacementBuilder& b) { b.replica_of("pg-1", "n2").failed_at = kNow; },
       "n1"},
      {"one that was never complete",
       [](PlacementBuilder& b) { b.replica_of("pg-1", "n2").healthy_at.reset(); }, "n1"},
      {"one that is not scheduled",
       [](PlacementBuilder& b) {
         b.replica_of("pg-1", "n2").node.clear();
         b.replica_of("pg-1", "n2").disk_id.clear();
       },
       "n1"},
      {"one that is not active",
       [](PlacementBuilder& b) { b.replica_of("pg-1", "n2").active = false; }, "n1"},
      {"one that is being deleted",
       [](PlacementBuilder& b) { b.replica_of("pg-1", "n2").meta.deletion_timestamp = kNow; },
       "n1"},
      {"both on one node",
       [](PlacementBuilder& b) {
         b.replica_of("pg-1", "n2").disk_id = "disk-n1";
         b.replica_of("pg-1", "n2").node = "n1";
       },
       "n1"},
      {"its node is not ready", [](PlacementBuilder& b) { b.node_of("n2").ready = false; }, "n1"},
      {"its node is gone by Longhorn's word",
       [](PlacementBuilder& b) {
         b.storage_node("n2").conditions = {{"Ready", "False", "KubernetesNodeGone", "", {}}};
       },
       "n1"},
      {"only Longhorn's manager is down there",
       [](PlacementBuilder& b) {
         b.storage_node("n2").conditions = {{"Ready", "False", "ManagerPodDown", "", {}}};
       },
       "n1 n2"},
      {"its disk is not ready",
       [](PlacementBuilder& b) {
         b.storage_node("n2").disks[0].conditions = {{"Ready", "False", "NoDiskInfo", "", {}}};
       },
       "n1"},
      {"its disk is not ready since the node is not, by a word of yesterday",
       [](PlacementBuilder& b) {
         b.storage_node("n2").disks[0].conditions = {{"Ready", "False", "NodeNotReady", "", {}}};
       },
       "n1 n2"},
      {"its disk has another name, but the engine writes to it",
       [](PlacementBuilder& b) { b.storage_node("n2").disks[0].uuid = "new"; }, "n1 n2"},
      {"the volume follows a backup",
       [](PlacementBuilder& b) { b.volume_of("pg-1").standby = true; }, ""},
      {"the volume is being restored",
       [](PlacementBuilder& b) { b.volume_of("pg-1").restore_required = true; }, ""},
      {"detached: by what the copies were when the engine stopped",
       [](PlacementBuilder& b) {
         b.volume_of("pg-1").state = "detached";
         b.engine_of("pg-1").state = "stopped";
         b.engine_of("pg-1").modes.clear();
       },
       "n1 n2 (unverified)"},
      {"the engine runs and has not been asked yet",
       [](PlacementBuilder& b) { b.engine_of("pg-1").modes.clear(); }, "n1 n2 (unverified)"},
      {"a Node cannot be read, but the engine writes there",
       [](PlacementBuilder& b) {
         b.node_of("n2").ready.reset();
         b.engine_of("pg-2").node = "n3";
       },
       "n1 n2"},
      {"a Node cannot be read, and Longhorn says that it is gone",
       [](PlacementBuilder& b) {
         b.node_of("n2").ready.reset();
         b.storage_node("n2").conditions = {{"Ready", "False", "KubernetesNodeGone", "", {}}};
       },
       "n1"},
      {"the Node of the engine cannot be read",
       [](PlacementBuilder& b) { b.node_of("n1").ready.reset(); },
       "unknown: whether copy vol-pg-1-r-n1 of volume vol-pg-1 is usable: its Replica or the Node "
       "under it cannot be read"},
      {"the Node of the engine cannot be read, and Longhorn says that it is well",
       [](PlacementBuilder& b) {
         b.node_of("n1").ready.reset();
         b.storage_node("n1").conditions = {{"Ready", "True", "", "", {}}};
       },
       "n1 n2"},
      {"Longhorn's Node cannot be read, and no engine runs",
       [](PlacementBuilder& b) {
         b.engine_of("pg-1").state = "stopped";
         b.storage_node("n2").disks.clear();
       },
       "unknown: whether copy vol-pg-1-r-n2 of volume vol-pg-1 is usable: its Replica or the Node "
       "under it cannot be read"},
      {"detached, and one of them failed after it was healthy",
       [](PlacementBuilder& b) {
         b.volume_of("pg-1").state = "detached";
         b.engine_of("pg-1").state = "stopped";
         b.replica_of("pg-1", "n2").last_failed_at = kNow - 1h;
       },
       "n1 (unverified)"},
      {"a live migration: the engine that is not active does not count",
       [](PlacementBuilder& b) {
         b.engine_of("pg-1").active = false;
         b.engine_of("pg-1").modes.clear();
       },
       "n1 n2 (unverified)"},
  };
  for (const Case& c : cases) {
    PlacementBuilder b = three_nodes();
    c.change(b);
    INFO(c.name);
    CHECK(copies_of_first(b) == c.copies);
  }
}

TEST_CASE("the data of instances", "[placement]") {
  struct Case {
    const char* name;
    void (*change)(PlacementBuilder&);
    const char* lost;
  };
  const Case cases[] = {
      {"only the primary's copies are left",
       [](PlacementBuilder& b) {
         for (const char* pod : {"pg-2", "pg-3"}) {
           for (auto& [replica, mode] : b.engine_of(pod).modes) mode = "ERR";
         }
       },
       "n1 n2"},
      {"WAL on one copy: losing it is losing the instance",
       [](PlacementBuilder& b) {
         b.claim("pg-1-wal", "pg-1", "PG_WAL", {"n3"});
         b.claim("pg-2-wal", "pg-2", "PG_WAL", {"n3"});
         b.claim("pg-3-wal", "pg-3", "PG_WAL", {"n3"});
       },
       "n3"},
      {"an instance without a Pod has its data still",
       [](PlacementBuilder& b) { b.claim("pg-4", "pg-4", "PG_DATA", {"n1", "n2", "n3"}); },
       "n1 n2 n3"},
      {"a clone that is not complete does not count",
       [](PlacementBuilder& b) {
         b.node("n4");
         b.instance("pg-4", "n4", {"n4"});
         b.claim_of("pg-4").meta.annotations["cnpg.io/pvcStatus"] = "initializing";
       },
       "n1 n2 n3"},
      {"one that is complete does",
       [](PlacementBuilder& b) {
         b.node("n4");
         b.instance("pg-4", "n4", {"n4"});
       },
       "n1 n2 n3 n4"},
      {"the claim of an instance is bound to no volume",
       [](PlacementBuilder& b) { b.claim_of("pg-3").volume_name.clear(); }, "n1 n2 n3"},
      {"no copy of anything is usable",
       [](PlacementBuilder& b) {
         for (const char* pod : {"pg-1", "pg-2", "pg-3"}) {
           for (auto& [replica, mode] : b.engine_of(pod).modes) mode = "ERR";
         }
       },
       "gone"},
      {"a copy whose Replica cannot be read may be the one that is left",
       [](PlacementBuilder& b) {
         for (const char* pod : {"pg-1", "pg-2", "pg-3"}) {
           for (auto& [replica, mode] : b.engine_of(pod).modes) mode = "ERR";
         }
         model::VolumeReplica& replica = b.replica_of("pg-3", "n3");
         model::VolumeReplica unread;
         unread.meta.name = replica.meta.name;
         replica = unread;
       },
       "unknown: whether copy vol-pg-3-r-n3 of volume vol-pg-3 is usable: its Replica or the Node "
       "under it cannot be read"},
  };
  for (const Case& c : cases) {
    PlacementBuilder b = three_nodes();
    c.change(b);
    INFO(c.name);
    CHECK(data(b) == c.lost);
  }
}

TEST_CASE("volumes of other storage classes lie where they are bound to", "[placement]") {
  PlacementBuilder b;
  for (const char* name : {"n1", "n2"}) b.node(name);
  b.node_of("n2").meta.labels["kubernetes.io/hostname"] = "second";
  b.instance("pg-1", "n1", {});
  b.instance("pg-2", "n2", {});
  b.pv_of("pg-1").csi_driver = "";
  b.pv_of("pg-1").node_affinity = {"n1"};
  b.pv_of("pg-2").csi_driver = "local.example";
  b.pv_of("pg-2").node_affinity = {"second"};
  CHECK(data(b) == "n1 n2");
  b.node_of("n2").ready = false;
  CHECK(data(b) == "n1");
  b.node_of("n2").ready.reset();
  CHECK(data(b) == "unknown: whether node n2 is up: its Node cannot be read");
  // A network's storage does not say where it is, and nobody can be asked.
  b.pv_of("pg-2").node_affinity.clear();
  CHECK_THAT(data(b), Catch::StartsWith("not_set_up: storage class \"longhorn\" does not tell"));
}

TEST_CASE("what stands between clients and instances", "[placement]") {
  struct Case {
    const char* name;
    void (*change)(PlacementBuilder&);
    const char* lost;
  };
  const Case cases[] = {
      {"the pooler's Pods on one node",
       [](PlacementBuilder& b) { b.pod_of("pooler-rw-1").node = "n1"; }, "n1"},
      {"one of them is not ready",
       [](PlacementBuilder& b) { b.pod_of("pooler-rw-1").ready = false; }, "n1"},
      {"a read-only pooler is no way to write",
       [](PlacementBuilder& b) { b.pooler("pooler-ro", "ro", {"n3"}); }, "n1 n2"},
      {"a pooler that is scaled to nothing is none",
       [](PlacementBuilder& b) { b.pooler("other", "rw", {}); }, "n1 n2"},
      {"both proxies of its address on one node",
       [](PlacementBuilder& b) { b.proxies("ingress", "pooler-rw", {"n3", "n3"}); }, "n3"},
      {"the proxy of a Service of its own",
       [](PlacementBuilder& b) {
         PlacementBuilder::find(b.services(), "pooler-rw").load_balancer_class = "tailscale";
         b.pod("tailscale", "ts-pooler-rw-0", "n3").meta.labels = {
             {"tailscale.com/managed", "true"},
             {"tailscale.com/parent-resource-type", "svc"},
             {"tailscale.com/parent-resource", "pooler-rw"},
             {"tailscale.com/parent-resource-ns", "default"}};
       },
       "n3"},
      {"a ProxyGroup without Pods",
       [](PlacementBuilder& b) { b.proxies("ingress", "pooler-rw", {}); }, "gone"},
      {"k3s without etcd on the primary's node",
       [](PlacementBuilder& b) {
         for (const char* node : {"n1", "n2", "n3"}) b.node_of(node).meta.labels.clear();
         b.node_of("n1").meta.labels["node-role.kubernetes.io/control-plane"] = "true";
       },
       "n1"},
      {"k3s without etcd elsewhere",
       [](PlacementBuilder& b) {
         for (const char* node : {"n1", "n2", "n3"}) b.node_of(node).meta.labels.clear();
         b.node_of("n3").meta.labels["node-role.kubernetes.io/control-plane"] = "true";
       },
       "n1 n2"},
      {"a control plane that is none of these nodes",
       [](PlacementBuilder& b) {
         for (const char* node : {"n1", "n2", "n3"}) b.node_of(node).meta.labels.clear();
         b.pooler("more", "rw", {"n1", "n2", "n3"});
         b.pod_of("pooler-rw-1").node = "n3";
         b.pod_of("pooler-rw-0").node = "n2";
       },
       "n2 n3"},
      {"commits wait for two standbys",
       [](PlacementBuilder& b) {
         b.cluster.synchronous.method = "any";
         b.cluster.synchronous.number = 2;
       },
       "n1"},
      {"commits wait for two standbys as long as there are some",
       [](PlacementBuilder& b) {
         b.cluster.synchronous.method = "any";
         b.cluster.synchronous.number = 2;
         b.cluster.synchronous.data_durability = "preferred";
       },
       "n1 n2"},
      {"a node is down already", [](PlacementBuilder& b) { b.node_of("n3").ready = false; }, "n1"},
  };
  for (const Case& c : cases) {
    PlacementBuilder b = three_nodes();
    c.change(b);
    INFO(c.name);
    CHECK(service(b) == c.lost);
  }
}

TEST_CASE("nodes on one machine fail together", "[placement]") {
  const PlacementBuilder b = three_nodes();
  CHECK_THAT(data(b, {}, DomainKind::kHost),
             Catch::Equals("not_set_up: the configuration has no placement.hosts"));
  const auto config = with_hosts({{"hv-1", {"n1", "n2"}, {}}, {"hv-2", {"n3"}, {}}});
  CHECK(data(b, config, DomainKind::kHost) == "hv-1 hv-2");
  CHECK(service(b, config, DomainKind::kHost) == "hv-1");
  CHECK(data(b, config) == "n1 n2 n3");
  CHECK(data(b, with_hosts({{"hv-1", {"n1", "n2"}, {}}}), DomainKind::kHost) ==
        "unknown: node n3 is on none of placement.hosts");
}

TEST_CASE("zones come from the nodes' labels", "[placement]") {
  PlacementBuilder b = three_nodes();
  CHECK_THAT(data(b, {}, DomainKind::kZone), Catch::StartsWith("not_set_up: no node has a label"));
  b.node_of("n1").zone = b.node_of("n2").zone = "cellar";
  CHECK_THAT(data(b, {}, DomainKind::kZone), Catch::StartsWith("unknown: node n3 has no label"));
  b.node_of("n3").zone = "attic";
  CHECK(data(b, {}, DomainKind::kZone) == "attic cellar");
  CHECK(service(b, {}, DomainKind::kZone) == "cellar");
}

TEST_CASE("the bucket is a further copy, wherever it lies", "[placement]") {
  PlacementBuilder b = three_nodes();
  CHECK(everything(b) == "not_installed: it has no archive");

  b.archive("http://minio.store.svc:9000");
  CHECK_THAT(everything(b), Catch::StartsWith("not_set_up: where http://minio.store.svc:9000"));
  b.bucket("store", "minio", "n2", {"n2"});
  CHECK(everything(b) == "n1 n2 n3");
  CHECK(everything(b, with_hosts({{"hv-1", {"n1", "n2", "n3"}, {}}}), DomainKind::kHost) == "hv-1");

  // The configuration is believed before the Service is followed.
  const auto nas =
      with_hosts({{"hv-1", {"n1", "n2", "n3"}, {}}, {"nas", {}, {"http://minio.store.svc:9000/"}}});
  CHECK(everything(b, nas) == "never");
  CHECK(everything(b, nas, DomainKind::kHost) == "hv-1 nas");
}

TEST_CASE("a bucket is followed by every name that leads to its Service", "[placement]") {
  for (const char* endpoint :
       {"http://minio:9000", "http://minio.default", "https://minio.default.svc:9000",
        "http://minio.default.svc.cluster.local:9000/", "http://10.43.0.9:9000"}) {
    PlacementBuilder b;
    b.node("n1");
    b.instance("pg-1", "n1", {"n1"});
    b.bucket("default", "minio", "n1", {"n1"});
    PlacementBuilder::find(b.services(), "minio").cluster_ip = "10.43.0.9";
    b.archive(endpoint);
    INFO(endpoint);
    CHECK(everything(b) == "n1");
  }
}

TEST_CASE("a bucket that cannot be followed has no place", "[placement]") {
  struct Case {
    const char* name;
    void (*change)(PlacementBuilder&);
    const char* why;
  };
  const Case cases[] = {
      {"it selects no Pods", [](PlacementBuilder& b) { b.service("default", "minio"); },
       "not_set_up: service default/minio selects no pods"},
      {"no Pod is behind it",
       [](PlacementBuilder& b) { b.service("default", "minio").selector = {{"app", "minio"}}; },
       "unknown: no pod is behind service default/minio"},
      {"its Pod mounts nothing",
       [](PlacementBuilder& b) { b.bucket("default", "minio", "n1", {"n1"}).claims.clear(); },
       "not_set_up: pod default/minio-0 mounts no claim with a volume"},
      {"several Pods have volumes of their own",
       [](PlacementBuilder& b) {
         b.bucket("default", "minio", "n1", {"n1"});
         b.claim("minio-b", "", "", {"n2"});
         b.pod("default", "minio-1", "n2").claims = {"minio-b"};
         b.behind("default", "minio", {"minio-1"});
       },
       "not_set_up: service default/minio leads to several pods"},
      {"its volume's copies are not known",
       [](PlacementBuilder& b) {
         b.bucket("default", "minio", "n1", {"n1"});
         b.volume_of("minio").layout = "sharded";
       },
       "not_set_up: volume vol-minio is sharded"},
  };
  for (const Case& c : cases) {
    PlacementBuilder b = three_nodes();
    b.archive("http://minio:9000");
    c.change(b);
    INFO(c.name);
    CHECK_THAT(everything(b), Catch::StartsWith(c.why));
  }
}

TEST_CASE("a bucket from which nothing can be restored is no copy", "[placement]") {
  PlacementBuilder b = three_nodes();
  b.archive("");  // AWS
  CHECK(everything(b) == "never");
  b.stored.backups.clear();
  CHECK(everything(b) == "n1 n2 n3");
  const auto moment = b.moment();
  CHECK(placed(*moment).stores.known_value().at(0).where ==
        "outside, where no backup can be restored from");
  // One of which nobody has seen what it holds.
  b.stored.id.path = "elsewhere";
  CHECK_THAT(everything(b), Catch::StartsWith("unknown: "));
}

TEST_CASE("AWS is on none of the nodes", "[placement]") {
  PlacementBuilder b = three_nodes();
  b.archive("");
  CHECK(everything(b) == "never");
}

TEST_CASE("what is unknown gives no number, and says why", "[placement]") {
  const PlacementBuilder b = three_nodes();
  const Why why{Absence::kUnknown, Error(ErrorCode::kTimeout, "no answer for 61s"), "kubernetes"};
  const AbsentOfAny gone{why};
  struct Case {
    const char* name;
    void (*change)(model::KubernetesSlice&, const AbsentOfAny&);
    bool data, service;  // whether it is still known
  };
  const Case cases[] = {
      {"pods", [](auto& s, const auto& no) { s.pods = no; }, false, false},
      {"claims", [](auto& s, const auto& no) { s.claims = no; }, false, false},
      {"volumes", [](auto& s, const auto& no) { s.volumes = no; }, false, false},
      {"nodes", [](auto& s, const auto& no) { s.nodes = no; }, false, false},
      {"Longhorn's volumes", [](auto& s, const auto& no) { s.longhorn_volumes = no; }, false,
       false},
      {"Longhorn's replicas", [](auto& s, const auto& no) { s.longhorn_replicas = no; }, false,
       false},
      {"Longhorn's engines", [](auto& s, const auto& no) { s.longhorn_engines = no; }, false,
       false},
      {"Longhorn's nodes", [](auto& s, const auto& no) { s.longhorn_nodes = no; }, false, false},
      {"poolers", [](auto& s, const auto& no) { s.poolers = no; }, true, false},
      {"services", [](auto& s, const auto& no) { s.services = no; }, true, false},
  };
  for (const Case& c : cases) {
    model::KubernetesSlice slice = b.kubernetes();
    c.change(slice, gone);
    const auto moment = b.moment(std::move(slice));
    INFO(c.name);
    for (const auto& [of, known] :
         {std::pair(LossOf::kData, c.data), std::pair(LossOf::kService, c.service)}) {
      const auto& loss = smallest(*moment, of);
      CHECK(loss.is_known() == known);
      if (!loss.is_known()) CHECK(loss.why().absence == Absence::kUnknown);
    }
  }
}

TEST_CASE("proxies outside of the namespaces that are watched are not taken for none",
          "[placement]") {
  PlacementBuilder b = three_nodes();
  b.proxies("ingress", "pooler-rw", {});
  config::Config config;
  config.kubernetes.namespaces = {"default"};
  CHECK_THAT(service(b, config), Catch::StartsWith("not_set_up: the proxies ingress of service"));
}

TEST_CASE("a cluster that sleeps, or is being made, has no service to lose", "[placement]") {
  PlacementBuilder asleep = three_nodes();
  asleep.cluster.switches.hibernation = true;
  CHECK(service(asleep) == "not_installed: it hibernates");
  CHECK(data(asleep) == "n1 n2 n3");
  PlacementBuilder young;
  young.node("n1");
  young.cluster.current_primary.clear();
  CHECK(data(young) == "not_installed: no instance has data yet");
  CHECK(service(young) == "not_installed: it has no primary yet");
}

TEST_CASE("the primary's node is shared with a standby, or with the operator", "[placement]") {
  PlacementBuilder b = three_nodes();
  b.pod_of("pg-2").node = "n1";
  for (const char* node : {"n2", "n1"}) {
    b.pod("cnpg-system", std::string("operator-") + node, node).meta.labels = {
        {"app.kubernetes.io/name", "cloudnative-pg"}};
  }
  CHECK_FALSE(placed(*three_nodes().moment()).operator_with_primary.is_known());  // it is not seen
  auto moment = b.moment();
  CHECK(placed(*moment).standbys_with_primary.known_value() == 1);
  CHECK(placed(*moment).standbys_elsewhere.known_value() == 1);
  CHECK_FALSE(placed(*moment).operator_with_primary.known_value());
  b.pod_of("operator-n2").ready = false;
  moment = b.moment();
  CHECK(placed(*moment).operator_with_primary.known_value());
  // Two nodes for three instances: somebody has to share.
  b.node_of("n3").unschedulable = true;
  CHECK_FALSE(placed(*b.moment()).enough_nodes.known_value());
}

TEST_CASE("one instance, one copy or one node is a choice", "[placement]") {
  PlacementBuilder single;
  single.node("n1");
  single.node("n2");
  single.instance("pg-1", "n1", {"n1"});
  single.cluster.instances = 1;
  auto moment = single.moment();
  CHECK_FALSE(placed(*moment).redundant_data.known_value());
  CHECK_FALSE(placed(*moment).redundant_service.known_value());
  single.volume_of("pg-1").replicas_desired = 2;
  moment = single.moment();
  CHECK(placed(*moment).redundant_data.known_value());
  CHECK_FALSE(placed(*moment).redundant_service.known_value());
  PlacementBuilder alone;
  alone.node("n1");
  alone.instance("pg-1", "n1", {"n1"});
  alone.instance("pg-2", "n1", {"n1"});
  CHECK_FALSE(placed(*alone.moment()).redundant_data.known_value());
}

}  // namespace keelwatch::analysis
