#include <catch2/catch.hpp>

#include "collectors/collector.h"
#include "tests/support/storage_scene.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::collectors {
namespace {

struct Steps {
  // One line per sample of the collector: its series and the value.
  std::string at(const model::World& world) {
    analysis::Assessment assessment;
    assessment.volumes = find_volumes(world, memory.volumes);
    assessment.storage_nodes = analysis::find_storage_nodes(*world.kubernetes);
    assessment.storage =
        assess_storage(assessment.volumes, assessment.storage_nodes, world, memory.storage);
    metrics::Writer writer(series, storage_collector().families);
    storage_collector().collect({world, assessment, config}, writer);
    std::string text;
    for (const metrics::Point& point : std::move(writer).finish().points) {
      text += point.series->prefix + std::to_string(static_cast<std::int64_t>(point.value)) + "\n";
    }
    return text;
  }

  analysis::Memory memory;
  metrics::SeriesTable series;
  config::Config config;
};

std::string only(const std::string& text, std::string_view part) {
  std::string found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at + 1);
    if (line.find(part) != std::string::npos) found += line;
    at = end + 1;
  }
  return found;
}

constexpr std::string_view kOne =
    R"({namespace="db",cluster="pg",pod="pg-1",role="PG_DATA",persistentvolumeclaim="pg-1",volume="vol-pg-1")";

std::string of_one(std::string_view family) { return std::string(family) + std::string(kOne); }

}  // namespace

TEST_CASE("a volume's samples carry the database that it belongs to", "[storage]") {
  Steps steps;
  const std::string page = steps.at(storage_scene().world());
  CHECK_THAT(page, Catch::Contains(of_one("keelwatch_volume_verdict") + R"(,verdict="ok"} 1)"));
  CHECK_THAT(page,
             Catch::Contains(of_one("keelwatch_volume_verdict") + R"(,verdict="faulted"} 0)"));
  CHECK_THAT(
      page, Catch::Contains(of_one("keelwatch_volume_robustness") + R"(,robustness="healthy"} 1)"));
  CHECK_THAT(page, Catch::Contains(of_one("keelwatch_volume_replicas_healthy") + "} 2"));
  CHECK_THAT(page, Catch::Contains(of_one("keelwatch_volume_replicas_desired") + "} 2"));
  CHECK_THAT(page, Catch::Contains(of_one("keelwatch_volume_local_copy") + "} 1"));
  CHECK_THAT(page, Catch::Contains(of_one("keelwatch_volume_engine_outdated") + "} 0"));
  CHECK_THAT(page, Catch::Contains(of_one("keelwatch_volume_snapshots_max") + "} 250"));
  CHECK(only(page, "degraded_since").empty());
  CHECK(only(page, "rebuild_progress").empty());
  CHECK(only(page, "backup").empty());
  CHECK_THAT(page, Catch::Contains(
                       R"(keelwatch_disk_scheduled_limit_bytes{node="n1",disk="default"} 200)"));
  CHECK_THAT(page, Catch::Contains(R"(keelwatch_storage_node_ready{node="n3"} 1)"));
  CHECK(only(page, "smart").empty());
}

TEST_CASE("where a volume is never is a label of it", "[storage]") {
  StorageScene scene = storage_scene();
  Steps steps;
  const std::string before = only(steps.at(scene.world()), "keelwatch_volume_");
  REQUIRE_FALSE(before.empty());
  for (const char* label : {"node=", "\"n1\"", "\"n2\"", "\"n3\"", "disk="}) {
    CHECK_THAT(before, !Catch::Contains(label));
  }
  // To another node, with another engine and another copy.
  scene.pods[0].node = scene.volumes[0].current_node = scene.volumes[0].node = "n3";
  scene.engines[0].node = "n3";
  scene.engines[0].meta.name = "vol-pg-1-e-7";
  scene.replicas[0].node = "n3";
  scene.replicas[0].disk_id = "disk-of-n3";
  CHECK(only(steps.at(scene.world()), "keelwatch_volume_") == before);
}

TEST_CASE("what is not known about storage has no sample", "[storage]") {
  const Why silence{Absence::kUnknown, Error(ErrorCode::kForbidden, "no right"), "kubernetes"};
  Steps steps;
  (void)steps.at(storage_scene().world());
  model::Slices all = slices({}, model::KubernetesSlice::absent(silence));
  CHECK(steps.at(model::assemble(all, model::Freshness{}, kNow)).empty());
  // Neither where Longhorn is not installed.
  const Why none{Absence::kNotInstalled, Error(ErrorCode::kNotInstalled, "no Longhorn"), "x"};
  model::KubernetesSlice slice = storage_scene().slice();
  slice.longhorn_volumes = AbsentOfAny{none};
  slice.longhorn_engines = AbsentOfAny{none};
  slice.longhorn_replicas = AbsentOfAny{none};
  slice.longhorn_nodes = AbsentOfAny{none};
  slice.longhorn_backup_targets = AbsentOfAny{none};
  CHECK(steps.at(model::assemble(slices({}, slice), model::Freshness{}, kNow)).empty());
}

TEST_CASE("the disks of a node that is down have no samples", "[storage]") {
  StorageScene scene = storage_scene();
  scene.machines[2].ready = false;
  scene.nodes[1].disks[0].conditions[0] = {"Ready", "False", "NoDiskInfo", "", {}};
  Steps steps;
  const std::string page = steps.at(scene.world());
  CHECK(only(only(page, "keelwatch_disk_"), "n3").empty());
  CHECK(only(only(page, "keelwatch_disk_"), "n2") ==
        R"(keelwatch_disk_ready{node="n2",disk="default"} 0
keelwatch_disk_schedulable{node="n2",disk="default"} 1
keelwatch_disk_reserved_bytes{node="n2",disk="default"} 20
)");
  CHECK_THAT(page, Catch::Contains(R"(keelwatch_storage_node_ready{node="n3"} 0)"));
}

TEST_CASE("disks that fail or fill, and a target that is away", "[storage]") {
  StorageScene scene = storage_scene();
  scene.nodes[0].disks[0].health = {{"sda", "PASSED"}, {"sdb", "WARNING"}};
  scene.nodes[1].disks[0].health = {{"sda", "PASSED"}};
  scene.nodes[2].disks[0].conditions[1] = {"Schedulable", "False", "DiskPressure", "", {}};
  model::BackupTarget target;
  target.meta.name = "default";
  target.url = "s3://b@r/";
  target.available = false;
  scene.backup_targets = {target};
  Steps steps;
  const std::string page = steps.at(scene.world());
  CHECK(only(page, "smart") == R"(keelwatch_disk_smart_healthy{node="n1",disk="default"} 0
keelwatch_disk_smart_healthy{node="n2",disk="default"} 1
)");
  CHECK_THAT(page, Catch::Contains(R"(keelwatch_disk_schedulable{node="n3",disk="default"} 0)"));
  CHECK_THAT(page, Catch::Contains(
                       R"(keelwatch_storage_backup_target_available{backup_target="default"} 0)"));
}

}  // namespace keelwatch::collectors
