#include "discovery/scrapes.h"

#include <catch2/catch.hpp>

#include "tests/support/world_builder.h"

using namespace keelwatch::testing;

namespace keelwatch::discovery {
namespace {

std::shared_ptr<const model::Pod> pod(std::string name, std::string ip, std::string role,
                                      std::string cluster = "pg") {
  auto p = std::make_shared<model::Pod>();
  p->meta.ns = "default";
  p->meta.name = std::move(name);
  p->phase = "Running";
  p->pod_ip = std::move(ip);
  p->cnpg_cluster = std::move(cluster);
  p->cnpg_role = std::move(role);
  return p;
}

model::KubernetesSlice slice(bool tls = false) {
  auto cluster = std::make_shared<model::Cluster>(*cluster_object());
  cluster->monitoring_tls = tls;
  model::KubernetesSlice s = kubernetes_slice({cluster});
  s.pods = Observed<model::ObjectList<model::Pod>>::known(
      {pod("pg-1", "10.0.0.1", "instance"), pod("pg-2", "fd00::2", "instance"),
       pod("pg-3", "", "instance"), pod("pool-1", "10.0.0.9", "pooler"),
       pod("pg-4-join", "10.0.0.8", "job"), pod("web", "10.0.0.7", "", "")},
      kNow);
  return s;
}

config::Config with(bool instances, bool poolers) {
  config::Config config;
  config.scrape.cnpg_instances = instances;
  config.scrape.cnpg_poolers = poolers;
  return config;
}

std::string text(const ScrapeTargets& targets) {
  std::string out;
  for (const ScrapeTarget& t : targets.pages) {
    out += t.id.kind + " " + t.id.ns + "/" + t.id.cluster + "/" + t.id.pod + " " + t.url +
           (t.server_name.empty() ? "" : " as " + t.server_name + " by " + t.ca_file) + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("nobody's page is taken over unless that is switched on", "[discovery]") {
  const auto s = slice();
  CHECK(discover_scrapes(config::Config(), &s, {}).pages.empty());
  CHECK(text(discover_scrapes(with(true, false), &s, {})) ==
        "instance default/pg/pg-1 http://10.0.0.1:9187/metrics\n"
        "instance default/pg/pg-2 http://[fd00::2]:9187/metrics\n");
  CHECK(text(discover_scrapes(with(false, true), &s, {})) ==
        "pooler default/pg/pool-1 http://10.0.0.9:9127/metrics\n");
}

TEST_CASE("pages listed by hand need no Kubernetes", "[discovery]") {
  config::Config config;
  config.scrape.targets = {{"exporter", "http://h:1/metrics", "", "pg", "a", "", ""},
                           {"exporter", "http://h:2/metrics", "", "pg", "a", "", ""}};
  CHECK(text(discover_scrapes(config, nullptr, {})) ==
        "exporter /pg/a http://h:1/metrics\nexporter /pg/a http://h:2/metrics\n");
}

TEST_CASE("an instance's page is read with TLS where its Cluster says so", "[discovery]") {
  config::Config config = with(true, false);
  config.postgres.login.sslrootcert = "/ca/postgres";
  const auto s = slice(true);
  const ScrapeTargets targets = discover_scrapes(config, &s, {});
  CHECK(text(targets) ==
        "instance default/pg/pg-1 https://10.0.0.1:9187/metrics as pg-rw by /ca/postgres\n"
        "instance default/pg/pg-2 https://[fd00::2]:9187/metrics as pg-rw by /ca/postgres\n");
  config.scrape.cnpg_ca = "/ca/metrics";
  CHECK(discover_scrapes(config, &s, {}).pages[0].ca_file == "/ca/metrics");
}

TEST_CASE("a pooler's page is read with TLS where its Pooler says so", "[discovery]") {
  config::Config config = with(false, true);
  config.postgres.login.sslrootcert = "/ca/postgres";
  auto s = slice();
  auto pool = std::make_shared<model::Pod>(*pod("pool-1", "10.0.0.9", "pooler"));
  pool->pooler = "pool";
  auto plain = std::make_shared<model::Pod>(*pod("plain-1", "10.0.0.10", "pooler"));
  plain->pooler = "plain";
  s.pods = Observed<model::ObjectList<model::Pod>>::known({pool, plain}, kNow);
  const auto object = [](std::string ns, std::string name, std::optional<bool> tls) {
    auto pooler = std::make_shared<model::Pooler>();
    pooler->meta.ns = std::move(ns);
    pooler->meta.name = std::move(name);
    pooler->metrics_tls = tls;
    return pooler;
  };
  s.poolers = Observed<model::ObjectList<model::Pooler>>::known(
      {object("default", "pool", true), object("default", "plain", std::nullopt),
       object("other", "plain", true)},
      kNow);
  const ScrapeTargets targets = discover_scrapes(config, &s, {});
  CHECK(text(targets) ==
        "pooler default/pg/plain-1 http://10.0.0.10:9127/metrics\n"
        "pooler default/pg/pool-1 https://10.0.0.9:9127/metrics as pg-rw by /ca/postgres\n");
  s.poolers = Observed<model::ObjectList<model::Pooler>>::absent(
      {Absence::kUnknown, Error(ErrorCode::kTimeout, "no answer"), "kubernetes"});
  CHECK(discover_scrapes(config, &s, targets) == targets);
}

TEST_CASE("while the API server is silent the pages stay as they were", "[discovery]") {
  const Why silent{Absence::kUnknown, Error(ErrorCode::kTimeout, "no answer"), "kubernetes"};
  const config::Config config = with(true, true);
  const auto s = slice(true);
  const ScrapeTargets before = discover_scrapes(config, &s, {});
  REQUIRE(before.pages.size() == 3);
  auto without_pods = slice(true);
  without_pods.pods = Observed<model::ObjectList<model::Pod>>::absent(silent);
  CHECK(discover_scrapes(config, &without_pods, before) == before);
  CHECK(text(discover_scrapes(with(false, true), &without_pods, before)) ==
        "pooler default/pg/pool-1 http://10.0.0.9:9127/metrics\n");
  auto without_clusters = slice(true);
  without_clusters.clusters = Observed<model::ObjectList<model::Cluster>>::absent(silent);
  CHECK(discover_scrapes(config, &without_clusters, before) == before);
}

}  // namespace keelwatch::discovery
