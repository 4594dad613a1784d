// One and the same storage, as each version of Longhorn writes it, in a server that enforces that
// version's own definitions: the verdicts on every volume, where the copies are, and what a
// database would survive are the same in all of them.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/step.h"
#include "tests/contract/service_account.h"
#include "tests/contract/storage_words.h"
#include "tests/support/longhorn_shapes.h"

namespace keelwatch::testing {
namespace {

namespace fs = std::filesystem;

struct Version {
  const char* name;
  int minor;
};
constexpr Version kVersions[] = {{"1.5", 5}, {"1.8", 8}, {"1.11", 11}, {"1.12", 12}};

// KEELWATCH_CRDS with Longhorn's definitions of one version only, while it lives.
class DefinitionsOf {
 public:
  explicit DefinitionsOf(const std::string& version) {
    const char* root = std::getenv("KEELWATCH_CRDS");
    if (root == nullptr) return;  // the stand-in needs none
    before_ = root;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (entry.path().filename().string().starts_with("longhorn-v" + version + ".")) {
        setenv("KEELWATCH_CRDS", entry.path().c_str(), 1);
        return;
      }
    }
    FAIL("no definitions of Longhorn " << version << " below " << root);
  }
  ~DefinitionsOf() {
    if (before_) setenv("KEELWATCH_CRDS", before_->c_str(), 1);
  }
  DefinitionsOf(const DefinitionsOf&) = delete;
  DefinitionsOf& operator=(const DefinitionsOf&) = delete;

 private:
  std::optional<std::string> before_;
};

// A volume in a state of its own: the recorded healthy one with what differs.
struct Case {
  const char* claim;
  const char* cluster;  // whose instance it is; "": nobody's
  LonghornShapes::Changes changes;
  std::string verdict;  // ... and the nodes with a usable copy
  int since = 0;        // the first minor version that writes it so
};

const char* const kFailed =
    R"({"spec":{"failedAt":"@hour_ago","lastFailedAt":"@hour_ago","healthyAt":""},
        "status":{"currentState":"error"}})";
const char* const kStopped =
    R"({"spec":{"nodeID":""},"status":{"currentState":"stopped","currentImage":"",
        "instanceManagerName":"","replicaModeMap":null,"currentReplicaAddressMap":null,
        "snapshots":null}})";
const char* const kDetached =
    R"({"spec":{"nodeID":""},"status":{"state":"detached","robustness":"unknown",
        "currentNodeID":""}})";
const char* const kNoTicket =
    R"({"spec":{"attachmentTickets":null},"status":{"attachmentTicketStatuses":null}})";
const char* const kRevived = R"({"spec":{"failedAt":"","lastFailedAt":"@hour_ago"}})";

// What a copy, its engine and the volume say while something is missing, damaged or lost.
std::vector<Case> lost_cases() {
  return {
      {"copy-failed",
       "sick",
       {{"Replica", 2, kFailed},
        {"Engine", 0, R"({"status":{"replicaModeMap":{"@volume-r-00000002":"ERR"}}})"},
        {"Volume", 0, R"({"status":{"robustness":"degraded","lastDegradedAt":"@hour_ago"}})"}},
       "degraded (1 of 2 copies) on node-1"},
      {"copy-failed-at-rest",
       "",
       {{"Replica", 2, kFailed},
        {"Volume", 0, kDetached},
        {"Engine", 0, kStopped},
        {"VolumeAttachment", 0, kNoTicket},
        {"Pod", 0, "remove"}},
       "degraded (1 of 2 copies) on node-1, unverified"},
      {"faulted",
       "sick",
       {{"Replica", 1, kFailed},
        {"Replica", 2, kFailed},
        {"Engine", 0, kStopped},
        {"Volume", 0, R"({"spec":{"nodeID":""},"status":{"state":"detached",
             "robustness":"faulted","currentNodeID":"","lastDegradedAt":"@hour_ago"}})"}},
       "faulted (no copy of it is whole) on no node"},
      {"copies-on-lost-node",
       "",
       {{"Replica", 1, R"({"spec":{"nodeID":"node-4",
             "diskID":"d15c0004-0000-4000-8000-000000000000"}})"},
        {"Replica", 2, R"({"spec":{"nodeID":"node-4",
             "diskID":"d15c0004-0000-4000-8000-000000000000"}})"}},
       "unreachable (every copy is on a node or disk that is down) on no node"},
      {"read-only",
       "",
       {{"Engine", 0, R"({"status":{"conditions":[{"type":"FilesystemReadOnly","status":"True",
             "reason":"","message":"","lastProbeTime":"","lastTransitionTime":"@hour_ago"}]}})"}},
       "read_only (its file system was remounted read-only) on node-1, node-2",
       8},
      {"revived",
       "",
       {{"Replica", 1, kRevived}, {"Replica", 2, kRevived}},
       "salvaged (its copies had all failed and were revived at @hour_ago) on node-1, node-2"},
      {"revived-as-told",
       "",
       {{"Volume", 0, R"({"status":{"lastAutoSalvagedAt":"@hour_ago"}})"}},
       "salvaged (its copies had all failed and were revived at @hour_ago) on node-1, node-2",
       12},
      {"revived-at-rest",
       "",
       {{"Replica", 1, kRevived},
        {"Replica", 2, kRevived},
        {"Volume", 0, kDetached},
        {"Engine", 0, kStopped},
        {"VolumeAttachment", 0, kNoTicket},
        {"Pod", 0, "remove"}},
       "salvaged (its copies had all failed and were revived: none is proven) on no node"},
  };
}

