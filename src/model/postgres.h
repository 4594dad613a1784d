// What each PostgreSQL instance answers. Facts that are compared with each other come from one
// statement.
#pragma once

#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/fields.h"
#include "model/postgres_facts.h"
#include "model/source_report.h"

namespace keelwatch::model {

// Identity of an instance: stable over restarts, moves and failovers.
struct InstanceId {
  std::string ns;       // empty outside Kubernetes
  std::string cluster;  // the CNPG Cluster, or the name given in the configuration
  std::string pod;      // the Pod, or the instance name given in the configuration
  auto operator<=>(const InstanceId&) const = default;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("namespace", &InstanceId::ns), field("cluster", &InstanceId::cluster),
                field("pod", &InstanceId::pod));
  }
};

// "namespace/pod"; "cluster/pod" outside Kubernetes: how reports, logs and reasons name an
// instance.
[[nodiscard]] inline std::string text(const InstanceId& id) {
  return (id.ns.empty() ? id.cluster : id.ns) + "/" + id.pod;
}

// What happened at the last attempt to talk to the instance.
enum class Reachability {
  kConnecting,  // no attempt has ended yet, or none since a held connection was lost
  kConnected,
  kRefused,             // nobody listens there: the host itself says so
  kUnreachable,         // no route, reset, or what answers is no PostgreSQL
  kSilent,              // the deadline passed: frozen, black hole
  kNameUnknown,         // DNS
  kTlsFailed,           // verification or handshake
  kAuthFailed,          // wrong password, no such role, pg_hba
  kTooManyConnections,  // 53300
  kStartingUp,          // 57P03
  kShuttingDown,        // 57P03
  kNotSetUp,            // no credential given
};
[[nodiscard]] std::string_view to_string(Reachability reachability);
[[nodiscard]] std::optional<Reachability> parse_reachability(std::string_view text);

// How often an answer is asked for: with every round; for directories, sizes and settings; over a
// connection of its own to each database.
enum class Pace { kRound, kSlow, kDatabases };

// One database as seen from within.
struct DatabaseAnswer {
  std::string name;
  Observed<DatabaseContent> content;
  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &DatabaseAnswer::name), field("content", &DatabaseAnswer::content));
  }
};

// Everything one instance said. Each Observed is one answer (one statement): known, unknown (with
// the missing grant named where the role may not see it), or not installed in this version. Answers
// of Pace::kRound end with the connection; slower ones keep their own age.
struct Instance {
  InstanceId id;
  std::string address;  // host:port as connected to
  Reachability reachability = Reachability::kConnecting;
  std::string reachability_detail;  // the error text; empty when connected
  Observed<ServerFacts> server;
  Observed<std::vector<Sender>> senders;
  Observed<std::vector<WalReceiver>> wal_receiver;  // no row = no receiver
  Observed<std::vector<Slot>> slots;                // sorted by name
  Observed<Archiver> archiver;
  Observed<Activity> activity;
  Observed<std::vector<XminHolder>> xmin_holders;
  Observed<PreparedTransactions> prepared;
  Observed<std::vector<DatabaseFacts>> databases;  // sorted by name
  Observed<std::vector<Subscription>> subscriptions;
  Observed<std::vector<DatabaseSize>> database_sizes;
  Observed<WalDirectory> wal_directory;
  Observed<Settings> settings;
  // Of the newest handshake; not installed: the connection uses no TLS.
  Observed<ServerCertificate> certificate;
  std::vector<DatabaseAnswer> contents;  // of the databases that admit connections, sorted by name

  template <typename With>
  static auto fields(With&& with) {
    using I = Instance;
    return with(
        field("id", &I::id), field("address", &I::address), field("reachability", &I::reachability),
        field("reachabilityDetail", &I::reachability_detail), field("server", &I::server),
        field("senders", &I::senders), field("walReceiver", &I::wal_receiver),
        field("slots", &I::slots), field("archiver", &I::archiver), field("activity", &I::activity),
        field("xminHolders", &I::xmin_holders), field("prepared", &I::prepared),
        field("databases", &I::databases), field("subscriptions", &I::subscriptions),
        field("databaseSizes", &I::database_sizes), field("walDirectory", &I::wal_directory),
        field("settings", &I::settings), field("certificate", &I::certificate),
        field("contents", &I::contents));
  }

  // Calls f(place, pace) with the member of each answer, an Observed<T> Instance::*.
  template <typename F>
  static void for_each_answer(F&& f) {
    using I = Instance;
    f(&I::server, Pace::kRound);
    f(&I::senders, Pace::kRound);
    f(&I::wal_receiver, Pace::kRound);
    f(&I::slots, Pace::kRound);
    f(&I::archiver, Pace::kRound);
    f(&I::activity, Pace::kRound);
    f(&I::xmin_holders, Pace::kRound);
    f(&I::prepared, Pace::kRound);
    f(&I::databases, Pace::kRound);
    f(&I::subscriptions, Pace::kRound);
    f(&I::database_sizes, Pace::kSlow);
    f(&I::wal_directory, Pace::kSlow);
    f(&I::settings, Pace::kSlow);
    f(&I::certificate, Pace::kDatabases);
  }

  // Every answer absent for that reason.
  [[nodiscard]] static Instance absent(InstanceId id, const Why& why);
};

// What the Postgres source publishes: one Instance per target, sorted by id.
struct PostgresSlice {
  std::vector<std::shared_ptr<const Instance>> instances;
  std::vector<SourceReport> reports;  // target = "namespace/pod", or "cluster/instance"

  template <typename With>
  static auto fields(With&& with) {
    return with(field("instances", &PostgresSlice::instances),
                field("reports", &PostgresSlice::reports));
  }
};

}  // namespace keelwatch::model
