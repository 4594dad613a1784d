// What the Kubernetes source promises, on every API server that there is to try it on.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/contract/kube_reader.h"
#include "tests/contract/service_account.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

using model::KubernetesSlice;

std::string pod_json(const std::string& ns, const std::string& name, const std::string& mark) {
  return R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":")" + ns + R"(","name":")" +
         name + R"(","labels":{"mark":")" + mark +
         R"("}},"spec":{"containers":[{"name":"c","image":"i"}],"nodeName":"n1"}})";
}

std::string cluster_json(const std::string& ns, const std::string& name, int instances) {
  return R"({"apiVersion":"postgresql.cnpg.io/v1","kind":"Cluster","metadata":{"namespace":")" +
         ns + R"(","name":")" + name + R"("},"spec":{"instances":)" + std::to_string(instances) +
         R"(,"storage":{"size":"1Gi"}}})";
}

KubeRef pod_ref(const std::string& ns, const std::string& name) { return {"v1", "Pod", ns, name}; }

// "a=1 b=2 ": the Pods and their label "mark".
std::string pods_text(const KubernetesSlice& slice) {
  const auto* pods = slice.pods.if_known();
  if (!pods) return "unknown";
  std::string out;
  for (const auto& pod : *pods) {
    const auto mark = pod->meta.labels.find("mark");
    out += pod->meta.name + "=" + (mark == pod->meta.labels.end() ? "" : mark->second) + " ";
  }
  return out;
}

std::string lease_json(const std::string& ns, const std::string& name, const std::string& holder) {
  return R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"namespace":")" + ns +
         R"(","name":")" + name + R"("},"spec":{"leaseDurationSeconds":15,"holderIdentity":")" +
         holder + R"("}})";
}

std::string deployment_json(const std::string& ns, const std::string& name,
                            const std::string& image) {
  return R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":")" + ns +
         R"(","name":")" + name + R"("},"spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}},
         "template":{"metadata":{"labels":{"a":"b"}},
                     "spec":{"containers":[{"name":"c","image":")" +
         image + R"("}]}}}})";
}

// "ns/a=holder ns/b=holder ".
std::string leases_text(const KubernetesSlice& slice) {
  const auto* leases = slice.leases.if_known();
  if (!leases) return "unknown";
  std::string out;
  for (const auto& lease : *leases) {
    out += lease->meta.ns + "/" + lease->meta.name + "=" + lease->holder + " ";
  }
  return out;
}

void install_watched_groups(KubeServer& api) {
  for (const char* group :
       {"postgresql.cnpg.io", "barmancloud.cnpg.io", "snapshot.storage.k8s.io", "longhorn.io"}) {
    api.install(group);
  }
}

KubernetesReader::Wanted leases_are(std::string text) {
  return [text = std::move(text)](const KubernetesSlice& s) { return leases_text(s) == text; };
}

KubernetesReader::Wanted pods_are(std::string text) {
  return [text = std::move(text)](const KubernetesSlice& s) { return pods_text(s) == text; };
}

}  // namespace

TEST_CASE("objects are listed, and changes follow from the watch", "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(pod_json("watching", "a", "1"));
  server.api->put(pod_json("watching", "b", "1"));
  KubernetesReader reader = server.reader({"watching"});
  REQUIRE(reader.until(pods_are("a=1 b=1 ")));
  const auto before = reader.shared_slice();
  server.api->put(pod_json("watching", "c", "1"));
  server.api->patch(pod_ref("watching", "b"), R"({"metadata":{"labels":{"mark":"2"}}})");
  REQUIRE(reader.until(pods_are("a=1 b=2 c=1 ")));
  // What did not change is the same object; the slice before did not change under its readers.
  CHECK(reader.slice().pods.known_value()[0] == before->pods.known_value()[0]);
  CHECK(pods_text(*before) == "a=1 b=1 ");
  server.api->remove(pod_ref("watching", "a"));
  REQUIRE(reader.until(pods_are("b=2 c=1 ")));
  REQUIRE(reader.until([](const KubernetesSlice& s) { return s.nodes.is_known(); }));
  CHECK(reader.report("Pod").up);
  CHECK(reader.report("Pod").errors.empty());
  CHECK(reader.report("Pod").last_success);
  CHECK(reader.report("Pod").clock_skew_seconds.value_or(99) == Approx(0).margin(1.5));
}

