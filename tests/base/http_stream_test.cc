#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <optional>

#include "base/http_client.h"
#include "tests/support/net_fixture.h"
#include "tests/support/scripted_server.h"

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace keelwatch {
namespace {

using testing::NetFixture;
using testing::ScriptedConnection;
using testing::ScriptedServer;
using Piece = Result<std::optional<std::string>>;

constexpr char kChunked[] =
    "HTTP/1.1 200 OK\r\nX-Kind: watch\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

Piece next(NetFixture& net, HttpStream& stream, Duration limit = 20s) {
  return net.loop.block_on(stream.next(net.loop.after(limit)));
}

Result<HttpStream> open(NetFixture& net, const std::string& url) {
  return net.loop.block_on(net.http.open(net.request(url)));
}

// Everything until the end, or the error that came instead.
Result<std::string> read_all(NetFixture& net, HttpStream& stream) {
  std::string all;
  for (;;) {
    Piece piece = next(net, stream);
    if (!piece) return piece.error();
    if (!*piece) return all;
    all += **piece;
  }
}

Task<> next_into(HttpStream& stream, SteadyTime deadline, std::optional<Piece>& out) {
  out.emplace(co_await stream.next(deadline));
}

Task<> pass_time(EventLoop& loop, Duration d) { co_await loop.sleep_for(d); }

// Sends what the test hands out, and ends when it hands out nothing.
struct Script {
  explicit Script(int pieces) : gates(static_cast<std::size_t>(pieces)) {}
  void operator()(ScriptedConnection& connection) {
    if (!connection.read_request()) return;
    connection.send(kChunked);
    for (auto& gate : gates) {
      const std::string bytes = gate.get_future().get();
      if (bytes.empty()) return;
      connection.send(bytes);
    }
    connection.wait_closed();
  }
  std::vector<std::promise<std::string>> gates;
};

}  // namespace

TEST_CASE("a stream gives its pieces as they come, then its clean end", "[http][stream]") {
  Script script(3);
  const ScriptedServer server(std::ref(script));
  NetFixture net;
  auto stream = open(net, server.url());
  REQUIRE(stream);
  CHECK(stream->response().status == 200);
  CHECK(stream->response().header("x-kind") == "watch");
  for (int i = 0; i < 2; ++i) {
    script.gates[static_cast<std::size_t>(i)].set_value(chunk("event " + std::to_string(i)));
    const Piece piece = next(net, *stream);
    REQUIRE(piece);
    REQUIRE(piece->has_value());
    CHECK(**piece == "event " + std::to_string(i));
  }
  script.gates[2].set_value("0\r\n\r\n");
  for (int i = 0; i < 2; ++i) {  // and it stays ended
    const Piece end = next(net, *stream);
    REQUIRE(end);
    CHECK_FALSE(end->has_value());
  }
}

TEST_CASE("a cut stream gives what came, then unavailable", "[http][stream]") {
  const std::pair<const char*, std::string> cases[] = {
      {"between chunks", chunk("event")},
      {"within a chunk", "9\r\nevent"},
  };
  for (const auto& [name, bytes] : cases) {
    INFO(name);
    const ScriptedServer server([&, cut = bytes](ScriptedConnection& connection) {
      if (connection.read_request()) connection.send(kChunked + cut);
    });
    NetFixture net;
    auto stream = open(net, server.url());
    REQUIRE(stream);
    const Piece first = next(net, *stream);
    REQUIRE(first);
    CHECK(first->value_or("") == "event");
    for (int i = 0; i < 2; ++i) {
      const Piece cut = next(net, *stream);
      REQUIRE_FALSE(cut);
      CHECK(cut.error().code() == ErrorCode::kUnavailable);
      CHECK_THAT(cut.error().message(), Contains("receive from 127.0.0.1:"));
    }
  }
}

TEST_CASE("a silent stream times out and stays usable", "[http][stream]") {
  Script script(2);
  const ScriptedServer server(std::ref(script));
  NetFixture net;
  auto stream = open(net, server.url());
  REQUIRE(stream);
  const Piece silent = next(net, *stream, 20ms);
  REQUIRE_FALSE(silent);
  CHECK(silent.error().code() == ErrorCode::kTimeout);
  CHECK_THAT(silent.error().message(), Contains("nothing came in time"));
  script.gates[0].set_value(chunk("late"));
  const Piece late = next(net, *stream);
  REQUIRE(late);
  CHECK(late->value_or("") == "late");
  script.gates[1].set_value("");
}

TEST_CASE("a cancelled wait and a moved stream lose nothing", "[http][stream]") {
  Script script(2);
  const ScriptedServer server(std::ref(script));
  NetFixture net;
  auto opened = open(net, server.url());
  REQUIRE(opened);
  std::optional<Piece> never;
  {
    TaskScope scope;
    scope.spawn(next_into(*opened, net.loop.after(20s), never));
    net.loop.block_on(pass_time(net.loop, 1ms));
  }
  std::vector<HttpStream> streams;
  streams.push_back(std::move(*opened));
  script.gates[0].set_value(chunk("kept"));
  const Piece piece = next(net, streams.front());
  REQUIRE(piece);
  CHECK(piece->value_or("") == "kept");
  CHECK_FALSE(never);
  script.gates[1].set_value("");
}

TEST_CASE("an unread stream pauses its peer and then gives everything in order", "[http][stream]") {
  constexpr int kChunks = 1024;
  constexpr std::size_t kChunkSize = 65536;
  std::atomic<int> sent = 0;
  const ScriptedServer server([&](ScriptedConnection& connection) {
    if (!connection.read_request() || !connection.send(kChunked)) return;
    for (; sent < kChunks; ++sent) {
      if (!connection.send(chunk(std::string(kChunkSize, static_cast<char>('a' + sent % 26)))))
        return;
    }
    connection.send("0\r\n\r\n");
  });
  NetFixture net;
  auto stream = open(net, server.url());
  REQUIRE(stream);
  int before = -1;
  const SteadyTime limit = net.loop.after(20s);
  while ((sent != before || sent == 0) && net.loop.now() < limit) {
    before = sent;
    net.loop.block_on(pass_time(net.loop, 200ms));
  }
  // 1 MiB with us, the rest in the kernel's buffers.
  CHECK(sent < kChunks / 2);
  const auto all = read_all(net, *stream);
  REQUIRE(all);
  REQUIRE(all->size() == kChunks * kChunkSize);
  bool in_order = true;
  for (std::size_t i = 0; i < all->size(); ++i) {
    in_order = in_order && (*all)[i] == static_cast<char>('a' + i / kChunkSize % 26);
  }
  CHECK(in_order);
}

TEST_CASE("a paused stream that its peer cuts still gives what came", "[http][stream]") {
  const std::string bytes(3U << 20U, 'x');
  std::promise<void> sent;
  const ScriptedServer server([&](ScriptedConnection& connection) {
    if (!connection.read_request()) return;
    connection.send(kChunked + chunk(bytes));
    sent.set_value();
  });
  NetFixture net;
  auto stream = open(net, server.url());
  REQUIRE(stream);
  auto all_sent = sent.get_future();
  while (all_sent.wait_for(0s) != std::future_status::ready) {
    net.loop.block_on(pass_time(net.loop, 10ms));
  }
  std::size_t got = 0;
  for (;;) {
    const Piece piece = next(net, *stream);
    if (!piece) {
      CHECK(piece.error().code() == ErrorCode::kUnavailable);
      break;
    }
    REQUIRE(piece->has_value());
    got += (*piece)->size();
  }
  CHECK(got == bytes.size());
}

TEST_CASE("the deadline of open covers the headers only", "[http][stream]") {
  const ScriptedServer server([](ScriptedConnection& connection) {
    if (connection.read_request()) connection.wait_closed();
  });
  NetFixture net;
  HttpRequest request = net.request(server.url());
  request.deadline = net.loop.after(50ms);
  const auto hung = net.loop.block_on(net.http.open(request));
  REQUIRE_FALSE(hung);
  CHECK(hung.error().code() == ErrorCode::kTimeout);

  Script script(1);
  const ScriptedServer watch(std::ref(script));
  request = net.request(watch.url());
  request.deadline = net.loop.after(500ms);
  const SteadyTime deadline = request.deadline;
  auto stream = net.loop.block_on(net.http.open(request));
  REQUIRE(stream);
  while (net.loop.now() < deadline) net.loop.block_on(pass_time(net.loop, 50ms));
  script.gates[0].set_value(chunk("after the deadline"));
  const Piece piece = next(net, *stream);
  REQUIRE(piece);
  CHECK(piece->value_or("") == "after the deadline");
}

TEST_CASE("an error status opens as a stream too, with its body", "[http][stream]") {
  const ScriptedServer server([](ScriptedConnection& connection) {
    if (connection.read_request()) connection.send(testing::http_response(410, "gone"));
  });
  NetFixture net;
  auto stream = open(net, server.url());
  REQUIRE(stream);
  CHECK(stream->response().status == 410);
  const auto all = read_all(net, *stream);
  REQUIRE(all);
  CHECK(*all == "gone");
}

TEST_CASE("a stream outlives its client as cancelled", "[http][stream]") {
  Script script(1);
  const ScriptedServer server(std::ref(script));
  NetFixture net;
  std::optional<HttpClient> client(std::in_place, net.loop, net.resolver);
  auto stream = net.loop.block_on(client->open(net.request(server.url())));
  REQUIRE(stream);
  std::optional<Piece> waiting;
  TaskScope scope;
  scope.spawn(next_into(*stream, net.loop.after(20s), waiting));
  client.reset();
  while (!waiting) net.loop.block_on(pass_time(net.loop, 1ms));
  REQUIRE_FALSE(*waiting);
  CHECK(waiting->error().code() == ErrorCode::kCancelled);
  CHECK_FALSE(next(net, *stream).has_value());
  script.gates[0].set_value("");
}

TEST_CASE("destroying a stream closes its connection", "[http][stream]") {
  std::promise<void> closed;
  const ScriptedServer server([&](ScriptedConnection& connection) {
    if (!connection.read_request()) return;
    connection.send(kChunked);
    connection.wait_closed();
    closed.set_value();
  });
  NetFixture net;
  {
    auto stream = open(net, server.url());
    REQUIRE(stream);
  }
  CHECK(closed.get_future().wait_for(10s) == std::future_status::ready);
}

}  // namespace keelwatch
