#include "discovery/archives.h"

#include <catch2/catch.hpp>
#include <map>

#include "model/archive_place.h"
#include "tests/support/world_builder.h"

using namespace keelwatch::testing;

namespace keelwatch::discovery {
namespace {

using Files = std::map<std::string, Result<std::string>>;

const Files kKeys = {{"/key/id", std::string("AKIA\n")},
                     {"/key/secret", std::string("hunter2\r\n")}};

ReadFile files(Files content = kKeys) {
  return [content = std::move(content)](const std::string& path) -> Result<std::string> {
    const auto found = content.find(path);
    if (found == content.end()) return Error(ErrorCode::kNotFound, "no such file");
    return found->second;
  };
}

model::Cluster cluster(std::string name = "pg") {
  model::Cluster c = *cluster_object();
  c.meta.ns = "db";
  c.meta.name = std::move(name);
  c.backup.object_store = false;
  return c;
}

model::Cluster in_tree(std::string destination, std::string endpoint = "https://minio:9000/") {
  model::Cluster c = cluster();
  c.backup.object_store = true;
  c.backup.destination_path = std::move(destination);
  c.backup.endpoint_url = std::move(endpoint);
  return c;
}

model::ClusterPlugin barman(std::string store, std::string server = "") {
  return {std::string(model::kBarmanPlugin), true, true, std::move(store), std::move(server)};
}

model::Cluster with_plugin(model::ClusterPlugin plugin, std::string name = "pg") {
  model::Cluster c = cluster(std::move(name));
  c.plugins = {std::move(plugin)};
  return c;
}

model::ObjectStore store(std::string name, std::string destination, std::string endpoint = "",
                         std::vector<std::string> servers = {}) {
  model::ObjectStore s;
  s.meta.ns = "db";
  s.meta.name = std::move(name);
  s.store.destination_path = std::move(destination);
  s.store.endpoint_url = std::move(endpoint);
  for (std::string& server : servers) s.windows[std::move(server)] = {};
  return s;
}

template <typename T>
Observed<model::ObjectList<T>> known(std::vector<T> objects) {
  model::ObjectList<T> list;
  for (T& object : objects) list.push_back(std::make_shared<const T>(std::move(object)));
  return Observed<model::ObjectList<T>>::known(std::move(list), kNow);
}

model::KubernetesSlice slice_of(std::vector<model::Cluster> clusters,
                                std::vector<model::ObjectStore> stores = {}) {
  model::KubernetesSlice slice = kubernetes_slice();
  slice.clusters = known(std::move(clusters));
  slice.object_stores = known(std::move(stores));
  return slice;
}

config::Config with_key() {
  config::Config config;
  config.object_stores.key = {"/key/id", "/key/secret", ""};
  return config;
}

config::ObjectStore configured(std::string destination, std::string endpoint = "") {
  config::ObjectStore s;
  s.destination = std::move(destination);
  s.endpoint = std::move(endpoint);
  s.key = {"/key/id", "/key/secret", ""};
  return s;
}

ArchiveTargets discovered(const model::KubernetesSlice& slice,
                          const config::Config& config = with_key(),
                          const ReadFile& read_file = files(),
                          const ArchiveTargets& previous = {}) {
  return discover_archives(config, &slice, read_file, {}, previous);
}

// "endpoint bucket path server" of each.
std::vector<std::string> places(const ArchiveTargets& targets) {
  std::vector<std::string> result;
  for (const ArchiveTarget& t : targets.archives) {
    result.push_back(t.id.endpoint + " " + t.id.bucket + " " + t.id.path + " " + t.id.server);
  }
  return result;
}

using Places = std::vector<std::string>;

}  // namespace

TEST_CASE("an archive is found by what its Cluster says", "[discovery][archives]") {
  model::Cluster named = in_tree("s3://backups//a/b/", "HTTPS://MinIO:9000/");
  named.backup.server_name = "other";
  CHECK(places(discovered(slice_of({in_tree("s3://backups/pg")}))) ==
        Places{"https://minio:9000 backups pg pg"});
  CHECK(places(discovered(slice_of({named}))) == Places{"https://minio:9000 backups a/b other"});
  CHECK(places(discovered(slice_of({in_tree("S3://backups", "")}))) == Places{" backups  pg"});
  CHECK(places(discovered(slice_of({with_plugin(barman("store"))},
                                   {store("store", "s3://b/p/", "http://rgw")}))) ==
        Places{"http://rgw b p pg"});
  CHECK(places(discovered(slice_of({with_plugin(barman("store", "homelab"))},
                                   {store("store", "s3://b")}))) == Places{" b  homelab"});
}

TEST_CASE("what is no archive is none", "[discovery][archives]") {
  model::ClusterPlugin off = barman("store");
  off.enabled = false;
  model::ClusterPlugin other = barman("store");
  other.name = "another.plugin";
  model::ObjectStore elsewhere = store("store", "s3://b");
  elsewhere.meta.ns = "other";
  for (const auto& slice :
       {slice_of({cluster()}), slice_of({with_plugin(off)}, {store("store", "s3://b")}),
        slice_of({with_plugin(other)}, {store("store", "s3://b")}),
        slice_of({with_plugin(barman("store"))}),
        slice_of({with_plugin(barman("store"))}, {elsewhere}),
        slice_of({with_plugin(barman(""))}, {store("store", "s3://b")}), slice_of({in_tree("")}),
        slice_of({in_tree("s3://")}), slice_of({in_tree("backups/pg")})}) {
    CHECK(discovered(slice).archives.empty());
  }
}

TEST_CASE("servers that only an ObjectStore still names are read, too", "[discovery][archives]") {
  const auto slice = slice_of(
      {with_plugin(barman("store", "homelab-cluster"))},
      {store("store", "s3://b", "", {"homelab-cluster", "homelabcluster"}),
       store("minio", "s3://old", "http://minio", {"homelabcluster"}), store("new", "s3://n")});
  CHECK(places(discovered(slice)) ==
        Places{" b  homelab-cluster", " b  homelabcluster", "http://minio old  homelabcluster"});
}

TEST_CASE("what a Cluster was recovered from is read", "[discovery][archives]") {
  model::Cluster c = cluster();
  c.external_clusters.resize(4);
  c.external_clusters[0].name = "origin";
  c.external_clusters[0].store = model::BarmanStore();
  c.external_clusters[0].store->destination_path = "s3://o/p";
  c.external_clusters[1].name = "by-plugin";
  c.external_clusters[1].plugin = barman("store");
  c.external_clusters[2].name = "unused";
  c.external_clusters[2].store = c.external_clusters[0].store;
  c.external_clusters[3].name = "live";  // only a connection
  const auto stores = std::vector{store("store", "s3://b")};
  CHECK(discovered(slice_of({c}, stores)).archives.empty());
  c.recovery = model::RecoverySource{"origin", ""};
  CHECK(places(discovered(slice_of({c}, stores))) == Places{" o p origin"});
  c.external_clusters[0].store->server_name = "named";
  CHECK(places(discovered(slice_of({c}, stores))) == Places{" o p named"});
  c.recovery->external_cluster = "live";
  CHECK(discovered(slice_of({c}, stores)).archives.empty());
  // The plugin's server is by default the Cluster's own name, not the external one's.
  c.replica.source = "by-plugin";
  CHECK(places(discovered(slice_of({c}, stores))) == Places{" b  pg"});

  c.replica.source.clear();
  c.recovery = model::RecoverySource{"", "b1"};
  model::Backup backup;
  backup.meta.ns = "db";
  backup.meta.name = "b1";
  backup.cluster = "before";
  backup.destination_path = "s3://before/x";
  auto slice = slice_of({c});
  slice.backups = known(std::vector{backup});
  CHECK(places(discovered(slice)) == Places{" before x before"});
}

TEST_CASE("Azure and Google are not supported, and say so", "[discovery][archives]") {
  struct Case {
    const char* destination;
    const char* reason;
  };
  const Case cases[] = {
      {"azure://account/container",
       "azure://account/container is a container of Azure Blob Storage: keelwatch reads S3 only"},
      {"https://account.blob.core.windows.net/c/p",
       "https://account.blob.core.windows.net/c/p is a container of Azure Blob Storage: keelwatch "
       "reads S3 only"},
      {"gs://bucket/p",
       "gs://bucket/p is a bucket of Google Cloud Storage: keelwatch reads S3 only"},
      {"http://azurite:10000/a/c",
       "http://azurite:10000/a/c is no s3:// address: keelwatch reads S3 "
       "only"},
  };
  for (const Case& c : cases) {
    INFO(c.destination);
    const ArchiveTargets targets = discovered(slice_of({in_tree(c.destination)}));
    REQUIRE(targets.archives.size() == 1);
    CHECK(targets.archives[0].not_supported_reason == c.reason);
    CHECK(targets.archives[0].id.server == "pg");
    CHECK(targets.archives[0].not_set_up_reason.empty());
    CHECK(targets.archives[0].access_key.empty());
    // It stays so while the API is silent.
    CHECK(discover_archives(with_key(), nullptr, files(), {}, targets) == targets);
  }
}

TEST_CASE("the key is that of the deepest folder at the same endpoint", "[discovery][archives]") {
  config::Config config;
  const auto add = [&](std::string destination, std::string endpoint, std::string region) {
    config.object_stores.stores.push_back(configured(std::move(destination), std::move(endpoint)));
    config.object_stores.stores.back().region = std::move(region);
  };
  add("s3://backups", "", "bucket");
  add("s3://backups/pg/", "", "folder");
  add("s3://backups/pg", "https://minio:9000/", "folder at minio");
  add("s3://backups/pg/deep", "https://ceph", "deeper, elsewhere");
  struct Case {
    const char* destination;
    const char* endpoint;
    const char* region;
  };
  const Case cases[] = {
      {"s3://backups/pg", "https://minio:9000", "folder at minio"},
      {"s3://backups/pg", "https://other", "folder"},
      {"s3://backups/pg/deep/er", "https://minio:9000", "folder at minio"},
      {"s3://backups/pg/deep/er", "https://CEPH/", "deeper, elsewhere"},
      {"s3://backups/pgother", "https://minio:9000", "bucket"},
      {"s3://backups", "https://minio:9000", "bucket"},
      {"s3://backups2/pg", "https://minio:9000", ""},
  };
  for (const Case& c : cases) {
    INFO(c.destination << " at " << c.endpoint);
    const auto targets = discovered(slice_of({in_tree(c.destination, c.endpoint)}), config);
    REQUIRE(targets.archives.size() == 1);
    CHECK(targets.archives[0].region == c.region);
    CHECK(targets.archives[0].not_set_up_reason.empty() == (std::string_view(c.region) != ""));
  }
}

TEST_CASE("keys come from files, else from the environment", "[discovery][archives]") {
  const auto slice = slice_of({in_tree("s3://backups/pg")});
  config::Config config = with_key();
  const AwsEnvironment environment{"ENV", Secret("env-secret"), "env-token", "eu-west-1"};
  SECTION("files") {
    const auto targets = discover_archives(config, &slice, files(), environment, {});
    REQUIRE(targets.archives.size() == 1);
    CHECK(targets.archives[0].access_key == "AKIA");
    CHECK(targets.archives[0].secret_key.reveal() == "hunter2");
    CHECK(targets.archives[0].session_token.empty());  // not that of the other key
    CHECK(targets.archives[0].region == "eu-west-1");
    CHECK(targets.archives[0].path_style);
  }
  SECTION("a session token, a CA and a segment size") {
    Files content = kKeys;
    content.emplace("/key/token", std::string("token\n"));
    content.emplace("/ca", std::string("the CA\nin lines\n"));
    config.object_stores.stores = {configured("s3://backups")};
    config.object_stores.stores[0].key.session_token_file = "/key/token";
    config.object_stores.stores[0].ca_file = "/ca";
    config.object_stores.stores[0].addressing = "virtual";
    config.object_stores.stores[0].servers = {{"pg", "", "", 64.0 * 1024 * 1024}};
    const auto targets = discover_archives(config, &slice, files(content), environment, {});
    REQUIRE(targets.archives.size() == 2);  // and pg of the configuration, right in the bucket
    const ArchiveTarget& target = targets.archives[1];
    CHECK(target.id.path == "pg");
    CHECK(target.session_token == "token");
    CHECK(target.ca_pem == "the CA\nin lines\n");
    CHECK_FALSE(target.path_style);
    CHECK(target.segment_bytes == 64 * 1024 * 1024);
  }
  SECTION("the environment") {
    const auto targets = discover_archives({}, &slice, files(), environment, {});
    REQUIRE(targets.archives.size() == 1);
    CHECK(targets.archives[0].access_key == "ENV");
    CHECK(targets.archives[0].secret_key.reveal() == "env-secret");
    CHECK(targets.archives[0].session_token == "env-token");
  }
  SECTION("half an environment is none") {
    const auto targets = discover_archives({}, &slice, files(), {"ENV", Secret(""), "", ""}, {});
    REQUIRE(targets.archives.size() == 1);
    CHECK(targets.archives[0].access_key.empty());
    CHECK(targets.archives[0].not_set_up_reason ==
          "no key: give object_stores.stores an item with destination: s3://backups/pg, endpoint: "
          "https://minio:9000, access_key_file and secret_key_file, or set AWS_ACCESS_KEY_ID and "
          "AWS_SECRET_ACCESS_KEY; it needs to list and read");
  }
}

TEST_CASE("buckets stand in the host's name only where that can work", "[discovery][archives]") {
  const auto path_style = [](std::string destination, std::string endpoint) {
    return discovered(slice_of({in_tree(std::move(destination), std::move(endpoint))}))
        .archives.at(0)
        .path_style;
  };
  CHECK(path_style("s3://backups", "https://minio"));
  CHECK_FALSE(path_style("s3://backups", ""));
  CHECK(path_style("s3://my.backups", ""));
}

TEST_CASE("a key that cannot be read is told from one that nobody made", "[discovery][archives]") {
  const auto slice = slice_of({in_tree("s3://backups/pg")});
  struct Case {
    const char* name;
    Files content;
    const char* not_set_up;
    const char* cannot_read;
  };
  const Case cases[] = {
      {"none", {}, "access_key_file /key/id: no such file", ""},
      {"half", {{"/key/id", std::string("AKIA")}}, "secret_key_file /key/secret: no such file", ""},
      {"empty",
       {{"/key/id", std::string("\n")}},
       "",
       "access_key_file /key/id: its first line is empty"},
      {"forbidden",
       {{"/key/id", Error(ErrorCode::kForbidden, "Permission denied")}},
       "",
       "access_key_file /key/id: Permission denied"},
  };
  const ArchiveTargets before = discovered(slice);
  for (const Case& c : cases) {
    INFO(c.name);
    const ArchiveTarget target = discovered(slice, with_key(), files(c.content)).archives.at(0);
    CHECK(target.not_set_up_reason == c.not_set_up);
    CHECK(target.cannot_read_reason == c.cannot_read);
    CHECK(target.secret_key.empty());
    // Whatever it is, it is a fault where there was a key before.
    const ArchiveTarget after =
        discovered(slice, with_key(), files(c.content), before).archives.at(0);
    CHECK(after.not_set_up_reason.empty());
    CHECK(after.cannot_read_reason == (*c.not_set_up != 0
                                           ? std::string("the credential vanished: ") + c.not_set_up
                                           : c.cannot_read));
  }
  // It stays a fault, and is over once the file is back.
  const ArchiveTargets vanished = discovered(slice, with_key(), files({}), before);
  CHECK(discovered(slice, with_key(), files({}), vanished) == vanished);
  CHECK(discovered(slice, with_key(), files(), vanished) == before);
}

TEST_CASE("the archives of the configuration need no Kubernetes", "[discovery][archives]") {
  config::Config config;
  config.object_stores.stores = {configured("s3://backups/pg/", "https://minio:9000/")};
  config.object_stores.stores[0].servers = {{"b", "", "", {}}, {"a", "db", "main", {}}};
  const ArchiveTargets targets = discover_archives(config, nullptr, files(), {}, {});
  CHECK(places(targets) ==
        Places{"https://minio:9000 backups pg a", "https://minio:9000 backups pg b"});
  CHECK(targets.archives[0].access_key == "AKIA");
}

TEST_CASE("a silent API lets go of no archive", "[discovery][archives]") {
  const auto plugin = slice_of({with_plugin(barman("store"))}, {store("store", "s3://b")});
  const ArchiveTargets before = discovered(plugin);
  REQUIRE(before.archives.size() == 1);
  const Why silent{Absence::kUnknown, Error(ErrorCode::kTimeout, "silent"), "kubernetes"};
  CHECK(discover_archives(with_key(), nullptr, files(), {}, before) == before);
  auto slice = plugin;
  slice.clusters = AbsentOfAny{silent};
  CHECK(discovered(slice, with_key(), files(), before) == before);
  slice = plugin;
  slice.object_stores = AbsentOfAny{silent};
  CHECK(discovered(slice, with_key(), files(), before) == before);
  // A changed key reaches it nevertheless.
  Files other = kKeys;
  other.at("/key/id") = std::string("NEW");
  CHECK(discovered(slice, with_key(), files(other), before).archives.at(0).access_key == "NEW");
  // Gone, or no Kubernetes at all: then it goes.
  CHECK(discovered(slice_of({cluster()}), with_key(), files(), before).archives.empty());
  const Why off{Absence::kNotSetUp, Error(ErrorCode::kNotFound, "off"), "kubernetes"};
  CHECK(discovered(model::KubernetesSlice::absent(off), with_key(), files(), before)
            .archives.empty());
}

}  // namespace keelwatch::discovery