// What is about where it is attached, and everything else.
std::vector<Case> other_cases() {
  return {
      {"engine-node-lost",
       "sick",
       {{"Volume", 0, R"({"spec":{"nodeID":"node-4"},"status":{"robustness":"unknown",
             "currentNodeID":"node-4"}})"},
        {"Engine", 0, R"({"spec":{"nodeID":"node-4"},"status":{"currentState":"unknown"}})"},
        {"Pod", 0, R"({"spec":{"nodeName":"node-4"}})"}},
       "engine_node_lost (it is attached to node-4, which is down) on node-1, node-2, unverified"},
      {"engine-in-error",
       "",
       {{"Engine", 0, R"({"status":{"currentState":"error","replicaModeMap":null}})"}},
       "engine_node_lost (it is attached to node-1, and its engine there is in state error) on "
       "node-1, node-2, unverified"},
      {"attaching",
       "",
       {{"Volume", 0, R"({"status":{"state":"attaching","robustness":"unknown",
             "currentNodeID":""}})"},
        {"Engine", 0, R"({"status":{"currentState":"starting","replicaModeMap":null}})"},
        {"VolumeAttachment", 0, R"({"status":{"attachmentTicketStatuses":{"csi-node-1":{
             "satisfied":false,"conditions":[{"type":"Satisfied","status":"False",
             "reason":"AttachedNodeNotReady","message":"node-1 is not ready","lastProbeTime":"",
             "lastTransitionTime":"@hour_ago"}]}}}})"},
        {"Pod", 0, R"({"status":{"phase":"Pending"}})"}},
       "attaching (attaching, Pod attaching waits for it, AttachedNodeNotReady: node-1 is not "
       "ready) on node-1, node-2, unverified"},
      {"detached-in-use",
       "",
       {{"Volume", 0, kDetached}, {"Engine", 0, kStopped}},
       "detached_in_use (Pod detached-in-use runs on it, and it is detached) on node-1, node-2, "
       "unverified"},
      {"restored",
       "",
       {{"Volume", 0, R"({"status":{"restoreRequired":true}})"}},
       "restoring (is restored from a backup) on no node"},
      {"without-volume",
       "",
       {{"Volume", 0, "remove"}},
       "missing (Longhorn has no Volume pvc-of-without-volume) on no node"},
  };
}

// The recorded volumes: pg-1 is healthy, pg-2 is rebuilt, pg-3 and wide are used by nobody.
const char* const kRecorded[][2] = {
    {"db/pg-1", "ok (2 of 2 copies) on node-1, node-2"},
    {"db/pg-2", "rebuilding (1 of 2 copies, rebuilding: 37 %) on node-2"},
    {"db/pg-3", "detached (single copy, strict-local) on node-3, unverified"},
    {"media/library",
     "replica_unscheduled (2 of 3 copies, no disk takes another: insufficient storage;precheck "
     "new replica failed) on node-1, node-3"},
};
const char* const kSharded[] = {
    "media/wide", "detached (sharded: its copies are not counted) on nodes that are not told"};

std::vector<Case> cases_of(int minor) {
  std::vector<Case> cases = lost_cases();
  for (Case& one : other_cases()) cases.push_back(std::move(one));
  std::erase_if(cases, [&](const Case& one) { return minor < one.since; });
  return cases;
}

