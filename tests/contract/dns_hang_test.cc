// DNS that hangs must cost nobody but those who ask it.
#include <catch2/catch.hpp>
#include <optional>

#include "tests/support/dns_server.h"
#include "tests/support/net_fixture.h"
#include "tests/support/scripted_server.h"

using namespace std::chrono_literals;

namespace keelwatch {
namespace {

using testing::DnsAnswer;
using testing::NetFixture;

constexpr int kFetches = 50;
constexpr Duration kNameDeadline = 2s;

struct Outcome {
  std::optional<Result<HttpResponse>> by_name;
  Duration by_name_took{};
  int by_address_ok = 0;
  int by_address_done = 0;
  Duration by_address_took{};
  Duration localhost_took{};
};

Task<> fetch_by_name(NetFixture& net, Outcome& outcome) {
  const SteadyTime start = net.loop.now();
  HttpRequest request = net.request("http://hung.example/");
  request.deadline = start + kNameDeadline;
  outcome.by_name.emplace(co_await net.http.fetch(std::move(request)));
  outcome.by_name_took = net.loop.now() - start;
}

Task<> fetch_by_address(NetFixture& net, std::string url, SteadyTime start, Outcome& outcome) {
  const auto response = co_await net.http.fetch(net.request(std::move(url)));
  if (response && response->status == 200) ++outcome.by_address_ok;
  ++outcome.by_address_done;
  outcome.by_address_took = net.loop.now() - start;
}

Task<> resolve_localhost(NetFixture& net, SteadyTime start, Outcome& outcome) {
  const auto addresses = co_await net.resolver.resolve("localhost", net.loop.after(20s));
  if (addresses) outcome.localhost_took = net.loop.now() - start;
}

Task<> wait_for_all(NetFixture& net, TaskScope& scope) {
  while (scope.running() > 0) co_await net.loop.sleep_for(5ms);
}

}  // namespace

TEST_CASE("a hung DNS server delays only those who ask it", "[contract]") {
  DnsAnswer silence;
  silence.kind = DnsAnswer::Kind::kSilence;
  const testing::DnsServer dns({{"*", silence}});
  const testing::ScriptedServer server(testing::answer_each(
      [](const testing::ScriptedRequest&) { return testing::http_response(200, "x"); }));
  NetFixture net({dns.address()});
  Outcome outcome;
  TaskScope scope;
  const SteadyTime start = net.loop.now();
  scope.spawn(fetch_by_name(net, outcome));
  for (int i = 0; i < kFetches; ++i) {
    scope.spawn(fetch_by_address(net, server.url(), start, outcome));
  }
  scope.spawn(resolve_localhost(net, start, outcome));
  net.loop.block_on(wait_for_all(net, scope));

  CHECK_FALSE(dns.questions().empty());
  REQUIRE(outcome.by_name);
  REQUIRE_FALSE(*outcome.by_name);
  CHECK(outcome.by_name->error() ==
        Error(ErrorCode::kTimeout,
              "resolve hung.example: no answer from DNS server " + dns.address()));
  CHECK(outcome.by_name_took >= kNameDeadline);
  CHECK(outcome.by_name_took < kNameDeadline + 1s);
  CHECK(outcome.by_address_ok == kFetches);
  INFO("by address " << to_seconds(outcome.by_address_took) << " s, localhost "
                     << to_seconds(outcome.localhost_took) << " s");
  CHECK(outcome.by_address_took < kNameDeadline / 2);  // milliseconds on an idle machine
  CHECK(outcome.localhost_took < kNameDeadline / 2);
}

}  // namespace keelwatch