TEST_CASE("rules are read where that is wanted, by their labels", "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  const auto rule = [](const std::string& name, const std::string& team, const std::string& expr) {
    return R"({"apiVersion":"monitoring.coreos.com/v1","kind":"PrometheusRule","metadata":{)"
           R"("namespace":"watching","name":")" +
           name + R"(","labels":{"team":")" + team +
           R"("}},"spec":{"groups":[{"name":"g","rules":[{"alert":"A","expr":")" + expr +
           R"("}]}]}})";
  };
  const auto text = [](const KubernetesSlice& s) {
    const auto* rules = s.prometheus_rules.if_known();
    std::string out = rules == nullptr ? "unknown" : "";
    for (std::size_t i = 0; rules != nullptr && i < rules->size(); ++i) {
      const std::string& spec = (*rules)[i]->spec;
      const std::size_t at = spec.find("\"expr\":\"") + 8;
      out += (*rules)[i]->meta.name + "=" + spec.substr(at, spec.find('"', at) - at) + " ";
    }
    return out;
  };
  config::Kubernetes wanted;
  wanted.namespaces = {"watching"};
  wanted.prometheus_rules = true;
  wanted.prometheus_rule_selector = "team=db";
  wanted.health_interval = 200ms;
  KubernetesReader reader(wanted, server.environment());
  REQUIRE(reader.until([&](const KubernetesSlice& s) {
    return !s.prometheus_rules.is_known() &&
           s.prometheus_rules.why().absence == Absence::kNotInstalled;
  }));
  server.api->install("monitoring.coreos.com");
  server.api->put(rule("a", "db", "up == 0"));
  server.api->put(rule("b", "web", "up == 1"));
  REQUIRE(reader.until([&](const KubernetesSlice& s) { return text(s) == "a=up == 0 "; }, 90s));
  server.api->put(rule("c", "db", "x > 1"));
  REQUIRE(reader.until([&](const KubernetesSlice& s) { return text(s) == "a=up == 0 c=x > 1 "; }));
  // One that no longer has the label is as good as gone.
  server.api->patch({"monitoring.coreos.com/v1", "PrometheusRule", "watching", "a"},
                    R"({"metadata":{"labels":{"team":"web"}}})");
  REQUIRE(reader.until([&](const KubernetesSlice& s) { return text(s) == "c=x > 1 "; }));
  CHECK(reader.report("PrometheusRule").up);

  KubernetesReader plain = server.reader({"watching"});
  REQUIRE(plain.until([](const KubernetesSlice& s) { return s.pods.is_known(); }));
  CHECK(plain.slice().prometheus_rules.why().absence == Absence::kNotSetUp);
  CHECK(plain.report("PrometheusRule").target.empty());
}

TEST_CASE("a list of many pages arrives whole, in order and at once", "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  std::string expected;
  for (int i = 100; i < 125; ++i) {
    const std::string name = "p" + std::to_string(i);
    server.api->put(pod_json("paging", name, "1"));
    expected += name + "=1 ";
  }
  sources::ReflectorTiming timing = quick_timing();
  timing.page_size = 3;
  KubernetesReader reader = server.reader({"paging"}, timing);
  REQUIRE(reader.until([](const KubernetesSlice& s) { return s.pods.is_known(); }));
  CHECK(pods_text(reader.slice()) == expected);
  CHECK(reader.report("Pod").requests >= 9);
}

