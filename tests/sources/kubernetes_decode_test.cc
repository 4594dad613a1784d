#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "base/time_text.h"
#include "sources/kubernetes/decode.h"
#include "sources/kubernetes/list_watch.h"
#include "sources/kubernetes/object_store.h"

namespace keelwatch::sources {
namespace {

std::string read_testdata(const std::string& name) {
  std::ifstream file(KEELWATCH_SOURCE_DIR "/tests/testdata/kubernetes/" + name, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string time_text(const std::optional<WallTime>& t) { return t ? format_rfc3339(*t, 6) : "-"; }

// Decodes, and fails the test if the decoder complains.
template <typename T>
T decode_well(T (*decode)(JsonReader&, JsonValue), const std::string& json) {
  JsonReader reader;
  const JsonValue object = reader.parse(json);
  T decoded = decode(reader, object);
  const auto ok = reader.finish();
  INFO((ok ? "" : ok.error().message()));
  REQUIRE(ok);
  return decoded;
}

std::string complaint_of(const std::string& json,
                         model::Cluster (*decode)(JsonReader&, JsonValue)) {
  JsonReader reader;
  (void)decode(reader, reader.parse(json));
  const auto ok = reader.finish();
  return ok ? "" : ok.error().message();
}

}  // namespace

TEST_CASE("a healthy Cluster of CNPG 1.24 decodes", "[kubernetes]") {
  const model::Cluster c = decode_well(decode_cluster, read_testdata("cluster-cnpg-1.24.json"));
  CHECK(c.meta.ns == "db");
  CHECK(c.meta.name == "pg");
  CHECK(c.meta.uid == "6f0c2f5e-0a51-4d0e-9a43-6d9a7a1c7a01");
  CHECK(c.meta.labels.at("app.kubernetes.io/part-of") == "shop");
  CHECK(c.meta.annotations.empty());
  CHECK(time_text(c.meta.creation_timestamp) == "2026-03-01T10:00:00.000000Z");
  CHECK_FALSE(c.meta.deletion_timestamp);
  CHECK(c.instances == 3);
  CHECK(c.status_instances == 3);
  CHECK(c.ready_instances == 3);
  CHECK(c.image == "ghcr.io/cloudnative-pg/postgresql:16.4");
  CHECK(c.superuser_secret == "pg-superuser");
  CHECK(c.ca_secret == "pg-ca");
  CHECK(c.server_alt_dns_names ==
        std::vector<std::string>{"pg-rw", "pg-rw.db", "pg-rw.db.svc", "pg-r", "pg-ro"});
  CHECK(c.slot_prefix == "_cnpg_");
  CHECK_FALSE(c.replica_cluster);
  CHECK(c.phase == "Cluster in healthy state");
  CHECK(c.current_primary == "pg-1");
  CHECK(c.target_primary == "pg-1");
  CHECK(time_text(c.current_primary_timestamp) == "2026-11-20T07:59:12.123456Z");
  CHECK(time_text(c.target_primary_timestamp) == "2026-11-20T07:59:02.000001Z");
  CHECK_FALSE(c.current_primary_failing_since);
  CHECK(c.timeline_id == 4);
  CHECK(c.system_id.empty());
}

TEST_CASE("a Cluster of CNPG 1.27 that fails over with nothing ready decodes", "[kubernetes]") {
  const model::Cluster c = decode_well(decode_cluster, read_testdata("cluster-cnpg-1.27.json"));
  CHECK(c.phase == "Failing over");
  CHECK(c.phase_reason == "Failing over from homelab-1 to homelab-2");
  CHECK(c.target_primary == "pending");
  CHECK(time_text(c.current_primary_failing_since) == "2026-11-24T23:09:58.500000Z");
  // The operator leaves a count of zero out.
  CHECK(c.ready_instances == 0);
  CHECK(c.status_instances == 2);
  CHECK(c.superuser_secret == "homelab-admin");
  CHECK(c.slot_prefix == "_ha_");
  CHECK_FALSE(c.replica_cluster);
  CHECK(c.system_id == "7456789012345678901");
  CHECK(c.timeline_id == 11);
}

TEST_CASE("a replica Cluster of CNPG 1.30 that is being deleted decodes", "[kubernetes]") {
  const model::Cluster c = decode_well(decode_cluster, read_testdata("cluster-cnpg-1.30.json"));
  CHECK(c.replica_cluster);
  CHECK(time_text(c.meta.deletion_timestamp) == "2026-11-25T00:00:00.000000Z");
  CHECK(c.image == "ghcr.io/cloudnative-pg/postgresql:18.1");
  CHECK(c.superuser_secret.empty());
  CHECK(c.ca_secret == "west-ca");
}

TEST_CASE("a Cluster that the operator has not touched yet says nothing", "[kubernetes]") {
  const model::Cluster c = decode_well(
      decode_cluster, R"({"metadata":{"name":"new","namespace":"db"},"spec":{"instances":3,
                          "imageName":"pg:17"}})");
  CHECK(c.instances == 3);
  CHECK(c.image == "pg:17");
  CHECK(c.phase.empty());
  CHECK_FALSE(c.ready_instances);
  CHECK_FALSE(c.status_instances);
  CHECK_FALSE(c.timeline_id);
}

TEST_CASE("whether a Cluster is a replica follows CNPG's own rule", "[kubernetes]") {
  struct Case {
    const char* name;
    const char* replica;
    bool expected;
  };
  const Case cases[] = {
      {"no stanza", "null", false},
      {"enabled", R"({"enabled":true,"source":"x"})", true},
      {"disabled, though another is primary", R"({"enabled":false,"primary":"east"})", false},
      {"another is primary", R"({"primary":"east","source":"east"})", true},
      {"itself is primary, by its name", R"({"primary":"pg","source":"east"})", false},
      {"itself is primary, by self", R"({"primary":"west","self":"west","source":"x"})", false},
      {"another than self", R"({"primary":"pg","self":"west","source":"x"})", true},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const model::Cluster cluster =
        decode_well(decode_cluster, std::string(R"({"metadata":{"name":"pg"},"spec":{"replica":)") +
                                        c.replica + "}}");
    CHECK(cluster.replica_cluster == c.expected);
  }
}

TEST_CASE("a field of a wrong type is a complaint that names it", "[kubernetes]") {
  CHECK(
      complaint_of(R"({"metadata":{"name":"pg"},"spec":{"instances":"three"}})", decode_cluster) ==
      "member \"instances\" at byte 46: expected an integer, found a string");
  CHECK(complaint_of(R"({"metadata":{"name":"pg"},"status":{"currentPrimaryTimestamp":"soon"}})",
                     decode_cluster) == "\"soon\" is not a time");
  CHECK(complaint_of(R"({"metadata":{"name":"pg"},"status":{"currentPrimaryTimestamp":""}})",
                     decode_cluster)
            .empty());
  CHECK(complaint_of(R"({"metadata":{"name":"pg","labels":[]}})", decode_cluster) ==
        "member \"labels\" at byte 34: expected an object, found an array");
}

TEST_CASE("Pods decode with readiness, restarts and claims", "[kubernetes]") {
  const model::Pod pod = decode_well(decode_pod, R"({"metadata":{"name":"pg-1","namespace":"db",
      "labels":{"cnpg.io/cluster":"pg"},"deletionTimestamp":"2026-11-25T00:00:00Z"},
      "spec":{"nodeName":"n1","volumes":[{"name":"pgdata","persistentVolumeClaim":{"claimName":"pg-1"}},
        {"name":"scratch","ephemeral":{"volumeClaimTemplate":{}}},{"name":"tmp","emptyDir":{}}]},
      "status":{"phase":"Running","podIP":"10.42.0.7","podIPs":[{"ip":"10.42.0.7"}],
        "conditions":[{"type":"Initialized","status":"True"},
          {"type":"Ready","status":"False","lastTransitionTime":"2026-11-24T12:00:00Z"}],
        "containerStatuses":[{"name":"postgres","restartCount":2},{"name":"x","restartCount":1}]}})");
  CHECK(pod.node == "n1");
  CHECK(pod.phase == "Running");
  CHECK(pod.pod_ip == "10.42.0.7");
  CHECK(pod.ready == false);
  CHECK(time_text(pod.ready_transition) == "2026-11-24T12:00:00.000000Z");
  CHECK(pod.restarts == 3);
  CHECK(pod.claims == std::vector<std::string>{"pg-1", "pg-1-scratch"});
  CHECK(pod.meta.deletion_timestamp);
  const model::Pod pending = decode_well(decode_pod, R"({"metadata":{"name":"p"},
      "spec":{"containers":[]},"status":{"phase":"Pending"}})");
  CHECK_FALSE(pending.ready);
}

