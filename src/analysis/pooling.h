// How each pooler is doing: how many PgBouncer processes there should be, which of them answer, and
// whether their clients get through. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/observed.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

// Of one pool (database and user) of a process.
struct PoolUse {
  model::Pool pool;
  // Clients wait although the database has all the server connections that pool_size allows.
  // Unknown where pool_size is.
  Observed<bool> full;
};

struct PoolerProcess {
  std::shared_ptr<const model::PgBouncer> process;
  // Whether clients are served: true with its answer, false where it refuses, is silent or takes no
  // more clients. Unknown where only our own way to it fails: login, TLS, name.
  Observed<bool> up;
  Observed<std::vector<PoolUse>> pools;
  Observed<std::int64_t> clients_used;
  // SHOW CONFIG's max_client_conn; with CNPG's metrics, which do not tell it, the Pooler's
  // parameter or PgBouncer's default.
  Observed<std::optional<std::int64_t>> clients_max;
};

struct Pooling {
  std::string ns;  // empty outside Kubernetes
  std::string cluster;
  std::string pooler;
  std::string type;       // rw, ro, r; empty: not told
  std::string pool_mode;  // empty: not told
  Observed<std::int64_t> instances_desired;
  // Pods that are ready and stay; of a pooler listed by hand the processes that answer.
  Observed<std::int64_t> instances_ready;
  // By spec.paused or status.phase, or by a process that has a paused database. Unknown while
  // neither says so and one of them is silent or does not tell all of it.
  Observed<bool> paused;
  std::vector<PoolerProcess> processes;  // sorted by id
};

// Whether a database of process.databases, which are known, is paused. Unknown where it is not
// paused by name and the process does not tell whether everything is (its detail then says so).
[[nodiscard]] Observed<bool> is_paused(const model::PgBouncer& process,
                                       const model::PooledDatabase& database);

// Sorted by (namespace, pooler): every Pooler object, every pooler of the configuration that lists
// its processes, and every one that the source still reports while the API is silent.
[[nodiscard]] std::vector<Pooling> assess_poolers(const model::World& world,
                                                  const config::Config& config);

}  // namespace keelwatch::analysis