nlohmann::json cluster_object(const std::string& name, const std::string& primary) {
  return {{"apiVersion", "postgresql.cnpg.io/v1"},
          {"kind", "Cluster"},
          {"metadata", {{"namespace", "db"}, {"name", name}}},
          {"spec", {{"instances", 3}, {"storage", {{"size", "20Gi"}}}}},
          {"status", {{"phase", "Cluster in healthy state"}, {"currentPrimary", primary}}}};
}

LonghornShapes shapes_of(const Version& version) {
  LonghornShapes shapes(version.name, SystemClock().wall());
  shapes.add_lost_node("node-4");
  for (const Case& one : cases_of(version.minor)) {
    shapes.add_volume(one.claim, one.changes, one.cluster);
  }
  shapes.add(cluster_object("pg", "pg-1"));
  shapes.add(cluster_object("sick", "copy-failed"));
  return shapes;
}

bool has_arrived(const model::KubernetesSlice& s, const LonghornShapes& shapes) {
  const auto has = [&](const auto& answer, const char* api_version, const char* kind) {
    return answer.is_known() && answer.known_value().size() >= shapes.count(api_version, kind);
  };
  const char* const longhorn = "longhorn.io/v1beta2";
  return has(s.longhorn_volumes, longhorn, "Volume") &&
         has(s.longhorn_replicas, longhorn, "Replica") &&
         has(s.longhorn_engines, longhorn, "Engine") && has(s.longhorn_nodes, longhorn, "Node") &&
         has(s.longhorn_attachments, longhorn, "VolumeAttachment") &&
         has(s.longhorn_backup_targets, longhorn, "BackupTarget") && has(s.nodes, "v1", "Node") &&
         has(s.claims, "v1", "PersistentVolumeClaim") && has(s.volumes, "v1", "PersistentVolume") &&
         has(s.pods, "v1", "Pod") && has(s.clusters, "postgresql.cnpg.io/v1", "Cluster") &&
         s.longhorn_backups.is_known() && s.longhorn_backups.known_value().size() == 2 &&
         s.longhorn_snapshots.is_known() && s.longhorn_snapshots.known_value().size() == 2 &&
         s.longhorn_settings.is_known() && s.longhorn_settings.known_value().size() > 5;
}

std::shared_ptr<const app::Moment> assessed(KubernetesReader& reader) {
  model::Slices all;
  all.kubernetes = reader.shared_slice();
  const WallTime now = reader.slice().longhorn_volumes.observed_at();
  model::Freshness patient;
  patient.kubernetes = std::chrono::hours(1);
  app::State state;
  return app::step(state, model::assemble(all, patient, now), config::Config{});
}

std::string expected_verdicts(const Version& version, const LonghornShapes& shapes) {
  std::map<std::string, std::string> lines;
  for (const auto& [claim, verdict] : kRecorded) lines[claim] = verdict;
  if (version.minor >= 12) lines[kSharded[0]] = kSharded[1];
  for (const Case& one : cases_of(version.minor))
    lines[std::string("db/") + one.claim] = one.verdict;
  std::string text;
  for (const auto& [claim, verdict] : lines) text += claim + " " + verdict + "\n";
  const std::string placeholder = "@hour_ago";
  for (std::size_t at = text.find(placeholder); at != std::string::npos;
       at = text.find(placeholder)) {
    text.replace(at, placeholder.size(), shapes.hour_ago());
  }
  return text;
}

// Whether a setting is one text or one per data engine.
bool is_per_engine(const KubernetesReader& reader, const std::string& name) {
  for (const auto& setting : reader.slice().longhorn_settings.known_value()) {
    if (setting->meta.name == name) return !setting->values.empty();
  }
  return false;
}

// What only a server with the definitions notices.
void check_that_definitions_are_enforced(KubeServer& server, const LonghornShapes& shapes) {
  if (server.name() == "stand-in") return;
  auto volume = nlohmann::json::parse(shapes.objects().front());
  REQUIRE(volume.at("kind") == "Volume");
  volume["spec"]["copies"] = 3;
  CHECK_THROWS_WITH(server.put(volume.dump()), Catch::Contains("unknown field \\\"spec.copies"));
  volume["spec"].erase("copies");
  volume["status"]["actualSize"] = "many";
  CHECK_THROWS_WITH(server.put(volume.dump()), Catch::Contains("status.actualSize: Invalid value"));
}

