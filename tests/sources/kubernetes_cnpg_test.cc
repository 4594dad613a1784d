// The objects of CloudNativePG 1.24, 1.27 and 1.30 and of what it needs around it, in the shapes
// that these versions write (tests/testdata/cnpg), and what is wrong with some of them.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "base/time_text.h"
#include "sources/kubernetes/decode.h"
#include "sources/kubernetes/object_store.h"

namespace keelwatch::sources {
namespace {

using Names = std::vector<std::string>;

std::string time_text(const std::optional<WallTime>& t) { return t ? format_rfc3339(*t, 6) : "-"; }

// The object of that kind and name in tests/testdata/cnpg/<version>.json, decoded without
// complaint.
template <typename T>
T recorded(const std::string& version, const std::string& name,
           T (*decode)(JsonReader&, JsonValue)) {
  std::ifstream file(KEELWATCH_SOURCE_DIR "/tests/testdata/cnpg/" + version + ".json");
  REQUIRE(file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  JsonReader reader;
  std::optional<T> found;
  reader.parse(text)["items"].for_each([&](JsonValue object) {
    if (object["kind"].string() != T::kKind || object["metadata"]["name"].string() != name) return;
    found = decode(reader, object);
  });
  const auto ok = reader.finish();
  INFO((ok ? "" : ok.error().message()));
  REQUIRE(ok);
  REQUIRE(found);
  return *found;
}

template <typename T>
T decoded(const std::string& json, T (*decode)(JsonReader&, JsonValue)) {
  JsonReader reader;
  T object = decode(reader, reader.parse(json));
  const auto ok = reader.finish();
  INFO((ok ? "" : ok.error().message()));
  REQUIRE(ok);
  return object;
}

model::Cluster cluster_with_status(const std::string& status) {
  return decoded(R"({"metadata":{"name":"pg"},"status":)" + status + "}", decode_cluster);
}

model::Cluster cluster_with_spec(const std::string& spec) {
  return decoded(R"({"metadata":{"name":"pg"},"spec":)" + spec + "}", decode_cluster);
}

}  // namespace

TEST_CASE("the status of a Cluster of CNPG 1.24 is read in full", "[kubernetes]") {
  const model::Cluster c = recorded("1.24", "pg", decode_cluster);
  CHECK(time_text(c.phase_since) == "2026-11-20T08:00:00.000000Z");
  CHECK(c.instance_names == Names{"pg-1", "pg-2", "pg-3"});
  CHECK(c.instances_status.at("healthy") == Names{"pg-1", "pg-2"});
  CHECK(c.instances_status.at("failed") == Names{"pg-3"});
  CHECK_FALSE(c.instances_status.contains("replicating"));
  CHECK(c.instances_reported.at("pg-1").is_primary == true);
  CHECK(c.instances_reported.at("pg-2").timeline_id == 4);
  CHECK_FALSE(c.instances_reported.at("pg-3").timeline_id);
  CHECK(c.instances_reported.at("pg-3").ip.empty());  // since 1.27
  CHECK(c.claims.dangling == Names{"pg-4"});
  CHECK(c.claims.healthy.size() == 4);
  CHECK(c.claims.unusable.empty());
  CHECK(c.nodes_used == 2);
  REQUIRE(c.certificate_expirations.size() == 3);
  CHECK(time_text(c.certificate_expirations.at("pg-ca")) == "2026-02-01T10:00:00.000000Z");
  CHECK(time_text(c.certificate_expirations.at("pg-server")) == "2026-12-02T09:00:00.000000Z");
  CHECK_FALSE(c.certificate_expirations.at("pg-replication"));  // "in a while"
  REQUIRE(c.conditions.size() == 2);
  const model::Condition* archiving = model::find_condition(c.conditions, "ContinuousArchiving");
  REQUIRE(archiving);
  CHECK(archiving->status == "False");
  CHECK(archiving->reason == "ContinuousArchivingFailing");
  CHECK_THAT(archiving->message, Catch::EndsWith("exit status 2"));
  CHECK(time_text(archiving->since) == "2026-11-24T03:00:00.000000Z");
  CHECK(c.plugin_status.empty());
  CHECK(c.roles_not_reconciled.empty());
}

TEST_CASE("the settings of a Cluster of CNPG 1.24 are read without its secrets", "[kubernetes]") {
  const model::Cluster c = recorded("1.24", "pg", decode_cluster);
  CHECK(c.backup.object_store == true);
  CHECK(c.backup.destination_path == "s3://backups/pg");
  CHECK(c.backup.endpoint_url == "https://minio.example:9000/");
  CHECK(c.backup.retention_policy == "30d");
  CHECK(c.backup.target == "prefer-standby");
  CHECK(c.backup.volume_snapshot == false);
  CHECK(c.plugins.empty());
  CHECK(c.synchronous.method.empty());
  CHECK(c.synchronous.min_sync_replicas == 1);
  CHECK(c.synchronous.max_sync_replicas == 2);
  CHECK(c.wal_storage == true);
  CHECK(c.ha_slots == true);
  CHECK(c.monitoring_tls == false);
  CHECK(c.failover_delay_seconds == 0);
  CHECK(c.switches.fenced_instances == Names{"pg-3"});
  CHECK(c.switches.hibernation == false);
  CHECK(c.switches.reconciliation_disabled == false);
  CHECK(c.switches.skip_wal_archiving == false);
  CHECK(c.replica.promotion_pending == false);
  CHECK(c.replica.demoted == false);
  CHECK(c.replica.switch_in_progress == false);
}

TEST_CASE("a failover of CNPG 1.27 shows what hinders it", "[kubernetes]") {
  const model::Cluster c = recorded("1.27", "homelab", decode_cluster);
  // Ready turned False 29 s before: a failover's phase is as old as the wish for a new primary.
  CHECK(time_text(c.phase_since) == "2026-11-24T23:10:28.750000Z");
  CHECK(c.instances_status.at("replicating") == Names{"homelab-2", "homelab-3"});
  CHECK(c.instances_reported.at("homelab-2").timeline_id == 11);
  CHECK(c.instances_reported.at("homelab-3").timeline_id == 10);
  CHECK(c.instances_reported.at("homelab-3").ip == "10.42.2.7");
  CHECK(c.claims.unusable == Names{"homelab-1"});
  CHECK(c.claims.resizing == Names{"homelab-3"});
  CHECK(c.claims.initializing == Names{"homelab-4"});
  REQUIRE(c.plugins.size() == 1);
  CHECK(c.plugins[0].name == "barman-cloud.cloudnative-pg.io");
  CHECK(c.plugins[0].enabled);
  CHECK(c.plugins[0].wal_archiver);
  CHECK(c.plugins[0].object_store == "store");
  CHECK(c.plugins[0].server_name == "homelab-cluster");
  REQUIRE(c.plugin_status.size() == 1);
  CHECK(c.plugin_status[0].version == "0.9.0");
  CHECK(c.plugin_status[0].status == R"({"healthy":false})");
  REQUIRE(c.roles_not_reconciled.at("app").size() == 1);
  CHECK_THAT(c.roles_not_reconciled.at("app")[0], Catch::Contains("\"nobody\" does not exist"));
  CHECK(c.synchronous.method == "any");
  CHECK(c.synchronous.number == 1);
  CHECK(c.synchronous.data_durability == "preferred");
  CHECK(c.synchronous.max_standby_names_from_cluster == 2);
  CHECK(c.synchronous.standby_names_pre.empty());
  CHECK(c.backup.object_store == false);
  CHECK(c.monitoring_tls == true);
  CHECK(c.failover_delay_seconds == 30);
  CHECK(c.switches.fenced_instances == Names{});
}

TEST_CASE("a replica Cluster of CNPG 1.30 shows what was asked of it", "[kubernetes]") {
  const model::Cluster c = recorded("1.30", "west", decode_cluster);
  CHECK(c.replica_cluster);
  CHECK(c.replica.source == "east");
  CHECK(c.replica.primary == "east");
  CHECK(c.replica.self == "west");
  CHECK(c.replica.min_apply_delay == "1h0m0s");
  CHECK(c.replica.promotion_pending == true);
  CHECK(c.replica.demoted == true);
  CHECK(c.replica.switch_in_progress == true);
  CHECK(c.switches.hibernation == true);
  CHECK(c.switches.reconciliation_disabled == true);
  CHECK(c.switches.skip_wal_archiving == true);
  CHECK(c.switches.fenced_instances == Names{"*"});
  REQUIRE(c.plugins.size() == 1);
  CHECK_FALSE(c.plugins[0].enabled);
  CHECK_FALSE(c.plugins[0].wal_archiver);
  CHECK(c.backup.volume_snapshot == true);
  CHECK(c.backup.target == "primary");
  CHECK(c.synchronous.method == "first");
  CHECK(c.synchronous.standby_names_pre == Names{"away"});
  CHECK(c.synchronous.failover_quorum == true);
  CHECK(c.ha_slots == false);
  CHECK(c.wal_storage == false);
  // The phase is unknown, and since when is known from the condition.
  CHECK(model::phase_kind(c.phase) == model::PhaseKind::kUnknown);
  CHECK(time_text(c.phase_since) == "2026-11-24T10:00:00.000000Z");
  CHECK(model::find_condition(c.conditions, "cnpg.io/hibernation")->reason == "Hibernated");
}

TEST_CASE("only one phase is healthy, and an unknown one is not", "[kubernetes]") {
  using model::PhaseKind;
  struct Case {
    const char* phase;
    PhaseKind kind;
  };
  const Case cases[] = {
      {"Cluster in healthy state", PhaseKind::kHealthy},
      {"cluster in healthy state", PhaseKind::kUnknown},
      {"Cluster in healthy state ", PhaseKind::kUnknown},
      {"", PhaseKind::kUnknown},
      {"Everything will be fine", PhaseKind::kUnknown},
      {"Failing over", PhaseKind::kTransitional},
      {"Switchover in progress", PhaseKind::kTransitional},
      {"Waiting for user action", PhaseKind::kStuck},
      {"Not enough disk space", PhaseKind::kStuck},
      // 1.24 to 1.26 in their own words, then the later ones.
      {"Cluster is in an unrecoverable state, needs manual intervention", PhaseKind::kStuck},
      {"Cluster is unrecoverable and needs manual intervention", PhaseKind::kStuck},
  };
  for (const Case& c : cases) {
    INFO(c.phase);
    CHECK(model::phase_kind(c.phase) == c.kind);
  }
}

TEST_CASE("since when a phase lasts is told only where the object says it", "[kubernetes]") {
  const std::string ready_true =
      R"("conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}])";
  const std::string ready_false =
      R"("conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2026-01-02T00:00:00Z"}])";
  const std::string target = R"("targetPrimaryTimestamp":"2026-01-03T00:00:00.000000Z")";
  struct Case {
    const char* name;
    std::string status;
    const char* since;
  };
  const Case cases[] = {
      {"healthy", R"({"phase":"Cluster in healthy state",)" + ready_true + "}",
       "2026-01-01T00:00:00.000000Z"},
      {"healthy, but not ready", R"({"phase":"Cluster in healthy state",)" + ready_false + "}",
       "-"},
      {"healthy without conditions", R"({"phase":"Cluster in healthy state"})", "-"},
      {"healthy, of a target long ago",
       R"({"phase":"Cluster in healthy state",)" + ready_true + "," + target + "}",
       "2026-01-01T00:00:00.000000Z"},
      {"cloning", R"({"phase":"Creating a new replica",)" + ready_false + "," + target + "}",
       "2026-01-02T00:00:00.000000Z"},
      {"cloning, but ready", R"({"phase":"Creating a new replica",)" + ready_true + "}", "-"},
      {"switchover", R"({"phase":"Switchover in progress",)" + ready_false + "," + target + "}",
       "2026-01-03T00:00:00.000000Z"},
      {"failover without a time", R"({"phase":"Failing over",)" + ready_false + "}",
       "2026-01-02T00:00:00.000000Z"},
      {"no phase", "{" + ready_false + "}", "-"},
      {"no time",
       R"({"phase":"Upgrading cluster","conditions":[{"type":"Ready","status":"False"}]})", "-"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(time_text(cluster_with_status(c.status).phase_since) == c.since);
  }
}

