#include "config/load.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/json.h"
#include "config/describe.h"

using namespace std::chrono_literals;

namespace keelwatch::config {
namespace {

Loaded load_text(std::string text) { return load(SourceFile("keelwatch.yaml", std::move(text))); }

Config loaded(std::string text) {
  const Loaded result = load_text(std::move(text));
  INFO(result.problems.text());
  REQUIRE(result.config);
  return *result.config;
}

std::string problems_of(std::string text) {
  const Loaded result = load_text(std::move(text));
  CHECK(result.config.has_value() != result.problems.has_errors());
  return result.problems.text();
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/keelwatch-config-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }
  [[nodiscard]] std::string at(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("an empty configuration is the defaults", "[config]") {
  for (const char* text : {"", "# nothing\n", "kubernetes:\npostgres:\n", "{}"}) {
    INFO(text);
    CHECK(loaded(text) == Config());
  }
}

TEST_CASE("every setting is read into its field", "[config]") {
  const Config config = loaded(R"(
step_interval: 2s
kubernetes:
  enabled: on
  kubeconfig: /dev/null/kubeconfig
  context: lab
  namespaces: [db, db2]
  operator_namespaces: [cnpg-system]
  prometheus_rules: on
  prometheus_rule_selector: team=db
  request_timeout: 11s
  health_interval: 6s
  health_timeout: 3s
  watch_silence: 2m
postgres:
  interval: 3s
  connect_timeout: 1500ms
  query_timeout: 4s
  probe_interval: 7s
  slow_interval: 45s
  databases_interval: 5m
  port: 6543
  user: watcher
  password_file: /dev/null/password
  dbname: app
  sslmode: verify-ca
  sslrootcert: /dev/null/ca
  sslcert: /dev/null/cert
  sslkey: /dev/null/key
  clusters:
    - namespace: db
      name: main
      instances_desired: 3
      instances:
        - {name: main-1, host: main-1.db, hostaddr: 127.0.0.1, port: 5433}
        - {name: main-2, host: /run/postgresql}
      passfile: /dev/null/pgpass
      user: other
    - name: discovered
thresholds:
  replication_lag_bytes: 1GiB
  replication_lag: 90s
threshold_overrides:
  - {namespace: db, cluster: main, replication_lag_bytes: 5MB}
alerts:
  alertmanagers:
    - url: https://am.example/prefix
      discover: on
      user: kw
      password_file: /dev/null/password
      ca_file: /dev/null/ca
      cert_file: /dev/null/cert
      key_file: /dev/null/key
      server_name: am
      timeout: 7s
  external_labels: {site: home}
  relabel:
    - action: labelmap
      regex: x_(.*)
    - source_labels: [a]
      separator: /
      target_label: b
      replacement: ${1}y
  end_after: 20m
  external_url: https://kw.example
  runbook_base_url: https://example.org/runbooks/
  state_file: /var/lib/keelwatch/alerts.db
  heartbeat:
    url: https://hc.example/x
    method: POST
    interval: 2m
    timeout: 3s
)");
  Config expected;
  expected.step_interval = 2s;
  expected.kubernetes = {Switch::kOn,
                         "/dev/null/kubeconfig",
                         "lab",
                         {"db", "db2"},
                         {"cnpg-system"},
                         true,
                         "team=db",
                         11s,
                         6s,
                         3s,
                         2min,
                         {}};
  const PostgresLogin login = {
      "watcher",        "/dev/null/password", "", "app", "verify-ca", "/dev/null/ca",
      "/dev/null/cert", "/dev/null/key"};
  PostgresLogin other = login;
  other.user = "other";
  other.password_file = "";  // displaced by the cluster's passfile
  other.passfile = "/dev/null/pgpass";
  expected.postgres = {3s, 1500ms, 4s, 7s, 45s, 5min, 6543, login, {}};
  expected.postgres.clusters = {
      {"db",
       "main",
       3,
       {{"main-1", "main-1.db", "127.0.0.1", 5433}, {"main-2", "/run/postgresql", "", 5432}},
       other},
      {"", "discovered", std::nullopt, {}, login}};
  expected.thresholds.replication_lag_bytes = 1024.0 * 1024 * 1024;
  expected.thresholds.replication_lag = 90s;
  expected.threshold_overrides = {{"db", "main", expected.thresholds}};
  expected.threshold_overrides[0].values.replication_lag_bytes = 5e6;
  expected.alerts.alertmanagers = {{.url = "https://am.example/prefix",
                                    .discover = true,
                                    .user = "kw",
                                    .password_file = "/dev/null/password",
                                    .ca_file = "/dev/null/ca",
                                    .cert_file = "/dev/null/cert",
                                    .key_file = "/dev/null/key",
                                    .server_name = "am",
                                    .timeout = 7s}};
  expected.alerts.external_labels = {{"site", "home"}};
  expected.alerts.relabel = {
      {.action = RelabelAction::kLabelMap, .regex = "x_(.*)"},
      {.source_labels = {"a"}, .separator = "/", .replacement = "${1}y", .target_label = "b"}};
  expected.alerts.end_after = 20min;
  expected.alerts.external_url = "https://kw.example";
  expected.alerts.runbook_base_url = "https://example.org/runbooks/";
  expected.alerts.state_file = "/var/lib/keelwatch/alerts.db";
  expected.alerts.heartbeat = {
      .url = "https://hc.example/x", .post = true, .interval = 2min, .timeout = 3s};
  CHECK(config == expected);

  CHECK(files_of(config) == std::vector<std::string>{"/dev/null/ca", "/dev/null/cert",
                                                     "/dev/null/key", "/dev/null/kubeconfig",
                                                     "/dev/null/password", "/dev/null/pgpass"});

  SECTION("and printing it gives a file that reads back as it was") {
    CHECK(loaded(to_yaml(config)) == config);
  }
}

TEST_CASE("all mistakes of a file are reported at once", "[config]") {
  CHECK(problems_of(R"(step_intervall: 5s
kubernetes:
  enabled: maybe
  namespaces: {db: true}
  health_interval: 1ms
postgres:
  interval: 5
  port: 70000
  user: ""
  sslmode: verifyfull
  clusters:
    - name: a
      instances:
        - name: a-1
        - {name: a-1, host: "db:5432"}
        - {name: a-2, host: /run, hostaddr: 127.0.0.1}
        - {name: a-3, host: x, hostaddr: y}
    - name: a
    - namespace: b
    - text
threshold_overrides:
  cluster: a
thresholds:
  replicaton_lag: 5s
  replication_lag_bytes: 0
alerts: [runbook_base_url]
)") == R"(keelwatch.yaml:1:1: unknown key "step_intervall"
step_intervall: 5s
^^^^^^^^^^^^^^ did you mean "step_interval"?
keelwatch.yaml:3:12: kubernetes.enabled: "maybe" is not known here
  enabled: maybe
           ^^^^^ one of auto, on, off
keelwatch.yaml:4:15: kubernetes.namespaces: must be a list of texts, not a mapping
  namespaces: {db: true}
              ^
keelwatch.yaml:5:20: kubernetes.health_interval: 1ms is out of range
  health_interval: 1ms
                   ^^^ from 50ms to 1h
keelwatch.yaml:7:13: postgres.interval: "5" is not a duration
  interval: 5
            ^ write it like 30s, 5m or 1h30m
keelwatch.yaml:8:9: postgres.port: 70000 is out of range
  port: 70000
        ^^^^^ from 1 to 65535
keelwatch.yaml:9:9: postgres.user: must not be empty
  user: ""
        ^^
keelwatch.yaml:10:12: postgres.sslmode: "verifyfull" is not known here
  sslmode: verifyfull
           ^^^^^^^^^^ did you mean "verify-full"?
keelwatch.yaml:14:11: postgres.clusters[0].instances[0]: required key "host" is missing
        - name: a-1
          ^
keelwatch.yaml:15:11: postgres.clusters[0].instances[1]: is the same as the one in line 14
        - {name: a-1, host: "db:5432"}
          ^
keelwatch.yaml:15:29: postgres.clusters[0].instances[1].host: "db:5432" is not a host name or address
        - {name: a-1, host: "db:5432"}
                            ^^^^^^^^^ a port goes to the key port
keelwatch.yaml:16:45: postgres.clusters[0].instances[2].hostaddr: contradicts host, which is a socket folder
        - {name: a-2, host: /run, hostaddr: 127.0.0.1}
                                            ^^^^^^^^^ give one of the two
keelwatch.yaml:17:42: postgres.clusters[0].instances[3].hostaddr: "y" is not an IP address
        - {name: a-3, host: x, hostaddr: y}
                                         ^ a name belongs into host
keelwatch.yaml:18:7: postgres.clusters[1]: is the same as the one in line 12
    - name: a
      ^
keelwatch.yaml:19:7: postgres.clusters[2]: required key "name" is missing
    - namespace: b
      ^
keelwatch.yaml:20:7: postgres.clusters[3]: must be a mapping of keys to values, not a single value
    - text
      ^^^^
keelwatch.yaml:22:3: threshold_overrides: must be a list, not a mapping
  cluster: a
  ^ start each item with "- "
keelwatch.yaml:24:3: thresholds: unknown key "replicaton_lag"
  replicaton_lag: 5s
  ^^^^^^^^^^^^^^ did you mean "replication_lag"?
keelwatch.yaml:25:26: thresholds.replication_lag_bytes: must be more than zero
  replication_lag_bytes: 0
                         ^
keelwatch.yaml:26:9: alerts: must be a mapping of keys to values, not a list
alerts: [runbook_base_url]
        ^
)");
}

TEST_CASE("contradictory settings are told apart from harmless ones", "[config]") {
  struct Case {
    const char* name;
    const char* text;
    const char* problems;
  };
  const Case cases[] = {
      {"two ways to a password", "postgres:\n  password_file: /dev/null\n  passfile: /dev/null\n",
       R"(keelwatch.yaml:2:18: warning: postgres.password_file: "/dev/null" cannot be read as a file
  password_file: /dev/null
                 ^^^^^^^^^
keelwatch.yaml:3:13: warning: postgres.passfile: "/dev/null" cannot be read as a file
  passfile: /dev/null
            ^^^^^^^^^
keelwatch.yaml:3:13: postgres.passfile: contradicts password_file
  passfile: /dev/null
            ^^^^^^^^^ give one of the two
)"},
      {"a certificate without its key", "postgres:\n  sslcert: /proc/version\n",
       R"(keelwatch.yaml:2:12: postgres.sslcert: needs sslkey as well
  sslcert: /proc/version
           ^^^^^^^^^^^^^
)"},
      {"TLS files without TLS", "postgres:\n  sslmode: disable\n  sslrootcert: /proc/version\n",
       R"(keelwatch.yaml:3:16: warning: postgres.sslrootcert: has no effect while sslmode is disable
  sslrootcert: /proc/version
               ^^^^^^^^^^^^^
)"},
      {"Kubernetes settings without Kubernetes", "kubernetes:\n  enabled: off\n  context: lab\n",
       R"(keelwatch.yaml:3:12: warning: kubernetes.context: has no effect while enabled is off
  context: lab
           ^^^
)"},
      {"a cluster that nobody can discover",
       "kubernetes: {enabled: false}\npostgres:\n  clusters:\n    - name: a\n",
       R"(keelwatch.yaml:4:7: postgres.clusters[0]: has no instances, and none can be discovered while kubernetes.enabled is off
    - name: a
      ^ list its instances
)"},
      {"statements that outlive their answers", "postgres:\n  interval: 500ms\n",
       R"(keelwatch.yaml:2:13: warning: postgres.interval: answers are unknown after 1s500ms, before a statement is given up after 2s
  interval: 500ms
            ^^^^^
)"},
      {"an override of nothing", "threshold_overrides:\n  - cluster: a\n",
       R"(keelwatch.yaml:2:14: warning: threshold_overrides[0].cluster: overrides nothing
  - cluster: a
             ^ set one of the thresholds
)"},
      {"a link that is none", "alerts: {runbook_base_url: example.org}\n",
       R"(keelwatch.yaml:1:28: alerts.runbook_base_url: "example.org" is not a web address
alerts: {runbook_base_url: example.org}
                           ^^^^^^^^^^^ start it with https:// or http://
)"},
      {"a line break in a name", "postgres:\n  user: \"a\\nb\"\n",
       R"(keelwatch.yaml:2:9: postgres.user: must not contain control characters or line breaks
  user: "a\nb"
        ^^^^^^
)"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(problems_of(c.text) == c.problems);
  }
}

TEST_CASE("a password in the configuration is refused and not shown", "[config]") {
  const char* const texts[] = {
      "postgres:\n  password: hunter2\n",
      "postgres:\n  password:\n    hunter2\n",
      "postgres:\n  password: |\n    hunter2\n    hunter2\n  bogus: 1\n",
      "postgres: {password: hunter2, prot: 1}\n",
      "postgres:\n  clusters:\n    - name: a\n      password: hunter2\n",
      "postgres: {clusters: [{name: a, instances: [{name: b, host: 'db://:hunter2@h'}]}]}\n",
  };
  for (const char* text : texts) {
    INFO(text);
    const Loaded result = load_text(text);
    CHECK_FALSE(result.config);
    CHECK_THAT(result.problems.text(), !Catch::Contains("hunter2"));
  }
  CHECK(problems_of(texts[0]) ==
        "keelwatch.yaml:2:13: postgres.password: passwords are not written here; "
        "put it into a file and name that as password_file\n");
}

TEST_CASE("file names are completed from the configuration's folder", "[config]") {
  const Folder folder;
  (void)folder.write("password", "x");
  const std::string path = folder.write(
      "keelwatch.yaml", "postgres:\n  password_file: password\n  sslrootcert: ../ca\n");
  const Loaded result = load_file(path);
  REQUIRE(result.config);
  CHECK(result.config->postgres.login.password_file == folder.at("password"));
  CHECK(result.config->postgres.login.sslrootcert == "/tmp/ca");
  REQUIRE(result.problems.all().size() == 1);
  CHECK(result.problems.all()[0].severity == Severity::kWarning);
  CHECK(result.problems.all()[0].problem == "\"/tmp/ca\" does not exist");
  CHECK(result.problems.all()[0].remedy == "it is read as soon as it is there");
}

TEST_CASE("patterns of rule files are completed too", "[config]") {
  const Folder folder;
  const std::string path =
      folder.write("keelwatch.yaml", "rules:\n  files: [rules/*.yaml, /etc/x.yaml]\n");
  const Loaded result = load_file(path);
  REQUIRE(result.config);
  CHECK(result.config->rules.files ==
        std::vector<std::string>{folder.at("rules/*.yaml"), "/etc/x.yaml"});
}

TEST_CASE("checking a file prints a verdict and sets the exit code", "[config]") {
  const Folder folder;
  SECTION("a good one") {
    const std::string path = folder.write("a.yaml", "step_interval: 5s\n");
    const CheckResult result = check_file(path, false);
    CHECK(result.text == path + ": ok\n");
    CHECK(result.exit_code == 0);
    CHECK(check_file(path, true).text == "[]\n");
  }
  SECTION("one with a warning") {
    const std::string path = folder.write("a.yaml", "threshold_overrides: [{cluster: a}]\n");
    const CheckResult result = check_file(path, false);
    CHECK_THAT(result.text, Catch::EndsWith(path + ": ok, 1 warning\n"));
    CHECK(result.exit_code == 0);
  }
  SECTION("one with errors") {
    const std::string path = folder.write("a.yaml", "step_interval: 5\nprostgres: {}\n");
    const CheckResult result = check_file(path, false);
    CHECK_THAT(result.text, Catch::EndsWith(path + ": 2 errors\n"));
    CHECK(result.exit_code == 1);
    const CheckResult json = check_file(path, true);
    CHECK(json.exit_code == 1);
    CHECK(json.text ==
          R"([{"file":")" + path +
              R"(","line":1,"column":16,"severity":"error","subject":"step_interval",)"
              R"("problem":"\"5\" is not a duration","remedy":"write it like 30s, 5m or 1h30m"},)"
              R"({"file":")" +
              path +
              R"(","line":2,"column":1,"severity":"error","subject":"",)"
              R"("problem":"unknown key \"prostgres\"","remedy":"did you mean \"postgres\"?"}])"
              "\n");
  }
  SECTION("one that is not there, or not a file") {
    const CheckResult absent = check_file(folder.at("none.yaml"), false);
    CHECK(absent.text == folder.at("none.yaml") + ": cannot be read: No such file or directory\n" +
                             folder.at("none.yaml") + ": 1 error\n");
    CHECK(absent.exit_code == 1);
    CHECK_THAT(check_file("/tmp", false).text,
               Catch::StartsWith("/tmp: cannot be read: not a regular file\n"));
  }
}

