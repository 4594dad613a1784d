#include "analysis/storage.h"

#include <catch2/catch.hpp>

#include "model/assemble.h"
#include "tests/support/storage_scene.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

// The steps of one run.
struct Steps {
  Storage at(const StorageScene& scene, WallTime now = kNow) { return at(scene.world(now)); }
  Storage at(const model::World& world) {
    const VolumeJoin join = find_volumes(world, volumes);
    return assess_storage(join, find_storage_nodes(*world.kubernetes), world, storage);
  }
  VolumesMemory volumes;
  StorageMemory storage;
};

const StorageVolume& find(const Storage& storage, std::string_view volume) {
  for (const StorageVolume& one : storage.volumes) {
    if (one.volume == volume) return one;
  }
  FAIL("no volume " << volume);
  return storage.volumes.front();
}

const VolumeHealth& health(const Storage& storage, std::string_view volume = "vol-pg-1") {
  const StorageVolume& found = find(storage, volume);
  INFO((found.health.is_known() ? "" : found.health.why().error.message()));
  REQUIRE(found.health.is_known());
  return found.health.known_value();
}

void detach(StorageScene& s, bool by_its_user = true) {
  s.volumes[0].state = "detached";
  s.volumes[0].robustness = "unknown";
  s.volumes[0].node = s.volumes[0].current_node = "";
  s.engines[0].state = "stopped";
  s.engines[0].node = "";
  s.engines[0].modes.clear();
  if (by_its_user) {
    s.pods.erase(s.pods.begin());
    s.attachments[0].tickets.clear();
  }
}

void fail_copy(StorageScene& s, Duration ago) {
  s.volumes[0].robustness = "degraded";
  s.replicas[1].failed_at = kNow - ago;
  s.engines[0].modes["vol-pg-1-r-n2"] = "ERR";
}

void rebuild(StorageScene& s, std::int64_t progress) {
  s.volumes[0].robustness = "degraded";
  s.replicas[1].healthy_at.reset();
  s.engines[0].modes["vol-pg-1-r-n2"] = "WO";
  s.engines[0].rebuilds = {
      {"vol-pg-1-r-n2", "tcp://10.0.0.1:1", true, progress, "in_progress", ""}};
}

void lose_node(StorageScene& s, std::size_t node) {
  s.machines[node].ready = false;
  s.nodes[node].conditions[0] = {"Ready", "False", "KubernetesNodeNotReady", "", {}};
}

void make_single(StorageScene& s, const char* locality) {
  s.volumes[0].replicas_desired = 1;
  s.volumes[0].data_locality = locality;
  s.replicas.erase(s.replicas.begin() + 1);
  s.engines[0].modes.erase("vol-pg-1-r-n2");
}

model::AttachmentTicket unsatisfied() {
  return {"csi-1", "csi-attacher", "n1", false, "AttachedNodeNotReady", "", kNow - 3h};
}

struct Case {
  const char* name;
  void (*change)(StorageScene&);
  VolumeVerdict verdict;
  const char* detail;  // in it
};

void check(const Case& c) {
  INFO(c.name);
  StorageScene scene = storage_scene();
  c.change(scene);
  Steps steps;
  const Storage storage = steps.at(scene);
  const VolumeHealth& found = health(storage);
  INFO(found.detail);
  CHECK(to_string(found.verdict) == to_string(c.verdict));
  CHECK_THAT(found.detail, Catch::Contains(c.detail));
  CHECK(to_string(health(storage, "vol-pg-2").verdict) == "ok");
}

}  // namespace

