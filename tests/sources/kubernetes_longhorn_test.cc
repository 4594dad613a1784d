// Longhorn's objects in the shapes that 1.5, 1.8, 1.11 and 1.12 write (tests/testdata/longhorn).
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "base/time_text.h"
#include "sources/kubernetes/decode.h"
#include "sources/kubernetes/object_store.h"
#include "sources/kubernetes/summary_store.h"

namespace keelwatch::sources {
namespace {

using Names = std::vector<std::string>;

std::string time_text(const std::optional<WallTime>& t) { return t ? format_rfc3339(*t, 0) : "-"; }

template <typename T>
T decoded(const std::string& json, T (*decode)(JsonReader&, JsonValue)) {
  JsonReader reader;
  T object = decode(reader, reader.parse(json));
  const auto ok = reader.finish();
  INFO((ok ? "" : ok.error().message()));
  REQUIRE(ok);
  return object;
}

// One recorded version, with everything in it.
struct Recording {
  explicit Recording(const std::string& version) {
    std::ifstream file(KEELWATCH_SOURCE_DIR "/tests/testdata/longhorn/" + version + ".json");
    REQUIRE(file);
    text.assign(std::istreambuf_iterator<char>(file), {});
  }

  // f(object) for each object of the kind of Longhorn's group.
  template <typename F>
  void for_each(std::string_view kind, F f) {
    reader.parse(text)["items"].for_each([&](JsonValue object) {
      if (object["kind"].string() == kind && object["apiVersion"].string() == "longhorn.io/v1beta2")
        f(object);
    });
    REQUIRE(reader.finish());
  }
  template <typename T>
  T find(std::string_view kind, const std::string& name, T (*decode)(JsonReader&, JsonValue)) {
    std::optional<T> found;
    for_each(kind, [&](JsonValue object) {
      if (object["metadata"]["name"].string() == name) found = decode(reader, object);
    });
    INFO(kind << " " << name);
    REQUIRE(found);
    return *found;
  }
  template <typename T>
  model::ObjectList<T> sums(std::string_view kind, std::string (*group)(JsonValue),
                            void (*add)(JsonReader&, JsonValue, T&)) {
    SummaryStore<T> store(group, add);
    store.begin_listing();
    for_each(kind, [&](JsonValue object) {
      store.add_listed(reader, object, {"longhorn-system", "x", "1"});
    });
    store.finish_listing();
    return store.objects();
  }

