#include "tests/bench/scrape/databases.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/bench/common/process.h"
#include "tests/bench/scrape/scraper.h"
#include "tests/standins/kube_api.h"
#include "tests/support/keelwatch_process.h"
#include "tests/support/postgres_server.h"

namespace keelwatch::bench {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;
using testing::KeelwatchProcess;
using testing::PostgresServer;

constexpr const char* kExporter = "/usr/bin/prometheus-postgres-exporter";
constexpr const char* kExporterName = "postgres_exporter";
constexpr auto kCycle = 5s;

constexpr const char* kCluster = R"({
  "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster",
  "metadata": {"namespace": "default", "name": "pg"},
  "spec": {"instances": 3},
  "status": {"phase": "Cluster in healthy state", "currentPrimary": "pg-1",
             "instances": 3, "readyInstances": 3}})";

standins::KubeApi::Options plain_http() {
  standins::KubeApi::Options options;
  options.plain_http = true;
  return options;
}

testing::PostgresOptions who_asks_in_the_log() {
  testing::PostgresOptions options;
  options.settings = {"log_line_prefix=app=%a "};
  return options;
}

// pg-1 with its standbys pg-2 and pg-3, the API that tells of them, and a folder for credentials.
struct System {
  PostgresServer primary{who_asks_in_the_log()};
  std::unique_ptr<PostgresServer> second = primary.make_standby("pg-2");
  std::unique_ptr<PostgresServer> third = primary.make_standby("pg-3");
  standins::KubeApi api{plain_http()};
  std::string folder = "/tmp/keelwatch-bench.XXXXXX";

  System() {
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
    api.install_group("postgresql.cnpg.io");
    api.put(kCluster);
    std::ofstream(folder + "/password") << PostgresServer::kPassword;
    std::ofstream(folder + "/kubeconfig")
        << "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        << "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        << "clusters: [{name: k, cluster: {server: \"" << api.url() << "\"}}]\n"
        << "users: [{name: u, user: {token: \"" << api.token() << "\"}}]\n";
  }
  ~System() { std::filesystem::remove_all(folder); }
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  // keelwatch's; `interval`: a line of YAML, or empty for the default.
  [[nodiscard]] std::string config(const std::string& interval) const {
    const auto instance = [](const char* name, const PostgresServer& server) {
      return std::string("        - {name: ") + name +
             ", host: 127.0.0.1, port: " + std::to_string(server.port()) + "}\n";
    };
    return "kubernetes: {kubeconfig: " + folder + "/kubeconfig}\npostgres:\n" + interval +
           "  password_file: " + folder +
           "/password\n"
           "  sslmode: disable\n"
           "  clusters:\n"
           "    - namespace: default\n"
           "      name: pg\n"
           "      instances:\n" +
           instance("pg-1", primary) + instance("pg-2", *second) + instance("pg-3", *third);
  }

  // Of the exporter, which takes all servers in one variable.
  [[nodiscard]] std::string data_source_names() const {
    std::string all = "DATA_SOURCE_NAME=";
    for (const int port : {primary.port(), second->port(), third->port()}) {
      if (all.back() != '=') all += ',';
      all += "postgresql://postgres@127.0.0.1:" + std::to_string(port) +
             "/postgres?sslmode=disable&application_name=exporter";
    }
    return all;
  }
};

// With more than one server the exporter's database and bgwriter collectors must be off: with them
// it answers every scrape with an error ("collected before with the same name").
struct Exporter {
  int port = free_port();
  Process process;
  explicit Exporter(const System& system)
      : process({kExporter, "--web.listen-address=127.0.0.1:" + std::to_string(port),
                 "--no-collector.database", "--no-collector.bgwriter"},
                {system.data_source_names()}) {
    for (int tries = 0; tries < 200; ++tries, std::this_thread::sleep_for(50ms)) {
      try {
        Scraper scraper(port);
        (void)scraper.scrape(true);
        return;
      } catch (const std::runtime_error&) {  // it does not listen yet
      }
    }
    throw std::runtime_error("prometheus-postgres-exporter does not serve");
  }
};

double scrape_or_throw(Scraper& scraper, bool gzip) {
  const std::optional<double> ms = scraper.scrape(gzip);
  if (!ms) throw std::runtime_error("a scrape took longer than its deadline");
  return *ms;
}

