#include "model/codec.h"

#include <catch2/catch.hpp>

#include "tests/support/archive_builder.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::model {
namespace {

template <typename Slice>
std::string encoded(const Slice& slice) {
  JsonWriter out;
  encode(out, slice);
  return out.take();
}

}  // namespace

TEST_CASE("slices come back from JSON as they were", "[model]") {
  ServerFacts facts = primary_facts(0x16'B374D848);
  facts.started = kNow - 3h;
  facts.recovery_min_apply_delay = 250ms;
  Sender row = sender_row("pg-2", 77);
  row.replay_lag = 1500us;
  row.flush.reset();
  Slices all = slices({answering("pg-1", facts, {row}), silent("pg-2", Reachability::kSilent)});
  auto postgres = *all.postgres;
  postgres.reports.push_back({.source = "postgres",
                              .target = "default/pg-1",
                              .up = true,
                              .last_success = kNow,
                              .last_duration = 12345ns,
                              .errors = {{"timeout", 3}},
                              .last_error = "",
                              .clock_skew_seconds = -0.25,
                              .requests = 42,
                              .not_set_up = false,
                              .not_installed = false});

  const std::string text = encoded(postgres);
  JsonReader reader;
  const auto decoded = decode_postgres_slice(reader.parse(text));
  REQUIRE(decoded);
  CHECK(encoded(*decoded) == text);
  const ServerFacts& back = decoded->instances.at(0)->server.known_value();
  CHECK(back.current == Lsn{0x16'B374D848});
  CHECK(back.recovery_min_apply_delay == 250ms);
  CHECK(back.started == kNow - 3h);
  CHECK_FALSE(back.replayed);
  CHECK(decoded->instances.at(0)->senders.known_value().at(0).replay_lag == 1500us);
  CHECK(decoded->instances.at(1)->server.why() == all.postgres->instances.at(1)->server.why());
  CHECK(decoded->reports.at(0).errors.at("timeout") == 3);

  const std::string kubernetes = encoded(*all.kubernetes);
  const auto again = decode_kubernetes_slice(reader.parse(kubernetes));
  REQUIRE(again);
  CHECK(encoded(*again) == kubernetes);
  CHECK(again->clusters.known_value().at(0)->instances == 3);
}

TEST_CASE("every fact of the Kubernetes objects survives a tape", "[model]") {
  Cluster cluster = *cluster_object();
  cluster.phase_since = kNow;
  cluster.instance_names = {"pg-1"};
  cluster.instances_status["failed"] = {"pg-2"};
  cluster.instances_reported["pg-1"] = {.is_primary = true, .timeline_id = 3, .ip = "10.0.0.1"};
  cluster.conditions = {{"Ready", "True", "ClusterIsReady", "it is", kNow}};
  cluster.certificate_expirations = {{"ca", kNow + 24h}, {"odd", std::nullopt}};
  cluster.claims.dangling = {"pg-9"};
  cluster.nodes_used = 3;
  cluster.plugins = {{"p", false, true, "o", ""}};
  cluster.plugin_status = {{"p", "1", "{}"}};
  cluster.roles_not_reconciled["app"] = {"why"};
  cluster.replica.demoted = true;
  cluster.switches.fenced_instances = std::vector<std::string>{"*"};
  cluster.backup.volume_snapshot = true;
  cluster.backup.credentials = "s3";
  cluster.recovery = RecoverySource{.external_cluster = "origin", .backup = {}};
  cluster.external_clusters.resize(1);
  cluster.external_clusters[0].plugin = ClusterPlugin{"p", true, false, "store", "origin"};
  cluster.synchronous.number = 2;
  cluster.failover_delay_seconds = 30;
  KubernetesSlice slice = kubernetes_slice({std::make_shared<const Cluster>(cluster)});
  Pod pod;
  pod.instance_role = "primary";
  pod.containers.resize(1);
  pod.containers[0].name = "postgres";
  pod.containers[0].restarts = 4;
  pod.containers[0].last_exit_code = 137;
  pod.scheduling.scheduled = false;
  pod.scheduling.nodes_seen = 3;
  Pooler pooler;
  pooler.parameters["pool"] = "20";
  Database database;
  database.parts = {{.kind = "fdw", .name = "f", .applied = false, .message = "no"}};
  EndpointSlice endpoints;
  endpoints.endpoints.resize(1);
  endpoints.endpoints[0].addresses = {"10.0.0.1"};
  endpoints.endpoints[0].terminating = true;
  Lease lease;
  lease.renewed = kNow;
  Deployment deployment;
  deployment.component = "cloudnative-pg";
  deployment.ready_replicas = 0;
  const auto one = [](auto object) {
    using T = decltype(object);
    return Observed<ObjectList<T>>::known({std::make_shared<const T>(std::move(object))}, kNow);
  };
  slice.pods = one(pod);
  slice.poolers = one(pooler);
  slice.databases = one(database);
  slice.endpoint_slices = one(endpoints);
  slice.leases = one(lease);
  slice.deployments = one(deployment);
  ScheduledBackup scheduled;
  scheduled.schedule = "0 0 2 * * *";
  scheduled.suspended = true;
  scheduled.last_check = kNow;
  Backup backup;
  backup.scheduled_backup = "nightly";
  backup.phase = "failed";
  backup.stopped = kNow;
  backup.snapshots = {"snap-1"};
  ObjectStore store;
  store.store = {.destination_path = "s3://b/p",
                 .endpoint_url = {},
                 .server_name = {},
                 .credentials = "s3",
                 .endpoint_ca = true,
                 .wal_compression = "zstd",
                 .data_compression = {}};
  store.windows["pg"] = {
      .first_recoverability_point = kNow, .last_success = {}, .last_failure = {}};
  VolumeSnapshot snapshot;
  snapshot.content = "content-1";
  VolumeSnapshotContent content;
  content.ready_to_use = false;
  slice.scheduled_backups = one(scheduled);
  slice.backups = one(backup);
  slice.object_stores = one(store);
  slice.volume_snapshots = one(snapshot);
  slice.volume_snapshot_contents = one(content);

  LonghornVolume volume;
  volume.replicas_desired = 2;
  volume.use.workloads = {{"pg-1", "Running", "pg", "Cluster"}};
  volume.scheduled = false;
  LonghornEngine engine;
  engine.modes["r-1"] = "RW";
  engine.rebuilds.resize(1);
  engine.rebuilds[0].progress = 37;
  VolumeReplica replica;
  replica.healthy_at = kNow;
  LonghornNode node;
  node.disks.resize(1);
  node.disks[0].maximum_bytes = 7;
  node.disks[0].health["sda"] = "PASSED";
  VolumeAttachment attachment;
  attachment.tickets.resize(1);
  attachment.tickets[0].satisfied = false;
  LonghornSetting setting;
  setting.values["v1"] = "3";
  VolumeBackups sum;
  sum.failed = 2;
  slice.longhorn_volumes = one(volume);
  slice.longhorn_engines = one(engine);
  slice.longhorn_replicas = one(replica);
  slice.longhorn_nodes = one(node);
  slice.longhorn_attachments = one(attachment);
  slice.longhorn_settings = one(setting);
  slice.longhorn_backups = one(sum);

  const std::string text = encoded(slice);
  JsonReader reader;
  const auto back = decode_kubernetes_slice(reader.parse(text));
  REQUIRE(back);
  CHECK(encoded(*back) == text);
  CHECK(back->longhorn_engines.known_value().at(0)->rebuilds.at(0).progress == 37);
  CHECK(back->longhorn_nodes.known_value().at(0)->disks.at(0).health.at("sda") == "PASSED");
  const Cluster& c = *back->clusters.known_value().at(0);
  CHECK(c.instances_reported.at("pg-1").timeline_id == 3);
  CHECK(c.certificate_expirations.at("ca") == kNow + 24h);
  CHECK_FALSE(c.certificate_expirations.at("odd"));
  CHECK(c.switches.fenced_instances == std::vector<std::string>{"*"});
  CHECK_FALSE(c.switches.hibernation);
  CHECK(back->pods.known_value().at(0)->containers.at(0).last_exit_code == 137);
  CHECK(back->endpoint_slices.known_value().at(0)->endpoints.at(0).terminating == true);
  CHECK(back->deployments.known_value().at(0)->ready_replicas == 0);
}

TEST_CASE("an archive reads back with everything that was found in it", "[model]") {
  ArchiveBuilder builder;
  builder.wal(1, 2, 9).wal(2, 9, 12).partial(1, 10).fault(2, 11, "magic");
  builder.history(2, {{1, inside(9), "no recovery target specified"}}).garbage_history(3);
  builder.proven("header", 1, 2, 9).proven("deep", 2, 9, 10).backup("20270115T080000", 3, 4);
  builder.info([](BackupInfo& info) { info.tablespaces = {{"fast", 16'390, "/mnt/fast"}}; });
  builder.last_backup().proof = BackupProof{false, "data.tar.gz ends early", 7, true};
  builder.last_backup().files[1].storage_class = "GLACIER";
  BaseBackup running = builder.last_backup();
  running.id = "20270115T090000";
  running.info = Observed<BackupInfo>::unknown(Error(ErrorCode::kNotFound, "none"), "store");
  builder.backups.push_back(std::move(running));
  Archive archive = builder.archive();
  archive.settings = Observed<BucketSettings>::known({.versioning = true,
                                                      .object_lock = {},
                                                      .expires_after_days = 7,
                                                      .archives_after_days = {},
                                                      .not_permitted = {"object-lock"}},
                                                     kNow);
  archive.deep = DeepPass{1, 2, false, "SlowDown"};
  const Why refused{Absence::kUnknown, Error(ErrorCode::kForbidden, "AccessDenied"), "store"};
  ArchiveSlice slice;
  slice.archives = {
      std::make_shared<const Archive>(std::move(archive)),
      std::make_shared<const Archive>(Archive::absent({"http://s3", "other", "", "pg"}, refused))};
  SourceReport report;
  report.source = "object_store";
  report.target = "s3://backups/pg/pg";
  report.last_error = "AccessDenied";
  slice.reports = {report};

  const std::string text = encoded(slice);
  JsonReader reader;
  const auto back = decode_archive_slice(reader.parse(text));
  REQUIRE(back);
  CHECK(encoded(*back) == text);
  REQUIRE(back->archives.size() == 2);
  const Archive& read = *back->archives[0];
  CHECK(read.id == builder.id);
  CHECK(read.backups.known_value().at(1).info.why().error.code() == ErrorCode::kNotFound);
  CHECK(read.backups.known_value().at(0).proof->fault == "data.tar.gz ends early");
  const WalArchive& wal = read.wal.known_value();
  CHECK((wal.runs.size() == 2 && wal.proofs.size() == 2 && wal.partials.size() == 1));
  CHECK(wal.faults.at(0).segment == WalSegment{2, 11});
  CHECK(wal.histories.at(0).switches.known_value().at(0).position == inside(9));
  CHECK(wal.histories.at(1).switches.why().error.code() == ErrorCode::kMalformed);
  CHECK(wal.listed_whole_at == kNow);
  CHECK(read.settings.known_value().expires_after_days == 7);
  CHECK(read.deep->last_error == "SlowDown");
  CHECK(back->archives[1]->wal.why().error.code() == ErrorCode::kForbidden);
}

TEST_CASE("what an older tape does not have is unknown, not empty", "[model]") {
  JsonReader reader;
  const auto decoded = decode_kubernetes_slice(reader.parse(
      R"({"clusters":{"at":"2026-11-25T05:05:53Z","value":[{"metadata":{"namespace":"a","name":"pg"},
          "instances":3,"replicaCluster":false,"phase":"Cluster in healthy state"}]},
          "reports":[]})"));
  REQUIRE(decoded);
  CHECK_FALSE(decoded->leases.is_known());
  CHECK(decoded->leases.why().absence == Absence::kUnknown);
  CHECK(decoded->leases.why().error.message() == "not recorded");
  const Cluster& cluster = *decoded->clusters.known_value().at(0);
  CHECK(cluster.phase == "Cluster in healthy state");
  CHECK_FALSE(cluster.phase_since);
  CHECK_FALSE(cluster.switches.hibernation);
  CHECK_FALSE(cluster.switches.fenced_instances);
  CHECK_FALSE(cluster.backup.object_store);
  // A flag has no value that means "not recorded".
  const auto without_flag = decode_kubernetes_slice(reader.parse(
      R"({"clusters":{"at":"2026-11-25T05:05:53Z","value":[{"metadata":{"name":"pg"}}]}})"));
  REQUIRE_FALSE(without_flag);
  CHECK(without_flag.error().message() ==
        "clusters: value: [0]: replicaCluster: expected true or false");
}

TEST_CASE("a slice that does not fit names the member", "[model]") {
  JsonReader reader;
  const auto decoded = decode_postgres_slice(reader.parse(
      R"({"instances":[{"id":{"namespace":"a","cluster":"b","pod":7}}],"reports":[]})"));
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().message() == "instances: [0]: id: pod: expected a text");
}

}  // namespace keelwatch::model