TEST_CASE("the thresholds of a cluster come from the closest override", "[config]") {
  const auto bytes = [](double n) {
    Thresholds thresholds;
    thresholds.replication_lag_bytes = n;
    return thresholds;
  };
  Config config;
  config.thresholds = bytes(100);
  config.threshold_overrides = {{"", "a", bytes(2)}, {"db", "a", bytes(1)}, {"", "b", bytes(3)}};
  CHECK(thresholds_for(config, "db", "a") == bytes(1));
  CHECK(thresholds_for(config, "other", "a") == bytes(2));
  CHECK(thresholds_for(config, "db", "b") == bytes(3));
  CHECK(thresholds_for(config, "db", "c") == bytes(100));
}

TEST_CASE("file systems and pages to scrape are read, and their mistakes told", "[config]") {
  const Loaded loaded = load_text(R"(
filesystems:
  interval: 45s
  kubelet_port: 10251
  kubelet_insecure_skip_verify: on
  paths:
    - {path: /srv/pg, cluster: bare, pod: a, role: PG_WAL}
scrape:
  cnpg_instances: on
  cnpg_poolers: off
  max_bytes: 1MiB
  targets: [{job: exporter, url: "http://localhost:9187/metrics", cluster: bare}]
thresholds: {filesystem_available_ratio: 0.2}
threshold_overrides: [{cluster: bare, filesystem_critical_ratio: 0.01}]
)");
  INFO(loaded.problems.text());
  REQUIRE(loaded.config);
  const Config& config = *loaded.config;
  CHECK(config.filesystems.interval == 45s);
  CHECK(config.filesystems.kubelet_port == 10251);
  CHECK(config.filesystems.kubelet_insecure_skip_verify);
  CHECK(config.filesystems.paths ==
        std::vector<FilesystemPath>{{"/srv/pg", "", "bare", "a", "PG_WAL"}});
  CHECK((config.scrape.cnpg_instances && !config.scrape.cnpg_poolers));
  CHECK(config.scrape.max_bytes == 1024 * 1024);
  REQUIRE(config.scrape.targets.size() == 1);
  CHECK(config.scrape.targets[0].job == "exporter");
  CHECK(thresholds_for(config, "", "bare").filesystem_available_ratio == 0.2);
  CHECK(thresholds_for(config, "", "bare").filesystem_critical_ratio == 0.01);
  CHECK(thresholds_for(config, "", "other").filesystem_critical_ratio == 0.03);
  CHECK(loaded.problems.warnings() == 1);  // nobody checks the kubelets

  const std::string text = load_text(R"(
filesystems:
  paths:
    - {path: srv, cluster: a}
    - {path: /x, cluster: a, role: DATA}
    - {path: /x, cluster: b}
scrape:
  cnpg_instances: maybe
  targets:
    - {job: a, url: "ftp://h"}
    - {job: a, url: "http://user:hunter2@h/metrics"}
thresholds: {filesystem_available_ratio: 10}
)")
                               .problems.text();
  for (const char* part :
       {"\"srv\" is not absolute", "\"DATA\" is not known here", "is the same as the one in line 5",
        "\"maybe\" is not known here", "\"ftp://h\" is not a web address", "holds a login",
        "must be between 0 and 1"}) {
    CHECK_THAT(text, Catch::Contains(part));
  }
  CHECK_THAT(text, !Catch::Contains("hunter2"));
}