TEST_CASE("lists of an EndpointSlice that are empty come as null, and are empty",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice",
      "metadata":{"namespace":"nobody","name":"pg-rw-1",
                  "labels":{"kubernetes.io/service-name":"pg-rw"}},
      "addressType":"IPv4","endpoints":[],"ports":[]})");
  const Json object =
      get_json(*server.api, "/apis/discovery.k8s.io/v1/namespaces/nobody/endpointslices/pg-rw-1");
  CHECK(object.at("endpoints").is_null());
  CHECK(object.at("ports").is_null());

  KubernetesReader reader = server.reader({"nobody"});
  REQUIRE(reader.until([](const KubernetesSlice& s) {
    return s.endpoint_slices.is_known() && !s.endpoint_slices.known_value().empty();
  }));
  const auto& slice = *reader.slice().endpoint_slices.known_value().front();
  CHECK(slice.service == "pg-rw");
  CHECK(slice.endpoints.empty());
  CHECK(reader.report("EndpointSlice").errors.empty());
}

TEST_CASE("several namespaces are one sorted list, and others stay outside",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(pod_json("union-b", "x", "1"));
  server.api->put(pod_json("union-a", "y", "2"));
  server.api->put(pod_json("union-c", "z", "3"));
  KubernetesReader reader = server.reader({"union-b", "union-a", "union-b"});
  CHECK(reader.until(pods_are("y=2 x=1 ")));
}

TEST_CASE("a kind whose group is not installed appears when it is installed",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->uninstall("postgresql.cnpg.io");  // a real server may still have it from other tests
  KubernetesReader reader = server.reader({});
  REQUIRE(reader.until([](const KubernetesSlice& s) {
    return !s.clusters.is_known() && s.clusters.why().absence == Absence::kNotInstalled;
  }));
  CHECK(reader.report("Cluster").not_installed);
  CHECK(reader.report("Cluster").errors.empty());
  server.api->install("postgresql.cnpg.io");
  server.api->put(cluster_json("installing", "pg", 3));
  REQUIRE(reader.until([](const KubernetesSlice& s) {
    const auto* clusters = s.clusters.if_known();
    return clusters && clusters->size() == 1 && (*clusters)[0]->instances == 3;
  }));
  server.api->uninstall("postgresql.cnpg.io");
  CHECK(reader.until([](const KubernetesSlice& s) {
    return !s.clusters.is_known() && s.clusters.why().absence == Absence::kNotInstalled;
  }));
}

TEST_CASE("a refusal makes its kind unknown at once, names the right, and heals",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(pod_json("refusing", "a", "1"));
  server.api->forbid("", "pods");
  KubernetesReader reader = server.reader({"refusing"});
  REQUIRE(reader.until([](const KubernetesSlice& s) {
    return !s.pods.is_known() && s.pods.why().error.code() == ErrorCode::kForbidden &&
           s.services.is_known();
  }));
  CHECK(reader.slice().pods.why().absence == Absence::kUnknown);
  CHECK_THAT(reader.slice().pods.why().error.message(),
             Catch::StartsWith(
                 "the right is missing to list pods in namespace \"refusing\": pods is forbidden"));
  CHECK_FALSE(reader.report("Pod").up);
  CHECK(reader.report("Pod").errors.at("forbidden") >= 1);
  server.api->allow("", "pods");
  CHECK(reader.until(pods_are("a=1 ")));
  CHECK(reader.report("Pod").up);
}

TEST_CASE("a rotated token is picked up without a restart", "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(pod_json("rotating", "a", "1"));
  KubernetesReader reader = server.reader({"rotating"});
  REQUIRE(reader.until(pods_are("a=1 ")));
  const std::string fresh = server.api->rotate_token();
  server.api->network().cut();
  REQUIRE(reader.until([](const KubernetesSlice& s) {
    return !s.pods.is_known() && s.pods.why().error.code() == ErrorCode::kUnauthorized;
  }));
  server.folder.write("token", fresh);
  server.api->put(pod_json("rotating", "b", "1"));
  CHECK(reader.until(pods_are("a=1 b=1 ")));
}

TEST_CASE("after its history has expired the kind is listed again, without a slip",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(pod_json("expiring", "a", "1"));
  server.api->put(pod_json("expiring", "b", "1"));
  KubernetesReader reader = server.reader({"expiring"});
  REQUIRE(reader.until(pods_are("a=1 b=1 ")));
  server.api->network().refuse(true);
  server.api->network().cut();
  server.api->remove(pod_ref("expiring", "a"));
  server.api->put(pod_json("expiring", "c", "1"));
  server.api->expire_history();
  reader.run_for(300ms);
  // Cut off, the last good objects stay.
  CHECK(pods_text(reader.slice()) == "a=1 b=1 ");
  server.api->network().refuse(false);
  CHECK(reader.until(pods_are("b=1 c=1 "), 60s));
}

