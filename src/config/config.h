// Every setting of the program with its default. The whole file is optional, and so is each part of
// it: an empty configuration watches what it can discover and says what is not set up.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  bool prometheus_rules = false;         // whether PrometheusRule objects are evaluated too
  std::string prometheus_rule_selector;  // of labels; empty: all
  Duration request_timeout = seconds(10);
  Duration health_interval = seconds(5);  // one cheap request; a missed one ages every kind
  Duration health_timeout = seconds(2);
  Duration watch_silence = seconds(180);  // a stream silent for longer is listed again
  Duration operator_utc_offset{};         // of the zone in which schedules are meant

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

// A file system of this machine that a database lives on: plain machines have no kubelet to ask.
struct FilesystemPath {
  std::string path;  // required, absolute
  std::string ns;
  std::string cluster;  // required
  std::string pod;      // the instance
  std::string role = "PG_DATA";

  bool operator==(const FilesystemPath&) const = default;
};

struct Filesystems {
  Duration interval = seconds(30);  // the kubelet itself measures once a minute
  Duration timeout = seconds(10);   // of one page, or of one path
  int kubelet_port = 10250;
  std::string kubelet_ca;  // file; empty: the API server's CA
  bool kubelet_insecure_skip_verify = false;
  std::vector<FilesystemPath> paths;

  bool operator==(const Filesystems&) const = default;
};

// A /metrics page listed by hand.
struct ScrapeTarget {
  std::string job;  // required
  std::string url;  // required, unique
  std::string ns;
  std::string cluster;
  std::string pod;
  std::string ca;           // file; empty: the system's trust store
  std::string server_name;  // that the certificate must bear; empty: the URL's host

  bool operator==(const ScrapeTarget&) const = default;
};

struct Scrape {
  bool cnpg_instances = false;  // :9187
  bool cnpg_poolers = false;    // :9127
  Duration interval = seconds(15);
  Duration timeout = seconds(5);
  double max_bytes = 16.0 * 1024 * 1024;  // of one page
  int max_series = 20'000;                // of one page
  std::string cnpg_ca;                    // file; of instances with spec.monitoring.tls
  std::vector<ScrapeTarget> targets;

  bool operator==(const Scrape&) const = default;
};

// Where the keys of an object store are read from. None given: AWS's environment variables.
struct AccessKey {
  std::string access_key_file;
  std::string secret_key_file;
  std::string session_token_file;

  bool operator==(const AccessKey&) const = default;
};

// A server whose archive is read although no Kubernetes object names it.
struct ArchivedServer {
  std::string name;  // required: barman's server name
  std::string ns;
  std::string cluster;                      // whose archive it is; empty: as the server
  std::optional<double> wal_segment_bytes;  // empty: as the archive itself says

  bool operator==(const ArchivedServer&) const = default;
};

// A bucket, or a folder of one. What it says is for every archive below its destination.
struct ObjectStore {
  std::string destination;  // required: s3://bucket/folder
  std::string endpoint;     // empty: AWS's own for `servers`, any for those of Kubernetes
  std::string region;
  std::string addressing = "auto";  // path, virtual; auto: path where there is an endpoint
  std::string ca_file;              // empty: the system's trust store
  AccessKey key;                    // unset: that of object_stores
  std::vector<ArchivedServer> servers;

  bool operator==(const ObjectStore&) const = default;
};

struct ObjectStores {
  Duration listing_interval = seconds(60);                    // of what is new
  Duration full_listing_interval = std::chrono::hours(6);     // of everything
  Duration request_timeout = seconds(30);                     // of one request
  bool deep_pass = false;                                     // whether backups are read whole
  double deep_pass_daily_bytes = 100.0 * 1024 * 1024 * 1024;  // read at most, of all stores
  AccessKey key;
  std::vector<ObjectStore> stores;

  bool operator==(const ObjectStores&) const = default;
};

// An address that is tried as a client would use it.
struct Endpoint {
  std::string name;     // empty: as the address
  std::string address;  // required: host:port, or http:// or https:// with kind http
  std::string kind = "postgres";
  std::string role = "none";  // rw, ro: what must be found there
  std::string ns;
  std::string cluster;  // the database cluster that it leads to
  std::string hop = "other";
  std::string tls_name;  // that the certificate must bear; empty: the host
  std::string socks5;    // host:port of a proxy; empty: that of endpoints
  std::optional<Duration> interval;
  std::optional<Duration> timeout;
  PostgresLogin login;  // unset keys fall back to endpoints.*

  bool operator==(const Endpoint&) const = default;
};

// A role that nothing else uses has a pool of its own behind PgBouncer.
[[nodiscard]] inline PostgresLogin probe_login() {
  PostgresLogin login;
  login.user = "keelwatch_probe";
  return login;
}

struct Endpoints {
  std::string vantage = "keelwatch";        // what this process is called as a place to look from
  bool discover = true;                     // Services, poolers and Pods that Kubernetes tells of
  Duration interval = seconds(15);          // between two probes of an address
  Duration timeout = seconds(5);            // of each step of a probe
  int failures = 2;                         // in a row, before an address counts as failing
  Duration failure_interval = seconds(20);  // to the probe that confirms a failure
  bool canary = true;                       // hold one session to each PostgreSQL address
  bool large_result = true;                 // ask for 8 KiB, too
  std::string socks5;                       // host:port; empty: no proxy
  PostgresLogin login = probe_login();
  std::vector<Endpoint> addresses;

