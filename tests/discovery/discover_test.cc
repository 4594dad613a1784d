#include "discovery/discover.h"

#include <catch2/catch.hpp>

#include "tests/support/world_builder.h"

using namespace keelwatch::testing;

namespace keelwatch::discovery {
namespace {

std::shared_ptr<const model::Pod> pod(std::string name, std::string ip,
                                      std::map<std::string, std::string> labels) {
  auto p = std::make_shared<model::Pod>();
  p->meta.ns = "default";
  p->meta.name = std::move(name);
  p->meta.labels = std::move(labels);
  p->phase = "Running";
  p->pod_ip = std::move(ip);
  return p;
}

std::map<std::string, std::string> instance_labels() {
  return {{"cnpg.io/cluster", "pg"}, {"cnpg.io/podRole", "instance"}};
}

model::KubernetesSlice with_pods(model::ObjectList<model::Pod> pods) {
  model::KubernetesSlice slice = kubernetes_slice();
  slice.pods = Observed<model::ObjectList<model::Pod>>::known(std::move(pods), kNow);
  return slice;
}

Result<std::string> password_file(const std::string& path) {
  if (path == "/secret/password") return std::string("hunter2\nignored\n");
  return Error(ErrorCode::kNotFound, "no such file");
}

config::Config with_password() {
  config::Config config;
  config.postgres.login.password_file = "/secret/password";
  return config;
}

}  // namespace

TEST_CASE("instances are the pods that CNPG labels as such", "[discovery]") {
  auto pooler = instance_labels();
  pooler["cnpg.io/podRole"] = "pooler";
  auto old_style = std::map<std::string, std::string>{{"cnpg.io/cluster", "pg"},
                                                      {"cnpg.io/instanceName", "pg-2"}};
  auto done = std::make_shared<model::Pod>(*pod("pg-3", "10.0.0.3", instance_labels()));
  done->phase = "Succeeded";
  const auto slice = with_pods({pod("pg-1", "10.0.0.1", instance_labels()),
                                pod("pg-1-initdb", "10.0.0.8", {{"cnpg.io/cluster", "pg"}}),
                                pod("pg-2", "10.0.0.2", old_style), done,
                                pod("pool", "10.0.0.9", pooler), pod("web", "10.0.0.7", {})});
  const Targets targets = discover(with_password(), &slice, password_file, {});
  REQUIRE(targets.instances.size() == 2);
  const InstanceTarget& first = targets.instances[0];
  CHECK(first.id == model::InstanceId{"default", "pg", "pg-1"});
  REQUIRE(first.connection);
  CHECK(first.connection->host == "pg-rw");  // what CNPG's certificate names
  CHECK(first.connection->hostaddr == "10.0.0.1");
  CHECK(first.connection->sslmode == "verify-full");
  CHECK(first.connection->user == "keelwatch");
  CHECK(first.connection->password == Secret("hunter2"));
  CHECK(targets.instances[1].id.pod == "pg-2");
}

TEST_CASE("without any credential an instance is not set up, and says what to do", "[discovery]") {
  const auto slice = with_pods({pod("pg-1", "10.0.0.1", instance_labels())});
  config::Config config;
  Targets targets = discover(config, &slice, password_file, {});
  REQUIRE(targets.instances.size() == 1);
  CHECK_FALSE(targets.instances[0].connection);
  CHECK_THAT(targets.instances[0].not_set_up_reason, Catch::Contains("postgres.password_file"));

  config.postgres.login.password_file = "/secret/missing";
  targets = discover(config, &slice, password_file, {});
  CHECK_FALSE(targets.instances[0].connection);
  CHECK(targets.instances[0].not_set_up_reason == "password_file /secret/missing: no such file");
}

TEST_CASE("a credential that vanishes is a fault, not a missing setup", "[discovery]") {
  const auto slice = with_pods({pod("pg-1", "10.0.0.1", instance_labels())});
  const ReadFile nothing = [](const std::string&) -> Result<std::string> {
    return Error(ErrorCode::kNotFound, "no such file");
  };
  const Targets before = discover(with_password(), &slice, password_file, {});
  Targets after = discover(with_password(), &slice, nothing, before);
  CHECK(after.instances.at(0).not_set_up_reason.empty());
  CHECK_THAT(after.instances.at(0).cannot_connect_reason,
             Catch::StartsWith("the credential vanished"));
  // and stays one
  after = discover(with_password(), &slice, nothing, after);
  CHECK_THAT(after.instances.at(0).cannot_connect_reason,
             Catch::StartsWith("the credential vanished"));
}

TEST_CASE("a credential that is there and cannot be read is a fault at once", "[discovery]") {
  const auto slice = with_pods({pod("pg-1", "10.0.0.1", instance_labels())});
  const ReadFile unreadable = [](const std::string&) -> Result<std::string> {
    return Error(ErrorCode::kForbidden, "permission denied");
  };
  const Targets targets = discover(with_password(), &slice, unreadable, {});
  CHECK(targets.instances.at(0).not_set_up_reason.empty());
  CHECK_THAT(targets.instances.at(0).cannot_connect_reason, Catch::EndsWith("permission denied"));
}

TEST_CASE("without a credential a pod's missing address is no matter", "[discovery]") {
  const config::Config config;
  const auto waiting = with_pods({pod("pg-1", "", instance_labels())});
  const Targets before = discover(config, &waiting, password_file, {});
  CHECK(before.instances.at(0).cannot_connect_reason.empty());
  const auto running = with_pods({pod("pg-1", "10.0.0.1", instance_labels())});
  const Targets after = discover(config, &running, password_file, before);
  CHECK(after.instances.at(0).cannot_connect_reason.empty());
  CHECK_FALSE(after.instances.at(0).not_set_up_reason.empty());
}

TEST_CASE("a silent API server keeps the instances, an emptied list does not", "[discovery]") {
  const auto slice = with_pods({pod("pg-1", "10.0.0.1", instance_labels())});
  const Targets before = discover(with_password(), &slice, password_file, {});
  auto unknown = kubernetes_slice();
  unknown.pods = Observed<model::ObjectList<model::Pod>>::unknown(
      Error(ErrorCode::kForbidden, "no right"), "kubernetes Pod");
  CHECK(discover(with_password(), &unknown, password_file, before) == before);
  CHECK(discover(with_password(), nullptr, password_file, before) == before);
  const auto emptied = with_pods({});
  CHECK(discover(with_password(), &emptied, password_file, before).instances.empty());
}

TEST_CASE("a terminating pod and one without address are told", "[discovery]") {
  auto leaving = std::make_shared<model::Pod>(*pod("pg-1", "10.0.0.1", instance_labels()));
  leaving->meta.deletion_timestamp = kNow;
  const auto slice = with_pods({leaving, pod("pg-2", "", instance_labels())});
  const Targets targets = discover(with_password(), &slice, password_file, {});
  CHECK(targets.instances.at(0).terminating);
  CHECK(targets.instances.at(1).cannot_connect_reason == "the Pod has no address yet");
}

TEST_CASE("instances listed by hand work without Kubernetes and with their cluster's login",
          "[discovery]") {
  config::Config config;
  config::PostgresCluster cluster;
  cluster.name = "main";
  cluster.login.user = "monitor";
  cluster.login.passfile = "/etc/pgpass";
  cluster.login.sslmode = "require";
  cluster.instances = {{.name = "a", .host = "db-a.example", .hostaddr = "", .port = 5433}};
  config.postgres.clusters = {cluster};
  const Targets targets = discover(config, nullptr, password_file, {});
  REQUIRE(targets.instances.size() == 1);
  CHECK(targets.instances[0].id == model::InstanceId{"", "main", "a"});
  REQUIRE(targets.instances[0].connection);
  CHECK(targets.instances[0].connection->host == "db-a.example");
  CHECK(targets.instances[0].connection->port == 5433);
  CHECK(targets.instances[0].connection->user == "monitor");
  CHECK(targets.instances[0].connection->sslmode == "require");
}

}  // namespace keelwatch::discovery