TEST_CASE("a volume that is well is said to be, and a choice is not scolded", "[storage]") {
  using enum VolumeVerdict;
  const Case cases[] = {
      {"two copies", [](auto&) {}, kOk, "2 of 2 copies"},
      {"a single copy", [](auto& s) { make_single(s, "disabled"); }, kOk, "single copy"},
      {"a single copy where its Pod is", [](auto& s) { make_single(s, "strict-local"); }, kOk,
       "single copy, strict-local"},
      {"detached in peace", [](auto& s) { detach(s); }, kDetached, "2 of 2 copies"},
      {"never used",
       [](auto& s) {
         detach(s);
         s.volumes[0].actual_size_bytes = 0;
         for (auto& replica : s.replicas) {
           if (replica.volume != "vol-pg-1") continue;
           replica.healthy_at.reset();
           replica.last_healthy_at.reset();
         }
       },
       kDetached, "never used"},
      {"its node is cordoned", [](auto& s) { s.machines[0].unschedulable = true; }, kOk, "2 of 2"},
      {"Longhorn's manager is away",
       [](auto& s) { s.nodes[1].conditions[0] = {"Ready", "False", "ManagerPodDown", "", {}}; },
       kOk, "2 of 2"},
      {"its node is under pressure",
       [](auto& s) {
         s.nodes[1].conditions[0] = {"Ready", "False", "KubernetesNodePressure", "", {}};
       },
       kOk, "2 of 2"},
      {"used from two nodes at once",
       [](auto& s) {
         s.volumes[0].access_mode = "rwx";
         s.pods.push_back(s.pods[0]);
         s.pods.back().meta.name = "other";
         s.pods.back().node = "n3";
       },
       kOk, "2 of 2"},
      {"moved live to its Pod's next node",
       [](auto& s) {
         s.volumes[0].migration_node = "n3";
         s.pods.push_back(s.pods[0]);
         s.pods.back().meta.name = "other";
         s.pods.back().node = "n3";
         s.pods.back().phase = "Pending";
       },
       kOk, "2 of 2"},
      {"with an entry of no Replica among its engine's",
       [](auto& s) { s.engines[0].modes["UNKNOWN-tcp://10.42.0.7:10020"] = "ERR"; }, kOk, "2 of 2"},
      {"larger than its size, because of snapshots",
       [](auto& s) {
         s.volumes[0].actual_size_bytes = 1500;
         s.engines[0].snapshot_bytes = 1200;
         s.engines[0].snapshots_removed = 1;
       },
       kOk, "1200 bytes are of snapshots (1 of them removed and not purged yet)"},
      {"sharded",
       [](auto& s) {
         s.volumes[0].layout = "sharded";
         std::erase_if(s.replicas, [](const auto& r) { return r.volume == "vol-pg-1"; });
         s.engines[0].modes.clear();
       },
       kOk, "sharded: its copies are not counted"},
      {"in a live migration",
       [](auto& s) {
         model::LonghornEngine other = s.engines[0];
         other.meta.name = "vol-pg-1-e-1";
         other.active = false;
         s.engines.push_back(other);
         model::VolumeReplica its = s.replicas[0];
         its.meta.name = "vol-pg-1-r-other";
         its.active = false;
         s.replicas.push_back(its);
       },
       kOk, "2 of 2"},
      {"its engine was upgraded live and has not been asked since",
       [](auto& s) { s.engines[0].modes.clear(); }, kOk, "2 of 2"},
      {"expanding",
       [](auto& s) {
         s.volumes[0].expansion_required = true;
         s.engines[0].expanding = true;
       },
       kOk, "2 of 2"},
      {"a failed expansion that is over",
       [](auto& s) { s.engines[0].expansion_error = "no space"; }, kOk, "2 of 2"},
      {"salvaged long ago", [](auto& s) { s.volumes[0].last_auto_salvaged = kNow - 48h; }, kOk,
       "2 of 2"},
      {"an attached volume's ticket of a backup",
       [](auto& s) {
         s.attachments[0].tickets.push_back(
             {"backup-1", "backup-controller", "n1", false, "", "", {}});
       },
       kOk, "2 of 2"},
  };
  for (const Case& c : cases) check(c);
}

