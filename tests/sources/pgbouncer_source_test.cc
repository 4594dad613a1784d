#include "sources/postgres/pgbouncer_source.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"
#include "tests/standins/http_server.h"
#include "tests/support/certificates.h"
#include "tests/support/pgbouncer_server.h"
#include "tests/support/postgres_server.h"
#include "tests/support/spawn.h"

using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

using model::PgBouncer;
using model::PgBouncerSlice;
using model::Reachability;
using testing::PgBouncerServer;
using testing::PostgresServer;

// Runs a PgBouncerSource on a loop of the test's thread.
class Harness {
 public:
  using Slice = std::shared_ptr<const PgBouncerSlice>;
  using Predicate = std::function<bool(const PgBouncer&, const model::SourceReport&)>;

  Harness()
      : log_(LogLevel::kDebug, LogFormat::kLogfmt, [](std::string_view) {}),
        source_({loop_, resolver_, http_, clock_, log_}, quick(), [this](Slice slice) {
          newest_ = std::move(slice);
          arrived_.notify_all();
        }) {
    scope_.spawn(source_.run());
  }

  void watch(discovery::PgBouncerTarget target) { source_.set_targets({{std::move(target)}}); }

  // Runs the loop until the newest state of the one process is as wanted.
  PgBouncer until(const Predicate& wanted, Duration limit = 20s) {
    loop_.block_on(wait(wanted, loop_.after(limit)));
    scope_.rethrow_failure();
    REQUIRE(newest_);
    REQUIRE(newest_->instances.size() == 1);
    const PgBouncer& process = *newest_->instances[0];
    INFO("last state: " << to_string(process.reachability) << " " << process.reachability_detail
                        << ", " << report().last_error);
    REQUIRE(wanted(process, report()));
    return process;
  }
  PgBouncer until(Reachability reachability) {
    return until([&](const PgBouncer& p, const model::SourceReport&) {
      return p.reachability == reachability &&
             (reachability != Reachability::kConnected || p.pools.is_known());
    });
  }

  [[nodiscard]] const model::SourceReport& report() const { return newest_->reports.at(0); }
  [[nodiscard]] SteadyTime now() const { return loop_.now(); }

  static config::PgBouncer quick() {
    config::PgBouncer settings;
    settings.interval = 100ms;
    settings.connect_timeout = 500ms;
    settings.query_timeout = 500ms;
    return settings;
  }

 private:
  Task<> wait(Predicate wanted, SteadyTime deadline) {
    while (!newest_ || newest_->instances.size() != 1 ||
           !wanted(*newest_->instances[0], newest_->reports[0])) {
      const bool came = co_await arrived_.wait_until(deadline);
      if (!came) co_return;
    }
  }

  EventLoop loop_;
  Resolver resolver_{loop_};
  HttpClient http_{loop_, resolver_};
  SystemClock clock_;
  Logger log_;
  Signal arrived_{loop_};
  Slice newest_;
  PgBouncerSource source_;
  TaskScope scope_;
};

discovery::PgBouncerTarget console_target(const PgBouncerServer& server) {
  discovery::PgBouncerTarget target;
  target.id = {"", "pg", "pool", "one"};
  target.via = "console";
  target.console = server.console();
  return target;
}

discovery::PgBouncerTarget page_target(const std::string& url) {
  discovery::PgBouncerTarget target;
  target.id = {"db", "pg", "pg-rw", "pg-rw-a"};
  target.via = "metrics";
  target.metrics = discovery::MetricsEndpoint{url + "/metrics", {}};
  return target;
}

// A client program that runs as long as this lives.
class Client {
 public:
  explicit Client(const std::vector<std::string>& arguments)
      : pid_(testing::spawn(arguments, "/dev/null")) {}
  ~Client() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

 private:
  pid_t pid_;
};

bool all_unknown(const PgBouncer& p) {
  bool none = true;
  PgBouncer::for_each_answer([&](auto place) {
    none = none && !(p.*place).is_known() && (p.*place).why().absence == Absence::kUnknown;
  });
  return none;
}

bool knows_pool(const PgBouncer& p) { return p.pools.is_known() && !p.pools.known_value().empty(); }

