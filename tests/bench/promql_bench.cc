// Warm evaluation, as a rule: N series of an hour of 15 s samples; each run follows a fresh append
// to every series and evaluates at a new time. Median of the CPU time of one thread; the appends
// are outside it. "cold" compiles and resolves anew, as an API query does.
//   promql_bench [series] [query]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "promql/engine.h"
#include "store/store.h"

namespace keelwatch::promql {
namespace {

constexpr std::int64_t kStep = 15'000;
constexpr const char* kQueries[] = {
    "g_bytes > 1e18",
    "g_bytes{cluster=\"c1\"} > 1e18",
    "rate(c_total[5m]) > 1e18",
    "increase(c_total[1h]) > 1e18",
    "g_bytes / on(volume) group_left() cap_bytes > 1e18",
    "max by (cluster) (g_bytes) > 1e18",
    "count(g_bytes)",
    "absent(g_bytes)",
    "predict_linear(g_bytes[1h], 3600) > 1e18",
    "time() - g_bytes > 1e18",
    "quantile by (cluster) (0.9, g_bytes) > 1e18",
    "topk(5, g_bytes) > 1e18",
    "label_replace(g_bytes, \"x\", \"$1\", \"cluster\", \"c(.*)\") > 1e18",
    "avg_over_time(g_bytes[1h]) > 1e18",
    "g_bytes unless on(volume) cap_bytes",
};

double cpu_ms() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

class Bench {
 public:
  explicit Bench(int series) {
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
    for (int t = 0; t < 241; ++t) append();
  }

  void run(const char* text) {
    std::vector<double> warm;
    std::vector<double> cold;
    Query query = compiled(text);
    for (int i = 0; i < 21; ++i) {
      append();
      double begin = cpu_ms();
      evaluate(query);
      if (i > 0) warm.push_back(cpu_ms() - begin);
      begin = cpu_ms();
      Query fresh = compiled(text);
      evaluate(fresh);
      cold.push_back(cpu_ms() - begin);
    }
    std::printf("%-70s warm %8.3f ms  cold %8.3f ms\n", text, median(warm), median(cold));
  }

 private:
  void add(const Labels& labels) {
    ids_.push_back(*store_.series(labels));
    values_.push_back(0);
  }

  void append() {
    now_ += kStep;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      values_[i] += static_cast<double>(random_() % 1000);
      store_.append(ids_[i], now_, values_[i]);
    }
    store_.end_step(now_);
  }

  static Query compiled(const char* text) {
    Result<Query> query = Query::compile(text);
    if (!query) fail(query.error());
    return *std::move(query);
  }

  void evaluate(Query& query) {
    const Result<Answer> answer = query.instant(store_, now_);
    if (!answer) fail(answer.error());
  }

  [[noreturn]] static void fail(const Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    std::exit(1);
  }

  store::Store store_;
  std::vector<store::SeriesId> ids_;
  std::vector<double> values_;
  std::int64_t now_ = 1'700'000'000'000;
  std::mt19937_64 random_;
};

}  // namespace
}  // namespace keelwatch::promql

int main(int argc, char** argv) {
  const int series = argc > 1 ? std::atoi(argv[1]) : 1000;
  keelwatch::promql::Bench bench(std::max(1, series));
  if (argc > 2) {
    bench.run(argv[2]);
    return 0;
  }
  for (const char* query : keelwatch::promql::kQueries) bench.run(query);
  return 0;
}