TEST_CASE("what is lost or cannot be reached comes first", "[storage]") {
  using enum VolumeVerdict;
  const Case cases[] = {
      {"Longhorn calls it faulted",
       [](auto& s) {
         s.volumes[0].robustness = "faulted";
         s.volumes[0].state = "detached";
         for (auto& r : s.replicas)
           r.failed_at = r.volume == "vol-pg-1" ? std::optional(kNow) : std::nullopt;
       },
       kFaulted, "no copy of it is whole"},
      {"no copy is written although Longhorn still calls it degraded",
       [](auto& s) {
         s.volumes[0].robustness = "degraded";
         s.engines[0].modes = {{"vol-pg-1-r-n1", "ERR"}, {"vol-pg-1-r-n2", "ERR"}};
       },
       kFaulted, "no copy"},
      {"all copies are on nodes that are down",
       [](auto& s) {
         lose_node(s, 0);
         lose_node(s, 1);
         add_storage_node(s, "n4");
         s.machines[2].ready = true;
       },
       kUnreachable, "is on a node or disk that is down"},
      {"a single copy on a node that reboots",
       [](auto& s) {
         make_single(s, "strict-local");
         lose_node(s, 0);
         detach(s);
       },
       kUnreachable, "down"},
      {"a single copy on a node that reboots, and Longhorn calls it faulted",
       [](auto& s) {
         make_single(s, "strict-local");
         lose_node(s, 0);
         detach(s);
         s.volumes[0].robustness = "faulted";
         s.replicas[0].failed_at = kNow;
       },
       kUnreachable, "down"},
      {"its last whole copy is on a node that reboots, and another failed before",
       [](auto& s) {
         detach(s);
         s.replicas[1].failed_at = kNow - 1h;
         lose_node(s, 0);
       },
       kUnreachable, "its last whole copy is on a node"},
      {"its file system is read-only", [](auto& s) { s.engines[0].filesystem_read_only = true; },
       kReadOnly, "read-only"},
      {"the node that it is attached to is down",
       [](auto& s) {
         lose_node(s, 0);
         s.volumes[0].robustness = "unknown";
       },
       kEngineNodeLost, "attached to n1, which is down"},
      {"attached, and no engine of it is active", [](auto& s) { s.engines[0].active = false; },
       kEngineNodeLost, "attached to n1, and its engine there is missing"},
      {"attached, and there is no engine",
       [](auto& s) {
         s.engines.erase(s.engines.begin());
         s.volumes[0].robustness = "unknown";
       },
       kEngineNodeLost, "its engine there is missing"},
      {"attached, and its engine died", [](auto& s) { s.engines[0].state = "error"; },
       kEngineNodeLost, "its engine there is in state error"},
      {"attached, and nobody knows of its engine",
       [](auto& s) {
         s.engines[0].state = "unknown";
         s.volumes[0].robustness = "unknown";
       },
       kEngineNodeLost, "its engine there is in state unknown"},
      {"detached under a running Pod", [](auto& s) { detach(s, false); }, kDetachedInUse,
       "Pod pg-1 runs on it"},
      {"attaching for ever, all nodes ready",
       [](auto& s) {
         detach(s, false);
         s.volumes[0].state = "attaching";
         s.pods[0].phase = "Pending";
         s.attachments[0].tickets = {unsatisfied()};
       },
       kAttaching, "attaching, Pod pg-1 waits for it, AttachedNodeNotReady"},
      {"attached where its Pod was, which waits on another node",
       [](auto& s) {
         s.pods[0].node = "n2";
         s.pods[0].phase = "Pending";
         s.attachments[0].tickets = {unsatisfied()};
         s.attachments[0].tickets[0].node = "n2";
       },
       kAttaching, "attached to n1, Pod pg-1 waits for it, AttachedNodeNotReady"},
      {"attached where its Pod does not run", [](auto& s) { s.pods[0].node = "n2"; },
       kDetachedInUse, "Pod pg-1 runs on it, and it is attached to n1"},
      {"not even attaching, and a Pod waits",
       [](auto& s) {
         detach(s, false);
         s.pods[0].phase = "Pending";
         s.attachments[0].tickets.clear();
       },
       kAttaching, "detached, Pod pg-1 waits for it"},
  };
  for (const Case& c : cases) {
    if (std::string_view(c.name).find("all copies") == std::string_view::npos) {
      check(c);
      continue;
    }
    StorageScene scene = storage_scene();
    c.change(scene);
    Steps steps;
    CHECK(to_string(health(steps.at(scene)).verdict) == to_string(c.verdict));
  }
}

TEST_CASE("fewer copies than wanted are told by what becomes of them", "[storage]") {
  using enum VolumeVerdict;
  const Case cases[] = {
      {"one has failed", [](auto& s) { fail_copy(s, 1h); }, kDegraded, "1 of 2 copies"},
      {"one failed while it is detached",
       [](auto& s) {
         detach(s);
         s.replicas[1].failed_at = kNow - 48h;
       },
       kDegraded, "1 of 2 copies"},
      {"one was revived after all had failed, and nothing runs that would know",
       [](auto& s) {
         make_single(s, "disabled");
         detach(s);
         s.replicas[0].last_failed_at = kNow;
       },
       kSalvaged, "none is proven"},
      {"its Replica is not even there",
       [](auto& s) {
         s.replicas.erase(s.replicas.begin() + 1);
         s.engines[0].modes.erase("vol-pg-1-r-n2");
       },
       kDegraded, "1 of 2 copies"},
      {"Longhorn calls it degraded and all seem to be there",
       [](auto& s) { s.volumes[0].robustness = "degraded"; }, kDegraded, "2 of 2 copies"},
      {"a sharded volume is degraded",
       [](auto& s) {
         s.volumes[0].layout = "sharded";
         s.volumes[0].robustness = "degraded";
       },
       kDegraded, "Longhorn calls it degraded"},
      {"rebuilding", [](auto& s) { rebuild(s, 37); }, kRebuilding,
       "1 of 2 copies, rebuilding: 37 %"},
      {"a third copy was never placed, and Longhorn calls it healthy",
       [](auto& s) {
         s.volumes[0].replicas_desired = 3;
         s.volumes[0].scheduled = false;
         s.volumes[0].scheduling_message = "insufficient storage";
         s.replicas.push_back(replica_on("vol-pg-1", "", "x"));
         s.replicas.back().healthy_at.reset();
       },
       kReplicaUnscheduled, "2 of 3 copies, no disk takes another: insufficient storage"},
      {"a third copy was never placed, and Scheduled is True",
       [](auto& s) {
         s.volumes[0].replicas_desired = 3;
         s.replicas.push_back(replica_on("vol-pg-1", "", "x"));
         s.replicas.back().healthy_at.reset();
       },
       kReplicaUnscheduled, "nothing says why"},
      {"the engine could not enlarge it",
       [](auto& s) {
         s.volumes[0].expansion_required = true;
         s.engines[0].expansion_error = "no space left";
       },
       kExpansionStuck, "no space left"},
      {"it follows a backup", [](auto& s) { s.volumes[0].standby = true; }, kRestoring, "follows"},
      {"it is restored and has no whole copy yet",
       [](auto& s) {
         s.volumes[0].restore_required = true;
         s.volumes[0].restore_reason = "RestoreInProgress";
         s.replicas[0].healthy_at.reset();
         s.replicas[1].healthy_at.reset();
       },
       kRestoring, "RestoreInProgress"},
      {"many snapshots", [](auto& s) { s.engines[0].snapshots = 201; }, kSnapshotsNearLimit,
       "201 snapshots of 250"},
      {"many snapshots for its own limit",
       [](auto& s) {
         s.engines[0].snapshots = 8;
         s.volumes[0].snapshot_max_count = 10;
       },
       kSnapshotsNearLimit, "8 snapshots of 10"},
      {"many snapshots of a detached one",
       [](auto& s) {
         detach(s);
         model::VolumeSnapshots sum;
         sum.meta.name = "vol-pg-1";
         sum.count = 240;
         s.snapshots = {sum};
       },
       kSnapshotsNearLimit, "240 snapshots of 250"},
      {"salvaged today", [](auto& s) { s.volumes[0].last_auto_salvaged = kNow - 1h; }, kSalvaged,
       "revived at 2027-01-15T07:00:00Z"},
      {"salvaged today, before 1.12", [](auto& s) { s.replicas[0].last_failed_at = kNow - 1h; },
       kSalvaged, "revived at 2027-01-15T07:00:00Z"},
  };
  for (const Case& c : cases) check(c);
}

