#include "analysis/pooling.h"

#include <catch2/catch.hpp>

#include "app/step.h"
#include "tests/support/pages.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

using model::Reachability;

std::shared_ptr<model::Pooler> pooler_object(std::int64_t instances = 2) {
  auto pooler = std::make_shared<model::Pooler>();
  pooler->meta.ns = "default";
  pooler->meta.name = "pool";
  pooler->cluster = "pg";
  pooler->type = "rw";
  pooler->pool_mode = "session";
  pooler->instances = instances;
  return pooler;
}

std::shared_ptr<model::Pod> pooler_pod(std::string name, bool ready = true) {
  auto pod = std::make_shared<model::Pod>();
  pod->meta.ns = "default";
  pod->meta.name = std::move(name);
  pod->cnpg_cluster = "pg";
  pod->cnpg_role = "pooler";
  pod->pooler = "pool";
  pod->ready = ready;
  return pod;
}

model::PgBouncer silent_process(std::string pod, Reachability why, std::string ns = "default",
                                Absence absence = Absence::kUnknown) {
  model::PgBouncer process =
      model::PgBouncer::absent({std::move(ns), "pg", "pool", std::move(pod)},
                               {absence, Error(ErrorCode::kUnavailable, "x"), "pgbouncer"});
  process.via = "console";
  process.reachability = why;
  return process;
}

model::PgBouncer process(std::string pod, std::string ns = "default") {
  model::PgBouncer p = silent_process(std::move(pod), Reachability::kConnected, std::move(ns));
  model::Pool pool;
  pool.database = "app";
  pool.user = "app";
  pool.clients_active = 3;
  pool.servers_active = 2;
  pool.servers_idle = 1;
  model::PooledDatabase database;
  database.name = "app";
  database.pool_size = 3;
  model::PoolTraffic traffic;
  traffic.database = "app";
  traffic.queries = 7;
  traffic.wait_time = 1500ms;
  p.pools = Observed<std::vector<model::Pool>>::known({pool}, kNow);
  p.databases = Observed<std::vector<model::PooledDatabase>>::known({database}, kNow);
  p.traffic = Observed<std::vector<model::PoolTraffic>>::known({traffic}, kNow);
  p.totals = Observed<model::PgBouncerTotals>::known({1, 1, 4, 3, 100}, kNow);
  return p;
}

void set_waiting(model::PgBouncer& p, std::int64_t waiting) {
  std::vector<model::Pool> pools = p.pools.known_value();
  pools[0].clients_waiting = waiting;
  pools[0].longest_wait = waiting > 0 ? 8s : 0s;
  p.pools = Observed<std::vector<model::Pool>>::known(pools, kNow);
}

// What a pooler's metrics do not tell.
void by_metrics(model::PgBouncer& p) {
  p.via = "metrics";
  p.databases = Observed<std::vector<model::PooledDatabase>>::not_installed("no", "pgbouncer");
  model::PgBouncerTotals totals = p.totals.known_value();
  totals.max_clients.reset();
  p.totals = Observed<model::PgBouncerTotals>::known(totals, kNow);
}

model::World world_of(std::vector<model::PgBouncer> processes,
                      model::ObjectList<model::Pooler> objects = {pooler_object()},
                      model::ObjectList<model::Pod> pods = {pooler_pod("a"), pooler_pod("b")}) {
  model::KubernetesSlice kubernetes = kubernetes_slice();
  kubernetes.pods = Observed<model::ObjectList<model::Pod>>::known(std::move(pods), kNow);
  kubernetes.poolers = Observed<model::ObjectList<model::Pooler>>::known(std::move(objects), kNow);
  model::Slices all = slices({}, std::move(kubernetes));
  auto slice = std::make_shared<model::PgBouncerSlice>();
  for (model::PgBouncer& p : processes) {
    slice->instances.push_back(std::make_shared<const model::PgBouncer>(std::move(p)));
  }
  all.pgbouncer = std::move(slice);
  return model::assemble(all, model::Freshness{}, kNow);
}

config::Config listing_two_processes() {
  config::Config config;
  config::PgBouncerPooler pooler;
  pooler.name = "pool";
  pooler.cluster = "pg";
  pooler.type = "ro";
  pooler.instances = {{.name = "a", .host = "x", .hostaddr = {}},
                      {.name = "b", .host = "y", .hostaddr = {}}};
  config.pgbouncer.poolers = {pooler};
  return config;
}

}  // namespace

TEST_CASE("what was met tells whether a process is up, down or not known to be either",
          "[analysis]") {
  struct Case {
    Reachability met;
    std::optional<bool> up;
  };
  for (const Case& c :
       {Case{Reachability::kConnecting, std::nullopt}, Case{Reachability::kRefused, false},
        Case{Reachability::kUnreachable, false}, Case{Reachability::kSilent, false},
        Case{Reachability::kTooManyConnections, false}, Case{Reachability::kShuttingDown, false},
        Case{Reachability::kNameUnknown, std::nullopt},
        Case{Reachability::kTlsFailed, std::nullopt}, Case{Reachability::kAuthFailed, std::nullopt},
        Case{Reachability::kNotSetUp, std::nullopt},
        // It answers, and what it says makes no sense.
        Case{Reachability::kConnected, std::nullopt}}) {
    INFO(to_string(c.met));
    const auto poolers = assess_poolers(world_of({silent_process("a", c.met)}), {});
    const Observed<bool>& up = poolers.at(0).processes.at(0).up;
    CHECK(up.is_known() == c.up.has_value());
    if (c.up && up.is_known()) CHECK(up.known_value() == *c.up);
  }
  const auto poolers = assess_poolers(world_of({process("a")}), {});
  CHECK(poolers.at(0).processes.at(0).up.known_value());
}

