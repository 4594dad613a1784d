// The manifests of `keelwatch restore-plan`, held against the definitions of their kinds.
#include "app/restore_plan.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/support/archive_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::app {
namespace {

// What leads to the archive.
enum class Way { kConfiguration, kObjectStore, kInTree };

std::shared_ptr<model::Cluster> cluster_with(Way way, const ArchiveBuilder& archive) {
  auto cluster = std::make_shared<model::Cluster>(*cluster_object());
  model::BackupSettings& backup = cluster->backup;
  backup.object_store = way == Way::kInTree;
  if (way == Way::kInTree) {
    backup.destination_path = model::destination(archive.id) + "/";
    backup.endpoint_url = archive.id.endpoint;
    backup.credentials = "s3";
  }
  if (way == Way::kObjectStore) {
    cluster->plugins = {{.name = std::string(model::kBarmanPlugin),
                         .enabled = true,
                         .wal_archiver = true,
                         .object_store = "store",
                         .server_name = ""}};
  }
  return cluster;
}

std::shared_ptr<const Moment> moment_of(const ArchiveBuilder& archive, Way way,
                                        std::shared_ptr<const model::Cluster> cluster) {
  model::KubernetesSlice kubernetes = kubernetes_slice({std::move(cluster)}, kNow);
  if (way == Way::kObjectStore) {
    auto store = std::make_shared<model::ObjectStore>();
    store->meta.ns = "default";
    store->meta.name = "store";
    store->store.destination_path = model::destination(archive.id);
    store->store.endpoint_url = archive.id.endpoint;
    kubernetes.object_stores =
        Observed<model::ObjectList<model::ObjectStore>>::known({std::move(store)}, kNow);
  }
  config::Config config;
  if (way == Way::kConfiguration) {
    config::ArchivedServer server;
    server.name = archive.id.server;
    server.ns = "default";
    server.cluster = "pg";
    config::ObjectStore store;
    store.destination = model::destination(archive.id);
    store.endpoint = archive.id.endpoint;
    store.servers = {std::move(server)};
    config.object_stores.stores = {std::move(store)};
  }
  auto stores = std::make_shared<model::ArchiveSlice>();
  stores->archives.push_back(std::make_shared<const model::Archive>(archive.archive()));
  model::Slices all = slices({}, std::move(kubernetes));
  all.archives = std::move(stores);
  State state;
  return step(state, model::assemble(all, freshness_of(config), kNow, kNow - 1h), config);
}

ArchiveBuilder whole() { return ArchiveBuilder().wal(1, 0, 40).backup("20270115T080000", 2, 3); }

ArchiveBuilder with_tablespaces() {
  ArchiveBuilder archive = whole();
  archive.info([](model::BackupInfo& info) {
    info.tablespaces = {{"fast", 16'390, "/var/lib/postgresql/tablespaces/fast/data"},
                        {"\"odd\" name", 16'391, "/mnt/odd"}};
  });
  for (const char* file : {"16390.tar.gz", "16391.tar.gz"}) {
    archive.last_backup().files.push_back({file, 1000, kNow, ""});
  }
  return archive;
}

// What the validator says of it; empty: every definition accepts it. Nothing: it cannot be asked.
std::optional<std::string> problems_of(const std::string& manifest, const std::string& crds,
                                       const char* oldest) {
  const std::string folder = std::filesystem::temp_directory_path() / "keelwatch-plan-XXXXXX";
  std::string place = folder;
  if (::mkdtemp(place.data()) == nullptr) throw std::runtime_error("mkdtemp " + folder);
  std::ofstream(place + "/manifest.yaml") << manifest;
  const std::string command = fmt::format(
      "timeout 60 {}/tests/support/validate_manifest '{}' {} <{}/manifest.yaml >{}/said 2>&1",
      KEELWATCH_SOURCE_DIR, crds, oldest, place, place);
  const int status = std::system(command.c_str());
  std::ostringstream said;
  said << std::ifstream(place + "/said").rdbuf();
  std::filesystem::remove_all(place);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == 3) return std::nullopt;
  return code == 0 ? "" : fmt::format("exit code {}\n{}", code, said.str());
}

}  // namespace

TEST_CASE("a restore plan is accepted by the definitions of its kinds", "[app]") {
  const char* crds = std::getenv("KEELWATCH_CRDS");
  if (crds == nullptr) {
    std::cerr << "skipped: manifests against definitions: KEELWATCH_CRDS is not set\n";
    return;
  }
  struct Case {
    const char* name;
    Way way;
    ArchiveBuilder archive;
    std::optional<WallTime> to;
  };
  const Case cases[] = {
      {"nothing but a configuration", Way::kConfiguration, whole(), {}},
      {"the plugin", Way::kObjectStore, whole(), {}},
      {"the plugin, to a time", Way::kObjectStore, whole(), archived_at(20)},
      {"the operator's own", Way::kInTree, whole(), {}},
      {"the operator's own, to a time", Way::kInTree, whole(), archived_at(20)},
      {"tablespaces", Way::kObjectStore, with_tablespaces(), {}},
      {"tablespaces, the operator's own", Way::kInTree, with_tablespaces(), {}},
      {"to a position before a segment that PostgreSQL refuses",
       Way::kObjectStore,
       whole().fault(1, 30, "wrong_size"),
       {}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const auto moment = moment_of(c.archive, c.way, cluster_with(c.way, c.archive));
    const auto plan = restore_plan(*moment, {.cluster = "default/pg", .to = c.to, .name = ""});
    REQUIRE(plan);
    CAPTURE(*plan);
    // CNPG has plugins for external clusters since 1.26.
    const char* oldest = c.way == Way::kInTree ? "" : "cnpg-v1.26";
    const auto problems = problems_of(*plan, crds, oldest);
    if (!problems) {
      std::cerr << "skipped: manifests against definitions: python3-jsonschema or python3-yaml\n";
      return;
    }
    CHECK(*problems == "");
    // The validator sees what is wrong.
    CHECK_THAT(problems_of(*plan + "  nonsense: 1\n", crds, oldest).value(), Contains("nonsense"));
  }
}

TEST_CASE("a restore plan goes the way that the Cluster goes itself", "[app]") {
  const ArchiveBuilder archive = whole();
  const auto plan_of = [&](Way way, const std::shared_ptr<model::Cluster>& cluster) {
    const auto plan = restore_plan(*moment_of(archive, way, cluster),
                                   {.cluster = "default/pg", .to = {}, .name = ""});
    return plan ? *plan : plan.error().message();
  };
  const std::string in_tree = plan_of(Way::kInTree, cluster_with(Way::kInTree, archive));
  CHECK_THAT(in_tree, Contains("    - name: archive\n      barmanObjectStore:\n"
                               "        destinationPath: \"s3://backups/pg\"\n"
                               "        endpointURL: \"http://minio:9000\"\n"
                               "        serverName: \"pg\"\n"));
  CHECK_THAT(in_tree, Contains("  backup:\n    barmanObjectStore:\n") &&
                          Contains("      serverName: \"pg-restored-20270115T080000\"\n"));
  CHECK_THAT(in_tree, !Contains("plugin") && !Contains("kind: ObjectStore"));
  CHECK_THAT(plan_of(Way::kObjectStore, cluster_with(Way::kObjectStore, archive)),
             Contains("barmanObjectName: \"store\"") && !Contains("barmanObjectStore"));

  const auto inherits = cluster_with(Way::kInTree, archive);
  inherits->backup.credentials = "s3_inherit";
  CHECK_THAT(plan_of(Way::kInTree, inherits),
             Contains("s3Credentials: {inheritFromIAMRole: true}") && !Contains("accessKeyId"));

  // It has moved to the plugin since, and its old place is still written in its spec.
  const auto both = cluster_with(Way::kObjectStore, archive);
  both->backup = cluster_with(Way::kInTree, archive)->backup;
  CHECK_THAT(plan_of(Way::kObjectStore, both),
             Contains("barmanObjectName: \"store\"") && !Contains("      barmanObjectStore:"));
}

TEST_CASE("a restore plan has a volume for every tablespace", "[app]") {
  const ArchiveBuilder archive = with_tablespaces();
  const auto moment =
      moment_of(archive, Way::kObjectStore, cluster_with(Way::kObjectStore, archive));
  const auto plan = restore_plan(*moment, {.cluster = "default/pg", .to = {}, .name = ""});
  REQUIRE(plan);
  CHECK_THAT(*plan, Contains("    - name: \"fast\"\n      storage: {size: 2Gi}\n") &&
                        Contains("    - name: \"\\\"odd\\\" name\"\n"));
}

}  // namespace keelwatch::app