TEST_CASE("a PersistentVolume without its Volume is missing", "[storage]") {
  StorageScene scene = storage_scene();
  scene.volumes.erase(scene.volumes.begin());
  Steps steps;
  const Storage storage = steps.at(scene);
  CHECK(to_string(health(storage).verdict) == "missing");
  CHECK(find(storage, "vol-pg-1").pod == "pg-1");
}

TEST_CASE("what nobody knows has no verdict", "[storage]") {
  struct Unknown {
    const char* name;
    void (*change)(model::KubernetesSlice&);
  };
  static const Why silence{Absence::kUnknown, Error(ErrorCode::kForbidden, "no right"), "x"};
  const Unknown cases[] = {
      {"Volumes", [](auto& k) { k.longhorn_volumes = AbsentOfAny{silence}; }},
      {"Engines", [](auto& k) { k.longhorn_engines = AbsentOfAny{silence}; }},
      {"Replicas", [](auto& k) { k.longhorn_replicas = AbsentOfAny{silence}; }},
      {"Longhorn's Nodes", [](auto& k) { k.longhorn_nodes = AbsentOfAny{silence}; }},
      {"Nodes", [](auto& k) { k.nodes = AbsentOfAny{silence}; }},
      {"everything", [](auto& k) { k = model::KubernetesSlice::absent(silence); }},
  };
  Steps steps;
  (void)steps.at(storage_scene());
  for (const Unknown& c : cases) {
    INFO(c.name);
    model::KubernetesSlice slice = storage_scene().slice();
    c.change(slice);
    const Storage storage =
        steps.at(model::assemble(slices({}, std::move(slice)), model::Freshness{}, kNow));
    REQUIRE(storage.volumes.size() == 2);
    CHECK(storage.volumes[0].health.why() == silence);
  }

  StorageScene scene = storage_scene();
  scene.volumes[0].state = scene.volumes[0].robustness = "";
  CHECK_THAT(find(steps.at(scene), "vol-pg-1").health.why().error.message(),
             Catch::Contains("cannot be read"));
  // Nothing attached and no Pods to be seen: in peace, or in use?
  scene = storage_scene();
  detach(scene);
  model::KubernetesSlice slice = scene.slice();
  slice.pods = AbsentOfAny{silence};
  const Storage storage =
      steps.at(model::assemble(slices({}, std::move(slice)), model::Freshness{}, kNow));
  CHECK(find(storage, "vol-pg-1").health.why() == silence);
  CHECK(find(storage, "vol-pg-2").health.is_known());
  // A Replica that cannot be decoded makes the count unknown, not smaller.
  scene = storage_scene();
  scene.replicas[1] = {};
  scene.replicas[1].meta.name = "vol-pg-1-r-n2";
  const Storage odd = steps.at(scene);
  CHECK_FALSE(health(odd).healthy);
  CHECK_FALSE(health(odd).scheduled);
  // An Engine that cannot be decoded is not one that is missing.
  scene = storage_scene();
  scene.engines[0] = {};
  scene.engines[0].meta.name = "vol-pg-1-e-0";
  CHECK(find(steps.at(scene), "vol-pg-1").health.why().error.message() ==
        "Engine vol-pg-1-e-0 cannot be read");
}

