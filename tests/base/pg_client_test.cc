#include "base/pg_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "base/event_loop.h"
#include "base/resolver.h"
#include "tests/support/certificates.h"
#include "tests/support/dns_server.h"
#include "tests/support/postgres_server.h"

using namespace std::chrono_literals;

namespace keelwatch {
namespace {

using testing::PostgresServer;
using testing::StopMode;
using ConnectResult = PgResult<std::unique_ptr<PgConnection>>;

// A loop and what a connection needs of it, for one test.
struct Client {
  explicit Client(std::vector<std::string> dns_servers = {})
      : resolver(loop, std::move(dns_servers)) {}
  EventLoop loop;
  Resolver resolver;

  ConnectResult connect(const PgTarget& target, Duration limit = 10s) {
    return loop.block_on(PgConnection::connect(loop, resolver, target, loop.after(limit)));
  }
  PgResult<PgRows> query(PgConnection& conn, const std::string& sql, Duration limit = 10s) {
    return loop.block_on(conn.query(sql, loop.after(limit)));
  }
  std::vector<PgResult<PgRows>> pipeline(PgConnection& conn, std::vector<std::string> statements,
                                         Duration limit = 10s) {
    return loop.block_on(conn.pipeline(std::move(statements), loop.after(limit)));
  }
  bool wait_closed(PgConnection& conn, Duration limit) {
    return loop.block_on(conn.wait_closed(loop.after(limit)));
  }
};

std::string only_value(const PgResult<PgRows>& result) {
  if (!result) return "failure: " + result.failure().error.message();
  return std::string(result->get(0, 0).value_or("null"));
}

// A socket that listens, accepts nothing by itself and plays one scripted answer.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(fd_, 8) == 0);
    REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] PgTarget target() const {
    PgTarget target;
    target.host = "127.0.0.1";
    target.port = port_;
    target.user = "keelwatch";
    target.sslmode = "disable";
    return target;
  }

 private:
  int fd_;
  int port_ = 0;
};

// Accepts one connection, reads the startup packet and answers with `bytes`.
Task<> answer_once(EventLoop& loop, int listener, std::string bytes) {
  co_await loop.wait_fd(listener, Interest::kRead, loop.after(10s));
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  co_await loop.wait_fd(fd, Interest::kRead, loop.after(10s));
  char buffer[1024];
  [[maybe_unused]] auto got = recv(fd, buffer, sizeof buffer, 0);
  [[maybe_unused]] auto sent = send(fd, bytes.data(), bytes.size(), 0);
  close(fd);
}

// An ErrorResponse as PostgreSQL frames it.
std::string error_response(const std::string& severity, const std::string& sqlstate,
                           const std::string& message) {
  std::string body = "S" + severity + '\0' + "VFATAL" + '\0' + "C" + sqlstate + '\0' + "M" +
                     message + '\0' + "Fpostmaster.c" + '\0' + "L2370" + '\0' + '\0';
  const std::size_t size = body.size() + 4;
  std::string head = "E";
  for (int shift = 24; shift >= 0; shift -= 8) head += static_cast<char>((size >> shift) & 0xff);
  return head + body;
}

}  // namespace