// keelwatch and, if it is installed, the exporter.
struct Programs {
  const System& system;
  KeelwatchProcess ours;
  std::unique_ptr<Exporter> peer;
  Scraper our_scraper;
  std::unique_ptr<Scraper> peer_scraper;

  Programs(const System& s, const std::string& interval)
      : system(s), ours(s.config(interval)), our_scraper(ours.port()) {
    if (std::filesystem::exists(kExporter)) {
      peer = std::make_unique<Exporter>(s);
      peer_scraper = std::make_unique<Scraper>(peer->port);
    }
    const std::string ready =
        R"(keelwatch_replication_standbys_streaming{namespace="default",cluster="pg"})";
    if (!ours.wait_for(ready, 2.0)) throw std::runtime_error("keelwatch sees no two standbys");
  }

  // Both are scraped once a cycle, as Prometheus would. The peer's times.
  std::vector<double> run_cycles(int cycles, const std::function<void()>& between = [] {}) {
    std::vector<double> peer_ms;
    auto next = steady_clock::now();
    for (int i = 0; i < cycles; ++i) {
      (void)scrape_or_throw(our_scraper, true);
      if (peer) peer_ms.push_back(scrape_or_throw(*peer_scraper, true));
      between();
      std::this_thread::sleep_until(next += kCycle);
    }
    return peer_ms;
  }
};

void measure_scrapes(Programs& programs, int rounds, Figures& figures) {
  std::size_t our_series = 0, peer_series = 0;
  for (const bool gzip : {false, true}) {
    std::vector<double> ours, peer;
    for (int i = 0; i < rounds; ++i) {
      ours.push_back(scrape_or_throw(programs.our_scraper, gzip));
      if (programs.peer) peer.push_back(scrape_or_throw(*programs.peer_scraper, gzip));
      std::this_thread::sleep_for(50ms);
    }
    if (!gzip) {
      our_series = series_on(programs.our_scraper.body());
      if (programs.peer) peer_series = series_on(programs.peer_scraper->body());
    }
    for (const double q : {0.5, 0.99}) {
      Figure figure{std::string("3 servers, scrape ") + (gzip ? "gzip" : "plain") +
                        (q == 0.5 ? ", p50" : ", p99"),
                    "ms",
                    quantile(ours, q),
                    {},
                    kExporterName,
                    q == 0.5 ? std::nullopt : std::optional(0.5),
                    std::to_string(our_series) + " and " + std::to_string(peer_series) + " series"};
      if (programs.peer) figure.peer = quantile(peer, q);
      figures.push_back(std::move(figure));
    }
  }
}

struct Cpu {
  double ours = 0;
  std::optional<double> peer;
};

// Milliseconds per cycle.
Cpu measure_cpu(Programs& programs, int cycles) {
  const auto now = [&] {
    Cpu cpu{cpu_ms(programs.ours.pid()), {}};
    if (programs.peer) cpu.peer = cpu_ms(programs.peer->process.pid());
    return cpu;
  };
  const Cpu before = now();
  (void)programs.run_cycles(cycles);
  Cpu used = now();
  used.ours = (used.ours - before.ours) / cycles;
  if (used.peer) *used.peer = (*used.peer - *before.peer) / cycles;
  return used;
}

void report_memory(const Programs& programs, Figures& figures) {
  const Memory ours = memory_of(programs.ours.pid());
  std::optional<Memory> peer;
  if (programs.peer) peer = memory_of(programs.peer->process.pid());
  const auto add = [&](const char* what, double Memory::* part, std::optional<double> target) {
    Figure figure{what, "MB", ours.*part, {}, kExporterName, target, ""};
    if (peer) figure.peer = (*peer).*part;
    figures.push_back(std::move(figure));
  };
  add("3 servers, RSS", &Memory::rss_mb, 32);
  add("3 servers, private dirty", &Memory::private_dirty_mb, 16);
}

// What one program asked of the primary, from the server's own log.
struct Asked {
  std::map<std::string, int> statements;  // text → how often
  double ms = 0;

  // How often it went round: as often as the statement that it asked most often.
  [[nodiscard]] double rounds() const {
    int most = 1;
    for (const auto& [text, count] : statements) most = std::max(most, count);
    return most;
  }
  [[nodiscard]] double statements_per_round() const {
    int all = 0;
    for (const auto& [text, count] : statements) all += count;
    return all / rounds();
  }
};

