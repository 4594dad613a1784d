// From each fact of an instance and of Kubernetes to its samples, and from each silence to none.
#include <algorithm>
#include <catch2/catch.hpp>

#include "app/step.h"
#include "tests/support/pages.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::collectors {
namespace {

using model::Instance;

std::string lines(std::vector<Instance> instances, std::string_view prefix,
                  model::KubernetesSlice kubernetes = kubernetes_slice()) {
  app::State state;
  const auto world = model::assemble(slices(std::move(instances), std::move(kubernetes)), {}, kNow);
  return sample_lines(*app::step(state, world, config::Config{}), prefix);
}

template <typename T>
Observed<T> seen(T value) {
  return Observed<T>::known(std::move(value), kNow);
}

bool has(const std::string& text, std::string_view line) {
  return text.find(std::string(line) + "\n") != std::string::npos;
}

model::Slot slot(std::string name) {
  model::Slot s;
  s.name = std::move(name);
  s.type = "physical";
  s.wal_status = "extended";
  s.retained_bytes = 5000;
  return s;
}

}  // namespace

TEST_CASE("an instance that answers nothing has no sample of what it did not answer",
          "[collectors]") {
  const std::vector<Instance> silent_one = {silent("pg-1", model::Reachability::kSilent)};
  for (const char* prefix :
       {"keelwatch_slot_", "keelwatch_archiver_", "keelwatch_database_", "keelwatch_subscription_",
        "keelwatch_instance_connections", "keelwatch_instance_longest", "keelwatch_instance_xmin",
        "keelwatch_instance_prepared", "keelwatch_instance_setting",
        "keelwatch_instance_synchronous_commit", "keelwatch_instance_wal_directory",
        "keelwatch_instance_certificate", "keelwatch_replication_sync_standbys_required",
        "keelwatch_replication_loss"}) {
    INFO(prefix);
    CHECK(lines(silent_one, prefix).empty());
  }
}

TEST_CASE("a slot's activity is told of the primary, what it retains of every instance",
          "[collectors]") {
  Instance primary = answering("pg-1", primary_facts(1000));
  Instance standby = answering("pg-2", standby_facts(1000), {}, {receiver()});
  model::Slot temporary = slot("pg_basebackup_1");
  temporary.temporary = true;
  model::Slot never_used = slot("unused");
  never_used.retained_bytes.reset();
  never_used.wal_status.clear();
  primary.slots = seen(std::vector<model::Slot>{slot("_cnpg_pg_2"), temporary, never_used});
  standby.slots = seen(std::vector<model::Slot>{slot("_cnpg_pg_2")});
  const std::string text = lines({primary, standby}, "keelwatch_slot_");
  const std::string on_primary =
      R"({namespace="default",cluster="pg",pod="pg-1",slot="_cnpg_pg_2")";
  const std::string on_standby =
      R"({namespace="default",cluster="pg",pod="pg-2",slot="_cnpg_pg_2")";
  CHECK(has(text, "keelwatch_slot_active" + on_primary + "} 0"));
  CHECK(text.find("keelwatch_slot_active" + on_standby) == std::string::npos);
  CHECK(has(text, "keelwatch_slot_retained_bytes" + on_primary + "} 5000"));
  CHECK(has(text, "keelwatch_slot_retained_bytes" + on_standby + "} 5000"));
  CHECK(has(text, "keelwatch_slot_wal_status" + on_primary + ",status=\"extended\"} 1"));
  CHECK(has(text, "keelwatch_slot_wal_status" + on_primary + ",status=\"reserved\"} 0"));
  CHECK(text.find("pg_basebackup") == std::string::npos);
  CHECK(text.find("keelwatch_slot_safe_bytes") == std::string::npos);
  CHECK(text.find(R"(retained_bytes{namespace="default",cluster="pg",pod="pg-1",slot="unused")") ==
        std::string::npos);
  CHECK(text.find(R"(slot="unused",status=)") == std::string::npos);
}

