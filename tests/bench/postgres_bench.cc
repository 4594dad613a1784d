// What a round of the PostgreSQL source costs on loopback, beside `select 1`: statements, wall time
// and CPU of the client per round, on a real primary and its standby.
//   postgres_bench [ROUNDS]        default 2000
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/pg_client.h"
#include "base/resolver.h"
#include "sources/postgres/queries.h"
#include "sources/postgres/questions.h"
#include "tests/support/postgres_server.h"

using namespace std::chrono_literals;

namespace keelwatch {
namespace {

double cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

struct Cost {
  std::vector<double> ms;
  double cpu = 0;
};

Task<Cost> measure(EventLoop& loop, PgConnection& conn, std::vector<std::string> statements,
                   std::size_t rounds) {
  Cost cost;
  const double before = cpu_ms();
  for (std::size_t i = 0; i < rounds; ++i) {
    const SteadyTime start = loop.now();
    const std::vector<PgResult<PgRows>> answers =
        co_await conn.pipeline(statements, loop.after(10s));
    cost.ms.push_back(to_seconds(loop.now() - start) * 1e3);
    for (const PgResult<PgRows>& answer : answers) {
      if (answer) continue;
      std::fprintf(stderr, "refused: %s\n", answer.failure().error.message().c_str());
      std::exit(1);
    }
    if (answers.size() == 3 &&
        (!sources::decode_server(*answers[0]) || !sources::decode_senders(*answers[1]) ||
         !sources::decode_wal_receiver(*answers[2]))) {
      std::fprintf(stderr, "not decoded\n");
      std::exit(1);
    }
  }
  cost.cpu = (cpu_ms() - before) / static_cast<double>(rounds);
  std::ranges::sort(cost.ms);
  co_return cost;
}

void report(EventLoop& loop, Resolver& resolver, const testing::PostgresServer& server,
            const char* name, bool rounds_of_source, std::size_t rounds) {
  auto conn =
      loop.block_on(PgConnection::connect(loop, resolver, server.target(), loop.after(10s)));
  if (!conn) {
    std::fprintf(stderr, "connect: %s\n", conn.failure().error.message().c_str());
    std::exit(1);
  }
  std::vector<std::string> statements = {"select 1"};
  if (rounds_of_source) {
    const int version = (*conn)->server_version();
    statements = {sources::server_sql(version)};
    for (const sources::Question& question : sources::round_questions()) {
      statements.push_back(question.sql(version));
    }
  }
  const Cost cost = loop.block_on(measure(loop, **conn, statements, rounds));
  std::printf("%-18s %10zu %10.3f %10.3f %10.3f\n", name, statements.size(),
              cost.ms[cost.ms.size() / 2], cost.ms[cost.ms.size() * 99 / 100], cost.cpu);
}

}  // namespace
}  // namespace keelwatch

int main(int argc, char** argv) {
  using namespace keelwatch;
  const std::size_t rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 2000;
  if (rounds == 0) {
    std::fprintf(stderr, "usage: %s [ROUNDS]\n", argv[0]);
    return 2;
  }
  testing::PostgresServer primary;
  const std::unique_ptr<testing::PostgresServer> standby = primary.make_standby("pg-2");
  EventLoop loop;
  Resolver resolver(loop);
  std::printf("%-18s %10s %10s %10s %10s\n", "", "statements", "p50 ms", "p99 ms", "CPU ms");
  report(loop, resolver, primary, "select 1", false, rounds);
  report(loop, resolver, primary, "round, primary", true, rounds);
  report(loop, resolver, *standby, "round, standby", true, rounds);
  return 0;
}