// "app=keelwatch LOG:  duration: 0.123 ms  execute <unnamed>: select ..." (parse, bind, execute) or
// "... ms  statement: select ...".
std::map<std::string, Asked> read_log(std::string_view log) {
  std::map<std::string, Asked> by_application;
  constexpr std::string_view kDuration = " LOG:  duration: ";
  while (!log.empty()) {
    const std::string line(log.substr(0, log.find('\n')));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    const std::size_t at = line.find(kDuration);
    const std::size_t ms_end = line.find(" ms  ", at);
    if (!line.starts_with("app=") || at == line.npos || ms_end == line.npos) continue;
    Asked& asked = by_application[line.substr(4, at - 4)];
    asked.ms += std::strtod(line.c_str() + at + kDuration.size(), nullptr);
    const std::string what = line.substr(ms_end + 5);
    if (what.starts_with("execute ") || what.starts_with("statement: ")) {
      ++asked.statements[what.substr(what.find(": ") + 2)];
    }
  }
  return by_application;
}

// What each server's last round took, as keelwatch itself measured it.
void append_round_ms(const std::string& page, std::vector<double>& ms) {
  const std::string mark = "\nkeelwatch_source_duration_seconds{source=\"postgres\"";
  for (std::size_t at = page.find(mark); at != page.npos; at = page.find(mark, at + 1)) {
    ms.push_back(std::strtod(page.c_str() + page.find("} ", at) + 2, nullptr) * 1e3);
  }
}

void measure_sql(Programs& programs, PostgresServer& primary, int cycles, Figures& figures) {
  std::vector<double> rounds;
  const std::vector<double> peer_rounds =
      programs.run_cycles(cycles, [&] { append_round_ms(programs.ours.metrics(), rounds); });
  primary.sql("alter system set log_min_duration_statement = 0");
  primary.sql("select pg_reload_conf()");
  (void)programs.run_cycles(1);  // until every session has heard of it
  const std::size_t begin = primary.log().size();
  (void)programs.run_cycles(cycles);
  const std::map<std::string, Asked> asked = read_log(primary.log().substr(begin));
  primary.sql("alter system reset log_min_duration_statement");
  primary.sql("select pg_reload_conf()");
  if (!asked.contains("keelwatch")) throw std::runtime_error("keelwatch asked the primary nothing");
  const Asked& ours = asked.at("keelwatch");
  Figure count{"SQL statements per cycle, of the primary",
               "",
               ours.statements_per_round(),
               {},
               kExporterName,
               {},
               "ours in one pipelined batch"};
  Figure time{
      "time of these in the server",    "ms", ours.ms / ours.rounds(), {}, kExporterName, {},
      "parse, bind and execute, logged"};
  if (asked.contains("exporter")) {
    // The exporter goes round at each scrape; it repeats some statements within one.
    const Asked& peer = asked.at("exporter");
    int all = 0;
    for (const auto& [text, times] : peer.statements) all += times;
    count.peer = static_cast<double>(all) / cycles;
    time.peer = peer.ms / cycles;
  }
  figures.push_back(std::move(count));
  figures.push_back(std::move(time));
  Figure trip{"SQL round trip per cycle and server, p50",
              "ms",
              quantile(rounds, 0.5),
              {},
              kExporterName,
              1.0,
              "after 5 s of idling; the peer's is its scrape"};
  if (programs.peer) trip.peer = quantile(peer_rounds, 0.5);
  figures.push_back(std::move(trip));
}

void report_cpu(const std::string& what, const Cpu& cpu, Figures& figures) {
  constexpr double kTarget = 15;  // 0.3 % of a core
  figures.push_back(
      {what, "ms", cpu.ours, cpu.peer, cpu.peer ? kExporterName : "", kTarget, "with the scrape"});
}

}  // namespace

void measure_databases(bool smoke, Figures& figures) {
  std::fprintf(stderr, "a primary and two standbys beside prometheus-postgres-exporter\n");
  System system;
  const int cycles = smoke ? 1 : 6;
  {
    Programs programs(system, "  interval: 5s\n");
    measure_scrapes(programs, smoke ? 3 : 200, figures);
    report_cpu("3 servers, CPU per 5 s cycle", measure_cpu(programs, cycles), figures);
    measure_sql(programs, system.primary, cycles, figures);
    report_memory(programs, figures);
  }
  Programs programs(system, "");
  const Cpu cpu = measure_cpu(programs, cycles);
  report_cpu("3 servers, CPU per 5 s, default settings", {cpu.ours, {}}, figures);
}

}  // namespace keelwatch::bench