// As an instance manager of CNPG 1.30 answers, shortened; pools of a database `app` added.
constexpr const char* kPage = R"(# HELP cnpg_pgbouncer_last_collection_error 1 if the last
# TYPE cnpg_pgbouncer_last_collection_error gauge
cnpg_pgbouncer_last_collection_error 0
# TYPE cnpg_pgbouncer_lists_databases gauge
cnpg_pgbouncer_lists_databases 2
cnpg_pgbouncer_lists_pools 2
cnpg_pgbouncer_lists_used_clients 9
cnpg_pgbouncer_lists_used_servers 4
# TYPE cnpg_pgbouncer_pools_cl_active gauge
cnpg_pgbouncer_pools_cl_active{database="app",user="app"} 5
cnpg_pgbouncer_pools_cl_active{database="pgbouncer",user="pgbouncer"} 1
cnpg_pgbouncer_pools_cl_active_cancel_req{database="app",user="app"} 0
cnpg_pgbouncer_pools_cl_waiting{database="app",user="app"} 3
cnpg_pgbouncer_pools_cl_waiting{database="pgbouncer",user="pgbouncer"} 0
cnpg_pgbouncer_pools_maxwait{database="app",user="app"} 1
cnpg_pgbouncer_pools_maxwait_us{database="app",user="app"} 250000
cnpg_pgbouncer_pools_pool_mode{database="app",user="app"} 2
cnpg_pgbouncer_pools_pool_mode{database="pgbouncer",user="pgbouncer"} 3
cnpg_pgbouncer_pools_sv_active{database="app",user="app"} 2
cnpg_pgbouncer_pools_sv_idle{database="app",user="app"} 1
cnpg_pgbouncer_pools_sv_login{database="app",user="app"} 0
cnpg_pgbouncer_pools_sv_used{database="app",user="app"} 1
cnpg_pgbouncer_stats_avg_wait_time{database="app"} 12.5
cnpg_pgbouncer_stats_total_query_count{database="app"} 150
cnpg_pgbouncer_stats_total_query_time{database="app"} 2.5e+06
cnpg_pgbouncer_stats_total_received{database="app"} 4096
cnpg_pgbouncer_stats_total_sent{database="app"} 8192
cnpg_pgbouncer_stats_total_wait_time{database="app"} 1.5e+06
cnpg_pgbouncer_stats_total_xact_count{database="app"} 75
)";

// The metrics server of a pooler's pod.
class PodMetrics {
 public:
  explicit PodMetrics(std::string page, std::optional<standins::ServerTls> tls = std::nullopt)
      : page_(std::move(page)),
        server_({.tls = std::move(tls)},
                [this](const standins::ServerRequest&, std::shared_ptr<standins::Exchange> e) {
                  e->send({200, {{"Content-Type", "text/plain; version=0.0.4"}}, page_});
                }) {}
  [[nodiscard]] std::string url() const { return server_.url(); }
  [[nodiscard]] std::uint16_t port() const { return server_.port(); }

 private:
  std::string page_;
  standins::HttpServer server_;
};

using ConsoleRow = std::vector<std::pair<std::string, std::string>>;  // column, value

