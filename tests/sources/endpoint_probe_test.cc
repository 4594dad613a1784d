// Each step of a probe passes and fails for itself, against real servers.
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/support/certificates.h"
#include "tests/support/dns_server.h"
#include "tests/support/pgbouncer_server.h"
#include "tests/support/postgres_server.h"
#include "tests/support/probe_harness.h"
#include "tests/support/scripted_server.h"
#include "tests/support/spawn.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::sources {
namespace {

using discovery::EndpointTarget;
using model::ProbeFault;
using model::ProbePhase;
using model::ProbeResult;

constexpr auto kShort = 700ms;

// A primary behind TLS whose certificate names pg-rw, as CloudNativePG's do.
struct TlsServer {
  explicit TlsServer(CertificateOptions options = named("pg-rw")) {
    write_file(ca_file, authority.pem());
    const CertifiedKey key = authority.issue(options);
    PostgresOptions postgres;
    postgres.certificate_pem = key.certificate_pem;
    postgres.key_pem = key.key_pem;
    server = std::make_unique<PostgresServer>(postgres);
  }
  ~TlsServer() { std::remove(ca_file.c_str()); }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  static CertificateOptions named(std::string name) {
    CertificateOptions options;
    options.common_name = name;
    options.dns_names = {std::move(name)};
    return options;
  }

  [[nodiscard]] EndpointTarget target() const {
    PgTarget login = server->target();
    login.host = "pg-rw";
    login.sslmode = "verify-full";
    login.sslrootcert = ca_file;
    return probe_target("127.0.0.1", server->port(), login);
  }

  CertificateAuthority authority;
  std::string ca_file = "/tmp/keelwatch-probe-ca-" + std::to_string(getpid()) + ".pem";
  std::unique_ptr<PostgresServer> server;
};

EndpointTarget plain_target(const PostgresServer& server) {
  return probe_target("127.0.0.1", server.port(), server.target());
}

// As a user of the pool `app`.
EndpointTarget pooled_target(const PgBouncerServer& pooler) {
  PgTarget login = pooler.console();
  login.dbname = "app";
  login.user = "app";
  return probe_target("127.0.0.1", pooler.port(), login);
}

EndpointTarget target_of_kind(std::string kind, int port) {
  EndpointTarget target = probe_target("127.0.0.1", port, {});
  target.kind = std::move(kind);
  target.tls_name = "localhost";
  return target;
}

class Microsocks {
 public:
  Microsocks() : port_(unused_port()) {
    pid_ = spawn({"microsocks", "-i", "127.0.0.1", "-p", std::to_string(port_)}, "/dev/null");
    ProbeBench bench;
    const SteadyTime deadline = bench.loop.after(20s);
    while (!bench.probe(target_of_kind("tcp", port_)).passed()) {
      if (bench.loop.now() > deadline) throw std::runtime_error("microsocks does not listen");
      std::this_thread::sleep_for(10ms);
    }
  }
  ~Microsocks() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Microsocks(const Microsocks&) = delete;
  Microsocks& operator=(const Microsocks&) = delete;
  [[nodiscard]] int port() const { return port_; }

 private:
  int port_;
  pid_t pid_ = 0;
};

EndpointTarget through_proxy(EndpointTarget target, int port) {
  target.socks5_host = "127.0.0.1";
  target.socks5_port = port;
  return target;
}

}  // namespace

TEST_CASE("a probe goes through every step and tells what it finds", "[sources]") {
  const TlsServer tls;
  ProbeBench bench;
  EndpointTarget target = tls.target();
  target.role = "rw";
  const ProbeResult result = bench.probe(target);
  INFO(result.detail);
  CHECK(steps_of(result) == "connect ok, tls ok, startup ok, auth ok, query ok");
  CHECK(result.passed());
  CHECK(result.used == "127.0.0.1");
  REQUIRE(result.answer);
  CHECK_FALSE(result.answer->in_recovery);
  CHECK_FALSE(result.answer->read_only);
  CHECK(result.answer->server_address == "127.0.0.1:" + std::to_string(tls.server->port()));
  CHECK(result.answer->system_identifier ==
        tls.server->sql("select system_identifier from pg_control_system()"));
  CHECK(result.answer->timeline == 1);
  CHECK(result.answer->position);
  CHECK(result.addresses.at(0).certificate_expires > WallTime(bench.clock.wall() + 20h));
  Duration sum = result.resolve.took;
  for (const model::PhaseResult& step : result.addresses.at(0).phases) {
    CHECK(step.took > Duration::zero());
    sum += step.took;
  }
  CHECK(sum <= result.took);
}

