#include "analysis/backups.h"

#include <catch2/catch.hpp>

#include "base/time_text.h"
#include "model/archive_place.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

// kNow is 2027-01-15T08:00:00Z.
WallTime at(std::string_view text) { return parse_rfc3339(text).value(); }
std::string text_of(std::optional<WallTime> t) { return t ? format_rfc3339(*t, 0) : "-"; }

template <typename T>
Observed<model::ObjectList<T>> known(std::vector<T> objects) {
  model::ObjectList<T> list;
  for (T& object : objects) list.push_back(std::make_shared<const T>(std::move(object)));
  return Observed<model::ObjectList<T>>::known(std::move(list), kNow);
}

const Why kSilent{Absence::kUnknown, Error(ErrorCode::kTimeout, "silent"), "kubernetes"};
const Why kNoGroup{Absence::kNotInstalled, Error(ErrorCode::kNotInstalled, "none"), "kubernetes"};

// A cluster with the plugin, its nightly schedule at two, and what a test adds to it.
struct Setting {
  model::Cluster cluster = *cluster_object();
  std::vector<model::ScheduledBackup> schedules{nightly()};
  std::vector<model::Backup> backups;
  model::KubernetesSlice slice = kubernetes_slice();
  config::Config config;

  Setting() {
    cluster.plugins = {{std::string(model::kBarmanPlugin), true, true, "store", ""}};
    cluster.backup.object_store = false;
    cluster.backup.volume_snapshot = false;
  }

  static model::ScheduledBackup nightly(std::string name = "nightly") {
    model::ScheduledBackup s;
    s.meta.ns = "default";
    s.meta.name = std::move(name);
    s.meta.creation_timestamp = at("2026-06-01T00:00:00Z");
    s.cluster = "pg";
    s.schedule = "0 0 2 * * *";
    s.method = "plugin";
    s.plugin = std::string(model::kBarmanPlugin);
    s.suspended = false;
    s.last_check = at("2027-01-15T02:00:00Z");
    s.last_schedule = s.last_check;
    return s;
  }

  model::Backup& add(std::string name, std::string phase, std::string_view begin,
                     Duration took = 10min) {
    model::Backup b;
    b.meta.ns = "default";
    b.meta.name = std::move(name);
    b.meta.creation_timestamp = at(begin);
    b.cluster = "pg";
    b.method = "plugin";
    b.scheduled_backup = "nightly";
    b.phase = std::move(phase);
    b.started = at(begin);
    if (b.phase == "completed" || b.phase == "failed") b.stopped = at(begin) + took;
    backups.push_back(std::move(b));
    return backups.back();
  }

  [[nodiscard]] std::vector<ClusterBackups> judge_all() {
    const AbsentOfAny unused{kSilent};
    if (slice.backups.is_known()) slice.backups = known(backups);
    if (slice.scheduled_backups.is_known()) slice.scheduled_backups = known(schedules);
    if (slice.clusters.is_known()) slice.clusters = known(std::vector{cluster});
    model::World world;
    world.at = kNow;
    world.kubernetes = std::make_shared<const model::KubernetesSlice>(slice);
    const std::vector<ClusterTopology> clusters = {
        {.ns = "default",
         .name = "pg",
         .object = std::make_shared<const model::Cluster>(cluster),
         .replica = unused,
         .instances_desired = unused,
         .instances = {},
         .pods = unused,
         .primary = {},
         .writable_primaries = unused}};
    return assess_backups(clusters, world, config);
  }
  [[nodiscard]] ClusterBackups judge() {
    const auto all = judge_all();
    REQUIRE(all.size() == 1);
    return all[0];
  }
  [[nodiscard]] BackupSchedule schedule() {
    const ClusterBackups backups_of_cluster = judge();
    REQUIRE(backups_of_cluster.schedules.known_value().size() == 1);
    return backups_of_cluster.schedules.known_value()[0];
  }
};

std::string overdue(const BackupSchedule& schedule) {
  return schedule.overdue_since.is_known() ? text_of(schedule.overdue_since.known_value())
                                           : "unknown";
}

