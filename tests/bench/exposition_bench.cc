// What a /metrics page costs: our interning, printing and compressing beside prometheus-cpp's
// Registry and TextSerializer, in one run on the same series. Times are medians of the CPU time
// that the one thread used, so that a busy machine disturbs them less.
//   exposition_bench [--json]
#include <malloc.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/exposition.h"

namespace {
std::atomic<std::size_t> live_bytes{0};

void* counted(std::size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  // malloc's own header comes on top of what it lets us use.
  live_bytes.fetch_add(malloc_usable_size(memory) + sizeof(std::size_t), std::memory_order_relaxed);
  return memory;
}

void uncount(void* memory) noexcept {
  if (memory == nullptr) return;
  live_bytes.fetch_sub(malloc_usable_size(memory) + sizeof(std::size_t), std::memory_order_relaxed);
  std::free(memory);
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { uncount(memory); }
void operator delete[](void* memory) noexcept { uncount(memory); }
void operator delete(void* memory, std::size_t) noexcept { uncount(memory); }
void operator delete[](void* memory, std::size_t) noexcept { uncount(memory); }

namespace keelwatch::metrics {
namespace {

double cpu_ms() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

#define KEELWATCH_BENCH_FAMILY(n)                                                       \
  Family("keelwatch_bench_quantity_" #n "_bytes", Type::kGauge, "One of ten families.", \
         {"namespace", "cluster", "pod", "node", "state", "volume"})
constexpr Family kFamilies[] = {KEELWATCH_BENCH_FAMILY(0), KEELWATCH_BENCH_FAMILY(1),
                                KEELWATCH_BENCH_FAMILY(2), KEELWATCH_BENCH_FAMILY(3),
                                KEELWATCH_BENCH_FAMILY(4), KEELWATCH_BENCH_FAMILY(5),
                                KEELWATCH_BENCH_FAMILY(6), KEELWATCH_BENCH_FAMILY(7),
                                KEELWATCH_BENCH_FAMILY(8), KEELWATCH_BENCH_FAMILY(9)};
#undef KEELWATCH_BENCH_FAMILY

struct Object {
  std::string ns, cluster, pod, node, state, volume;
  double value;
};

std::vector<Object> make_objects(std::size_t count) {
  std::vector<Object> objects;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    objects.push_back({"tenant-" + std::to_string(i % 50), "postgres-" + std::to_string(i / 3),
                       "postgres-" + std::to_string(i / 3) + "-" + std::to_string(i % 3 + 1),
                       "worker-" + std::to_string(i % 9), i % 2 == 0 ? "streaming" : "catchup",
                       "pvc-5a3f9c1e-" + n, static_cast<double>(i) * (i % 2 == 0 ? 8192 : 0.37)});
  }
  return objects;
}

Samples write_step(SeriesTable& table, const std::vector<Object>& objects) {
  std::vector<const Family*> declared;
  for (const Family& family : kFamilies) declared.push_back(&family);
  Writer writer(table, declared);
  for (const Object& o : objects) {
    const auto value = Observed<double>::known(o.value, WallTime{});
    for (const Family& family : kFamilies) {
      writer.write(family, {o.ns, o.cluster, o.pod, o.node, o.state, o.volume}, value);
    }
  }
  Samples samples = std::move(writer).finish();
  table.end_step();
  return samples;
}

double median_ms(int runs, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const double begin = cpu_ms();
    work();
    times.push_back(cpu_ms() - begin);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

struct Row {
  std::size_t series = 0, page_bytes = 0;
  double first_step_ms = 0, step_ms = 0, print_ms = 0, gzip_ms = 0, parse_mb_per_s = 0;
  double collect_ms = 0, serialize_ms = 0;
  double our_bytes = 0, their_bytes = 0, text_bytes = 0;  // per series

  [[nodiscard]] double ratio() const { return (collect_ms + serialize_ms) / (step_ms + print_ms); }
};

void measure_ours(Row& row, const std::vector<Object>& objects, int runs) {
  const std::size_t before = live_bytes;
  SeriesTable table;
  row.first_step_ms = median_ms(1, [&] { (void)write_step(table, objects); });
  row.our_bytes = static_cast<double>(live_bytes - before) / static_cast<double>(row.series);
  Samples samples;
  // The previous step's samples die in the next one, as they do in the program.
  row.step_ms = median_ms(runs, [&] { samples = write_step(table, objects); });
  std::string page;
  row.print_ms = median_ms(runs, [&] {
    page = std::string();
    append_samples(page, samples, Format::kText004);
  });
  std::string packed;
  row.gzip_ms = median_ms(runs, [&] { packed = gzip(page); });
  row.page_bytes = page.size();
  row.text_bytes = static_cast<double>(page.size()) / static_cast<double>(row.series);
  const double parse_ms = median_ms(std::max(3, runs / 4), [&] {
    if (!parse_page(page, content_type(Format::kText004), row.series)) std::abort();
  });
  row.parse_mb_per_s = static_cast<double>(page.size()) / 1e3 / parse_ms;
}

void measure_theirs(Row& row, const std::vector<Object>& objects, int runs) {
  const std::size_t before = live_bytes;
  prometheus::Registry registry;
  std::vector<prometheus::Family<prometheus::Gauge>*> families;
  for (const Family& family : kFamilies) {
    families.push_back(&prometheus::BuildGauge()
                            .Name(std::string(family.name()))
                            .Help(std::string(family.help()))
                            .Register(registry));
  }
  for (const Object& o : objects) {
    for (auto* family : families) {
      family
          ->Add({{"namespace", o.ns},
                 {"cluster", o.cluster},
                 {"pod", o.pod},
                 {"node", o.node},
                 {"state", o.state},
                 {"volume", o.volume}})
          .Set(o.value);
    }
  }
  row.their_bytes = static_cast<double>(live_bytes - before) / static_cast<double>(row.series);
  std::vector<prometheus::MetricFamily> collected;
  row.collect_ms = median_ms(runs, [&] { collected = registry.Collect(); });
  row.serialize_ms =
      median_ms(runs, [&] { (void)prometheus::TextSerializer().Serialize(collected).size(); });
}

void print_table(const std::vector<Row>& rows) {
  std::printf("%8s | %9s %8s %8s %8s | %8s %9s | %6s | %8s %8s %8s | %9s\n", "series", "1st step",
              "step", "print", "gzip", "Collect", "Serialize", "ratio", "ours", "theirs", "text",
              "parse");
  std::printf("%8s | %9s %8s %8s %8s | %8s %9s | %6s | %8s %8s %8s | %9s\n", "", "ms", "ms", "ms",
              "ms", "ms", "ms", "", "B/series", "B/series", "B/series", "MB/s");
  for (const Row& r : rows) {
    std::printf(
        "%8zu | %9.2f %8.3f %8.3f %8.3f | %8.2f %9.2f | %5.1fx | %8.0f %8.0f %8.0f | %9.0f\n",
        r.series, r.first_step_ms, r.step_ms, r.print_ms, r.gzip_ms, r.collect_ms, r.serialize_ms,
        r.ratio(), r.our_bytes, r.their_bytes, r.text_bytes, r.parse_mb_per_s);
  }
  std::printf("ratio = (Collect + Serialize) / (step + print)\n");
}

void print_json(const std::vector<Row>& rows) {
  const char* before = "[";
  for (const Row& r : rows) {
    std::printf(
        "%s{\"series\":%zu,\"page_bytes\":%zu,\"first_step_ms\":%.3f,\"step_ms\":%.3f,"
        "\"print_ms\":%.3f,\"gzip_ms\":%.3f,\"parse_mb_per_s\":%.1f,"
        "\"prometheus_cpp_collect_ms\":%.3f,\"prometheus_cpp_serialize_ms\":%.3f,\"ratio\":%.2f,"
        "\"bytes_per_series\":%.1f,\"prometheus_cpp_bytes_per_series\":%.1f}",
        before, r.series, r.page_bytes, r.first_step_ms, r.step_ms, r.print_ms, r.gzip_ms,
        r.parse_mb_per_s, r.collect_ms, r.serialize_ms, r.ratio(), r.our_bytes, r.their_bytes);
    before = ",\n ";
  }
  std::printf("]\n");
}

}  // namespace
}  // namespace keelwatch::metrics

int main(int argc, char** argv) {
  using namespace keelwatch::metrics;
  const bool json = argc == 2 && std::string_view(argv[1]) == "--json";
  if (argc > 2 || (argc == 2 && !json)) {
    std::fprintf(stderr, "usage: exposition_bench [--json]\n");
    return 2;
  }
  std::vector<Row> rows;
  for (const std::size_t series : {std::size_t{1500}, std::size_t{10000}, std::size_t{100000}}) {
    const std::vector<Object> objects = make_objects(series / std::size(kFamilies));
    Row row;
    row.series = objects.size() * std::size(kFamilies);
    const int runs = series >= 100000 ? 15 : 101;
    measure_ours(row, objects, runs);
    measure_theirs(row, objects, std::max(5, runs / 10));
    rows.push_back(row);
  }
  json ? print_json(rows) : print_table(rows);
  return 0;
}