TEST_CASE("what a slot keeps is compared with the volume that pg_wal is on", "[collectors]") {
  using Claims = std::vector<model::ClaimUsage>;
  const model::ClaimUsage data{"default", "pg-1", {20000, 1, {}, {}}};
  const model::ClaimUsage wal{"default", "pg-1-wal", {10000, 1, {}, {}}};
  const model::ClaimUsage foreign{"other", "pg-1-wal", {7, 1, {}, {}}};
  struct Case {
    const char* name;
    bool wal_storage;
    std::vector<std::string> roles;  // of the claims pg-1 and pg-1-wal, as far as there are any
    Claims told;                     // by the kubelet of the node that mounts them
    const char* ends;                // of the page; empty: no sample, but a reason
  };
  for (const Case& c :
       {Case{"a volume of its own", true, {"PG_DATA", "PG_WAL"}, {data, wal}, " 0.5\n"},
        Case{"one for all", false, {"PG_DATA"}, {data, foreign}, " 0.25\n"},
        Case{"its own is not told", true, {"PG_DATA", "PG_WAL"}, {data, foreign}, ""},
        Case{"its own has no claim", true, {"PG_DATA"}, {data}, ""},
        Case{"the claim alone tells that it has its own", false, {"PG_DATA", "PG_WAL"}, {data}, ""},
        Case{"nothing is told", false, {"PG_DATA"}, {foreign}, ""},
        Case{"no claim at all", false, {}, {data, wal}, ""}}) {
    INFO(c.name);
    auto cluster = std::make_shared<model::Cluster>(*cluster_object());
    cluster->wal_storage = c.wal_storage;
    model::KubernetesSlice kubernetes = kubernetes_slice({cluster});
    auto pod = std::make_shared<model::Pod>();
    pod->meta.ns = "default";
    pod->meta.name = "pg-1";
    pod->node = "node-1";
    model::ObjectList<model::PersistentVolumeClaim> claims;
    for (const std::string& role : c.roles) {
      auto claim = std::make_shared<model::PersistentVolumeClaim>();
      claim->meta.ns = "default";
      claim->meta.name = role == "PG_WAL" ? "pg-1-wal" : "pg-1";
      claim->meta.labels = {
          {"cnpg.io/cluster", "pg"}, {"cnpg.io/instanceName", "pg-1"}, {"cnpg.io/pvcRole", role}};
      pod->claims.push_back(claim->meta.name);
      claims.push_back(std::move(claim));
    }
    kubernetes.pods = seen(model::ObjectList<model::Pod>{pod});
    kubernetes.claims = seen(std::move(claims));
    Instance primary = answering("pg-1", primary_facts(1000));
    primary.slots = seen(std::vector<model::Slot>{slot("s")});
    auto all = slices({primary}, std::move(kubernetes));
    // A kubelet that does not mount the claims any more still tells of them.
    auto filesystems = std::make_shared<model::FilesystemSlice>();
    filesystems->nodes = {std::make_shared<const model::NodeFilesystems>(
                              model::NodeFilesystems{"node-0", seen(Claims{data, wal})}),
                          std::make_shared<const model::NodeFilesystems>(
                              model::NodeFilesystems{"node-1", seen(c.told)})};
    all.filesystems = filesystems;
    app::State state;
    const auto moment = app::step(state, model::assemble(all, {}, kNow), config::Config{});
    const std::string text = sample_lines(*moment, "keelwatch_slot_retained_ratio");
    const bool has_reason = std::ranges::any_of(moment->samples.absent, [](const auto& absent) {
      return absent.family->name() == "keelwatch_slot_retained_ratio" &&
             absent.why.absence == Absence::kUnknown;
    });
    CHECK_THAT(text, Catch::EndsWith(c.ends));
    CHECK(text.empty() == std::string(c.ends).empty());
    CHECK(has_reason == text.empty());
  }
}

TEST_CASE("a slot's WAL is compared with the configured path of pg_wal", "[collectors]") {
  const auto ratio = [](Observed<model::FilesystemUsage> wal) {
    Instance primary = answering("pg-1", primary_facts(1000));
    primary.slots = seen(std::vector<model::Slot>{slot("s")});
    auto all = slices({primary});
    auto filesystems = std::make_shared<model::FilesystemSlice>();
    const auto path = [&](const char* name, const char* role, auto usage) {
      filesystems->paths.push_back(std::make_shared<const model::PathFilesystem>(
          model::PathFilesystem{name, "default", "pg", "pg-1", role, std::move(usage)}));
    };
    path("/data", "PG_DATA", seen(model::FilesystemUsage{20000, 1, {}, {}}));
    path("/wal", "PG_WAL", std::move(wal));
    all.filesystems = filesystems;
    app::State state;
    return sample_lines(*app::step(state, model::assemble(all, {}, kNow), config::Config{}),
                        "keelwatch_slot_retained_ratio");
  };
  CHECK_THAT(ratio(seen(model::FilesystemUsage{10000, 1, {}, {}})), Catch::EndsWith(" 0.5\n"));
  CHECK(ratio(seen(model::FilesystemUsage{})).empty());
  CHECK(ratio(Observed<model::FilesystemUsage>::unknown(Error(ErrorCode::kTimeout, "hangs"),
                                                        "filesystem /wal"))
            .empty());
}