TEST_CASE("fenced instances are known, or said not to be", "[kubernetes]") {
  struct Case {
    const char* name;
    std::string annotation;
    std::optional<Names> fenced;
  };
  const Case cases[] = {
      {"none", R"([])", Names{}},
      {"one", R"([\"pg-1\"])", Names{"pg-1"}},
      {"all", R"([\"*\"])", Names{"*"}},
      {"empty text", "", std::nullopt},
      {"no JSON", "pg-1", std::nullopt},
      {"no list", R"(\"pg-1\")", std::nullopt},
      {"no texts", "[1]", std::nullopt},
      {"cut off", R"([\"pg-1\")", std::nullopt},
      {"far too long", "[" + std::string(70'000, ' ') + "]", std::nullopt},
      {"too deep", std::string(10'000, '['), std::nullopt},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const model::Cluster cluster =
        decoded(R"({"metadata":{"name":"pg","annotations":{"cnpg.io/fencedInstances":")" +
                    c.annotation + R"("}}})",
                decode_cluster);
    CHECK(cluster.switches.fenced_instances == c.fenced);
  }
  CHECK(cluster_with_spec("{}").switches.fenced_instances == Names{});
  CHECK_FALSE(model::Cluster().switches.fenced_instances);  // of one that could not be decoded
}

