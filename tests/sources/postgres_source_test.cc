#include "sources/postgres/postgres_source.h"

#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/postgres_harness.h"
#include "tests/support/postgres_server.h"
#include "tests/support/spawn.h"

using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

using model::Instance;
using model::PostgresSlice;
using model::Reachability;
using Harness = testing::PostgresHarness;
using testing::PostgresServer;
using testing::StopMode;

bool all_unknown(const Instance& instance) {
  return !instance.server.is_known() && !instance.senders.is_known() &&
         !instance.wal_receiver.is_known();
}

const model::SourceReport& report_of(const PostgresSlice& slice, const std::string& pod) {
  for (const auto& report : slice.reports) {
    if (report.target == "default/" + pod) return report;
  }
  FAIL("no report for " << pod);
  return slice.reports.front();
}

// The short connections to postgres and template1 have been made; they come again much later.
bool looked_everywhere(const PostgresSlice& slice, const std::string& pod) {
  return Harness::find(slice, pod)->contents.size() == 2;
}

// A primary and a standby that streams.
struct Pair {
  PostgresServer primary;
  std::unique_ptr<PostgresServer> standby = primary.make_standby("pg-2");
};

// A client program that runs as long as this lives.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments)
      : pid_(testing::spawn(arguments, "/dev/null")) {}
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_;
};

}  // namespace

TEST_CASE("primary and standby are read by their own answers", "[sources][postgres]") {
  Pair pair;
  pair.primary.sql("create table t as select generate_series(1, 1000) i");
  Harness harness;
  harness.watch({testing::instance_target(pair.primary, "pg-1"),
                 testing::instance_target(*pair.standby, "pg-2")});
  auto slice = harness.until(Harness::is_streaming);

  const Instance& primary = *Harness::find(*slice, "pg-1");
  CHECK(primary.reachability == Reachability::kConnected);
  CHECK(primary.reachability_detail.empty());
  CHECK(primary.address == "127.0.0.1:" + std::to_string(pair.primary.port()));
  const model::ServerFacts& first = primary.server.known_value();
  CHECK(first.version / 10000 == 15);
  CHECK_FALSE(first.in_recovery);
  CHECK(first.timeline == 1);
  CHECK(first.read_only == false);
  CHECK(first.current);
  CHECK_FALSE(first.received);
  CHECK_FALSE(first.replayed);
  CHECK_FALSE(first.replay_paused);
  CHECK(first.started);
  CHECK(first.system_identifier ==
        pair.primary.sql("select system_identifier from pg_control_system()"));
  CHECK(primary.wal_receiver.known_value().empty());
  CHECK(primary.senders.known_value()[0].application_name == "pg-2");
  CHECK(primary.senders.known_value()[0].sync_state == "async");

  // Caught up: the standby's replay position is the primary's.
  const std::string position = pair.primary.sql("select pg_current_wal_lsn()");
  slice = harness.until([&](const PostgresSlice& s) {
    const Instance* standby = Harness::find(s, "pg-2");
    return standby->server.is_known() && standby->server.known_value().replayed &&
           *standby->server.known_value().replayed >= *model::parse_lsn(position);
  });
  const Instance& standby = *Harness::find(*slice, "pg-2");
  const model::ServerFacts& second = standby.server.known_value();
  CHECK(second.in_recovery);
  CHECK(second.timeline == 1);
  CHECK(second.received);
  CHECK_FALSE(second.current);
  CHECK(second.replay_paused == false);
  CHECK(second.recovery_min_apply_delay == Duration::zero());
  CHECK(second.last_replayed_commit);
  CHECK(second.system_identifier == first.system_identifier);
  const model::WalReceiver& receiver = standby.wal_receiver.known_value()[0];
  CHECK(receiver.received_timeline == 1);
  CHECK(receiver.slot_name == "_cnpg_pg_2");
  CHECK(receiver.sender_host == "127.0.0.1");
  CHECK(receiver.flushed);
  CHECK(receiver.last_message);

  const model::SourceReport& report = report_of(*slice, "pg-1");
  CHECK(report.source == "postgres");
  CHECK(report.up);
  CHECK(report.last_success);
  CHECK(report.last_duration > Duration::zero());
  CHECK(report.last_error.empty());
  CHECK(report.errors.empty());
  CHECK(report.requests >= 10);
  REQUIRE(report.clock_skew_seconds);
  CHECK(std::abs(*report.clock_skew_seconds) < 0.5);
}

