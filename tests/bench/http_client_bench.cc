// Time and memory of sequential keep-alive requests: http_client_bench URL [COUNT]
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/http_client.h"

namespace keelwatch {
namespace {

long max_rss_kb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

Task<int> fetch_many(EventLoop& loop, HttpClient& http, std::string url, int count) {
  int ok = 0;
  for (int i = 0; i < count; ++i) {
    HttpRequest request;
    request.url = url;
    request.deadline = loop.after(std::chrono::seconds(10));
    const auto response = co_await http.fetch(std::move(request));
    if (response && response->status == 200) ++ok;
  }
  co_return ok;
}

}  // namespace
}  // namespace keelwatch

int main(int argc, char** argv) {
  using namespace keelwatch;
  if (argc < 2) {
    std::fprintf(stderr, "usage: http_client_bench URL [COUNT]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const int count = argc > 2 ? std::atoi(argv[2]) : 10'000;
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  loop.block_on(fetch_many(loop, http, argv[1], 100));
  const long before = max_rss_kb();
  const SteadyTime start = loop.now();
  const int ok = loop.block_on(fetch_many(loop, http, argv[1], count));
  const double seconds = to_seconds(loop.now() - start);
  std::printf("requests %d ok %d, %.1f us each, max RSS %ld kB, grown %ld kB\n", count, ok,
              seconds / count * 1e6, max_rss_kb(), max_rss_kb() - before);
  return ok == count ? 0 : 1;
}