TEST_CASE("a promotion is pending until its token has been used", "[kubernetes]") {
  const auto pending = [](const char* given, const char* used) {
    return decoded(
               std::string(R"({"metadata":{"name":"pg"},"spec":{"replica":{"promotionToken":")") +
                   given + R"("}},"status":{"lastPromotionToken":")" + used + R"("}})",
               decode_cluster)
        .replica.promotion_pending;
  };
  CHECK(pending("a", "") == true);
  CHECK(pending("b", "a") == true);
  CHECK(pending("a", "a") == false);
  CHECK(pending("", "a") == false);
}

TEST_CASE("addresses of object stores lose their login", "[kubernetes]") {
  struct Case {
    const char* given;
    const char* kept;
  };
  const Case cases[] = {
      {"https://u:p@s3.example/a", "https://s3.example/a"},
      {"https://u@s3.example", "https://s3.example"},
      {"https://u:p@q@s3.example/x@y", "https://s3.example/x@y"},
      {"https://s3.example/x@y", "https://s3.example/x@y"},
      {"u:p@s3.example/a", "s3.example/a"},
      {"", ""},
      {"@", ""},
  };
  for (const Case& c : cases) {
    INFO(c.given);
    CHECK(cluster_with_spec(std::string(R"({"backup":{"barmanObjectStore":{"endpointURL":")") +
                            c.given + R"("}}})")
              .backup.endpoint_url == c.kept);
  }
}

