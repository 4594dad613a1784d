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
struct OutputFile {};    // the same of a file that is written: it need not be there
struct Pairs {};         // a mapping of labels
struct TextList {};
struct FilePatterns {};  // completed from the folder of the configuration file
struct ByteCount {};     // more than zero
struct Ratio {};         // from 0 to 1
struct OnOff {};
struct UtcOffset {};  // as a Duration
struct Between {
  Duration min;
  Duration max;
};
struct OneOf {
  std::span<const std::string_view> words;
};

inline constexpr IntegerRange kTransactions = {.min = 1, .max = 2'000'000'000};
inline constexpr IntegerRange kPort = {.min = 1, .max = 65535};
inline constexpr Between kTimeout = {milliseconds(10), std::chrono::minutes(5)};
inline constexpr Between kInterval = {milliseconds(50), std::chrono::hours(1)};
inline constexpr Between kLag = {milliseconds(1), std::chrono::hours(24 * 365)};

inline constexpr std::array<std::pair<std::string_view, bool>, 4> kOnOffWords = {
    {{"on", true}, {"off", false}, {"true", true}, {"false", false}}};

// The labels cnpg.io/pvcRole has (CNPG pkg/utils/labels_annotations.go).
inline constexpr std::array<std::string_view, 3> kVolumeRoles = {"PG_DATA", "PG_WAL",
                                                                 "PG_TABLESPACE"};

// libpq's (PostgreSQL manual, "SSL Mode Descriptions").
inline constexpr std::array<std::string_view, 6> kSslModes = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
inline constexpr std::array<std::string_view, 3> kAddressing = {"auto", "path", "virtual"};
inline constexpr std::array<std::string_view, 4> kEndpointKinds = {"postgres", "tcp", "tls",
                                                                   "http"};
inline constexpr std::array<std::string_view, 3> kEndpointRoles = {"rw", "ro", "none"};
inline constexpr std::array<std::string_view, 6> kHops = {"pod",     "service", "pooler",
                                                          "tailnet", "egress",  "other"};
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

struct RelabelWords {};
inline constexpr std::array<std::pair<std::string_view, RelabelAction>, 11> kRelabelWords = {{
    {"replace", RelabelAction::kReplace},
    {"keep", RelabelAction::kKeep},
    {"drop", RelabelAction::kDrop},
    {"keepequal", RelabelAction::kKeepEqual},
    {"dropequal", RelabelAction::kDropEqual},
    {"hashmod", RelabelAction::kHashMod},
    {"labelmap", RelabelAction::kLabelMap},
    {"labeldrop", RelabelAction::kLabelDrop},
    {"labelkeep", RelabelAction::kLabelKeep},
    {"lowercase", RelabelAction::kLowercase},
    {"uppercase", RelabelAction::kUppercase},
}};
struct MethodWords {};
inline constexpr std::array<std::pair<std::string_view, bool>, 2> kMethodWords = {
    {{"GET", false}, {"POST", true}}};

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
  v.value("prometheus_rules", k.prometheus_rules, OnOff{},
          "Whether the rules of PrometheusRule objects are evaluated too.");
  v.value("prometheus_rule_selector", k.prometheus_rule_selector, AnyText{},
          "Of which, as in kubectl get -l: app=keelwatch; empty: of all in the namespaces.");
  v.value("request_timeout", k.request_timeout, kTimeout, "Deadline of one request.");
  v.value("health_interval", k.health_interval, kInterval,
          "Time between two checks of the API server; a missed one ages what was read from it.");
  v.value("health_timeout", k.health_timeout, kTimeout, "Deadline of such a check.");
  v.value("watch_silence", k.watch_silence, kInterval,
          "A watch that is silent for longer is started anew from a list.");
  v.value(
      "operator_utc_offset", k.operator_utc_offset, UtcOffset{},
      "Offset from UTC of the operator's time zone, in which the schedules of backups are meant. "
      "Where what the operator says of its next backup disagrees, slots are unknown.");
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

// A role of its own: behind PgBouncer it then has a pool of its own.
template <typename Visitor>
void visit_probe_login(Visitor& v, PostgresLogin& l) {
  v.value(
      "user", l.user, SomeText{},
      "Role to log in as; it needs no right but to connect, and should be used by nothing else.");
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
void visit_settings(Visitor& v, FilesystemPath& p) {
  v.value("path", p.path, RequiredText{}, "Folder on the file system, absolute.");
  v.value("namespace", p.ns, AnyText{}, "Namespace of the cluster; may be empty.");
  v.value("cluster", p.cluster, RequiredText{}, "Name of the cluster that lives there.");
  v.value("pod", p.pod, AnyText{}, "Name of the instance that lives there.");
  v.value("role", p.role, OneOf{kVolumeRoles}, "What of the instance lives there.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Filesystems& f) {
  v.value("interval", f.interval, kInterval,
          "Time between two looks at a file system; a kubelet measures once a minute.");
  v.value("timeout", f.timeout, kTimeout, "Deadline of such a look.");
  v.value("kubelet_port", f.kubelet_port, kPort, "Port of the kubelets.");
  v.value("kubelet_ca", f.kubelet_ca, FileName{},
          "File of the CA that kubelets are checked with; empty: the API server's.");
  v.value("kubelet_insecure_skip_verify", f.kubelet_insecure_skip_verify, OnOff{},
          "Ask kubelets whose certificate nobody checks: whoever answers for one gets the token.");
  v.list("paths", f.paths, FilesystemPath(),
         "Folders of this machine that databases live on, where no kubelet tells.");
}

template <typename Visitor>
void visit_settings(Visitor& v, ScrapeTarget& t) {
  v.value("job", t.job, RequiredText{}, "What the series' label job says.");
  v.value("url", t.url, RequiredText{}, "Address of the page, http:// or https://.");
  v.value("namespace", t.ns, AnyText{}, "Label namespace of its series.");
  v.value("cluster", t.cluster, AnyText{}, "Label cluster of its series.");
  v.value("pod", t.pod, AnyText{}, "Label pod of its series.");
  v.value("ca", t.ca, FileName{}, "File of the CA that the server is checked with.");
  v.value("server_name", t.server_name, AnyText{},
          "Name that its certificate must bear; empty: the URL's host.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Scrape& s) {
  v.value("cnpg_instances", s.cnpg_instances, OnOff{},
          "Whether to take over the /metrics pages of CNPG's instances.");
  v.value("cnpg_poolers", s.cnpg_poolers, OnOff{},
          "Whether to take over the /metrics pages of CNPG's poolers.");
  v.value("interval", s.interval, kInterval, "Time between two scrapes of a page.");
  v.value("timeout", s.timeout, kTimeout, "Deadline of one scrape.");
  v.value("max_bytes", s.max_bytes, ByteCount{}, "A larger page is refused.");
  v.value("max_series", s.max_series, IntegerRange{.min = 1, .max = 1'000'000},
          "A page with more series is refused.");
  v.value("cnpg_ca", s.cnpg_ca, FileName{},
          "File of the CA of instances whose metrics port speaks TLS (spec.monitoring.tls).");
  v.list("targets", s.targets, ScrapeTarget(), "Pages listed by hand.");
}

template <typename Visitor>
void visit_settings(Visitor& v, AccessKey& k) {
  v.value(
      "access_key_file", k.access_key_file, FileName{},
      "File whose first line is the access key id; without files, $AWS_ACCESS_KEY_ID and so on.");
  v.value("secret_key_file", k.secret_key_file, FileName{},
          "File whose first line is the secret access key.");
  v.value("session_token_file", k.session_token_file, FileName{},
          "File whose first line is the session token of a temporary key.");
}

template <typename Visitor>
void visit_settings(Visitor& v, ArchivedServer& s) {
  v.value("name", s.name, RequiredText{}, "Barman's name of the server: its folder.");
  v.value("namespace", s.ns, AnyText{}, "Namespace of the cluster that it archives.");
  v.value("cluster", s.cluster, AnyText{},
          "Name of the cluster that it archives; empty: the server's name.");
  v.value("wal_segment_size", s.wal_segment_bytes, ByteCount{},
          "Size of its WAL segments; unset: as the archive itself says.");
}

template <typename Visitor>
void visit_settings(Visitor& v, ObjectStore& s) {
  v.value("destination", s.destination, RequiredText{},
          "s3://bucket/folder; what is set here is for every archive below it.");
  v.value("endpoint", s.endpoint, AnyText{},
          "Address of the store, http:// or https://; empty: AWS's own, or, for archives that "
          "Kubernetes names, whichever they have.");
  v.value("region", s.region, AnyText{},
          "Region of the bucket; empty: $AWS_REGION, else us-east-1.");
  v.value(
      "addressing", s.addressing, OneOf{kAddressing},
      "Where the bucket stands: in the path, or (virtual) in the host's name; auto: in the path "
      "where there is an endpoint.");
  v.value("ca_file", s.ca_file, FileName{},
          "File of the CA that the store is checked with; empty: the system's trust store.");
  visit_settings(v, s.key);
  v.list("servers", s.servers, ArchivedServer(),
         "Servers whose archives no Kubernetes object names.");
}

inline ObjectStore store_with(const AccessKey& key) {
  ObjectStore store;
  store.key = key;
  return store;
}

template <typename Visitor>
void visit_settings(Visitor& v, ObjectStores& s) {
  v.value("listing_interval", s.listing_interval, kInterval,
          "Time between two listings of what is new in an archive.");
  v.value("full_listing_interval", s.full_listing_interval,
          Between{std::chrono::minutes(1), std::chrono::hours(24 * 7)},
          "Time between two listings of all of it, which see what was deleted.");
  v.value("request_timeout", s.request_timeout, kTimeout, "Deadline of one request.");
  v.value("deep_pass", s.deep_pass, OnOff{},
          "Whether base backups and WAL are read whole, which shows what a listing cannot.");
  v.value("deep_pass_daily_bytes", s.deep_pass_daily_bytes, ByteCount{},
          "How much the deep pass reads in a day at most.");
  visit_settings(v, s.key);
  v.list("stores", s.stores, store_with(s.key),
         "Object stores and how to log in; what one does not set of the key is taken from above.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Endpoint& e) {
  v.value("address", e.address, RequiredText{},
          "host:port as clients use it, or with kind http an http:// or https:// address.");
  v.value("name", e.name, AnyText{}, "What metrics call it; empty: the address.");
  v.value("kind", e.kind, OneOf{kEndpointKinds}, "What is spoken there.");
  v.value("role", e.role, OneOf{kEndpointRoles},
          "What must be found there: a server that can be written to (rw), or a standby (ro).");
  v.value("namespace", e.ns, AnyText{}, "Namespace of the cluster that it leads to.");
  v.value("cluster", e.cluster, AnyText{}, "Name of the database cluster that it leads to.");
  v.value("hop", e.hop, OneOf{kHops}, "Where on the way to the database it stands.");
  v.value("tls_name", e.tls_name, AnyText{},
          "Name that the certificate must bear; empty: the host. CloudNativePG's certificates name "
          "CLUSTER-rw.");
  v.value("socks5", e.socks5, AnyText{}, "host:port of the SOCKS5 proxy that leads there.");
  v.value("interval", e.interval, kInterval, "Time between two probes; unset: as above.");
  v.value("timeout", e.timeout, kTimeout, "Deadline of each step of it; unset: as above.");
  visit_probe_login(v, e.login);
}

inline Endpoint endpoint_with(const PostgresLogin& login) {
  Endpoint endpoint;
  endpoint.login = login;
  return endpoint;
}

template <typename Visitor>
void visit_settings(Visitor& v, Endpoints& e) {
  v.value("vantage", e.vantage, SomeText{},
          "What this process is called as a place to look from; label vantage.");
  v.value("discover", e.discover, OnOff{},
          "Whether to probe the Services, poolers and Pods that Kubernetes tells of.");
  v.value("interval", e.interval, kInterval, "Time between two probes of an address.");
  v.value("timeout", e.timeout, kTimeout,
          "Deadline of resolving, of connecting with the login, and of each statement.");
  v.value("failures", e.failures, IntegerRange{.min = 1, .max = 100},
          "Probes that must fail in a row before an address counts as failing.");
  v.value("failure_interval", e.failure_interval, kInterval,
          "Time from a failed probe to the one that confirms it; longer than a failover of the "
          "address takes.");
  v.value(
      "canary", e.canary, OnOff{},
      "Whether to hold a session to each PostgreSQL address that is no Pod, which shows whether "
      "old sessions die silently.");
  v.value("large_result", e.large_result, OnOff{},
          "Whether to ask for a result of 8 KiB as well, which a wrong MTU swallows.");
  v.value("socks5", e.socks5, AnyText{},
          "host:port of a SOCKS5 proxy for all addresses of the tailnet and those listed here.");
  visit_probe_login(v, e.login);
  v.list("addresses", e.addresses, endpoint_with(e.login),
         "Addresses listed by hand; what one does not set of the login is taken from above.");
}

template <typename Visitor>
void visit_settings(Visitor& v, PlacementHost& h) {
  v.value("name", h.name, RequiredText{}, "Name of the host, for people and as a label.");
  v.value("nodes", h.nodes, TextList{}, "Nodes that run on it, by their names in Kubernetes.");
  v.value("object_stores", h.object_stores, TextList{},
          "Endpoints of the object stores that keep their data on it; a place without nodes may "
          "have some, too.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Placement& p) {
  v.list("hosts", p.hosts, PlacementHost(),
         "Machines that nodes run on: what is on one of them fails together. Either every node is "
         "on one, or none.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Thresholds& t) {
  v.value("replication_lag_bytes", t.replication_lag_bytes, ByteCount{},
          "A standby that is more WAL behind is lagging.");
  v.value("replication_lag", t.replication_lag, kLag,
          "A standby that is longer behind is lagging.");
  v.value("slot_retained_bytes", t.slot_retained_bytes, ByteCount{},
          "A replication slot that keeps more WAL retains too much.");
  v.value("connections_ratio", t.connections_ratio, Ratio{},
          "A server with a larger share of its max_connections in use is nearly full.");
  v.value("long_transaction", t.long_transaction, kLag,
          "A transaction that is open for longer is too long.");
  v.value("idle_in_transaction", t.idle_in_transaction, kLag,
          "A session that idles within a transaction for longer is forgotten.");
  v.value("prepared_transaction", t.prepared_transaction, kLag,
          "A transaction that is prepared for longer is forgotten.");
  v.value("xmin_age", t.xmin_age, kTransactions,
          "What keeps row versions that are more transactions old holds up vacuum.");
  v.value("transaction_ids_ratio", t.transaction_ids_ratio, Ratio{},
          "A database that has used up a larger share of its transaction ids comes near to "
          "wraparound.");
  v.value("archive_delay", t.archive_delay, kLag,
          "A WAL segment that waits longer to be archived is a backlog.");
  v.value("restore_drill", t.restore_drill, kLag,
          "A Cluster that is restored from an archive and not healthy for longer is stuck.");
  v.value("restore_drill_interval", t.restore_drill_interval, kLag,
          "An archive from which the last restore is longer ago is due for another one.");
  v.value("certificate_expiry", t.certificate_expiry, kLag,
          "A certificate that expires sooner was not renewed: the operator does so 7 days before.");
  v.value("pooler_wait", t.pooler_wait, kLag,
          "A client that waits longer for a server connection of its pooler waits too long.");
  v.value("filesystem_available_ratio", t.filesystem_available_ratio, Ratio{},
          "A database's file system with a smaller share available is nearly full.");
  v.value("filesystem_critical_ratio", t.filesystem_critical_ratio, Ratio{},
          "One with a smaller share than this is about to stop its database.");
  v.value(
      "backup_delay", t.backup_delay, kLag,
      "A backup that is later than its schedule says by this and twice as long as the longest one "
      "took is overdue.");
  v.value(
      "volume_degraded", t.volume_degraded, kLag,
      "A volume that has had too few copies for longer than this, while none was being made, is "
      "degraded. A node that is drained and rebooted should be back before.");
}

template <typename Visitor>
void visit_settings(Visitor& v, ThresholdOverride& t) {
  v.value("namespace", t.ns, AnyText{}, "Namespace of the cluster; empty: any.");
  v.value("cluster", t.cluster, RequiredText{}, "Name of the cluster.");
  visit_settings(v, t.values);
}

inline ThresholdOverride override_of(const Thresholds& thresholds) {
  ThresholdOverride one;
  one.values = thresholds;
  return one;
}

template <typename Visitor>
void visit_settings(Visitor& v, Alertmanager& a) {
  v.value("url", a.url, RequiredText{},
          "Address of the Alertmanager, http:// or https://, with its path prefix.");
  v.value("discover", a.discover, OnOff{},
          "Whether each address of the URL's host is an Alertmanager of its own: for a headless "
          "Service.");
  v.value("user", a.user, AnyText{}, "User for basic authentication.");
  v.value("password_file", a.password_file, FileName{},
          "File whose first line is that user's password; read for every request.");
  v.value("bearer_token_file", a.bearer_token_file, FileName{},
          "File whose first line is a token to send; read for every request.");
  v.value("ca_file", a.ca_file, FileName{},
          "File of the CA that the server is checked with; empty: the system's trust store.");
  v.value("cert_file", a.cert_file, FileName{}, "File of a client certificate.");
  v.value("key_file", a.key_file, FileName{}, "File of the client certificate's key.");
  v.value("server_name", a.server_name, AnyText{},
          "Name that its certificate must bear; empty: the URL's host.");
  v.value("insecure_skip_verify", a.insecure_skip_verify, OnOff{},
          "Send alerts to a server whose certificate nobody checks.");
  v.value("timeout", a.timeout, kTimeout, "Deadline of one request.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Relabel& r) {
  v.value("action", r.action, RelabelWords{}, "What is done, as in Prometheus' relabel_config.");
  v.value("source_labels", r.source_labels, TextList{}, "Labels whose values are looked at.");
  v.value("separator", r.separator, AnyText{}, "What stands between those values.");
  v.value("regex", r.regex, AnyText{}, "Regular expression (RE2) that the whole text must match.");
  v.value("replacement", r.replacement, AnyText{}, "What is written; $1 is the first group.");
  v.value("target_label", r.target_label, AnyText{}, "Label that is written.");
  v.value("modulus", r.modulus, IntegerRange{.min = 1, .max = 1'000'000'000},
          "Of hashmod: how many values there are.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Heartbeat& h) {
  v.value("url", h.url, AnyText{}, "Address that is called while all is well; empty: none is.");
  v.value("url_file", h.url_file, FileName{},
          "File whose first line is that address, for one that is a secret.");
  v.value("method", h.post, MethodWords{}, "How it is called.");
  v.value("interval", h.interval, Between{seconds(1), std::chrono::hours(24)},
          "Time between two calls.");
  v.value("timeout", h.timeout, kTimeout, "Deadline of a call.");
  v.value("ca_file", h.ca_file, FileName{},
          "File of the CA that the server is checked with; empty: the system's trust store.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Alerts& a) {
  v.list("alertmanagers", a.alertmanagers, Alertmanager(),
         "Who is told of alerts: each one of all of them.");
  v.value("external_labels", a.external_labels, Pairs{},
          "Labels that alerts get where they do not have them.");
  v.list("relabel", a.relabel, Relabel(),
         "Changes of the labels of alerts on their way out, in this order.");
  v.value("end_after", a.end_after, Between{std::chrono::minutes(2), std::chrono::hours(24 * 7)},
          "How long an Alertmanager that hears no more of us keeps an alert.");
  v.value("external_url", a.external_url, AnyText{},
          "Address of keelwatch in the links of alerts; empty: they have none.");
  v.value("runbook_base_url", a.runbook_base_url, AnyText{},
          "What the runbook links of alerts start with; empty: as the rules have them.");
  v.value("state_file", a.state_file, OutputFile{},
          "SQLite file that keeps the alerts over restarts, and their history; empty: none.");
  v.section("heartbeat", a.heartbeat,
            "A dead-man's switch, which falls silent when nothing is evaluated or nobody can be "
            "told.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Rules& r) {
  v.value("files", r.files, FilePatterns{},
          "Files of Prometheus rules, patterns with * and ? too; none: the bundled rules.");
  v.value("disable", r.disable, TextList{}, "Names of alerts and recordings to leave out.");
}

template <typename Visitor>
void visit_settings(Visitor& v, Config& c) {
  v.value("step_interval", c.step_interval, Between{milliseconds(100), std::chrono::minutes(5)},
          "Time between two evaluations of everything that is known.");
  v.section("kubernetes", c.kubernetes, "Where clusters, pods and volumes are read from.");
  v.section("postgres", c.postgres, "How the database servers themselves are asked.");
  v.section("pgbouncer", c.pgbouncer, "How the PgBouncer processes are asked.");
  v.section("filesystems", c.filesystems, "How full the databases' file systems are.");
  v.section("scrape", c.scrape, "Pages of others that rules may speak of; off by default.");
  v.section("object_stores", c.object_stores, "How the archives of base backups and WAL are read.");
  v.section("endpoints", c.endpoints, "Addresses that are tried as a client would use them.");
  v.section("placement", c.placement, "What Kubernetes does not know of where things are.");
  v.section("thresholds", c.thresholds, "What the rules compare with.");
  v.list("threshold_overrides", c.threshold_overrides, override_of(c.thresholds),
         "Other thresholds for single clusters; what one does not set is taken from above.");
  v.section("rules", c.rules, "Which rules are evaluated.");
  v.section("alerts", c.alerts, "What alerts carry, and who is told.");
}

}  // namespace keelwatch::config
