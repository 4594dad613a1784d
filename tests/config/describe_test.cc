#include "config/describe.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "config/load.h"

using namespace std::chrono_literals;

namespace keelwatch::config {
namespace {

Loaded load_text(std::string text) { return load(SourceFile("keelwatch.yaml", std::move(text))); }

}  // namespace

TEST_CASE("the defaults print as a configuration with comments", "[config]") {
  const std::string yaml = to_yaml(Config());
  CHECK(yaml.substr(0, yaml.find("  # Context")) ==
        R"(# Time between two evaluations of everything that is known.
step_interval: 5s

# Where clusters, pods and volumes are read from.
kubernetes:
  # Whether to watch Kubernetes: auto does if there is a service account or a kubeconfig.
  enabled: auto
  # Kubeconfig file; empty: $KUBECONFIG, else the service account, else ~/.kube/config.
  kubeconfig: ""
)");
  CHECK_THAT(yaml, Catch::Contains(R"(
  # Clusters listed by hand; what one does not set of the login is taken from above.
  clusters: []
#     - namespace: ""  # Namespace of the cluster; may be empty without Kubernetes.
#       name: REQUIRED  # Name of the cluster; that of a discovered one overrides how to log in there.
#       instances_desired: null  # How many instances there should be; unset: as many as are listed.
#       instances:  # Its instances; empty: those discovered.
#         - name: REQUIRED  # Name of the instance, unique within its cluster.
)"));
  const Loaded again = load_text(yaml);
  REQUIRE(again.config);
  CHECK(again.problems.all().empty());
  CHECK(*again.config == Config());
}

TEST_CASE("the examples of list items are a configuration once uncommented", "[config]") {
  std::string yaml = to_yaml(Config());
  for (std::size_t at = 0; (at = yaml.find(": []\n#  ", at)) != std::string::npos;) {
    yaml.erase(at + 1, 3);
  }
  for (std::size_t at = 0; (at = yaml.find("\n#  ", at)) != std::string::npos;) {
    yaml.erase(at + 1, 2);
  }
  // What is required must be filled in, with what makes sense there.
  for (const auto& [key, value] :
       {std::pair("path: REQUIRED", "path: /srv"), std::pair("url: REQUIRED", "url: http://h/"),
        std::pair("destination: REQUIRED", "destination: s3://backups"),
        std::pair("address: REQUIRED", "address: h:5432"),
        std::pair("target_label: \"\"", "target_label: site")}) {
    std::size_t at = yaml.find(key);
    REQUIRE(at != std::string::npos);
    for (; at != std::string::npos; at = yaml.find(key)) {
      yaml.replace(at, std::string_view(key).size(), value);
    }
  }
  const Loaded loaded = load_text(yaml);
  INFO(yaml);
  INFO(loaded.problems.text());
  REQUIRE(loaded.config);
  REQUIRE(loaded.config->postgres.clusters.size() == 1);
  CHECK(loaded.config->postgres.clusters[0].instances.size() == 1);
  CHECK(loaded.config->filesystems.paths.size() == 1);
  CHECK(loaded.config->scrape.targets.size() == 1);
  CHECK(loaded.config->object_stores.stores.size() == 1);
  CHECK(loaded.config->threshold_overrides.size() == 1);
  CHECK(loaded.config->alerts.alertmanagers.size() == 1);
  CHECK(loaded.config->alerts.relabel.size() == 1);
}

TEST_CASE("settings of alerts print so that they are read back as they were", "[config]") {
  Config config;
  config.alerts.external_labels = {{"site", "home: #1"}, {"on", "off"}};
  config.alerts.relabel = {{.action = RelabelAction::kLabelDrop, .regex = "a|b"},
                           {.source_labels = {"a", "b"}, .regex = "(.*);", .target_label = "c"},
                           {.action = RelabelAction::kHashMod,
                            .source_labels = {"a"},
                            .target_label = "c",
                            .modulus = 8}};
  config.alerts.heartbeat.post = true;
  const Loaded again = load_text(to_yaml(config));
  INFO(again.problems.text());
  REQUIRE(again.config);
  CHECK(*again.config == config);
}

TEST_CASE("texts print so that every reader takes them for texts", "[config]") {
  Config config;
  config.kubernetes.namespaces = {"db", "on",   "5",       "",          "a: b", "#x",
                                  "~",  "null", "a\"b\\c", "m\xC3\xBC", "-"};
  const std::string yaml = to_yaml(config);
  CHECK_THAT(yaml,
             Catch::Contains(
                 R"(namespaces: [db, "on", "5", "", "a: b", "#x", "~", "null", "a\"b\\c", ")"));
  config.kubernetes.namespaces.erase(config.kubernetes.namespaces.begin() + 3);  // no name
  const Loaded again = load_text(to_yaml(config));
  INFO(again.problems.text());
  REQUIRE(again.config);
  CHECK(*again.config == config);
}

TEST_CASE("the table of settings names every setting once, with a sentence", "[config]") {
  const auto rows = setting_rows();
  std::vector<std::string> paths;
  for (const SettingRow& row : rows) {
    INFO(row.path);
    paths.push_back(row.path);
    CHECK(row.doc.ends_with('.'));
    CHECK_FALSE(row.type.empty());
  }
  std::sort(paths.begin(), paths.end());
  CHECK(std::adjacent_find(paths.begin(), paths.end()) == paths.end());
  const auto row_of = [&](std::string_view path) {
    const auto found =
        std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.path == path; });
    REQUIRE(found != rows.end());
    return *found;
  };
  CHECK(row_of("postgres.port").type == "integer, 1 to 65535");
  CHECK(row_of("postgres.port").initial == "5432");
  CHECK(row_of("thresholds.replication_lag_bytes").initial == "256MiB");
  CHECK(row_of("postgres.clusters[].instances[].name").type == "text, required");
  CHECK(row_of("postgres.clusters[].sslmode").initial == "verify-full");
  CHECK_THAT(settings_markdown(),
             Catch::Contains("| `step_interval` | duration, 100ms to 5m | `5s` | Time between two "
                             "evaluations of everything that is known. |\n"));
  CHECK_THAT(settings_markdown(),
             Catch::Contains("| `kubernetes.enabled` | auto\\|on\\|off | `auto` |"));
  CHECK_THAT(
      settings_json(),
      Catch::StartsWith(
          R"([{"name":"step_interval","type":"duration, 100ms to 5m","default":"5s","doc":")"));
}

}  // namespace keelwatch::config
