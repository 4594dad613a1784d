// The PromQL engine beside Prometheus' own, on the same samples in the same run. Three families of
// N series each, an hour of 15 s samples; every evaluation follows a fresh append to every series
// and is at a new time.
//   warm   as a rule: the expression is compiled, its selectors are resolved
//   cold   as a query of the API: parse, compile, resolve, evaluate
// A Prometheus does the same work either way; its time is that of its engine alone, as its API
// tells it. All times are of the wall, medians.
//   promql_bench [--json] [--smoke] [--peer NAME=PROMETHEUS]... [--series N]... [--runs N]
//                [--warm] [--query EXPR]...
// --warm: warm runs only, for a profiler.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "promql/engine.h"
#include "store/store.h"
#include "tests/bench/common/figure.h"
#include "tests/bench/promql/prometheus.h"

namespace keelwatch::bench {
namespace {

constexpr std::int64_t kStep = 15'000;
constexpr std::size_t kHistory = 241;  // samples of each series before the first query
constexpr std::string_view kNothing = " > 1e18";

struct Case {
  std::string expression;
  std::optional<double> warm_ratio;   // how many times faster than Prometheus we mean to be
  std::optional<double> ns_a_series;  // what a series may cost, warm
};

// Most of them compare with what no series reaches, so that no answer has to be printed.
const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"g_bytes > 1e18", 30, 50},
      {"g_bytes{cluster=\"c1\"} > 1e18", 30, {}},
      {"rate(c_total[5m]) > 1e18", 15, 250},
      {"increase(c_total[1h]) > 1e18", 5, {}},
      {"g_bytes / on(volume) group_left() cap_bytes > 1e18", 30, 100},
      {"max by (cluster) (g_bytes) > 1e18", {}, {}},
      {"count(g_bytes)", {}, {}},
      {"absent(g_bytes)", {}, {}},
      {"predict_linear(g_bytes[1h], 3600) > 1e18", 5, {}},
      {"time() - g_bytes > 1e18", {}, {}},
      {"quantile by (cluster) (0.9, g_bytes) > 1e18", {}, {}},
      {"topk(5, g_bytes) > 1e18", {}, {}},
      {"label_replace(g_bytes, \"x\", \"$1\", \"cluster\", \"c(.*)\") > 1e18", {}, {}},
      {"avg_over_time(g_bytes[1h]) > 1e18", 5, {}},
      {"g_bytes unless on(volume) cap_bytes", 30, {}},
  };
  return kCases;
}

using Peers = std::vector<std::unique_ptr<Prometheus>>;

// Milliseconds of one case.
struct Times {
  std::vector<double> warm, cold;
  struct Peer {
    std::vector<double> engine, http;
  };
  std::vector<Peer> peers;
};