TEST_CASE("replay that was paused, delayed or promoted is seen", "[sources][postgres]") {
  Pair pair;
  Harness harness;
  harness.watch({testing::instance_target(pair.primary, "pg-1"),
                 testing::instance_target(*pair.standby, "pg-2")});
  harness.until(Harness::is_streaming);
  const auto standby_facts = [](const PostgresSlice& slice) -> const model::ServerFacts* {
    return Harness::find(slice, "pg-2")->server.if_known();
  };
  pair.standby->sql("select pg_wal_replay_pause()");
  pair.standby->sql("alter system set recovery_min_apply_delay = '90min'");
  pair.standby->sql("select pg_reload_conf()");
  harness.until([&](const PostgresSlice& slice) {
    const auto* facts = standby_facts(slice);
    return facts && facts->replay_paused == true && facts->recovery_min_apply_delay == 90min;
  });
  pair.standby->sql("alter system reset recovery_min_apply_delay");
  pair.standby->sql("select pg_reload_conf()");
  pair.standby->sql("select pg_wal_replay_resume()");
  pair.standby->promote();
  harness.until([&](const PostgresSlice& slice) {
    const auto* facts = standby_facts(slice);
    return facts && !facts->in_recovery && facts->timeline == 2 && facts->current;
  });
}

TEST_CASE("default_transaction_read_only is the server's, not the role's", "[sources][postgres]") {
  PostgresServer server;
  Harness harness;
  harness.watch({testing::instance_target(server, "pg-1")});
  harness.until("pg-1", Reachability::kConnected);
  const auto read_only = [](const PostgresSlice& slice) {
    return Harness::find(slice, "pg-1")->server.known_value().read_only;
  };
  server.sql("alter system set default_transaction_read_only = on");
  server.sql("select pg_reload_conf()");
  harness.until([&](const PostgresSlice& slice) { return read_only(slice) == true; });
  server.sql(
      "set transaction read write; alter role keelwatch set default_transaction_read_only = on");
  harness.until([&](const PostgresSlice& slice) { return !read_only(slice).has_value(); });
}

TEST_CASE("a role without pg_monitor makes replication unknown, not empty", "[sources][postgres]") {
  Pair pair;
  pair.primary.sql("create role poor login password 'poor'");
  Harness harness;
  auto primary = testing::instance_target(pair.primary, "pg-1");
  auto standby = testing::instance_target(*pair.standby, "pg-2");
  for (auto* target : {&primary, &standby}) {
    target->connection->user = "poor";
    target->connection->password = Secret("poor");
  }
  harness.watch({primary, standby});
  const auto slice = harness.until([](const PostgresSlice& s) {
    return Harness::find(s, "pg-1")->server.is_known() &&
           Harness::find(s, "pg-2")->server.is_known();
  });
  for (const char* pod : {"pg-1", "pg-2"}) {
    CAPTURE(pod);
    const Instance& instance = *Harness::find(*slice, pod);
    REQUIRE_FALSE(instance.senders.is_known());
    REQUIRE_FALSE(instance.wal_receiver.is_known());
    CHECK(instance.senders.why().absence == Absence::kUnknown);
    CHECK(instance.senders.why().error.code() == ErrorCode::kForbidden);
    CHECK(instance.senders.why().error.message() == "no permission, grant pg_monitor to poor");
    CHECK(instance.senders.why().source == std::string("postgres default/") + pod);
    CHECK(instance.wal_receiver.why().error.code() == ErrorCode::kForbidden);
    const model::SourceReport& report = report_of(*slice, pod);
    CHECK_FALSE(report.up);
    CHECK(report.errors.at("forbidden") >= 2);
    CHECK_FALSE(report.last_success);
  }
  CHECK(Harness::find(*slice, "pg-1")->server.known_value().timeline == 1);
  CHECK_FALSE(Harness::find(*slice, "pg-2")->server.known_value().timeline);
  // The right comes without a reconnect.
  pair.primary.sql("grant pg_monitor to poor");
  harness.until(Harness::is_streaming);
}

