// The one table of settings. visit_settings(visitor, part) shows every setting of a part to a
// visitor: its key, the field itself, what the field may hold, and one sentence about it. Loading,
// "did you mean", printing and the documentation are visitors, so none of them can disagree.
//
// Internal to config/: others include config.h and load.h.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "base/mapping_reader.h"
#include "config/config.h"

namespace keelwatch::config {

// What a field may hold.
struct AnyText {};
struct SomeText {};      // not empty
struct RequiredText {};  // given, and not empty
struct FileName {};      // relative ones are meant from the configuration file's folder
struct TextList {};
struct ByteCount {};  // more than zero
struct Between {
  Duration min;
  Duration max;
};
struct OneOf {
  std::span<const std::string_view> words;
};

inline constexpr IntegerRange kPort = {.min = 1, .max = 65535};
inline constexpr Between kTimeout = {milliseconds(10), std::chrono::minutes(5)};
inline constexpr Between kInterval = {milliseconds(50), std::chrono::hours(1)};
inline constexpr Between kLag = {milliseconds(1), std::chrono::hours(24 * 365)};

// libpq's (PostgreSQL manual, "SSL Mode Descriptions").
inline constexpr std::array<std::string_view, 6> kSslModes = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
struct SwitchWords {};
inline constexpr std::array<std::pair<std::string_view, Switch>, 5> kSwitchWords = {{
    {"auto", Switch::kAuto},
    {"on", Switch::kOn},
    {"off", Switch::kOff},
    {"true", Switch::kOn},  // what YAML tools make of on and off
    {"false", Switch::kOff},
}};

struct ViaWords {};
inline constexpr std::array<std::pair<std::string_view, PgBouncerVia>, 3> kViaWords = {{
    {"auto", PgBouncerVia::kAuto},
    {"console", PgBouncerVia::kConsole},
    {"metrics", PgBouncerVia::kMetrics},
}};
// CNPG's (api/v1/pooler_types.go, PoolerType).
inline constexpr std::array<std::string_view, 4> kPoolerTypes = {"rw", "ro", "r", ""};

// A visitor has:
//   value(key, field, rule, sentence)
//   section(key, part, sentence)               part: a struct with settings of its own
//   list(key, vector, prototype, sentence)     prototype: what a new item starts as

template <typename Visitor>
void visit_settings(Visitor& v, Kubernetes& k) {
  v.value("enabled", k.enabled, SwitchWords{},
          "Whether to watch Kubernetes: auto does if there is a service account or a kubeconfig.");
  v.value("kubeconfig", k.kubeconfig, FileName{},
          "Kubeconfig file; empty: $KUBECONFIG, else the service account, else ~/.kube/config.");
  v.value("context", k.context, AnyText{}, "Context of the kubeconfig; empty: its current one.");
  v.value("namespaces", k.namespaces, TextList{},
          "Namespaces whose databases are watched; empty: all.");
  v.value("operator_namespaces", k.operator_namespaces, TextList{},
          "Namespaces of the operators that the databases need; empty: all, or, where namespaces "
          "is set, none are watched.");
  v.value("request_timeout", k.request_timeout, kTimeout, "Deadline of one request.");
  v.value("health_interval", k.health_interval, kInterval,
          "Time between two checks of the API server; a missed one ages what was read from it.");
  v.value("health_timeout", k.health_timeout, kTimeout, "Deadline of such a check.");
  v.value("watch_silence", k.watch_silence, kInterval,
          "A watch that is silent for longer is started anew from a list.");
}

template <typename Visitor>
void visit_settings(Visitor& v, PostgresLogin& l) {
  v.value("user", l.user, SomeText{}, "Role to log in as; it needs pg_monitor.");
  v.value("password_file", l.password_file, FileName{},
          "File whose first line is the password; read again when it changes.");
  v.value("passfile", l.passfile, FileName{}, "Password file in libpq's .pgpass format.");
  v.value("dbname", l.dbname, SomeText{}, "Database to connect to.");
  v.value("sslmode", l.sslmode, OneOf{kSslModes}, "How far TLS is demanded, as libpq names it.");
  v.value("sslrootcert", l.sslrootcert, FileName{},
          "File of the CA that the server is checked with.");
  v.value("sslcert", l.sslcert, FileName{}, "File of the client certificate.");
  v.value("sslkey", l.sslkey, FileName{}, "File of the client certificate's key.");
}

template <typename Visitor>
void visit_settings(Visitor& v, PostgresInstance& i) {
  v.value("name", i.name, RequiredText{}, "Name of the instance, unique within its cluster.");
  v.value("host", i.host, RequiredText{},
          "Host name, address or socket folder; the name that the server's certificate must bear.");
  v.value("hostaddr", i.hostaddr, AnyText{},
          "Address to connect to, if it is not what host resolves to.");
  v.value("port", i.port, kPort, "Port of the instance.");
}

template <typename Visitor>
void visit_settings(Visitor& v, PostgresCluster& c) {
  v.value("namespace", c.ns, AnyText{},
          "Namespace of the cluster; may be empty without Kubernetes.");
  v.value("name", c.name, RequiredText{},
          "Name of the cluster; that of a discovered one overrides how to log in there.");
  v.value("instances_desired", c.instances_desired, IntegerRange{.min = 1, .max = 1000},
          "How many instances there should be; unset: as many as are listed.");
  v.list("instances", c.instances, PostgresInstance(), "Its instances; empty: those discovered.");
  visit_settings(v, c.login);
}

inline PostgresCluster cluster_with(const PostgresLogin& login) {
  PostgresCluster cluster;
  cluster.login = login;
  return cluster;
}

template <typename Visitor>
void visit_settings(Visitor& v, Postgres& p) {
  v.value("interval", p.interval, kInterval, "Time between two rounds of statements.");
  v.value("connect_timeout", p.connect_timeout, kTimeout, "Deadline of a connect with its login.");
  v.value("query_timeout", p.query_timeout, kTimeout,
          "Deadline of a statement; also its statement_timeout on the server.");
  v.value("probe_interval", p.probe_interval, kInterval,
          "Time between two trial connects, which notice a server that shuts down.");
  v.value("slow_interval", p.slow_interval, kInterval,
          "Time between two looks at directories, sizes and settings.");
  v.value("databases_interval", p.databases_interval, kInterval,
          "Time between two looks into each database, over a connection of its own.");
  v.value("port", p.port, kPort, "Port of discovered instances.");
  visit_settings(v, p.login);
  v.list("clusters", p.clusters, cluster_with(p.login),
         "Clusters listed by hand; what one does not set of the login is taken from above.");
}

// The console has but one database.
template <typename Visitor>
void visit_console_login(Visitor& v, PostgresLogin& l) {
  v.value("user", l.user, SomeText{},
          "User to log in to the console as; one of stats_users or admin_users.");
  v.value("password_file", l.password_file, FileName{},
          "File whose first line is the password; read again when it changes.");
  v.value("passfile", l.passfile, FileName{}, "Password file in libpq's .pgpass format.");
  v.value("sslmode", l.sslmode, OneOf{kSslModes}, "How far TLS is demanded, as libpq names it.");
  v.value("sslrootcert", l.sslrootcert, FileName{},
          "File of the CA that PgBouncer, or the metrics of a pooler, are checked with.");
  v.value("sslcert", l.sslcert, FileName{}, "File of the client certificate.");
  v.value("sslkey", l.sslkey, FileName{}, "File of the client certificate's key.");
}

template <typename Visitor>
void visit_settings(Visitor& v, PgBouncerInstance& i) {
  v.value("name", i.name, RequiredText{}, "Name of the process, unique within its pooler.");
  v.value("host", i.host, RequiredText{},
          "Host name, address or socket folder; the name that its certificate must bear.");
  v.value("hostaddr", i.hostaddr, AnyText{},
          "Address to connect to, if it is not what host resolves to.");
  v.value("port", i.port, kPort, "Port of PgBouncer.");
  v.value("metrics_port", i.metrics_port, kPort, "Port of its metrics, with via: metrics.");
}

template <typename Visitor>
void visit_settings(Visitor& v, PgBouncerPooler& p) {
  v.value("namespace", p.ns, AnyText{},
          "Namespace of the pooler; may be empty without Kubernetes.");
  v.value("name", p.name, RequiredText{},
          "Name of the pooler; that of a discovered one overrides how to log in there.");
  v.value("cluster", p.cluster, AnyText{}, "Name of the database cluster that it leads to.");
  v.value("type", p.type, OneOf{kPoolerTypes}, "Where it leads: rw, ro or r; empty: not told.");
  v.list("instances", p.instances, PgBouncerInstance(), "Its processes; empty: those discovered.");
  visit_console_login(v, p.login);
}

inline PgBouncerPooler pooler_with(const PostgresLogin& login) {
  PgBouncerPooler pooler;
  pooler.login = login;
  return pooler;
}

template <typename Visitor>
void visit_settings(Visitor& v, PgBouncer& p) {
  v.value("via", p.via, ViaWords{},
          "How it is asked: by console, by the metrics of a CloudNativePG pooler, or auto: by "
          "console where there is a login for it, else by metrics.");
  v.value("interval", p.interval, kInterval, "Time between two rounds of questions.");
  v.value("connect_timeout", p.connect_timeout, kTimeout, "Deadline of a connect with its login.");
  v.value("query_timeout", p.query_timeout, kTimeout,
          "Deadline of one SHOW, or of one page of metrics.");
  v.value("port", p.port, kPort, "Port of PgBouncer in discovered pods.");
  v.value("metrics_port", p.metrics_port, kPort, "Port of the metrics of discovered pods.");
  visit_console_login(v, p.login);
  v.list("poolers", p.poolers, pooler_with(p.login),
         "Poolers listed by hand; what one does not set of the login is taken from above.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Thresholds& t) {
  v.value("replication_lag_bytes", t.replication_lag_bytes, ByteCount{},
          "A standby that is more WAL behind is lagging.");
  v.value("replication_lag", t.replication_lag, kLag,
          "A standby that is longer behind is lagging.");
  v.value("pooler_wait", t.pooler_wait, kLag,
          "A client that waits longer for a server connection of its pooler waits too long.");
}

template <typename Visitor>
void visit_settings(Visitor& v, ThresholdOverride& t) {
  v.value("namespace", t.ns, AnyText{}, "Namespace of the cluster; empty: any.");
  v.value("cluster", t.cluster, RequiredText{}, "Name of the cluster.");
  v.value("replication_lag_bytes", t.replication_lag_bytes, ByteCount{},
          "As thresholds.replication_lag_bytes, for this cluster.");
  v.value("replication_lag", t.replication_lag, kLag,
          "As thresholds.replication_lag, for this cluster.");
  v.value("pooler_wait", t.pooler_wait, kLag, "As thresholds.pooler_wait, for this cluster.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Alerts& a) {
  v.value("runbook_base_url", a.runbook_base_url, AnyText{},
          "What the runbook links of alerts start with; empty: as the rules have them.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Config& c) {
  v.value("step_interval", c.step_interval, Between{milliseconds(100), std::chrono::minutes(5)},
          "Time between two evaluations of everything that is known.");
  v.section("kubernetes", c.kubernetes, "Where clusters, pods and volumes are read from.");
  v.section("postgres", c.postgres, "How the database servers themselves are asked.");
  v.section("pgbouncer", c.pgbouncer, "How the PgBouncer processes are asked.");
  v.section("thresholds", c.thresholds, "What the rules compare with.");
  v.list("threshold_overrides", c.threshold_overrides, ThresholdOverride(),
         "Other thresholds for single clusters.");
  v.section("alerts", c.alerts, "What alerts carry.");
}

}  // namespace keelwatch::config
