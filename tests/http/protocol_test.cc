// The protocol as a client sees it, byte by byte.
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "http/server.h"
#include "tests/http/test_server.h"

namespace keelwatch::http {
namespace {

using testing::Answer;
using testing::RawClient;
using testing::TestServer;

TEST_CASE("one request has one answer, by method, path and form", "[http]") {
  struct Case {
    const char* name;
    std::string request;
    int status;
    std::string body;
    bool stays_open;
  };
  const std::string long_value(40 * 1024, 'a');
  const Case cases[] = {
      {"GET", "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello\n", true},
      {"query and escapes", "GET /echo%2Fa?q=a%20b+c HTTP/1.1\r\nHost: x\r\n\r\n", 404,
       "404 page not found\n", true},
      {"query decoded", "GET /echo?q=a%20b+c&r HTTP/1.1\r\nHost: x\r\n\r\n", 200,
       "GET /echo q=a b c r= body=", true},
      {"absolute form", "GET http://x/hello HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello\n", true},
      {"empty lines first", "\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello\n", true},
      {"HTTP/1.0 closes", "GET /hello HTTP/1.0\r\n\r\n", 200, "hello\n", false},
      {"HTTP/1.0 keep-alive", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200,
       "hello\n", true},
      {"Connection: close", "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200,
       "hello\n", false},
      {"prefix", "GET /under/a/b HTTP/1.1\r\nHost: x\r\n\r\n", 200, "under /under/a/b", true},
      {"unknown path", "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, "404 page not found\n",
       true},
      {"unknown method", "BREW /hello HTTP/1.1\r\nHost: x\r\n\r\n", 405, "405 method not allowed\n",
       true},
      {"body with length", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 200,
       "POST /echo body=abc", true},
      {"chunked body",
       "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
       "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
       200, "POST /echo body=abcde", true},
      {"no Host", "GET /hello HTTP/1.1\r\n\r\n", 400, "Bad Request\n", false},
      {"two Hosts", "GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "Bad Request\n",
       false},
      {"not HTTP", "G@T /hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request\n", false},
      {"TLS to a plain port", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 400,
       "Bad Request\n", false},
      {"bad escape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request\n", false},
      {"NUL in path", "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request\n", false},
      {"length and chunked",
       "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       400, "Bad Request\n", false},
      {"two lengths",
       "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400,
       "Bad Request\n", false},
      {"bad length", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400,
       "Bad Request\n", false},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP Version Not Supported\n",
       false},
      {"header too large", "GET /hello HTTP/1.1\r\nHost: x\r\nX: " + long_value + "\r\n\r\n", 431,
       "Request Header Fields Too Large\n", false},
      {"target too large", "GET /" + long_value, 431, "Request Header Fields Too Large\n", false},
      {"body too large by length",
       "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413,
       "Content Too Large\n", false},
      {"unknown expectation",
       "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: cake\r\nContent-Length: 1\r\n\r\n", 417,
       "Expectation Failed\n", false},
      {"handler throws", "GET /throws HTTP/1.1\r\nHost: x\r\n\r\n", 500, "Internal Server Error\n",
       true},
      {"queued handler throws", "GET /throws-queued HTTP/1.1\r\nHost: x\r\n\r\n", 500,
       "Internal Server Error\n", true},
      {"queued handler", "GET /queued HTTP/1.1\r\nHost: x\r\n\r\n", 200, "queued\n", true},
  };
  TestServer server;
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) {
      RawClient client(server.address());
      const Answer a = client.ask(c.request);
      CHECK(a.status == c.status);
      CHECK(a.body == c.body);
      if (c.stays_open) {
        CHECK(a.header("Connection") == "keep-alive");
        CHECK(client.get("/hello").body == "hello\n");
      } else {
        CHECK(a.header("Connection") == "close");
        CHECK(client.at_end());
      }
    }
  }
}

TEST_CASE("a request cut anywhere is the same request", "[http]") {
  TestServer server;
  const std::string text =
      "POST /echo?a=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  RawClient client(server.address());
  for (char c : text) client.send({&c, 1});
  CHECK(client.read().body == "POST /echo a=1 body=abcde");
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    client.send(text.substr(0, cut));
    client.send(text.substr(cut));
    REQUIRE(client.read().body == "POST /echo a=1 body=abcde");
  }
}

TEST_CASE("pipelined requests are answered in order, immediate and queued mixed", "[http]") {
  TestServer server;
  RawClient client(server.address());
  std::string all;
  for (int i = 0; i < 300; ++i) {
    const char* path = i % 3 == 0 ? "/queued" : "/echo";
    all += "GET " + std::string(path) + "?i=" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 300; ++i) {
    const std::string want =
        i % 3 == 0 ? "queued\n" : "GET /echo i=" + std::to_string(i) + " body=";
    REQUIRE(client.read().body == want);
  }
  sender.join();
}