TEST_CASE("a refused statement makes only its own fact unknown", "[sources][postgres]") {
  PostgresServer server;
  server.sql("revoke select on pg_stat_wal_receiver from public");
  Harness harness;
  harness.watch({testing::instance_target(server, "pg-1")});
  server.sql("revoke execute on function pg_control_system() from public");
  const auto slice = harness.until("pg-1", Reachability::kConnected);
  const Instance& instance = *Harness::find(*slice, "pg-1");
  CHECK(instance.senders.is_known());
  REQUIRE_FALSE(instance.server.is_known());
  CHECK(instance.server.why().error.code() == ErrorCode::kForbidden);
  REQUIRE_FALSE(instance.wal_receiver.is_known());
  CHECK(instance.wal_receiver.why().error.message().starts_with("read WAL receiver: "));
}

TEST_CASE("a killed instance is published within 100 ms, without its last values",
          "[sources][postgres]") {
  struct Case {
    std::string name;
    std::function<void(PostgresServer&)> kill;
  };
  const Case cases[] = {
      {"kill -9 of the postmaster", [](PostgresServer& server) { server.kill9(); }},
      {"pg_ctl stop -m immediate",
       [](PostgresServer& server) { server.request_stop(StopMode::kImmediate); }},
      {"pg_ctl stop -m fast", [](PostgresServer& server) { server.request_stop(StopMode::kFast); }},
  };
  Pair pair;
  config::Postgres settings = Harness::quick_settings();
  settings.interval = 2s;  // so that no round falls into the 100 ms by chance
  Harness harness(settings);
  harness.watch({testing::instance_target(pair.primary, "pg-1"),
                 testing::instance_target(*pair.standby, "pg-2")});
  harness.until("pg-1", Reachability::kConnected);
  for (const Case& c : cases) {
    CAPTURE(c.name);
    harness.until("pg-2", Reachability::kConnected);
    const SteadyTime killed = harness.now();
    c.kill(*pair.standby);
    const auto slice = harness.until([](const PostgresSlice& s) {
      return Harness::find(s, "pg-2")->reachability != Reachability::kConnected;
    });
    const Duration took = harness.newest_at() - killed;
    UNSCOPED_INFO(c.name << ": " << took / 1us << " us");
    CHECK(took < 100ms);
    const Instance& instance = *Harness::find(*slice, "pg-2");
    CHECK(all_unknown(instance));
    CHECK(instance.server.why().error.code() == ErrorCode::kUnavailable);
    CHECK_FALSE(instance.reachability_detail.empty());
    CHECK_FALSE(report_of(*slice, "pg-2").up);
    CHECK(Harness::find(*slice, "pg-1")->server.is_known());
    harness.until("pg-2", Reachability::kRefused);
    REQUIRE(pair.standby->wait_stopped(20s));
    pair.standby->start();
    const SteadyTime back = harness.now();
    harness.until("pg-2", Reachability::kConnected);
    CHECK(harness.newest_at() - back < 3s);
  }
}