TEST_CASE("object stores are read with the key that each has", "[config]") {
  const Loaded result = load_text(R"(
kubernetes: {operator_utc_offset: "+02:00"}
object_stores:
  listing_interval: 30s
  full_listing_interval: 12h
  deep_pass: on
  deep_pass_daily_bytes: 5GiB
  access_key_file: /proc/version
  secret_key_file: /proc/version
  session_token_file: /proc/version
  stores:
    - destination: s3://backups/pg
      endpoint: https://minio.example:9000/
      region: eu-west-1
      addressing: virtual
      ca_file: /proc/version
      servers:
        - {name: homelab, namespace: db, cluster: home, wal_segment_size: 64MiB}
        - name: bare
    - destination: s3://backups
      access_key_file: /proc/stat
      secret_key_file: /proc/uptime
)");
  INFO(result.problems.text());
  REQUIRE(result.config);
  CHECK(result.config->kubernetes.operator_utc_offset == Duration(2h));
  ObjectStores expected;
  const std::string file = "/proc/version";
  expected.listing_interval = 30s;
  expected.full_listing_interval = 12h;
  expected.deep_pass = true;
  expected.deep_pass_daily_bytes = 5.0 * 1024 * 1024 * 1024;
  expected.key = {file, file, file};
  expected.stores = {{"s3://backups/pg",
                      "https://minio.example:9000/",
                      "eu-west-1",
                      "virtual",
                      file,
                      expected.key,
                      {{"homelab", "db", "home", 64.0 * 1024 * 1024}, {"bare", "", "", {}}}},
                     {"s3://backups", "", "", "auto", "", {"/proc/stat", "/proc/uptime", ""}, {}}};
  CHECK(result.config->object_stores == expected);
  CHECK(loaded(to_yaml(*result.config)) == *result.config);
  const std::vector<std::string> files = files_of(*result.config);
  CHECK(std::find(files.begin(), files.end(), "/proc/uptime") != files.end());
}

