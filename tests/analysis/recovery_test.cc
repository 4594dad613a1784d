#include "analysis/recovery.h"

#include <catch2/catch.hpp>

#include "analysis/archive_lag.h"
#include "analysis/lineage.h"
#include "tests/support/archive_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

using model::Lsn;

// A Cluster that archives to the place that ArchiveBuilder makes.
std::shared_ptr<model::Cluster> archiving(std::string name = "pg") {
  auto cluster = std::make_shared<model::Cluster>(*cluster_object(1));
  cluster->meta.name = std::move(name);
  cluster->meta.uid = "uid-" + cluster->meta.name;
  cluster->backup.object_store = true;
  cluster->backup.destination_path = "s3://backups/pg/";
  cluster->backup.endpoint_url = "http://MinIO:9000/";
  cluster->backup.server_name = "pg";
  cluster->backup.retention_policy = "7d";
  return cluster;
}

// A primary at that position, and what its archiver says.
struct Scene {
  ArchiveBuilder archive = ArchiveBuilder().wal(1, 0, 40).backup("a", 2, 3).backup("b", 20, 21);
  Lsn position = inside(41, 0.5);
  std::int64_t timeline = 1;
  std::string system = std::to_string(kSystemId);
  std::string claim = model::wal_segment_name({1, 40}, kSegment);
  std::string archive_timeout = "300";
  bool answers = true;
  bool listed = true;
  WallTime listed_at = kNow;
  std::vector<std::shared_ptr<const model::Cluster>> clusters = {archiving()};
  model::BucketSettings settings;

  [[nodiscard]] model::World world(WallTime now) const {
    model::ServerFacts facts = primary_facts(position.bytes);
    facts.timeline = timeline;
    facts.system_identifier = system;
    model::Instance primary = answering("pg-1", facts);
    primary.server = Observed<model::ServerFacts>::known(facts, now);
    model::Archiver archiver;
    archiver.mode = "on";
    archiver.last_archived_wal = claim;
    primary.archiver = Observed<model::Archiver>::known(archiver, now);
    model::Settings values;
    values.values = {{"archive_timeout", archive_timeout, "s", "default", false}};
    primary.settings = Observed<model::Settings>::known(values, now);
    if (!answers) primary = silent("pg-1", model::Reachability::kSilent, "no answer");
    model::Slices all = slices({std::move(primary)}, kubernetes_slice(clusters, now));
    auto stores = std::make_shared<model::ArchiveSlice>();
    if (listed) {
      model::Archive found = archive.archive(listed_at);
      found.settings = Observed<model::BucketSettings>::known(settings, listed_at);
      stores->archives.push_back(std::make_shared<const model::Archive>(std::move(found)));
    }
    all.archives = std::move(stores);
    model::Freshness freshness;
    freshness.archives = 48h;
    return model::assemble(all, freshness, now);
  }

  Recovery assess(RecoveryMemory& memory, WallTime now = kNow) const {
    TopologyMemory topology;
    const model::World seen = world(now);
    auto result = assess_recovery(find_clusters(seen, {}, topology), seen, {}, memory);
    REQUIRE(!result.archives.empty());
    return std::move(result.archives.front());
  }
  [[nodiscard]] Recovery assess() const {
    RecoveryMemory memory;
    return assess(memory);
  }
};

double seconds(const StorageLoss& loss) { return to_seconds(*loss.time.known_value()); }
double segments(const StorageLoss& loss) {
  return *loss.bytes.known_value() / static_cast<double>(kSegment);
}

std::string lineage(const Scene& scene) {
  const Recovery recovery = scene.assess();
  std::string out;
  for (std::size_t i = 0; i < kLineageProblemCount; ++i) {
    const LineageFact& fact = recovery.lineage[i];
    if (!fact.holds.is_known()) {
      out += std::string(kLineageProblems[i]) + " unknown|";
    } else if (fact.holds.known_value()) {
      out += std::string(kLineageProblems[i]) + ": " + fact.detail + "|";
    }
  }
  return out;
}

}  // namespace

TEST_CASE("what is lost is what the primary wrote behind the window's end", "[recovery]") {
  RecoveryMemory memory;
  Scene scene;
  scene.position = inside(40, 0.9);
  CHECK(seconds(scene.assess(memory, kNow).loss[0]) == 0);
  scene.position = inside(43, 0);  // two segments behind the end, and nothing of them came
  const Recovery recovery = scene.assess(memory, kNow + 60s);
  CHECK(segments(recovery.loss[0]) == 2);
  CHECK(seconds(recovery.loss[0]) == 60);
  CHECK(seconds(scene.assess(memory, kNow + 600s).loss[0]) == 600);
  CHECK(recovery.lag.live_segments.known_value() == 2);
  // On the other levels there is no window: everything is lost, which is no number.
  CHECK_FALSE(recovery.loss[2].bytes.known_value().has_value());
}