TEST_CASE("while the network hangs the age grows, and afterwards it is fresh again",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(pod_json("hanging", "a", "1"));
  config::Kubernetes settings;
  settings.namespaces = {"hanging"};
  settings.health_interval = 100ms;
  settings.health_timeout = 200ms;
  settings.watch_silence = 1s;
  settings.request_timeout = 500ms;
  KubernetesReader reader(settings, server.environment(), quick_timing());
  REQUIRE(reader.until(pods_are("a=1 ")));
  const WallTime listed = reader.slice().pods.observed_at();
  REQUIRE(reader.until([&](const KubernetesSlice& s) { return s.pods.observed_at() > listed; }));
  server.api->network().freeze(true);
  REQUIRE(reader.until(
      [&](const KubernetesSlice&) { return !reader.report("apiserver").last_error.empty(); }));
  const WallTime frozen = reader.slice().pods.observed_at();
  // The silent stream is given up, and nothing takes its place.
  REQUIRE(reader.until([&](const KubernetesSlice&) {
    return reader.report("Pod").errors.contains("timeout") && !reader.report("Pod").up;
  }));
  CHECK(reader.slice().pods.is_known());
  CHECK(reader.slice().pods.observed_at() <= frozen);
  CHECK(reader.report("Pod").last_success == reader.slice().pods.observed_at());
  server.api->network().freeze(false);
  server.api->put(pod_json("hanging", "b", "1"));
  REQUIRE(reader.until(pods_are("a=1 b=1 ")));
  CHECK(reader.slice().pods.observed_at() > frozen);
}

TEST_CASE("the watch is killed again and again while objects change: no change is lost",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  constexpr int kKills = 100;
  std::map<std::string, std::string> truth;
  const auto put = [&](const std::string& name, const std::string& mark) {
    server.api->put(pod_json("killing", name, mark));
    truth[name] = mark;
  };
  for (int i = 0; i < 5; ++i) put("p" + std::to_string(i), "0");
  KubernetesReader reader = server.reader({"killing"});
  const auto expected = [&] {
    std::string text;
    for (const auto& [name, mark] : truth) text += name + "=" + mark + " ";
    return text;
  };
  REQUIRE(reader.until(pods_are(expected())));
  for (int i = 1; i <= kKills; ++i) {
    INFO("kill " << i);
    const std::string mark = std::to_string(i);
    put("p" + std::to_string(i % 5), mark);
    if (i % 3 == 0) server.api->network().cut();
    put("new" + mark, mark);
    if (i % 3 == 1) server.api->network().cut();
    if (i > 2) {
      server.api->remove(pod_ref("killing", "new" + std::to_string(i - 2)));
      truth.erase("new" + std::to_string(i - 2));
    }
    if (i % 3 == 2) server.api->network().cut();
    REQUIRE(reader.until(pods_are(expected())));
  }
  // Resuming, not listing again, brought them: a listing counts one request per page.
  CHECK(reader.report("Pod").errors.contains("unavailable"));
  CHECK_THAT(reader.log(), !Catch::Contains("listing again"));
}

TEST_CASE("Leases are watched by the names of the operators' and no others",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(lease_json("leasing-b", "db9c8771.cnpg.io", "one"));
  server.api->put(lease_json("leasing-a", "db9c8771.cnpg.io", "two"));
  server.api->put(lease_json("leasing-a", "822e3f5c.cnpg.io", "three"));
  server.api->put(lease_json("leasing-a", "somebody-else", "four"));
  KubernetesReader reader = server.reader({});
  REQUIRE(
      reader.until(leases_are("leasing-a/822e3f5c.cnpg.io=three leasing-a/db9c8771.cnpg.io=two "
                              "leasing-b/db9c8771.cnpg.io=one ")));
  // Its changes come with the next publication, which every health check is.
  server.api->put(lease_json("leasing-b", "db9c8771.cnpg.io", "another"));
  server.api->remove({"coordination.k8s.io/v1", "Lease", "leasing-a", "822e3f5c.cnpg.io"});
  CHECK(reader.until(
      leases_are("leasing-a/db9c8771.cnpg.io=two leasing-b/db9c8771.cnpg.io=another ")));
  CHECK(reader.report("Lease").up);
}