TEST_CASE("the end of one session is no word about the server", "[sources][postgres]") {
  PostgresServer server;
  config::Postgres settings = Harness::quick_settings();
  settings.interval = 2s;
  Harness harness(settings);
  harness.watch({testing::instance_target(server, "pg-1")});
  harness.until([](const PostgresSlice& s) { return looked_everywhere(s, "pg-1"); });
  const std::string terminate =
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'keelwatch'"
      " and pid <> pg_backend_pid()";
  CHECK(server.sql(terminate) == "t");
  // Asked again at once: unknown for a moment, and never refused.
  const SteadyTime ended = harness.now();
  harness.until([](const PostgresSlice& s) {
    return report_of(s, "pg-1").errors.contains("unavailable") &&
           Harness::find(s, "pg-1")->reachability == Reachability::kConnected;
  });
  CHECK(harness.now() - ended < 1s);

  // A server that ends every session at once is not pressed.
  int ours = 0;
  const SteadyTime end = harness.now() + 2s;
  while (harness.now() < end) {
    const std::string killed = server.sql(terminate);
    ours += killed.empty() ? 0 : 1;
    for (const auto& slice : harness.during(20ms)) {
      const Reachability now = Harness::find(*slice, "pg-1")->reachability;
      CHECK((now == Reachability::kConnected || now == Reachability::kConnecting));
    }
  }
  CHECK(ours >= 2);
  CHECK(ours <= 8);
}

TEST_CASE("a logical receiver is told from a physical one", "[sources][postgres]") {
  testing::PostgresOptions options;
  options.settings = {"wal_level=logical"};
  PostgresServer primary(options);
  const std::unique_ptr<PostgresServer> standby = primary.make_standby("pg-2");
  Harness harness;
  harness.watch(
      {testing::instance_target(primary, "pg-1"), testing::instance_target(*standby, "pg-2")});
  harness.until(Harness::is_streaming);
  primary.sql("select pg_create_logical_replication_slot('decoded', 'test_decoding')");
  const Child logical({"/usr/lib/postgresql/15/bin/pg_recvlogical", "-h",
                       primary.socket_directory(), "-p", std::to_string(primary.port()), "-U",
                       "postgres", "-d", "postgres", "-S", "decoded", "-f", "/dev/null",
                       "--start"});
  const auto slice = harness.until([](const PostgresSlice& s) {
    const auto* senders = Harness::find(s, "pg-1")->senders.if_known();
    return senders != nullptr && senders->size() == 2 &&
           std::ranges::all_of(*senders, [](const auto& row) { return row.state == "streaming"; });
  });
  for (const model::Sender& sender : Harness::find(*slice, "pg-1")->senders.known_value()) {
    CAPTURE(sender.application_name);
    CHECK((sender.slot_type == "logical") == (sender.application_name == "pg_recvlogical"));
  }
}

TEST_CASE("a smart shutdown is not held up by our connection", "[sources][postgres]") {
  PostgresServer server;
  Harness harness;
  harness.watch({testing::instance_target(server, "pg-1")});
  harness.until("pg-1", Reachability::kConnected);
  server.request_stop(StopMode::kSmart);
  CHECK_FALSE(server.wait_stopped(200ms));  // our session holds it, as any would
  const SteadyTime asked = harness.now();
  harness.until("pg-1", Reachability::kShuttingDown);
  CHECK(harness.now() - asked < 1s);
  REQUIRE(server.wait_stopped(5s));
  harness.until("pg-1", Reachability::kRefused);
  server.start();
  harness.until("pg-1", Reachability::kConnected);
}

TEST_CASE("a shutdown that others hold up is left alone and named", "[sources][postgres]") {
  PostgresServer server;
  Harness harness;
  harness.watch({testing::instance_target(server, "pg-1")});
  harness.until("pg-1", Reachability::kConnected);
  {
    Harness other;  // a session that stays: its probe is far away
    config::Postgres patient = Harness::quick_settings();
    patient.probe_interval = 1h;
    Harness stubborn(patient);
    stubborn.watch({testing::instance_target(server, "pg-1")});
    stubborn.until("pg-1", Reachability::kConnected);
    server.request_stop(StopMode::kSmart);
    harness.until("pg-1", Reachability::kShuttingDown);
    for (const auto& slice : harness.during(700ms)) {
      CHECK(Harness::find(*slice, "pg-1")->reachability == Reachability::kShuttingDown);
    }
    CHECK_FALSE(server.wait_stopped(0s));
  }
  REQUIRE(server.wait_stopped(5s));
}