TEST_CASE("a connection answers simple queries and pipelined statements", "[base][postgres]") {
  PostgresServer server;
  Client client;
  ConnectResult conn = client.connect(server.target());
  REQUIRE(conn);
  CHECK((*conn)->usable());
  CHECK((*conn)->server_version() >= 150000);
  CHECK((*conn)->parameter_status("server_encoding") == "UTF8");
  CHECK((*conn)->parameter_status("no_such_parameter").empty());
  CHECK((*conn)->address() == "127.0.0.1:" + std::to_string(server.port()));
  CHECK(only_value(client.query(**conn, "show application_name")) == "keelwatch");
  CHECK(only_value(client.query(**conn, "show statement_timeout")) == "2s");

  const PgResult<PgRows> rows =
      client.query(**conn, "select 1 as one, null as \"Nothing\" union all select 2, 'x'");
  REQUIRE(rows);
  CHECK(rows->rows() == 2);
  CHECK(rows->columns() == 2);
  CHECK(rows->column("Nothing") == 1U);
  CHECK_FALSE(rows->column("nothing"));
  CHECK_FALSE(rows->get(0, 1));
  CHECK(rows->get(1, 1) == "x");
  CHECK_FALSE(rows->get(2, 0));

  // A refused statement does not abort its neighbours, and the connection goes on.
  const auto results =
      client.pipeline(**conn, {"select 1", "select no_such_column", "select 1/0", "", "select 3"});
  REQUIRE(results.size() == 5);
  CHECK(only_value(results[0]) == "1");
  REQUIRE_FALSE(results[1]);
  CHECK(results[1].failure().sqlstate == "42703");
  REQUIRE_FALSE(results[2]);
  CHECK(results[2].failure().sqlstate == "22012");
  CHECK(results[2].failure().error.message() == "division by zero");
  CHECK(results[3]);
  CHECK(only_value(results[4]) == "3");
  CHECK(only_value(client.query(**conn, "select 4")) == "4");
  CHECK(only_value(client.pipeline(**conn, {"select 5"})[0]) == "5");
}

TEST_CASE("a repeated statement is prepared once, and again after it was refused",
          "[base][postgres]") {
  PostgresServer server;
  Client client;
  ConnectResult conn = client.connect(server.target());
  REQUIRE(conn);
  const std::string sql = "select * from v";
  server.sql("create view v as select 1 as a");
  server.sql("grant select on v to keelwatch");
  for (int i = 0; i < 3; ++i) CHECK(only_value(client.pipeline(**conn, {sql, sql})[1]) == "1");
  CHECK(only_value(client.query(**conn, "select count(*) from pg_prepared_statements")) == "1");

  server.sql("drop view v");
  const auto gone = client.pipeline(**conn, {sql, "select 7"});
  REQUIRE_FALSE(gone[0]);
  CHECK(gone[0].failure().sqlstate == "42P01");
  CHECK(only_value(gone[1]) == "7");
  server.sql("create view v as select 'two' as b");
  server.sql("grant select on v to keelwatch");
  CHECK(only_value(client.pipeline(**conn, {sql})[0]) == "two");

  server.sql("drop view v");
  server.sql("create view v as select 3 as a, 4 as b");
  server.sql("grant select on v to keelwatch");
  const auto changed = client.pipeline(**conn, {sql});
  REQUIRE_FALSE(changed[0]);
  CHECK(changed[0].failure().sqlstate == "0A000");
  CHECK(only_value(client.pipeline(**conn, {sql})[0]) == "3");
}

TEST_CASE("answers larger than any buffer arrive whole", "[base][postgres]") {
  PostgresServer server;
  Client client;
  ConnectResult conn = client.connect(server.target());
  REQUIRE(conn);
  const std::string big = "select repeat('x', 5000000)";
  const auto results =
      client.pipeline(**conn, {big, "select length('" + std::string(3'000'000, 'y') + "')"});
  REQUIRE(results.size() == 2);
  CHECK(only_value(results[0]).size() == 5'000'000);
  CHECK(only_value(results[1]) == "3000000");
}