  bool operator==(const Endpoints&) const = default;
};

// A machine that nodes run on, or any other place that fails as a whole.
struct PlacementHost {
  std::string name;                        // required, unique
  std::vector<std::string> nodes;          // Kubernetes' names
  std::vector<std::string> object_stores;  // endpoints of those that keep their data there

  bool operator==(const PlacementHost&) const = default;
};

// What Kubernetes does not know of where things are. No node and no endpoint is on two hosts.
struct Placement {
  std::vector<PlacementHost> hosts;

  bool operator==(const Placement&) const = default;
};

// What the rules compare with; exported as keelwatch_threshold_<name>{namespace,cluster}.
struct Thresholds {
  double replication_lag_bytes = 256.0 * 1024 * 1024;
  Duration replication_lag = seconds(60);
  double slot_retained_bytes = 4.0 * 1024 * 1024 * 1024;
  double connections_ratio = 0.9;  // of max_connections
  Duration long_transaction = std::chrono::hours(1);
  Duration idle_in_transaction = std::chrono::minutes(15);
  Duration prepared_transaction = std::chrono::hours(1);
  int xmin_age = 50'000'000;           // transactions
  double transaction_ids_ratio = 0.4;  // of the two billion that there are
  Duration archive_delay = std::chrono::minutes(15);
  Duration restore_drill = std::chrono::hours(6);
  Duration restore_drill_interval = std::chrono::hours(35 * 24);
  Duration certificate_expiry = std::chrono::hours(6 * 24);
  Duration pooler_wait = seconds(5);
  double filesystem_available_ratio = 0.1;
  double filesystem_critical_ratio = 0.03;
  Duration backup_delay = std::chrono::hours(1);
  Duration volume_degraded = std::chrono::minutes(30);

  bool operator==(const Thresholds&) const = default;
};

// Other thresholds for one cluster; those that it does not set are thresholds.*.
struct ThresholdOverride {
  std::string ns;       // empty: any
  std::string cluster;  // required
  Thresholds values;

  bool operator==(const ThresholdOverride&) const = default;
};

// One Alertmanager, or with `discover` every address that its host's name has.
struct Alertmanager {
  std::string url = {};   // required; with the path prefix, if there is one
  bool discover = false;  // a headless Service: each address is an Alertmanager of its own
  std::string user = {};  // basic authentication
  std::string password_file = {};
  std::string bearer_token_file = {};
  std::string ca_file = {};  // empty: the system's trust store
  std::string cert_file = {};
  std::string key_file = {};
  std::string server_name = {};  // that the certificate must bear; empty: the URL's host
  bool insecure_skip_verify = false;
  Duration timeout = seconds(10);  // of one request

  bool operator==(const Alertmanager&) const = default;
};

enum class RelabelAction {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase,
};

// As in Prometheus' relabel_config.
struct Relabel {
  RelabelAction action = RelabelAction::kReplace;
  std::vector<std::string> source_labels = {};
  std::string separator = ";";
  std::string regex = "(.*)";
  std::string replacement = "$1";
  std::string target_label = {};
  std::optional<int> modulus = {};

  bool operator==(const Relabel&) const = default;
};

// The dead-man's switch: somebody outside raises the alarm when it falls silent.
struct Heartbeat {
  std::string url = {};       // neither: none
  std::string url_file = {};  // for a URL that is a secret
  bool post = false;
  Duration interval = std::chrono::minutes(1);
  Duration timeout = seconds(10);
  std::string ca_file = {};  // empty: the system's trust store

  bool operator==(const Heartbeat&) const = default;
};

using LabelPairs = std::vector<std::pair<std::string, std::string>>;

struct Alerts {
  std::vector<Alertmanager> alertmanagers = {};
  LabelPairs external_labels = {};
  std::vector<Relabel> relabel = {};
  Duration end_after = std::chrono::minutes(30);
  std::string external_url = {};      // empty: alerts name no origin
  std::string runbook_base_url = {};  // empty: the links of the rules as they are
  std::string state_file = {};        // empty: alerts are forgotten with the process
  Heartbeat heartbeat = {};

  bool operator==(const Alerts&) const = default;
};

struct Rules {
  std::vector<std::string> files = {};    // globs; empty: the bundled rules
  std::vector<std::string> disable = {};  // names of rules that are not evaluated

  bool operator==(const Rules&) const = default;
};

struct Config {
  Duration step_interval = seconds(5);
  Kubernetes kubernetes;
  Postgres postgres;
  PgBouncer pgbouncer;
  Filesystems filesystems;
  Scrape scrape;
  ObjectStores object_stores;
  Endpoints endpoints;
  Placement placement;
  Thresholds thresholds;
  std::vector<ThresholdOverride> threshold_overrides;
  Rules rules;
  Alerts alerts;

  bool operator==(const Config&) const = default;
};

// The thresholds of one cluster: of the override with its namespace, else of the one for any
// namespace, else the common ones.
[[nodiscard]] Thresholds thresholds_for(const Config& config, std::string_view ns,
                                        std::string_view cluster);

// Whether the cluster's instances are listed by hand.
[[nodiscard]] bool lists_instances(const Config& config, std::string_view ns,
                                   std::string_view cluster);

// The pooler that is listed by hand under that name, or nullptr.
[[nodiscard]] const PgBouncerPooler* find_pooler(const Config& config, std::string_view ns,
                                                 std::string_view pooler);

}  // namespace keelwatch::config