TEST_CASE("operators are looked for where they may be, and only known absent there",
          "[contract][kubernetes]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  server.api->put(lease_json("operating", "db9c8771.cnpg.io", "one"));
  server.api->put(
      deployment_json("operating", "op", "ghcr.io/cloudnative-pg/cloudnative-pg:1.27.1"));
  server.api->put(deployment_json("operating", "web", "example/web:1"));
  const auto settled = [](const KubernetesSlice& s) {
    return s.nodes.is_known() && s.services.is_known();
  };
  {
    KubernetesReader reader = server.reader({"databases"});
    REQUIRE(reader.until(settled));
    CHECK(reader.slice().leases.why().absence == Absence::kNotSetUp);
    CHECK(reader.slice().deployments.why().absence == Absence::kNotSetUp);
    CHECK_THAT(reader.slice().deployments.why().error.message(),
               Catch::Contains("kubernetes.operator_namespaces is not"));
    CHECK(reader.report("Lease").not_set_up);
    CHECK_FALSE(reader.report("Lease").up);
  }
  KubernetesReader reader = server.reader({"databases"}, quick_timing(), {"operating"});
  REQUIRE(reader.until(leases_are("operating/db9c8771.cnpg.io=one ")));
  REQUIRE(reader.until([](const KubernetesSlice& s) { return s.deployments.is_known(); }));
  const auto& deployments = reader.slice().deployments.known_value();
  REQUIRE(deployments.size() == 1);
  CHECK(deployments[0]->meta.name == "op");
  CHECK(deployments[0]->component == "cloudnative-pg");
  server.api->remove({"apps/v1", "Deployment", "operating", "op"});
  CHECK(reader.until([](const KubernetesSlice& s) {
    return s.deployments.is_known() && s.deployments.known_value().empty();
  }));
}

TEST_CASE("a right that is missing makes only its kind unknown", "[contract][kubernetes]") {
  struct Case {
    const char* kind;
    const char* group;
    const char* resource;
    const char* message;
  };
  const Case cases[] = {
      {"Pooler", "postgresql.cnpg.io", "poolers",
       "the right is missing to list poolers.postgresql.cnpg.io at the cluster scope: "},
      {"Database", "postgresql.cnpg.io", "databases",
       "the right is missing to list databases.postgresql.cnpg.io at the cluster scope: "},
      {"EndpointSlice", "discovery.k8s.io", "endpointslices",
       "the right is missing to list endpointslices.discovery.k8s.io at the cluster scope: "},
      {"Lease", "coordination.k8s.io", "leases",
       "the right is missing to list leases.coordination.k8s.io \"822e3f5c.cnpg.io\" at the "
       "cluster scope: "},
      {"Deployment", "apps", "deployments",
       "the right is missing to list deployments.apps at the cluster scope: "},
      {"ScheduledBackup", "postgresql.cnpg.io", "scheduledbackups",
       "the right is missing to list scheduledbackups.postgresql.cnpg.io at the cluster scope: "},
      {"Backup", "postgresql.cnpg.io", "backups",
       "the right is missing to list backups.postgresql.cnpg.io at the cluster scope: "},
      {"ObjectStore", "barmancloud.cnpg.io", "objectstores",
       "the right is missing to list objectstores.barmancloud.cnpg.io at the cluster scope: "},
      {"VolumeSnapshotContent", "snapshot.storage.k8s.io", "volumesnapshotcontents",
       "the right is missing to list volumesnapshotcontents.snapshot.storage.k8s.io at the cluster "
       "scope: "},
      {"StorageClass", "storage.k8s.io", "storageclasses",
       "the right is missing to list storageclasses.storage.k8s.io at the cluster scope: "},
      {"LonghornVolume", "longhorn.io", "volumes",
       "the right is missing to list volumes.longhorn.io at the cluster scope: "},
      {"LonghornSnapshot", "longhorn.io", "snapshots",
       "the right is missing to list snapshots.longhorn.io at the cluster scope: "},
  };
  const Server server(GENERATE(from_range(kube_server_names())));
  install_watched_groups(*server.api);
  for (const Case& c : cases) {
    INFO(c.kind);
    server.api->forbid(c.group, c.resource);
    KubernetesReader reader = server.reader({});
    // Known, or absent for a reason that is not "not listed yet".
    const auto answered = [](const auto& answer) {
      return answer.is_known() || answer.why().error.code() != ErrorCode::kUnavailable;
    };
    REQUIRE(reader.until([&](const KubernetesSlice& s) {
      bool all = true;
      KubernetesSlice::for_each_kind([&](auto place) { all = all && answered(s.*place); });
      return all;
    }));
    KubernetesSlice::for_each_kind([&](auto place) {
      INFO(model::kind_of(place));
      const auto& answer = reader.slice().*place;
      CHECK(answer.is_known() == (model::kind_of(place) != c.kind));
      if (answer.is_known()) return;
      CHECK(answer.why().absence == Absence::kUnknown);
      CHECK(answer.why().error.code() == ErrorCode::kForbidden);
      CHECK_THAT(answer.why().error.message(), Catch::StartsWith(c.message));
    });
    CHECK(reader.report(c.kind).errors.at("forbidden") >= 1);
    server.api->allow(c.group, c.resource);
    CHECK(reader.until([&](const KubernetesSlice&) { return reader.report(c.kind).up; }));
  }
}