// A console that answers each SHOW with one row or refuses it, one client at a time.
class ConsoleStandIn {
 public:
  explicit ConsoleStandIn(std::optional<ConsoleRow> state) : state_(std::move(state)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    auto* generic = reinterpret_cast<sockaddr*>(&at);
    REQUIRE(bind(listener_, generic, size) == 0);
    REQUIRE(listen(listener_, 8) == 0);
    REQUIRE(getsockname(listener_, generic, &size) == 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] {
      for (int peer = 0; (peer = accept(listener_, nullptr, nullptr)) >= 0; close(peer)) {
        serve(peer);
      }
    });
  }
  ~ConsoleStandIn() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  ConsoleStandIn(const ConsoleStandIn&) = delete;
  ConsoleStandIn& operator=(const ConsoleStandIn&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int asked_for_state() const { return asked_for_state_; }

 private:
  static std::string number(std::uint64_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
    return out;
  }
  static std::string message(char type, const std::string& body) {
    return type + number(body.size() + 4, 4) + body;
  }
  static std::string answer(const ConsoleRow& row) {
    const std::string columns = number(row.size(), 2);
    std::string names = columns;
    std::string values = columns;
    for (const auto& [name, value] : row) {
      names += name + '\0' + number(0, 6) + number(25, 4) + number(0, 8);
      values += number(value.size(), 4) + value;
    }
    return message('T', names) + message('D', values) + message('C', std::string("SHOW\0", 5));
  }
  static std::string refusal() {
    return message('E', std::string("SERROR\0C08P01\0Minvalid command\0\0", 32));
  }
  static std::string receive(int peer, std::size_t size) {
    std::string out(size, '\0');
    return recv(peer, out.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size) ? out : "";
  }
  static std::string receive_body(int peer) {
    const std::string head = receive(peer, 4);
    if (head.empty()) return {};
    std::size_t size = 0;
    for (const char c : head) size = size << 8U | static_cast<unsigned char>(c);
    return receive(peer, size - 4);
  }

  std::string reply(std::string_view sql) {
    if (sql.find("STATE") != std::string_view::npos) {
      ++asked_for_state_;
      return state_ ? answer(*state_) : refusal();
    }
    if (sql.find("DATABASES") == std::string_view::npos) return refusal();
    return answer({{"name", "app"},
                   {"host", "h"},
                   {"port", "5432"},
                   {"database", "app"},
                   {"pool_size", "1"},
                   {"paused", "0"},
                   {"disabled", "0"}});
  }
  void serve(int peer) {
    if (receive_body(peer).empty()) return;
    const std::string ready = message('Z', "I");
    std::string out = message('R', number(0, 4)) + ready;
    while (send(peer, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size())) {
      if (receive(peer, 1) != "Q") return;
      out = reply(receive_body(peer)) + ready;
    }
  }

  std::optional<ConsoleRow> state_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> asked_for_state_ = 0;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a PgBouncer is read through its console", "[sources][pgbouncer]") {
  const PostgresServer server;
  const PgBouncerServer bouncer(server, "max_client_conn = 50");
  const Client client(bouncer.client("select pg_sleep(60)"));
  Harness harness;
  harness.watch(console_target(bouncer));
  const PgBouncer process = harness.until([](const PgBouncer& p, const model::SourceReport&) {
    return knows_pool(p) && p.pools.known_value()[0].servers_active == 1;
  });

  CHECK(process.reachability == Reachability::kConnected);
  CHECK(process.via == "console");
  CHECK(process.address == "127.0.0.1:" + std::to_string(bouncer.port()));
  REQUIRE(process.pools.known_value().size() == 1);  // not that of the console
  const model::Pool& pool = process.pools.known_value()[0];
  CHECK(pool.database == "app");
  CHECK(pool.user == "keelwatch");  // as which it goes to the server
  CHECK(pool.mode == "session");
  CHECK(pool.clients_active == 1);
  CHECK(pool.clients_waiting == 0);
  CHECK(pool.servers_idle == 0);
  CHECK(pool.longest_wait == Duration::zero());
  REQUIRE(process.databases.known_value().size() == 1);
  const model::PooledDatabase& database = process.databases.known_value()[0];
  CHECK(database.name == "app");
  CHECK(database.host == "127.0.0.1");
  CHECK(database.port == server.port());
  CHECK(database.database == "postgres");
  CHECK(database.pool_size == 1);
  CHECK(database.connections == 1);
  CHECK_FALSE(database.paused);
  CHECK_FALSE(database.disabled);
  CHECK(process.totals.known_value().max_clients == 50);
  CHECK(process.totals.known_value().clients >= 2);  // the client and we
  CHECK(process.totals.known_value().servers == 1);
  REQUIRE(process.traffic.known_value().size() == 1);
  CHECK(process.traffic.known_value()[0].database == "app");

  const model::SourceReport& report = harness.report();
  CHECK(report.source == "pgbouncer");
  CHECK(report.target == "pool/one");
  CHECK(report.up);
  CHECK(report.last_success);
  CHECK(report.last_error.empty());
  CHECK(report.errors.empty());  // an old PgBouncer knows no SHOW STATE, which is no error
  CHECK(report.requests >= 6);
}