TEST_CASE("words for people are cut between two characters", "[kubernetes]") {
  const auto words = [](const std::string& text) {
    return cluster_with_status(R"({"phaseReason":")" + text + R"("})").phase_reason;
  };
  CHECK(words(std::string(kMaxWords, 'x')) == std::string(kMaxWords, 'x'));
  CHECK(words(std::string(500'000, 'x')) == std::string(kMaxWords, 'x'));
  CHECK(words(std::string(kMaxWords - 1, 'x') + "é!") == std::string(kMaxWords - 1, 'x'));
  CHECK(words(std::string(kMaxWords - 2, 'x') + "é!") == std::string(kMaxWords - 2, 'x') + "é");
}

TEST_CASE("Poolers of all versions decode", "[kubernetes]") {
  const model::Pooler old = recorded("1.24", "pg-pooler", decode_pooler);
  CHECK(old.cluster == "pg");
  CHECK(old.type == "rw");
  CHECK(old.instances == 2);
  CHECK(old.status_instances == 2);
  CHECK(old.pool_mode == "transaction");
  CHECK(old.paused == false);
  CHECK(old.parameters.at("max_client_conn") == "500");
  CHECK(old.phase.empty());

  const model::Pooler paused = recorded("1.27", "ro", decode_pooler);
  CHECK(paused.type == "ro");
  CHECK(paused.paused == true);
  CHECK(paused.status_instances == 0);  // the operator leaves a zero out

  const model::Pooler failed = recorded("1.30", "west-rw", decode_pooler);
  CHECK(failed.phase == "failed");
  CHECK(failed.phase_reason == "the cluster is a replica");
  CHECK(failed.error == "spec.pgbouncer.image: not allowed");
  CHECK(failed.status_instances == 0);

  const model::Pooler fresh = decoded(R"({"metadata":{"name":"p"},"spec":{}})", decode_pooler);
  CHECK_FALSE(fresh.status_instances);
}

TEST_CASE("Databases decode with what could not be applied", "[kubernetes]") {
  const model::Database app = recorded("1.27", "app", decode_database);
  CHECK(app.cluster == "homelab");
  CHECK(app.name == "app");
  CHECK(app.owner == "app");
  CHECK(app.ensure == "present");
  CHECK(app.reclaim_policy == "delete");
  CHECK(app.applied == false);
  CHECK_THAT(app.message, Catch::Contains("role \"app\" does not exist"));
  CHECK(app.generation == 2);
  CHECK(app.observed_generation == 1);
  REQUIRE(app.parts.size() == 1);
  CHECK(app.parts[0].kind == "extension");
  CHECK(app.parts[0].name == "postgis");
  CHECK(app.parts[0].applied == false);

  const model::Database geo = recorded("1.30", "geo", decode_database);
  CHECK(geo.applied == true);
  REQUIRE(geo.parts.size() == 3);
  CHECK(geo.parts[1].kind == "fdw");
  CHECK(geo.parts[2].kind == "server");
  CHECK(geo.parts[2].message == "no such option");

  CHECK_FALSE(recorded("1.30", "new", decode_database).applied);
}

TEST_CASE("Pods tell their role by the new label and by the old one", "[kubernetes]") {
  struct Case {
    const char* name;
    const char* labels;
    const char* role;
  };
  const Case cases[] = {
      {"both", R"({"cnpg.io/cluster":"pg","cnpg.io/instanceRole":"replica","role":"replica"})",
       "replica"},
      {"the old one", R"({"cnpg.io/cluster":"pg","role":"primary"})", "primary"},
      {"they differ",
       R"({"cnpg.io/cluster":"pg","cnpg.io/instanceRole":"primary","role":"replica"})", "primary"},
      {"neither", R"({"cnpg.io/cluster":"pg"})", ""},
      {"somebody else's", R"({"app":"web","role":"primary"})", ""},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const model::Pod pod =
        decoded(std::string(R"({"metadata":{"name":"p","labels":)") + c.labels + "}}", decode_pod);
    CHECK(pod.instance_role == c.role);
  }
  const model::Pod pooler = decoded(
      R"({"metadata":{"name":"p","labels":{"cnpg.io/cluster":"pg","cnpg.io/podRole":"pooler",
          "cnpg.io/poolerName":"rw"}}})",
      decode_pod);
  CHECK(pooler.cnpg_cluster == "pg");
  CHECK(pooler.cnpg_role == "pooler");
  CHECK(pooler.pooler == "rw");
}

