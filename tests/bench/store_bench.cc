// What the sample store costs: bytes per sample by shape of the series, append rate, selection and
// reading. Times are CPU time of the one thread, so that a busy machine disturbs them less.
//   store_bench [--json] [--pages FOLDER]
// --pages: only the bytes per sample of recorded /metrics pages, as tests/bench/record_pages names
// them: MILLISECONDS.prom.
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/exposition.h"
#include "store/appender.h"
#include "store/store.h"

namespace keelwatch::store {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;
using Random = std::mt19937_64;

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double resident_mib() {
  long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r"); file != nullptr) {
    if (std::fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

struct Figure {
  std::string name;
  double value;
  const char* unit;
};

// The next value of one series.
struct Shape {
  const char* name;
  double (*next)(double before, Random& random);
};

double uniform(Random& random, double bound) {
  return bound * static_cast<double>(random() >> 11) / 9007199254740992.0;
}

// The typical ones: what the collectors and exporters of this field give, in equal parts.
constexpr Shape kTypical[] = {
    {"constant", [](double, Random&) { return 1.0; }},
    {"counter", [](double v, Random& r) { return v + std::floor(uniform(r, 200)); }},
    {"rare_counter", [](double v, Random& r) { return uniform(r, 1) < 0.05 ? v + 1 : v; }},
    {"slow_gauge_bytes",
     [](double v, Random& r) {
       return uniform(r, 1) < 0.2 ? v + 8192 * std::floor(uniform(r, 64)) : v;
     }},
    {"seconds_ms", [](double, Random& r) { return std::floor(uniform(r, 250)) / 1000; }},
    {"unix_time", [](double v, Random& r) { return uniform(r, 1) < 0.02 ? v + 300 : v; }},
};
constexpr Shape kNoise = {"noise", [](double, Random& r) { return uniform(r, 1); }};

Labels labels_of(std::size_t i) {
  const std::string n = std::to_string(i);
  return Labels{{kMetricName, i % 2 == 0 ? "c_total" : "g_bytes"},
                {"namespace", "tenant-" + std::to_string(i % 50)},
                {"cluster", "postgres-" + std::to_string(i % 13)},
                {"node", "worker-" + std::to_string(i % 9)},
                {"volume", "pvc-5a3f9c1e-" + n}};
}

struct Filled {
  Store store{{.retention = std::chrono::hours(7), .memory_budget = std::size_t{1} << 30}};
  std::vector<SeriesId> ids;
  std::vector<double> values;
  std::int64_t now = kStart;
  double append_seconds = 0;
  double samples = 0;
};

// `shape(i)` is that of series i. The making of values is outside the measured time.
void fill(Filled& f, std::size_t series, int steps, std::int64_t slot_ms,
          const std::function<const Shape&(std::size_t)>& shape) {
  Random random(1);
  for (std::size_t i = 0; i < series; ++i) f.ids.push_back(*f.store.series(labels_of(i)));
  f.values.assign(series, 1e6);
  for (int step = 0; step < steps; ++step) {
    f.now += slot_ms;
    for (std::size_t i = 0; i < series; ++i) f.values[i] = shape(i).next(f.values[i], random);
    const double begin = cpu_seconds();
    for (std::size_t i = 0; i < series; ++i) {
      if (f.store.append(f.ids[i], f.now, f.values[i]) != AppendOutcome::kAdded) std::abort();
    }
    f.store.end_step(f.now);
    if (step > 0) {  // the first makes the index
      f.append_seconds += cpu_seconds() - begin;
      f.samples += static_cast<double>(series);
    }
  }
}

// Of compressed samples; the raw tails are counted with the series.
double bytes_per_sample(const Store& store) {
  const StoreStats stats = store.stats();
  return static_cast<double>(stats.chunk_bytes) / static_cast<double>(stats.chunk_samples);
}

double median_seconds(int runs, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const double begin = cpu_seconds();
    work();
    times.push_back(cpu_seconds() - begin);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void measure_shapes(std::vector<Figure>& figures) {
  constexpr int kSteps = 2161;  // 3 h of 5 s slots
  const auto measure = [&](const Shape& shape) {
    Filled f;
    fill(f, 100, kSteps, 5000, [&](std::size_t) -> const Shape& { return shape; });
    figures.push_back(
        {std::string("bytes_per_sample_") + shape.name, bytes_per_sample(f.store), "B"});
  };
  for (const Shape& shape : kTypical) measure(shape);
  measure(kNoise);
}

void measure_reading(std::vector<Figure>& figures, Filled& f) {
  const std::vector<Matcher> half = {{Matcher::Op::kEqual, "__name__", "g_bytes", nullptr}};
  const std::vector<Matcher> one = {{Matcher::Op::kEqual, "volume", "pvc-5a3f9c1e-77", nullptr}};
  std::vector<SeriesRef> refs;
  figures.push_back({"select_5000_of_10000",
                     1e6 * median_seconds(51, [&] { refs = f.store.select(half); }), "us"});
  figures.push_back(
      {"select_1_of_10000", 1e6 * median_seconds(51, [&] { refs = f.store.select(one); }), "us"});
  refs = f.store.select({});
  const auto count = static_cast<double>(refs.size());
  std::vector<Sample> samples;
  std::vector<std::size_t> offsets;
  std::vector<std::uint8_t> found;
  const double last =
      median_seconds(51, [&] { f.store.read_last(refs, f.now - 300'000, f.now, samples, found); });
  figures.push_back({"read_last_per_series", 1e9 * last / count, "ns"});
  struct Window {
    const char* name;
    std::int64_t ms;
  };
  for (const Window& window : {Window{"5m", 300'000}, Window{"1h", 3'600'000}}) {
    const double seconds = median_seconds(11, [&] {
      samples.clear();
      f.store.read(refs, f.now - window.ms, f.now, samples, offsets);
    });
    figures.push_back(
        {std::string("read_") + window.name + "_per_series", 1e9 * seconds / count, "ns"});
    figures.push_back({std::string("read_") + window.name + "_per_sample",
                       1e9 * seconds / static_cast<double>(samples.size()), "ns"});
  }
}

void measure_churn(std::vector<Figure>& figures, Filled& f) {
  std::size_t next = 1'000'000;
  const double seconds = median_seconds(21, [&] {
    f.now += 15'000;
    const SeriesId id = *f.store.series(labels_of(next++));
    if (f.store.append(id, f.now, 1) != AppendOutcome::kAdded) std::abort();
    f.store.end_step(f.now);
  });
  figures.push_back({"step_with_1_new_series_of_10000", 1e6 * seconds, "us"});
}

// One producer's real pages, step by step as the program appends them.
void measure_pages(std::vector<Figure>& figures, const std::string& folder) {
  std::map<std::int64_t, std::filesystem::path> pages;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".prom") pages[std::stoll(entry.path().stem())] = entry.path();
  }
  Store store;
  Appender appender(store);
  for (const auto& [time, path] : pages) {
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto page = metrics::parse_page(text, "text/plain", 1'000'000);
    if (!page) {
      std::fprintf(stderr, "%s: %s\n", path.c_str(), page.error().message().c_str());
      std::exit(1);
    }
    appender.begin_step(time);
    for (const metrics::ParsedSample& sample : page->samples) {
      appender.append(*store.series(sample.labels), sample.value);
    }
    appender.end_step([](const SeriesRef&) { return Missing::kStale; });
    store.end_step(time);
  }
  const StoreStats stats = store.stats();
  const auto samples = static_cast<double>(stats.samples);
  figures.push_back({"recorded_pages", static_cast<double>(pages.size()), ""});
  figures.push_back({"recorded_series", static_cast<double>(stats.series), ""});
  figures.push_back({"recorded_samples", samples, ""});
  figures.push_back({"bytes_per_sample_recorded", bytes_per_sample(store), "B"});
  figures.push_back({"bytes_per_sample_recorded_with_tails_labels_and_index",
                     static_cast<double>(stats.bytes()) / samples, "B"});
}

void measure(std::vector<Figure>& figures) {
  constexpr std::size_t kSeries = 10'000;
  constexpr int kSteps = 1440;  // 6 h of 15 s
  const double before = resident_mib();
  {
    Filled f;
    fill(f, kSeries, kSteps, 15'000,
         [](std::size_t i) -> const Shape& { return kTypical[i % std::size(kTypical)]; });
    figures.push_back({"resident_10000_series_6h_of_15s", resident_mib() - before, "MiB"});
    const StoreStats stats = f.store.stats();
    figures.push_back({"accounted_10000_series_6h_of_15s",
                       static_cast<double>(stats.bytes()) / (1 << 20), "MiB"});
    figures.push_back({"bytes_per_sample_typical", bytes_per_sample(f.store), "B"});
    figures.push_back({"bytes_per_series",
                       static_cast<double>(stats.series_bytes + stats.index_bytes) / kSeries, "B"});
    figures.push_back({"append_rate", f.samples / f.append_seconds / 1e6, "M/s"});
    figures.push_back({"append_ns", f.append_seconds / f.samples * 1e9, "ns"});
    measure_reading(figures, f);
    measure_churn(figures, f);
  }
  malloc_trim(0);
  measure_shapes(figures);
}

}  // namespace
}  // namespace keelwatch::store

int main(int argc, char** argv) {
  bool json = false;
  std::string pages;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--json") {
      json = true;
    } else if (flag == "--pages" && i + 1 < argc) {
      pages = argv[++i];
    } else {
      std::fprintf(stderr, "usage: store_bench [--json] [--pages FOLDER]\n");
      return 2;
    }
  }
  std::vector<keelwatch::store::Figure> figures;
  if (pages.empty()) {
    keelwatch::store::measure(figures);
  } else {
    keelwatch::store::measure_pages(figures, pages);
  }
  const char* before = "{";
  for (const auto& figure : figures) {
    if (json) {
      std::printf("%s\"%s\":%.3f", before, figure.name.c_str(), figure.value);
      before = ",\n ";
    } else {
      std::printf("%-50s %10.2f %s\n", figure.name.c_str(), figure.value, figure.unit);
    }
  }
  if (json) std::printf("}\n");
  return 0;
}
