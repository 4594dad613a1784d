// Clients that misbehave cost nobody but themselves.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/http/test_server.h"

namespace keelwatch::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Answer;
using testing::eventually;
using testing::RawClient;
using testing::TestServer;

constexpr std::size_t kPageBytes = 1 << 20;

Router page_routes() {
  Router router = testing::test_routes();
  Response page = Response::text(200, std::string(kPageBytes, 'm'));
  router.add("GET", "/metrics", Immediate{[page](const Request&) { return page; }});
  return router;
}

const std::string kScrape = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

std::chrono::nanoseconds median_scrape(const std::string& address) {
  std::vector<std::chrono::nanoseconds> times;
  for (int i = 0; i < 31; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    RawClient client(address);
    REQUIRE(client.ask(kScrape).body.size() == kPageBytes);
    times.push_back(std::chrono::steady_clock::now() - begin);
  }
  std::nth_element(times.begin(), times.begin() + 15, times.end());
  return times[15];
}

std::size_t open_descriptors() {
  std::size_t n = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++n;
  ::closedir(folder);
  return n;
}

TEST_CASE("100 half-sent requests and 100 readers that stop do not delay a scrape", "[http]") {
  TestServer server({}, nullptr, {"127.0.0.1:0"}, page_routes());
  const auto alone = median_scrape(server.address());

  std::vector<std::unique_ptr<RawClient>> stalled;
  for (int i = 0; i < 100; ++i) {
    stalled.push_back(std::make_unique<RawClient>(server.address()));
    REQUIRE(stalled.back()->send("GET /metrics HTTP/1.1\r\nHo"));
    stalled.push_back(std::make_unique<RawClient>(server.address(), 4096));
    REQUIRE(stalled.back()->send(kScrape + kScrape + kScrape + kScrape + kScrape + kScrape));
  }
  REQUIRE(eventually([&] { return server->stats().open_connections >= 200; }));
  const auto among_stalled = median_scrape(server.address());
  CHECK(server->stats().open_connections >= 200);  // they are all still there
  INFO("alone " << alone.count() << " ns, among stalled " << among_stalled.count() << " ns");
  CHECK(among_stalled < 4 * alone + milliseconds(2));
}

TEST_CASE("a half-sent request, a silent client and a stopped reader are dropped in time",
          "[http]") {
  ServerLimits limits;
  limits.request = milliseconds(50);
  limits.write = milliseconds(50);
  Router router = page_routes();
  const Response large = Response::text(200, std::string(16 << 20, 'm'));
  router.add("GET", "/large", Immediate{[large](const Request&) { return large; }});
  TestServer server(limits, nullptr, {"127.0.0.1:0"}, router);
  RawClient silent(server.address());
  RawClient half(server.address());
  half.send("GET / HTTP/1.1\r\n");
  RawClient half_body(server.address());
  half_body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  RawClient reader(server.address(), 4096);
  reader.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(silent.at_end());
  CHECK(half.at_end());
  CHECK(half_body.at_end());
  CHECK(eventually([&] { return server->stats().timed_out == 4; }));
  CHECK(eventually([&] { return server->stats().open_connections == 0; }));
}

TEST_CASE("dripping bytes does not prolong a request's deadline", "[http]") {
  ServerLimits limits;
  limits.request = milliseconds(100);
  TestServer server(limits);
  RawClient client(server.address());
  client.send("GET / HTTP/1.1\r\nX: ");
  CHECK(
      eventually([&] { return !client.send("y") || server->stats().timed_out == 1; }, seconds(10)));
}

TEST_CASE("an idle connection is closed after its time, without counting as a failure", "[http]") {
  ServerLimits limits;
  limits.idle = milliseconds(50);
  TestServer server(limits);
  RawClient client(server.address());
  CHECK(client.get("/hello").status == 200);
  CHECK(client.at_end());
  CHECK(server->stats().timed_out == 0);
}

