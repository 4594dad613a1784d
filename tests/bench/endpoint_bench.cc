// What probing costs: the CPU of a probe of a TLS and SCRAM endpoint by the source, beside a bare
// libpq loop that connects and asks the same, both against one real server in one run.
//   endpoint_bench [--smoke] [--json]
#include <libpq-fe.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"
#include "discovery/endpoints.h"
#include "sources/endpoints/endpoints_source.h"
#include "tests/bench/common/figure.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres_server.h"

using namespace std::chrono_literals;

namespace keelwatch {
namespace {

constexpr int kEndpoints = 200;
constexpr double kIntervalSeconds = 30;

double own_cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

struct Server {
  Server() {
    testing::write_file(ca_file, authority.pem());
    const testing::CertifiedKey key =
        authority.issue({.common_name = "pg-rw", .dns_names = {"pg-rw"}});
    testing::PostgresOptions options;
    options.certificate_pem = key.certificate_pem;
    options.key_pem = key.key_pem;
    options.settings = {"max_connections=500"};
    postgres = std::make_unique<testing::PostgresServer>(options);
  }
  ~Server() { std::remove(ca_file.c_str()); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  testing::CertificateAuthority authority;
  std::string ca_file = "/tmp/keelwatch-endpoint-bench-ca.pem";
  std::unique_ptr<testing::PostgresServer> postgres;
};

discovery::EndpointTargets targets_of(const Server& server, Duration interval) {
  discovery::EndpointTargets targets;
  for (int i = 0; i < kEndpoints; ++i) {
    discovery::EndpointTarget target;
    char name[16];
    std::snprintf(name, sizeof name, "pg-%03d:5432", i);
    target.id = {"db", "pg", name};
    target.kind = "postgres";
    target.role = "rw";
    target.host = "127.0.0.1";
    target.port = server.postgres->port();
    target.login = server.postgres->target();
    target.login.host = "pg-rw";
    target.login.sslmode = "verify-full";
    target.login.sslrootcert = server.ca_file;
    target.login.statement_timeout = Duration::zero();
    target.interval = interval;
    target.timeout = 20s;
    targets.endpoints.push_back(std::move(target));
  }
  return targets;
}

struct Cost {
  double cpu_ms = 0;
  std::int64_t probes = 0;
  [[nodiscard]] double each() const { return cpu_ms / static_cast<double>(probes); }
};

// As many rounds over all endpoints as asked for, side by side as the source does it.
Cost probe_by_source(const Server& server, int rounds) {
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  const SystemClock clock;
  Logger log(LogLevel::kError, LogFormat::kLogfmt, [](std::string_view) {});
  std::int64_t done = 0;
  std::stop_source stop;
  config::Endpoints settings;
  sources::EndpointsSource source({loop, resolver, http, clock, log}, settings,
                                  [&](const std::shared_ptr<const model::ProbeSlice>& slice) {
                                    done = 0;
                                    for (const auto& endpoint : slice->endpoints) {
                                      done += endpoint->probes;
                                      const model::ProbeResult* last = endpoint->last.if_known();
                                      if (last != nullptr && !last->passed())
                                        give_up("a probe failed: " + last->detail);
                                    }
                                    if (done >= static_cast<std::int64_t>(rounds) * kEndpoints)
                                      stop.request_stop();
                                  });
  const double before = own_cpu_ms();
  TaskScope scope;
  scope.spawn(source.run());
  source.set_targets(targets_of(server, 3s));
  loop.run(stop.get_token());
  scope.rethrow_failure();
  return {own_cpu_ms() - before, done};
}

void ask(PGconn* conn, const char* sql) {
  PGresult* result = PQexec(conn, sql);
  if (PQresultStatus(result) != PGRES_TUPLES_OK) give_up(PQerrorMessage(conn));
  PQclear(result);
}

Cost probe_by_libpq(const Server& server, int probes) {
  const std::string target =
      "host=pg-rw hostaddr=127.0.0.1 port=" + std::to_string(server.postgres->port()) +
      " dbname=postgres user=keelwatch password=" + testing::PostgresServer::kPassword +
      " sslmode=verify-full sslrootcert=" + server.ca_file;
  const double before = own_cpu_ms();
  for (int i = 0; i < probes; ++i) {
    PGconn* conn = PQconnectdb(target.c_str());
    if (PQstatus(conn) != CONNECTION_OK) give_up(PQerrorMessage(conn));
    ask(conn,
        "select pg_is_in_recovery(), current_setting('transaction_read_only'), inet_server_addr(), "
        "(select system_identifier from pg_control_system())");
    PQfinish(conn);
  }
  return {own_cpu_ms() - before, probes};
}

}  // namespace
}  // namespace keelwatch

int main(int argc, char** argv) {
  using namespace keelwatch;
  bool smoke = false;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    smoke = smoke || std::strcmp(argv[i], "--smoke") == 0;
    json = json || std::strcmp(argv[i], "--json") == 0;
  }
  const int rounds = smoke ? 1 : 5;
  const Server server;
  // Whatever is loaded once is loaded before.
  (void)probe_by_libpq(server, 20);
  // In turns, so that a machine that slows down slows both.
  Cost ours;
  Cost peer;
  for (int i = 0; i < rounds; ++i) {
    const Cost a = probe_by_source(server, 1);
    const Cost b = probe_by_libpq(server, kEndpoints);
    ours = {ours.cpu_ms + a.cpu_ms, ours.probes + a.probes};
    peer = {peer.cpu_ms + b.cpu_ms, peer.probes + b.probes};
  }
  const double share = ours.each() * kEndpoints / (kIntervalSeconds * 1e3) * 100;
  if (!json) {
    std::printf("CPU per probe: %.2f ms, bare libpq %.2f ms, ratio %.2f\n", ours.each(),
                peer.each(), ours.each() / peer.each());
    std::printf("%d endpoints every %.0f s: %.1f %% of a core\n", kEndpoints, kIntervalSeconds,
                share);
    return 0;
  }
  bench::print_json({{"probe of a TLS and SCRAM endpoint, CPU", "ms", ours.each(), peer.each(),
                      "bare libpq loop", std::nullopt, "both verify-full", 1 / 1.2},
                     {"200 endpoints every 30 s, share of a core", "%", share, std::nullopt, "", 5,
                      "", std::nullopt}});
  return 0;
}
