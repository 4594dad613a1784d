#include "analysis/volumes.h"

#include <catch2/catch.hpp>

#include "analysis/copies.h"
#include "tests/support/storage_scene.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

VolumeJoin joined(const model::World& world) {
  VolumesMemory memory;
  return find_volumes(world, memory);
}

const PlacedVolume& find(const VolumeJoin& join, std::string_view volume) {
  for (const PlacedVolume& one : join.volumes) {
    if (one.volume == volume) return one;
  }
  FAIL("no volume " << volume);
  return join.volumes.front();
}

Why silence() {
  return {Absence::kUnknown, Error(ErrorCode::kForbidden, "no right"), "kubernetes"};
}

}  // namespace

TEST_CASE("a volume is joined by its handle, not by a name", "[storage]") {
  const VolumeJoin join = joined(storage_scene().world());
  REQUIRE(join.volumes.size() == 2);
  CHECK_FALSE(join.stale);
  const PlacedVolume& one = join.volumes[0];
  CHECK(one.volume == "vol-pg-1");
  CHECK(one.persistent_volume == "pv-pg-1");
  CHECK(one.ns == "db");
  CHECK(one.claim == "pg-1");
  CHECK(one.cluster == "pg");
  CHECK(one.pod == "pg-1");
  CHECK(one.role == "PG_DATA");
  CHECK(one.longhorn);
  REQUIRE(one.users.known_value().size() == 1);
  CHECK(one.users.known_value()[0]->node == "n1");
  const LonghornObjects& objects = one.objects.known_value();
  CHECK(objects.volume->meta.name == "vol-pg-1");
  CHECK(objects.replicas.size() == 2);
  CHECK(objects.engine()->node == "n1");
}

TEST_CASE("volumes of other workloads, of other classes and of nobody are there", "[storage]") {
  StorageScene scene = storage_scene();
  scene.claims[1].meta.labels.clear();
  scene.persistent_volumes[1].csi_driver = "";
  scene.persistent_volumes[1].node_affinity = {"n2"};
  const VolumeJoin join = joined(scene.world());
  REQUIRE(join.volumes.size() == 3);
  const PlacedVolume& local = find(join, "pv-pg-2");
  CHECK_FALSE(local.longhorn);
  CHECK_FALSE(local.of_database());
  CHECK(local.pod.empty());
  CHECK(local.bound_to == std::vector<std::string>{"n2"});
  CHECK(local.objects.why().absence == Absence::kNotInstalled);
  const PlacedVolume& nobodys = join.volumes.back();
  CHECK(nobodys.volume == "vol-pg-2");
  CHECK(nobodys.claim.empty());
  CHECK(nobodys.users.known_value().empty());
}

TEST_CASE("a Pod that has ended uses nothing", "[storage]") {
  StorageScene scene = storage_scene();
  scene.pods[0].phase = "Failed";
  CHECK(find(joined(scene.world()), "vol-pg-1").users.known_value().empty());
}

TEST_CASE("who the volumes are holds while the API is silent", "[storage]") {
  const StorageScene scene = storage_scene();
  VolumesMemory memory;
  REQUIRE(find_volumes(scene.world(), memory).volumes.size() == 2);
  struct Case {
    const char* name;
    void (*silence)(model::KubernetesSlice&);
    bool stale;
    bool users;
    bool objects;
  };
  const Case cases[] = {
      {"claims", [](auto& k) { k.claims = AbsentOfAny{silence()}; }, true, true, true},
      {"PersistentVolumes", [](auto& k) { k.volumes = AbsentOfAny{silence()}; }, true, true, true},
      {"Pods", [](auto& k) { k.pods = AbsentOfAny{silence()}; }, false, false, true},
      {"Replicas", [](auto& k) { k.longhorn_replicas = AbsentOfAny{silence()}; }, false, true,
       false},
      {"Volumes", [](auto& k) { k.longhorn_volumes = AbsentOfAny{silence()}; }, false, true, false},
      {"all of it", [](auto& k) { k = model::KubernetesSlice::absent(silence()); }, true, false,
       false},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    model::KubernetesSlice slice = scene.slice();
    c.silence(slice);
    const VolumeJoin join =
        find_volumes(model::assemble(slices({}, slice), model::Freshness{}, kNow), memory);
    CHECK(join.stale.has_value() == c.stale);
    REQUIRE(join.volumes.size() == 2);
    CHECK(join.volumes[0].volume == "vol-pg-1");
    CHECK(join.volumes[0].pod == "pg-1");
    CHECK(join.volumes[0].users.is_known() == c.users);
    CHECK(join.volumes[0].objects.is_known() == c.objects);
    if (!c.objects) CHECK(join.volumes[0].objects.why() == silence());
  }
}

