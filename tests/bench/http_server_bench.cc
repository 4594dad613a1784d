// Serves a page of 1 MB from memory for SECONDS, to be measured from outside:
//   http_server_bench 127.0.0.1:28080 30 &
//   wrk -t1 -c8 -d8s --latency http://127.0.0.1:28080/metrics
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

#include "http/server.h"

int main(int argc, char** argv) {
  using namespace keelwatch;
  const std::string address = argc > 1 ? argv[1] : "127.0.0.1:0";
  int seconds = 30;
  if (argc > 2) {
    const std::string_view text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), seconds);
  }
  const http::Response page = http::Response::text(200, std::string(1'000'000, 'm'));
  const http::Response small = http::Response::text(200, "ok\n");
  http::Router router;
  router.add("GET", "/metrics", http::Immediate{[page](const http::Request&) { return page; }});
  router.add("GET", "/-/healthy", http::Immediate{[small](const http::Request&) { return small; }});
  const SystemClock clock;
  Logger log;
  auto server = http::Server::start({{address}, nullptr, {}}, std::move(router), clock, log);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message().c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->bound_addresses().front().c_str());
  std::fflush(stdout);
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  return 0;
}
