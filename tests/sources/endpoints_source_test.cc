// The source: each address for itself, the pace after a failure, and the session that is held.
#include "sources/endpoints/endpoints_source.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/postgres_server.h"
#include "tests/support/probe_harness.h"
#include "tests/support/scripted_server.h"
#include "tests/support/tcp_proxy.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::sources {
namespace {

using discovery::EndpointTarget;
using model::EndpointProbe;
using model::ProbeFault;
using model::ProbeSlice;

config::Endpoints quick() {
  config::Endpoints settings;
  settings.vantage = "test";
  settings.failure_interval = 200ms;
  return settings;
}

class Harness {
 public:
  using Slice = std::shared_ptr<const ProbeSlice>;
  using Predicate = std::function<bool(const ProbeSlice&)>;

  explicit Harness(config::Endpoints settings = quick())
      : source_(bench_.context(), std::move(settings), [this](Slice slice) {
          newest_ = std::move(slice);
          arrived_.notify_all();
        }) {
    scope_.spawn(source_.run());
  }

  void watch(std::vector<EndpointTarget> targets) {
    std::ranges::sort(targets, {}, &EndpointTarget::id);
    source_.set_targets({std::move(targets)});
  }

  // Runs the loop until the newest slice is as wanted.
  const ProbeSlice& until(const Predicate& wanted, Duration limit = 30s) {
    bench_.loop.block_on(wait(wanted, bench_.loop.after(limit)));
    scope_.rethrow_failure();
    REQUIRE(newest_);
    for (const auto& endpoint : newest_->endpoints) {
      UNSCOPED_INFO(text(endpoint->id) << ": " << endpoint->probes << " probes");
    }
    REQUIRE(wanted(*newest_));
    return *newest_;
  }
  // The one endpoint that is watched.
  EndpointProbe until_one(const std::function<bool(const EndpointProbe&)>& wanted,
                          Duration limit = 30s) {
    return *until([&](const ProbeSlice& s) { return wanted(*s.endpoints.at(0)); }, limit)
                .endpoints.at(0);
  }
  [[nodiscard]] SteadyTime now() const { return bench_.loop.now(); }

 private:
  Task<> wait(Predicate wanted, SteadyTime deadline) {
    while (!newest_ || newest_->endpoints.empty() || !wanted(*newest_)) {
      const bool came = co_await arrived_.wait_until(deadline);
      if (!came) co_return;
    }
  }

  ProbeBench bench_;
  Signal arrived_{bench_.loop};
  Slice newest_;
  EndpointsSource source_;
  TaskScope scope_;
};

EndpointTarget target_of(const PostgresServer& server) {
  EndpointTarget target = probe_target("127.0.0.1", server.port(), server.target());
  target.timeout = 2s;
  return target;
}

EndpointTarget with_canary(EndpointTarget target) {
  target.canary = true;
  return target;
}

// As if nothing had happened yet while it is not known.
model::Canary canary_of(const EndpointProbe& endpoint) {
  const model::Canary* canary = endpoint.canary.if_known();
  return canary != nullptr ? *canary : model::Canary();
}

bool passed(const EndpointProbe& endpoint) {
  const model::ProbeResult* last = endpoint.last.if_known();
  return last != nullptr && last->passed();
}

bool holds(const EndpointProbe& endpoint) { return canary_of(endpoint).since.has_value(); }

// The backend that the held session talks to: the only one that has ever been asked that.
pid_t canary_backend(PostgresServer& server, Harness& harness) {
  std::string pid;
  harness.until_one([&](const EndpointProbe&) {
    pid = server.sql(
        "select pid from pg_stat_activity where application_name = 'keelwatch' and state = 'idle'"
        " and query = 'select 1'");
    return !pid.empty();
  });
  return std::stoi(pid);
}

}  // namespace

TEST_CASE("an address that hangs delays no other", "[sources]") {
  const PostgresServer server;
  const BlackHole hole;
  EndpointTarget hung = probe_target("127.0.0.1", hole.port(), {});
  hung.kind = "tcp";
  hung.timeout = 10s;
  Harness harness;
  harness.watch({target_of(server), hung});
  const ProbeSlice& slice = harness.until([&](const ProbeSlice& s) {
    return std::ranges::any_of(s.endpoints, [](const auto& e) { return e->probes >= 10; });
  });
  for (const auto& endpoint : slice.endpoints) {
    const bool hangs = endpoint->id == hung.id;
    CHECK(endpoint->vantage == "test");
    CHECK((endpoint->probes == 0) == hangs);
    CHECK(endpoint->last.is_known() != hangs);
    CHECK(endpoint->last_success.has_value() != hangs);
  }
  REQUIRE(slice.reports.size() == 1);
  CHECK(slice.reports[0].source == "endpoints");
  CHECK(slice.reports[0].target == "test");
  CHECK(slice.reports[0].up);
}