std::string name_of(const Observed<std::optional<BackupOutcome>>& outcome) {
  if (!outcome.is_known()) return "unknown";
  const auto& value = outcome.known_value();
  return value ? value->name + " " + text_of(value->at) : "-";
}

}  // namespace

TEST_CASE("a cluster whose last backup succeeded in time is well", "[analysis][backup]") {
  Setting s;
  s.add("old", "completed", "2027-01-14T02:00:01Z");
  s.add("new", "completed", "2027-01-15T02:00:01Z");
  const ClusterBackups b = s.judge();
  CHECK(b.cluster == "pg");
  CHECK(name_of(b.last_success) == "new 2027-01-15T02:10:01Z");
  CHECK(name_of(b.last_failure) == "-");
  CHECK(b.failing.known_value() == false);
  CHECK(b.unfinished.known_value().empty());
  CHECK(b.stuck.known_value() == false);
  CHECK(b.archiver_configured.known_value());
  CHECK_FALSE(b.without_archiver.known_value());
  const BackupSchedule schedule = s.schedule();
  CHECK(schedule.problem.empty());
  CHECK(text_of(schedule.next_slot) == "2027-01-16T02:00:00Z");
  CHECK(schedule.missed_slots == 0);
  CHECK(overdue(schedule) == "-");
  CHECK(schedule.orphaned.known_value().empty());
  CHECK(name_of(schedule.blocked_by) == "-");
}