TEST_CASE("mistakes about object stores are told where they stand", "[config]") {
  CHECK(problems_of(R"(kubernetes: {operator_utc_offset: CEST}
object_stores:
  full_listing_interval: 1s
  access_key_file: /proc/version
  stores:
    - destination: backups
      session_token_file: /proc/version
      addressing: dns
      servers:
        - {name: a/b, wal_segment_size: 3MiB}
        - {name: c, wal_segment_size: 2GiB}
        - name: c
    - {destination: "s3:///x", endpoint: "minio:9000"}
    - {destination: "azure://x", endpoint: "http://minio/bucket"}
    - {destination: "s3://y"}
    - {destination: "s3://y"}
)") == R"(keelwatch.yaml:1:35: kubernetes.operator_utc_offset: "CEST" is not an offset from UTC
kubernetes: {operator_utc_offset: CEST}
                                  ^^^^ write it like +02:00, or UTC
keelwatch.yaml:3:26: object_stores.full_listing_interval: 1s is out of range
  full_listing_interval: 1s
                         ^^ from 1m to 1w
keelwatch.yaml:4:20: object_stores.access_key_file: needs secret_key_file as well
  access_key_file: /proc/version
                   ^^^^^^^^^^^^^
keelwatch.yaml:6:7: object_stores.stores[0].access_key_file: needs secret_key_file as well
    - destination: backups
      ^
keelwatch.yaml:6:20: object_stores.stores[0].destination: "backups" is not a bucket
    - destination: backups
                   ^^^^^^^ write it like s3://bucket/folder; other stores than S3 are not supported
keelwatch.yaml:8:19: object_stores.stores[0].addressing: "dns" is not known here
      addressing: dns
                  ^^^ one of auto, path, virtual
keelwatch.yaml:10:18: object_stores.stores[0].servers[0].name: "a/b" is not a server's name
        - {name: a/b, wal_segment_size: 3MiB}
                 ^^^ folders above it belong into destination
keelwatch.yaml:10:41: object_stores.stores[0].servers[0].wal_segment_size: is not a size of WAL segments
        - {name: a/b, wal_segment_size: 3MiB}
                                        ^^^^ a power of two, 1MiB to 1GiB
keelwatch.yaml:11:39: object_stores.stores[0].servers[1].wal_segment_size: is not a size of WAL segments
        - {name: c, wal_segment_size: 2GiB}
                                      ^^^^ a power of two, 1MiB to 1GiB
keelwatch.yaml:12:11: object_stores.stores[0].servers[2]: is the same as the one in line 11
        - name: c
          ^
keelwatch.yaml:13:21: object_stores.stores[1].destination: "s3:///x" is not a bucket
    - {destination: "s3:///x", endpoint: "minio:9000"}
                    ^^^^^^^^^ write it like s3://bucket/folder; other stores than S3 are not supported
keelwatch.yaml:13:42: object_stores.stores[1].endpoint: "minio:9000" is not a web address
    - {destination: "s3:///x", endpoint: "minio:9000"}
                                         ^^^^^^^^^^^^ start it with https:// or http://
keelwatch.yaml:14:21: object_stores.stores[2].destination: "azure://x" is not a bucket
    - {destination: "azure://x", endpoint: "http://minio/bucket"}
                    ^^^^^^^^^^^ write it like s3://bucket/folder; other stores than S3 are not supported
keelwatch.yaml:14:44: object_stores.stores[2].endpoint: has a path
    - {destination: "azure://x", endpoint: "http://minio/bucket"}
                                           ^^^^^^^^^^^^^^^^^^^^^ bucket and folder belong into destination
keelwatch.yaml:16:7: object_stores.stores[4]: is the same as the one in line 15
    - {destination: "s3://y"}
      ^
)");
}

TEST_CASE("the hosts of nodes and object stores are read", "[config]") {
  const Config config = loaded(R"(
placement:
  hosts:
    - {name: hv-1, nodes: [node-1, node-2], object_stores: ["https://minio.example:9000"]}
    - {name: hv-2, nodes: node-3}
    - {name: offsite, object_stores: ["https://s3.example"]}
)");
  Placement expected;
  expected.hosts = {{"hv-1", {"node-1", "node-2"}, {"https://minio.example:9000"}},
                    {"hv-2", {"node-3"}, {}},
                    {"offsite", {}, {"https://s3.example"}}};
  CHECK(config.placement == expected);
  CHECK(loaded(to_yaml(config)) == config);
}

TEST_CASE("nothing is on two hosts", "[config]") {
  CHECK(problems_of(R"(placement:
  hosts:
    - name: hv-1
      nodes: [node-1, node-2]
      object_stores: ["minio:9000", "https://store/bucket"]
    - name: hv-1
      nodes: [node-2]
    - name: hv-2
      nods: [node-3]
    - nodes: node-1
  host: {}
)") == R"(keelwatch.yaml:5:23: placement.hosts[0].object_stores: "minio:9000" is not a web address
      object_stores: ["minio:9000", "https://store/bucket"]
                      ^^^^^^^^^^^^ start it with https:// or http://
keelwatch.yaml:5:37: placement.hosts[0].object_stores: has a path
      object_stores: ["minio:9000", "https://store/bucket"]
                                    ^^^^^^^^^^^^^^^^^^^^^^ bucket and folder belong into destination
keelwatch.yaml:6:7: placement.hosts[1]: is the same as the one in line 3
    - name: hv-1
      ^
keelwatch.yaml:7:15: placement.hosts[1].nodes: node "node-2" is listed in line 4 already
      nodes: [node-2]
              ^^^^^^
keelwatch.yaml:8:13: warning: placement.hosts[2].name: holds nothing
    - name: hv-2
            ^^^^ list its nodes, or its object stores
keelwatch.yaml:9:7: placement.hosts[2]: unknown key "nods"
      nods: [node-3]
      ^^^^ did you mean "nodes"?
keelwatch.yaml:10:7: placement.hosts[3]: required key "name" is missing
    - nodes: node-1
      ^
keelwatch.yaml:10:14: placement.hosts[3].nodes: node "node-1" is listed in line 4 already
    - nodes: node-1
             ^^^^^^
keelwatch.yaml:11:3: placement: unknown key "host"
  host: {}
  ^^^^ known here: hosts
)");
}

TEST_CASE("a login in the endpoint of a placed object store is not shown", "[config]") {
  const std::string text = problems_of(R"(placement:
  hosts:
    - {name: a, object_stores: ["https://user:hunter2@minio"]}
)");
  CHECK_THAT(text, Catch::Contains("placement.hosts[0].object_stores: holds a login"));
  CHECK_THAT(text, !Catch::Contains("hunter2"));
}

TEST_CASE("a key in the configuration is refused and not shown", "[config]") {
  for (const char* text :
       {"object_stores:\n  secret_key: hunter2\n", "object_stores: {session_token: hunter2}\n",
        "object_stores:\n  stores:\n    - destination: s3://b\n      secret_key: |\n        "
        "hunter2\n"
        "        hunter2\n      bogus: 1\n",
        "object_stores: {stores: [{destination: 's3://b', endpoint: 'http://a:hunter2@h'}]}\n"}) {
    INFO(text);
    const Loaded result = load_text(text);
    CHECK_FALSE(result.config);
    CHECK_THAT(result.problems.text(), !Catch::Contains("hunter2"));
  }
}

TEST_CASE("mistakes about alerts are told where they stand", "[config]") {
  struct Case {
    const char* name;
    const char* text;
    const char* problem;  // behind "keelwatch.yaml:"
  };
  const Case cases[] = {
      {"an Alertmanager without an address", "alerts:\n  alertmanagers:\n    - timeout: 1s\n",
       R"(3:7: alerts.alertmanagers[0]: required key "url" is missing)"},
      {"an address that is none", "alerts:\n  alertmanagers:\n    - url: am:9093\n",
       R"(3:12: alerts.alertmanagers[0].url: "am:9093" is not a web address)"},
      {"a query", "alerts:\n  alertmanagers:\n    - url: http://am/?x=1\n",
       R"(3:12: alerts.alertmanagers[0].url: has a query or a fragment)"},
      {"two logins",
       "alerts:\n  alertmanagers:\n    - url: http://am\n      user: a\n"
       "      bearer_token_file: /dev/null\n",
       R"(5:26: alerts.alertmanagers[0].bearer_token_file: contradicts user)"},
      {"the same twice", "alerts:\n  alertmanagers:\n    - url: http://am\n    - url: http://am\n",
       R"(4:7: alerts.alertmanagers[1]: is the same as the one in line 3)"},
      {"an unknown action", "alerts:\n  relabel:\n    - action: dropp\n",
       R"(3:15: alerts.relabel[0].action: )"},
      {"a broken expression", "alerts:\n  relabel:\n    - action: drop\n      regex: a(b\n",
       R"(4:14: alerts.relabel[0].regex: "a(b" is no regular expression: missing ): )"},
      {"replace without a target", "alerts:\n  relabel:\n    - action: replace\n",
       R"(3:15: alerts.relabel[0].action: replace needs target_label)"},
      {"a target that is no label",
       "alerts:\n  relabel:\n    - source_labels: [a]\n      target_label: a-b\n",
       R"(4:21: alerts.relabel[0].target_label: "a-b" is not a label name)"},
      {"what an action does not take",
       "alerts:\n  relabel:\n    - action: labeldrop\n      regex: a\n      target_label: b\n",
       R"(5:21: alerts.relabel[0].target_label: has no meaning for labeldrop)"},
      {"hashmod without modulus",
       "alerts:\n  relabel:\n    - action: hashmod\n      target_label: b\n",
       R"(3:15: alerts.relabel[0].action: hashmod needs modulus)"},
      {"labelmap to what is no label",
       "alerts:\n  relabel:\n    - action: labelmap\n      replacement: '-'\n",
       R"(4:20: alerts.relabel[0].replacement: "-" is not a label name)"},
      {"an external label that is none", "alerts:\n  external_labels: {a-b: c}\n",
       R"(2:20: alerts.external_labels: "a-b" is not a label name)"},
      {"two addresses of the heartbeat",
       "alerts:\n  heartbeat:\n    url: http://h\n    url_file: /dev/null\n",
       R"(4:15: alerts.heartbeat.url_file: contradicts url)"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK_THAT(problems_of(c.text), Catch::Contains(std::string("keelwatch.yaml:") + c.problem));
  }
}

TEST_CASE("a secret of an Alertmanager is refused and not shown", "[config]") {
  for (const char* text :
       {"alerts:\n  alertmanagers:\n    - url: http://am\n      password: hunter2\n",
        "alerts:\n  alertmanagers:\n    - url: http://am\n      bearer_token: |\n        hunter2\n",
        "alerts: {alertmanagers: [{url: 'http://kw:hunter2@am'}]}\n"}) {
    const Loaded result = load_text(text);
    CHECK_FALSE(result.config);
    CHECK_THAT(result.problems.text(), !Catch::Contains("hunter2"));
  }
}

}  // namespace keelwatch::config
