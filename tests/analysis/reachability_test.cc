#include "analysis/reachability.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

using model::EndpointProbe;
using model::Hop;
using model::ProbeAnswer;
using model::ProbeFault;
using model::ProbePhase;
using model::ProbeResult;

ProbeAnswer answer(bool in_recovery, std::string system = "7300000000000000001") {
  ProbeAnswer a;
  a.in_recovery = in_recovery;
  a.system_identifier = std::move(system);
  return a;
}

ProbeResult passed(bool in_recovery, std::string address = "10.0.0.1") {
  ProbeResult result;
  result.began = kNow;
  result.addresses.push_back({address, false, {{ProbePhase::kConnect, 1ms, {}, ""}}, {}});
  result.used = std::move(address);
  result.answer = answer(in_recovery);
  return result;
}

ProbeResult failed(ProbePhase phase, ProbeFault fault) {
  ProbeResult result;
  result.began = kNow;
  result.phase = phase;
  result.fault = fault;
  result.detail = "because";
  return result;
}

EndpointProbe endpoint(Hop hop, std::string role, std::string address, ProbeResult last) {
  EndpointProbe probe{.id = {"db", "pg", std::move(address)},
                      .vantage = "lan",
                      .hop = hop,
                      .role = std::move(role),
                      .kind = "postgres",
                      .port = 5432,
                      .discovered = false,
                      .probes = 1,
                      .last_success = {},
                      .last = Observed<ProbeResult>::known(std::move(last), kNow),
                      .canary = Observed<model::Canary>::not_set_up("none", "test")};
  return probe;
}

// Steps over worlds, with what is remembered between them.
class Steps {
 public:
  const ReachAssessment& step(std::vector<EndpointProbe> probes) {
    ++number_;
    auto slice = std::make_shared<model::ProbeSlice>();
    for (EndpointProbe& probe : probes) {
      probe.probes = number_;
      slice->endpoints.push_back(std::make_shared<const EndpointProbe>(std::move(probe)));
    }
    model::Slices all = slices({});
    all.probes = std::move(slice);
    last_ = assess_reachability(model::assemble(all, model::Freshness{}, kNow), {}, memory_);
    return last_;
  }
  // Twice, as many times as a failure needs.
  const ReachAssessment& settled(const std::vector<EndpointProbe>& probes) {
    step(probes);
    return step(probes);
  }

 private:
  std::int64_t number_ = 0;
  ReachMemory memory_;
  ReachAssessment last_;
};

const RoleReach& role(const ReachAssessment& assessment, std::string_view name) {
  for (const RoleReach& r : assessment.roles) {
    if (r.role == name) return r;
  }
  FAIL("no role " << name);
  return assessment.roles.front();
}

const ProbeResult kBlackHole = failed(ProbePhase::kConnect, ProbeFault::kTimeout);

}  // namespace

TEST_CASE("one failed probe is no verdict, two in a row are", "[analysis]") {
  Steps steps;
  const auto rw = [](ProbeResult result) {
    return std::vector{endpoint(Hop::kTailnet, "rw", "tailnet/rw:5432", std::move(result))};
  };
  CHECK(steps.step(rw(passed(false))).addresses[0].up.known_value());
  const AddressReach& once = steps.step(rw(kBlackHole)).addresses[0];
  CHECK(once.up.known_value());
  CHECK(once.verdict.known_value() == "ok");
  CHECK_FALSE(once.failing_since);
  CHECK(steps.step(rw(passed(false))).addresses[0].up.known_value());

  steps.step(rw(kBlackHole));
  const AddressReach& twice = steps.step(rw(kBlackHole)).addresses[0];
  CHECK_FALSE(twice.up.known_value());
  CHECK(twice.verdict.known_value() == "network");
  CHECK(twice.failed_hop.known_value() == "tailnet");
  CHECK(twice.failing_since == kNow);
  // One that passes is enough.
  CHECK(steps.step(rw(passed(false))).addresses[0].up.known_value());
}

TEST_CASE("a step between two probes counts nothing", "[analysis]") {
  ReachMemory memory;
  auto slice = std::make_shared<model::ProbeSlice>();
  slice->endpoints.push_back(
      std::make_shared<const EndpointProbe>(endpoint(Hop::kOther, "rw", "pg:5432", kBlackHole)));
  model::Slices all = slices({});
  all.probes = slice;
  for (int i = 0; i < 5; ++i) {
    const auto reach =
        assess_reachability(model::assemble(all, model::Freshness{}, kNow), {}, memory);
    REQUIRE_FALSE(reach.addresses[0].up.is_known());
    CHECK(reach.addresses[0].up.why().absence == Absence::kUnknown);
  }
}

