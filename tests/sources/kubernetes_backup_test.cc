// Backups, schedules and object stores in the shapes that CloudNativePG 1.24, 1.27 and 1.30 and the
// Barman plugin write (tests/testdata/cnpg), and volume snapshots.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "base/time_text.h"
#include "sources/kubernetes/decode.h"

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

template <typename T>
T recorded(const std::string& version, const std::string& name,
           T (*decode)(JsonReader&, JsonValue)) {
  std::ifstream file(KEELWATCH_SOURCE_DIR "/tests/testdata/cnpg/" + version + ".json");
  REQUIRE(file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  JsonReader reader;
  std::optional<T> found;
  reader.parse(text)["items"].for_each([&](JsonValue object) {
    if (object["kind"].string() != T::kKind || object["metadata"]["name"].string() != name) return;
    found = decode(reader, object);
  });
  REQUIRE(reader.finish());
  REQUIRE(found);
  return *found;
}

std::string credentials_of(const std::string& configuration) {
  return decoded(R"({"metadata":{"name":"s"},"spec":{"configuration":)" + configuration + "}}",
                 decode_object_store)
      .store.credentials;
}

}  // namespace

TEST_CASE("ScheduledBackups of all versions decode", "[kubernetes][backup]") {
  const model::ScheduledBackup daily = recorded("1.24", "pg-daily", decode_scheduled_backup);
  CHECK(daily.cluster == "pg");
  CHECK(daily.schedule == "0 0 2 * * *");
  CHECK(daily.method == "barmanObjectStore");
  CHECK(daily.plugin.empty());
  CHECK(daily.suspended == false);
  CHECK(daily.immediate == true);
  CHECK(time_text(daily.last_check) == "2026-11-24T02:00:00Z");
  CHECK(time_text(daily.next_schedule) == "2026-11-25T02:00:00Z");
  CHECK(daily.error.empty());

  const model::ScheduledBackup nightly =
      recorded("1.27", "homelab-nightly", decode_scheduled_backup);
  CHECK(nightly.method == "plugin");
  CHECK(nightly.plugin == "barman-cloud.cloudnative-pg.io");
  CHECK(nightly.immediate == false);
  CHECK(time_text(nightly.last_schedule) == "2026-11-24T00:00:00Z");

  const model::ScheduledBackup weekly = recorded("1.30", "west-weekly", decode_scheduled_backup);
  CHECK(weekly.method == "volumeSnapshot");
  CHECK(weekly.suspended == true);
  CHECK(weekly.error == "something that only 1.30 says");

  // One that the operator has not seen yet.
  const model::ScheduledBackup fresh =
      decoded(R"({"metadata":{"name":"s"},"spec":{"schedule":"@daily","suspend":null}})",
              decode_scheduled_backup);
  CHECK(fresh.suspended == false);
  CHECK_FALSE(fresh.last_check);
  CHECK_FALSE(model::ScheduledBackup().suspended);  // of one that could not be decoded
}

TEST_CASE("Backups of all versions decode", "[kubernetes][backup]") {
  const model::Backup done = recorded("1.24", "pg-daily-20261123020000", decode_backup);
  CHECK(done.cluster == "pg");
  CHECK(done.scheduled_backup == "pg-daily");
  CHECK(done.phase == "completed");
  CHECK(done.backup_id == "20261123T020003");
  CHECK(done.server_name == "pg");
  CHECK(done.destination_path == "s3://backups/pg");
  CHECK(done.endpoint_url == "https://minio.example:9000/");
  CHECK(done.begin_wal == "0000000400000002000000A0");
  CHECK(done.end_lsn == "2/A0000138");
  CHECK(done.pod == "pg-2");
  CHECK(time_text(done.started) == "2026-11-23T02:00:03Z");
  CHECK(time_text(done.stopped) == "2026-11-23T02:04:11Z");
  CHECK(done.error.empty());

  const model::Backup waiting = recorded("1.24", "pg-daily-20261124020000", decode_backup);
  CHECK(waiting.phase == "walArchivingFailing");
  CHECK_FALSE(waiting.started);

  const model::Backup failed = recorded("1.27", "homelab-nightly-20261124000000", decode_backup);
  CHECK(failed.method == "plugin");
  CHECK(failed.plugin == "barman-cloud.cloudnative-pg.io");
  CHECK(failed.phase == "failed");
  CHECK_THAT(failed.error, Catch::Contains("missing key ACCESS_SECRET_KEY"));
  CHECK_FALSE(failed.stopped);

  const model::Backup snapshot = recorded("1.30", "west-weekly-20261122000000", decode_backup);
  CHECK(snapshot.method == "volumeSnapshot");
  CHECK(snapshot.phase == "finalizing");
  CHECK(snapshot.snapshots ==
        Names{"west-weekly-20261122000000", "west-weekly-20261122000000-wal"});

  const model::Backup by_hand = decoded(
      R"({"metadata":{"name":"b"},"spec":{"cluster":{"name":"pg"}},"status":null})", decode_backup);
  CHECK(by_hand.scheduled_backup.empty());
  CHECK(by_hand.phase.empty());
}