TEST_CASE("Services decode with ports, selector and load balancer addresses", "[kubernetes]") {
  const model::Service service = decode_well(decode_service, R"({"metadata":{"name":"rw"},
      "spec":{"type":"LoadBalancer","clusterIP":"10.43.0.9","loadBalancerClass":"tailscale",
        "selector":{"cnpg.io/poolerName":"rw"},"ports":[{"name":"pgbouncer","port":5432},{"port":80}]},
      "status":{"loadBalancer":{"ingress":[{"ip":"100.64.0.1"},{"hostname":"rw.tail.ts.net"}]}}})");
  CHECK(service.type == "LoadBalancer");
  CHECK(service.load_balancer_class == "tailscale");
  CHECK(service.load_balancer_addresses ==
        std::vector<std::string>{"100.64.0.1", "rw.tail.ts.net"});
  CHECK(service.selector.at("cnpg.io/poolerName") == "rw");
  REQUIRE(service.ports.size() == 2);
  CHECK(service.ports[0].name == "pgbouncer");
  CHECK(service.ports[1].port == 80);
}

TEST_CASE("claims, volumes and nodes decode", "[kubernetes]") {
  const auto claim = decode_well(decode_claim, R"({"metadata":{"name":"pg-1"},
      "spec":{"storageClassName":"longhorn","volumeName":"pvc-1"},
      "status":{"phase":"Bound","capacity":{"storage":"10Gi"}}})");
  CHECK(claim.phase == "Bound");
  CHECK(claim.volume_name == "pvc-1");
  CHECK(claim.capacity_bytes == 10737418240);

  const auto volume = decode_well(decode_volume, R"({"metadata":{"name":"pvc-1"},"spec":{
      "csi":{"driver":"driver.longhorn.io","volumeHandle":"pvc-1"},"storageClassName":"longhorn",
      "claimRef":{"namespace":"db","name":"pg-1"},"persistentVolumeReclaimPolicy":"Retain",
      "nodeAffinity":{"required":{"nodeSelectorTerms":[
        {"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["n1"]},
                             {"key":"kubernetes.io/arch","operator":"In","values":["amd64"]}]},
        {"matchFields":[{"key":"metadata.name","operator":"In","values":["n2"]}]}]}}},
      "status":{"phase":"Bound"}})");
  CHECK(volume.csi_driver == "driver.longhorn.io");
  CHECK(volume.claim_namespace == "db");
  CHECK(volume.claim_name == "pg-1");
  CHECK(volume.reclaim_policy == "Retain");
  CHECK(volume.node_affinity == std::vector<std::string>{"n1", "n2"});

  const auto node = decode_well(decode_node, R"({"metadata":{"name":"n1",
      "labels":{"topology.kubernetes.io/zone":"z1"}},"spec":{"unschedulable":true},
      "status":{"addresses":[{"type":"Hostname","address":"n1"},
        {"type":"InternalIP","address":"192.0.2.1"},{"type":"InternalIP","address":"2001:db8::1"}],
        "conditions":[{"type":"Ready","status":"Unknown"}]}})");
  CHECK(node.ready == false);
  CHECK(node.unschedulable);
  CHECK(node.internal_ip == "192.0.2.1");
  CHECK(node.zone == "z1");
}