  std::string text;
  JsonReader reader;
};

std::string volume_name(int minor, int number) {
  char name[48];
  std::snprintf(name, sizeof name, "pvc-%08d-%04d-4000-8000-000000000000", minor, number);
  return name;
}

const model::LonghornDisk& only_disk(const model::LonghornNode& node) {
  REQUIRE(node.disks.size() == 1);
  return node.disks.front();
}

struct Version {
  const char* name;
  int minor;
};
constexpr Version kVersions[] = {{"1.5", 5}, {"1.8", 8}, {"1.11", 11}, {"1.12", 12}};

}  // namespace

TEST_CASE("Longhorn's Volumes of all versions decode", "[kubernetes][longhorn]") {
  for (const Version& version : kVersions) {
    INFO(version.name);
    Recording recorded(version.name);
    const auto volume = [&](int number) {
      return recorded.find("Volume", volume_name(version.minor, number), decode_longhorn_volume);
    };
    const model::LonghornVolume healthy = volume(1);
    CHECK(healthy.size_bytes == 21474836480);
    CHECK(healthy.replicas_desired == 2);
    CHECK(healthy.data_locality == "best-effort");
    CHECK(healthy.data_engine == "v1");
    CHECK_THAT(healthy.image, Catch::StartsWith("longhornio/longhorn-engine:v1."));
    CHECK(healthy.image == healthy.current_image);
    CHECK(healthy.state == "attached");
    CHECK(healthy.robustness == "healthy");
    CHECK(healthy.current_node == "node-1");
    CHECK(healthy.actual_size_bytes == 5368709120);
    CHECK(time_text(healthy.last_backup_at) == "2026-11-20T03:00:00Z");
    CHECK_FALSE(healthy.last_degraded);
    CHECK(healthy.scheduled == true);
    CHECK(healthy.too_many_snapshots == false);
    CHECK(healthy.job_groups == Names{"default"});
    CHECK(healthy.use.claim == "pg-1");
    CHECK_FALSE(healthy.use.last_pod_ref);
    REQUIRE(healthy.use.workloads.size() == 1);
    CHECK(healthy.use.workloads[0].workload_type == "Cluster");
    CHECK(healthy.meta.labels.empty());
    CHECK_FALSE(healthy.sharded());

    const model::LonghornVolume single = volume(3);
    CHECK(single.replicas_desired == 1);
    CHECK(single.data_locality == "strict-local");
    CHECK(single.state == "detached");
    CHECK(single.robustness == "unknown");
    CHECK(single.jobs == Names{"nightly"});
    CHECK(single.use.workloads.empty());
    CHECK(time_text(single.use.last_pod_ref) == "2026-11-20T07:00:00Z");

    const model::LonghornVolume unscheduled = volume(4);
    CHECK(unscheduled.scheduled == false);
    CHECK(unscheduled.scheduling_reason == "ReplicaSchedulingFailure");
    CHECK_THAT(unscheduled.scheduling_message, Catch::StartsWith("insufficient storage"));
    CHECK(time_text(unscheduled.last_degraded) == "2026-10-01T00:00:00Z");
  }
  Recording newest("1.12");
  const model::LonghornVolume wide =
      newest.find("Volume", volume_name(12, 5), decode_longhorn_volume);
  CHECK(wide.sharded());
  CHECK(wide.data_chunks == 4);
  CHECK(wide.parity_chunks == 2);
  CHECK(time_text(wide.last_auto_salvaged) == "2026-11-19T23:00:00Z");
}

TEST_CASE("Longhorn's Engines of all versions decode", "[kubernetes][longhorn]") {
  for (const Version& version : kVersions) {
    INFO(version.name);
    Recording recorded(version.name);
    const std::string name = volume_name(version.minor, 2);
    const model::LonghornEngine engine =
        recorded.find("Engine", name + "-e-0", decode_longhorn_engine);
    CHECK(engine.volume == name);
    CHECK(engine.active);
    CHECK(engine.state == "running");
    CHECK(engine.modes.size() == 3);
    CHECK(engine.modes.at(name + "-r-00000001") == "RW");
    CHECK(engine.modes.at(name + "-r-00000002") == "WO");
    CHECK(engine.modes.at("UNKNOWN-tcp://10.42.0.99:10000") == "ERR");
    REQUIRE(engine.rebuilds.size() == 1);
    CHECK(engine.rebuilds[0].replica == name + "-r-00000002");
    CHECK(engine.rebuilds[0].running);
    CHECK(engine.rebuilds[0].progress == 37);
    CHECK(engine.snapshots == 1);
    CHECK(engine.snapshots_removed == 1);
    CHECK(engine.snapshot_bytes == 4294967296);
    CHECK(engine.head_bytes == 1073741824);
    CHECK_FALSE(engine.purging);
    CHECK(engine.current_size_bytes == 21474836480);
    // Before 1.8 there is no such condition.
    CHECK(engine.filesystem_read_only.has_value() == (version.minor >= 8));

    const model::LonghornEngine stopped =
        recorded.find("Engine", volume_name(version.minor, 3) + "-e-0", decode_longhorn_engine);
    CHECK(stopped.state == "stopped");
    CHECK(stopped.modes.empty());
    CHECK_FALSE(stopped.snapshots);
  }
}

TEST_CASE("Longhorn's Replicas of all versions decode", "[kubernetes][longhorn]") {
  for (const Version& version : kVersions) {
    INFO(version.name);
    Recording recorded(version.name);
    const std::string name = volume_name(version.minor, 2);
    const model::VolumeReplica good =
        recorded.find("Replica", name + "-r-00000001", decode_volume_replica);
    CHECK(good.volume == name);
    CHECK(good.node == "node-2");
    CHECK(good.disk_id == "d15c0002-0000-4000-8000-000000000000");
    CHECK(good.active);
    CHECK(time_text(good.healthy_at) == "2026-11-01T00:00:00Z");
    CHECK_FALSE(good.failed_at);
    CHECK(good.rebuild_failed.empty());
    const model::VolumeReplica rebuilding =
        recorded.find("Replica", name + "-r-00000002", decode_volume_replica);
    CHECK_FALSE(rebuilding.healthy_at);
    CHECK(rebuilding.rebuild_retries == 1);
    CHECK(rebuilding.rebuild_failed == (version.minor >= 8 ? "Disconnection" : ""));
    const model::VolumeReplica unscheduled = recorded.find(
        "Replica", volume_name(version.minor, 4) + "-r-00000003", decode_volume_replica);
    CHECK(unscheduled.node.empty());
    CHECK(unscheduled.disk_id.empty());
  }
}

TEST_CASE("Longhorn's Nodes of all versions decode with their disks", "[kubernetes][longhorn]") {
  for (const Version& version : kVersions) {
    INFO(version.name);
    Recording recorded(version.name);
    const model::LonghornNode node = recorded.find("Node", "node-3", decode_longhorn_node);
    CHECK(node.allow_scheduling == true);
    CHECK(node.zone == "zone-b");
    REQUIRE(model::find_condition(node.conditions, "Ready") != nullptr);
    CHECK(model::find_condition(node.conditions, "Ready")->status == "True");
    const model::LonghornDisk& disk = only_disk(node);
    CHECK(disk.name == "default-disk");
    CHECK(disk.uuid == "d15c0003-0000-4000-8000-000000000000");
    CHECK(disk.listed);
    CHECK(disk.reserved_bytes == 32212254720);
    CHECK(disk.available_bytes == 20000000000);
    CHECK(disk.scheduled_bytes == 64424509440);
    CHECK(disk.maximum_bytes == 107374182400);
    CHECK(model::find_condition(disk.conditions, "Schedulable")->reason == "DiskPressure");
    CHECK(disk.health.size() == (version.minor >= 11 ? 1 : 0));
    if (version.minor >= 11) CHECK(disk.health.at("sda") == "WARNING");

    const model::InstanceManager manager =
        recorded.find("InstanceManager", "instance-manager-node-3", decode_instance_manager);
    CHECK(manager.node == "node-3");
    CHECK(manager.state == "running");
    const model::VolumeAttachment attachment =
        recorded.find("VolumeAttachment", volume_name(version.minor, 1), decode_volume_attachment);
    REQUIRE(attachment.tickets.size() == 1);
    CHECK(attachment.tickets[0].type == "csi-attacher");
    CHECK(attachment.tickets[0].node == "node-1");
    CHECK(attachment.tickets[0].satisfied == true);
    const model::EngineImage image =
        recorded.find("EngineImage", "ei-00000001", decode_engine_image);
    CHECK(image.state == "deployed");
    CHECK(image.nodes_missing == (version.minor >= 8 ? Names{} : Names{"node-3"}));
  }
}

TEST_CASE("settings are one text, or one per data engine", "[kubernetes][longhorn]") {
  const model::LonghornSetting text =
      Recording("1.8").find("Setting", "default-replica-count", decode_longhorn_setting);
  CHECK(text.value == "3");
  CHECK(text.values.empty());
  const model::LonghornSetting map =
      Recording("1.11").find("Setting", "default-replica-count", decode_longhorn_setting);
  CHECK(map.value.empty());
  CHECK(map.values == std::map<std::string, std::string>{{"v1", "3"}, {"v2", "3"}});
  // A text that only begins like JSON stays what it is.
  const model::LonghornSetting odd =
      decoded(R"({"metadata":{"name":"x"},"value":"{half"})", decode_longhorn_setting);
  CHECK(odd.value == "{half");
  CHECK(is_used(text));
  CHECK_FALSE(is_used(odd));
}

TEST_CASE("Longhorn's own backups decode, and one without a URL is none",
          "[kubernetes][longhorn]") {
  for (const Version& version : kVersions) {
    INFO(version.name);
    Recording recorded(version.name);
    const model::BackupTarget target =
        recorded.find("BackupTarget", "default", decode_backup_target);
    CHECK(target.available == false);
    CHECK(target.url == (version.minor < 11 ? "" : "s3://longhorn@eu-west-1/backups"));
    CHECK(target.unavailable_reason == "Unavailable");
    const bool named = version.minor >= 8;
    const model::BackupVolume volume =
        recorded.find("BackupVolume", volume_name(version.minor, 1) + (named ? "-backup" : ""),
                      decode_backup_volume);
    CHECK(volume.volume == volume_name(version.minor, 1));
    CHECK(volume.target == (named ? "default" : ""));
    CHECK(volume.message == (named ? "error: cannot list" : ""));
    CHECK(time_text(volume.last_backup_at) == "2026-11-20T03:00:00Z");
    const model::RecurringJob job = recorded.find("RecurringJob", "nightly", decode_recurring_job);
    CHECK(job.task == "backup");
    CHECK(job.cron == "0 3 * * *");
    CHECK(job.retain == 7);
    CHECK(job.groups == Names{"default"});
    const model::SystemBackup system =
        recorded.find("SystemBackup", "weekly", decode_system_backup);
    CHECK(system.state == "Ready");
    CHECK(time_text(system.created) == "2026-11-15T03:00:00Z");
  }
}

TEST_CASE("a backup target's URL keeps its bucket and loses a login", "[kubernetes][longhorn]") {
  struct Case {
    const char* url;
    const char* kept;
  };
  const Case cases[] = {
      {"s3://longhorn@eu-west-1/", "s3://longhorn@eu-west-1/"},
      {"azblob://box@core.windows.net/", "azblob://box@core.windows.net/"},
      {"nfs://host:/share", "nfs://host:/share"},
      {"cifs://user:secret@host/share", "cifs://host/share"},
      {"", ""},
  };
  for (const Case& c : cases) {
    INFO(c.url);
    CHECK(decoded(R"({"metadata":{"name":"t"},"spec":{"backupTargetURL":")" + std::string(c.url) +
                      R"("}})",
                  decode_backup_target)
              .url == c.kept);
  }
}

