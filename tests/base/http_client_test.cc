#include "base/http_client.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>

#include "base/time_text.h"
#include "tests/support/net_fixture.h"
#include "tests/support/scripted_server.h"

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace keelwatch {
namespace {

using testing::answer_each;
using testing::http_response;
using testing::NetFixture;
using testing::ScriptedConnection;
using testing::ScriptedHandler;
using testing::ScriptedRequest;
using testing::ScriptedServer;

// printf 'hello hello hello' | gzip -n
constexpr unsigned char kGzip[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
                                   0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x90, 0x00,
                                   0x80, 0x88, 0xf9, 0xe5, 0x11, 0x00, 0x00, 0x00};

std::string gzipped() { return {reinterpret_cast<const char*>(kGzip), sizeof kGzip}; }

std::string many_headers() {
  std::string out;
  for (int i = 0; i < 40'000; ++i) out += "X-Header: 1\r\n";
  return out;
}

// Reads a request, sends these bytes, closes.
ScriptedHandler send_and_close(std::string bytes) {
  return [bytes](ScriptedConnection& connection) {
    if (connection.read_request()) connection.send(bytes);
  };
}

ScriptedHandler send_and_hang(std::string bytes) {
  return [bytes](ScriptedConnection& connection) {
    if (!connection.read_request()) return;
    connection.send(bytes);
    connection.wait_closed();
  };
}

Task<> count_ok(HttpClient& http, HttpRequest request, int& left, int& ok, Signal& done) {
  const auto response = co_await http.fetch(std::move(request));
  if (response && response->status == 200) ++ok;
  if (--left == 0) done.notify_all();
}

Task<int> fetch_at_once(NetFixture& net, std::vector<HttpRequest> requests) {
  Signal done(net.loop);
  TaskScope scope;
  int left = static_cast<int>(requests.size());
  int ok = 0;
  for (HttpRequest& r : requests) {
    scope.spawn(count_ok(net.http, std::move(r), left, ok, done));
  }
  while (left > 0) co_await done.wait_until(net.loop.after(30s));
  co_return ok;
}

Task<> fetch_and_forget(HttpClient& http, HttpRequest request,
                        std::optional<Result<HttpResponse>>& out) {
  out.emplace(co_await http.fetch(std::move(request)));
}

Task<> pass_time(EventLoop& loop, Duration d) { co_await loop.sleep_for(d); }

Task<> run_until(EventLoop& loop, std::future<void>& done) {
  while (done.wait_for(0s) != std::future_status::ready) co_await loop.sleep_for(1ms);
}

}  // namespace

TEST_CASE("every status is an answer, with its headers and body", "[http]") {
  const ScriptedServer server(answer_each([](const ScriptedRequest& r) {
    return http_response(std::stoi(r.target.substr(1)), "body of " + r.target,
                         "X-Kind: Fish\r\nDate: Wed, 25 Nov 2026 02:56:43 GMT\r\n");
  }));
  NetFixture net;
  for (const int status : {200, 301, 404, 410, 500}) {
    INFO(status);
    const auto response = net.get(server.url("/" + std::to_string(status)));
    REQUIRE(response);
    CHECK(response->status == status);
    CHECK(response->body == "body of /" + std::to_string(status));
    CHECK(response->header("x-kind") == "Fish");
    CHECK(response->header("absent").empty());
    const auto date = parse_http_date(response->header("date"));
    REQUIRE(date);
    CHECK(format_rfc3339(*date, 0) == "2026-11-25T02:56:43Z");
    CHECK(response->bytes_received > response->body.size());
  }
  CHECK(server.connections() == 1);  // kept alive and reused
}

TEST_CASE("bodies in all transfer forms arrive whole", "[http]") {
  struct Case {
    const char* name;
    std::string bytes;
    std::string body;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const Case cases[] = {
      {"content length", ok + "Content-Length: 3\r\n\r\nabc", "abc"},
      {"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
       "abcde"},
      {"chunked with trailer",
       ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Late: 1\r\n\r\n", "a"},
      {"until close", ok + "Connection: close\r\n\r\nabc", "abc"},
      {"gzip", ok + "Content-Encoding: gzip\r\nContent-Length: 28\r\n\r\n" + gzipped(),
       "hello hello hello"},
      {"after 100 Continue",
       "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na", "a"},
      {"none", "HTTP/1.1 204 No Content\r\n\r\n", ""},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const ScriptedServer server(send_and_close(c.bytes));
    NetFixture net;
    const auto response = net.get(server.url());
    REQUIRE(response);
    CHECK(response->body == c.body);
    CHECK(response->header("x-late").empty());
    CHECK(response->header("x-early").empty());
  }
}

TEST_CASE("a broken answer is an error that says what broke", "[http]") {
  struct Case {
    const char* name;
    std::string bytes;
    ErrorCode code;
    const char* text;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const Case cases[] = {
      {"content length cut", ok + "Content-Length: 10\r\n\r\nabc", ErrorCode::kUnavailable,
       "receive from 127.0.0.1:"},
      {"chunked cut between chunks", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
       ErrorCode::kUnavailable, "receive from 127.0.0.1:"},
      {"chunked cut within a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
       ErrorCode::kUnavailable, "receive from 127.0.0.1:"},
      {"closed without answer", "", ErrorCode::kUnavailable, "receive from 127.0.0.1:"},
      {"closed within the headers", ok + "Content-Le", ErrorCode::kUnavailable,
       "receive from 127.0.0.1:"},
      {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", ErrorCode::kMalformed, "HTTP/0.9"},
      {"chunk size is no number", ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n",
       ErrorCode::kMalformed, "receive from 127.0.0.1:"},
      {"gzip that is none", ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
       ErrorCode::kMalformed, "receive from 127.0.0.1:"},
      {"header line without end", ok + "X: " + std::string(300'000, 'x'), ErrorCode::kTooLarge,
       "headers too large"},
      {"headers without end", ok + many_headers(), ErrorCode::kTooLarge, "headers too large"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const ScriptedServer server(send_and_close(c.bytes));
    NetFixture net;
    const auto response = net.get(server.url());
    REQUIRE_FALSE(response);
    INFO(response.error().message());
    CHECK(response.error().code() == c.code);
    CHECK_THAT(response.error().message(), Contains(c.text));
  }
}

TEST_CASE("a reset connection is unavailable", "[http]") {
  const ScriptedServer server([](ScriptedConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    connection.reset();
  });
  NetFixture net;
  const auto response = net.get(server.url());
  REQUIRE_FALSE(response);
  CHECK(response.error().code() == ErrorCode::kUnavailable);
}

TEST_CASE("a hung peer costs the deadline and the error names the phase", "[http]") {
  struct Case {
    const char* name;
    std::string bytes;
    const char* text;
  };
  const Case cases[] = {
      {"before the headers", "", "no answer in time"},
      {"within the headers", "HTTP/1.1 200 OK\r\nX", "no answer in time"},
      {"within the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "3 bytes had come"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const ScriptedServer server(send_and_hang(c.bytes));
    NetFixture net;
    HttpRequest request = net.request(server.url());
    const SteadyTime start = net.loop.now();
    request.deadline = start + 100ms;
    const auto response = net.fetch(std::move(request));
    const Duration took = net.loop.now() - start;
    REQUIRE_FALSE(response);
    CHECK(response.error().code() == ErrorCode::kTimeout);
    CHECK_THAT(response.error().message(), Contains("receive from 127.0.0.1:"));
    CHECK_THAT(response.error().message(), Contains(c.text));
    CHECK(took >= 100ms);
    CHECK(took < 5s);
  }
}

TEST_CASE("a request without a deadline times out at once", "[http]") {
  const ScriptedServer server(send_and_hang(""));
  NetFixture net;
  HttpRequest request;
  request.url = server.url();
  const auto response = net.fetch(request);
  REQUIRE_FALSE(response);
  CHECK(response.error().code() == ErrorCode::kTimeout);
}

TEST_CASE("a refused connection names the address and the reason", "[http]") {
  NetFixture net;
  const std::string port = std::to_string(testing::unused_port());
  const auto by_address = net.get("http://127.0.0.1:" + port + "/");
  REQUIRE_FALSE(by_address);
  CHECK(by_address.error() ==
        Error(ErrorCode::kUnavailable, "connect to 127.0.0.1:" + port + ": Connection refused"));
  const auto by_name = net.get("http://localhost:" + port + "/");
  REQUIRE_FALSE(by_name);
  CHECK(by_name.error() ==
        Error(ErrorCode::kUnavailable,
              "connect to localhost:" + port + " (127.0.0.1,[::1]): Connection refused"));
}

TEST_CASE("a body over its limit is refused, announced or not", "[http]") {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::pair<const char*, std::string> cases[] = {
      {"announced", ok + "Content-Length: 11\r\n\r\n"},  // none of it comes
      {"chunked", ok + "Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n"},
      {"inflated", ok + "Content-Encoding: gzip\r\nContent-Length: 28\r\n\r\n" + gzipped()},
  };
  for (const auto& [name, bytes] : cases) {
    INFO(name);
    const ScriptedServer server(send_and_hang(bytes));
    NetFixture net;
    HttpRequest request = net.request(server.url());
    request.max_body_bytes = 10;
    const auto response = net.fetch(request);
    REQUIRE_FALSE(response);
    INFO(response.error().message());
    // An encoded length is no length of the body, but past the limit it is refused as well.
    CHECK(response.error().code() == ErrorCode::kTooLarge);
    CHECK_THAT(response.error().message(), Contains("body larger than 10 bytes"));
  }
  const ScriptedServer server(send_and_close(ok + "Content-Length: 10\r\n\r\n0123456789"));
  NetFixture net;
  HttpRequest request = net.request(server.url());
  request.max_body_bytes = 10;
  CHECK(net.fetch(request).has_value());
}

TEST_CASE("the request arrives as it was given", "[http]") {
  std::promise<ScriptedRequest> seen;
  const ScriptedServer server([&](ScriptedConnection& connection) {
    seen.set_value(connection.read_request().value());
    connection.send(http_response(200, ""));
  });
  NetFixture net;
  HttpRequest request = net.request(server.url("/a/../b%2Fc?x=%20y&z"));
  request.method = "POST";
  request.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
  request.body = std::string(2'000'000, 'b');
  request.basic_auth = {"user", Secret("pass")};
  REQUIRE(net.fetch(request));
  const ScriptedRequest got = seen.get_future().get();
  CHECK(got.method == "POST");
  CHECK(got.target == "/a/../b%2Fc?x=%20y&z");
  CHECK(got.header("content-type") == "application/json");
  CHECK(got.header("accept-encoding") == "gzip");
  CHECK(got.header("user-agent") == "keelwatch");
  CHECK(got.header("authorization") == "Basic dXNlcjpwYXNz");
  CHECK(got.header("expect").empty());
  CHECK(got.body.size() == request.body.size());
}

TEST_CASE("methods with and without a body", "[http]") {
  const ScriptedServer server(answer_each([](const ScriptedRequest& r) {
    const std::string body = r.method == "HEAD" ? "" : r.method + " " + r.body;
    return http_response(200, body, r.header("content-type").empty() ? "" : "X-Typed: 1\r\n");
  }));
  NetFixture net;
  const std::pair<std::string, std::string> cases[] = {
      {"GET", ""}, {"DELETE", ""}, {"PUT", "x"}, {"PATCH", ""}, {"POST", ""}};
  for (const auto& [method, body] : cases) {
    INFO(method);
    HttpRequest request = net.request(server.url());
    request.method = method;
    request.body = body;
    const auto response = net.fetch(request);
    REQUIRE(response);
    CHECK(response->body == method + " " + body);
    CHECK(response->header("x-typed").empty());  // no invented form type
  }
  HttpRequest head = net.request(server.url());
  head.method = "HEAD";
  CHECK(net.fetch(head).has_value());
}

TEST_CASE("input that cannot be sent is invalid and shows no secret", "[http]") {
  NetFixture net;
  struct Case {
    const char* name;
    std::function<void(HttpRequest&)> spoil;
    const char* text;
  };
  const Case cases[] = {
      {"scheme", [](HttpRequest& r) { r.url = "ftp://x/"; }, "scheme \"ftp\""},
      {"file", [](HttpRequest& r) { r.url = "file:///etc/passwd"; }, "scheme \"file\""},
      {"blank in the URL", [](HttpRequest& r) { r.url = "http://x/a b"; }, "URL: "},
      {"no host", [](HttpRequest& r) { r.url = "http://"; }, "URL: "},
      {"port", [](HttpRequest& r) { r.url = "http://x:99999/"; }, "URL: "},
      {"line break in a header", [](HttpRequest& r) { r.headers = {{"A", "b\r\nC: d"}}; }, "\"A\""},
      {"line break in the token", [](HttpRequest& r) { r.bearer_token = Secret("s3cret\n"); },
       "bearer token"},
      {"proxy scheme", [](HttpRequest& r) { r.proxy_url = "quic://u:s3cret@p/"; }, "proxy URL"},
      {"unix socket", [](HttpRequest& r) { r.unix_socket = std::string(200, 'x'); }, "too long"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    HttpRequest request = net.request("http://127.0.0.1:1/");
    c.spoil(request);
    const auto response = net.fetch(request);
    REQUIRE_FALSE(response);
    INFO(response.error().message());
    CHECK(response.error().code() == ErrorCode::kInvalid);
    CHECK_THAT(response.error().message(), Contains(c.text));
    CHECK_THAT(response.error().message(), !Contains("s3cret"));
  }
}

TEST_CASE("no credential gets into an error", "[http]") {
  NetFixture net;
  HttpRequest request = net.request(
      "http://user:s3cret@127.0.0.1:" + std::to_string(testing::unused_port()) + "/?token=s3cret");
  request.bearer_token = Secret("s3cret");
  const auto response = net.fetch(request);
  REQUIRE_FALSE(response);
  CHECK_THAT(response.error().message(), !Contains("s3cret"));
}

TEST_CASE("200 transfers run side by side on one thread", "[http]") {
  constexpr int kTransfers = 200;
  std::mutex mutex;
  std::condition_variable all_here;
  int here = 0;
  const ScriptedServer server([&](ScriptedConnection& connection) {
    if (!connection.read_request()) return;
    {
      // Nobody is answered before all have asked.
      std::unique_lock lock(mutex);
      if (++here == kTransfers) all_here.notify_all();
      all_here.wait_for(lock, 60s, [&] { return here >= kTransfers; });
    }
    connection.send(http_response(200, "x"));
  });
  NetFixture net;
  std::vector<HttpRequest> requests(kTransfers, net.request(server.url()));
  for (HttpRequest& r : requests) r.deadline = net.loop.after(60s);
  CHECK(net.loop.block_on(fetch_at_once(net, std::move(requests))) == kTransfers);
  CHECK(here == kTransfers);
}

TEST_CASE("destroying the task of a fetch closes its connection at once", "[http]") {
  std::promise<void> asked;
  std::promise<void> closed;
  const ScriptedServer server([&](ScriptedConnection& connection) {
    if (!connection.read_request()) return;
    asked.set_value();
    connection.wait_closed();
    closed.set_value();
  });
  NetFixture net;
  std::optional<Result<HttpResponse>> out;
  TaskScope scope;
  scope.spawn(fetch_and_forget(net.http, net.request(server.url()), out));
  auto is_asked = asked.get_future();
  net.loop.block_on(run_until(net.loop, is_asked));
  scope.cancel();
  CHECK(closed.get_future().wait_for(10s) == std::future_status::ready);
  CHECK_FALSE(out);
}

TEST_CASE("destroying the client cancels what runs in it", "[http]") {
  std::promise<void> asked;
  const ScriptedServer server([&](ScriptedConnection& connection) {
    if (!connection.read_request()) return;
    asked.set_value();
    connection.wait_closed();
  });
  NetFixture net;
  std::optional<HttpClient> client(std::in_place, net.loop, net.resolver);
  std::optional<Result<HttpResponse>> out;
  TaskScope scope;
  scope.spawn(fetch_and_forget(*client, net.request(server.url()), out));
  auto is_asked = asked.get_future();
  net.loop.block_on(run_until(net.loop, is_asked));
  client.reset();
  while (!out) net.loop.block_on(pass_time(net.loop, 1ms));
  REQUIRE_FALSE(*out);
  CHECK(out->error().code() == ErrorCode::kCancelled);
}

TEST_CASE("a kept connection that the server closed is replaced without an error", "[http]") {
  const ScriptedServer server([](ScriptedConnection& connection) {
    if (connection.read_request()) connection.send(http_response(200, "x"));
  });
  NetFixture net;
  for (int i = 0; i < 5; ++i) CHECK(net.get(server.url()).has_value());
  CHECK(server.connections() == 5);
}

TEST_CASE("percent encoding leaves only unreserved characters", "[http]") {
  CHECK(percent_encode("aZ0-._~") == "aZ0-._~");
  CHECK(percent_encode("a/b c+\xc3\xa9%") == "a%2Fb%20c%2B%C3%A9%25");
}

}  // namespace keelwatch
