#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "config/limits.h"
#include "sources/postgres/pgbouncer_answers.h"

namespace keelwatch::sources {
namespace {

using model::PgBouncerTotals;
using model::Pool;
using model::PoolTraffic;

constexpr std::string_view kPools = "cnpg_pgbouncer_pools_";
constexpr std::string_view kStats = "cnpg_pgbouncer_stats_";
constexpr std::string_view kLists = "cnpg_pgbouncer_lists_";
constexpr std::string_view kConsole = "pgbouncer";
constexpr double kMostExact = 9'007'199'254'740'992.0;  // 2^53

// What a row has to have got before it is believed, as bits.
template <typename T>
struct Filled {
  T row;
  unsigned seen = 0;
  Duration seconds{};  // the two parts of a wait
  Duration micros{};
};

// A metric and the member that it fills in.
template <typename T>
struct Count {
  std::string_view metric;
  std::int64_t T::* place;
};

constexpr std::array<Count<Pool>, 6> kPoolCounts = {{{"cl_active", &Pool::clients_active},
                                                     {"cl_waiting", &Pool::clients_waiting},
                                                     {"sv_active", &Pool::servers_active},
                                                     {"sv_idle", &Pool::servers_idle},
                                                     {"sv_used", &Pool::servers_used},
                                                     {"sv_login", &Pool::servers_login}}};
constexpr std::array<Count<PoolTraffic>, 4> kTrafficCounts = {
    {{"total_xact_count", &PoolTraffic::transactions},
     {"total_query_count", &PoolTraffic::queries},
     {"total_received", &PoolTraffic::received_bytes},
     {"total_sent", &PoolTraffic::sent_bytes}}};
constexpr std::array<Count<PgBouncerTotals>, 4> kTotals = {
    {{"databases", &PgBouncerTotals::databases},
     {"pools", &PgBouncerTotals::pools},
     {"used_clients", &PgBouncerTotals::clients},
     {"used_servers", &PgBouncerTotals::servers}}};

Error no_count(std::string_view metric) {
  return {ErrorCode::kMalformed, "metric " + std::string(metric) + " is no count"};
}

// Whether it was one of the table's metrics.
template <typename T, std::size_t N>
bool fill(const std::array<Count<T>, N>& table, std::string_view metric, std::int64_t value,
          Filled<T>& into) {
  for (std::size_t i = 0; i < N; ++i) {
    if (table[i].metric != metric) continue;
    into.row.*table[i].place = value;
    into.seen |= 1U << i;
    return true;
  }
  return false;
}

// The name of the first metric that a row lacks; empty: it is whole.
template <typename T, std::size_t N>
std::string_view lacking(const std::array<Count<T>, N>& table, const Filled<T>& filled) {
  for (std::size_t i = 0; i < N; ++i) {
    if ((filled.seen & (1U << i)) == 0) return table[i].metric;
  }
  return {};
}

std::string_view mode_of(std::int64_t number) {
  constexpr std::array<std::string_view, 4> kModes = {"", "session", "transaction", "statement"};
  return number > 0 && number < 4 ? kModes[static_cast<std::size_t>(number)] : kModes[0];
}

class PageReader {
 public:
  PoolerPage read(const metrics::ParsedPage& page) {
    for (const metrics::ParsedSample& sample : page.samples) {
      const std::string_view name = sample.labels.get("__name__");
      if (name == "cnpg_pgbouncer_last_collection_error") last_failed_ = sample.value != 0;
      for (const std::string_view part : {kPools, kStats, kLists}) {
        if (name.starts_with(part)) take(part, name.substr(part.size()), sample);
      }
    }
    return {pools(), traffic(), totals(), last_failed_ && !any_};
  }

 private:
  void take(std::string_view part, std::string_view metric, const metrics::ParsedSample& sample) {
    any_ = true;
    // Averages and the mode may be below zero; they are not read as counts.
    if (metric.starts_with("avg_")) return;
    if (metric == "pool_mode") return take_mode(sample);
    if (!(sample.value >= 0 && sample.value <= kMostExact)) {
      if (!error_) error_ = no_count(std::string(part) + std::string(metric));
      return;
    }
    const auto value = static_cast<std::int64_t>(sample.value);
    if (part == kLists) {
      fill(kTotals, metric, value, totals_);
      return;
    }
    const std::string database(sample.labels.get("database"));
    if (database == kConsole) {
      (part == kPools ? saw_pools_ : saw_stats_) = true;
      return;
    }
    if (part == kPools) {
      take_pool(pools_[{database, std::string(sample.labels.get("user"))}], metric, value);
    } else {
      take_traffic(traffic_[database], metric, value);
    }
  }