TEST_CASE("Backups and Snapshots are summed up by volume", "[kubernetes][longhorn]") {
  for (const Version& version : kVersions) {
    INFO(version.name);
    Recording recorded(version.name);
    const auto backups = recorded.sums("Backup", volume_of_backup, add_backup);
    REQUIRE(backups.size() == 2);
    CHECK(backups[0]->meta.name == volume_name(version.minor, 1));
    CHECK(backups[0]->completed == 2);
    CHECK(time_text(backups[0]->newest) == "2026-11-20T03:00:00Z");
    CHECK(backups[0]->failed == 0);
    CHECK(backups[1]->completed == 0);
    CHECK(backups[1]->failed == 1);
    CHECK(backups[1]->error == "proxyServer=10.42.0.3: timeout");
    CHECK(backups[1]->in_progress == 1);
    CHECK(time_text(backups[1]->oldest_in_progress) == "2026-11-05T03:00:01Z");

    const auto snapshots = recorded.sums("Snapshot", volume_of_snapshot, add_snapshot);
    REQUIRE(snapshots.size() == 2);
    CHECK(snapshots[0]->count == 2);
    CHECK(snapshots[0]->bytes == 4296015872);
    CHECK(snapshots[0]->not_ready == 1);
    CHECK_THAT(snapshots[0]->error, Catch::StartsWith("lost track"));
    CHECK(snapshots[1]->count == 1);
  }
}