TEST_CASE("a frozen instance is silent and delays nobody else", "[sources][postgres]") {
  Pair pair;
  Harness harness;
  harness.watch({testing::instance_target(pair.primary, "pg-1"),
                 testing::instance_target(*pair.standby, "pg-2")});
  harness.until(Harness::is_streaming);
  pair.standby->freeze();
  const auto slice = harness.until("pg-2", Reachability::kSilent, 3s);
  CHECK(all_unknown(*Harness::find(*slice, "pg-2")));
  CHECK(Harness::find(*slice, "pg-2")->server.why().error.code() == ErrorCode::kTimeout);
  SystemClock clock;
  for (const auto& later : harness.during(1500ms)) {
    CHECK(Harness::find(*later, "pg-2")->reachability == Reachability::kSilent);
    REQUIRE(Harness::find(*later, "pg-1")->server.is_known());
  }
  const auto last = harness.until([](const PostgresSlice&) { return true; });
  CHECK(clock.wall() - Harness::find(*last, "pg-1")->server.observed_at() < 400ms);
  pair.standby->thaw();
  harness.until("pg-2", Reachability::kConnected, 5s);
}

TEST_CASE("targets decide what is watched", "[sources][postgres]") {
  PostgresServer server;
  Harness harness;
  const auto backends = [&] {
    return server.sql("select count(*) from pg_stat_activity where usename = 'keelwatch'");
  };
  discovery::InstanceTarget nobody;
  nobody.id = {"default", "pg", "pg-0"};
  nobody.not_set_up_reason = "no credential: create the role keelwatch";
  discovery::InstanceTarget no_address;
  no_address.id = {"default", "pg", "pg-3"};
  no_address.cannot_connect_reason = "pod has no address yet";
  discovery::InstanceTarget target = testing::instance_target(server, "pg-1");
  harness.watch({nobody, target, no_address});
  auto slice = harness.until("pg-1", Reachability::kConnected);
  REQUIRE(slice->instances.size() == 3);

  const Instance& not_set_up = *Harness::find(*slice, "pg-0");
  CHECK(not_set_up.reachability == Reachability::kNotSetUp);
  CHECK(not_set_up.server.why().absence == Absence::kNotSetUp);
  CHECK(not_set_up.wal_receiver.why().absence == Absence::kNotSetUp);
  CHECK(not_set_up.server.why().error.message() == nobody.not_set_up_reason);
  CHECK(report_of(*slice, "pg-0").not_set_up);
  const Instance& waiting = *Harness::find(*slice, "pg-3");
  CHECK(waiting.reachability == Reachability::kConnecting);
  CHECK(waiting.server.why().absence == Absence::kUnknown);
  CHECK(waiting.reachability_detail == no_address.cannot_connect_reason);
  harness.until([](const PostgresSlice& s) { return looked_everywhere(s, "pg-1"); });
  CHECK(backends() == "1");

  target.terminating = true;
  harness.watch({target});
  slice = harness.until("pg-1", Reachability::kShuttingDown);
  CHECK(slice->instances.size() == 1);
  CHECK(slice->reports.size() == 1);
  CHECK(all_unknown(*Harness::find(*slice, "pg-1")));
  server.stop(StopMode::kSmart, 5s);
  server.start();

  target.terminating = false;
  harness.watch({target});
  harness.until("pg-1", Reachability::kConnected);
  target.connection->password = Secret("changed too early");
  harness.watch({target});
  slice = harness.until("pg-1", Reachability::kAuthFailed);
  CHECK(report_of(*slice, "pg-1").errors.at("unauthorized") >= 1);
  CHECK(report_of(*slice, "pg-1").requests >= 3);  // counters outlive a change of the target
  server.sql("alter role keelwatch password 'changed too early'");
  harness.until("pg-1", Reachability::kConnected);

  harness.watch({});
  slice = harness.until([](const PostgresSlice& s) { return s.instances.empty(); });
  CHECK(slice->reports.empty());
  server.stop(StopMode::kSmart, 5s);
  for (const std::string& line : harness.log_lines()) {
    CHECK(line.find("changed too early") == std::string::npos);
  }
}