TEST_CASE("an ObjectStore tells where it is and what the plugin saw in it",
          "[kubernetes][backup]") {
  const model::ObjectStore store = recorded("1.27", "store", decode_object_store);
  CHECK(store.store.destination_path == "s3://postgres-backups/");
  CHECK(store.store.endpoint_url == "https://rgw.example:7480");
  CHECK(store.store.credentials == "s3");
  CHECK(store.store.endpoint_ca == true);
  CHECK(store.store.wal_compression == "zstd");
  CHECK(store.store.data_compression == "gzip");
  CHECK(store.retention_policy == "30d");
  REQUIRE(store.windows.size() == 2);
  CHECK(time_text(store.windows.at("homelab-cluster").last_success) == "2026-11-23T00:01:02Z");
  CHECK(time_text(store.windows.at("homelab-cluster").last_failure) == "2026-11-20T00:00:09Z");
  CHECK(time_text(store.windows.at("homelabcluster").first_recoverability_point) ==
        "2025-11-24T00:01:05Z");
  CHECK_FALSE(store.windows.at("homelabcluster").last_failure);

  const model::ObjectStore inherits = recorded("1.30", "store", decode_object_store);
  CHECK(inherits.store.credentials == "s3_inherit");
  CHECK(inherits.store.endpoint_ca == false);
  CHECK(inherits.retention_policy.empty());
  CHECK(inherits.windows.empty());

  JsonReader reader;
  (void)decode_object_store(
      reader, reader.parse(R"({"metadata":{"name":"s"},"status":{"serverRecoveryWindow":
                               {"pg":{"lastSuccessfulBackupTime":"yesterday"}}}})"));
  CHECK_FALSE(reader.finish());
}

TEST_CASE("credentials are told by their kind and never read", "[kubernetes][backup]") {
  struct Case {
    const char* configuration;
    const char* kind;
  };
  const Case cases[] = {
      {R"({})", ""},
      {R"({"s3Credentials":{"accessKeyId":{"name":"a","key":"k"}}})", "s3"},
      {R"({"s3Credentials":{"inheritFromIAMRole":true}})", "s3_inherit"},
      {R"({"azureCredentials":{"connectionString":{"name":"a","key":"k"}}})", "azure"},
      {R"({"azureCredentials":{"inheritFromAzureAD":true}})", "azure_inherit"},
      {R"({"azureCredentials":{"useDefaultAzureCredentials":true}})", "azure_inherit"},
      {R"({"googleCredentials":{"applicationCredentials":{"name":"a","key":"k"}}})", "google"},
      {R"({"googleCredentials":{"gkeEnvironment":true}})", "google_inherit"},
  };
  for (const Case& c : cases) {
    INFO(c.configuration);
    CHECK(credentials_of(c.configuration) == c.kind);
  }
}

TEST_CASE("a Cluster tells what it was recovered from", "[kubernetes][backup]") {
  const model::Cluster west = recorded("1.30", "west", decode_cluster);
  REQUIRE(west.recovery);
  CHECK(west.recovery->external_cluster == "origin");
  CHECK(west.recovery->backup.empty());
  REQUIRE(west.external_clusters.size() == 3);
  CHECK(west.external_clusters[0].name == "east");
  CHECK_FALSE(west.external_clusters[0].store);
  CHECK_FALSE(west.external_clusters[0].plugin);
  REQUIRE(west.external_clusters[1].plugin);
  CHECK(west.external_clusters[1].plugin->object_store == "store");
  CHECK(west.external_clusters[1].plugin->server_name == "east-2025");
  REQUIRE(west.external_clusters[2].store);
  CHECK(west.external_clusters[2].store->destination_path == "gs://old-backups/");
  CHECK(west.external_clusters[2].store->credentials == "google_inherit");
  CHECK(west.external_clusters[2].store->server_name == "east-old");

  CHECK_FALSE(recorded("1.24", "pg", decode_cluster).recovery);
  CHECK(recorded("1.24", "pg", decode_cluster).external_clusters.empty());
  const model::Cluster from_backup = decoded(
      R"({"metadata":{"name":"pg"},"spec":{"bootstrap":{"recovery":{"backup":{"name":"b1"}}}}})",
      decode_cluster);
  REQUIRE(from_backup.recovery);
  CHECK(from_backup.recovery->backup == "b1");
}

TEST_CASE("volume snapshots decode with what they are bound to", "[kubernetes][backup]") {
  const model::VolumeSnapshot data =
      recorded("1.30", "west-weekly-20261122000000", decode_volume_snapshot);
  CHECK(data.content == "snapcontent-30000013-0000-4000-8000-000000000000");
  CHECK(data.claim == "west-1");
  CHECK(data.ready_to_use == true);
  const model::VolumeSnapshot wal =
      recorded("1.30", "west-weekly-20261122000000-wal", decode_volume_snapshot);
  CHECK(wal.content.empty());
  CHECK(wal.ready_to_use == false);
  CHECK_THAT(wal.error, Catch::EndsWith("timeout"));
  const model::VolumeSnapshotContent content =
      recorded("1.30", data.content, decode_volume_snapshot_content);
  CHECK(content.snapshot_namespace == "dr");
  CHECK(content.snapshot_name == "west-weekly-20261122000000");
  CHECK(content.snapshot_uid == "30000013-0000-4000-8000-000000000000");
  CHECK(content.ready_to_use == true);
  CHECK(content.deletion_policy == "Delete");
  CHECK_FALSE(decoded(R"({"metadata":{"name":"c"},"spec":{}})", decode_volume_snapshot_content)
                  .ready_to_use);
}

}  // namespace keelwatch::sources