TEST_CASE("a lost slot fills no volume", "[collectors]") {
  Instance primary = answering("pg-1", primary_facts(1000));
  model::Slot lost = slot("lost");
  lost.wal_status = "lost";
  lost.invalidation_reason = "idle_timeout";
  lost.restart = model::Lsn{100};
  lost.retained_bytes.reset();
  primary.slots = seen(std::vector<model::Slot>{lost});
  const std::string text = lines({primary}, "keelwatch_slot_");
  CHECK(text.find("retained") == std::string::npos);
  const std::string id = R"({namespace="default",cluster="pg",pod="pg-1",slot="lost")";
  CHECK(has(text, "keelwatch_slot_invalid" + id + "} 1"));
  CHECK(has(text, "keelwatch_slot_wal_status" + id + ",status=\"lost\"} 1"));
}

TEST_CASE("sessions, transactions and settings become samples", "[collectors]") {
  Instance primary = answering("pg-1", primary_facts(1000));
  model::Activity activity;
  activity.max_connections = 100;
  activity.reserved_connections = 3;
  activity.connections = 42;
  activity.sessions = {{"active", 40}};
  activity.longest_transaction = 90s;
  primary.activity = seen(activity);
  primary.xmin_holders =
      seen(std::vector<model::XminHolder>{{"slot", "a", 7, std::nullopt}, {"slot", "b", 9, {}}});
  model::Settings settings;
  settings.values = {{"fsync", "off", "", "", false},
                     {"synchronous_commit", "local", "", "", false}};
  settings.pending_restart = {"max_connections"};
  settings.overrides = {{"app", "", "synchronous_commit", "off"}, {"app", "", "work_mem", "1"}};
  primary.settings = seen(settings);
  const std::string text = lines({primary}, "keelwatch_instance_");
  const std::string id = R"({namespace="default",cluster="pg",pod="pg-1")";
  CHECK(has(text, "keelwatch_instance_connections" + id + ",state=\"active\"} 40"));
  CHECK(has(text, "keelwatch_instance_connections" + id + ",state=\"idle\"} 0"));
  CHECK(has(text, "keelwatch_instance_connections_used" + id + "} 42"));
  CHECK(has(text, "keelwatch_instance_connections_max" + id + "} 97"));
  CHECK(has(text, "keelwatch_instance_longest_transaction_seconds" + id + "} 90"));
  CHECK(has(text, "keelwatch_instance_longest_idle_in_transaction_seconds" + id + "} 0"));
  CHECK(has(text, "keelwatch_instance_xmin_age" + id + ",kind=\"slot\"} 9"));
  CHECK(has(text, "keelwatch_instance_xmin_age" + id + ",kind=\"session\"} 0"));
  CHECK(has(text, "keelwatch_instance_setting_enabled" + id + ",setting=\"fsync\"} 0"));
  CHECK(text.find("setting=\"full_page_writes\"") == std::string::npos);  // it did not say
  CHECK(has(text, "keelwatch_instance_synchronous_commit" + id + ",state=\"local\"} 1"));
  CHECK(has(text, "keelwatch_instance_synchronous_commit_overrides" + id + "} 1"));
  CHECK(has(text, "keelwatch_instance_settings_pending_restart" + id + "} 1"));
}