TEST_CASE("what cannot be summed up is left out and said", "[kubernetes][longhorn]") {
  SummaryStore<model::VolumeSnapshots> store(volume_of_snapshot, add_snapshot);
  JsonReader reader;
  const auto list = [&](std::initializer_list<const char*> objects) {
    store.begin_listing();
    for (const char* object : objects) {
      store.add_listed(reader, reader.parse(object), {"ns", "s", "1"});
    }
    store.finish_listing();
  };
  list({R"({"spec":{"volume":"a"},"status":{"size":"7","readyToUse":true}})",
        R"({"spec":{"volume":"a"},"status":{"size":[],"readyToUse":true}})"});
  REQUIRE(store.objects().size() == 1);
  CHECK(store.objects()[0]->count == 1);
  CHECK(store.objects()[0]->bytes == 7);
  CHECK(store.malformed() == 1);
  CHECK_THAT(store.problem(), Catch::StartsWith("ns/s: "));
  list({});
  CHECK(store.objects().empty());
  CHECK(store.problem().empty());
}

TEST_CASE("sizes come as texts and as numbers, maps and times as nothing",
          "[kubernetes][longhorn]") {
  const model::LonghornVolume volume = decoded(
      R"({"metadata":{"name":"v","labels":null},
          "spec":{"size":1073741824,"engineImage":"e:1","backendStoreDriver":"v2"},
          "status":{"actualSize":"5","lastDegradedAt":"","conditions":null,
                    "kubernetesStatus":{"workloadsStatus":null,"lastPVCRefAt":""}}})",
      decode_longhorn_volume);
  CHECK(volume.size_bytes == 1073741824);
  CHECK(volume.actual_size_bytes == 5);
  CHECK(volume.image == "e:1");
  CHECK(volume.data_engine == "v2");
  CHECK_FALSE(volume.scheduled);
  const model::LonghornEngine engine = decoded(
      R"({"metadata":{"name":"e"},"spec":{"volumeName":"v"},
          "status":{"replicaModeMap":null,"rebuildStatus":null,"purgeStatus":null,
                    "snapshots":{"a":{"size":""},"volume-head":{"size":12}},"currentSize":""}})",
      decode_longhorn_engine);
  CHECK(engine.modes.empty());
  CHECK(engine.snapshots == 1);
  CHECK(engine.snapshot_bytes == 0);
  CHECK(engine.head_bytes == 12);
  CHECK_FALSE(engine.current_size_bytes);
  const model::LonghornNode node = decoded(
      R"({"metadata":{"name":"n"},"spec":{"disks":{"b":{"path":"/b"},"a":{"path":"/a"}}},
          "status":{"diskStatus":{"c":{"diskUUID":"u"}},"conditions":null}})",
      decode_longhorn_node);
  REQUIRE(node.disks.size() == 3);
  CHECK(node.disks[0].path == "/a");
  CHECK_FALSE(node.disks[0].maximum_bytes);
  CHECK(node.disks[2].uuid == "u");
  CHECK_FALSE(node.disks[2].listed);

  JsonReader reader;
  (void)decode_longhorn_volume(reader,
                               reader.parse(R"({"metadata":{"name":"v"},"spec":{"size":"20Gi"}})"));
  CHECK_FALSE(reader.finish());
}

TEST_CASE("a StorageClass tells what Longhorn makes of it", "[kubernetes][longhorn]") {
  const model::StorageClass one = decoded(
      R"({"metadata":{"name":"longhorn"},"provisioner":"driver.longhorn.io",
          "reclaimPolicy":"Delete","parameters":{"numberOfReplicas":"2",
          "dataLocality":"strict-local"}})",
      decode_storage_class);
  CHECK(one.provisioner == "driver.longhorn.io");
  CHECK(one.replicas == 2);
  CHECK(one.data_locality == "strict-local");
  CHECK_FALSE(decoded(R"({"metadata":{"name":"local"},"provisioner":"p","parameters":null})",
                      decode_storage_class)
                  .replicas);
}

}  // namespace keelwatch::sources
