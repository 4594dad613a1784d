// What a user would notice: scrapes, memory, CPU and SQL, beside prometheus-cpp's Exposer and
// prometheus-postgres-exporter in the same run. Prints JSON for tests/bench/run, which makes the
// table; progress goes to stderr. It judges nothing: times are the machine's affair.
//   scrape_bench [--smoke]
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>

#include "tests/bench/scrape/databases.h"
#include "tests/bench/scrape/pages.h"

namespace {

std::size_t series_of(std::string_view text) {
  std::size_t series = 0;
  std::from_chars(text.data(), text.data() + text.size(), series);
  return series;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace keelwatch::bench;
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (argc == 3 && mode == "serve-ours") return serve_ours(series_of(argv[2]));
  if (argc == 3 && mode == "serve-exposer") return serve_exposer(series_of(argv[2]));
  const bool smoke = argc == 2 && mode == "--smoke";
  if (argc > 1 && !smoke) {
    std::fprintf(stderr, "usage: scrape_bench [--smoke]\n");
    return 2;
  }
  try {
    Figures figures;
    const PageRun run{.program = std::filesystem::read_symlink("/proc/self/exe"), .smoke = smoke};
    measure_pages(run, figures);
    measure_stalled(run, figures);
    measure_databases(smoke, figures);
    print_json(figures);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "scrape_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