TEST_CASE("an engine that nobody asks is not believed in anything", "[storage]") {
  struct Silent {
    const char* name;
    void (*change)(StorageScene&);
  };
  const Silent cases[] = {
      {"its manager is away",
       [](auto& s) { s.nodes[0].conditions[0] = {"Ready", "False", "ManagerPodDown", "", {}}; }},
      {"its node is down", [](auto& s) { lose_node(s, 0); }},
      {"its Node cannot be read",
       [](auto& s) {
         s.machines[0].ready.reset();
         s.nodes[0].conditions.erase(s.nodes[0].conditions.begin());
       }},
  };
  for (const Silent& c : cases) {
    INFO(c.name);
    StorageScene scene = storage_scene();
    rebuild(scene, 40);
    scene.engines[0].filesystem_read_only = true;
    scene.engines[0].image = "engine:0";
    Steps before;
    CHECK(to_string(health(before.at(scene)).verdict) == "read_only");
    CHECK(health(before.at(scene)).rebuild_progress == 0.4);
    c.change(scene);
    Steps steps;
    const Storage storage = steps.at(scene);
    CHECK(to_string(health(storage).verdict) != "read_only");
    CHECK_FALSE(health(storage).rebuild_progress);
    CHECK_FALSE(health(storage).engine_outdated);
    CHECK_FALSE(health(storage).snapshots);
  }
}

TEST_CASE("copies are counted, wanted and placed", "[storage]") {
  StorageScene scene = storage_scene();
  scene.volumes[0].replicas_desired = 3;
  scene.replicas.push_back(replica_on("vol-pg-1", "", "x"));
  scene.replicas.back().healthy_at.reset();
  fail_copy(scene, 1h);
  Steps steps;
  const Storage storage = steps.at(scene);
  CHECK(health(storage).desired == 3);
  CHECK(health(storage).scheduled == 2);
  CHECK(health(storage).healthy == 1);
  CHECK(health(storage).local == true);
  scene.volumes[0].current_node = scene.engines[0].node = "n3";
  CHECK(health(steps.at(scene)).local == false);
}

TEST_CASE("degraded is told since when, by the best that is known", "[storage]") {
  StorageScene scene = storage_scene();
  Steps steps;
  CHECK_FALSE(health(steps.at(scene)).degraded_since);
  scene.engines[0].modes["vol-pg-1-r-n2"] = "ERR";
  CHECK(health(steps.at(scene, kNow + 1min)).degraded_since == kNow + 1min);
  CHECK(health(steps.at(scene, kNow + 2min)).degraded_since == kNow + 1min);
  scene.volumes[0].last_degraded = kNow - 5min;
  CHECK(health(steps.at(scene, kNow + 3min)).degraded_since == kNow - 5min);
  scene = storage_scene();
  CHECK_FALSE(health(steps.at(scene, kNow + 4min)).degraded_since);
}

TEST_CASE("a copy that failed and was replaced long ago says nothing of today", "[storage]") {
  StorageScene scene = storage_scene();
  scene.replicas.push_back(replica_on("vol-pg-1", "n3", "leftover"));
  scene.replicas.back().failed_at = kNow - 40h;
  fail_copy(scene, 1h);
  Steps steps;
  CHECK(health(steps.at(scene)).degraded_since == kNow);  // Longhorn has not said it yet
  scene.volumes[0].last_degraded = kNow - 50min;
  CHECK(health(steps.at(scene)).degraded_since == kNow - 50min);
  // Detached, Longhorn says nothing: the last failures are those of the copies that are missing.
  detach(scene);
  scene.volumes[0].last_degraded.reset();
  CHECK(health(steps.at(scene)).degraded_since == kNow - 1h);
  scene.volumes[0].replicas_desired = 3;
  CHECK(health(steps.at(scene)).degraded_since == kNow - 40h);
}

TEST_CASE("a rebuild that moves is told from one that does not", "[storage]") {
  StorageScene scene = storage_scene();
  Steps steps;
  rebuild(scene, 10);
  CHECK(health(steps.at(scene)).rebuild_progress == 0.1);
  CHECK(health(steps.at(scene)).rebuild_moved == kNow);
  rebuild(scene, 20);
  CHECK(health(steps.at(scene, kNow + 5min)).rebuild_moved == kNow + 5min);
  const Storage stalled = steps.at(scene, kNow + 30min);
  CHECK(health(stalled).rebuild_progress == 0.2);
  CHECK(health(stalled).rebuild_moved == kNow + 5min);
  CHECK(health(stalled).rebuild_starts == 0);  // it ran when it was first seen
}