TEST_CASE("a client that ends its sending side still gets its answers", "[http]") {
  TestServer server;
  RawClient client(server.address());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /queued HTTP/1.1\r\nHost: x\r\n\r\n");
  client.end_sending();
  CHECK(client.read().body == "hello\n");
  CHECK(client.read().body == "queued\n");
  CHECK(client.at_end());
}

TEST_CASE("HEAD has the headers of GET and no body", "[http]") {
  TestServer server;
  RawClient client(server.address());
  client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const Answer a = client.read(true);
  CHECK(a.status == 200);
  CHECK(a.header("Content-Length") == "6");
  CHECK(client.get("/hello").body == "hello\n");  // nothing of a body was left in the stream
}

TEST_CASE("405 names the methods that are allowed", "[http]") {
  TestServer server;
  RawClient client(server.address());
  CHECK(
      client.ask("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").header("Allow") ==
      "GET, HEAD");
  CHECK(client.ask("DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n").header("Allow") ==
        "GET, HEAD, POST");
  CHECK(client.get("/reload").header("Allow") == "POST");
}

TEST_CASE("Expect: 100-continue is answered before the body", "[http]") {
  TestServer server;
  RawClient client(server.address());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  const Answer go_on = client.read();
  CHECK(go_on.status == 100);
  client.send("abc");
  CHECK(client.read().body == "POST /echo body=abc");
}

TEST_CASE("a body of exactly the limit passes, a chunked one beyond it does not", "[http]") {
  TestServer server;
  RawClient client(server.address());
  client.send("POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
  client.send(std::string(1048576, 'x'));
  CHECK(client.read().body == "1048576");
  client.send("POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("100001\r\n" + std::string(0x100001, 'x') + "\r\n0\r\n\r\n");
  CHECK(client.read().status == 413);
}

TEST_CASE("every answer forbids content sniffing and names no version", "[http]") {
  TestServer server;
  RawClient client(server.address());
  const Answer a = client.get("/hello");
  CHECK(a.header("X-Content-Type-Options") == "nosniff");
  CHECK(a.header("Content-Type") == "text/plain; charset=utf-8");
  CHECK_FALSE(a.header("Server"));
  CHECK(a.header("Date") == "Wed, 25 Nov 2026 02:56:43 GMT");
}

TEST_CASE("a handler cannot inject a header", "[http]") {
  Response r = Response::text(200, "x");
  r.headers.push_back({"X-Path", "a\r\nSet-Cookie: b"});
  const std::string head = render_head(r, {}, true, WallTime());
  CHECK(head.find("X-Path: a  Set-Cookie: b\r\n") != std::string::npos);
}

TEST_CASE("repeated request headers are one list", "[http]") {
  TestServer server;
  RawClient client(server.address());
  CHECK(
      client.ask("GET /accept HTTP/1.1\r\nHost: x\r\nAccept: a\r\naccept: b;q=0.5\r\n\r\n").body ==
      "a, b;q=0.5");
}

TEST_CASE("listening says which address failed and why", "[http]") {
  TestServer first;
  SystemClock clock;
  Logger log(LogLevel::kError);
  struct Case {
    const char* name;
    std::string address;
    std::string message;
  };
  const Case cases[] = {
      {"in use", first.address(), "listen on " + first.address() + ": address already in use"},
      {"no port", "127.0.0.1",
       "listen address \"127.0.0.1\": no port, want host:port, :port or [ipv6]:port"},
      {"port too large", ":65536",
       "listen address \":65536\": the port is not a number from 0 to 65535, want host:port, "
       ":port or [ipv6]:port"},
      {"no brackets", "::1:80",
       "listen address \"::1:80\": an IPv6 address needs brackets, want host:port, :port or "
       "[ipv6]:port"},
      {"not ours", "192.0.2.1:0", "listen on 192.0.2.1:0: Cannot assign requested address"},
  };
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) {
      auto server = Server::start({{"127.0.0.1:0", c.address}, nullptr, {}}, Router(), clock, log);
      REQUIRE_FALSE(server);
      CHECK(server.error().message() == c.message);
    }
  }
}

TEST_CASE("several addresses are served by one server", "[http]") {
  TestServer server({}, nullptr, {"127.0.0.1:0", "127.0.0.2:0", "localhost:0"});
  REQUIRE(server->bound_addresses().size() == 3);
  for (const std::string& address : server->bound_addresses()) {
    RawClient client(address);
    CHECK(client.get("/hello").status == 200);
  }
}

}  // namespace
}  // namespace keelwatch::http