TEST_CASE("ready pods are those that stay, desired ones those that the Pooler orders",
          "[analysis]") {
  auto leaving = pooler_pod("c");
  leaving->meta.deletion_timestamp = kNow;
  auto other = pooler_pod("d");
  other->pooler = "another";
  const auto poolers =
      assess_poolers(world_of({process("a")}, {pooler_object(3)},
                              {pooler_pod("a"), pooler_pod("b", false), leaving, other}),
                     {});
  REQUIRE(poolers.size() == 1);
  CHECK(poolers[0].type == "rw");
  CHECK(poolers[0].cluster == "pg");
  CHECK(poolers[0].instances_desired.known_value() == 3);
  CHECK(poolers[0].instances_ready.known_value() == 1);
  CHECK_FALSE(poolers[0].paused.known_value());
}

TEST_CASE("a pool is full when clients wait and every server connection is there", "[analysis]") {
  struct Case {
    const char* name;
    std::int64_t waiting;
    std::int64_t pool_size;
    bool full;
  };
  for (const Case& c : {Case{"nobody waits", 0, 3, false}, Case{"a connection comes", 2, 4, false},
                        Case{"none left", 2, 3, true}}) {
    INFO(c.name);
    model::PgBouncer p = process("a");
    set_waiting(p, c.waiting);
    std::vector<model::PooledDatabase> databases = p.databases.known_value();
    databases[0].pool_size = c.pool_size;
    p.databases = Observed<std::vector<model::PooledDatabase>>::known(databases, kNow);
    const auto poolers = assess_poolers(world_of({p}), {});
    CHECK(poolers.at(0).processes.at(0).pools.known_value().at(0).full.known_value() == c.full);
  }
}

TEST_CASE("what metrics do not tell comes from the Pooler's parameters", "[analysis]") {
  model::PgBouncer p = process("a");
  by_metrics(p);
  set_waiting(p, 1);
  auto object = pooler_object();
  const auto assess = [&] {
    return assess_poolers(world_of({p}, {object}), {}).at(0).processes.at(0);
  };
  CHECK(assess().clients_max.known_value() == 100);  // PgBouncer's own defaults
  CHECK_FALSE(assess().pools.known_value().at(0).full.known_value());
  object->parameters = {{"max_client_conn", "1000"}, {"default_pool_size", "3"}};
  CHECK(assess().clients_max.known_value() == 1000);
  CHECK(assess().pools.known_value().at(0).full.known_value());
  object->parameters = {{"max_client_conn", "many"}, {"default_pool_size", "some"}};
  CHECK_FALSE(assess().clients_max.known_value());
  CHECK_FALSE(assess().pools.known_value().at(0).full.is_known());
}

TEST_CASE("a pause is told by the object or by a process, never by silence", "[analysis]") {
  auto by_spec = pooler_object();
  by_spec->paused = true;
  CHECK(assess_poolers(world_of({}, {by_spec}), {}).at(0).paused.known_value());
  auto by_phase = pooler_object();
  by_phase->phase = "paused";
  CHECK(assess_poolers(world_of({}, {by_phase}), {}).at(0).paused.known_value());

  model::PgBouncer p = process("a");
  std::vector<model::PooledDatabase> databases = p.databases.known_value();
  databases[0].paused = true;
  p.databases = Observed<std::vector<model::PooledDatabase>>::known(databases, kNow);
  const auto dead = silent_process("b", Reachability::kSilent);
  CHECK(assess_poolers(world_of({p, dead}), {}).at(0).paused.known_value());
  CHECK_FALSE(assess_poolers(world_of({process("a"), dead}), {}).at(0).paused.is_known());
  CHECK_FALSE(assess_poolers(world_of({process("a")}), {}).at(0).paused.known_value());
}