TEST_CASE("an address without a credential is not set up, and is not probed", "[sources]") {
  EndpointTarget target = probe_target("127.0.0.1", unused_port(), {});
  target.not_set_up_reason = "no credential: set one";
  Harness harness;
  harness.watch({target});
  const ProbeSlice& slice = harness.until([](const ProbeSlice&) { return true; });
  CHECK(slice.endpoints.at(0)->last.why().absence == Absence::kNotSetUp);
  CHECK(slice.endpoints.at(0)->last.why().error.message() == "no credential: set one");
  CHECK(slice.reports.at(0).not_set_up);
  CHECK_FALSE(slice.reports.at(0).pending);
}

TEST_CASE("a failure is confirmed at its own pace, then probed at the usual one", "[sources]") {
  EndpointTarget target = probe_target("127.0.0.1", unused_port(), {});
  target.kind = "tcp";
  target.interval = 50ms;
  config::Endpoints settings = quick();
  settings.failures = 2;
  settings.failure_interval = 1500ms;
  Harness harness(settings);
  harness.watch({target});
  harness.until_one([](const EndpointProbe& e) { return e.probes == 1; });
  const SteadyTime first = harness.now();
  const EndpointProbe second =
      harness.until_one([](const EndpointProbe& e) { return e.probes == 2; });
  CHECK(harness.now() - first > 1s);
  CHECK(second.last.known_value().fault == ProbeFault::kRefused);
  CHECK_FALSE(second.last_success);
  const SteadyTime confirmed = harness.now();
  harness.until_one([](const EndpointProbe& e) { return e.probes >= 5; });
  CHECK(harness.now() - confirmed < 1500ms);
}

TEST_CASE("a target that changes starts over and keeps what it knows", "[sources]") {
  const PostgresServer server;
  Harness harness;
  EndpointTarget target = target_of(server);
  harness.watch({target});
  const auto before = harness.until_one([](const EndpointProbe& e) { return e.probes >= 2; });
  target.login.password = Secret("wrong");
  harness.watch({target});
  const auto after = harness.until_one([](const EndpointProbe& e) {
    return e.last.is_known() && e.last.known_value().fault == ProbeFault::kAuthFailed;
  });
  CHECK(after.probes > before.probes);
  CHECK(after.last_success >= before.last_success);
}

TEST_CASE("a held session that stops answering while others come about has died", "[sources]") {
  PostgresServer server;
  Harness harness;
  EndpointTarget target = with_canary(target_of(server));
  target.timeout = 400ms;
  harness.watch({target});
  harness.until_one(holds);
  const pid_t pid = canary_backend(server, harness);
  kill(pid, SIGSTOP);
  const auto dead =
      harness.until_one([](const EndpointProbe& e) { return canary_of(e).silent_deaths == 1; });
  kill(pid, SIGCONT);
  CHECK(passed(dead));
  CHECK(canary_of(dead).last_silence);
  CHECK(canary_of(dead).last_lived > Duration::zero());
  CHECK(canary_of(dead).told_ends == 0);
  const auto anew = harness.until_one(holds);
  CHECK(canary_of(anew).silent_deaths == 1);
}

TEST_CASE("an outage of the whole way is no silent death", "[sources]") {
  const PostgresServer server;
  TcpProxy network(static_cast<std::uint16_t>(server.port()));
  Harness harness;
  EndpointTarget target = with_canary(target_of(server));
  target.port = network.port();
  target.timeout = 400ms;
  harness.watch({target});
  const auto held = harness.until_one(holds);
  network.freeze(true);
  harness.until_one(
      [](const EndpointProbe& e) { return e.probes > 0 && !passed(e) && e.last_success; });
  const auto during = harness.until_one([&](const EndpointProbe& e) { return !passed(e); });
  network.freeze(false);
  const auto after = harness.until_one(
      [&](const EndpointProbe& e) { return passed(e) && e.probes > during.probes + 10; });
  CHECK(canary_of(after).silent_deaths == 0);
  CHECK(canary_of(after).since == canary_of(held).since);
}

TEST_CASE("a held session that the server ends is told and opened anew", "[sources]") {
  PostgresServer server;
  Harness harness;
  harness.watch({with_canary(target_of(server))});
  harness.until_one(holds);
  server.sql("select pg_terminate_backend(" + std::to_string(canary_backend(server, harness)) +
             ")");
  const auto ended =
      harness.until_one([](const EndpointProbe& e) { return canary_of(e).told_ends == 1; });
  CHECK(canary_of(ended).silent_deaths == 0);
  CHECK(canary_of(ended).last_end.find("terminating connection") != std::string::npos);
  harness.until_one(holds);
}

TEST_CASE("a held session does not keep a server from shutting down", "[sources]") {
  PostgresServer server;
  Harness harness;
  harness.watch({with_canary(target_of(server))});
  harness.until_one(holds);
  server.request_stop(StopMode::kSmart);
  const auto left = harness.until_one([](const EndpointProbe& e) { return !holds(e); });
  CHECK(canary_of(left).silent_deaths == 0);
  CHECK(server.wait_stopped(20s));
}

}  // namespace keelwatch::sources