TEST_CASE("an address that was never reached is not set up if it was discovered", "[analysis]") {
  for (const bool discovered : {true, false}) {
    Steps steps;
    EndpointProbe probe = endpoint(Hop::kTailnet, "rw", "tailnet/rw:5432", kBlackHole);
    probe.discovered = discovered;
    const AddressReach& reach = steps.settled({probe}).addresses[0];
    if (discovered) {
      CHECK(reach.up.why().absence == Absence::kNotSetUp);
      CHECK(reach.up.why().error.message() == "never reached from vantage lan: because");
    } else {
      CHECK_FALSE(reach.up.known_value());
    }
  }
  // One that was reached once is down when it is gone.
  Steps steps;
  EndpointProbe probe = endpoint(Hop::kTailnet, "rw", "tailnet/rw:5432", passed(false));
  probe.discovered = true;
  steps.step({probe});
  probe.last = Observed<ProbeResult>::known(kBlackHole, kNow);
  CHECK_FALSE(steps.settled({probe}).addresses[0].up.known_value());
}

TEST_CASE("what only the probe's own way fails by says nothing of clients", "[analysis]") {
  for (const auto& [fault, verdict] :
       {std::pair(ProbeFault::kAuthFailed, "auth"), std::pair(ProbeFault::kSettings, "settings"),
        std::pair(ProbeFault::kNoSuchDatabase, "auth"),
        std::pair(ProbeFault::kCertificateUntrusted, "settings")}) {
    Steps steps;
    const AddressReach& reach = steps
                                    .settled({endpoint(Hop::kService, "rw", "pg-rw:5432",
                                                       failed(ProbePhase::kAuth, fault))})
                                    .addresses[0];
    REQUIRE_FALSE(reach.up.is_known());
    CHECK(reach.up.why().absence == Absence::kUnknown);
    CHECK(reach.verdict.known_value() == verdict);
  }
}

TEST_CASE("each fault has the verdict that its runbook explains", "[analysis]") {
  struct Case {
    ProbePhase phase;
    ProbeFault fault;
    std::string_view verdict;
  };
  const Case cases[] = {
      {ProbePhase::kResolve, ProbeFault::kNameUnknown, "dns"},
      {ProbePhase::kResolve, ProbeFault::kDnsFailed, "dns"},
      {ProbePhase::kResolve, ProbeFault::kTimeout, "dns"},
      {ProbePhase::kConnect, ProbeFault::kTimeout, "network"},
      {ProbePhase::kConnect, ProbeFault::kRefused, "refused"},
      {ProbePhase::kConnect, ProbeFault::kUnreachable, "network"},
      {ProbePhase::kConnect, ProbeFault::kProxyFailed, "proxy"},
      {ProbePhase::kTls, ProbeFault::kCertificateExpired, "tls"},
      {ProbePhase::kTls, ProbeFault::kCertificateName, "tls"},
      {ProbePhase::kStartup, ProbeFault::kTimeout, "postgres_down"},
      {ProbePhase::kStartup, ProbeFault::kStartingUp, "postgres_down"},
      {ProbePhase::kAuth, ProbeFault::kTooManyConnections, "full"},
      {ProbePhase::kAuth, ProbeFault::kPoolerNoServer, "no_server"},
      {ProbePhase::kQuery, ProbeFault::kTimeout, "stuck"},
      {ProbePhase::kQuery, ProbeFault::kLargeResultLost, "large_results"},
      {ProbePhase::kQuery, ProbeFault::kWrongRole, "wrong_role"},
      {ProbePhase::kQuery, ProbeFault::kHttpStatus, "http"},
  };
  for (const Case& c : cases) {
    INFO(to_string(c.phase) << " " << to_string(c.fault));
    CHECK(verdict_of(failed(c.phase, c.fault)) == c.verdict);
  }
}