TEST_CASE("a rebuild that nothing tells of for a while goes on where it was", "[storage]") {
  Steps steps;
  (void)steps.at(storage_scene());
  StorageScene scene = storage_scene();
  rebuild(scene, 1);
  scene.engines[0].rebuilds.clear();  // it is made ready
  const Storage ready = steps.at(scene, kNow + 1min);
  CHECK(health(ready).rebuild_progress == 0.0);
  CHECK(health(ready).rebuild_starts == 1);
  rebuild(scene, 90);
  CHECK(health(steps.at(scene, kNow + 2min)).rebuild_progress == 0.9);
  const auto goes_on = [&](const char* name) {
    INFO(name);
    const Storage storage = steps.at(scene, kNow + 3min);
    CHECK(health(storage).rebuild_progress == 0.9);
    CHECK(health(storage).rebuild_moved == kNow + 2min);
    CHECK(health(storage).rebuild_starts == 1);
  };
  scene.engines[0].rebuilds[0].running = false;
  scene.engines[0].rebuilds[0].state = "complete";
  scene.engines[0].rebuilds[0].progress = 0;
  goes_on("complete");
  scene.engines[0].rebuilds.clear();
  goes_on("no status");
  // Nobody asks the engine, and then somebody does again.
  scene.nodes[0].conditions[0] = {"Ready", "False", "ManagerPodDown", "", {}};
  CHECK_FALSE(health(steps.at(scene, kNow + 3min)).rebuild_progress);
  scene.nodes[0].conditions[0] = {"Ready", "True", "", "", {}};
  goes_on("after its manager was away");
  scene.engines[0].modes.clear();
  CHECK_FALSE(health(steps.at(scene, kNow + 3min)).rebuild_progress);
  rebuild(scene, 90);
  goes_on("after a live upgrade");
  // Known by its address only, as long as the engine does not know whose that is.
  scene.engines[0].rebuilds[0].replica.clear();
  goes_on("by address");
  // A status that is left of a copy that is whole is no rebuild.
  scene.engines[0].modes["vol-pg-1-r-n2"] = "RW";
  scene.engines[0].rebuilds[0].replica = "vol-pg-1-r-n2";
  CHECK_FALSE(health(steps.at(scene, kNow + 4min)).rebuild_progress);
  rebuild(scene, 3);
  CHECK(health(steps.at(scene, kNow + 5min)).rebuild_starts == 2);
}

TEST_CASE("a rebuild that ran when its engine was first asked did not begin then", "[storage]") {
  Steps steps;
  StorageScene scene = storage_scene();
  scene.engines[0].modes.clear();
  (void)steps.at(scene);
  rebuild(scene, 10);
  CHECK(health(steps.at(scene, kNow + 1min)).rebuild_starts == 0);
}

TEST_CASE("rebuilds that begin again and again are a loop", "[storage]") {
  Steps steps;
  (void)steps.at(storage_scene());
  WallTime now = kNow;
  for (int round = 1; round <= 3; ++round) {
    StorageScene scene = storage_scene();
    rebuild(scene, 5);
    const Storage begun = steps.at(scene, now += 1min);
    CHECK(health(begun).rebuild_starts == round);
    CHECK(to_string(health(begun).verdict) == (round < 3 ? "rebuilding" : "rebuild_loop"));
    scene = storage_scene();
    fail_copy(scene, 1min);
    (void)steps.at(scene, now += 1min);
  }
  // Progress that goes back is a start, too.
  StorageScene scene = storage_scene();
  rebuild(scene, 50);
  (void)steps.at(scene, now += 1min);
  rebuild(scene, 3);
  const Storage again = steps.at(scene, now += 1min);
  CHECK(health(again).rebuild_starts == 5);
  CHECK_THAT(health(again).detail, Catch::Contains("5 rebuilds begun within an hour"));
  // A moment in which all is well does not end it, ten minutes do.
  (void)steps.at(storage_scene(), now += 1min);
  CHECK(health(steps.at(storage_scene(), now += 9min)).rebuild_starts == 5);
  CHECK(health(steps.at(storage_scene(), now += 2min)).rebuild_starts == 0);
  rebuild(scene, 3);
  CHECK(health(steps.at(scene, now += 1min)).rebuild_starts == 1);
  CHECK(health(steps.at(scene, now += 2h)).rebuild_starts == 0);
}

TEST_CASE("a salvage of which the objects tell for a moment is remembered for a day", "[storage]") {
  StorageScene scene = storage_scene();
  Steps steps;
  CHECK_FALSE(health(steps.at(scene)).salvaged);
  scene.replicas[0].last_failed_at = kNow;
  CHECK(health(steps.at(scene, kNow + 1min)).salvaged == kNow);
  // The engine runs again and finds the copy whole.
  scene.replicas[0].last_healthy_at = kNow + 2min;
  CHECK(to_string(health(steps.at(scene, kNow + 3min)).verdict) == "salvaged");
  CHECK(to_string(health(steps.at(scene, kNow + 25h)).verdict) == "ok");
}