TEST_CASE("traffic is counted and clients that wait are seen waiting", "[sources][pgbouncer]") {
  const PostgresServer server;
  const PgBouncerServer bouncer(server);
  Harness harness;
  harness.watch(console_target(bouncer));
  {
    const Client counted(bouncer.client("select repeat('x', 20000)"));
    // A query is counted before all of its answer has been sent.
    const PgBouncer after = harness.until([](const PgBouncer& p, const model::SourceReport&) {
      return p.traffic.is_known() && !p.traffic.known_value().empty() &&
             p.traffic.known_value()[0].sent_bytes > 20000;
    });
    CHECK(after.traffic.known_value()[0].transactions > 0);
    CHECK(after.traffic.known_value()[0].queries > 0);
    CHECK(after.traffic.known_value()[0].received_bytes > 0);
  }
  const Client first(bouncer.client("select pg_sleep(60)"));
  const Client second(bouncer.client("select pg_sleep(60)"));
  const PgBouncer process = harness.until([](const PgBouncer& p, const model::SourceReport&) {
    return knows_pool(p) && p.pools.known_value()[0].clients_waiting == 1 &&
           p.pools.known_value()[0].longest_wait > 1s;
  });
  const model::Pool& pool = process.pools.known_value()[0];
  CHECK(pool.clients_active == 1);
  CHECK(pool.servers_active == 1);
  CHECK(pool.longest_wait < 20s);
}

TEST_CASE("a database that is paused on the console is told", "[sources][pgbouncer]") {
  const PostgresServer server;
  PgBouncerServer bouncer(server);
  Harness harness;
  harness.watch(console_target(bouncer));
  const auto paused = [](bool wanted) {
    return [wanted](const PgBouncer& p, const model::SourceReport&) {
      return p.databases.is_known() && p.databases.known_value().at(0).paused == wanted;
    };
  };
  harness.until(paused(false));
  bouncer.command("PAUSE app");
  harness.until(paused(true));
  bouncer.command("RESUME app");
  harness.until(paused(false));
}

TEST_CASE("a PgBouncer that does not tell whether all of it is paused is known as such",
          "[sources][pgbouncer]") {
  struct Case {
    const char* name;
    std::optional<ConsoleRow> state;  // none: refused, as before 1.21
    bool tells;
    bool asks_again;
    bool paused;
  };
  for (const Case& c :
       {Case{"refused", std::nullopt, false, false, false},
        Case{"no sense", ConsoleRow{{"what", "x"}}, false, true, false},
        Case{"paused", ConsoleRow{{"key", "paused"}, {"value", "yes"}}, true, true, true},
        Case{"not paused", ConsoleRow{{"key", "paused"}, {"value", "no"}}, true, true, false}}) {
    INFO(c.name);
    ConsoleStandIn console(c.state);
    discovery::PgBouncerTarget target;
    target.id = {"", "pg", "pool", "one"};
    target.via = "console";
    target.console.emplace();
    target.console->host = "127.0.0.1";
    target.console->port = console.port();
    target.console->user = "keelwatch";
    target.console->dbname = "pgbouncer";
    target.console->sslmode = "disable";
    target.console->statement_timeout = Duration::zero();
    Harness harness;
    harness.watch(target);
    const PgBouncer process = harness.until([](const PgBouncer& p, const model::SourceReport& r) {
      return p.databases.is_known() && r.requests > 16;
    });
    CHECK(process.reachability == Reachability::kConnected);
    CHECK(process.reachability_detail.empty() == c.tells);
    CHECK(process.databases.known_value().at(0).paused == c.paused);
    CHECK((console.asked_for_state() > 1) == c.asks_again);
  }
}

TEST_CASE("a refused login is no dead pooler", "[sources][pgbouncer]") {
  const PostgresServer server;
  const PgBouncerServer bouncer(server);
  struct Case {
    const char* name;
    const char* user;
    const char* password;
    const char* says;
  };
  for (const Case& c :
       {Case{"wrong password", "keelwatch", "wrong", "authentication failed"},
        Case{"no such user", "nobody", PgBouncerServer::kPassword, "authentication failed"},
        Case{"no console right", "app", PgBouncerServer::kPassword, "not allowed"}}) {
    INFO(c.name);
    discovery::PgBouncerTarget target = console_target(bouncer);
    target.console->user = c.user;
    target.console->password = Secret(c.password);
    Harness harness;
    harness.watch(target);
    const PgBouncer process = harness.until(Reachability::kAuthFailed);
    CHECK(all_unknown(process));
    CHECK_THAT(process.reachability_detail, Catch::Contains(c.says));
    CHECK_FALSE(harness.report().up);
    CHECK(harness.report().errors.at("unauthorized") >= 1);
  }
}