TEST_CASE("quantities read as Kubernetes writes them", "[kubernetes]") {
  struct Case {
    const char* text;
    std::optional<std::int64_t> value;
  };
  const Case cases[] = {
      {"0", 0},
      {"10Gi", 10737418240},
      {"1.5Ti", 1649267441664},
      {"500M", 500000000},
      {"1e3", 1000},
      {"1E", 1000000000000000000},
      {"100m", 1},
      {"2500m", 3},
      {"-1k", -1000},
      {"7Ei", 8070450532247928832},
      {"8Ei", std::nullopt},
      {"", std::nullopt},
      {"Gi", std::nullopt},
      {"1 Gi", std::nullopt},
      {"1GiB", std::nullopt},
      {"nan", std::nullopt},
      {"inf", std::nullopt},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK(parse_quantity(c.text) == c.value);
  }
}

TEST_CASE("an object that cannot be decoded keeps its name and loses its facts", "[kubernetes]") {
  JsonReader reader;
  TypedStore<model::Cluster> store(decode_cluster);
  const auto put = [&](const char* json) {
    const JsonValue object = reader.parse(json);
    const auto id = decode_identity(reader, object);
    REQUIRE(id);
    store.put(reader, object, *id);
  };
  put(R"({"metadata":{"name":"b","namespace":"x","resourceVersion":"1"},"spec":{"instances":3}})");
  put(R"({"metadata":{"name":"a","namespace":"x","resourceVersion":"2"},"spec":{"instances":3}})");
  const auto a = store.objects()[0];
  put(R"({"metadata":{"name":"b","namespace":"x","resourceVersion":"3"},"spec":{"instances":{}}})");
  REQUIRE(store.objects().size() == 2);
  CHECK(store.objects()[0] == a);  // the same pointer: others are not touched
  CHECK(store.objects()[1]->meta.name == "b");
  CHECK_FALSE(store.objects()[1]->instances);
  CHECK(store.malformed() == 1);
  CHECK_THAT(store.problem(), Catch::StartsWith("x/b: member \"instances\""));
  put(R"({"metadata":{"name":"b","namespace":"x","resourceVersion":"4"},"spec":{"instances":2}})");
  CHECK(store.objects()[1]->instances == 2);
  CHECK(store.problem().empty());
  CHECK(store.malformed() == 1);
}

