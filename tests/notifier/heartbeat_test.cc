#include "notifier/heartbeat.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <string>

#include "tests/notifier/notifier_fixture.h"
#include "tests/support/scripted_server.h"

using namespace std::chrono_literals;

namespace keelwatch::notifier {
namespace {

struct Listener {
  std::atomic<int> status = 200;
  std::atomic<int> calls = 0;
  std::atomic<bool> post = false;
  testing::ScriptedServer server{testing::answer_each([this](const testing::ScriptedRequest& r) {
    post = r.method == "POST";
    ++calls;
    return testing::http_response(status, "");
  })};
};

}  // namespace

TEST_CASE("the heartbeat beats, falls silent for a reason, and comes back", "[notifier]") {
  Listener listener;
  NotifierFixture f({});
  std::optional<std::string> reason;
  config::Heartbeat settings;
  settings.url = listener.server.url("/ping/secret");
  settings.post = true;
  settings.interval = 50ms;
  Heartbeat heartbeat({f.loop, f.resolver, f.http, f.clock, f.log}, f.self, settings,
                      [&] { return reason; });
  TaskScope scope;
  scope.spawn(heartbeat.run());
  REQUIRE(f.turn_until([&] { return listener.calls >= 2; }));
  CHECK(listener.post);
  CHECK(f.page().find("keelwatch_heartbeat_last_success_timestamp_seconds ") != std::string::npos);

  reason = "nothing was evaluated for 20s";
  f.turn_for(100ms);
  const int calls = listener.calls;
  f.turn_for(300ms);
  CHECK(listener.calls == calls);

  reason.reset();
  REQUIRE(f.turn_until([&] { return listener.calls > calls; }));
  listener.status = 500;
  REQUIRE(f.turn_until([&] {
    return !f.lines.empty() && f.lines.back().find("HTTP status 500") != std::string::npos;
  }));
  for (const std::string& line : f.lines) CHECK(line.find("secret") == std::string::npos);
}

}  // namespace keelwatch::notifier
