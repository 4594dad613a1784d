// keelwatch_pooler_*: how each pooler and each of its PgBouncer processes is doing.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using analysis::PoolerProcess;
using analysis::PoolUse;
using metrics::Family;
using metrics::Type;

constexpr std::string_view kReachabilities[] = {
    "connecting",    "connected",  "refused",     "unreachable",          "silent",
    "name_unknown",  "tls_failed", "auth_failed", "too_many_connections", "starting_up",
    "shutting_down",
};

constexpr Family kInfo("keelwatch_pooler_info", Type::kGauge,
                       "1 for each pooler, with where it leads (rw, ro, r) and its pool mode, from "
                       "the Pooler object or the configuration.",
                       {"namespace", "cluster", "pooler", "type", "pool_mode"});
constexpr Family kDesired("keelwatch_pooler_instances_desired", Type::kGauge,
                          "PgBouncer processes that there should be: the Pooler's spec.instances, "
                          "or as many as the configuration lists; absent while the Kubernetes API "
                          "is silent.",
                          {"namespace", "cluster", "pooler"});
constexpr Family kReady("keelwatch_pooler_instances_ready", Type::kGauge,
                        "Pods of the pooler that are ready and not being deleted, or, of one "
                        "listed by hand, its processes that answer; absent while that is unknown.",
                        {"namespace", "cluster", "pooler"});
constexpr Family kPaused("keelwatch_pooler_paused", Type::kGauge,
                         "1 if the Pooler is paused by its spec or status, or has a paused "
                         "database, else 0; absent while a process that could say so is silent, "
                         "and where one answers no SHOW STATE (before PgBouncer 1.21).",
                         {"namespace", "cluster", "pooler"});
constexpr Family kUp("keelwatch_pooler_up", Type::kGauge,
                     "1 if the PgBouncer process answers, 0 if it refuses, is silent or takes no "
                     "more clients; absent before the first attempt, where nothing is set up, and "
                     "where keelwatch's own login, TLS or name lookup fails.",
                     {"namespace", "cluster", "pooler", "pod"});
constexpr Family kReachability("keelwatch_pooler_reachability", Type::kGauge,
                               "1 for what the last attempt to talk to the process met, 0 for the "
                               "other outcomes; absent where nothing is set up.",
                               {"namespace", "cluster", "pooler", "pod", "state"});
constexpr Family kClientsUsed("keelwatch_pooler_clients_used", Type::kGauge,
                              "Client connections of the process, by SHOW LISTS (used_clients); "
                              "absent while it does not answer.",
                              {"namespace", "cluster", "pooler", "pod"});
constexpr Family kClientsMax("keelwatch_pooler_clients_max", Type::kGauge,
                             "max_client_conn of the process, by SHOW CONFIG, or by the Pooler's "
                             "parameters where only its metrics are read; absent while it does "
                             "not answer.",
                             {"namespace", "cluster", "pooler", "pod"});
constexpr Family kClientsActive(
    "keelwatch_pooler_clients_active", Type::kGauge,
    "Clients that have a server connection or need none, by SHOW POOLS; absent "
    "while the process does not answer.",
    {"namespace", "cluster", "pooler", "pod", "database", "user"});
constexpr Family kClientsWaiting(
    "keelwatch_pooler_clients_waiting", Type::kGauge,
    "Clients that have sent a query and have no server connection yet, by SHOW POOLS; "
    "absent while the process does not answer.",
    {"namespace", "cluster", "pooler", "pod", "database", "user"});
constexpr Family kMaxWait("keelwatch_pooler_max_wait_seconds", Type::kGauge,
                          "How long the oldest waiting client has waited, by SHOW POOLS; 0 when "
                          "none waits; absent while the process does not answer.",
                          {"namespace", "cluster", "pooler", "pod", "database", "user"});
constexpr Family kServers("keelwatch_pooler_servers", Type::kGauge,
                          "Server connections by state (active, idle, used, login), by SHOW POOLS; "
                          "absent while the process does not answer.",
                          {"namespace", "cluster", "pooler", "pod", "database", "user", "state"});
constexpr Family kFull("keelwatch_pooler_pool_full", Type::kGauge,
                       "1 if clients wait although the pool has all the server connections that "
                       "pool_size allows, else 0; absent while that is unknown.",
                       {"namespace", "cluster", "pooler", "pod", "database", "user"});
constexpr Family kDatabasePaused("keelwatch_pooler_database_paused", Type::kGauge,
                                 "1 if the database is paused, by SHOW DATABASES and SHOW STATE, "
                                 "else 0; absent where only metrics are read, and for one that is "
                                 "not paused by name where SHOW STATE is not answered (before "
                                 "PgBouncer 1.21).",
                                 {"namespace", "cluster", "pooler", "pod", "database"});
constexpr Family kTransactions("keelwatch_pooler_transactions_total", Type::kCounter,
                               "Transactions since PgBouncer started, by SHOW STATS; absent while "
                               "the process does not answer.",
                               {"namespace", "cluster", "pooler", "pod", "database"});
constexpr Family kQueries("keelwatch_pooler_queries_total", Type::kCounter,
                          "Queries since PgBouncer started, by SHOW STATS; absent while the "
                          "process does not answer.",
                          {"namespace", "cluster", "pooler", "pod", "database"});
constexpr Family kReceived("keelwatch_pooler_received_bytes_total", Type::kCounter,
                           "Bytes received since PgBouncer started, by SHOW STATS; absent while "
                           "the process does not answer.",
                           {"namespace", "cluster", "pooler", "pod", "database"});
constexpr Family kSent("keelwatch_pooler_sent_bytes_total", Type::kCounter,
                       "Bytes sent since PgBouncer started, by SHOW STATS; absent while the "
                       "process does not answer.",
                       {"namespace", "cluster", "pooler", "pod", "database"});