const char* const kLosses =
    "pg data: node-1, node-2, node-3; zone-a, zone-b\n"
    "pg service: node-1, node-2; zone-a, zone-b\n"  // pg-3 has no Pod
    "pg data_and_backups: it has no archive; it has no archive\n"
    "sick data: node-1, node-2; zone-a, zone-b\n"
    "sick service: node-1; zone-b\n"
    "sick data_and_backups: it has no archive; it has no archive\n";
const char* const kSurroundings =
    "v1 has 3 copies\n"
    "v2 has 3 copies\n"
    "node-1: 150323855360 bytes may be promised\n"
    "node-2: 150323855360 bytes may be promised\n"
    "node-3: 150323855360 bytes may be promised\n"
    "node-4: nobody knows what may be promised\n";
const char* const kBackups =
    "target default cannot be reached\n"
    "pg-1 was backed up at 2026-11-20T03:00:00Z\n";

// What happens next, as the watch tells it.
struct Step {
  const char* name;
  std::function<void(KubeServer&)> happens;
  std::string pg_1;
  std::string pg_2;
  std::string loss;  // the first line of losses()
};

std::vector<Step> steps_of(const LonghornShapes& shapes) {
  const std::string volume = shapes.volume_of("pg-2");
  const std::string copy = volume + "-r-00000002";
  const auto longhorn = [](const char* kind, const std::string& name) {
    return KubeRef{"longhorn.io/v1beta2", kind, "longhorn-system", name};
  };
  const KubeRef engine = longhorn("Engine", volume + "-e-0");
  return {
      {"the rebuild gets on",
       [=](KubeServer& server) {
         server.patch_status(
             engine, R"({"status":{"rebuildStatus":{"tcp://10.42.0.11:10000":{"progress":80}}}})");
       },
       "ok (2 of 2 copies) on node-1, node-2",
       "rebuilding (1 of 2 copies, rebuilding: 80 %) on node-2",
       "pg data: node-1, node-2, node-3; zone-a, zone-b"},
      {"the rebuild ends",
       [=](KubeServer& server) {
         server.patch(longhorn("Replica", copy),
                      R"({"spec":{"healthyAt":")" + shapes.hour_ago() + R"("}})");
         server.patch_status(engine, R"({"status":{"rebuildStatus":null,"replicaModeMap":{")" +
                                         copy + R"(":"RW"}}})");
         server.patch_status(longhorn("Volume", volume),
                             R"({"status":{"robustness":"healthy","lastDegradedAt":""}})");
       },
       "ok (2 of 2 copies) on node-1, node-2", "ok (2 of 2 copies) on node-2, node-3",
       "pg data: node-1, node-2, node-3; zone-a, zone-b"},
      {"a node is lost",
       [=](KubeServer& server) {
         server.patch_status({"v1", "Node", "", "node-2"},
                             R"({"status":{"conditions":[{"type":"Ready","status":"Unknown",
                                 "reason":"NodeStatusUnknown"}]}})");
         server.patch_status(longhorn("Node", "node-2"),
                             R"({"status":{"conditions":[{"type":"Ready","status":"False",
                 "reason":"KubernetesNodeNotReady","message":"","lastProbeTime":"",
                 "lastTransitionTime":""}]}})");
         server.patch_status(engine, R"({"status":{"currentState":"unknown"}})");
       },
       "degraded (1 of 2 copies) on node-1",
       "engine_node_lost (it is attached to node-2, which is down) on node-3, unverified",
       "pg data: node-1, node-3; zone-b"},
  };
}

void check_steps(KubeServer& server, KubernetesReader& reader, const LonghornShapes& shapes) {
  for (const Step& step : steps_of(shapes)) {
    INFO(step.name);
    step.happens(server);
    const auto has_come = [&](const auto&) {
      return verdict_of(*assessed(reader), "pg-1") == step.pg_1 &&
             verdict_of(*assessed(reader), "pg-2") == step.pg_2;
    };
    CHECK(reader.until(has_come, std::chrono::seconds(10)));
    const auto moment = assessed(reader);
    CHECK(verdict_of(*moment, "pg-1") == step.pg_1);
    CHECK(verdict_of(*moment, "pg-2") == step.pg_2);
    CHECK_THAT(losses(*moment), Catch::StartsWith(step.loss + "\n"));
  }
}

}  // namespace