TEST_CASE("a Pod that crashes tells why, sidecars included", "[kubernetes]") {
  const model::Pod pod = recorded("1.27", "homelab-1", decode_pod);
  CHECK(pod.cnpg_role == "instance");
  CHECK(pod.instance_role == "primary");
  CHECK(pod.ready == false);
  CHECK(pod.restarts == 6);
  CHECK(pod.scheduling.scheduled == true);
  CHECK(pod.scheduling.message.empty());
  REQUIRE(pod.containers.size() == 3);
  CHECK(pod.containers[0].init);
  CHECK(pod.containers[0].terminated_reason == "Completed");
  CHECK(pod.containers[0].exit_code == 0);
  const model::ContainerStatus& sidecar = pod.containers[1];
  CHECK(sidecar.name == "plugin-barman-cloud");
  CHECK(sidecar.ready == true);
  CHECK(sidecar.restarts == 1);
  CHECK(time_text(sidecar.running_since) == "2026-11-02T00:00:00.000000Z");
  CHECK(sidecar.last_terminated_reason == "OOMKilled");
  CHECK(sidecar.last_exit_code == 137);
  CHECK(time_text(sidecar.last_terminated_at) == "2026-11-01T23:59:50.000000Z");
  const model::ContainerStatus& postgres = pod.containers[2];
  CHECK_FALSE(postgres.init);
  CHECK(postgres.ready == false);
  CHECK(postgres.waiting_reason == "CrashLoopBackOff");
  CHECK_THAT(postgres.waiting_message, Catch::StartsWith("back-off 5m0s"));
  CHECK(postgres.last_exit_code == 1);
  CHECK_FALSE(postgres.exit_code);
  CHECK_FALSE(postgres.running_since);
}