TEST_CASE("a listing takes effect as a whole, and what it lacks is gone", "[kubernetes]") {
  JsonReader reader;
  TypedStore<model::Pod> store(decode_pod);
  const auto names = [&] {
    std::string all;
    for (const auto& pod : store.objects()) all += pod->meta.ns + "/" + pod->meta.name + " ";
    return all;
  };
  const auto add = [&](const std::string& ns, const std::string& name) {
    const std::string json = R"({"metadata":{"namespace":")" + ns + R"(","name":")" + name +
                             R"(","resourceVersion":"1"}})";
    const JsonValue object = reader.parse(json);
    store.add_listed(reader, object, *decode_identity(reader, object));
  };
  store.begin_listing();
  add("a-b", "x");
  add("a", "y");
  CHECK(names().empty());
  store.finish_listing();
  CHECK(names() == "a/y a-b/x ");
  store.begin_listing();
  add("a", "z");
  store.begin_listing();  // the listing before was given up
  add("c", "w");
  CHECK(names() == "a/y a-b/x ");
  store.finish_listing();
  CHECK(names() == "c/w ");
  store.erase({"c", "w", "2"});
  store.erase({"c", "not there", "2"});
  CHECK(names().empty());
}

TEST_CASE("lines come out whole however the stream was cut", "[kubernetes]") {
  const std::string stream = "{\"a\":1}\n\n{\"b\":\"é\"}\nrest";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    INFO(step);
    LineSplitter lines(100);
    std::string seen;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      REQUIRE(lines.push(std::string_view(stream).substr(at, step), [&](std::string_view line) {
        seen += "[" + std::string(line) + "]";
        return true;
      }));
    }
    CHECK(seen == "[{\"a\":1}][][{\"b\":\"é\"}]");
    CHECK(lines.rest() == "rest");
  }
}

TEST_CASE("a line without end is given up at the bound", "[kubernetes]") {
  LineSplitter lines(10);
  const auto never = [](std::string_view) { return true; };
  CHECK(lines.push("0123456789", never));
  CHECK_FALSE(lines.push("x", never));
  CHECK(lines.too_long());
}

}  // namespace keelwatch::sources