TEST_CASE("a refused login says why by SQLSTATE, whatever the server's language",
          "[base][postgres]") {
  testing::PostgresOptions options;
  options.settings = {"max_connections=4", "superuser_reserved_connections=1", "max_wal_senders=0"};
  PostgresServer server(options);
  server.sql("create role nologin nologin password 'x'");
  server.sql("create database closed");
  server.sql("revoke connect on database closed from public");
  struct Case {
    std::string name;
    std::string user;
    std::string password;
    std::string dbname;
    ErrorCode code;
    std::string sqlstate;
  };
  const Case cases[] = {
      {"wrong password", "keelwatch", "wrong", "postgres", ErrorCode::kUnauthorized, "28P01"},
      {"no such role", "nobody", "x", "postgres", ErrorCode::kUnauthorized, "28P01"},
      {"role that may not log in", "nologin", "x", "postgres", ErrorCode::kUnauthorized, "28000"},
      {"no such database", "keelwatch", PostgresServer::kPassword, "nowhere", ErrorCode::kNotFound,
       "3D000"},
      {"no right to connect", "keelwatch", PostgresServer::kPassword, "closed",
       ErrorCode::kForbidden, "42501"},
      {"no password given", "keelwatch", "", "postgres", ErrorCode::kUnauthorized, ""},
  };
  Client client;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    PgTarget target = server.target();
    target.user = c.user;
    target.password = Secret(c.password);
    target.dbname = c.dbname;
    const ConnectResult conn = client.connect(target);
    REQUIRE_FALSE(conn);
    CAPTURE(conn.failure().error.message());
    CHECK(conn.failure().error.code() == c.code);
    CHECK(conn.failure().sqlstate == c.sqlstate);
    CHECK(conn.failure().phase == PgPhase::kLogin);
    CHECK(conn.failure().error.message().find("LOCATION") == std::string::npos);
  }

  std::vector<ConnectResult> taken;
  for (int i = 0; i < 3; ++i) taken.push_back(client.connect(server.target()));
  const ConnectResult one_too_many = client.connect(server.target());
  REQUIRE_FALSE(one_too_many);
  CHECK(one_too_many.failure().sqlstate == "53300");
  CHECK(one_too_many.failure().error.code() == ErrorCode::kUnavailable);
}

TEST_CASE("the SQLSTATE is found beside translated severities and hostile texts",
          "[base][postgres]") {
  struct Case {
    std::string name;
    std::string bytes;
    std::string sqlstate;
    std::string message;
  };
  const Case cases[] = {
      {"Russian", error_response("ВАЖНО", "57P03", "система баз данных останавливается"), "57P03",
       "система баз данных останавливается"},
      {"a text that looks like a code", error_response("FATAL", "28000", "see FOO:  12345"),
       "28000", "see FOO:  12345"},
      {"no answer", "", "", ""},
      {"not PostgreSQL", "HTTP/1.1 400 Bad Request\r\n\r\n", "", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Client client;
    const Listener listener;
    TaskScope scope;
    scope.spawn(answer_once(client.loop, listener.fd(), c.bytes));
    const ConnectResult conn = client.connect(listener.target());
    REQUIRE_FALSE(conn);
    CAPTURE(conn.failure().error.message());
    CHECK(conn.failure().sqlstate == c.sqlstate);
    CHECK(conn.failure().error.code() ==
          (c.sqlstate == "28000" ? ErrorCode::kUnauthorized : ErrorCode::kUnavailable));
    if (!c.message.empty()) CHECK(conn.failure().error.message() == c.message);
  }
}

TEST_CASE("a port without a server refuses and one without an answer times out",
          "[base][postgres]") {
  Client client;
  PgTarget target;
  {
    const Listener listener;  // the kernel completes the handshake, as for a frozen server
    target = listener.target();
    const SteadyTime start = client.loop.now();
    const ConnectResult silent = client.connect(target, 50ms);
    REQUIRE_FALSE(silent);
    CHECK(silent.failure().error.code() == ErrorCode::kTimeout);
    CHECK(silent.failure().phase == PgPhase::kLogin);
    CHECK(client.loop.now() - start < 1s);
  }
  const ConnectResult refused = client.connect(target);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().error.code() == ErrorCode::kUnavailable);
  CHECK(refused.failure().phase == PgPhase::kConnect);
  CHECK(refused.failure().sqlstate.empty());
}

