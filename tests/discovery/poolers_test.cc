#include "discovery/poolers.h"

#include <catch2/catch.hpp>

#include "tests/support/world_builder.h"

using namespace keelwatch::testing;

namespace keelwatch::discovery {
namespace {

std::shared_ptr<model::Pod> pooler_pod(std::string name, std::string ip) {
  auto pod = std::make_shared<model::Pod>();
  pod->meta.ns = "db";
  pod->meta.name = std::move(name);
  pod->phase = "Running";
  pod->pod_ip = std::move(ip);
  pod->cnpg_cluster = "pg";
  pod->cnpg_role = "pooler";
  pod->pooler = "pg-rw-pool";
  return pod;
}

std::shared_ptr<model::Pooler> pooler_object(std::optional<bool> tls = std::nullopt) {
  auto pooler = std::make_shared<model::Pooler>();
  pooler->meta.ns = "db";
  pooler->meta.name = "pg-rw-pool";
  pooler->cluster = "pg";
  pooler->type = "rw";
  pooler->metrics_tls = tls;
  return pooler;
}

model::KubernetesSlice slice_of(model::ObjectList<model::Pod> pods,
                                model::ObjectList<model::Pooler> poolers) {
  model::KubernetesSlice slice = kubernetes_slice();
  slice.pods = Observed<model::ObjectList<model::Pod>>::known(std::move(pods), kNow);
  slice.poolers = Observed<model::ObjectList<model::Pooler>>::known(std::move(poolers), kNow);
  return slice;
}

Result<std::string> secrets(const std::string& path) {
  if (path == "/secret/password") return std::string("hunter2\n");
  if (path == "/secret/ca") return std::string("the CA");
  return Error(ErrorCode::kNotFound, "no such file");
}

config::Config by_hand() {
  config::Config config;
  config::PgBouncerPooler pooler;
  pooler.name = "edge";
  pooler.cluster = "pg";
  pooler.instances = {{.name = "one", .host = "bouncer.example", .hostaddr = {}}};
  pooler.login.password_file = "/secret/password";
  config.pgbouncer.poolers = {pooler};
  return config;
}

}  // namespace

TEST_CASE("without a login the pods of poolers are read by their metrics", "[discovery]") {
  auto done = pooler_pod("old", "10.0.0.8");
  done->phase = "Failed";
  auto instance = pooler_pod("pg-1", "10.0.0.1");
  instance->cnpg_role = "instance";
  instance->pooler.clear();
  auto leaving = pooler_pod("pool-b", "fd00::2");
  leaving->meta.deletion_timestamp = kNow;
  const auto slice =
      slice_of({done, instance, pooler_pod("pool-a", "10.0.0.2"), leaving}, {pooler_object()});
  const PoolerTargets targets = discover_poolers({}, &slice, secrets, {});
  REQUIRE(targets.processes.size() == 2);
  const PgBouncerTarget& first = targets.processes[0];
  CHECK(first.id == model::PgBouncerId{"db", "pg", "pg-rw-pool", "pool-a"});
  CHECK(first.via == "metrics");
  CHECK(first.address == "10.0.0.2:9127");
  REQUIRE(first.metrics);
  CHECK(first.metrics->url == "http://10.0.0.2:9127/metrics");
  CHECK_FALSE(first.console);
  CHECK(first.vantage_unproven);
  CHECK(first.not_set_up_reason.empty());
  CHECK_FALSE(first.terminating);
  CHECK(targets.processes[1].metrics->url == "http://[fd00::2]:9127/metrics");
  CHECK(targets.processes[1].terminating);
}

TEST_CASE("metrics by TLS are verified as the cluster's own service", "[discovery]") {
  const auto slice = slice_of({pooler_pod("pool-a", "10.0.0.2")}, {pooler_object(true)});
  config::Config config;
  PoolerTargets targets = discover_poolers(config, &slice, secrets, {});
  CHECK_FALSE(targets.processes.at(0).metrics);
  CHECK_THAT(targets.processes[0].not_set_up_reason, Catch::Contains("sslrootcert"));

  config.pgbouncer.login.sslrootcert = "/secret/ca";
  targets = discover_poolers(config, &slice, secrets, {});
  REQUIRE(targets.processes.at(0).metrics);
  CHECK(targets.processes[0].metrics->url == "https://10.0.0.2:9127/metrics");
  CHECK(targets.processes[0].metrics->tls.server_name == "pg-rw");
  CHECK(targets.processes[0].metrics->tls.ca_pem == "the CA");
}

TEST_CASE("the way that is asked follows the configuration", "[discovery]") {
  struct Case {
    const char* name;
    config::PgBouncerVia via;
    const char* password_file;
    std::string way;
    bool set_up;
    bool vantage_unproven;
  };
  using config::PgBouncerVia;
  const auto slice = slice_of({pooler_pod("pool-a", "10.0.0.2")}, {pooler_object()});
  for (const Case& c :
       {Case{"auto, a login", PgBouncerVia::kAuto, "/secret/password", "console", true, false},
        Case{"auto, none", PgBouncerVia::kAuto, "", "metrics", true, true},
        Case{"console, none", PgBouncerVia::kConsole, "", "console", false, false},
        Case{"metrics, a login", PgBouncerVia::kMetrics, "/secret/password", "metrics", true,
             false}}) {
    INFO(c.name);
    config::Config config;
    config.pgbouncer.via = c.via;
    config.pgbouncer.login.password_file = c.password_file;
    const PgBouncerTarget target = discover_poolers(config, &slice, secrets, {}).processes.at(0);
    CHECK(target.via == c.way);
    CHECK(target.not_set_up_reason.empty() == c.set_up);
    CHECK(target.vantage_unproven == c.vantage_unproven);
    CHECK(target.console.has_value() == (c.set_up && c.way == "console"));
    if (!target.console) continue;
    CHECK(target.console->dbname == "pgbouncer");
    CHECK(target.console->host == "pg-rw");
    CHECK(target.console->hostaddr == "10.0.0.2");
    CHECK(target.console->password == Secret("hunter2"));
    CHECK(target.console->statement_timeout == Duration::zero());  // PgBouncer refuses it
  }
}

TEST_CASE("a pooler listed by hand needs no Kubernetes", "[discovery]") {
  const PoolerTargets targets = discover_poolers(by_hand(), nullptr, secrets, {});
  REQUIRE(targets.processes.size() == 1);
  const PgBouncerTarget& target = targets.processes[0];
  CHECK(target.id == model::PgBouncerId{"", "pg", "edge", "one"});
  CHECK(target.address == "bouncer.example:6432");
  REQUIRE(target.console);
  CHECK(target.console->host == "bouncer.example");
  CHECK(target.console->port == 6432);
}

TEST_CASE("a credential that vanishes is a fault, one that never was is not", "[discovery]") {
  config::Config config = by_hand();
  const PoolerTargets before = discover_poolers(config, nullptr, secrets, {});
  const auto nothing = [](const std::string&) -> Result<std::string> {
    return Error(ErrorCode::kNotFound, "no such file");
  };
  const PgBouncerTarget gone = discover_poolers(config, nullptr, nothing, before).processes.at(0);
  CHECK_THAT(gone.cannot_connect_reason, Catch::StartsWith("the credential vanished"));
  CHECK(gone.not_set_up_reason.empty());
  const PgBouncerTarget never = discover_poolers(config, nullptr, nothing, {}).processes.at(0);
  CHECK(never.cannot_connect_reason.empty());
  CHECK_FALSE(never.not_set_up_reason.empty());
}

TEST_CASE("a silent API server lets go of no pooler", "[discovery]") {
  auto slice = slice_of({pooler_pod("pool-a", "10.0.0.2")}, {pooler_object()});
  const PoolerTargets before = discover_poolers({}, &slice, secrets, {});
  const Why silent{Absence::kUnknown, Error(ErrorCode::kTimeout, "no answer"), "kubernetes"};
  slice.pods = Observed<model::ObjectList<model::Pod>>::absent(silent);
  CHECK(discover_poolers({}, &slice, secrets, before) == before);
  CHECK(discover_poolers({}, nullptr, secrets, before) == before);
  slice.pods = Observed<model::ObjectList<model::Pod>>::known({}, kNow);
  CHECK(discover_poolers({}, &slice, secrets, before).processes.empty());
}

TEST_CASE("a pod without address cannot be asked yet", "[discovery]") {
  const auto slice = slice_of({pooler_pod("pool-a", "")}, {pooler_object()});
  const PgBouncerTarget target = discover_poolers({}, &slice, secrets, {}).processes.at(0);
  CHECK(target.cannot_connect_reason == "the Pod has no address yet");
  CHECK(target.address.empty());
}

}  // namespace keelwatch::discovery