TEST_CASE("a Pod without a node tells how many nodes fit it", "[kubernetes]") {
  const model::Pod pod = recorded("1.27", "homelab-4-join-x", decode_pod);
  CHECK(pod.node.empty());
  CHECK(pod.scheduling.scheduled == false);
  CHECK(pod.scheduling.reason == "Unschedulable");
  CHECK_THAT(pod.scheduling.message, Catch::Contains("1 Insufficient memory"));
  CHECK(pod.scheduling.nodes_fitting == 0);
  CHECK(pod.scheduling.nodes_seen == 3);
  CHECK(time_text(pod.scheduling.since) == "2026-11-24T23:30:00.000000Z");
  for (const char* message :
       {"no nodes available to schedule pods", "0/3", "0/ nodes are available",
        "0/99999999999999999999 nodes are available", "running PreBind plugin", ""}) {
    INFO(message);
    const model::Pod other = decoded(
        std::string(R"({"metadata":{"name":"p"},"status":{"conditions":[{"type":"PodScheduled",
            "status":"False","message":")") +
            message + R"("}]}})",
        decode_pod);
    CHECK(other.scheduling.scheduled == false);
    CHECK(other.scheduling.message == message);
    CHECK_FALSE(other.scheduling.nodes_seen);
  }
  const model::Pod evicted = decoded(
      R"({"metadata":{"name":"p"},"status":{"phase":"Failed","reason":"Evicted","message":"low"}})",
      decode_pod);
  CHECK(evicted.reason == "Evicted");
  CHECK(evicted.message == "low");
  CHECK_FALSE(evicted.scheduling.scheduled);
}

TEST_CASE("EndpointSlices decode with the state of each address", "[kubernetes]") {
  const model::EndpointSlice ro = recorded("1.24", "pg-ro-fghij", decode_endpoint_slice);
  CHECK(ro.service == "pg-ro");
  CHECK(ro.address_type == "IPv4");
  REQUIRE(ro.ports.size() == 1);
  CHECK(ro.ports[0].port == 5432);
  REQUIRE(ro.endpoints.size() == 2);
  CHECK(ro.endpoints[0].addresses == Names{"10.42.1.12"});
  CHECK(ro.endpoints[0].pod == "pg-2");
  CHECK(ro.endpoints[0].node == "n2");
  CHECK(ro.endpoints[0].ready == true);
  CHECK(ro.endpoints[1].ready == false);
  CHECK(ro.endpoints[1].serving == false);
  CHECK(ro.endpoints[1].terminating == false);

  // A Service without Pods, and one whose addresses are written by hand.
  CHECK(decoded(R"({"metadata":{"name":"e"},"addressType":"IPv4","endpoints":null,"ports":null})",
                decode_endpoint_slice)
            .endpoints.empty());
  const model::EndpointSlice by_hand = decoded(
      R"({"metadata":{"name":"e"},"endpoints":[{"addresses":["192.0.2.1"],"conditions":{},
          "targetRef":{"kind":"Node","name":"n1"}}]})",
      decode_endpoint_slice);
  CHECK(by_hand.service.empty());
  CHECK_FALSE(by_hand.endpoints[0].ready);
  CHECK(by_hand.endpoints[0].pod.empty());
}

