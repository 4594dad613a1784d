#include "tests/bench/scrape/pages.h"

#include <malloc.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/front.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "http/server.h"
#include "metrics/self.h"
#include "metrics/writer.h"
#include "tests/bench/common/process.h"
#include "tests/bench/scrape/scraper.h"

namespace keelwatch::bench {
namespace {

using namespace std::chrono_literals;
using metrics::Family;

#define KEELWATCH_BENCH_FAMILY(n)                                                                \
  Family("keelwatch_bench_quantity_" #n "_bytes", metrics::Type::kGauge, "One of ten families.", \
         {"namespace", "cluster", "pod", "node", "state", "volume"})
constexpr std::array kFamilies = {KEELWATCH_BENCH_FAMILY(0), KEELWATCH_BENCH_FAMILY(1),
                                  KEELWATCH_BENCH_FAMILY(2), KEELWATCH_BENCH_FAMILY(3),
                                  KEELWATCH_BENCH_FAMILY(4), KEELWATCH_BENCH_FAMILY(5),
                                  KEELWATCH_BENCH_FAMILY(6), KEELWATCH_BENCH_FAMILY(7),
                                  KEELWATCH_BENCH_FAMILY(8), KEELWATCH_BENCH_FAMILY(9)};
#undef KEELWATCH_BENCH_FAMILY

struct Object {
  std::string ns, cluster, pod, node, state, volume;
  double value;
};

std::vector<Object> make_objects(std::size_t series) {
  std::vector<Object> objects;
  for (std::size_t i = 0; i < series / kFamilies.size(); ++i) {
    const std::string cluster = "postgres-" + std::to_string(i / 3);
    objects.push_back({"tenant-" + std::to_string(i % 50), cluster,
                       cluster + "-" + std::to_string(i % 3 + 1), "worker-" + std::to_string(i % 9),
                       i % 2 == 0 ? "streaming" : "catchup", "pvc-5a3f9c1e-" + std::to_string(i),
                       static_cast<double>(i) * (i % 2 == 0 ? 8192 : 0.37)});
  }
  return objects;
}

// What the program does between a step and /metrics, with the step asked for by POST /step: so a
// round can begin with a snapshot that nobody has read yet.
class OurServer {
 public:
  explicit OurServer(std::size_t series) : objects_(make_objects(series)) {
    for (const Family& family : kFamilies) declared_.push_back(&family);
    step();
  }

  [[nodiscard]] http::Router router() {
    http::Router router;
    router.add("GET", "/metrics", http::Immediate{[this](const http::Request& request) {
                 return front_.serve_metrics(request);
               }});
    router.add("POST", "/step", http::Queued{[this](const http::Request&, const std::stop_token&) {
                 step();
                 return http::Response::text(200, "stepped\n");
               }});
    return router;
  }
  [[nodiscard]] const Clock& clock() const { return clock_; }

 private:
  static constexpr Duration kSlot = 1h;  // however long a round takes, its snapshot is believed

  void step() {
    MutexLock lock(mutex_);
    metrics::Writer writer(table_, declared_);
    ++steps_;
    for (const Object& o : objects_) {
      const auto value = Observed<double>::known(o.value + steps_, WallTime{});
      for (const Family& family : kFamilies) {
        writer.write(family, {o.ns, o.cluster, o.pod, o.node, o.state, o.volume}, value);
      }
    }
    auto moment = std::make_shared<app::Moment>();
    moment->slot = kSlot;
    moment->samples = std::move(writer).finish();
    table_.end_step();
    front_.show(std::move(moment));
  }