TEST_CASE("an idle primary loses nothing, however long it idles", "[recovery]") {
  RecoveryMemory memory;
  Scene scene;
  scene.position = inside(41, 0.01);  // a record of no importance behind the switch
  scene.listed_at = archived_at(40);
  CHECK(seconds(scene.assess(memory, archived_at(40) + 10s).loss[0]) > 0);
  for (Duration after = 20s; after < 3h; after += 20s) {
    const Recovery recovery = scene.assess(memory, archived_at(40) + after);
    CHECK(seconds(recovery.loss[0]) <= 330);
    if (after > 360s) CHECK(segments(recovery.loss[0]) == 0);
  }
  // What it writes then counts at once, for as long as archive_timeout lets it lie.
  scene.position = inside(41, 0.5);
  CHECK(seconds(scene.assess(memory, archived_at(40) + 3h).loss[0]) == 20);
  CHECK(segments(scene.assess(memory, archived_at(40) + 3h).loss[0]) == Approx(0.49));
  // It goes on to another segment and the archive does not: that is a loss again.
  scene.position = inside(42, 0.1);
  CHECK(seconds(scene.assess(memory, archived_at(40) + 4h).loss[0]) > 3600);
}

TEST_CASE("without archive_timeout what lies in the next segment is lost", "[recovery]") {
  RecoveryMemory memory;
  Scene scene;
  scene.archive_timeout = "0";
  scene.position = inside(41, 0.5);
  CHECK(seconds(scene.assess(memory, kNow).loss[0]) == to_seconds(kNow - archived_at(40)));
  CHECK(segments(scene.assess(memory, kNow).loss[0]) == 0.5);
  CHECK(scene.assess(memory, kNow).rhythm.known_value() == std::optional<Duration>(60s));
}

TEST_CASE("after a start an idle primary is judged by when its last segment came", "[recovery]") {
  Scene scene;
  scene.position = inside(41, 0.01);
  CHECK(seconds(scene.assess().loss[0]) == 0);  // it came hours ago
  CHECK(scene.assess().rhythm.known_value() == std::optional<Duration>(300s));
}

TEST_CASE("a position on another timeline is not compared", "[recovery]") {
  Scene scene;
  scene.timeline = 2;
  const Recovery recovery = scene.assess();
  REQUIRE_FALSE(recovery.loss[0].bytes.is_known());
  CHECK(recovery.loss[0].bytes.why().error.message() ==
        "the archive leads to timeline 1, the primary is on 2");
  // Once the history is there, what the old timeline has behind the fork does not count.
  scene.archive.history(2, {{1, inside(39, 0.5), "promoted"}});
  CHECK(segments(scene.assess().loss[0]) == Approx(2));
}

