// Each fact of the PostgreSQL source against what psql says of the same real server.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "sources/postgres/postgres_source.h"
#include "sources/postgres/queries.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres_harness.h"
#include "tests/support/postgres_server.h"

using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

using model::Instance;
using model::PostgresSlice;
using Harness = testing::PostgresHarness;
using testing::PostgresOptions;
using testing::PostgresServer;

PostgresOptions with_settings(std::vector<std::string> settings) {
  PostgresOptions options;
  options.settings = std::move(settings);
  return options;
}

// Slow answers and databases as often as rounds.
config::Postgres all_at_once() {
  config::Postgres settings = Harness::quick_settings();
  settings.slow_interval = 200ms;
  settings.databases_interval = 200ms;
  settings.query_timeout = 2s;
  settings.connect_timeout = 2s;
  return settings;
}

const Instance& pod(const PostgresSlice& slice, const std::string& name) {
  const Instance* instance = Harness::find(slice, name);
  REQUIRE(instance != nullptr);
  return *instance;
}

// Runs until `wanted` holds of that answer.
template <typename T>
T until(Harness& harness, Observed<T> Instance::* answer,
        const std::function<bool(const T&)>& wanted, const std::string& name = "pg-1") {
  const auto slice = harness.until(
      [&](const PostgresSlice& s) {
        const Instance* instance = Harness::find(s, name);
        const T* value = instance ? (instance->*answer).if_known() : nullptr;
        return value != nullptr && wanted(*value);
      },
      60s);  // a subscription's worker that failed comes back after seconds
  return (pod(*slice, name).*answer).known_value();
}

template <typename T>
T first(Harness& harness, Observed<T> Instance::* answer, const std::string& name = "pg-1") {
  return until<T>(harness, answer, [](const T&) { return true; }, name);
}

const model::Slot* find_slot(const std::vector<model::Slot>& slots, const std::string& name) {
  const auto found = std::ranges::find(slots, name, &model::Slot::name);
  return found == slots.end() ? nullptr : &*found;
}

const model::DatabaseAnswer* find_content(const Instance& instance, const std::string& name) {
  const auto found = std::ranges::find(instance.contents, name, &model::DatabaseAnswer::name);
  return found == instance.contents.end() ? nullptr : &*found;
}

// A client's session, open as long as this lives.
class Session {
 public:
  Session(Harness& harness, PgTarget target) : loop_(harness.loop()), resolver_(loop_) {
    auto conn = loop_.block_on(PgConnection::connect(loop_, resolver_, target, loop_.after(5s)));
    REQUIRE(conn);
    conn_ = std::move(*conn);
  }
  void run(const std::string& sql) {
    const PgResult<PgRows> rows = loop_.block_on(conn_->query(sql, loop_.after(5s)));
    REQUIRE(rows);
  }

 private:
  EventLoop& loop_;
  Resolver resolver_;
  std::unique_ptr<PgConnection> conn_;
};

}  // namespace

