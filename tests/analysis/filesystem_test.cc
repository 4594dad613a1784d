#include "analysis/filesystem.h"

#include <catch2/catch.hpp>

#include "app/step.h"
#include "tests/support/pages.h"
#include "tests/support/world_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

using Claims = std::vector<model::ClaimUsage>;

template <typename T>
Observed<model::ObjectList<T>> known(std::vector<T> objects) {
  model::ObjectList<T> list;
  for (T& object : objects) list.push_back(std::make_shared<const T>(std::move(object)));
  return Observed<model::ObjectList<T>>::known(std::move(list), kNow);
}

model::Pod pod(std::string name, std::string node, std::vector<std::string> claims) {
  model::Pod p;
  p.meta.ns = "db";
  p.meta.name = std::move(name);
  p.node = std::move(node);
  p.phase = "Running";
  p.claims = std::move(claims);
  return p;
}

model::PersistentVolumeClaim claim(std::string name, std::string pod, std::string role) {
  model::PersistentVolumeClaim c;
  c.meta.ns = "db";
  c.meta.name = std::move(name);
  c.meta.labels = {{"cnpg.io/cluster", "pg"},
                   {"cnpg.io/instanceName", std::move(pod)},
                   {"cnpg.io/pvcRole", std::move(role)}};
  return c;
}

model::Slices all() {
  model::KubernetesSlice k = kubernetes_slice();
  model::PersistentVolumeClaim files;
  files.meta.ns = "db";
  files.meta.name = "files";
  k.pods = known<model::Pod>({pod("pg-1", "n1", {"pg-1", "pg-1-wal"}), pod("pg-2", "n2", {"pg-2"}),
                              pod("pg-3", "n9", {"pg-3"})});
  k.claims = known<model::PersistentVolumeClaim>(
      {files, claim("pg-1", "pg-1", "PG_DATA"), claim("pg-1-wal", "pg-1", "PG_WAL"),
       claim("pg-2", "pg-2", "PG_DATA"), claim("pg-3", "pg-3", "PG_DATA"),
       claim("pg-4", "pg-4", "PG_DATA")});
  auto slice = std::make_shared<model::FilesystemSlice>();
  const auto node = [&](std::string name, Observed<Claims> claims) {
    slice->nodes.push_back(std::make_shared<const model::NodeFilesystems>(
        model::NodeFilesystems{std::move(name), std::move(claims)}));
  };
  node("n1", Observed<Claims>::known({{"db", "files", {9, 9, {}, {}}},
                                      {"db", "pg-1", {1000, 400, 50, 20}},
                                      {"other", "pg-1-wal", {1, 1, {}, {}}}},
                                     kNow));
  node("n2", Observed<Claims>::unknown(
                 Error(ErrorCode::kForbidden, "the right is missing to get nodes/metrics"),
                 "filesystem n2"));
  slice->paths.push_back(std::make_shared<const model::PathFilesystem>(
      model::PathFilesystem{"/pg", "", "bare", "a", "PG_DATA",
                            Observed<model::FilesystemUsage>::known({200, 20, {}, {}}, kNow)}));
  model::Slices slices;
  slices.kubernetes = std::make_shared<const model::KubernetesSlice>(std::move(k));
  slices.filesystems = std::move(slice);
  return slices;
}

std::string text(const std::vector<Filesystem>& filesystems) {
  std::string out;
  for (const Filesystem& f : filesystems) {
    out += f.ns + " " + f.cluster + " " + f.pod + " " + f.claim + f.path + " " + f.role + ": ";
    if (const auto* usage = f.usage.if_known()) {
      out += std::to_string(usage->available_bytes) + "/" + std::to_string(usage->size_bytes);
    } else {
      out += f.usage.why().error.message();
    }
    out += "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("every claim of a database is listed, with its numbers or with why there are none",
          "[analysis]") {
  FilesystemMemory memory;
  CHECK(text(find_filesystems(model::assemble(all(), {}, kNow), memory)) ==
        R"(db pg pg-1 pg-1 PG_DATA: 400/1000
db pg pg-1 pg-1-wal PG_WAL: the kubelet of node n1 says nothing of the claim
db pg pg-2 pg-2 PG_DATA: the right is missing to get nodes/metrics
db pg pg-3 pg-3 PG_DATA: node n9 has not been asked yet
db pg pg-4 pg-4 PG_DATA: no Pod mounts the claim
 bare a /pg PG_DATA: 20/200
)");
}

TEST_CASE("while the API server is silent the kubelets' answers still count", "[analysis]") {
  FilesystemMemory memory;
  const auto slices = all();
  const auto before = find_filesystems(model::assemble(slices, {}, kNow), memory);
  const auto after = find_filesystems(model::assemble(slices, {}, kNow + 60s), memory);
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    INFO(text({before[i]}));
    CHECK((after[i].claim == before[i].claim && after[i].role == before[i].role));
    CHECK(after[i].usage.is_known() == before[i].usage.is_known());
  }
  CHECK(after[4].usage.why().error.message() == "no answer for 1m");  // mounted by now, perhaps
  // Not for ever, and nothing that was never known.
  const auto late = find_filesystems(model::assemble(slices, {}, kNow + 10min), memory);
  CHECK_FALSE(late[0].usage.is_known());
  FilesystemMemory fresh;
  CHECK(find_filesystems(model::assemble(slices, {}, kNow + 60s), fresh).size() == 1);
}

TEST_CASE("file systems have a sample each where they are known, and thresholds in any case",
          "[analysis]") {
  app::State state;
  const auto moment = app::step(state, model::assemble(all(), {}, kNow), config::Config{});
  CHECK(
      sample_lines(*moment, "keelwatch_filesystem_") ==
      R"(keelwatch_filesystem_available_bytes{namespace="db",cluster="pg",pod="pg-1",persistentvolumeclaim="pg-1",role="PG_DATA"} 400
keelwatch_filesystem_available_bytes{cluster="bare",pod="a",path="/pg",role="PG_DATA"} 20
keelwatch_filesystem_size_bytes{namespace="db",cluster="pg",pod="pg-1",persistentvolumeclaim="pg-1",role="PG_DATA"} 1000
keelwatch_filesystem_size_bytes{cluster="bare",pod="a",path="/pg",role="PG_DATA"} 200
keelwatch_filesystem_inodes{namespace="db",cluster="pg",pod="pg-1",persistentvolumeclaim="pg-1",role="PG_DATA"} 50
keelwatch_filesystem_inodes_free{namespace="db",cluster="pg",pod="pg-1",persistentvolumeclaim="pg-1",role="PG_DATA"} 20
)");
  CHECK(sample_lines(*moment, "keelwatch_threshold_filesystem_critical_ratio{cluster=\"bare\"}") ==
        "keelwatch_threshold_filesystem_critical_ratio{cluster=\"bare\"} 0.03\n");
}

}  // namespace keelwatch::analysis