TEST_CASE("Leases decode, held and released", "[kubernetes]") {
  const model::Lease held = recorded("1.24", "db9c8771.cnpg.io", decode_lease);
  CHECK(held.holder == "cnpg-controller-manager-1_a");
  CHECK(held.duration_seconds == 15);
  CHECK(time_text(held.renewed) == "2026-11-25T02:56:43.123456Z");
  CHECK(time_text(held.acquired) == "2026-11-20T07:00:00.000000Z");
  CHECK(held.transitions == 3);
  const model::Lease released = recorded("1.30", "db9c8771.cnpg.io", decode_lease);
  CHECK(released.holder.empty());
  CHECK(released.duration_seconds == 1);
  const model::Lease empty = decoded(R"({"metadata":{"name":"l"},"spec":{}})", decode_lease);
  CHECK_FALSE(empty.renewed);
  CHECK_FALSE(empty.duration_seconds);
}

TEST_CASE("Deployments decode with their counts", "[kubernetes]") {
  const model::Deployment up = recorded("1.24", "cnpg-controller-manager", decode_deployment);
  CHECK(up.component == "cloudnative-pg");
  CHECK(up.images == Names{"ghcr.io/cloudnative-pg/cloudnative-pg:1.24.4"});
  CHECK(up.replicas == 1);
  CHECK(up.ready_replicas == 1);
  CHECK(model::find_condition(up.conditions, "Available")->status == "True");

  const model::Deployment half = recorded("1.27", "cnpg-cloudnative-pg", decode_deployment);
  CHECK(half.component == "cloudnative-pg");
  CHECK(half.replicas == 2);
  CHECK(half.available_replicas == 1);
  CHECK(half.updated_replicas == 2);
  CHECK(half.generation == 3);
  CHECK(half.observed_generation == 3);

  // Scaled to nothing, which its conditions call available.
  const model::Deployment none = recorded("1.30", "cnpg-controller-manager", decode_deployment);
  CHECK(none.replicas == 0);
  CHECK(none.ready_replicas == 0);

  const model::Deployment down = recorded("1.27", "barman-cloud", decode_deployment);
  CHECK(down.component == "plugin-barman-cloud");
  CHECK(down.ready_replicas == 0);  // the controller leaves a zero out

  // Nobody has looked at it yet.
  const model::Deployment fresh = recorded("1.27", "cert-manager", decode_deployment);
  CHECK(fresh.component == "cert-manager");
  CHECK_FALSE(fresh.ready_replicas);
}

TEST_CASE("operators are recognised by image or label", "[kubernetes]") {
  struct Case {
    const char* image;
    const char* labels;
    const char* component;
  };
  const Case cases[] = {
      {"ghcr.io/cloudnative-pg/cloudnative-pg:1.27.1", "{}", "cloudnative-pg"},
      {"cloudnative-pg", "{}", "cloudnative-pg"},
      {"r.example:5000/x/cloudnative-pg:1@sha256:ab", "{}", "cloudnative-pg"},
      {"r.example/our-build:7", R"({"app.kubernetes.io/name":"cloudnative-pg"})", "cloudnative-pg"},
      {"ghcr.io/cloudnative-pg/plugin-barman-cloud:v0.9.0", "{}", "plugin-barman-cloud"},
      {"x", R"({"app":"barman-cloud"})", "plugin-barman-cloud"},
      {"quay.io/jetstack/cert-manager-controller:v1", "{}", "cert-manager"},
      {"quay.io/jetstack/cert-manager-webhook:v1", R"({"app.kubernetes.io/name":"webhook"})",
       "cert-manager-webhook"},
      {"quay.io/jetstack/cert-manager-cainjector:v1", "{}", "cert-manager-cainjector"},
      {"ghcr.io/cloudnative-pg/postgresql:17", "{}", ""},
      {"ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v0.9.0", "{}", ""},
      {"x", R"({"app.kubernetes.io/name":"webhook"})", ""},
      {"", "{}", ""},
      {"/", "{}", ""},
  };
  for (const Case& c : cases) {
    INFO(c.image << " " << c.labels);
    const model::Deployment deployment = decoded(
        std::string(R"({"metadata":{"name":"d","labels":)") + c.labels +
            R"(},"spec":{"template":{"spec":{"containers":[{"image":")" + c.image + R"("}]}}}})",
        decode_deployment);
    CHECK(deployment.component == c.component);
  }
}