TEST_CASE("without the settings nobody knows how many snapshots are too many", "[storage]") {
  StorageScene scene = storage_scene();
  scene.engines[0].snapshots = 249;
  std::erase_if(scene.settings, [](auto& s) { return s.meta.name == "snapshot-max-count"; });
  CHECK(health(Steps().at(scene)).snapshots_max == 250);  // of a version without that setting
  model::KubernetesSlice slice = scene.slice();
  slice.longhorn_settings =
      AbsentOfAny{Why{Absence::kUnknown, Error(ErrorCode::kTimeout, "no answer"), "kubernetes"}};
  const Storage storage =
      Steps().at(model::assemble(slices({}, std::move(slice)), model::Freshness{}, kNow));
  CHECK_FALSE(health(storage).snapshots_max);
  CHECK(to_string(health(storage).verdict) == "ok");
}

TEST_CASE("the image of an engine is compared for the data engine that has one", "[storage]") {
  StorageScene scene = storage_scene();
  scene.engines[0].image = "engine:0";
  CHECK(health(Steps().at(scene)).engine_outdated == true);
  scene.engines[0].image = "engine:1";
  CHECK(health(Steps().at(scene)).engine_outdated == false);
  scene.volumes[0].data_engine = "v2";
  scene.engines[0].image = "instance-manager:1";
  CHECK_FALSE(health(Steps().at(scene)).engine_outdated);
}

TEST_CASE("what a volume lacks because of a node that is down is told apart", "[storage]") {
  struct Example {
    const char* name;
    void (*change)(StorageScene&);
    std::optional<bool> node_down;
  };
  const Example examples[] = {
      {"nothing is lacking", [](auto&) {}, false},
      {"a copy failed", [](auto& s) { fail_copy(s, 1h); }, false},
      {"the node of a copy is down", [](auto& s) { lose_node(s, 1); }, true},
      {"the same, and Longhorn gave the copy up",
       [](auto& s) {
         lose_node(s, 1);
         fail_copy(s, 1h);
       },
       true},
      {"the node that it is attached to is down", [](auto& s) { lose_node(s, 0); }, true},
      {"a node is down, and another copy failed",
       [](auto& s) {
         s.volumes[0].replicas_desired = 3;
         s.replicas.push_back(replica_on("vol-pg-1", "n3", "n3"));
         s.engines[0].modes["vol-pg-1-r-n3"] = "ERR";
         lose_node(s, 1);
       },
       false},
      {"a leftover of long ago is on a node that is down, and a later copy failed",
       [](auto& s) {
         s.replicas[1].failed_at = kNow - 30h;
         s.engines[0].modes.erase("vol-pg-1-r-n2");
         s.replicas.push_back(replica_on("vol-pg-1", "n3", "n3"));
         s.replicas.back().failed_at = kNow - 1h;
         s.engines[0].modes["vol-pg-1-r-n3"] = "ERR";
         lose_node(s, 1);
       },
       false},
      {"a node is gone, and so is Longhorn's, which therefore tells nothing",
       [](auto& s) {
         s.machines.erase(s.machines.begin() + 1);
         s.nodes.erase(s.nodes.begin() + 1);
       },
       false},
      {"its copies cannot be counted", [](auto& s) { s.volumes[0].layout = "sharded"; },
       std::nullopt},
  };
  for (const Example& e : examples) {
    StorageScene scene = storage_scene();
    e.change(scene);
    INFO(e.name);
    CHECK(health(Steps().at(scene)).node_down == e.node_down);
  }
}

TEST_CASE("an expansion that does not end is stuck", "[storage]") {
  StorageScene scene = storage_scene();
  scene.volumes[0].expansion_required = true;
  Steps steps;
  CHECK(to_string(health(steps.at(scene)).verdict) == "ok");
  CHECK(to_string(health(steps.at(scene, kNow + 9min)).verdict) == "ok");
  CHECK(to_string(health(steps.at(scene, kNow + 11min)).verdict) == "expansion_stuck");
  CHECK(to_string(health(steps.at(storage_scene(), kNow + 12min)).verdict) == "ok");
}

TEST_CASE("a Pod has waited since its oldest evidence", "[storage]") {
  StorageScene scene = storage_scene();
  detach(scene, false);
  scene.pods[0].phase = "Pending";
  Steps steps;
  scene.attachments[0].tickets.clear();
  CHECK(health(steps.at(scene)).waiting_since == kNow);
  CHECK(health(steps.at(scene, kNow + 1min)).waiting_since == kNow);
  scene.attachments[0].tickets = {unsatisfied()};
  CHECK(health(steps.at(scene, kNow + 1min)).waiting_since == kNow - 3h);
  CHECK_FALSE(health(steps.at(storage_scene(), kNow + 2min)).waiting_since);
  // One that is being deleted lets go, and so does one on a node that is down.
  scene.attachments[0].tickets.clear();
  scene.pods[0].meta.deletion_timestamp = kNow;
  CHECK(to_string(health(steps.at(scene)).verdict) == "detached");
}

