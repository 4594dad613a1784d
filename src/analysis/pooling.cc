#include "analysis/pooling.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

namespace keelwatch::analysis {
namespace {

using Key = std::pair<std::string, std::string>;  // namespace, pooler

// PgBouncer's defaults (pgbouncer.org/config.html), which CNPG leaves alone.
constexpr std::int64_t kDefaultMaxClients = 100;
constexpr std::int64_t kDefaultPoolSize = 20;

std::optional<std::int64_t> parameter(const model::Pooler& pooler, const std::string& name,
                                      std::int64_t otherwise) {
  const auto found = pooler.parameters.find(name);
  if (found == pooler.parameters.end()) return otherwise;
  std::int64_t number = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, failure] = std::from_chars(found->second.data(), end, number);
  if (failure != std::errc() || stop != end || number < 0) return std::nullopt;
  return number;
}

// Whether it serves clients, as far as its silence tells that.
Observed<bool> is_up(const model::PgBouncer& process, WallTime now) {
  using model::Reachability;
  if (process.pools.is_known()) return Observed<bool>::known(true, process.pools.observed_at());
  switch (process.reachability) {
    case Reachability::kRefused:
    case Reachability::kUnreachable:
    case Reachability::kSilent:
    case Reachability::kTooManyConnections:
    case Reachability::kStartingUp:
    case Reachability::kShuttingDown:
      return Observed<bool>::known(false, now);
    case Reachability::kConnecting:
    case Reachability::kConnected:
    case Reachability::kNameUnknown:
    case Reachability::kTlsFailed:
    case Reachability::kAuthFailed:
    case Reachability::kNotSetUp:
      break;
  }
  return Observed<bool>::absent(process.pools.why());
}

// The pool_size of a database, by SHOW DATABASES or by the Pooler's parameters.
Observed<std::int64_t> pool_size_of(const model::PgBouncer& process, const model::Pooler* object,
                                    const std::string& database) {
  using Size = Observed<std::int64_t>;
  if (const auto* databases = process.databases.if_known()) {
    const auto found = std::ranges::find(*databases, database, &model::PooledDatabase::name);
    if (found != databases->end())
      return Size::known(found->pool_size, process.databases.observed_at());
    return Size::unknown(Error(ErrorCode::kNotFound, "SHOW DATABASES has no " + database),
                         "pgbouncer " + text(process.id));
  }
  if (process.databases.why().absence == Absence::kNotInstalled && object != nullptr) {
    const auto size = parameter(*object, "default_pool_size", kDefaultPoolSize);
    if (size) return Size::known(*size, process.pools.observed_at());
  }
  return Size::absent(process.databases.why());
}

Observed<std::vector<PoolUse>> pools_of(const model::PgBouncer& process,
                                        const model::Pooler* object) {
  using Pools = Observed<std::vector<PoolUse>>;
  const std::vector<model::Pool>* pools = process.pools.if_known();
  if (pools == nullptr) return Pools::absent(process.pools.why());
  std::vector<PoolUse> uses;
  uses.reserve(pools->size());
  for (const model::Pool& pool : *pools) {
    const std::int64_t servers =
        pool.servers_active + pool.servers_idle + pool.servers_used + pool.servers_login;
    uses.push_back({pool, pool_size_of(process, object, pool.database).map([&](std::int64_t size) {
                      return pool.clients_waiting > 0 && servers >= size;
                    })});
  }
  return Pools::known(std::move(uses), process.pools.observed_at());
}

PoolerProcess assess_process(std::shared_ptr<const model::PgBouncer> process,
                             const model::Pooler* object, WallTime now) {
  using Most = std::optional<std::int64_t>;
  const auto max_clients = [&](const model::PgBouncerTotals& totals) -> Most {
    if (totals.max_clients) return totals.max_clients;
    if (object == nullptr || process->via != "metrics") return std::nullopt;
    return parameter(*object, "max_client_conn", kDefaultMaxClients);
  };
  return {.process = process,
          .up = is_up(*process, now),
          .pools = pools_of(*process, object),
          .clients_used = process->totals.map([](const auto& totals) { return totals.clients; }),
          .clients_max = process->totals.map(max_clients)};
}

Observed<std::int64_t> count_ready_pods(const Pooling& pooling, const model::World& world) {
  return world.kubernetes->pods.map([&](const model::ObjectList<model::Pod>& pods) {
    return static_cast<std::int64_t>(std::ranges::count_if(pods, [&](const auto& pod) {
      return pod->meta.ns == pooling.ns && pod->cnpg_role == "pooler" &&
             pod->pooler == pooling.pooler && pod->ready == true && !pod->meta.deletion_timestamp;
    }));
  });
}

Observed<std::int64_t> count_up(const Pooling& pooling, WallTime now) {
  std::int64_t count = 0;
  for (const PoolerProcess& process : pooling.processes) {
    const bool* up = process.up.if_known();
    if (up == nullptr) return Observed<std::int64_t>::absent(process.up.why());
    count += *up ? 1 : 0;
  }
  return Observed<std::int64_t>::known(count, now);
}

// A connected process has a detail where it answers no SHOW STATE (PgBouncerWatch).
bool tells_pause_of_all(const model::PgBouncer& process) {
  return process.reachability != model::Reachability::kConnected ||
         process.reachability_detail.empty();
}

Observed<bool> pause_not_told(const model::PgBouncer& process) {
  return Observed<bool>::unknown(Error(ErrorCode::kUnsupported, process.reachability_detail),
                                 "pgbouncer " + text(process.id));
}

Observed<bool> is_paused(const Pooling& pooling, const model::Pooler* object,
                         const model::World& world) {
  using Paused = Observed<bool>;
  if (object != nullptr && (object->paused == true || object->phase == "paused")) {
    return Paused::known(true, world.kubernetes->poolers.observed_at());
  }
  Paused paused = object != nullptr ? Paused::known(false, world.kubernetes->poolers.observed_at())
                                    : Paused::known(false, world.at);
  for (const PoolerProcess& process : pooling.processes) {
    const auto& databases = process.process->databases;
    if (const auto* known = databases.if_known()) {
      if (std::ranges::any_of(*known, &model::PooledDatabase::paused)) {
        return Paused::known(true, databases.observed_at());
      }
      if (!tells_pause_of_all(*process.process)) paused = pause_not_told(*process.process);
    } else if (databases.why().absence == Absence::kUnknown || object == nullptr) {
      paused = Paused::absent(databases.why());
    }
  }
  return paused;
}

// A pooler before anything is counted.
Pooling begin(const Key& key, const model::World& world) {
  const Why nothing{Absence::kUnknown, Error(ErrorCode::kNotFound, "nobody tells"), "pgbouncer"};
  const AbsentOfAny absent{world.kubernetes->poolers.is_known() ? nothing
                                                                : world.kubernetes->poolers.why()};
  return {.ns = key.first,
          .cluster = {},
          .pooler = key.second,
          .type = {},
          .pool_mode = {},
          .instances_desired = absent,
          .instances_ready = absent,
          .paused = absent,
          .processes = {}};
}

}  // namespace