TEST_CASE("destroying the task ends every connection", "[sources][postgres]") {
  PostgresServer server;
  Harness harness;
  harness.watch({testing::instance_target(server, "pg-1")});
  harness.until("pg-1", Reachability::kConnected);
  harness.stop();
  server.stop(StopMode::kSmart, 5s);
}

TEST_CASE("slices of many instances are coalesced", "[sources][postgres]") {
  PostgresServer server;
  config::Postgres settings = Harness::quick_settings();
  settings.interval = 20ms;
  Harness harness(settings);
  std::vector<discovery::InstanceTarget> targets;
  for (int i = 0; i < 8; ++i)
    targets.push_back(testing::instance_target(server, "pg-" + std::to_string(i)));
  harness.watch(targets);
  harness.until([](const PostgresSlice& slice) {
    return std::ranges::all_of(slice.instances, [](const auto& i) { return i->server.is_known(); });
  });
  const auto slices = harness.during(1s);
  CHECK(slices.size() >= 5);
  CHECK(slices.size() <= 21);
}

TEST_CASE("what a failure says about the instance", "[sources][postgres]") {
  struct Case {
    std::string name;
    PgFailure failure;
    bool was_up;
    Reachability expected;
  };
  const auto server_said = [](ErrorCode code, const char* message, const char* sqlstate) {
    return PgFailure{Error(code, message), sqlstate, PgPhase::kLogin};
  };
  const auto no_answer = [](ErrorCode code, PgPhase phase) {
    return PgFailure{Error(code, "x"), "", phase};
  };
  constexpr auto kUnavailable = ErrorCode::kUnavailable;
  const Case cases[] = {
      {"starting", server_said(kUnavailable, "the database system is starting up", "57P03"), true,
       Reachability::kStartingUp},
      {"no hot standby yet",
       server_said(kUnavailable, "the database system is not yet accepting connections", "57P03"),
       false, Reachability::kStartingUp},
      {"crash recovery",
       server_said(kUnavailable, "the database system is in recovery mode", "57P03"), true,
       Reachability::kStartingUp},
      {"stopping", server_said(kUnavailable, "the database system is shutting down", "57P03"),
       false, Reachability::kShuttingDown},
      {"German, was up", server_said(kUnavailable, "das Datenbanksystem fährt herunter", "57P03"),
       true, Reachability::kShuttingDown},
      {"German, was not up", server_said(kUnavailable, "das Datenbanksystem startet", "57P03"),
       false, Reachability::kStartingUp},
      {"full", server_said(kUnavailable, "x", "53300"), false, Reachability::kTooManyConnections},
      {"password", server_said(ErrorCode::kUnauthorized, "x", "28P01"), false,
       Reachability::kAuthFailed},
      {"database", server_said(ErrorCode::kNotFound, "x", "3D000"), false,
       Reachability::kAuthFailed},
      {"name", no_answer(ErrorCode::kNotFound, PgPhase::kResolve), false,
       Reachability::kNameUnknown},
      {"hung DNS", no_answer(ErrorCode::kTimeout, PgPhase::kResolve), false,
       Reachability::kNameUnknown},
      {"certificate", no_answer(kUnavailable, PgPhase::kTls), false, Reachability::kTlsFailed},
      {"nobody", PgFailure{Error(kUnavailable, "x"), "", PgPhase::kConnect, true}, true,
       Reachability::kRefused},
      {"no route", no_answer(kUnavailable, PgPhase::kConnect), true, Reachability::kUnreachable},
      {"frozen", no_answer(ErrorCode::kTimeout, PgPhase::kLogin), true, Reachability::kSilent},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(reachability_of(c.failure, c.was_up) == c.expected);
  }
}

}  // namespace keelwatch::sources
