// keelwatch_database_*: each database of a cluster, as its primary sees it, and what only the
// instance itself can say of its files: collations and checksums.
#include <algorithm>
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;
using model::DatabaseFacts;

constexpr Family kSize("keelwatch_database_size_bytes", Type::kGauge,
                       "pg_database_size() on the primary; absent while it does not tell.",
                       {"namespace", "cluster", "database"});
constexpr Family kXidAge("keelwatch_database_transaction_ids_ratio", Type::kGauge,
                         "Share of the 2^31 transaction ids (kind xid, from age(datfrozenxid)) or "
                         "multixact ids (mxid) that are used up until vacuum freezes, on the "
                         "primary; absent while it does not answer.",
                         {"namespace", "cluster", "database", "kind"});
constexpr Family kDeadlocks("keelwatch_database_deadlocks_total", Type::kCounter,
                            "Deadlocks on the primary, from pg_stat_database; absent while it does "
                            "not answer.",
                            {"namespace", "cluster", "database"});
constexpr Family kCommits("keelwatch_database_commits_total", Type::kCounter,
                          "Transactions committed on the primary, from pg_stat_database; absent "
                          "while it does not answer.",
                          {"namespace", "cluster", "database"});
constexpr Family kRollbacks(
    "keelwatch_database_rollbacks_total", Type::kCounter,
    "Transactions rolled back on the primary, from pg_stat_database; absent "
    "while it does not answer.",
    {"namespace", "cluster", "database"});
constexpr Family kUnlogged(
    "keelwatch_database_unlogged_tables", Type::kGauge,
    "Tables whose content a crash or failover empties, on the primary; absent "
    "while nobody could look into the database.",
    {"namespace", "cluster", "database"});
constexpr Family kConflicts(
    "keelwatch_database_conflicts_total", Type::kCounter,
    "Queries that replay cancelled on the standby, over all databases, from "
    "pg_stat_database; absent while it does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kChecksums(
    "keelwatch_database_checksum_failures_total", Type::kCounter,
    "Pages whose checksum was wrong, over all databases, from "
    "pg_stat_database; absent without data checksums and while the instance "
    "does not answer.",
    {"namespace", "cluster", "pod"});
constexpr Family kCollations(
    "keelwatch_database_collation_mismatches", Type::kGauge,
    "Databases and collations whose recorded version is not the library's, "
    "so that their indexes may be wrong; absent while the instance does not "
    "answer, or shows none and not every database could be looked into.",
    {"namespace", "cluster", "pod"});

constexpr std::array<const Family*, 9> kFamilies = {&kSize,      &kXidAge,    &kDeadlocks,
                                                    &kCommits,   &kRollbacks, &kUnlogged,
                                                    &kConflicts, &kChecksums, &kCollations};

// PostgreSQL manual, 24.1.5: ids are compared modulo 2^32, half of them are "the past".
constexpr double kIds = 2147483648.0;

void write_database(const model::InstanceId& id, const DatabaseFacts& database, WallTime at,
                    metrics::Writer& writer) {
  const std::string_view ns = id.ns;
  const std::string_view cluster = id.cluster;
  const auto labels = {ns, cluster, std::string_view(database.name)};
  const auto ratio = [&](std::int64_t age) {
    return Observed<double>::known(static_cast<double>(age) / kIds, at);
  };
  writer.write(kXidAge, {ns, cluster, database.name, "xid"}, ratio(database.xid_age));
  writer.write(kXidAge, {ns, cluster, database.name, "mxid"}, ratio(database.mxid_age));
  writer.write(kDeadlocks, labels, Observed<std::int64_t>::known(database.deadlocks, at));
  writer.write(kCommits, labels, Observed<std::int64_t>::known(database.commits, at));
  writer.write(kRollbacks, labels, Observed<std::int64_t>::known(database.rollbacks, at));
}

void write_primary(const model::Instance& primary, metrics::Writer& writer) {
  if (const auto* databases = primary.databases.if_known()) {
    for (const DatabaseFacts& database : *databases) {
      write_database(primary.id, database, primary.databases.observed_at(), writer);
    }
  }
  if (const auto* sizes = primary.database_sizes.if_known()) {
    for (const model::DatabaseSize& size : *sizes) {
      writer.write(kSize, {primary.id.ns, primary.id.cluster, size.name},
                   Observed<std::int64_t>::known(size.bytes, primary.database_sizes.observed_at()));
    }
  }
  for (const model::DatabaseAnswer& database : primary.contents) {
    writer.write(
        kUnlogged, {primary.id.ns, primary.id.cluster, database.name},
        database.content.map([](const model::DatabaseContent& c) { return c.unlogged_tables; }));
  }
}

bool mismatches(const DatabaseFacts& database) {
  return !database.collation_recorded.empty() && !database.collation_actual.empty() &&
         database.collation_recorded != database.collation_actual;
}

// None is none only where every database that admits connections was looked into.
std::optional<std::int64_t> count_mismatches(const std::vector<DatabaseFacts>& databases,
                                             const std::vector<model::DatabaseAnswer>& contents) {
  std::int64_t count = 0;
  bool looked = true;
  for (const DatabaseFacts& database : databases) {
    count += mismatches(database) ? 1 : 0;
    if (!database.allows_connections) continue;
    const auto answer = std::ranges::find(contents, database.name, &model::DatabaseAnswer::name);
    const model::DatabaseContent* content =
        answer == contents.end() ? nullptr : answer->content.if_known();
    looked = looked && content != nullptr;
    if (content != nullptr) count += static_cast<std::int64_t>(content->collations.size());
  }
  if (count == 0 && !looked) return std::nullopt;
  return count;
}

// An image change reaches standbys at another time than the primary: each says so for itself.
void write_files(const model::Instance& instance, metrics::Writer& writer) {
  using Databases = std::vector<DatabaseFacts>;
  const auto labels = {std::string_view(instance.id.ns), std::string_view(instance.id.cluster),
                       std::string_view(instance.id.pod)};
  const auto& databases = instance.databases;
  if (!analysis::is_writable(instance)) {
    writer.write(kConflicts, labels, databases.map([](const Databases& all) {
      std::int64_t sum = 0;
      for (const DatabaseFacts& d : all) sum += d.conflicts;
      return sum;
    }));
  }
  writer.write(kChecksums, labels, databases.map([](const Databases& all) {
    std::optional<std::int64_t> sum;
    for (const DatabaseFacts& d : all) {
      if (d.checksum_failures) sum = (sum ? *sum : 0) + *d.checksum_failures;
    }
    return sum;
  }));
  writer.write(kCollations, labels, databases.map([&](const Databases& all) {
    return count_mismatches(all, instance.contents);
  }));
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::ClusterTopology& cluster : input.assessment.clusters) {
    if (cluster.primary) write_primary(*cluster.primary, writer);
    for (const auto& instance : cluster.instances) write_files(*instance, writer);
  }
}

}  // namespace

const Collector& database_collector() {
  static constexpr Collector collector{"cluster", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