TEST_CASE("the innermost hop that fails is to blame", "[analysis]") {
  const ProbeResult stuck = failed(ProbePhase::kQuery, ProbeFault::kTimeout);
  const ProbeResult no_server = failed(ProbePhase::kQuery, ProbeFault::kPoolerNoServer);
  const ProbeResult no_name = failed(ProbePhase::kResolve, ProbeFault::kNameUnknown);
  struct Case {
    const char* name;
    ProbeResult pod;
    ProbeResult service;
    ProbeResult pooler;
    ProbeResult tailnet;
    std::string_view blamed;
  };
  const Case cases[] = {
      {"all is well", passed(false), passed(false), passed(false), passed(false), "none"},
      {"the tailnet alone", passed(false), passed(false), passed(false), kBlackHole, "tailnet"},
      {"its name", passed(false), passed(false), passed(false), no_name, "dns"},
      {"the pooler", passed(false), passed(false), stuck, stuck, "pooler"},
      {"no primary", passed(true), kBlackHole, no_server, no_server, "pod"},
      {"pods down", kBlackHole, kBlackHole, stuck, stuck, "pod"},
      {"the Service", passed(false), kBlackHole, passed(false), passed(false), "none"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Steps steps;
    const ReachAssessment& reach =
        steps.settled({endpoint(Hop::kPod, "", "pg-1", c.pod),
                       endpoint(Hop::kService, "rw", "pg-rw:5432", c.service),
                       endpoint(Hop::kPooler, "rw", "pooler-rw:5432", c.pooler),
                       endpoint(Hop::kTailnet, "rw", "tailnet/pooler-rw:5432", c.tailnet)});
    const RoleReach& rw = role(reach, "rw");
    CHECK(rw.failed_hop.known_value() == c.blamed);
    CHECK(rw.up.known_value() == (c.blamed == "none"));
  }
}

TEST_CASE("the outermost address that is set up decides about a role", "[analysis]") {
  Steps steps;
  EndpointProbe tailnet = endpoint(Hop::kTailnet, "rw", "tailnet/rw:5432", kBlackHole);
  tailnet.discovered = true;  // and never reached
  const EndpointProbe service = endpoint(Hop::kService, "rw", "pg-rw:5432", passed(false));
  CHECK(role(steps.settled({service, tailnet}), "rw").up.known_value());
  // Nobody can tell.
  EndpointProbe silent = service;
  silent.last =
      Observed<ProbeResult>::unknown(Error(ErrorCode::kTimeout, "no answer"), "endpoints");
  CHECK_FALSE(role(steps.step({silent, tailnet}), "rw").up.is_known());
}

TEST_CASE("addresses that are swapped or one and the same are told", "[analysis]") {
  struct Case {
    const char* name;
    ProbeResult rw;
    ProbeResult ro;
    bool swapped;
    bool equal;
  };
  const Case cases[] = {
      {"as it should be", passed(false, "10.0.0.1"), passed(true, "10.0.0.2"), false, false},
      {"swapped", passed(true, "10.0.0.1"), passed(false, "10.0.0.2"), true, false},
      {"equal", passed(false, "10.0.0.1"), passed(false, "10.0.0.1"), false, true},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Steps steps;
    const ReachAssessment& reach =
        steps.step({endpoint(Hop::kTailnet, "rw", "tailnet/rw:5432", c.rw),
                    endpoint(Hop::kTailnet, "ro", "tailnet/ro:5432", c.ro)});
    REQUIRE(reach.clusters.size() == 1);
    CHECK(reach.clusters[0].swapped.known_value() == c.swapped);
    CHECK(reach.clusters[0].equal.known_value() == c.equal);
    CHECK(reach.clusters[0].systems.known_value() == 1);
  }
  // One host, two ports: two addresses, whatever they are called.
  Steps steps;
  EndpointProbe reads = endpoint(Hop::kTailnet, "ro", "reads", passed(true));
  reads.port = 6432;
  const ReachAssessment& ports =
      steps.step({endpoint(Hop::kTailnet, "rw", "writes", passed(false)), reads});
  CHECK_FALSE(ports.clusters[0].equal.known_value());
}

TEST_CASE("two systems behind one cluster's addresses are counted", "[analysis]") {
  ProbeResult other = passed(true);
  other.answer->system_identifier = "7300000000000000002";
  Steps steps;
  const ReachAssessment& reach =
      steps.step({endpoint(Hop::kService, "rw", "pg-rw:5432", passed(false)),
                  endpoint(Hop::kService, "ro", "pg-ro:5432", other)});
  CHECK(reach.clusters[0].systems.known_value() == 2);
}

TEST_CASE("a dead address is counted beside one that serves", "[analysis]") {
  ProbeResult both = passed(false);
  both.addresses.push_back(
      {"fd7a::1", true, {{ProbePhase::kConnect, 1s, ProbeFault::kTimeout, "no answer"}}, {}});
  Steps steps;
  CHECK(steps.step({endpoint(Hop::kTailnet, "rw", "tailnet/rw:5432", both)})
            .addresses[0]
            .dead_addresses.known_value() == 1);
  CHECK_FALSE(steps.step({endpoint(Hop::kTailnet, "rw", "tailnet/rw:5432", kBlackHole)})
                  .addresses[0]
                  .dead_addresses.is_known());
}

}  // namespace keelwatch::analysis