TEST_CASE("no collation mismatch is told only where every database was looked into",
          "[collectors]") {
  const auto mismatches = [](std::string actual, Observed<model::DatabaseContent> content,
                             bool looked = true) {
    Instance primary = answering("pg-1", primary_facts(1000));
    model::DatabaseFacts database;
    database.name = "app";
    database.allows_connections = true;
    database.xid_age = 1'073'741'824;
    database.collation_recorded = "2.31";
    database.collation_actual = std::move(actual);
    primary.databases = seen(std::vector<model::DatabaseFacts>{database});
    if (looked) primary.contents = {{"app", std::move(content)}};
    return lines({primary}, "keelwatch_database_");
  };
  const std::string name =
      R"(keelwatch_database_collation_mismatches{namespace="default",cluster="pg",pod="pg-1"})";
  const auto unknown = Observed<model::DatabaseContent>::unknown(
      Error(ErrorCode::kForbidden, "permission denied"), "postgres default/pg-1");
  model::DatabaseContent one;
  one.collations = {{"public.de", "1", "2"}};
  CHECK(has(mismatches("2.31", seen(model::DatabaseContent{})), name + " 0"));
  CHECK(has(mismatches("2.36", seen(model::DatabaseContent{})), name + " 1"));
  CHECK(has(mismatches("2.36", seen(one)), name + " 2"));
  CHECK(has(mismatches("2.36", unknown), name + " 1"));
  CHECK(mismatches("2.31", unknown).find(name) == std::string::npos);
  CHECK(mismatches("2.31", unknown, false).find(name) == std::string::npos);  // not looked yet
  CHECK(has(mismatches("2.31", unknown),
            R"(keelwatch_database_transaction_ids_ratio{namespace="default",cluster="pg",)"
            R"(database="app",kind="xid"} 0.5)"));
}

TEST_CASE("what Kubernetes says of a Cluster and its Pods becomes samples", "[collectors]") {
  auto cluster = std::make_shared<model::Cluster>(*cluster_object());
  cluster->phase_since = kNow - 60s;
  cluster->switches.hibernation = false;
  cluster->switches.fenced_instances = std::vector<std::string>{"pg-2"};
  cluster->claims.dangling = {"pg-3"};
  cluster->certificate_expirations = {{"pg-ca", kNow + 1h}, {"pg-odd", std::nullopt}};
  cluster->roles_not_reconciled["app"] = {"it owns objects"};
  auto pod = std::make_shared<model::Pod>();
  pod->meta.ns = "default";
  pod->meta.name = "pg-2";
  pod->cnpg_cluster = "pg";
  pod->cnpg_role = "instance";
  pod->ready = false;
  pod->restarts = 4;
  auto database = std::make_shared<model::Database>();
  database->meta.ns = "default";
  database->cluster = "pg";
  database->applied = false;
  auto kubernetes = kubernetes_slice({cluster});
  kubernetes.pods = seen(model::ObjectList<model::Pod>{pod});
  kubernetes.databases = seen(model::ObjectList<model::Database>{database});
  const std::string text = lines({}, "keelwatch_", kubernetes);
  const std::string id = R"({namespace="default",cluster="pg")";
  CHECK(has(text, "keelwatch_cluster_switch_enabled" + id + ",switch=\"hibernation\"} 0"));
  CHECK(text.find("switch=\"skip_wal_archiving\"") == std::string::npos);
  CHECK(has(text, "keelwatch_instance_fenced" + id + ",pod=\"pg-2\"} 1"));
  CHECK(has(text, "keelwatch_cluster_claims" + id + ",state=\"dangling\"} 1"));
  CHECK(has(text, "keelwatch_cluster_certificate_expiry_timestamp_seconds" + id +
                      ",secret=\"pg-ca\"} 1800003600"));
  CHECK(text.find("pg-odd") == std::string::npos);
  CHECK(has(text, "keelwatch_cluster_managed_objects_not_applied" + id + ",kind=\"role\"} 1"));
  CHECK(has(text, "keelwatch_cluster_managed_objects_not_applied" + id + ",kind=\"database\"} 1"));
  CHECK(has(text, "keelwatch_pod_ready" + id + ",pod=\"pg-2\"} 0"));
  CHECK(has(text, "keelwatch_pod_restarts_total" + id + ",pod=\"pg-2\"} 4"));
  CHECK(text.find("keelwatch_pod_scheduled") == std::string::npos);
  CHECK(has(text, "keelwatch_cluster_instances_missing" + id + "} 2"));
  CHECK(has(text, "keelwatch_cluster_phase_kind" + id + ",state=\"healthy\"} 1"));
  CHECK(has(text, "keelwatch_failovers_total" + id + ",kind=\"failover\"} 0"));
}

}  // namespace keelwatch::collectors