TEST_CASE("every answer of a primary and of a standby is known, and as psql has it",
          "[sources][postgres]") {
  PostgresServer primary;
  const std::unique_ptr<PostgresServer> standby = primary.make_standby("pg-2");
  primary.sql("create database other");
  Harness harness(all_at_once());
  harness.watch(
      {testing::instance_target(primary, "pg-1"), testing::instance_target(*standby, "pg-2")});
  harness.until(Harness::is_streaming);
  const auto slice = harness.until([](const PostgresSlice& s) {
    return std::ranges::all_of(s.instances, [](const auto& instance) {
      bool answered = instance->contents.size() == 3;  // postgres, template1, other
      const auto* sizes = instance->database_sizes.if_known();
      answered = answered && sizes != nullptr && sizes->size() == 4;  // and template0
      Instance::for_each_answer([&](auto place, model::Pace) {
        const auto& answer = (*instance).*place;
        const bool known = answer.is_known() || answer.why().absence == Absence::kNotInstalled;
        answered = answered && known;
      });
      return answered;
    });
  });
  for (auto* server : {&primary, standby.get()}) {
    const Instance& instance = pod(*slice, server == &primary ? "pg-1" : "pg-2");
    CAPTURE(instance.id.pod);
    const model::ServerFacts& facts = instance.server.known_value();
    CHECK(to_string(*facts.redo) == server->sql("select redo_lsn from pg_control_checkpoint()"));
    CHECK(std::to_string(std::chrono::duration_cast<std::chrono::seconds>(
                             facts.checkpoint_time->time_since_epoch())
                             .count()) ==
          server->sql("select extract(epoch from checkpoint_time)::bigint"
                      " from pg_control_checkpoint()"));
    std::string names;
    for (const model::DatabaseFacts& database : instance.databases.known_value()) {
      names += database.name + "|" + (database.allows_connections ? "t" : "f") + "|" +
               std::to_string(database.xid_age) + "|" + std::to_string(database.mxid_age) + "|" +
               database.collation_recorded + "|" + database.collation_actual + "\n";
    }
    names.pop_back();
    CHECK(names == server->sql("select datname, datallowconn, age(datfrozenxid),"
                               " mxid_age(datminmxid), datcollversion,"
                               " pg_database_collation_actual_version(oid) from pg_database"
                               " order by datname collate \"C\""));
    std::string sizes;
    for (const model::DatabaseSize& size : instance.database_sizes.known_value()) {
      sizes += size.name + "|" + std::to_string(size.bytes / 1'000'000) + "\n";
    }
    sizes.pop_back();
    CHECK(sizes == server->sql("select datname, pg_database_size(oid) / 1000000 from pg_database"
                               " order by datname collate \"C\""));
    const model::WalDirectory& wal = instance.wal_directory.known_value();
    CHECK(wal.segment_bytes == 16 * 1024 * 1024);
    CHECK(wal.files >= 1);
    CHECK(wal.bytes >= wal.files * wal.segment_bytes);
    const model::Settings& settings = instance.settings.known_value();
    CHECK(settings.pending_restart.empty());
    CHECK(settings.overrides.empty());
    for (const std::string_view name : judged_settings()) {
      CAPTURE(name);
      const std::string expected = server->sql(
          "select setting, unit, source from pg_settings where name = '" + std::string(name) + "'");
      const model::Setting* setting = model::find_setting(settings, name);
      REQUIRE((setting != nullptr) == !expected.empty());
      if (setting == nullptr) continue;
      CHECK(setting->value + "|" + setting->unit + "|" + setting->source == expected);
    }
    CHECK(instance.archiver.known_value().mode == "off");
    CHECK(instance.activity.known_value().max_connections ==
          std::stoll(server->sql("show max_connections")));
    CHECK(instance.activity.known_value().reserved_connections == 3);
    CHECK(instance.prepared.known_value().count == 0);
    REQUIRE_FALSE(instance.certificate.is_known());  // the one thing that does not exist here
    CHECK(instance.certificate.why().error.message() == "the connection uses no TLS");
  }
  for (const model::SourceReport& report : slice->reports) {
    CHECK(report.up);
    CHECK(report.errors.empty());
    CHECK(report.received_bytes.value_or(0) > 1000);
  }
}

TEST_CASE("a slot's retained bytes grow, on the primary and of a copy on the standby",
          "[sources][postgres]") {
  PostgresServer primary;
  const std::unique_ptr<PostgresServer> standby = primary.make_standby("pg-2");
  primary.sql("select pg_create_physical_replication_slot('dead', true)");
  Harness harness;
  harness.watch(
      {testing::instance_target(primary, "pg-1"), testing::instance_target(*standby, "pg-2")});
  harness.until(Harness::is_streaming);
  standby->sql("checkpoint");
  standby->sql("select pg_create_physical_replication_slot('copy', true)");
  struct Case {
    std::string pod;
    std::string slot;
    PostgresServer* server;
    std::string position;
  };
  const Case cases[] = {{"pg-1", "dead", &primary, "pg_current_wal_lsn()"},
                        {"pg-2", "copy", standby.get(), "pg_last_wal_receive_lsn()"}};
  for (const Case& c : cases) {
    CAPTURE(c.slot);
    using Slots = std::vector<model::Slot>;
    const auto before = until<Slots>(
        harness, &Instance::slots,
        [&](const Slots& s) { return find_slot(s, c.slot) && find_slot(s, c.slot)->restart; },
        c.pod);
    const std::int64_t retained = *find_slot(before, c.slot)->retained_bytes;
    primary.sql("drop table if exists t; create table t as select generate_series(1, 50000) i");
    const auto after = until<Slots>(
        harness, &Instance::slots,
        [&](const Slots& s) {
          return *find_slot(s, c.slot)->retained_bytes > retained + 1'000'000;
        },
        c.pod);
    const model::Slot& slot = *find_slot(after, c.slot);
    CHECK_FALSE(slot.active);
    CHECK(slot.type == "physical");
    CHECK(slot.wal_status == "reserved");
    CHECK_FALSE(slot.safe_bytes);
    CHECK_FALSE(slot.failover);  // 17+
    const std::string truth = "select pg_wal_lsn_diff(" + c.position +
                              ", restart_lsn) from pg_replication_slots where slot_name = '" +
                              c.slot + "'";
    until<Slots>(
        harness, &Instance::slots,
        [&](const Slots& s) {
          return std::to_string(*find_slot(s, c.slot)->retained_bytes) == c.server->sql(truth);
        },
        c.pod);
  }
  const auto slots = first(harness, &Instance::slots);
  CHECK(find_slot(slots, "_cnpg_pg_2")->active);
}