  SystemClock clock_;
  metrics::SelfMetrics self_{{.version = "bench", .revision = "bench"}, clock_};
  app::Front front_{self_, clock_, kSlot};
  std::vector<const Family*> declared_;
  const std::vector<Object> objects_;
  Mutex mutex_;
  metrics::SeriesTable table_ GUARDED_BY(mutex_);
  double steps_ GUARDED_BY(mutex_) = 0;
};

int serve_until_killed(int port) {
  std::printf("%d\n", port);
  std::fflush(stdout);
  for (;;) ::pause();
}

struct Times {
  std::vector<double> first, again, peer;
};

// The two servers of one size, and one connection to each.
struct Pair {
  Process ours, peer;
  int our_port, peer_port;
  Pair(const PageRun& run, std::size_t series)
      : ours({run.program, "serve-ours", std::to_string(series)}),
        peer({run.program, "serve-exposer", std::to_string(series)}),
        our_port(std::stoi(ours.first_line())),
        peer_port(std::stoi(peer.first_line())) {}
};

Times scrape_rounds(Scraper& ours, Scraper& peer, bool gzip, int rounds) {
  const auto one = [gzip](Scraper& scraper) {
    const std::optional<double> ms = scraper.scrape(gzip);
    if (!ms) throw std::runtime_error("a scrape took longer than its deadline");
    return *ms;
  };
  Times times;
  for (int i = 0; i < rounds; ++i) {
    if (!ours.request("POST /step")) throw std::runtime_error("a step took too long");
    times.first.push_back(one(ours));
    times.again.push_back(one(ours));
    times.peer.push_back(one(peer));
  }
  return times;
}

std::string name_of(std::size_t series) {
  return series == 1500 ? "1.5k" : std::to_string(series / 1000) + "k";
}

// The targets: of 1.5k series every scrape, of 100k the typical one.
struct Targets {
  std::optional<double> p50_first, p50_again, p99;
};
Targets targets(std::size_t series, bool gzip) {
  if (series == 1500) return {{}, {}, 0.5};
  if (series == 100'000) return {gzip ? 50.0 : 15.0, gzip ? 10.0 : 15.0, {}};
  return {};
}

void report(std::size_t series, bool gzip, const Times& times, Figures& figures) {
  const Targets target = targets(series, gzip);
  const std::string what = name_of(series) + (gzip ? " gzip, " : " plain, ");
  const std::string n = "n=" + std::to_string(times.peer.size());
  const auto add = [&](const char* which, const std::vector<double>& ours, double q,
                       std::optional<double> limit) {
    figures.push_back({what + which + (q == 0.5 ? ", p50" : ", p99"), "ms", quantile(ours, q),
                       quantile(times.peer, q), "Exposer", limit, n});
  };
  add("new snapshot", times.first, 0.5, target.p50_first);
  add("new snapshot", times.first, 0.99, target.p99);
  add("same snapshot", times.again, 0.5, target.p50_again);
  add("same snapshot", times.again, 0.99, target.p99);
}

void measure_size(const PageRun& run, std::size_t series, int rounds, Figures& figures) {
  Pair pair(run, series);
  Scraper ours(pair.our_port), peer(pair.peer_port);
  (void)ours.scrape(false);
  (void)peer.scrape(false);
  // Both pages have some series more, of the servers themselves.
  if (series_on(ours.body()) < series || series_on(peer.body()) < series) {
    throw std::runtime_error("a page lacks series");
  }
  for (const bool gzip : {false, true}) {
    (void)scrape_rounds(ours, peer, gzip, 2);  // warm
    report(series, gzip, scrape_rounds(ours, peer, gzip, rounds), figures);
  }
  const Memory our_memory = memory_of(pair.ours.pid());
  const Memory peer_memory = memory_of(pair.peer.pid());
  figures.push_back({name_of(series) + " RSS of the server after that",
                     "MB",
                     our_memory.rss_mb,
                     peer_memory.rss_mb,
                     "Exposer",
                     {},
                     ""});
  figures.push_back({name_of(series) + " peak RSS",
                     "MB",
                     our_memory.peak_mb,
                     peer_memory.peak_mb,
                     "Exposer",
                     {},
                     ""});
}

// How long a scrape takes beside so many half-sent requests; the deadline, if it gets no answer.
double beside_half_sent(int port, int count, std::chrono::milliseconds deadline) {
  const HalfSentRequests half(port, count);
  Scraper scraper(port, deadline);
  return scraper.scrape(false).value_or(static_cast<double>(deadline.count()));
}

}  // namespace

int serve_ours(std::size_t series) {
  mallopt(M_ARENA_MAX, 2);  // as the program does
  OurServer ours(series);
  Logger log;
  auto server =
      http::Server::start({{"127.0.0.1:0"}, nullptr, {}}, ours.router(), ours.clock(), log);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message().c_str());
    return 1;
  }
  const std::string& address = (*server)->bound_addresses().front();
  return serve_until_killed(std::stoi(address.substr(address.rfind(':') + 1)));
}

int serve_exposer(std::size_t series) {
  const auto registry = std::make_shared<prometheus::Registry>();
  for (const Family& family : kFamilies) {
    auto& gauges = prometheus::BuildGauge()
                       .Name(std::string(family.name()))
                       .Help(std::string(family.help()))
                       .Register(*registry);
    for (const Object& o : make_objects(series)) {
      gauges
          .Add({{"namespace", o.ns},
                {"cluster", o.cluster},
                {"pod", o.pod},
                {"node", o.node},
                {"state", o.state},
                {"volume", o.volume}})
          .Set(o.value);
    }
  }
  prometheus::Exposer exposer("127.0.0.1:0");
  exposer.RegisterCollectable(registry);
  return serve_until_killed(exposer.GetListeningPorts().front());
}

void measure_pages(const PageRun& run, Figures& figures) {
  struct Size {
    std::size_t series;
    int rounds;
  };
  for (const Size size : {Size{1500, 500}, Size{10'000, 200}, Size{100'000, 50}}) {
    std::fprintf(stderr, "%zu series beside Exposer\n", size.series);
    measure_size(run, size.series, run.smoke ? 3 : size.rounds, figures);
  }
}

void measure_stalled(const PageRun& run, Figures& figures) {
  std::fprintf(stderr, "scrapes beside half-sent requests\n");
  constexpr double kTarget = 50;  // ms
  const Pair pair(run, 1500);
  const std::chrono::milliseconds deadline = run.smoke ? 2s : 45s;
  const double peer = beside_half_sent(pair.peer_port, 2, deadline);
  const std::string note =
      peer >= static_cast<double>(deadline.count()) ? "the peer gave no answer until then" : "";
  figures.push_back({"scrape beside 2 half-sent requests", "ms",
                     beside_half_sent(pair.our_port, 2, deadline), peer, "Exposer", kTarget, note});
  figures.push_back({"scrape beside 100 half-sent requests",
                     "ms",
                     beside_half_sent(pair.our_port, 100, deadline),
                     {},
                     "",
                     kTarget,
                     ""});
}

}  // namespace keelwatch::bench