TEST_CASE("with all connections used the newest pushes out the one worth least", "[http]") {
  ServerLimits limits;
  limits.connections = 4;
  limits.stalled = milliseconds(0);
  std::atomic<bool> held{true};
  Router router = page_routes();
  router.add("GET", "/held", Queued{[&held](const Request&, const std::stop_token& stop) {
               while (held && !stop.stop_requested()) std::this_thread::sleep_for(milliseconds(1));
               return Response::text(200, "held\n");
             }});
  const Response large = Response::text(200, std::string(16 << 20, 'm'));
  router.add("GET", "/large", Immediate{[large](const Request&) { return large; }});
  TestServer server(limits, nullptr, {"127.0.0.1:0"}, router);

  RawClient working(server.address());
  working.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  RawClient idle(server.address());
  REQUIRE(idle.get("/hello").status == 200);
  RawClient half(server.address());
  half.send("GET /he");
  RawClient reader(server.address(), 4096);
  reader.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(eventually([&] { return server->stats().requests == 2; }));  // idle's and reader's
  REQUIRE(server->stats().open_connections == 4);

  RawClient first(server.address());
  CHECK(first.get("/hello").status == 200);
  CHECK(idle.at_end());
  CHECK_FALSE(half.readable_now());

  first.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");  // at work now
  RawClient second(server.address());
  CHECK(second.get("/hello").status == 200);
  CHECK(half.at_end());

  second.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  RawClient third(server.address());
  CHECK(third.get("/hello").status == 200);
  CHECK(reader.ends());

  CHECK(server->stats().evicted == 3);
  third.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(eventually([&] {
    RawClient refused(server.address());
    return refused.get("/hello").status == 0 && server->stats().refused > 0;
  }));
  held = false;
  CHECK(working.read().body == "held\n");
  CHECK(first.read().body == "held\n");
  CHECK(third.read().body == "held\n");
}

TEST_CASE("a queued handler is given up at its deadline and when its client goes", "[http]") {
  ServerLimits limits;
  limits.handler = milliseconds(50);
  std::atomic<int> stopped{0};
  Router router;
  router.add("GET", "/slow", Queued{[&stopped](const Request&, const std::stop_token& stop) {
               while (!stop.stop_requested()) std::this_thread::sleep_for(milliseconds(1));
               ++stopped;
               return Response::text(200, "too late");
             }});
  SECTION("deadline") {
    TestServer server(limits, nullptr, {"127.0.0.1:0"}, router);
    RawClient client(server.address());
    const Answer a = client.get("/slow");
    CHECK(a.status == 503);
    CHECK(a.body == "the request took too long and was given up\n");
    CHECK(eventually([&] { return stopped == 1; }));
    CHECK(client.get("/slow").status == 503);  // the late answer of the first is nobody's
  }
  SECTION("client gone") {
    limits.handler = seconds(60);
    TestServer server(limits, nullptr, {"127.0.0.1:0"}, router);
    {
      RawClient client(server.address());
      client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
      REQUIRE(eventually([&] { return server->stats().accepted == 1; }));
    }
    CHECK(eventually([&] { return stopped == 1; }));
  }
  SECTION("server ends") {
    limits.handler = seconds(60);
    TestServer server(limits, nullptr, {"127.0.0.1:0"}, router);
    RawClient client(server.address());
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    server.destroy();
    CHECK(client.at_end());
  }
}

TEST_CASE("a full queue answers at once and a scrape passes it by", "[http]") {
  ServerLimits limits;
  limits.query_workers = 1;
  limits.queued_queries = 1;
  std::atomic<bool> held{true};
  std::atomic<int> running{0};
  Router router = testing::test_routes();
  router.add("GET", "/held", Queued{[&](const Request&, const std::stop_token& stop) {
               ++running;
               while (held && !stop.stop_requested()) std::this_thread::sleep_for(milliseconds(1));
               return Response::text(200, "held\n");
             }});
  TestServer server(limits, nullptr, {"127.0.0.1:0"}, router);
  const std::string ask = "GET /held HTTP/1.1\r\nHost: x\r\n\r\n";
  RawClient first(server.address());
  first.send(ask);
  REQUIRE(eventually([&] { return running == 1; }));
  RawClient second(server.address());
  RawClient third(server.address());
  second.send(ask);
  third.send(ask);  // one of both is queued, the other refused
  REQUIRE(eventually([&] { return second.readable_now() || third.readable_now(); }));
  RawClient& refused = second.readable_now() ? second : third;
  const Answer a = refused.read();
  CHECK(a.status == 503);
  CHECK(a.header("Retry-After") == "1");
  CHECK(refused.get("/hello").status == 200);
  held = false;
  CHECK(first.read().status == 200);
}