TEST_CASE("what holds old rows back is named: sessions, prepared transactions, slots",
          "[sources][postgres]") {
  PostgresServer server(with_settings({"max_prepared_transactions=5", "wal_level=logical"}));
  server.sql("create table t (i int)");
  // Before the prepared transaction, whose end it would wait for.
  server.sql("select pg_create_logical_replication_slot('decoded', 'test_decoding')");
  server.sql("begin; insert into t values (1); prepare transaction 'forgotten'");
  Harness harness;
  PgTarget target = server.target();
  Session session(harness, target);
  session.run("set application_name = 'shop'");
  session.run("begin");
  session.run("select pg_backend_pid() from pg_class");
  session.run("declare c cursor for select 1 from pg_class");  // keeps its snapshot
  server.sql("insert into t values (2)");
  server.sql("insert into t values (3)");
  harness.watch({testing::instance_target(server, "pg-1")});

  const auto activity =
      until<model::Activity>(harness, &Instance::activity, [](const model::Activity& a) {
        return a.longest_idle_in_transaction > Duration(200ms) && a.connections == 2;
      });
  const std::string pid =
      server.sql("select pid from pg_stat_activity where application_name = 'shop'");
  CHECK(activity.longest_idle_in_transaction_by == "postgres/keelwatch (shop), pid " + pid);
  CHECK(activity.longest_transaction_by == activity.longest_idle_in_transaction_by);
  CHECK(*activity.longest_transaction >= *activity.longest_idle_in_transaction);
  REQUIRE(activity.sessions.size() == 1);
  CHECK(activity.sessions[0].state == "idle in transaction");
  CHECK(activity.sessions[0].count == 1);
  CHECK(activity.connections == 2);
  CHECK(activity.waiting_for_lock == 0);
  CHECK_FALSE(activity.longest_wait_for_sync_standby);

  const auto prepared = first(harness, &Instance::prepared);
  CHECK(prepared.count == 1);
  REQUIRE(prepared.oldest);

  const auto holders = first(harness, &Instance::xmin_holders);
  const auto holder = [&](const std::string& kind) {
    const auto found = std::ranges::find(holders, kind, &model::XminHolder::kind);
    REQUIRE(found != holders.end());
    return *found;
  };
  CHECK(holder("session").name == pid);
  CHECK(holder("session").since);
  CHECK(holder("prepared_transaction").name == "forgotten");
  CHECK(holder("prepared_transaction").age >= holder("session").age);
  CHECK(holder("prepared_transaction").since == prepared.oldest);
  CHECK(holder("slot").name == "decoded");
  CHECK(std::to_string(holder("slot").age) ==
        server.sql("select age(catalog_xmin) from pg_replication_slots"));
}

TEST_CASE("sessions that wait for a lock or for a synchronous standby are counted",
          "[sources][postgres]") {
  PostgresServer server;
  server.sql("create table t (i int)");
  Harness harness;
  PgTarget target = server.target();
  server.sql("grant all on t to keelwatch");
  Session owner(harness, target);
  owner.run("begin");
  owner.run("lock table t");
  harness.watch({testing::instance_target(server, "pg-1")});
  const auto in_background = [&](const std::string& sql) {
    const std::string command = "PGPASSWORD=" + std::string(PostgresServer::kPassword) +
                                " /usr/lib/postgresql/15/bin/psql -h 127.0.0.1 -p " +
                                std::to_string(server.port()) + " -U keelwatch -d postgres -c \"" +
                                sql + "\" > /dev/null 2>&1 &";
    REQUIRE(std::system(command.c_str()) == 0);
  };
  in_background("select from t");
  until<model::Activity>(harness, &Instance::activity,
                         [](const model::Activity& a) { return a.waiting_for_lock == 1; });
  owner.run("rollback");
  server.sql("alter system set synchronous_standby_names = 'nobody'");
  server.sql("select pg_reload_conf()");
  in_background("insert into t values (1)");
  const auto waiting =
      until<model::Activity>(harness, &Instance::activity, [](const model::Activity& a) {
        return a.waiting_for_sync_standby == 1 && a.longest_wait_for_sync_standby > Duration(100ms);
      });
  CHECK(waiting.waiting_for_lock == 0);
  CHECK(*waiting.longest_wait_for_sync_standby < 20s);
}