  void take_mode(const metrics::ParsedSample& sample) {
    if (sample.labels.get("database") == kConsole || !(std::abs(sample.value) < 10)) return;
    pools_[{std::string(sample.labels.get("database")), std::string(sample.labels.get("user"))}]
        .row.mode = mode_of(static_cast<std::int64_t>(sample.value));
  }

  void take_pool(Filled<Pool>& pool, std::string_view metric, std::int64_t value) {
    if (fill(kPoolCounts, metric, value, pool)) return;
    const bool seconds = metric == "maxwait";
    if (!seconds && metric != "maxwait_us") return;
    if (value > 1'000'000'000) {
      if (!error_) error_ = no_count("cnpg_pgbouncer_pools_maxwait");
      return;
    }
    if (seconds) {
      pool.seconds = std::chrono::seconds(value);
      pool.seen |= kWaitSeen;
    } else {
      pool.micros = std::chrono::microseconds(value);
    }
  }

  void take_traffic(Filled<PoolTraffic>& traffic, std::string_view metric, std::int64_t value) {
    if (fill(kTrafficCounts, metric, value, traffic)) return;
    const bool wait = metric == "total_wait_time";
    if (!wait && metric != "total_query_time") return;
    (wait ? traffic.row.wait_time : traffic.row.query_time) = std::chrono::microseconds(value);
    traffic.seen |= wait ? kWaitSeen : kQuerySeen;
  }

  static Error missing(std::string_view part, std::string_view metric) {
    return {ErrorCode::kMalformed, "the page has no " + std::string(part) + std::string(metric)};
  }

  Result<std::vector<Pool>> pools() {
    if (error_) return *error_;
    if (!saw_pools_ && pools_.empty()) return missing(kPools, "cl_active");
    if (pools_.size() > limits::kPostgresRows) return too_many(pools_.size());
    std::vector<Pool> list;
    for (auto& [key, filled] : pools_) {
      const std::string_view metric = lacking(kPoolCounts, filled);
      if (!metric.empty()) return missing(kPools, metric);
      if ((filled.seen & kWaitSeen) == 0) return missing(kPools, "maxwait");
      filled.row.longest_wait = filled.seconds + filled.micros;
      filled.row.database = key.first;
      filled.row.user = key.second;
      list.push_back(std::move(filled.row));
    }
    return list;
  }

  Result<std::vector<PoolTraffic>> traffic() {
    if (error_) return *error_;
    if (!saw_stats_ && traffic_.empty()) return missing(kStats, "total_query_count");
    if (traffic_.size() > limits::kPostgresRows) return too_many(traffic_.size());
    std::vector<PoolTraffic> list;
    for (auto& [database, filled] : traffic_) {
      const std::string_view metric = lacking(kTrafficCounts, filled);
      if (!metric.empty()) return missing(kStats, metric);
      if ((filled.seen & kWaitSeen) == 0) return missing(kStats, "total_wait_time");
      if ((filled.seen & kQuerySeen) == 0) return missing(kStats, "total_query_time");
      filled.row.database = database;
      list.push_back(std::move(filled.row));
    }
    return list;
  }

  Result<PgBouncerTotals> totals() {
    if (error_) return *error_;
    const std::string_view metric = lacking(kTotals, totals_);
    if (!metric.empty()) return missing(kLists, metric);
    return totals_.row;
  }

  static Error too_many(std::size_t count) {
    return {ErrorCode::kTooLarge, std::to_string(count) + " pools"};
  }

  static constexpr unsigned kWaitSeen = 1U << 16U;
  static constexpr unsigned kQuerySeen = 1U << 17U;

  std::map<std::pair<std::string, std::string>, Filled<Pool>> pools_;
  std::map<std::string, Filled<PoolTraffic>> traffic_;
  Filled<PgBouncerTotals> totals_;
  std::optional<Error> error_;
  bool saw_pools_ = false;
  bool saw_stats_ = false;
  bool any_ = false;  // PgBouncer answered its instance manager
  bool last_failed_ = false;
};

}  // namespace

PoolerPage decode_page(const metrics::ParsedPage& page) { return PageReader().read(page); }

}  // namespace keelwatch::sources