TEST_CASE("settings that libpq refuses are the user's error", "[base][postgres]") {
  Client client;
  PgTarget target;
  target.host = "127.0.0.1";
  target.sslmode = "verify-twice";
  const ConnectResult conn = client.connect(target);
  REQUIRE_FALSE(conn);
  CHECK(conn.failure().error.code() == ErrorCode::kInvalid);
  CHECK(conn.failure().error.message().find("verify-twice") != std::string::npos);
}

TEST_CASE("a statement that misses its deadline costs the connection", "[base][postgres]") {
  PostgresServer server;
  Client client;
  PgTarget target = server.target();
  target.statement_timeout = 100ms;
  ConnectResult conn = client.connect(target);
  REQUIRE(conn);
  const auto cancelled = client.pipeline(**conn, {"select pg_sleep(20)", "select 1"});
  REQUIRE_FALSE(cancelled[0]);
  CHECK(cancelled[0].failure().sqlstate == "57014");
  CHECK(cancelled[0].failure().error.code() == ErrorCode::kTimeout);
  CHECK(only_value(cancelled[1]) == "1");

  target.statement_timeout = Duration::zero();
  conn = client.connect(target);
  REQUIRE(conn);
  const auto results =
      client.pipeline(**conn, {"select 1", "select pg_sleep(20)", "select 2"}, 50ms);
  REQUIRE(results.size() == 3);
  CHECK(only_value(results[0]) == "1");
  REQUIRE_FALSE(results[1]);
  CHECK(results[1].failure().error.code() == ErrorCode::kTimeout);
  REQUIRE_FALSE(results[2]);
  CHECK(results[2].failure().error.code() == ErrorCode::kTimeout);
  CHECK_FALSE((*conn)->usable());
  REQUIRE_FALSE(client.query(**conn, "select 1"));
}

TEST_CASE("a statement abandoned half-way leaves the connection unusable", "[base][postgres]") {
  PostgresServer server;
  Client client;
  ConnectResult conn = client.connect(server.target());
  REQUIRE(conn);
  {
    TaskScope scope;
    scope.spawn([](PgConnection& c, SteadyTime deadline) -> Task<> {
      const PgResult<PgRows> never = co_await c.query("select pg_sleep(1)", deadline);
      FAIL("a cancelled task went on");
      (void)never;
    }(**conn, client.loop.after(10s)));
    CHECK_FALSE((*conn)->usable());
  }
  REQUIRE_FALSE(client.query(**conn, "select 1"));
}

TEST_CASE("an idle connection notices how the server leaves it", "[base][postgres]") {
  PostgresServer server;
  Client client;
  ConnectResult conn = client.connect(server.target());
  REQUIRE(conn);
  CHECK_FALSE(client.wait_closed(**conn, 20ms));

  SECTION("notices and parameters are no end") {
    server.sql("alter system set timezone = 'Asia/Tokyo'");
    server.sql("select pg_reload_conf()");
    CHECK_FALSE(client.wait_closed(**conn, 200ms));
    CHECK(only_value(client.query(**conn, "do $$begin raise notice 'x'; end$$")) == "null");
    CHECK((*conn)->parameter_status("TimeZone") == "Asia/Tokyo");
  }
  SECTION("terminated by an administrator") {
    server.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where "
        "application_name = 'keelwatch' and pid <> pg_backend_pid()");
    REQUIRE(client.wait_closed(**conn, 5s));
    REQUIRE((*conn)->closed_by());
    CHECK((*conn)->closed_by()->sqlstate == "57P01");
    CHECK_FALSE((*conn)->usable());
  }
  SECTION("stopped at once") {
    server.stop(StopMode::kImmediate);
    REQUIRE(client.wait_closed(**conn, 5s));
    CHECK((*conn)->closed_by()->error.code() == ErrorCode::kUnavailable);
  }
  SECTION("killed") {
    server.kill9();
    REQUIRE(client.wait_closed(**conn, 5s));
    CHECK((*conn)->closed_by()->error.code() == ErrorCode::kUnavailable);
  }
  SECTION("let go by ourselves") {
    TaskScope scope;
    scope.spawn([](EventLoop& loop, PgConnection& c) -> Task<> {
      co_await loop.sleep_for(5ms);
      c.close();
    }(client.loop, **conn));
    REQUIRE(client.wait_closed(**conn, 5s));
    CHECK_FALSE((*conn)->closed_by());
    server.stop(StopMode::kSmart, 5s);  // no session left to wait for
  }
}