TEST_CASE("overrides of settings and what waits for a restart are told", "[sources][postgres]") {
  PostgresServer server;
  server.sql("create role careless");
  server.sql("alter role careless set synchronous_commit = off");
  server.sql("alter database postgres set default_transaction_read_only = off");
  server.sql("alter role careless in database postgres set work_mem = '64MB'");  // not judged
  server.sql("alter system set max_connections = 101");
  server.sql("select pg_reload_conf()");
  Harness harness(all_at_once());
  harness.watch({testing::instance_target(server, "pg-1")});
  const auto settings =
      until<model::Settings>(harness, &Instance::settings,
                             [](const model::Settings& s) { return !s.pending_restart.empty(); });
  std::string pending;
  for (const std::string& name : settings.pending_restart) pending += name + "\n";
  pending.pop_back();
  CHECK(pending.find("max_connections") != std::string::npos);
  CHECK(pending == server.sql("select name from pg_settings where pending_restart order by 1"));
  CHECK(model::find_setting(settings, "max_connections")->pending_restart);
  CHECK_FALSE(model::find_setting(settings, "fsync")->pending_restart);
  std::vector<std::string> overrides;
  for (const model::SettingOverride& o : settings.overrides) {
    overrides.push_back(o.role + "/" + o.database + " " + o.name + "=" + o.value);
  }
  CHECK(overrides == std::vector<std::string>{"/postgres default_transaction_read_only=off",
                                              "careless/ synchronous_commit=off"});
}

TEST_CASE("of an archive_command only is told whether it archives", "[sources][postgres]") {
  PostgresServer server(with_settings({"archive_mode=on"}));
  const auto set_command = [&](const std::string& command) {
    server.sql("alter system set archive_command = '" + command + "'");
    server.sql("select pg_reload_conf()");
  };
  Harness harness(all_at_once());
  harness.watch({testing::instance_target(server, "pg-1")});
  const auto with_value = [](std::string_view value) {
    return [value](const model::Settings& settings) {
      const model::Setting* command = model::find_setting(settings, "archive_command");
      return command != nullptr && command->value == value;
    };
  };
  set_command("false --password=hunter2");
  until<model::Settings>(harness, &Instance::settings, with_value("(set)"));
  set_command("/bin/true");
  until<model::Settings>(harness, &Instance::settings, with_value("/bin/true"));
}

TEST_CASE("a look into each database finds other collations and unlogged tables",
          "[sources][postgres]") {
  PostgresServer server;
  server.sql("create database closed");
  server.sql("revoke connect on database closed from public");
  server.sql("create collation german (provider = icu, locale = 'de')");
  server.sql("create table words (w text collate german primary key)");
  server.sql("create collation unused (provider = icu, locale = 'fr')");
  server.sql("update pg_collation set collversion = 'old' where collname in ('german', 'unused')");
  server.sql("update pg_database set datcollversion = 'older' where datname = 'postgres'");
  server.sql("create unlogged table \"Cache\" (i int)");
  server.sql("create unlogged table buffer (i int)");
  Harness harness(all_at_once());
  harness.watch({testing::instance_target(server, "pg-1")});
  auto slice = harness.until([](const PostgresSlice& s) {
    const Instance* instance = Harness::find(s, "pg-1");
    return instance->databases.is_known() && instance->contents.size() == 3;
  });
  const Instance& instance = pod(*slice, "pg-1");
  const model::DatabaseContent& content = find_content(instance, "postgres")->content.known_value();
  REQUIRE(content.collations.size() == 1);
  CHECK(content.collations[0].name == "public.german");
  CHECK(content.collations[0].recorded == "old");
  CHECK(content.collations[0].actual ==
        server.sql("select pg_collation_actual_version('german'::regcollation)"));
  CHECK(content.unlogged_tables == 2);
  CHECK(content.unlogged_examples == std::vector<std::string>{"public.\"Cache\"", "public.buffer"});
  CHECK(find_content(instance, "template1")->content.known_value().unlogged_tables == 0);
  const auto& closed = find_content(instance, "closed")->content;
  REQUIRE_FALSE(closed.is_known());
  CHECK(closed.why().error.code() == ErrorCode::kForbidden);
  CHECK(closed.why().error.message() ==
        "no permission, grant connect on database closed to keelwatch");
  CHECK(slice->reports[0].up);
  for (const model::DatabaseFacts& database : instance.databases.known_value()) {
    if (database.name != "postgres") continue;
    CHECK(database.collation_recorded == "older");
    CHECK(database.collation_actual != "older");
  }

  server.sql("grant connect on database closed to keelwatch");
  server.sql("create database fresh");
  slice = harness.until([](const PostgresSlice& s) {
    const Instance* i = Harness::find(s, "pg-1");
    const auto* opened = find_content(*i, "closed");
    return find_content(*i, "fresh") && opened && opened->content.is_known();
  });
  harness.stop();
}