TEST_CASE("bodies being received are bounded together", "[http]") {
  ServerLimits limits;
  limits.bodies_bytes = 100'000;
  TestServer server(limits);
  RawClient first(server.address());
  first.send("POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 60001\r\n\r\n");
  first.send(std::string(60'000, 'x'));
  RawClient second(server.address());
  second.send("POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 60001\r\n\r\n");
  second.send(std::string(60'000, 'x'));
  REQUIRE(eventually([&] { return first.readable_now() || second.readable_now(); }));
  const bool first_refused = first.readable_now();
  CHECK((first_refused ? first : second).read().status == 503);
  CHECK(RawClient(server.address()).get("/hello").status == 200);  // who sends none is let by
  RawClient& other = first_refused ? second : first;
  other.send("x");
  CHECK(other.read().body == "60001");
  RawClient later(server.address());  // and the room is given back
  later.send("POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
  later.send(std::string(90'000, 'x'));
  CHECK(later.read().body == "90000");
}

TEST_CASE("without descriptors accepting pauses and goes on later", "[http]") {
  ServerLimits limits;
  limits.accept_pause = milliseconds(5);
  TestServer server(limits);
  RawClient before(server.address());
  CHECK(before.get("/hello").status == 200);
  RawClient waiting(server.address());
  REQUIRE(eventually([&] { return server->stats().open_connections == 2; }));

  rlimit old{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  RawClient late(server.address());  // its socket exists, the server's side may already, too
  REQUIRE(eventually([&] { return server->stats().open_connections == 3; }));
  const int sacrificed = ::socket(AF_INET, SOCK_STREAM, 0);
  std::vector<int> filled;
  rlimit low = old;
  low.rlim_cur = static_cast<rlim_t>(sacrificed) + 1;
  ::setrlimit(RLIMIT_NOFILE, &low);
  for (int fd = 0; (fd = ::dup(sacrificed)) >= 0;) filled.push_back(fd);
  ::close(sacrificed);
  RawClient starved(server.address());  // takes the last descriptor: none is left to accept with
  REQUIRE(starved.connected());
  starved.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(eventually([&] { return server->stats().accept_pauses > 0; }));
  ::setrlimit(RLIMIT_NOFILE, &old);
  for (int fd : filled) ::close(fd);
  CHECK(starved.read().body == "hello\n");
}

TEST_CASE("stopping finishes what has begun and closes the rest", "[http]") {
  std::atomic<bool> held{true};
  Router router = page_routes();
  router.add("GET", "/held", Queued{[&held](const Request&, const std::stop_token& stop) {
               while (held && !stop.stop_requested()) std::this_thread::sleep_for(milliseconds(1));
               return Response::text(200, stop.stop_requested() ? "stopped" : "finished");
             }});
  const Response large = Response::text(200, std::string(16 << 20, 'm'));
  router.add("GET", "/large", Immediate{[large](const Request&) { return large; }});
  TestServer server({.write = std::chrono::minutes(2)}, nullptr, {"127.0.0.1:0"}, router);
  RawClient idle(server.address());
  REQUIRE(idle.get("/hello").status == 200);
  RawClient working(server.address());
  working.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  RawClient reading(server.address());
  reading.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(eventually([&] { return server->stats().requests == 2; }));
  const std::string address = server.address();

  // Much longer than clients wait: nothing here may need the deadline.
  std::jthread stopper([&] { server->stop(std::chrono::minutes(2)); });
  CHECK(idle.at_end());
  CHECK_FALSE(RawClient(address).connected());
  held = false;
  const Answer a = working.read();
  CHECK(a.body == "finished");
  CHECK(a.header("Connection") == "close");
  CHECK(reading.read().body.size() == 16 << 20);
  working.ends();
  reading.ends();
  stopper.join();
  CHECK(server->stats().open_connections == 0);
}

TEST_CASE("stopping does not wait for a reader beyond its deadline", "[http]") {
  Router router;
  const Response large = Response::text(200, std::string(16 << 20, 'm'));
  router.add("GET", "/large", Immediate{[large](const Request&) { return large; }});
  TestServer server({}, nullptr, {"127.0.0.1:0"}, router);
  RawClient reader(server.address(), 4096);
  reader.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(eventually([&] { return server->stats().requests == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  server->stop(milliseconds(20));
  CHECK(std::chrono::steady_clock::now() - begin < seconds(5));
  server->stop(milliseconds(20));  // again is harmless
}

TEST_CASE("a thousand connections leave nothing behind", "[http]") {
  TestServer server;
  const auto round = [&](int n) {
    for (int i = 0; i < n; ++i) {
      RawClient client(server.address());
      REQUIRE(client.get(i % 2 == 0 ? "/hello" : "/queued").status == 200);
    }
    REQUIRE(eventually([&] { return server->stats().open_connections == 0; }));
  };
  round(10);
  const std::size_t before = open_descriptors();
  round(1000);
  CHECK(open_descriptors() == before);
  CHECK(server->stats().accepted == 1010);
}

TEST_CASE("many clients at once all get their own answers", "[http]") {
  TestServer server;
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        RawClient client(server.address());
        const std::string tag = std::to_string(t) + "-" + std::to_string(i);
        if (client.get("/echo?i=" + tag).body == "GET /echo i=" + tag + " body=" &&
            client.get("/queued").body == "queued\n") {
          ++right;
        }
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    server->set_web_config(nullptr);
    (void)server->stats();
  }
  for (std::thread& t : threads) t.join();
  CHECK(right == 400);
}

}  // namespace
}  // namespace keelwatch::http