TEST_CASE("memory of positions is bounded and keeps the newest", "[recovery]") {
  std::vector<LivePosition> live;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    remember_position({kNow + std::chrono::seconds(i), 1, Lsn{i}}, live);
  }
  CHECK(live.size() <= kLivePositionsKept);
  CHECK(live.front().position.bytes < 10);
  CHECK(live.back().position.bytes == 99'999);
  remember_position({kNow + 200'000s, 2, Lsn{5}}, live);
  CHECK(live.size() == 1);
}

TEST_CASE("the no-op archiver: the claim advances and the bucket does not", "[recovery]") {
  RecoveryMemory memory;
  Scene scene;
  scene.claim = model::wal_segment_name({1, 45}, kSegment);
  // A listing that is older than the claim says nothing.
  CHECK_FALSE(scene.assess(memory, kNow).lag.claimed_missing.known_value().has_value());
  scene.listed_at = kNow + 30s;  // nor one that may have begun before it
  CHECK_FALSE(scene.assess(memory, kNow + 30s).lag.claimed_missing.known_value().has_value());
  scene.listed_at = kNow + 90s;
  CHECK(scene.assess(memory, kNow + 90s).lag.claimed_missing.known_value() == 5);
  // A healthy archiver is never behind its claim.
  scene.archive.wal(1, 41, 45);
  for (Duration t = 100s; t < 1000s; t += 100s) {
    scene.listed_at = kNow + t;
    const auto missing = scene.assess(memory, kNow + t).lag.claimed_missing.known_value();
    if (t > 200s) CHECK(missing == 0);
  }
  // What is no segment is no claim.
  RecoveryMemory fresh;
  scene.claim = "00000002.history";
  scene.assess(fresh, kNow);
  CHECK_FALSE(fresh.clusters.begin()->second.claim);
}

TEST_CASE("a healthy archive has no problem of lineage", "[recovery]") { CHECK(lineage({}) == ""); }

TEST_CASE("an archive that is not the database's own", "[recovery]") {
  Scene other;
  other.system = "7300000000000000777";
  CHECK(lineage(other) ==
        "system_id: its newest WAL is of system 7300000000000000001, the primary is "
        "7300000000000000777|");

  Scene ahead;
  ahead.position = inside(30);
  CHECK(lineage(ahead) ==
        "segment_ahead: it holds segment 000000010000000000000028, the primary is at 0/1E800000 on "
        "timeline 1|");
  ahead.listed_at = kNow + 1s;  // the position is older than the listing
  CHECK(lineage(ahead).starts_with("segment_ahead unknown"));

  Scene timeline;
  timeline.archive.history(2, {{1, inside(40), "promoted"}});
  CHECK(lineage(timeline) == "timeline_ahead: it holds timeline 2, the primary is on 1|");
  Scene behind;
  behind.timeline = 3;
  CHECK(lineage(behind) ==
        "timeline_behind: the primary is on timeline 3, the archive ends with 1|");

  Scene shared;
  shared.clusters = {archiving(), archiving("pg2")};
  CHECK(lineage(shared) == "shared: default/pg2 archives to the same place|");

  Scene silent_primary;
  silent_primary.answers = false;
  CHECK(lineage(silent_primary) ==
        "system_id unknown|timeline_behind unknown|timeline_ahead unknown|segment_ahead unknown|");
}

TEST_CASE("an archive that nobody has listed is unknown, not empty", "[recovery]") {
  Scene scene;
  scene.listed = false;
  const Recovery recovery = scene.assess();
  CHECK(recovery.cluster == "pg");
  CHECK(recovery.points->backups.why().error.message() == "the archive has not been read yet");
  CHECK_FALSE(recovery.loss[0].bytes.is_known());
  CHECK_FALSE(recovery.lag.claimed_missing.is_known());
  CHECK_FALSE(recovery.retention.protects.is_known());
}

TEST_CASE("while the API is silent the archive is still the Cluster's", "[recovery]") {
  RecoveryMemory memory;
  TopologyMemory topology;
  Scene scene;
  const auto clusters_of = [&](const model::World& world) {
    return assess_recovery(find_clusters(world, {}, topology), world, {}, memory);
  };
  CHECK(clusters_of(scene.world(kNow)).archives.front().cluster == "pg");
  model::Slices silent_api;
  silent_api.archives = scene.world(kNow).archives;
  silent_api.postgres = scene.world(kNow).postgres;
  const auto after = clusters_of(model::assemble(silent_api, {}, kNow + 1s));
  REQUIRE(after.archives.size() == 1);
  CHECK(after.archives.front().cluster == "pg");
  CHECK(after.archives.front().points->window[0].known_value().has_value());
}

TEST_CASE("an archive of nobody is judged as well", "[recovery]") {
  Scene scene;
  auto plain = std::make_shared<model::Cluster>(*cluster_object(1));
  scene.clusters = {plain};
  const Recovery recovery = scene.assess();
  CHECK(recovery.cluster.empty());
  CHECK(recovery.points->window[0].known_value().has_value());
  CHECK(recovery.loss[0].bytes.why().absence == Absence::kNotInstalled);
}

TEST_CASE("a Cluster whose plugin was taken out keeps what it has archived until then",
          "[recovery]") {
  struct Case {
    const char* name;
    const char* server;  // that the plugin named; empty: the Cluster's name
    const char* window;  // in the ObjectStore's status
    bool seen_before;    // with its plugin
    const char* cluster;
  };
  const Case cases[] = {
      {"by its name", "", "pg", false, "pg"},
      {"by a name of its own, seen before", "pg-2", "pg-2", true, "pg"},
      {"by a name that nobody has seen", "pg-2", "pg-2", false, ""},
      {"and the store knows another one", "", "shop", true, ""},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    RecoveryMemory memory;
    Scene scene;
    scene.archive.id.server = c.window;
    auto store = std::make_shared<model::ObjectStore>();
    store->meta.ns = "default";
    store->meta.name = "store";
    store->store.destination_path = "s3://backups/pg";
    store->store.endpoint_url = "http://minio:9000";
    store->retention_policy = "7d";
    store->windows[c.window] = {};
    const auto archives = [&](bool plugin, WallTime now) {
      auto cluster = std::make_shared<model::Cluster>(*cluster_object(1));
      if (plugin) {
        cluster->plugins = {{std::string(model::kBarmanPlugin), true, true, "store", c.server}};
      }
      scene.clusters = {cluster};
      model::World world = scene.world(now);
      auto kubernetes = *world.kubernetes;
      kubernetes.object_stores =
          Observed<model::ObjectList<model::ObjectStore>>::known({store}, now);
      world.kubernetes = std::make_shared<const model::KubernetesSlice>(std::move(kubernetes));
      TopologyMemory topology;
      return assess_recovery(find_clusters(world, {}, topology), world, {}, memory).archives;
    };
    if (c.seen_before) static_cast<void>(archives(true, kNow));
    const auto after = archives(false, kNow + 1s);
    REQUIRE(after.size() == 1);
    CHECK(after[0].cluster == c.cluster);
    CHECK(after[0].archive.server == c.window);
    CHECK(after[0].loss[0].bytes.is_known() == (std::string(c.cluster) == "pg"));
    // It is still so a step later.
    CHECK(archives(false, kNow + 2s)[0].cluster == c.cluster);
  }
}

TEST_CASE("retention: what should be gone, and what goes too early", "[recovery]") {
  CHECK(parse_retention("30d") == std::optional<Duration>(24h * 30));
  CHECK(parse_retention("2w") == std::optional<Duration>(24h * 14));
  CHECK(parse_retention("1m") == std::optional<Duration>(24h * 31));
  for (const char* bad : {"", "d", "30", "30y", "-1d", "0d", "3 d", "99999999999999999999d"}) {
    INFO(bad);
    CHECK_FALSE(parse_retention(bad));
  }
  Scene scene;
  const auto beyond = [&](Duration age) {
    return scene.archive.backup("old", 4, 5).info([&](model::BackupInfo& i) {
      i.end_time = kNow - age;
    });
  };
  beyond(24h * 8);
  CHECK(scene.assess().retention.backups_beyond.known_value() == 0);  // the newest before stays
  beyond(24h * 9);
  beyond(24h * 10);
  CHECK(scene.assess().retention.backups_beyond.known_value() == 2);

  CHECK_FALSE(scene.assess().retention.protects.known_value());
  scene.settings.versioning = false;
  scene.settings.object_lock = false;
  CHECK(scene.assess().retention.protects.known_value() == false);
  scene.settings.object_lock = true;
  CHECK(scene.assess().retention.protects.known_value() == true);
  CHECK(scene.assess().retention.expires_early.known_value() == false);
  scene.settings.expires_after_days = 6;
  CHECK(scene.assess().retention.expires_early.known_value() == true);
  scene.settings.expires_after_days = 7;
  CHECK(scene.assess().retention.expires_early.known_value() == false);
  scene.settings.archives_after_days = 1;
  CHECK(scene.assess().retention.expires_early.known_value() == true);
}

TEST_CASE("a Cluster made from the archive is a restore drill", "[recovery]") {
  RecoveryMemory memory;
  Scene scene;
  auto drill = std::make_shared<model::Cluster>(*cluster_object(1));
  drill->meta.name = "drill";
  drill->meta.uid = "d1";
  drill->meta.creation_timestamp = kNow - 10min;
  drill->phase = "Setting up primary";
  drill->recovery = model::RecoverySource{"origin", ""};
  model::ExternalCluster origin;
  origin.name = "origin";
  origin.store = model::BarmanStore{};
  origin.store->destination_path = "s3://backups/pg";
  origin.store->endpoint_url = "http://minio:9000";
  origin.store->server_name = "pg";
  drill->external_clusters = {origin};
  scene.clusters = {drill, archiving()};
  const auto pg = [&](WallTime now) {
    TopologyMemory topology;
    const model::World seen = scene.world(now);
    auto result = assess_recovery(find_clusters(seen, {}, topology), seen, {}, memory);
    return *std::ranges::find(result.archives, "pg", &Recovery::cluster);
  };
  Recovery running = pg(kNow);
  REQUIRE(running.drills.size() == 1);
  CHECK(running.drills[0].cluster == "drill");
  CHECK(running.drills[0].begun == kNow - 10min);
  CHECK_FALSE(running.drills[0].succeeded);
  CHECK_FALSE(running.last_drill_success);

  auto done = std::make_shared<model::Cluster>(*drill);
  done->phase = "Cluster in healthy state";
  done->phase_since = kNow - 2min;
  scene.clusters = {done, archiving()};
  CHECK(pg(kNow).drills[0].succeeded == kNow - 2min);
  // It is remembered when the drill is gone.
  scene.clusters = {archiving()};
  const Recovery after = pg(kNow + 1h);
  CHECK(after.drills.empty());
  CHECK(after.last_drill_success == kNow - 2min);
  CHECK(after.last_drill_duration == std::optional<Duration>(8min));
}

}  // namespace keelwatch::analysis