TEST_CASE("Longhorn's own backups count where there is a target for them", "[storage]") {
  StorageScene scene = storage_scene();
  scene.volumes[0].last_backup_at = kNow - 24h;
  model::VolumeBackups sum;
  sum.meta.name = "vol-pg-1";
  sum.newest = kNow - 12h;
  sum.oldest_in_progress = kNow - 48h;
  scene.backups = {sum};
  model::BackupTarget target;
  target.meta.name = "default";
  target.available = false;
  scene.backup_targets = {target};
  Steps steps;
  const Storage without = steps.at(scene);
  CHECK_FALSE(health(without).backup_success);
  CHECK(without.backup_targets.empty());
  scene.backup_targets[0].url = "s3://b@r/";
  const Storage with = steps.at(scene);
  CHECK(health(with).backup_success == kNow - 12h);
  CHECK(health(with).backup_running_since == kNow - 48h);
  CHECK(with.backup_targets.at("default").known_value() == false);
  // BackupVolumes vanish, and Volume.status.lastBackupAt with them.
  scene.volumes[0].last_backup_at.reset();
  CHECK(health(steps.at(scene)).backup_success == kNow - 12h);
}

TEST_CASE("nodes and disks tell what room there is", "[storage]") {
  StorageScene scene = storage_scene();
  lose_node(scene, 2);
  scene.nodes[1].conditions[1] = {"Schedulable", "False", "KubernetesNodeCordoned", "", {}};
  Steps steps;
  Storage storage = steps.at(scene);
  REQUIRE(storage.nodes.size() == 3);
  CHECK(storage.nodes[0].ready.known_value());
  CHECK(storage.nodes[1].ready.known_value());
  CHECK(storage.nodes[1].schedulable.known_value() == false);
  CHECK_FALSE(storage.nodes[2].ready.known_value());
  REQUIRE(storage.disks.size() == 3);
  CHECK(storage.disks[0].limit_bytes.known_value() == 200);  // (120 - 20) × 200 %
  scene.settings.clear();
  storage = steps.at(scene);
  CHECK_FALSE(storage.disks[0].limit_bytes.is_known());
  CHECK(storage.disks[0].facts.known_value().available_bytes == 80);

  const Why silence{Absence::kUnknown, Error(ErrorCode::kForbidden, "no right"), "x"};
  model::KubernetesSlice slice = scene.slice();
  slice.longhorn_nodes = AbsentOfAny{silence};
  storage = steps.at(model::assemble(slices({}, std::move(slice)), model::Freshness{}, kNow));
  REQUIRE(storage.disks.size() == 3);
  CHECK(storage.disks[0].facts.why() == silence);
  CHECK(storage.nodes[0].schedulable.why() == silence);
}

TEST_CASE("of a node that is down and a disk that cannot be asked there are no numbers",
          "[storage]") {
  StorageScene scene = storage_scene();
  lose_node(scene, 0);
  model::LonghornDisk& disk = scene.nodes[1].disks[0];
  disk.conditions[0] = {"Ready", "False", "NoDiskInfo", "", {}};
  disk.maximum_bytes = disk.available_bytes = disk.scheduled_bytes = 0;
  scene.nodes[2].disks[0].maximum_bytes = 0;  // and is not called unready yet
  scene.machines[2].ready.reset();
  scene.nodes[2].conditions.erase(scene.nodes[2].conditions.begin());
  Steps steps;
  const Storage storage = steps.at(scene);
  CHECK(storage.disks[0].facts.why().error.message() ==
        "node n1, which disk default is of, is down");
  CHECK_FALSE(storage.disks[0].limit_bytes.is_known());
  for (const std::size_t one : {1U, 2U}) {
    const model::LonghornDisk& facts = storage.disks[one].facts.known_value();
    CHECK_FALSE(facts.maximum_bytes);
    CHECK_FALSE(facts.available_bytes);
    CHECK_FALSE(facts.scheduled_bytes);
    CHECK(facts.reserved_bytes == 20);  // its user's word
    CHECK_FALSE(storage.disks[one].limit_bytes.known_value());
  }
  CHECK(storage.nodes[1].ready.known_value());
  CHECK(storage.nodes[2].ready.why().error.message() == "Node n3 cannot be read");
}

TEST_CASE("settings are one for all, or one per data engine", "[storage]") {
  model::LonghornSetting one;
  one.meta.name = "a";
  one.value = "3";
  model::LonghornSetting two;
  two.meta.name = "b";
  two.values = {{"v1", "2"}, {"v2", "4"}};
  const auto settings = all_of<model::LonghornSetting>({one, two}, kNow).known_value();
  CHECK(longhorn_setting(settings, "a", "v2") == "3");
  CHECK(longhorn_setting(settings, "b", "v2") == "4");
  CHECK_FALSE(longhorn_setting(settings, "b", "v3"));
  CHECK_FALSE(longhorn_setting(settings, "c", "v1"));
}

}  // namespace keelwatch::analysis