double median(std::vector<double> values) {
  if (values.empty()) return std::nan("");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <typename Work>
double milliseconds(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

// Our store and the peers', with the same samples in them.
class Bench {
 public:
  Bench(int series, Peers peers) : peers_(std::move(peers)) {
    for (int i = 0; i < series; ++i) {
      const std::string cluster = "c" + std::to_string(i % 13);
      const std::string volume = "pvc-" + std::to_string(i);
      const std::string node = "node-" + std::to_string(i % 5);
      for (const char* name : {"c_total", "g_bytes"}) {
        add(Labels{{"__name__", name},
                   {"cluster", cluster},
                   {"volume", volume},
                   {"node", node},
                   {"namespace", "db"},
                   {"job", "bench"}});
      }
      add(Labels{{"__name__", "cap_bytes"}, {"volume", volume}});
    }
    for (std::size_t left = kHistory; left > 0; left -= steps_) {
      append(std::min<std::size_t>(left, 24));
      for (const auto& peer : peers_) send(*peer);
    }
  }

  // Half of the runs are warm ones, half cold ones; each program's follows its own append.
  Times run(const std::string& expression, int runs, bool warm_only) {
    check(expression);
    Times times;
    times.peers.resize(peers_.size());
    promql::Query query = compiled(expression);
    (void)evaluate(query);  // resolves the selectors
    for (int i = 0; i < runs; ++i) {
      append(1);
      if (warm_only || i % 2 == 0) {
        times.warm.push_back(milliseconds([&] { (void)evaluate(query); }));
      } else {
        times.cold.push_back(milliseconds([&] {
          promql::Query fresh = compiled(expression);
          (void)evaluate(fresh);
        }));
      }
      for (std::size_t p = 0; p < peers_.size(); ++p) {
        send(*peers_[p]);
        const Prometheus::Times peer = peers_[p]->query(expression, at());
        times.peers[p].engine.push_back(peer.engine_ms);
        times.peers[p].http.push_back(peer.http_ms);
      }
    }
    return times;
  }

  [[nodiscard]] const Peers& peers() const { return peers_; }
  [[nodiscard]] store::StoreStats stats() const { return store_.stats(); }

 private:
  void add(Labels labels) {
    ids_.push_back(*store_.series(labels));
    labels_.push_back(std::move(labels));
    values_.push_back(0);
  }

  // To our store; send() passes the same on to a peer.
  void append(std::size_t steps) {
    steps_ = steps;
    fresh_.resize(steps * ids_.size());
    for (std::size_t s = 0; s < steps; ++s) {
      now_ += kStep;
      for (std::size_t i = 0; i < ids_.size(); ++i) {
        values_[i] += static_cast<double>(random_() % 1000);
        fresh_[i * steps + s] = {now_, values_[i]};
        store_.append(ids_[i], now_, values_[i]);
      }
      store_.end_step(now_);
    }
  }

  void send(Prometheus& peer) const {
    const std::span<const Sample> fresh(fresh_);
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      peer.add(labels_[i], fresh.subspan(i * steps_, steps_));
    }
    peer.flush();
  }

  // What is compared must be the same work: every series' value, without the last comparison.
  void check(std::string expression) {
    if (expression.ends_with(kNothing)) expression.resize(expression.size() - kNothing.size());
    std::vector<double> ours;
    promql::Query query = compiled(expression);
    for (const promql::VectorSample& sample : evaluate(query).vector) ours.push_back(sample.value);
    std::sort(ours.begin(), ours.end());
    for (const auto& peer : peers_) {
      (void)peer->query(expression, at());
      std::vector<double> theirs = peer->values();
      std::sort(theirs.begin(), theirs.end());
      const auto close = [](double a, double b) { return std::fabs(a - b) <= 1e-9 * std::fabs(b); };
      if (!std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), close)) {
        throw std::runtime_error(fmt::format("{}: {} values, {} gives {}, not the same", expression,
                                             ours.size(), peer->name(), theirs.size()));
      }
    }
  }

  static promql::Query compiled(const std::string& expression) {
    Result<promql::Query> query = promql::Query::compile(expression);
    if (!query) throw std::runtime_error(query.error().message());
    return *std::move(query);
  }

  // Between two samples: whether a window holds its left edge is then the same in all versions.
  [[nodiscard]] std::int64_t at() const { return now_ + 5000; }

  promql::Answer evaluate(promql::Query& query) {
    Result<promql::Answer> answer = query.instant(store_, at());
    if (!answer) throw std::runtime_error(answer.error().message());
    return *std::move(answer);
  }

  store::Store store_;
  Peers peers_;
  std::vector<store::SeriesId> ids_;
  std::vector<Labels> labels_;
  std::vector<double> values_;
  std::vector<Sample> fresh_;  // of the last append: of each series so many as
  std::size_t steps_ = 0;      // that had steps
  std::int64_t now_ = 1'700'000'000'000;
  std::mt19937_64 random_;
};

struct Arguments {
  bool json = false;
  bool smoke = false;
  bool warm_only = false;
  std::vector<std::pair<std::string, std::string>> peers;  // name, program
  std::vector<int> series;
  std::optional<int> runs;
  std::vector<Case> cases;
};

// The peer's figure is that of the fastest one; the note has all of them.
void report(const Case& c, int series, const Times& times, const Peers& peers, Figures& figures) {
  const std::string size =
      series % 1000 == 0 ? fmt::format("{}k", series / 1000) : std::to_string(series);
  Figure warm{
      fmt::format("{} warm {}", size, c.expression), "ms", median(times.warm), {}, "", {}, "", {}};
  std::string note;
  for (std::size_t p = 0; p < peers.size(); ++p) {
    const double engine = median(times.peers[p].engine);
    note += fmt::format("{}{}: {:.3g}, with HTTP {:.3g}", p > 0 ? "; " : "", peers[p]->name(),
                        engine, median(times.peers[p].http));
    if (warm.peer && *warm.peer <= engine) continue;
    warm.peer = engine;
    warm.peer_name = peers[p]->name();
  }
  Figure cold = warm;
  cold.what = fmt::format("{} cold {}", size, c.expression);
  cold.ours = median(times.cold);
  cold.note = std::move(note);
  if (warm.peer) {
    warm.target_ratio = c.warm_ratio;
    cold.target_ratio = 1;
  }
  const double ns = warm.ours * 1e6 / series;
  figures.push_back(std::move(warm));
  figures.push_back(std::move(cold));
  if (c.ns_a_series) {
    figures.push_back({fmt::format("{} warm {}, a series", size, c.expression),
                       "ns",
                       ns,
                       {},
                       "",
                       c.ns_a_series,
                       "",
                       {}});
  }
}

