// What each PgBouncer says of itself, by its admin console (SHOW ...: pgbouncer.org/usage.html) or
// by the metrics of a CNPG pooler. Counters are since PgBouncer started.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/fields.h"
#include "model/postgres.h"
#include "model/source_report.h"

namespace keelwatch::model {

struct PgBouncerId {
  std::string ns;       // empty outside Kubernetes
  std::string cluster;  // the database cluster that it leads to
  std::string pooler;   // the Pooler, or the name given in the configuration
  std::string pod;      // the Pod, or the address given in the configuration
  auto operator<=>(const PgBouncerId&) const = default;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("namespace", &PgBouncerId::ns), field("cluster", &PgBouncerId::cluster),
                field("pooler", &PgBouncerId::pooler), field("pod", &PgBouncerId::pod));
  }
};

// "namespace/pod"; "pooler/pod" outside Kubernetes.
[[nodiscard]] inline std::string text(const PgBouncerId& id) {
  return (id.ns.empty() ? id.pooler : id.ns) + "/" + id.pod;
}

// A row of SHOW POOLS, but not that of the console itself.
struct Pool {
  std::string database;
  std::string user;
  std::string mode;  // session, transaction, statement; empty: not told
  std::int64_t clients_active = 0;
  std::int64_t clients_waiting = 0;
  std::int64_t servers_active = 0;
  std::int64_t servers_idle = 0;
  std::int64_t servers_used = 0;
  std::int64_t servers_login = 0;
  Duration longest_wait{};  // maxwait and maxwait_us: of the oldest waiting client

  template <typename With>
  static auto fields(With&& with) {
    using P = Pool;
    return with(field("database", &P::database), field("user", &P::user), field("mode", &P::mode),
                field("clientsActive", &P::clients_active),
                field("clientsWaiting", &P::clients_waiting),
                field("serversActive", &P::servers_active), field("serversIdle", &P::servers_idle),
                field("serversUsed", &P::servers_used), field("serversLogin", &P::servers_login),
                field("longestWait", &P::longest_wait));
  }
};

// A row of SHOW STATS, but not that of the console itself.
struct PoolTraffic {
  std::string database;
  std::int64_t transactions = 0;
  std::int64_t queries = 0;
  std::int64_t received_bytes = 0;
  std::int64_t sent_bytes = 0;
  Duration wait_time{};   // clients waited for a server
  Duration query_time{};  // servers were at work

  template <typename With>
  static auto fields(With&& with) {
    using T = PoolTraffic;
    return with(field("database", &T::database), field("transactions", &T::transactions),
                field("queries", &T::queries), field("receivedBytes", &T::received_bytes),
                field("sentBytes", &T::sent_bytes), field("waitTime", &T::wait_time),
                field("queryTime", &T::query_time));
  }
};

// SHOW LISTS and the limit it is to be held against.
struct PgBouncerTotals {
  std::int64_t databases = 0;
  std::int64_t pools = 0;
  std::int64_t clients = 0;                 // used_clients
  std::int64_t servers = 0;                 // used_servers
  std::optional<std::int64_t> max_clients;  // max_client_conn; absent where it is not told

  template <typename With>
  static auto fields(With&& with) {
    using T = PgBouncerTotals;
    return with(field("databases", &T::databases), field("pools", &T::pools),
                field("clients", &T::clients), field("servers", &T::servers),
                field("maxClients", &T::max_clients));
  }
};

// A row of SHOW DATABASES, but not that of the console itself.
struct PooledDatabase {
  std::string name;
  std::string host;  // where it leads
  std::int64_t port = 0;
  std::string database;
  std::int64_t pool_size = 0;
  std::int64_t max_connections = 0;  // 0: no limit
  std::int64_t connections = 0;
  bool paused = false;
  bool disabled = false;

  template <typename With>
  static auto fields(With&& with) {
    using D = PooledDatabase;
    return with(field("name", &D::name), field("host", &D::host), field("port", &D::port),
                field("database", &D::database), field("poolSize", &D::pool_size),
                field("maxConnections", &D::max_connections), field("connections", &D::connections),
                field("paused", &D::paused), field("disabled", &D::disabled));
  }
};

// One PgBouncer process. Each Observed is one answer; what the way of asking cannot tell is not
// installed (the metrics of a CNPG pooler hold no SHOW DATABASES).
struct PgBouncer {
  PgBouncerId id;
  std::string address;
  std::string via;  // console, metrics
  Reachability reachability = Reachability::kConnecting;
  std::string reachability_detail;
  Observed<std::vector<Pool>> pools;           // sorted by (database, user)
  Observed<std::vector<PoolTraffic>> traffic;  // sorted by database
  Observed<PgBouncerTotals> totals;
  Observed<std::vector<PooledDatabase>> databases;  // sorted by name

  template <typename With>
  static auto fields(With&& with) {
    using B = PgBouncer;
    return with(field("id", &B::id), field("address", &B::address), field("via", &B::via),
                field("reachability", &B::reachability),
                field("reachabilityDetail", &B::reachability_detail), field("pools", &B::pools),
                field("traffic", &B::traffic), field("totals", &B::totals),
                field("databases", &B::databases));
  }

  // Calls f(place) with the member of each answer, an Observed<T> PgBouncer::*.
  template <typename F>
  static void for_each_answer(F&& f) {
    f(&PgBouncer::pools);
    f(&PgBouncer::traffic);
    f(&PgBouncer::totals);
    f(&PgBouncer::databases);
  }

  // Every answer absent for that reason.
  [[nodiscard]] static PgBouncer absent(PgBouncerId id, const Why& why);
};

// What the PgBouncer source publishes, sorted by id.
struct PgBouncerSlice {
  std::vector<std::shared_ptr<const PgBouncer>> instances;
  std::vector<SourceReport> reports;  // target = "namespace/pod", or "pooler/pod"

  template <typename With>
  static auto fields(With&& with) {
    return with(field("instances", &PgBouncerSlice::instances),
                field("reports", &PgBouncerSlice::reports));
  }
};

}  // namespace keelwatch::model