constexpr Family kWaitTime("keelwatch_pooler_wait_seconds_total", Type::kCounter,
                           "Time that clients waited for a server connection since PgBouncer "
                           "started, by SHOW STATS; absent while the process does not answer.",
                           {"namespace", "cluster", "pooler", "pod", "database"});
constexpr Family kQueryTime("keelwatch_pooler_query_seconds_total", Type::kCounter,
                            "Time that servers were at work on queries since PgBouncer started, by "
                            "SHOW STATS; absent while the process does not answer.",
                            {"namespace", "cluster", "pooler", "pod", "database"});

constexpr std::array<const Family*, 20> kFamilies = {
    &kInfo,         &kDesired,     &kReady,      &kPaused,         &kUp,
    &kReachability, &kClientsUsed, &kClientsMax, &kClientsActive,  &kClientsWaiting,
    &kMaxWait,      &kServers,     &kFull,       &kDatabasePaused, &kTransactions,
    &kQueries,      &kReceived,    &kSent,       &kWaitTime,       &kQueryTime};

// Without pools, traffic or databases there is no series to be absent: the reason stands at the
// process.
void write_pools(const PoolerProcess& process, metrics::Writer& writer) {
  const std::vector<PoolUse>* pools = process.pools.if_known();
  if (pools == nullptr) return;
  const model::PgBouncerId& id = process.process->id;
  const WallTime at = process.pools.observed_at();
  const auto count = [&](std::int64_t value) { return Observed<std::int64_t>::known(value, at); };
  for (const PoolUse& use : *pools) {
    const model::Pool& pool = use.pool;
    const auto labels = {std::string_view(id.ns),         std::string_view(id.cluster),
                         std::string_view(id.pooler),     std::string_view(id.pod),
                         std::string_view(pool.database), std::string_view(pool.user)};
    writer.write(kClientsActive, labels, count(pool.clients_active));
    writer.write(kClientsWaiting, labels, count(pool.clients_waiting));
    writer.write(kMaxWait, labels, Observed<Duration>::known(pool.longest_wait, at));
    writer.write(kFull, labels, use.full);
    for (const auto& [state, servers] :
         {std::pair("active", pool.servers_active), std::pair("idle", pool.servers_idle),
          std::pair("used", pool.servers_used), std::pair("login", pool.servers_login)}) {
      writer.write(kServers,
                   {id.ns, id.cluster, id.pooler, id.pod, pool.database, pool.user, state},
                   count(servers));
    }
  }
}

void write_databases(const model::PgBouncer& process, metrics::Writer& writer) {
  const model::PgBouncerId& id = process.id;
  if (const auto* databases = process.databases.if_known()) {
    for (const model::PooledDatabase& database : *databases) {
      writer.write(kDatabasePaused, {id.ns, id.cluster, id.pooler, id.pod, database.name},
                   analysis::is_paused(process, database));
    }
  }
  const auto* traffic = process.traffic.if_known();
  if (traffic == nullptr) return;
  const WallTime at = process.traffic.observed_at();
  const auto count = [&](std::int64_t value) { return Observed<std::int64_t>::known(value, at); };
  for (const model::PoolTraffic& t : *traffic) {
    const auto labels = {std::string_view(id.ns), std::string_view(id.cluster),
                         std::string_view(id.pooler), std::string_view(id.pod),
                         std::string_view(t.database)};
    writer.write(kTransactions, labels, count(t.transactions));
    writer.write(kQueries, labels, count(t.queries));
    writer.write(kReceived, labels, count(t.received_bytes));
    writer.write(kSent, labels, count(t.sent_bytes));
    writer.write(kWaitTime, labels, Observed<Duration>::known(t.wait_time, at));
    writer.write(kQueryTime, labels, Observed<Duration>::known(t.query_time, at));
  }
}

void write_process(const PoolerProcess& process, WallTime at, metrics::Writer& writer) {
  using model::Reachability;
  const model::PgBouncer& bouncer = *process.process;
  const model::PgBouncerId& id = bouncer.id;
  const auto labels = {std::string_view(id.ns), std::string_view(id.cluster),
                       std::string_view(id.pooler), std::string_view(id.pod)};
  writer.write(kUp, labels, process.up);
  writer.write_states(
      kReachability, labels, kReachabilities,
      bouncer.reachability == Reachability::kNotSetUp
          ? Observed<std::string>::absent(bouncer.pools.why())
          : Observed<std::string>::known(std::string(to_string(bouncer.reachability)), at));
  writer.write(kClientsUsed, labels, process.clients_used);
  writer.write(kClientsMax, labels, process.clients_max);
  write_pools(process, writer);
  write_databases(bouncer, writer);
}

void collect(const Input& input, metrics::Writer& writer) {
  const WallTime at = input.world.at;
  for (const analysis::Pooling& pooler : input.assessment.poolers) {
    const auto labels = {std::string_view(pooler.ns), std::string_view(pooler.cluster),
                         std::string_view(pooler.pooler)};
    if (!pooler.type.empty()) {
      writer.write(kInfo, {pooler.ns, pooler.cluster, pooler.pooler, pooler.type, pooler.pool_mode},
                   Observed<bool>::known(true, at));
    }
    writer.write(kDesired, labels, pooler.instances_desired);
    writer.write(kReady, labels, pooler.instances_ready);
    writer.write(kPaused, labels, pooler.paused);
    for (const PoolerProcess& process : pooler.processes) write_process(process, at, writer);
  }
}

}  // namespace

const Collector& pooler_collector() {
  static constexpr Collector collector{"pooler", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