TEST_CASE("a process that answers no SHOW STATE tells of pauses by name only",
          "[analysis][collectors]") {
  model::PgBouncer old = process("a");
  old.reachability_detail = "it does not tell";
  const auto page = [](const model::PgBouncer& p) {
    app::State state;
    const auto moment = app::step(state, world_of({p}), config::Config{});
    return sample_lines(*moment, "keelwatch_pooler_paused") +
           sample_lines(*moment, "keelwatch_pooler_database_paused");
  };
  const Observed<bool> paused = assess_poolers(world_of({old}), {}).at(0).paused;
  REQUIRE_FALSE(paused.is_known());
  CHECK(paused.why().error.message() == "it does not tell");
  CHECK(page(old).empty());
  CHECK_FALSE(is_paused(old, old.databases.known_value()[0]).is_known());
  // What SHOW DATABASES tells besides is still there.
  CHECK(assess_poolers(world_of({old}), {}).at(0).processes.at(0).pools.known_value().at(0).full ==
        Observed<bool>::known(false, kNow));
  // Another one that tells does not speak for it.
  CHECK_FALSE(assess_poolers(world_of({old, process("b")}), {}).at(0).paused.is_known());

  std::vector<model::PooledDatabase> databases = old.databases.known_value();
  databases[0].paused = true;
  databases.push_back({.name = "other",
                       .host = {},
                       .port = 0,
                       .database = {},
                       .pool_size = 1,
                       .max_connections = 0,
                       .connections = 0,
                       .paused = false,
                       .disabled = false});
  old.databases = Observed<std::vector<model::PooledDatabase>>::known(databases, kNow);
  CHECK(page(old) ==
        R"(keelwatch_pooler_paused{namespace="default",cluster="pg",pooler="pool"} 1
keelwatch_pooler_database_paused{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 1
)");

  // The metrics of a CNPG pooler tell of no pause: there the object's word stands alone.
  model::PgBouncer by_page = process("a");
  by_metrics(by_page);
  CHECK_FALSE(assess_poolers(world_of({by_page}), {}).at(0).paused.known_value());
}

TEST_CASE("a pooler listed by hand counts its own answers", "[analysis]") {
  const auto config = listing_two_processes();
  const auto one_down = assess_poolers(
      world_of({process("a", ""), silent_process("b", Reachability::kRefused, "")}, {}), config);
  REQUIRE(one_down.size() == 1);
  CHECK(one_down[0].type == "ro");
  CHECK(one_down[0].instances_desired.known_value() == 2);
  CHECK(one_down[0].instances_ready.known_value() == 1);
  const auto one_unknown = assess_poolers(
      world_of({process("a", ""), silent_process("b", Reachability::kAuthFailed, "")}, {}), config);
  CHECK_FALSE(one_unknown.at(0).instances_ready.is_known());
}

TEST_CASE("a pooler's page: known facts and nothing of a process that does not answer",
          "[analysis][collectors]") {
  model::PgBouncer waiting = process("a");
  set_waiting(waiting, 2);
  app::State state;
  const auto moment = app::step(
      state,
      world_of({waiting, silent_process("b", Reachability::kSilent),
                silent_process("c", Reachability::kNotSetUp, "default", Absence::kNotSetUp)}),
      config::Config{});
  std::string lines = sample_lines(*moment, "keelwatch_pooler_");
  CHECK_THAT(
      lines,
      Catch::Contains(
          R"(keelwatch_pooler_reachability{namespace="default",cluster="pg",pooler="pool",pod="b",state="silent"} 1)"));
  CHECK_THAT(lines, !Catch::Contains(R"(pod="c")"));
  std::string without_states;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at) + 1;
    const std::string line = lines.substr(at, end - at);
    if (line.find("_reachability{") == std::string::npos) without_states += line;
    at = end;
  }
  CHECK(
      without_states ==
      R"(keelwatch_pooler_info{namespace="default",cluster="pg",pooler="pool",type="rw",pool_mode="session"} 1
keelwatch_pooler_instances_desired{namespace="default",cluster="pg",pooler="pool"} 2
keelwatch_pooler_instances_ready{namespace="default",cluster="pg",pooler="pool"} 2
keelwatch_pooler_up{namespace="default",cluster="pg",pooler="pool",pod="a"} 1
keelwatch_pooler_up{namespace="default",cluster="pg",pooler="pool",pod="b"} 0
keelwatch_pooler_clients_used{namespace="default",cluster="pg",pooler="pool",pod="a"} 4
keelwatch_pooler_clients_max{namespace="default",cluster="pg",pooler="pool",pod="a"} 100
keelwatch_pooler_clients_active{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app"} 3
keelwatch_pooler_clients_waiting{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app"} 2
keelwatch_pooler_max_wait_seconds{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app"} 8
keelwatch_pooler_servers{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app",state="active"} 2
keelwatch_pooler_servers{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app",state="idle"} 1
keelwatch_pooler_servers{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app",state="used"} 0
keelwatch_pooler_servers{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app",state="login"} 0
keelwatch_pooler_pool_full{namespace="default",cluster="pg",pooler="pool",pod="a",database="app",user="app"} 1
keelwatch_pooler_database_paused{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 0
keelwatch_pooler_transactions_total{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 0
keelwatch_pooler_queries_total{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 7
keelwatch_pooler_received_bytes_total{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 0
keelwatch_pooler_sent_bytes_total{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 0
keelwatch_pooler_wait_seconds_total{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 1.5
keelwatch_pooler_query_seconds_total{namespace="default",cluster="pg",pooler="pool",pod="a",database="app"} 0
)");
  CHECK_THAT(sample_lines(*moment, "keelwatch_threshold_pooler_wait_seconds"),
             Catch::Contains(R"({namespace="default",cluster="pg"} 5)"));
}

}  // namespace keelwatch::analysis
