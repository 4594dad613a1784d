#include "model/endpoint.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "model/codec.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::model {
namespace {

ProbeSlice full_slice() {
  ProbeResult result;
  result.began = kNow;
  result.took = 12ms;
  result.phase = ProbePhase::kTls;
  result.fault = ProbeFault::kCertificateExpired;
  result.detail = "certificate has expired";
  result.resolve = {ProbePhase::kResolve, 1ms, ProbeFault::kNone, ""};
  result.addresses = {
      {"fd7a::1", true, {{ProbePhase::kConnect, 5s, ProbeFault::kTimeout, "no"}}, {}},
      {"10.0.0.1", false, {{ProbePhase::kConnect, 1ms, {}, ""}}, kNow + 24h}};
  result.used = "10.0.0.1";
  result.answer = ProbeAnswer{true, true, "10.0.0.1:5432", "73", 2, Lsn{0x16'B374D848}};
  Canary canary;
  canary.since = kNow - 1h;
  canary.address = "10.0.0.1";
  canary.silent_deaths = 2;
  canary.last_silence = kNow - 2h;
  canary.last_lived = 3h;
  canary.told_ends = 1;
  canary.last_end = "closed";
  EndpointProbe probe{.id = {"db", "pg", "pg-rw:5432"},
                      .vantage = "lan",
                      .hop = Hop::kTailnet,
                      .role = "rw",
                      .kind = "postgres",
                      .port = 5432,
                      .discovered = true,
                      .probes = 7,
                      .last_success = kNow - 1min,
                      .last = Observed<ProbeResult>::known(result, kNow),
                      .canary = Observed<Canary>::known(canary, kNow)};
  ProbeSlice slice;
  slice.endpoints.push_back(std::make_shared<const EndpointProbe>(probe));
  SourceReport report;
  report.source = "endpoints";
  report.target = "lan";
  report.up = true;
  report.last_success = kNow;
  slice.reports.push_back(report);
  return slice;
}

std::string encoded(const ProbeSlice& slice) {
  JsonWriter out;
  encode(out, slice);
  return out.take();
}

}  // namespace

TEST_CASE("what probes found survives a tape", "[model]") {
  const std::string text = encoded(full_slice());
  JsonReader reader;
  const auto back = decode_probe_slice(reader.parse(text));
  REQUIRE(back);
  CHECK(encoded(*back) == text);
  const EndpointProbe& probe = *back->endpoints.at(0);
  CHECK(probe.hop == Hop::kTailnet);
  CHECK(probe.canary.known_value().last_lived == 3h);
  const ProbeResult& result = probe.last.known_value();
  CHECK(result.fault == ProbeFault::kCertificateExpired);
  CHECK(result.addresses.at(0).fault()->took == 5s);
  CHECK(result.addresses.at(1).fault() == nullptr);
  CHECK(result.answer->position == Lsn{0x16'B374D848});
}

TEST_CASE("an unknown word of a probe names the member", "[model]") {
  std::string text = encoded(full_slice());
  const std::string known = "\"tailnet\"";
  text.replace(text.find(known), known.size(), "\"moon\"");
  JsonReader reader;
  const auto back = decode_probe_slice(reader.parse(text));
  REQUIRE_FALSE(back);
  CHECK(back.error().message() == "endpoints: [0]: hop: expected a hop");
}

TEST_CASE("every word of a probe comes back as itself", "[model]") {
  for (int i = 0; i <= static_cast<int>(ProbeFault::kSettings); ++i) {
    const auto fault = static_cast<ProbeFault>(i);
    REQUIRE_FALSE(to_string(fault).empty());
    CHECK(parse_probe_fault(to_string(fault)) == fault);
  }
  for (int i = 0; i <= static_cast<int>(ProbePhase::kQuery); ++i) {
    CHECK(parse_probe_phase(to_string(static_cast<ProbePhase>(i))) == static_cast<ProbePhase>(i));
  }
  for (int i = 0; i <= static_cast<int>(Hop::kOther); ++i) {
    CHECK(parse_hop(to_string(static_cast<Hop>(i))) == static_cast<Hop>(i));
  }
}

TEST_CASE("a probe that is too old tells nothing any more", "[model]") {
  Slices slices;
  slices.probes = std::make_shared<const ProbeSlice>(full_slice());
  const Freshness freshness;
  CHECK(assemble(slices, freshness, kNow + freshness.endpoints).probes == slices.probes);
  const World old = assemble(slices, freshness, kNow + freshness.endpoints + 1s);
  const EndpointProbe& probe = *old.probes->endpoints.at(0);
  REQUIRE_FALSE(probe.last.is_known());
  CHECK(probe.last.why().absence == Absence::kUnknown);
  CHECK(probe.last.why().source == "endpoints db/pg-rw:5432");
  CHECK_FALSE(old.probes->reports.at(0).up);
}

}  // namespace keelwatch::model