TEST_CASE("a subscription is seen with its worker, and without", "[sources][postgres]") {
  PostgresServer publisher(with_settings({"wal_level=logical"}));
  PostgresOptions other;
  other.fresh = true;
  PostgresServer subscriber(other);
  for (auto* server : {&publisher, &subscriber}) server->sql("create table t (i int primary key)");
  publisher.sql("create publication p for table t");
  subscriber.sql("create subscription s connection 'host=" + publisher.socket_directory() +
                 " port=" + std::to_string(publisher.port()) +
                 " user=postgres dbname=postgres' publication p");
  Harness harness;
  harness.watch({testing::instance_target(subscriber, "pg-1")});
  using Subscriptions = std::vector<model::Subscription>;
  const auto running =
      until<Subscriptions>(harness, &Instance::subscriptions, [](const Subscriptions& s) {
        return s.size() == 1 && s[0].worker_running && s[0].received && s[0].last_message;
      });
  CHECK(running[0].name == "s");
  CHECK(running[0].database == "postgres");
  CHECK(running[0].enabled);
  CHECK(running[0].apply_errors == 0);
  // A conflict while the table is copied for the first time would be the copy's error.
  const std::string copied = "select bool_and(srsubstate = 'r') from pg_subscription_rel";
  for (int i = 0; i < 1000 && subscriber.sql(copied) != "t"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  subscriber.sql("insert into t values (1)");
  publisher.sql("insert into t values (1)");  // a conflict
  until<Subscriptions>(harness, &Instance::subscriptions,
                       [](const Subscriptions& s) { return s[0].apply_errors > 0; });
  subscriber.sql("alter subscription s disable");
  until<Subscriptions>(harness, &Instance::subscriptions, [](const Subscriptions& s) {
    return !s[0].enabled && !s[0].worker_running && !s[0].received;
  });
}

TEST_CASE("a role without pg_monitor is told what to grant", "[sources][postgres]") {
  PostgresServer server;
  server.sql("create role \"Poor\" login password 'poor'");
  server.sql("create database closed");
  server.sql("revoke connect on database closed from public");
  Harness harness(all_at_once());
  auto target = testing::instance_target(server, "pg-1");
  target.connection->user = "Poor";
  target.connection->password = Secret("poor");
  harness.watch({target});
  const auto slice = harness.until([](const PostgresSlice& s) {
    const Instance* i = Harness::find(s, "pg-1");
    return i->server.is_known() && !i->database_sizes.is_known() &&
           i->database_sizes.why().error.code() == ErrorCode::kForbidden;
  });
  const Instance& instance = pod(*slice, "pg-1");
  int forbidden = 0;
  Instance::for_each_answer([&](auto place, model::Pace) {
    const auto& answer = instance.*place;
    if (answer.is_known() || answer.why().absence == Absence::kNotInstalled) return;
    CHECK(answer.why().error.message() == "no permission, grant pg_monitor to \"Poor\"");
    ++forbidden;
  });
  CHECK(forbidden == 7);  // senders, receiver, sessions, xmin, settings, WAL directory, sizes
  CHECK(instance.slots.is_known());
  CHECK(instance.databases.is_known());
  CHECK_FALSE(slice->reports[0].up);
  // The rights come without a reconnect.
  server.sql("grant pg_monitor to \"Poor\"");
  harness.until([](const PostgresSlice& s) {
    const Instance* i = Harness::find(s, "pg-1");
    return i->settings.is_known() && i->wal_directory.is_known() && i->activity.is_known() &&
           i->database_sizes.is_known() && s.reports[0].up;
  });
}

TEST_CASE("a slow answer that is refused keeps the instance's report down", "[sources][postgres]") {
  PostgresServer server;
  server.sql("revoke execute on function pg_ls_archive_statusdir() from pg_monitor");
  Harness harness(all_at_once());
  harness.watch({testing::instance_target(server, "pg-1")});
  harness.until([](const PostgresSlice& s) {
    const auto& wal = Harness::find(s, "pg-1")->wal_directory;
    return !wal.is_known() && wal.why().error.code() == ErrorCode::kForbidden;
  });
  for (const auto& slice : harness.during(500ms)) {
    CHECK_FALSE(slice->reports[0].up);
    CHECK(slice->reports[0].last_error ==
          "read WAL directory: no permission, grant execute on functions pg_ls_waldir(),"
          " pg_ls_archive_statusdir() to keelwatch: permission denied for function"
          " pg_ls_archive_statusdir");
    CHECK(pod(*slice, "pg-1").settings.is_known());
  }
}

TEST_CASE("slow answers are not asked for with every round", "[sources][postgres]") {
  PostgresServer server;
  config::Postgres settings = Harness::quick_settings();
  settings.slow_interval = 1h;
  Harness harness(settings);
  harness.watch({testing::instance_target(server, "pg-1")});
  const auto first = harness.until(
      [](const PostgresSlice& s) { return Harness::find(s, "pg-1")->database_sizes.is_known(); });
  const WallTime at = pod(*first, "pg-1").settings.observed_at();
  const auto later = harness.during(1s);
  REQUIRE(later.size() >= 5);
  for (const auto& slice : later) {
    CHECK(pod(*slice, "pg-1").settings.observed_at() == at);
    CHECK(pod(*slice, "pg-1").server.observed_at() > at);
  }
  // Nor anew of a server that ends our session: its answer keeps its age.
  server.stop();
  server.start();
  const auto back = harness.until([&](const PostgresSlice& s) {
    const Instance* i = Harness::find(s, "pg-1");
    return i->server.is_known() &&
           i->server.observed_at() > later.back()->instances[0]->server.observed_at();
  });
  CHECK(pod(*back, "pg-1").settings.observed_at() == at);
}

TEST_CASE("the certificate is that of the newest handshake", "[sources][postgres]") {
  const testing::CertificateAuthority authority;
  testing::CertificateOptions certificate;
  certificate.common_name = "pg-rw";
  certificate.ip_addresses = {"127.0.0.1"};
  const testing::CertifiedKey old_key = authority.issue(certificate);
  PostgresOptions options;
  options.certificate_pem = old_key.certificate_pem;
  options.key_pem = old_key.key_pem;
  PostgresServer server(options);
  const std::string ca = server.socket_directory() + "/ca.crt";
  testing::write_file(ca, authority.pem());
  auto target = testing::instance_target(server, "pg-1");
  target.connection->sslmode = "verify-full";
  target.connection->sslrootcert = ca;
  Harness harness;
  harness.watch({target});
  const auto shown = first(harness, &Instance::certificate);
  CHECK(shown.subject == "CN=pg-rw");
  CHECK(shown.issuer == "CN=test authority");
  SystemClock clock;
  CHECK(shown.not_after - clock.wall() > 23h);
  CHECK(shown.not_after - clock.wall() <= 24h);
  CHECK(clock.wall() - shown.not_before >= 1h);

  // Renewed: the held connection stays, trial connects see it.
  certificate.not_after = 48h;
  const testing::CertifiedKey new_key = authority.issue(certificate);
  testing::write_file(server.socket_directory() + "/server.crt", new_key.certificate_pem);
  testing::write_file(server.socket_directory() + "/server.key", new_key.key_pem);
  server.sql("select pg_reload_conf()");
  const std::string session =
      "select pid from pg_stat_activity where usename = 'keelwatch'"
      " and state is not null order by backend_start limit 1";
  const std::string pid = server.sql(session);
  const auto renewed = until<model::ServerCertificate>(
      harness, &Instance::certificate,
      [&](const model::ServerCertificate& c) { return c.not_after > shown.not_after; });
  CHECK(renewed.not_after - clock.wall() > 47h);
  CHECK(server.sql(session) == pid);
}

}  // namespace keelwatch::sources