TEST_CASE("a field of a wrong type in any of the kinds is a complaint", "[kubernetes]") {
  struct Case {
    const char* name;
    const char* json;
    void (*decode)(JsonReader&, JsonValue);
  };
  const Case cases[] = {
      {"instancesStatus", R"({"status":{"instancesStatus":["pg-1"]}})",
       [](JsonReader& r, JsonValue v) { (void)decode_cluster(r, v); }},
      {"timeLineID", R"({"status":{"instancesReportedState":{"pg-1":{"timeLineID":"four"}}}})",
       [](JsonReader& r, JsonValue v) { (void)decode_cluster(r, v); }},
      {"lastTransitionTime", R"({"status":{"conditions":[{"lastTransitionTime":"soon"}]}})",
       [](JsonReader& r, JsonValue v) { (void)decode_cluster(r, v); }},
      {"danglingPVC", R"({"status":{"danglingPVC":[{}]}})",
       [](JsonReader& r, JsonValue v) { (void)decode_cluster(r, v); }},
      {"expirations", R"({"status":{"certificates":{"expirations":{"ca":7}}}})",
       [](JsonReader& r, JsonValue v) { (void)decode_cluster(r, v); }},
      {"plugins", R"({"spec":{"plugins":[{"enabled":"yes"}]}})",
       [](JsonReader& r, JsonValue v) { (void)decode_cluster(r, v); }},
      {"pooler", R"({"spec":{"instances":true}})",
       [](JsonReader& r, JsonValue v) { (void)decode_pooler(r, v); }},
      {"database", R"({"status":{"applied":"true"}})",
       [](JsonReader& r, JsonValue v) { (void)decode_database(r, v); }},
      {"endpoints", R"({"endpoints":{}})",
       [](JsonReader& r, JsonValue v) { (void)decode_endpoint_slice(r, v); }},
      {"renewTime", R"({"spec":{"renewTime":12}})",
       [](JsonReader& r, JsonValue v) { (void)decode_lease(r, v); }},
      {"readyReplicas", R"({"status":{"observedGeneration":1,"readyReplicas":"1"}})",
       [](JsonReader& r, JsonValue v) { (void)decode_deployment(r, v); }},
      {"containerStatuses", R"({"status":{"containerStatuses":[{"state":"running"}]}})",
       [](JsonReader& r, JsonValue v) { (void)decode_pod(r, v); }},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    JsonReader reader;
    c.decode(reader, reader.parse(c.json));
    CHECK_FALSE(reader.finish());
  }
}

TEST_CASE("a store keeps only what is wanted of it, and what it cannot judge", "[kubernetes]") {
  JsonReader reader;
  TypedStore<model::Deployment> store(
      decode_deployment, [](const model::Deployment& d) { return !d.component.empty(); });
  const auto object = [&](const char* name, const char* image) {
    return std::string(R"({"metadata":{"name":")") + name +
           R"(","resourceVersion":"1"},"spec":{"template":{"spec":{"containers":[{"image":)" +
           image + "}]}}}}";
  };
  const auto put = [&](const std::string& json) {
    const JsonValue value = reader.parse(json);
    store.put(reader, value, *decode_identity(reader, value));
  };
  const auto names = [&] {
    std::string all;
    for (const auto& d : store.objects()) all += d->meta.name + " ";
    return all;
  };
  store.begin_listing();
  for (const std::string& json :
       {object("shop", R"("shop:1")"), object("operator", R"("cloudnative-pg:1")")}) {
    const JsonValue value = reader.parse(json);
    store.add_listed(reader, value, *decode_identity(reader, value));
  }
  store.finish_listing();
  CHECK(names() == "operator ");
  put(object("shop", R"("shop:2")"));
  CHECK(names() == "operator ");
  put(object("shop", "{}"));
  CHECK(names() == "operator shop ");
  CHECK_THAT(store.problem(), Catch::StartsWith("shop: "));
  put(object("shop", R"("shop:3")"));
  CHECK(names() == "operator ");
  CHECK(store.problem().empty());
  put(object("operator", R"("something-else:1")"));  // recognised no more
  CHECK(names().empty());
}

}  // namespace keelwatch::sources