TEST_CASE("an address must lead to the role that it is for", "[sources]") {
  PostgresServer primary;
  const std::unique_ptr<PostgresServer> standby = primary.make_standby("pg-2");
  ProbeBench bench;
  struct Case {
    const char* role;
    const PostgresServer& server;
    ProbeFault fault;
    const char* detail;
  };
  const Case cases[] = {
      {"rw", primary, ProbeFault::kNone, ""},
      {"ro", *standby, ProbeFault::kNone, ""},
      {"", primary, ProbeFault::kNone, ""},
      {"", *standby, ProbeFault::kNone, ""},
      {"rw", *standby, ProbeFault::kWrongRole, "a standby is found, which cannot be written to"},
      {"ro", primary, ProbeFault::kWrongRole, "the primary is found, not a standby"},
  };
  for (const Case& c : cases) {
    EndpointTarget target = plain_target(c.server);
    target.role = c.role;
    const ProbeResult result = bench.probe(target);
    INFO(c.role << ": " << result.detail);
    CHECK(result.fault == c.fault);
    CHECK(result.detail == c.detail);
    CHECK(result.answer);
  }
  primary.sql("alter system set default_transaction_read_only = on");
  primary.sql("select pg_reload_conf()");
  EndpointTarget target = plain_target(primary);
  target.role = "rw";
  ProbeResult result = bench.probe(target);
  for (int i = 0; i < 100 && result.passed(); ++i) result = bench.probe(target);
  CHECK(result.detail == "transactions are read-only here");
}

TEST_CASE("a role that may do nothing but connect is enough", "[sources]") {
  PostgresServer primary;
  primary.sql("create role plain login password 'plain'");
  const std::unique_ptr<PostgresServer> standby = primary.make_standby("pg-2");
  ProbeBench bench;
  const PostgresServer* const servers[] = {&primary, standby.get()};
  for (const PostgresServer* server : servers) {
    EndpointTarget target = plain_target(*server);
    target.login.user = "plain";
    target.login.password = Secret("plain");
    ProbeResult result = bench.probe(target);
    // The standby may not have replayed the role yet.
    for (int i = 0; i < 200 && !result.passed(); ++i) result = bench.probe(target);
    INFO(result.detail);
    CHECK(result.passed());
    REQUIRE(result.answer);
    CHECK_FALSE(result.answer->system_identifier.empty());
    CHECK(result.answer->timeline == 1);
    CHECK(result.answer->position);
  }
}

TEST_CASE("names that DNS does not lead anywhere fail in the step resolve", "[sources]") {
  DnsAnswer silence;
  silence.kind = DnsAnswer::Kind::kSilence;
  DnsAnswer failure;
  failure.kind = DnsAnswer::Kind::kServerFailure;
  const DnsServer dns({{"hung.example", silence}, {"failing.example", failure}});
  ProbeBench bench({dns.address()});
  const std::pair<const char*, ProbeFault> cases[] = {
      {"gone.example", ProbeFault::kNameUnknown},
      {"hung.example", ProbeFault::kTimeout},
      {"failing.example", ProbeFault::kDnsFailed},
  };
  for (const auto& [name, fault] : cases) {
    EndpointTarget target = probe_target(name, 5432, {});
    target.timeout = kShort;
    const ProbeResult result = bench.probe(target);
    INFO(name << ": " << result.detail);
    CHECK(result.phase == ProbePhase::kResolve);
    CHECK(result.fault == fault);
    CHECK(result.addresses.empty());
  }
}