TEST_CASE("TLS is verified against the host's name, not against the address connected to",
          "[base][postgres]") {
  const testing::CertificateAuthority authority;
  const testing::CertificateAuthority stranger("another authority");
  testing::CertificateOptions certificate;
  certificate.dns_names = {"pg-rw.example"};
  const testing::CertifiedKey key = authority.issue(certificate);
  testing::PostgresOptions options;
  options.certificate_pem = key.certificate_pem;
  options.key_pem = key.key_pem;
  const PostgresServer server(options);
  const PostgresServer plain;
  const std::string ours = server.socket_directory() + "/ca.crt";
  const std::string theirs = server.socket_directory() + "/stranger.crt";
  testing::write_file(ours, authority.pem());
  testing::write_file(theirs, stranger.pem());

  struct Case {
    std::string name;
    int port;
    std::string host;
    std::string ca;
    std::optional<PgPhase> fails_in;
  };
  const Case cases[] = {
      {"right name and authority", server.port(), "pg-rw.example", ours, std::nullopt},
      {"another name", server.port(), "pg-ro.example", ours, PgPhase::kTls},
      {"another authority", server.port(), "pg-rw.example", theirs, PgPhase::kTls},
      {"no authority's file", server.port(), "pg-rw.example", "/nonexistent/ca.crt", PgPhase::kTls},
      {"a server without TLS", plain.port(), "pg-rw.example", ours, PgPhase::kTls},
  };
  Client client;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    PgTarget target = server.target();
    target.port = c.port;
    target.host = c.host;
    target.hostaddr = "127.0.0.1";
    target.sslmode = "verify-full";
    target.sslrootcert = c.ca;
    ConnectResult conn = client.connect(target);
    if (!c.fails_in) {
      REQUIRE(conn);
      CHECK(only_value(client.query(**conn,
                                    "select ssl from pg_stat_ssl where pid = "
                                    "pg_backend_pid()")) == "t");
      CHECK_FALSE(client.wait_closed(**conn, 10ms));
      continue;
    }
    REQUIRE_FALSE(conn);
    CAPTURE(conn.failure().error.message());
    CHECK(conn.failure().phase == *c.fails_in);
    CHECK(conn.failure().error.code() == ErrorCode::kUnavailable);
  }
}

TEST_CASE("names go through the resolver and every address gets its turn", "[base][postgres]") {
  const PostgresServer server;
  testing::DnsServer dns({});
  testing::DnsAnswer two;
  two.a = {"127.0.0.2", "127.0.0.1"};  // the server listens on the second one only
  dns.set("pg.example", two);
  testing::DnsAnswer silence;
  silence.kind = testing::DnsAnswer::Kind::kSilence;
  dns.set("hung.example", silence);
  Client client({dns.address()});
  PgTarget target = server.target();
  target.host = "pg.example";
  const ConnectResult conn = client.connect(target);
  REQUIRE(conn);
  CHECK((*conn)->address() == "127.0.0.1:" + std::to_string(server.port()));

  target.host = "nowhere.example";
  const ConnectResult unknown = client.connect(target);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.failure().phase == PgPhase::kResolve);
  CHECK(unknown.failure().error.code() == ErrorCode::kNotFound);

  target.host = "hung.example";
  const SteadyTime start = client.loop.now();
  const ConnectResult hung = client.connect(target, 100ms);
  REQUIRE_FALSE(hung);
  CHECK(hung.failure().phase == PgPhase::kResolve);
  CHECK(hung.failure().error.code() == ErrorCode::kTimeout);
  CHECK(client.loop.now() - start < 1s);
}

}  // namespace keelwatch