TEST_CASE("a PgBouncer at its client limit still tells so on its console", "[sources][pgbouncer]") {
  PostgresServer server;
  const PgBouncerServer bouncer(server, "max_client_conn = 1");
  const Client client(bouncer.client("select pg_sleep(60)"));
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (server.sql("select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'") !=
         "1") {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
  Harness harness;
  harness.watch(console_target(bouncer));
  const PgBouncer process = harness.until([](const PgBouncer& p, const model::SourceReport&) {
    return p.totals.is_known() && p.totals.known_value().clients > 1;
  });
  CHECK(process.totals.known_value().max_clients == 1);
}

TEST_CASE("a frozen PgBouncer is silent within the deadline, and heard when it is thawed",
          "[sources][pgbouncer]") {
  const PostgresServer server;
  PgBouncerServer bouncer(server);
  Harness harness;
  harness.watch(console_target(bouncer));
  harness.until(Reachability::kConnected);
  bouncer.freeze();
  const SteadyTime frozen = harness.now();
  const PgBouncer process = harness.until(Reachability::kSilent);
  CHECK(harness.now() - frozen < 10s);  // an interval, a deadline, and a loaded machine
  CHECK(all_unknown(process));
  CHECK_FALSE(harness.report().up);
  bouncer.thaw();
  harness.until(Reachability::kConnected);
  CHECK(harness.report().up);
}

TEST_CASE("a PgBouncer that ends is refused, and read anew when it is back",
          "[sources][pgbouncer]") {
  const PostgresServer server;
  PgBouncerServer bouncer(server);
  Harness harness;
  harness.watch(console_target(bouncer));
  harness.until(Reachability::kConnected);
  bouncer.stop();
  CHECK(all_unknown(harness.until(Reachability::kRefused)));
  bouncer.start();
  harness.until(Reachability::kConnected);
}

TEST_CASE("a terminating pod is let go of and one without credential is not asked",
          "[sources][pgbouncer]") {
  const PostgresServer server;
  const PgBouncerServer bouncer(server);
  Harness harness;
  discovery::PgBouncerTarget target = console_target(bouncer);
  harness.watch(target);
  harness.until(Reachability::kConnected);
  target.terminating = true;
  harness.watch(target);
  CHECK(all_unknown(harness.until(Reachability::kShuttingDown)));

  discovery::PgBouncerTarget unset = console_target(bouncer);
  unset.console.reset();
  unset.not_set_up_reason = "no credential";
  harness.watch(unset);
  const PgBouncer process = harness.until(Reachability::kNotSetUp);
  CHECK(process.pools.why().absence == Absence::kNotSetUp);
  CHECK(harness.report().not_set_up);
}

TEST_CASE("a pooler is read through the metrics of its pod", "[sources][pgbouncer]") {
  const PodMetrics pod(kPage);
  Harness harness;
  harness.watch(page_target(pod.url()));
  const PgBouncer process = harness.until(Reachability::kConnected);
  CHECK(process.via == "metrics");
  REQUIRE(process.pools.known_value().size() == 1);
  const model::Pool& pool = process.pools.known_value()[0];
  CHECK(pool.database == "app");
  CHECK(pool.user == "app");
  CHECK(pool.mode == "transaction");
  CHECK(pool.clients_active == 5);
  CHECK(pool.clients_waiting == 3);
  CHECK(pool.servers_active == 2);
  CHECK(pool.servers_idle == 1);
  CHECK(pool.servers_used == 1);
  CHECK(pool.longest_wait == 1250ms);
  REQUIRE(process.traffic.known_value().size() == 1);
  CHECK(process.traffic.known_value()[0].queries == 150);
  CHECK(process.traffic.known_value()[0].wait_time == 1500ms);
  CHECK(process.traffic.known_value()[0].query_time == 2500ms);
  CHECK(process.totals.known_value().clients == 9);
  CHECK_FALSE(process.totals.known_value().max_clients);
  CHECK(process.databases.why().absence == Absence::kNotInstalled);
  CHECK(harness.report().up);
  CHECK(harness.report().target == "db/pg-rw-a");
}

TEST_CASE("a page that makes no sense is unknown, with the place", "[sources][pgbouncer]") {
  struct Case {
    const char* name;
    std::string page;
    const char* says;
    const char* reason;
  };
  std::string without_waiting = kPage;
  without_waiting.replace(without_waiting.find("cl_waiting{database=\"app\""), 10, "cl_w8iting");
  std::string negative = kPage;
  negative.replace(negative.find("} 5\n"), 3, "} -5");
  for (const Case& c :
       {Case{"garbage", "cnpg_pgbouncer_lists_pools 2\n<html>what?</html>\n", "line 2",
             "malformed"},
        Case{"somebody else's page", "up 1\n", "no cnpg_pgbouncer_pools_cl_active", "malformed"},
        Case{"a metric lacks", without_waiting, "no cnpg_pgbouncer_pools_cl_waiting", "malformed"},
        Case{"a count below zero", negative, "cl_active is no count", "malformed"}}) {
    INFO(c.name);
    const PodMetrics pod(c.page);
    Harness harness;
    harness.watch(page_target(pod.url()));
    const PgBouncer process =
        harness.until([](const PgBouncer&, const model::SourceReport& r) { return !r.pending; });
    CHECK_FALSE(process.pools.is_known());
    CHECK(process.pools.why().absence == Absence::kUnknown);
    CHECK_THAT(process.pools.why().error.message(), Catch::Contains(c.says));
    CHECK_FALSE(harness.report().up);
    CHECK(harness.report().errors.contains(c.reason));
  }
}

TEST_CASE("an instance manager whose PgBouncer is dead does not pass for a pooler that is up",
          "[sources][pgbouncer]") {
  const PodMetrics pod("cnpg_pgbouncer_last_collection_error 1\n");
  Harness harness;
  harness.watch(page_target(pod.url()));
  const PgBouncer process = harness.until(Reachability::kUnreachable);
  CHECK(all_unknown(process));
  CHECK_THAT(process.reachability_detail, Catch::Contains("gets no answer from PgBouncer"));
}

TEST_CASE("a page by TLS is taken only under the name of the cluster's certificate",
          "[sources][pgbouncer]") {
  const testing::CertificateAuthority authority;
  const testing::CertifiedKey key = authority.issue({.dns_names = {"pg-rw"}});
  const PodMetrics pod(kPage, standins::ServerTls{key.certificate_pem, key.key_pem, {}});
  for (const char* name : {"pg-rw", "other-rw"}) {
    INFO(name);
    discovery::PgBouncerTarget target = page_target(pod.url());
    target.metrics->tls.ca_pem = authority.pem();
    target.metrics->tls.server_name = name;
    Harness harness;
    harness.watch(target);
    const bool good = std::string_view(name) == "pg-rw";
    const PgBouncer process =
        harness.until(good ? Reachability::kConnected : Reachability::kTlsFailed);
    CHECK(process.pools.is_known() == good);
  }
}

TEST_CASE("a discovered page that was never reached is not set up; a refused one is down",
          "[sources][pgbouncer]") {
  // Nothing answers at 192.0.2.0/24 (RFC 5737); no packet may leave, so a listener that never
  // accepts stands for it: its backlog is full of nobody, and no answer comes.
  standins::HttpServer mute(
      {}, [](const standins::ServerRequest&, std::shared_ptr<standins::Exchange> exchange) {
        static std::vector<std::shared_ptr<standins::Exchange>> kept;
        kept.push_back(std::move(exchange));
      });
  discovery::PgBouncerTarget target = page_target(mute.url());
  target.vantage_unproven = true;
  {
    Harness harness;
    harness.watch(target);
    const PgBouncer process = harness.until(Reachability::kNotSetUp);
    CHECK(process.pools.why().absence == Absence::kNotSetUp);
    CHECK_THAT(process.reachability_detail, Catch::Contains("never reached from here"));
    CHECK(harness.report().not_set_up);
    // Once another one was reached, silence is silence.
    const PodMetrics pod(kPage);
    discovery::PgBouncerTarget other = page_target(pod.url());
    other.vantage_unproven = true;
    harness.watch(other);
    harness.until(Reachability::kConnected);
    harness.watch(target);
    CHECK(all_unknown(harness.until(Reachability::kSilent)));
    CHECK_FALSE(harness.report().not_set_up);
  }
  std::string closed;
  {
    const PodMetrics gone(kPage);
    closed = gone.url();
  }
  Harness harness;
  discovery::PgBouncerTarget refused = page_target(closed);
  refused.vantage_unproven = true;
  harness.watch(refused);
  CHECK(all_unknown(harness.until(Reachability::kRefused)));
}

}  // namespace keelwatch::sources