TEST_CASE("one working address is enough, and a dead one is told", "[sources]") {
  const PostgresServer server;  // listens on IPv4 only
  DnsAnswer both;
  both.a = {"127.0.0.1"};
  both.aaaa = {"::1"};
  const DnsServer dns({{"pg.example", both}});
  ProbeBench bench({dns.address()});
  EndpointTarget target = plain_target(server);
  target.host = "pg.example";
  const ProbeResult result = bench.probe(target);
  INFO(steps_of(result) << " " << result.detail);
  CHECK(result.passed());
  CHECK(result.used == "127.0.0.1");
  REQUIRE(result.addresses.size() == 2);
  for (const model::AddressProbe& address : result.addresses) {
    CHECK((address.fault() == nullptr) == !address.v6);
  }
}

TEST_CASE("connects that nobody answers fail in the step connect", "[sources]") {
  ProbeBench bench;
  const BlackHole hole;
  PgTarget login;
  login.sslmode = "disable";
  EndpointTarget target = probe_target("127.0.0.1", hole.port(), login);
  target.timeout = kShort;
  CHECK(steps_of(bench.probe(target)) == "connect timeout");
  target.port = unused_port();
  CHECK(steps_of(bench.probe(target)) == "connect refused");
  for (const char* kind : {"tcp", "tls"}) {
    CHECK(steps_of(bench.probe(target_of_kind(kind, target.port))) == "connect refused");
  }
}

TEST_CASE("certificates that do not hold fail in the step tls, each with its reason", "[sources]") {
  ProbeBench bench;
  SECTION("expired") {
    CertificateOptions options = TlsServer::named("pg-rw");
    options.not_before = -2h;
    options.not_after = -1h;
    const TlsServer tls(options);
    const ProbeResult result = bench.probe(tls.target());
    CHECK(steps_of(result) == "connect ok, tls certificate_expired");
    INFO(result.detail);
    CHECK(result.detail.find("certificate has expired") != std::string::npos);
  }
  SECTION("another name") {
    const TlsServer tls(TlsServer::named("other-rw"));
    const ProbeResult result = bench.probe(tls.target());
    INFO(result.detail);
    CHECK(steps_of(result) == "connect ok, tls certificate_name");
  }
  SECTION("another authority") {
    const TlsServer tls;
    EndpointTarget target = tls.target();
    write_file(tls.ca_file, CertificateAuthority("another").pem());
    const ProbeResult result = bench.probe(target);
    INFO(result.detail);
    CHECK(steps_of(result) == "connect ok, tls certificate_untrusted");
  }
  SECTION("no TLS") {
    const PostgresServer server;
    EndpointTarget target = plain_target(server);
    target.login.sslmode = "require";
    const ProbeResult result = bench.probe(target);
    INFO(result.detail);
    CHECK(steps_of(result) == "connect ok, tls tls_not_offered");
  }
  SECTION("no CA file") {
    const TlsServer tls;
    EndpointTarget target = tls.target();
    target.login.sslrootcert = "/nonexistent/ca.pem";
    const ProbeResult result = bench.probe(target);
    INFO(result.detail);
    CHECK(result.fault == ProbeFault::kSettings);
  }
}

TEST_CASE("servers that hang, hang up or are none fail where they do", "[sources]") {
  ProbeBench bench;
  const ScriptedServer silent([](ScriptedConnection& c) { c.wait_closed(); });
  const ScriptedServer closing([](ScriptedConnection&) {});
  const ScriptedServer web([](ScriptedConnection& c) {
    c.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    c.wait_closed();
  });
  struct Case {
    const char* name;
    const ScriptedServer& server;
    const char* sslmode;
    const char* steps;
  };
  const Case cases[] = {
      {"silent", silent, "disable", "connect ok, startup timeout"},
      {"silent before TLS", silent, "require", "connect ok, tls timeout"},
      {"hangs up", closing, "disable", "connect ok, startup hung_up"},
      {"a web server", web, "disable", "connect ok, startup not_postgres"},
      {"a web server before TLS", web, "require", "connect ok, tls not_postgres"},
  };
  for (const Case& c : cases) {
    PgTarget login;
    login.sslmode = c.sslmode;
    login.user = "nobody";
    EndpointTarget target = probe_target("127.0.0.1", c.server.port(), login);
    target.timeout = kShort;
    const ProbeResult result = bench.probe(target);
    INFO(c.name << ": " << result.detail);
    CHECK(steps_of(result) == c.steps);
  }
}