void print_table(const Figures& figures) {
  for (const Figure& f : figures) {
    fmt::print("{:<80} {:>9.4g} {:<2}", f.what, f.ours, f.unit);
    if (f.peer) fmt::print(" {:>9.4g} {:>7.1f}x", *f.peer, *f.peer / f.ours);
    if (f.target_ratio) fmt::print(" >= {}x", *f.target_ratio);
    if (f.target) fmt::print(" <= {}", *f.target);
    fmt::print("{}{}\n", f.note.empty() ? "" : "  ", f.note);
  }
}

Figures measure(const Arguments& arguments) {
  Figures figures;
  for (const int series : arguments.series) {
    Peers peers;
    for (const auto& [name, program] : arguments.peers) {
      peers.push_back(std::make_unique<Prometheus>(name, program));
    }
    fmt::print(stderr, "PromQL on 3 x {} series\n", series);
    Bench bench(series, std::move(peers));
    // Less than 3 h of samples in all: a Prometheus would begin to write blocks.
    const int runs = arguments.runs.value_or(arguments.smoke ? 2 : (series > 3000 ? 10 : 24));
    for (const Case& c : arguments.cases) {
      fmt::print(stderr, "  {}\n", c.expression);
      report(c, series, bench.run(c.expression, runs, arguments.warm_only), bench.peers(), figures);
    }
    const store::StoreStats stats = bench.stats();
    Figure memory{fmt::format("{} series, an hour of 15 s: memory", 3 * series),
                  "MB",
                  static_cast<double>(stats.bytes()) / 1e6,
                  {},
                  "",
                  {},
                  "ours accounted by the store, the peer's RSS",
                  {}};
    for (const auto& peer : bench.peers()) {
      const double rss = memory_of(peer->pid()).rss_mb;
      if (memory.peer && *memory.peer <= rss) continue;
      memory.peer = rss;
      memory.peer_name = peer->name();
    }
    figures.push_back(std::move(memory));
  }
  return figures;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (flag == "--json") {
      arguments.json = true;
    } else if (flag == "--smoke") {
      arguments.smoke = true;
    } else if (flag == "--warm") {
      arguments.warm_only = true;
    } else if (value == nullptr) {
      return std::nullopt;
    } else if (++i; flag == "--peer" && std::strchr(value, '=') != nullptr) {
      const char* program = std::strchr(value, '=') + 1;
      arguments.peers.emplace_back(std::string(value, program - 1), program);
    } else if (flag == "--series" && std::atoi(value) > 0) {
      arguments.series.push_back(std::atoi(value));
    } else if (flag == "--runs" && std::atoi(value) > 1) {
      arguments.runs = std::atoi(value);
    } else if (flag == "--query") {
      arguments.cases.push_back({value, {}, {}});
    } else {
      return std::nullopt;
    }
  }
  if (arguments.cases.empty()) arguments.cases = cases();
  if (arguments.series.empty()) arguments.series = {1000, 10'000};
  return arguments;
}

}  // namespace
}  // namespace keelwatch::bench

int main(int argc, char** argv) {
  const auto arguments = keelwatch::bench::parse(argc, argv);
  if (!arguments) {
    std::fprintf(
        stderr,
        "usage: promql_bench [--json] [--smoke] [--peer NAME=PROMETHEUS]... [--series N]...\n"
        "                    [--runs N] [--warm] [--query EXPR]...\n");
    return 2;
  }
  try {
    const auto figures = keelwatch::bench::measure(*arguments);
    if (arguments->json) {
      keelwatch::bench::print_json(figures);
    } else {
      keelwatch::bench::print_table(figures);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "promql_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
