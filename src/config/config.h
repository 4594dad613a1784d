// Every setting of the program with its default. The whole file is optional, and so is each part of
// it: an empty configuration watches what it can discover and says what is not set up.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace keelwatch::config {

using std::chrono::milliseconds;
using std::chrono::seconds;

enum class Switch { kAuto, kOn, kOff };  // auto: if there is a service account or a kubeconfig

struct Kubernetes {
  Switch enabled = Switch::kAuto;
  std::string kubeconfig;  // file; empty: $KUBECONFIG, else in-cluster, else ~/.kube/config
  std::string context;     // empty: current-context
  std::vector<std::string> namespaces;  // of watched databases; empty: all
  // Of the operators' Leases and Deployments; empty: all, or none where `namespaces` is set.
  std::vector<std::string> operator_namespaces;
  Duration request_timeout = seconds(10);
  Duration health_interval = seconds(5);  // one cheap request; a missed one ages every kind
  Duration health_timeout = seconds(2);
  Duration watch_silence = seconds(180);  // a stream silent for longer is listed again

  bool operator==(const Kubernetes&) const = default;
};

// How to log in. For discovered clusters these defaults apply to all of them.
struct PostgresLogin {
  std::string user = "keelwatch";
  std::string password_file;  // first line is the password
  std::string passfile;       // libpq's .pgpass format
  std::string dbname = "postgres";
  std::string sslmode = "verify-full";
  std::string sslrootcert;  // CA file
  std::string sslcert;
  std::string sslkey;

  bool operator==(const PostgresLogin&) const = default;
};

struct PostgresInstance {
  std::string name;  // required, unique within its cluster
  std::string host;  // required: name, address or socket directory
  std::string hostaddr;
  int port = 5432;

  bool operator==(const PostgresInstance&) const = default;
};

// A cluster listed by hand: works without Kubernetes. With the namespace and name of a discovered
// Cluster it only overrides that one's login.
struct PostgresCluster {
  std::string ns;
  std::string name;                         // required
  std::optional<int> instances_desired;     // default: the number of instances listed
  std::vector<PostgresInstance> instances;  // empty: discovered
  PostgresLogin login;                      // unset keys fall back to postgres.*

  bool operator==(const PostgresCluster&) const = default;
};

struct Postgres {
  Duration interval = seconds(2);  // between two rounds of statements
  Duration connect_timeout = seconds(2);
  Duration query_timeout = seconds(2);   // also statement_timeout on the server
  Duration probe_interval = seconds(5);  // trial connect that notices "shutting down"
  Duration slow_interval = seconds(60);  // of directories, sizes and settings
  Duration databases_interval = std::chrono::minutes(10);  // of a look into each database
  int port = 5432;                                         // of discovered pods
  PostgresLogin login;
  std::vector<PostgresCluster> clusters;

  bool operator==(const Postgres&) const = default;
};

// How PgBouncer is asked: through its admin console, through the metrics of a CNPG pooler, or
// (auto) through the console where a login for it is given and else through the metrics.
enum class PgBouncerVia { kAuto, kConsole, kMetrics };

struct PgBouncerInstance {
  std::string name;  // required, unique within its pooler
  std::string host;  // required: name, address or socket directory
  std::string hostaddr;
  int port = 6432;          // of clients and of the console
  int metrics_port = 9127;  // with via: metrics

  bool operator==(const PgBouncerInstance&) const = default;
};

// A pooler listed by hand: works without Kubernetes. With the namespace and name of a discovered
// Pooler and without instances it only overrides that one's login.
struct PgBouncerPooler {
  std::string ns;
  std::string name;     // required
  std::string cluster;  // the database cluster that it leads to
  std::string type;     // rw, ro, r; empty: not told
  std::vector<PgBouncerInstance> instances;
  PostgresLogin login;  // unset keys fall back to pgbouncer.*; without dbname

  bool operator==(const PgBouncerPooler&) const = default;
};

struct PgBouncer {
  PgBouncerVia via = PgBouncerVia::kAuto;
  Duration interval = seconds(5);  // between two rounds of SHOW, or two looks at the metrics
  Duration connect_timeout = seconds(2);
  Duration query_timeout = seconds(2);  // of one SHOW, or of one page
  int port = 5432;                      // of the console in discovered pods
  int metrics_port = 9127;              // of discovered pods
  PostgresLogin login;                  // without dbname
  std::vector<PgBouncerPooler> poolers;

  bool operator==(const PgBouncer&) const = default;
};

// What the rules compare with; exported as keelwatch_threshold_<name>{namespace,cluster}.
struct Thresholds {
  double replication_lag_bytes = 256.0 * 1024 * 1024;
  Duration replication_lag = seconds(60);
  Duration pooler_wait = seconds(5);

  bool operator==(const Thresholds&) const = default;
};

struct ThresholdOverride {
  std::string ns;
  std::string cluster;  // required
  std::optional<double> replication_lag_bytes;
  std::optional<Duration> replication_lag;
  std::optional<Duration> pooler_wait;

  bool operator==(const ThresholdOverride&) const = default;
};

struct Alerts {
  std::string runbook_base_url;  // empty: the links of the rules as they are

  bool operator==(const Alerts&) const = default;
};

struct Config {
  Duration step_interval = seconds(5);
  Kubernetes kubernetes;
  Postgres postgres;
  PgBouncer pgbouncer;
  Thresholds thresholds;
  std::vector<ThresholdOverride> threshold_overrides;
  Alerts alerts;

  bool operator==(const Config&) const = default;
};

// The thresholds of one cluster. An override with its namespace goes before one for any namespace.
[[nodiscard]] Thresholds thresholds_for(const Config& config, std::string_view ns,
                                        std::string_view cluster);

// Whether the cluster's instances are listed by hand.
[[nodiscard]] bool lists_instances(const Config& config, std::string_view ns,
                                   std::string_view cluster);

// The pooler that is listed by hand under that name, or nullptr.
[[nodiscard]] const PgBouncerPooler* find_pooler(const Config& config, std::string_view ns,
                                                 std::string_view pooler);

}  // namespace keelwatch::config