TEST_CASE("a schedule is overdue by its own slots and by how long its backups take",
          "[analysis][backup]") {
  struct Case {
    const char* name;
    const char* schedule;
    const char* last_begin;
    Duration took;
    const char* overdue_since;
  };
  const Case cases[] = {
      {"one slot without", "0 0 2 * * *", "2027-01-14T02:00:01Z", 10min, "2027-01-15T02:00:00Z"},
      {"three slots without", "0 0 2 * * *", "2027-01-12T02:00:01Z", 10min, "2027-01-13T02:00:00Z"},
      {"within the allowance", "0 30 6 * * *", "2027-01-14T06:30:01Z", 15min + 1s, "-"},
      {"just past it", "0 30 6 * * *", "2027-01-14T06:30:01Z", 14min, "2027-01-15T06:30:00Z"},
      {"backups that take three hours", "0 0 2 * * *", "2027-01-14T02:00:01Z", 3h, "-"},
      {"weekly", "0 0 2 * * SUN", "2027-01-10T02:00:01Z", 10min, "-"},
      {"weekly, the one before", "@weekly", "2027-01-03T00:00:01Z", 10min, "2027-01-10T00:00:00Z"},
      {"every six hours", "@every 6h", "2027-01-15T00:00:00Z", 10min, "2027-01-15T06:00:00Z"},
      {"every ten hours", "@every 10h", "2027-01-15T00:00:00Z", 10min, "-"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Setting s;
    s.schedules[0].schedule = c.schedule;
    s.schedules[0].last_schedule.reset();
    s.add("b", "completed", c.last_begin, c.took);
    CHECK(overdue(s.schedule()) == c.overdue_since);
  }
}

TEST_CASE("the cluster's own threshold and the operator's zone decide", "[analysis][backup]") {
  Setting s;
  s.schedules[0].last_schedule.reset();
  s.add("b", "completed", "2027-01-14T02:00:01Z");
  CHECK(overdue(s.schedule()) == "2027-01-15T02:00:00Z");
  config::ThresholdOverride patient;
  patient.cluster = "pg";
  patient.values.backup_delay = 12h;
  s.config.threshold_overrides = {patient};
  CHECK(overdue(s.schedule()) == "-");
  s.config.threshold_overrides.clear();
  s.config.kubernetes.operator_utc_offset = -5h;  // two o'clock there is seven here
  CHECK(overdue(s.schedule()) == "2027-01-14T07:00:00Z");
  CHECK(text_of(s.schedule().next_slot) == "2027-01-16T07:00:00Z");
}

// The operator runs in Berlin; the configuration has an offset that may be another.
TEST_CASE("an operator in another zone makes slots unknown, never wrong", "[analysis][backup]") {
  struct Case {
    const char* name;
    Duration offset;          // as configured
    const char* last_check;   // the operator's
    const char* next;         // of two o'clock in Berlin
    const char* last_backup;  // the newest that succeeded
    const char* told;         // of the next slot
    const char* overdue;
  };
  const Case cases[] = {
      {"as configured, winter", 1h, "2027-01-14T01:00:00Z", "2027-01-15T01:00:00Z",
       "2027-01-15T01:00:01Z", "2027-01-16T01:00:00Z", "-"},
      {"as configured and missed", 1h, "2027-01-14T01:00:00Z", "2027-01-15T01:00:00Z",
       "2027-01-14T01:00:01Z", "2027-01-16T01:00:00Z", "2027-01-15T01:00:00Z"},
      {"summer's offset in winter", 2h, "2027-01-14T01:00:00Z", "2027-01-15T01:00:00Z",
       "2027-01-14T12:00:01Z", "doubt", "unknown"},
      {"not configured", 0h, "2027-01-14T01:00:00Z", "2027-01-15T01:00:00Z", "2027-01-14T12:00:01Z",
       "doubt", "unknown"},
      {"not configured, and there is a backup of today", 0h, "2027-01-15T01:00:00Z",
       "2027-01-16T01:00:00Z", "2027-01-15T07:50:00Z", "doubt", "-"},
      {"not configured, and none for days", 0h, "2027-01-12T01:00:00Z", "2027-01-13T01:00:00Z",
       "2027-01-12T01:00:01Z", "doubt", "2027-01-13T01:00:00Z"},
      {"the day on which the clocks change", 1h, "2026-10-24T00:00:00Z", "2026-10-25T01:00:00Z",
       "2026-10-24T00:00:01Z", "doubt", "2026-10-25T00:00:00Z"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Setting s;
    s.config.kubernetes.operator_utc_offset = c.offset;
    s.schedules[0].last_schedule.reset();
    s.schedules[0].last_check = at(c.last_check);
    s.schedules[0].next_schedule = at(c.next);
    s.add("b", "completed", c.last_backup);
    const BackupSchedule schedule = s.schedule();
    CHECK((schedule.zone_doubt ? "doubt" : text_of(schedule.next_slot)) == c.told);
    CHECK(overdue(schedule) == c.overdue);
    CHECK((!schedule.zone_doubt || !schedule.next_slot));
  }
}

TEST_CASE("a Backup blocks where it does so in every zone", "[analysis][backup]") {
  Setting s;
  s.schedules[0].last_check = at("2027-01-12T01:00:00Z");
  s.schedules[0].next_schedule = at("2027-01-13T01:00:00Z");
  s.add("b", "running", "2027-01-12T01:00:01Z");
  CHECK(name_of(s.schedule().blocked_by) == "b 2027-01-12T01:00:01Z");
  s.schedules[0].last_check = at("2027-01-15T01:00:00Z");
  s.schedules[0].next_schedule = at("2027-01-16T01:00:00Z");
  CHECK(name_of(s.schedule().blocked_by) == "unknown");
  s.backups.clear();
  CHECK(name_of(s.schedule().blocked_by) == "-");
  CHECK_THAT(s.schedule().zone_doubt->error.message(),
             Catch::Contains("is 2027-01-16T01:00:00Z, not 2027-01-15T02:00:00Z"));
}

TEST_CASE("a schedule without any backup is overdue from its first slot", "[analysis][backup]") {
  Setting s;
  s.schedules[0].last_check.reset();
  s.schedules[0].last_schedule.reset();
  s.schedules[0].meta.creation_timestamp = at("2027-01-13T12:00:00Z");
  CHECK(overdue(s.schedule()) == "2027-01-14T02:00:00Z");
  CHECK(s.schedule().missed_slots == 2);
  s.schedules[0].meta.creation_timestamp = at("2027-01-15T07:00:00Z");
  CHECK(overdue(s.schedule()) == "-");
  s.schedules[0].meta.creation_timestamp.reset();
  CHECK(overdue(s.schedule()) == "unknown");
}

TEST_CASE("failed and unfinished backups are no success", "[analysis][backup]") {
  for (const char* phase : {"failed", "running", "pending", "started", "finalizing", "",
                            "walArchivingFailing", "invalid backup definition", "Completed"}) {
    INFO(phase);
    Setting s;
    s.add("good", "completed", "2027-01-14T02:00:01Z");
    s.add("bad", phase, "2027-01-15T02:00:01Z");
    const ClusterBackups b = s.judge();
    CHECK(name_of(b.last_success) == "good 2027-01-14T02:10:01Z");
    CHECK(overdue(b.schedules.known_value()[0]) == "2027-01-15T02:00:00Z");
    const bool failed = std::string_view(phase) == "failed";
    CHECK(b.failing.known_value() == failed);
    CHECK(b.unfinished.known_value().size() == (failed ? 0 : 1));
    CHECK(b.stuck.known_value() == !failed);  // six hours, where the good one took ten minutes
  }
}

TEST_CASE("a failure counts until a later backup succeeds", "[analysis][backup]") {
  Setting s;
  s.add("bad", "failed", "2027-01-15T02:00:01Z").error = "no plugin configured";
  CHECK(s.judge().failing.known_value());
  CHECK(s.judge().last_failure.known_value()->error == "no plugin configured");
  s.add("by hand", "completed", "2027-01-15T05:00:00Z").scheduled_backup.clear();
  CHECK_FALSE(s.judge().failing.known_value());
  CHECK(overdue(s.schedule()) == "-");  // one by hand will do
  s.add("bad again", "failed", "2027-01-15T06:00:00Z").stopped.reset();
  CHECK(s.judge().failing.known_value());
}

TEST_CASE("what the plugin saw in the store counts where Backup objects are gone",
          "[analysis][backup]") {
  Setting s;
  model::ObjectStore store;
  store.meta.ns = "default";
  store.meta.name = "store";
  store.windows["pg"].last_success = at("2027-01-15T02:10:00Z");
  s.slice.object_stores = known(std::vector{store});
  CHECK(name_of(s.judge().last_success) == " 2027-01-15T02:10:00Z");
  CHECK(overdue(s.schedule()) == "-");
  // Not that of another server, namespace or method.
  s.cluster.plugins[0].server_name = "other";
  CHECK(name_of(s.judge().last_success) == "-");
  s.cluster.plugins[0].server_name = "pg";
  s.schedules[0].method = "volumeSnapshot";
  s.schedules[0].last_schedule.reset();
  CHECK(overdue(s.schedule()) == "2026-06-01T02:00:00Z");
  store.meta.ns = "elsewhere";
  s.slice.object_stores = known(std::vector{store});
  CHECK(name_of(s.judge().last_success) == "-");
}

TEST_CASE("a Backup that was made and is gone makes its schedule unknown, not overdue",
          "[analysis][backup]") {
  Setting s;
  s.add("old", "completed", "2027-01-13T02:00:01Z");
  CHECK(overdue(s.schedule()) == "unknown");
  s.add("new", "failed", "2027-01-15T02:00:01Z");
  CHECK(overdue(s.schedule()) == "2027-01-14T02:00:00Z");
}

TEST_CASE("a Backup that does not end blocks its schedule by name", "[analysis][backup]") {
  Setting s;
  s.schedules[0].last_check = at("2027-01-13T02:00:00Z");
  s.add("other's", "running", "2027-01-01T00:00:00Z").scheduled_backup = "weekly";
  s.add("second", "pending", "2027-01-13T03:00:00Z");
  s.add("first", "running", "2027-01-13T02:00:02Z");
  const BackupSchedule schedule = s.schedule();
  CHECK(schedule.missed_slots == 2);
  CHECK(name_of(schedule.blocked_by) == "first 2027-01-13T02:00:02Z");
  CHECK(schedule.blocked_by.known_value()->phase == "running");
  CHECK(s.judge().unfinished.known_value().front().name == "other's");
  // At work, and no slot has passed since: nothing is blocked.
  s.schedules[0].last_check = at("2027-01-15T02:00:00Z");
  CHECK(name_of(s.schedule().blocked_by) == "-");
}

TEST_CASE("a running backup is stuck when it takes longer than backups take",
          "[analysis][backup]") {
  Setting s;
  s.add("good", "completed", "2027-01-14T02:00:00Z", 1h);
  s.add("now", "running", "2027-01-15T05:00:01Z");  // an hour and twice an hour
  CHECK(s.judge().allowance.known_value() == Duration(3h));
  CHECK_FALSE(s.judge().stuck.known_value());
  s.backups[1].started = at("2027-01-15T04:59:59Z");
  CHECK(s.judge().stuck.known_value());
  // A clock that was off excuses nothing for ever.
  s.add("odd", "completed", "2000-01-01T00:00:00Z", 24h * 9000);
  CHECK(s.judge().allowance.known_value() == Duration(1h + 14 * 24h));
}

TEST_CASE("a schedule whose method the cluster lacks is orphaned", "[analysis][backup]") {
  struct Case {
    const char* name;
    const char* method;
    void (*change)(Setting&);
    const char* reason;
  };
  const Case cases[] = {
      {"the plugin is there", "plugin", [](Setting&) {}, ""},
      {"no plugin", "plugin", [](Setting& s) { s.cluster.plugins.clear(); },
       "the Cluster has no enabled plugin \"barman-cloud.cloudnative-pg.io\""},
      {"a disabled plugin", "plugin", [](Setting& s) { s.cluster.plugins[0].enabled = false; },
       "the Cluster has no enabled plugin \"barman-cloud.cloudnative-pg.io\""},
      {"another plugin", "plugin", [](Setting& s) { s.schedules[0].plugin = "x"; },
       "the Cluster has no enabled plugin \"x\""},
      {"no object store", "barmanObjectStore", [](Setting&) {},
       "the Cluster has no spec.backup.barmanObjectStore"},
      {"no method is that of the object store", "", [](Setting&) {},
       "the Cluster has no spec.backup.barmanObjectStore"},
      {"an object store", "", [](Setting& s) { s.cluster.backup.object_store = true; }, ""},
      {"no snapshots", "volumeSnapshot", [](Setting&) {},
       "the Cluster has no spec.backup.volumeSnapshot"},
      {"snapshots", "volumeSnapshot", [](Setting& s) { s.cluster.backup.volume_snapshot = true; },
       ""},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Setting s;
    s.schedules[0].method = c.method;
    c.change(s);
    CHECK(s.schedule().orphaned.known_value() == c.reason);
  }
  Setting s;
  s.schedules[0].cluster = "gone";
  const auto all = s.judge_all();
  REQUIRE(all.size() == 2);
  CHECK(all[0].cluster == "gone");
  CHECK(all[0].schedules.known_value()[0].orphaned.known_value() == "there is no Cluster \"gone\"");
  CHECK_FALSE(all[0].archiver_configured.is_known());
  CHECK_FALSE(all[0].without_archiver.is_known());
}

// The operator's archive_command succeeds without an archiver.
TEST_CASE("schedules without an archiver are a fault of their own", "[analysis][backup]") {
  struct Case {
    const char* name;
    void (*change)(Setting&);
    bool configured;
    bool without;
  };
  const Case cases[] = {
      {"the plugin archives", [](Setting&) {}, true, false},
      {"the plugin only backs up", [](Setting& s) { s.cluster.plugins[0].wal_archiver = false; },
       false, true},
      {"it is disabled", [](Setting& s) { s.cluster.plugins[0].enabled = false; }, false, true},
      {"no plugin", [](Setting& s) { s.cluster.plugins.clear(); }, false, true},
      {"the operator archives itself",
       [](Setting& s) {
         s.cluster.plugins.clear();
         s.cluster.backup.object_store = true;
       },
       true, false},
      {"archiving is skipped", [](Setting& s) { s.cluster.switches.skip_wal_archiving = true; },
       false, true},
      {"nobody wants backups",
       [](Setting& s) {
         s.cluster.plugins.clear();
         s.schedules.clear();
       },
       false, false},
      {"they are suspended",
       [](Setting& s) {
         s.cluster.plugins.clear();
         s.schedules[0].suspended = true;
       },
       false, false},
      {"snapshots alone",
       [](Setting& s) {
         s.cluster.plugins.clear();
         s.schedules[0].method = "volumeSnapshot";
       },
       false, false},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Setting s;
    c.change(s);
    CHECK(s.judge().archiver_configured.known_value() == c.configured);
    CHECK(s.judge().without_archiver.known_value() == c.without);
  }
}

TEST_CASE("a schedule that is never due says why", "[analysis][backup]") {
  struct Case {
    const char* schedule;
    const char* problem;
  };
  const Case cases[] = {
      {"0 0 2 * * 7", "day of week \"7\": 7 is not within 0-6; Sunday is 0"},
      {"0 0 2 31 2 *", "it has no slot in the next five years"},
      {"", "the schedule is empty"},
  };
  for (const Case& c : cases) {
    INFO(c.schedule);
    Setting s;
    s.schedules[0].schedule = c.schedule;
    const BackupSchedule schedule = s.schedule();
    CHECK(schedule.problem == c.problem);
    CHECK_FALSE(schedule.next_slot);
    CHECK(overdue(schedule) == "-");
  }
}

TEST_CASE("nothing is due of a suspended schedule and of a hibernated cluster",
          "[analysis][backup]") {
  Setting s;
  s.schedules[0].last_schedule.reset();
  s.schedules[0].suspended = true;
  CHECK(overdue(s.schedule()) == "-");
  CHECK_FALSE(s.schedule().next_slot);
  CHECK(s.schedule().suspended.known_value());
  s.schedules[0].suspended = false;
  CHECK(overdue(s.schedule()) == "2026-06-01T02:00:00Z");
  s.cluster.switches.hibernation = true;
  CHECK(overdue(s.schedule()) == "-");
}

TEST_CASE("slots that the operator let pass are counted, up to a bound", "[analysis][backup]") {
  Setting s;
  s.schedules[0].schedule = "0 0 * * * *";
  s.schedules[0].last_check = at("2027-01-15T05:00:00Z");
  CHECK(s.schedule().missed_slots == 2);  // the one of eight o'clock is not late yet
  s.schedules[0].schedule = "* * * * * *";
  CHECK(s.schedule().missed_slots == kMaxMissed);
  s.schedules[0].schedule = "@every 1h";
  s.schedules[0].last_check = at("2027-01-15T07:30:00Z");
  CHECK(s.schedule().missed_slots == 0);
  CHECK(text_of(s.schedule().next_slot) == "2027-01-15T08:30:00Z");
}

TEST_CASE("a backup by snapshots counts once their contents are ready", "[analysis][backup]") {
  Setting s;
  s.cluster.backup.volume_snapshot = true;
  model::Backup& backup = s.add("snap", "completed", "2027-01-15T02:00:01Z");
  backup.method = "volumeSnapshot";
  backup.snapshots = {"data", "wal"};
  std::vector<model::VolumeSnapshot> snapshots(2);
  std::vector<model::VolumeSnapshotContent> contents(2);
  for (std::size_t i = 0; i < 2; ++i) {
    snapshots[i].meta.ns = "default";
    snapshots[i].meta.name = backup.snapshots[i];
    snapshots[i].content = "content-" + backup.snapshots[i];
    snapshots[i].ready_to_use = true;
    contents[i].meta.name = snapshots[i].content;
    contents[i].snapshot_namespace = "default";
    contents[i].snapshot_name = backup.snapshots[i];
    contents[i].ready_to_use = true;
  }
  const auto success = [&] {
    s.slice.volume_snapshots = known(snapshots);
    s.slice.volume_snapshot_contents = known(contents);
    return name_of(s.judge().last_success);
  };
  CHECK(success() == "snap 2027-01-15T02:10:01Z");
  SECTION("the content of one is not ready, whatever the snapshot says") {
    contents[1].ready_to_use = GENERATE(std::optional<bool>(false), std::optional<bool>());
    CHECK(success() == "-");
  }
  SECTION("the content is gone") {
    contents.pop_back();
    CHECK(success() == "-");
  }
  SECTION("the content is another snapshot's") {
    contents[1].snapshot_namespace = "other";
    CHECK(success() == "-");
  }
  SECTION("a snapshot is gone") {
    snapshots.pop_back();
    CHECK(success() == "-");
  }
  SECTION("a snapshot is not bound") {
    snapshots[0].content.clear();
    CHECK(success() == "-");
  }
  SECTION("it names none") {
    s.backups[0].snapshots.clear();
    CHECK(success() == "-");
  }
  SECTION("nobody tells") {
    s.slice.volume_snapshot_contents = AbsentOfAny{kSilent};
    CHECK(name_of(s.judge().last_success) == "unknown");
    CHECK_FALSE(s.judge().failing.is_known());
    // A later one of another method is known to be the newest all the same.
    s.add("later", "completed", "2027-01-15T05:00:00Z");
    CHECK(name_of(s.judge().last_success) == "later 2027-01-15T05:10:00Z");
  }
  SECTION("there are no snapshots here at all") {
    s.slice.volume_snapshots = AbsentOfAny{kNoGroup};
    CHECK(name_of(s.judge().last_success) == "-");
  }
}

TEST_CASE("what the API does not tell is unknown", "[analysis][backup]") {
  Setting s;
  s.add("good", "completed", "2027-01-15T02:00:01Z");
  SECTION("Backups") {
    s.slice.backups = AbsentOfAny{kSilent};
    const ClusterBackups b = s.judge();
    CHECK(name_of(b.last_success) == "unknown");
    CHECK(name_of(b.last_failure) == "unknown");
    CHECK_FALSE(b.failing.is_known());
    CHECK_FALSE(b.stuck.is_known());
    CHECK_FALSE(b.unfinished.is_known());
    CHECK(overdue(b.schedules.known_value()[0]) == "unknown");
    CHECK(name_of(b.schedules.known_value()[0].blocked_by) == "unknown");
    CHECK(b.schedules.known_value()[0].orphaned.known_value().empty());
    CHECK_FALSE(b.without_archiver.known_value());
  }
  SECTION("ScheduledBackups") {
    s.slice.scheduled_backups = AbsentOfAny{kSilent};
    CHECK_FALSE(s.judge().schedules.is_known());
    CHECK_FALSE(s.judge().without_archiver.is_known());
    CHECK(s.judge().archiver_configured.known_value());
  }
  SECTION("Clusters") {
    s.slice.clusters = AbsentOfAny{kSilent};
    CHECK_FALSE(s.judge().archiver_configured.is_known());
    CHECK_FALSE(s.schedule().orphaned.is_known());
  }
  SECTION("ObjectStores, and no Backup succeeded") {
    s.slice.object_stores = AbsentOfAny{kSilent};
    CHECK(name_of(s.judge().last_success) == "good 2027-01-15T02:10:01Z");
    s.backups.clear();
    CHECK(name_of(s.judge().last_success) == "unknown");
    s.slice.object_stores = AbsentOfAny{kNoGroup};
    CHECK(name_of(s.judge().last_success) == "-");
  }
  SECTION("a ScheduledBackup that could not be decoded") {
    s.schedules[0] = model::ScheduledBackup();
    s.schedules[0].meta.ns = "default";
    s.schedules[0].meta.name = "nightly";
    const auto all = s.judge_all();
    REQUIRE(all.size() == 2);
    CHECK_FALSE(all[0].schedules.known_value()[0].suspended.is_known());
    CHECK_FALSE(all[0].schedules.known_value()[0].orphaned.is_known());
  }
  SECTION("a Cluster that could not be decoded") {
    s.cluster = model::Cluster();
    s.cluster.meta.ns = "default";
    s.cluster.meta.name = "pg";
    CHECK_FALSE(s.judge().archiver_configured.is_known());
    CHECK_FALSE(s.schedule().orphaned.is_known());
  }
}

}  // namespace keelwatch::analysis