TEST_CASE("logins that are refused fail in the step auth", "[sources]") {
  PostgresServer server;
  ProbeBench bench;
  EndpointTarget target = plain_target(server);
  SECTION("wrong password") {
    target.login.password = Secret("wrong");
    const ProbeResult result = bench.probe(target);
    CHECK(steps_of(result) == "connect ok, startup ok, auth auth_failed");
    CHECK(result.detail.find("wrong") == std::string::npos);
  }
  SECTION("no password") {
    target.login.password = {};
    CHECK(bench.probe(target).fault == ProbeFault::kAuthFailed);
  }
  SECTION("no such database") {
    target.login.dbname = "gone";
    const ProbeResult result = bench.probe(target);
    CHECK(result.fault == ProbeFault::kNoSuchDatabase);
    CHECK(result.phase == ProbePhase::kAuth);
  }
  SECTION("no connection left for the role") {
    server.sql("alter role keelwatch connection limit 0");
    const ProbeResult result = bench.probe(target);
    server.sql("alter role keelwatch connection limit -1");
    INFO(result.detail);
    CHECK(result.fault == ProbeFault::kTooManyConnections);
  }
}

TEST_CASE("small packets may pass where large ones are lost", "[sources]") {
  const PostgresServer server;
  ProbeBench bench;
  const NarrowPath path(bench.loop, server.port(), 1400);
  EndpointTarget target = plain_target(server);
  target.port = path.port();
  target.timeout = kShort;
  const ProbeResult result = bench.probe(target);
  INFO(result.detail);
  CHECK(steps_of(result) == "connect ok, startup ok, auth ok, query large_result_lost");
  CHECK(result.answer);
  target.large_result = false;
  CHECK(bench.probe(target).passed());
}

TEST_CASE("what stands behind PgBouncer is told from PgBouncer itself", "[sources]") {
  PostgresServer server;
  PgBouncerServer pooler(server, "query_wait_timeout = 3");
  ProbeBench bench;
  EndpointTarget target = pooled_target(pooler);
  const ProbeResult first = bench.probe(target);
  INFO(first.detail);
  REQUIRE(first.passed());
  CHECK(first.answer->server_address == "127.0.0.1:" + std::to_string(server.port()));
  target.timeout = kShort;

  SECTION("paused") {
    pooler.command("PAUSE");
    const ProbeResult result = bench.probe(target);
    INFO(result.detail);
    CHECK(steps_of(result) == "connect ok, startup ok, auth ok, query timeout");
  }
  SECTION("pool exhausted") {
    const pid_t hog = spawn(pooler.client("select pg_sleep(60)"), "/dev/null");
    ProbeResult result = bench.probe(target);
    for (int i = 0; i < 50 && result.passed(); ++i) result = bench.probe(target);
    kill(hog, SIGKILL);
    waitpid(hog, nullptr, 0);
    INFO(result.detail);
    CHECK(steps_of(result) == "connect ok, startup ok, auth ok, query timeout");
  }
  SECTION("wrong password") {
    target.login.password = Secret("wrong");
    const ProbeResult result = bench.probe(target);
    INFO(result.detail);
    CHECK(result.phase == ProbePhase::kAuth);
    CHECK(result.fault == ProbeFault::kAuthFailed);
  }
  SECTION("no such database") {
    target.login.dbname = "gone";
    const ProbeResult result = bench.probe(target);
    INFO(result.detail);
    CHECK(result.fault == ProbeFault::kNoSuchDatabase);
  }
  SECTION("PostgreSQL down") {
    server.stop();
    target.timeout = 20s;
    const ProbeResult result = bench.probe(target);
    INFO(result.detail);
    CHECK(result.fault == ProbeFault::kPoolerNoServer);
  }
}