Observed<bool> is_paused(const model::PgBouncer& process, const model::PooledDatabase& database) {
  if (!database.paused && !tells_pause_of_all(process)) return pause_not_told(process);
  return Observed<bool>::known(database.paused, process.databases.observed_at());
}

std::vector<Pooling> assess_poolers(const model::World& world, const config::Config& config) {
  std::map<Key, std::shared_ptr<const model::Pooler>> objects;
  std::map<Key, std::vector<std::shared_ptr<const model::PgBouncer>>> members;
  if (const auto* listed = world.kubernetes->poolers.if_known()) {
    for (const auto& object : *listed) objects[{object->meta.ns, object->meta.name}] = object;
  }
  for (const config::PgBouncerPooler& p : config.pgbouncer.poolers) {
    if (!p.instances.empty()) objects.try_emplace({p.ns, p.name});
  }
  for (const auto& process : world.pgbouncer->instances) {
    const Key key{process->id.ns, process->id.pooler};
    objects.try_emplace(key);
    members[key].push_back(process);
  }

  std::vector<Pooling> poolers;
  poolers.reserve(objects.size());
  for (const auto& [key, object] : objects) {
    Pooling pooling = begin(key, world);
    const config::PgBouncerPooler* listed = config::find_pooler(config, key.first, key.second);
    const bool by_hand = listed != nullptr && !listed->instances.empty();
    for (auto& process : members[key]) {
      if (pooling.cluster.empty()) pooling.cluster = process->id.cluster;
      pooling.processes.push_back(assess_process(std::move(process), object.get(), world.at));
    }
    if (object) {
      pooling.cluster = object->cluster;
      pooling.type = object->type;
      pooling.pool_mode = object->pool_mode;
      // The field's default is one (CNPG api/v1/pooler_types.go).
      pooling.instances_desired = Observed<std::int64_t>::known(
          object->instances.value_or(1), world.kubernetes->poolers.observed_at());
    }
    if (by_hand) {
      if (!object) pooling.cluster = listed->cluster;
      if (pooling.type.empty()) pooling.type = listed->type;
      pooling.instances_desired = Observed<std::int64_t>::known(
          static_cast<std::int64_t>(listed->instances.size()), world.at);
      pooling.instances_ready = count_up(pooling, world.at);
    } else {
      pooling.instances_ready = count_ready_pods(pooling, world);
    }
    pooling.paused = is_paused(pooling, object.get(), world);
    poolers.push_back(std::move(pooling));
  }
  return poolers;
}

}  // namespace keelwatch::analysis