TEST_CASE("a Volume that is not to be found is missing only where Longhorn is looked for",
          "[storage]") {
  StorageScene scene = storage_scene();
  scene.volumes.erase(scene.volumes.begin());
  const PlacedVolume gone = find(joined(scene.world()), "vol-pg-1");
  CHECK(gone.missing);
  CHECK_FALSE(gone.objects.is_known());
  scene.nodes.clear();
  const PlacedVolume unseen = find(joined(scene.world()), "vol-pg-1");
  CHECK_FALSE(unseen.missing);
  CHECK_THAT(unseen.objects.why().error.message(),
             Catch::Contains("kubernetes.operator_namespaces"));
}

TEST_CASE("a copy counts by what is known of it", "[storage]") {
  struct Case {
    const char* name;
    void (*change)(StorageScene&);
    std::vector<CopyState> states;  // of vol-pg-1, on n1 and n2
    std::size_t nodes;
  };
  using enum CopyState;
  const auto detach = [](StorageScene& s) {
    s.volumes[0].state = "detached";
    s.engines[0].state = "stopped";
    s.engines[0].modes.clear();
  };
  static const auto detached = detach;
  const Case cases[] = {
      {"both are written", [](auto&) {}, {kUsable, kUsable}, 2},
      {"one is being rebuilt",
       [](auto& s) { s.engines[0].modes["vol-pg-1-r-n2"] = "WO"; },
       {kUsable, kRebuilding},
       1},
      {"one is in error",
       [](auto& s) { s.engines[0].modes["vol-pg-1-r-n2"] = "ERR"; },
       {kUsable, kFailed},
       1},
      {"the engine does not know one",
       [](auto& s) { s.engines[0].modes.erase("vol-pg-1-r-n2"); },
       {kUsable, kFailed},
       1},
      {"a mode has no Replica",
       [](auto& s) { s.engines[0].modes["UNKNOWN-tcp://10.0.0.1:1"] = "RW"; },
       {kUsable, kUsable},
       2},
      {"one has failed", [](auto& s) { s.replicas[1].failed_at = kNow; }, {kUsable, kFailed}, 1},
      {"one was never whole",
       [](auto& s) { s.replicas[1].healthy_at.reset(); },
       {kUsable, kRebuilding},
       1},
      {"one has no disk",
       [](auto& s) { s.replicas[1].node = s.replicas[1].disk_id = ""; },
       {kUsable, kUnscheduled},
       1},
      {"one is being deleted",
       [](auto& s) { s.replicas[1].meta.deletion_timestamp = kNow; },
       {kUsable},
       1},
      {"one is of the other engine of a migration",
       [](auto& s) { s.replicas[1].active = false; },
       {kUsable},
       1},
      {"both are on one node",
       [](auto& s) {
         s.replicas[1].node = "n1";
         s.replicas[1].disk_id = "disk-of-n1";
       },
       {kUsable, kUsable},
       1},
      {"a Replica cannot be decoded",
       [](auto& s) {
         const std::string name = s.replicas[1].meta.name;
         s.replicas[1] = {};
         s.replicas[1].meta.name = name;
       },
       {kUsable, kUnknown},
       1},
      {"a Node is not ready",
       [](auto& s) { s.machines[1].ready = false; },
       {kUsable, kNodeDown},
       1},
      {"a Node is gone",
       [](auto& s) { s.machines.erase(s.machines.begin() + 1); },
       {kUsable, kNodeDown},
       1},
      {"a node is cordoned",
       [](auto& s) { s.machines[1].unschedulable = true; },
       {kUsable, kUsable},
       2},
      {"Longhorn says that a node is gone",
       [](auto& s) { s.nodes[1].conditions[0] = {"Ready", "False", "KubernetesNodeGone", "", {}}; },
       {kUsable, kNodeDown},
       1},
      {"Longhorn's manager on a node is down",
       [](auto& s) { s.nodes[1].conditions[0] = {"Ready", "False", "ManagerPodDown", "", {}}; },
       {kUsable, kUsable},
       2},
      {"a node is under pressure",
       [](auto& s) {
         s.nodes[1].conditions[0] = {"Ready", "False", "KubernetesNodePressure", "", {}};
       },
       {kUsable, kUsable},
       2},
      {"a disk is lost",
       [](auto& s) {
         s.nodes[1].disks[0].conditions[0] = {"Ready", "False", "DiskFilesystemChanged", "", {}};
       },
       {kUsable, kNodeDown},
       1},
      {"a disk is full",
       [](auto& s) {
         s.nodes[1].disks[0].conditions[1] = {"Schedulable", "False", "DiskPressure", "", {}};
       },
       {kUsable, kUsable},
       2},
      {"the manager that asks the engine is down: its modes are old",
       [](auto& s) { s.nodes[0].conditions[0] = {"Ready", "False", "ManagerPodMissing", "", {}}; },
       {kUnverified, kUnverified},
       2},
      {"the engine runs and has not been asked since it was upgraded",
       [](auto& s) { s.engines[0].modes.clear(); },
       {kUnverified, kUnverified},
       2},
      {"a Node cannot be read, and Longhorn says that it is well",
       [](auto& s) {
         detached(s);
         s.machines[1].ready.reset();
       },
       {kUnverified, kUnverified},
       2},
      {"neither Node can be read",
       [](auto& s) {
         detached(s);
         s.machines[1].ready.reset();
         s.nodes[1].conditions.clear();
         s.nodes[1].disks.clear();
       },
       {kUnverified, kUnknown},
       1},
      {"neither Node can be read, and the engine writes there",
       [](auto& s) {
         s.machines[1].ready.reset();
         s.nodes[1].conditions.clear();
       },
       {kUsable, kUsable},
       2},
      {"detached", [](auto& s) { detached(s); }, {kUnverified, kUnverified}, 2},
      {"detached, one failed before",
       [](auto& s) {
         detached(s);
         s.replicas[1].failed_at = kNow - 24h;
       },
       {kUnverified, kFailed},
       1},
      {"detached, one was revived by salvage",
       [](auto& s) {
         detached(s);
         s.replicas[1].last_failed_at = kNow;
       },
       {kUnverified, kSuspect},
       1},
      {"detached, on a disk that nobody has",
       [](auto& s) {
         detached(s);
         s.replicas[1].disk_id = "another";
       },
       {kUnverified, kNodeDown},
       1},
      {"two engines, one active",
       [](auto& s) {
         model::LonghornEngine other = s.engines[0];
         other.meta.name = "vol-pg-1-e-1";
         other.active = false;
         other.modes.clear();
         s.engines.push_back(other);
       },
       {kUsable, kUsable},
       2},
      {"it follows a backup", [](auto& s) { s.volumes[0].standby = true; }, {kUsable, kUsable}, 0},
      {"it is being restored",
       [](auto& s) { s.volumes[0].restore_required = true; },
       {kUsable, kUsable},
       0},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    StorageScene scene = storage_scene();
    c.change(scene);
    const model::World world = scene.world();
    const Observed<StorageNodes> nodes = find_storage_nodes(*world.kubernetes);
    REQUIRE(nodes.is_known());
    const VolumeJoin join = joined(world);
    const LonghornObjects& objects = find(join, "vol-pg-1").objects.known_value();
    const std::vector<VolumeCopy> copies = find_copies(objects, nodes.known_value());
    std::vector<CopyState> states;
    for (const VolumeCopy& copy : copies) states.push_back(copy.state);
    CHECK(states == c.states);
    CHECK(usable_nodes(objects, copies).size() == c.nodes);
  }
}

}  // namespace keelwatch::analysis