TEST_CASE("a probe goes through a SOCKS5 proxy and keeps TLS's name", "[sources]") {
  const TlsServer tls;
  const Microsocks proxy;
  ProbeBench bench;
  const EndpointTarget target = through_proxy(tls.target(), proxy.port());
  const ProbeResult result = bench.probe(target);
  INFO(result.detail);
  CHECK(steps_of(result) == "connect ok, tls ok, startup ok, auth ok, query ok");

  EndpointTarget nowhere = target;
  nowhere.port = unused_port();
  CHECK(steps_of(bench.probe(nowhere)) == "connect refused");
  CHECK(steps_of(bench.probe(through_proxy(target, unused_port()))) == "connect proxy_failed");
  const ScriptedServer web([](ScriptedConnection& c) { c.send("HTTP/1.1 400 No\r\n\r\n"); });
  CHECK(steps_of(bench.probe(through_proxy(target, web.port()))) == "connect proxy_failed");
}

TEST_CASE("other ports are probed as far as their kind goes", "[sources]") {
  ProbeBench bench;
  const CertificateAuthority authority;
  const std::string ca_file = "/tmp/keelwatch-probe-tls-" + std::to_string(getpid()) + ".pem";
  write_file(ca_file, authority.pem());
  ScriptedServerOptions options;
  options.tls = authority.issue_for_localhost();
  const ScriptedServer tls(answer_each([](const ScriptedRequest& r) {
                             return http_response(r.target == "/" ? 200 : 503, "x");
                           }),
                           options);
  EndpointTarget target = target_of_kind("tcp", tls.port());
  CHECK(steps_of(bench.probe(target)) == "connect ok");

  target = target_of_kind("tls", tls.port());
  target.ca_file = ca_file;
  const ProbeResult result = bench.probe(target);
  CHECK(steps_of(result) == "connect ok, tls ok");
  CHECK(result.addresses.at(0).certificate_expires);
  target.tls_name = "elsewhere.example";
  CHECK(steps_of(bench.probe(target)) == "connect ok, tls certificate_name");
  target.tls_name = "localhost";
  target.ca_file.clear();
  CHECK(steps_of(bench.probe(target)) == "connect ok, tls certificate_untrusted");

  target = target_of_kind("http", tls.port());
  target.ca_file = ca_file;
  target.url = tls.url("/");
  CHECK(steps_of(bench.probe(target)) == "connect ok, query ok");
  target.url = tls.url("/down");
  const ProbeResult down = bench.probe(target);
  CHECK(steps_of(down) == "connect ok, query http_status");
  CHECK(down.detail == "status 503");
  target.ca_file.clear();
  CHECK(bench.probe(target).phase == ProbePhase::kTls);
  std::remove(ca_file.c_str());
}

TEST_CASE("no probe leaves a socket behind", "[.][sources][long:probe-sockets]") {
  const bool is_long = std::getenv("KEELWATCH_LONG") != nullptr;
  const int probes = is_long ? 10'000 : 120;
  const TlsServer tls;
  const Microsocks proxy;
  const ScriptedServer closing([](ScriptedConnection&) {});
  ProbeBench bench;
  EndpointTarget hung_up = tls.target();
  hung_up.port = closing.port();
  EndpointTarget wrong = tls.target();
  wrong.login.password = Secret("wrong");
  const EndpointTarget targets[] = {tls.target(), through_proxy(tls.target(), proxy.port()),
                                    hung_up, wrong};
  for (const EndpointTarget& target : targets) (void)bench.probe(target);
  const std::size_t before = open_descriptors();
  int passed = 0;
  for (int i = 0; i < probes; ++i) passed += bench.probe(targets[i % 4]).passed() ? 1 : 0;
  CHECK(passed == probes / 2);
  CHECK(open_descriptors() <= before);
}

}  // namespace keelwatch::sources
