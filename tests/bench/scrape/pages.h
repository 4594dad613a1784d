// The same series served by our http::Server and metrics::Page and by prometheus-cpp's Exposer,
// each in a process of its own, scraped alternately.
#pragma once

#include <cstddef>
#include <string>

#include "tests/bench/common/figure.h"

namespace keelwatch::bench {

// The bodies of the two child processes; they print their port and serve until they are killed.
int serve_ours(std::size_t series);
int serve_exposer(std::size_t series);

struct PageRun {
  std::string program;  // this program: PROGRAM serve-ours|serve-exposer SERIES
  bool smoke = false;   // few rounds, short deadlines: does it run at all
};

void measure_pages(const PageRun& run, Figures& figures);
void measure_stalled(const PageRun& run, Figures& figures);

}  // namespace keelwatch::bench