TEST_CASE("the same storage has the same verdicts in every version of Longhorn",
          "[contract][longhorn]") {
  const std::string server_name = GENERATE(from_range(kube_server_names()));
  for (const Version& version : kVersions) {
    INFO(server_name << ", Longhorn " << version.name);
    const Server server(server_name);
    server.api->install("postgresql.cnpg.io");
    server.api->uninstall("longhorn.io");
    const DefinitionsOf definitions(version.name);
    server.api->install("longhorn.io");
    const LonghornShapes shapes = shapes_of(version);
    for (const std::string& object : shapes.objects()) server.api->put(object);

    check_that_definitions_are_enforced(*server.api, shapes);

    KubernetesReader reader = server.reader({});
    REQUIRE(reader.until([&](const auto& s) { return has_arrived(s, shapes); }));
    const auto moment = assessed(reader);
    CHECK(verdicts(*moment) == expected_verdicts(version, shapes));
    CHECK(losses(*moment) == kLosses);
    CHECK(is_per_engine(reader, "default-replica-count") == (version.minor >= 11));
    // Of 1.5 and 1.8 a target without a URL was recorded: nobody wants backups.
    const std::string backups = version.minor >= 11 ? kBackups : "";
    CHECK(surroundings(*moment) == kSurroundings + backups);

    // A kind that goes takes nothing but its own facts with it.
    server.api->uninstall_kind("longhorn.io", "backuptargets");
    REQUIRE(reader.until([](const auto& s) {
      return !s.longhorn_backup_targets.is_known() &&
             s.longhorn_backup_targets.why().absence == Absence::kNotInstalled;
    }));
    const auto without = assessed(reader);
    CHECK(verdicts(*without) == verdicts(*moment));
    CHECK(surroundings(*without) == kSurroundings);

    check_steps(*server.api, reader, shapes);
  }
}

TEST_CASE("an upgrade of Longhorn changes definitions and objects, and no verdict",
          "[contract][longhorn]") {
  const Server server(GENERATE(from_range(kube_server_names())));
  INFO(server.api->name());
  const auto verdicts_of = [](std::vector<std::pair<std::string, std::string>> wanted) {
    std::string text;
    for (const auto& [claim, verdict] : wanted) text += claim + " " + verdict + "\n";
    return text;
  };
  std::vector<std::pair<std::string, std::string>> recorded;
  for (const auto& [claim, verdict] : kRecorded) recorded.emplace_back(claim, verdict);
  const std::string before = verdicts_of(recorded);
  recorded.emplace_back(kSharded[0], kSharded[1]);
  const std::string after = verdicts_of(recorded);

  server.api->uninstall("longhorn.io");
  std::optional<DefinitionsOf> definitions(std::in_place, "1.8");
  server.api->install("longhorn.io");
  const LonghornShapes old_shapes("1.8", SystemClock().wall());
  for (const std::string& object : old_shapes.objects()) server.api->put(object);
  KubernetesReader reader = server.reader({});
  const auto show = [&](const std::string& wanted) {
    return reader.until([&](const auto& s) {
      return s.longhorn_volumes.is_known() && s.longhorn_settings.is_known() &&
             verdicts(*assessed(reader)) == wanted;
    });
  };
  REQUIRE(show(before));

  definitions.reset();
  definitions.emplace("1.12");
  // While the reader reads: for seconds one kind after the other is replaced.
  auto upgraded = std::async(std::launch::async, [&] { server.api->upgrade("longhorn.io"); });
  std::string lost;  // why one of them was not known for a moment
  while (upgraded.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    (void)reader.until(
        [&](const auto& slice) {
          if (!slice.longhorn_volumes.is_known())
            lost = slice.longhorn_volumes.why().error.message();
          if (!slice.longhorn_settings.is_known())
            lost = slice.longhorn_settings.why().error.message();
          return false;
        },
        std::chrono::milliseconds(500));
  }
  upgraded.get();
  reader.run_for(std::chrono::seconds(2));
  CHECK(lost == "");
  CHECK(verdicts(*assessed(reader)) == before);
  CHECK_FALSE(is_per_engine(reader, "default-replica-count"));
  // Longhorn's managers write their objects anew, each in its own time.
  for (std::string object : LonghornShapes("1.12", SystemClock().wall()).objects()) {
    for (std::size_t at = 0; (at = object.find("pvc-00000012-", at)) != std::string::npos;) {
      object.replace(at, 13, "pvc-00000008-");
    }
    server.api->put(object);
  }
  CHECK(show(after));
  CHECK(verdicts(*assessed(reader)) == after);
  CHECK(reader.until([&](const auto&) { return is_per_engine(reader, "default-replica-count"); }));
}

}  // namespace keelwatch::testing