TEST_CASE("the objects of every CNPG version arrive with all that is around them",
          "[contract][kubernetes]") {
  struct Case {
    const char* version;
    const char* ns;
    const char* phase;
    std::size_t poolers, databases, pods, endpoint_slices, leases, deployments;
    std::size_t scheduled_backups, backups, object_stores, volume_snapshots;
  };
  const Case cases[] = {
      {"1.24", "shop", "Cluster in healthy state", 1, 0, 1, 2, 1, 1, 1, 2, 0, 0},
      {"1.27", "db", "Failing over", 1, 1, 2, 1, 2, 3, 1, 2, 1, 0},
      {"1.30", "dr", "Rearranging the furniture", 1, 2, 0, 0, 1, 1, 1, 1, 1, 2},
  };
  const std::string server_name = GENERATE(from_range(kube_server_names()));
  for (const Case& c : cases) {
    INFO(c.version);
    const Server server(server_name);
    install_watched_groups(*server.api);
    std::ifstream file(std::string(KEELWATCH_SOURCE_DIR "/tests/testdata/cnpg/") + c.version +
                       ".json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    JsonReader json;
    json.parse(text)["items"].for_each([&](JsonValue object) { server.api->put(object.raw()); });
    KubernetesReader reader =
        server.reader({c.ns}, quick_timing(), {"cnpg-system", "cert-manager"});
    const auto count = [](const auto& answer) {
      return answer.is_known() ? answer.known_value().size() : 999;
    };
    const bool arrived = reader.until([&](const KubernetesSlice& s) {
      return count(s.clusters) == 1 && s.clusters.known_value()[0]->phase == c.phase &&
             count(s.poolers) == c.poolers && count(s.databases) == c.databases &&
             count(s.pods) == c.pods && count(s.endpoint_slices) == c.endpoint_slices &&
             count(s.leases) == c.leases && count(s.deployments) == c.deployments &&
             count(s.scheduled_backups) == c.scheduled_backups && count(s.backups) == c.backups &&
             count(s.object_stores) == c.object_stores &&
             count(s.volume_snapshots) == c.volume_snapshots &&
             count(s.volume_snapshot_contents) == c.volume_snapshots / 2;
    });
    CHECK(arrived);
    // Each kind in its own time.
    CHECK(reader.until([](const KubernetesSlice& s) {
      return std::ranges::all_of(s.reports, [](const auto& report) { return report.up; });
    }));
  }
}

}  // namespace keelwatch::testing
