// keelwatch_endpoint_* and keelwatch_reachability_*: what clients find at the addresses, from this
// process' vantage.
#include <array>
#include <string_view>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using analysis::AddressReach;
using metrics::Family;
using metrics::Type;

constexpr std::array<std::string_view, 9> kHops = {"none",   "dns",     "proxy",  "pod",  "service",
                                                   "pooler", "tailnet", "egress", "other"};

constexpr Family kInfo("keelwatch_endpoint_info", Type::kGauge,
                       "1 for each address that is probed, or would be if it were set up.",
                       {"vantage", "namespace", "cluster", "address", "hop", "role", "kind"});
constexpr Family kUp("keelwatch_endpoint_up", Type::kGauge,
                     "1 if clients are served at the address and by the right role, 0 if "
                     "endpoints.failures probes in a row failed; absent before, where only the "
                     "probe's own login or CA fails, and at a discovered address that was never "
                     "reached from here.",
                     {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kVerdict(
    "keelwatch_endpoint_verdict", Type::kGauge,
    "1 for what is found at the address (ok, dns, network, refused, proxy, tls, "
    "auth, full, postgres_down, no_server, stuck, large_results, wrong_role, http, "
    "settings), else 0; absent before the first probes have ended.",
    {"vantage", "namespace", "cluster", "address", "hop", "role", "verdict"});
constexpr Family kFailedHop(
    "keelwatch_endpoint_failed_hop", Type::kGauge,
    "1 for the innermost hop that fails on the way that leads through the address "
    "(none while it is up), else 0; absent where up is.",
    {"vantage", "namespace", "cluster", "address", "hop", "role", "failed"});
constexpr Family kRoleCorrect("keelwatch_endpoint_role_correct", Type::kGauge,
                              "1 if the server behind the address has the role that the address is "
                              "for, else 0, by the newest probe; absent without an answer and "
                              "where no role is demanded.",
                              {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kFailingSince("keelwatch_endpoint_failing_since_timestamp_seconds", Type::kGauge,
                               "When the first of the failed probes in a row began; absent while "
                               "the address is up.",
                               {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kDuration("keelwatch_endpoint_probe_duration_seconds", Type::kGauge,
                           "How long each step of the newest probe took at the address that it "
                           "used, or tried first; absent for a step that was not reached.",
                           {"vantage", "namespace", "cluster", "address", "hop", "role", "phase"});
constexpr Family kDead("keelwatch_endpoint_addresses_dead", Type::kGauge,
                       "Addresses of the name that cannot be connected to while another one "
                       "serves; absent while none does.",
                       {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kExpiry("keelwatch_endpoint_certificate_expiry_timestamp_seconds", Type::kGauge,
                         "When the certificate that the address showed expires; absent without "
                         "TLS.",
                         {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kProbes("keelwatch_endpoint_probes_total", Type::kCounter,
                         "Probes of the address that ended; begins anew with the source.",
                         {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kDeaths("keelwatch_endpoint_sessions_died_total", Type::kCounter,
                         "Held sessions that stopped answering without being closed while new ones "
                         "came about; begins anew with the source; absent where none is held.",
                         {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kSession("keelwatch_endpoint_session_since_timestamp_seconds", Type::kGauge,
                          "Since when the session that is held there lives; absent without one.",
                          {"vantage", "namespace", "cluster", "address", "hop", "role"});
constexpr Family kRoleUp("keelwatch_reachability_role_up", Type::kGauge,
                         "Whether clients of that role are served by the cluster: up of its "
                         "outermost address (tailnet before pooler before Service) that is set up.",
                         {"vantage", "namespace", "cluster", "role"});
constexpr Family kRoleHop("keelwatch_reachability_failed_hop", Type::kGauge,
                          "1 for the innermost hop that fails on the way to the cluster in that "
                          "role (none while it is up), else 0; absent where role_up is.",
                          {"vantage", "namespace", "cluster", "role", "failed"});
constexpr Family kSwapped("keelwatch_reachability_addresses_swapped", Type::kGauge,
                          "1 if the address for writing leads to a standby and the one for reading "
                          "to the primary, else 0; absent unless both answer at one hop.",
                          {"vantage", "namespace", "cluster"});
constexpr Family kEqual("keelwatch_reachability_addresses_equal", Type::kGauge,
                        "1 if the addresses for writing and for reading are one and the same, else "
                        "0; absent unless both answer at one hop.",
                        {"vantage", "namespace", "cluster"});
constexpr Family kSystems("keelwatch_reachability_system_identifiers", Type::kGauge,
                          "How many different database systems answer behind the cluster's "
                          "addresses; absent while none tells.",
                          {"vantage", "namespace", "cluster"});

constexpr std::array<const Family*, 17> kFamilies = {
    &kInfo,     &kUp,      &kVerdict, &kFailedHop, &kRoleCorrect, &kFailingSince,
    &kDuration, &kDead,    &kExpiry,  &kProbes,    &kDeaths,      &kSession,
    &kRoleUp,   &kRoleHop, &kSwapped, &kEqual,     &kSystems};

// The address that was used, else the first one that was tried.
const model::AddressProbe* shown_address(const model::ProbeResult& result) {
  for (const model::AddressProbe& address : result.addresses) {
    if (address.address == result.used) return &address;
  }
  return result.addresses.empty() ? nullptr : &result.addresses.front();
}

void write_newest(const AddressReach& reach, metrics::Writer& writer) {
  const model::EndpointProbe& probe = *reach.probe;
  const model::ProbeResult* result = probe.last.if_known();
  if (result == nullptr) return;
  const std::string_view hop = to_string(probe.hop);
  const auto write_step = [&](const model::PhaseResult& step) {
    writer.write(kDuration,
                 {probe.vantage, probe.id.ns, probe.id.cluster, probe.id.address, hop, probe.role,
                  to_string(step.phase)},
                 Observed<Duration>::known(step.took, result->began));
  };
  write_step(result->resolve);
  const model::AddressProbe* address = shown_address(*result);
  if (address == nullptr) return;
  for (const model::PhaseResult& step : address->phases) write_step(step);
  if (address->certificate_expires) {
    writer.write(kExpiry,
                 {probe.vantage, probe.id.ns, probe.id.cluster, probe.id.address, hop, probe.role},
                 Observed<WallTime>::known(*address->certificate_expires, result->began));
  }
}

void write_address(const AddressReach& reach, WallTime at, metrics::Writer& writer) {
  const model::EndpointProbe& probe = *reach.probe;
  const std::string_view hop = to_string(probe.hop);
  const auto labels = {std::string_view(probe.vantage),
                       std::string_view(probe.id.ns),
                       std::string_view(probe.id.cluster),
                       std::string_view(probe.id.address),
                       hop,
                       std::string_view(probe.role)};
  writer.write(
      kInfo,
      {probe.vantage, probe.id.ns, probe.id.cluster, probe.id.address, hop, probe.role, probe.kind},
      Observed<bool>::known(true, at));
  writer.write(kUp, labels, reach.up);
  writer.write_states(kVerdict, labels, analysis::all_verdicts(), reach.verdict);
  writer.write_states(kFailedHop, labels, kHops, reach.failed_hop);
  writer.write(kRoleCorrect, labels, reach.role_correct);
  if (reach.failing_since) {
    writer.write(kFailingSince, labels, Observed<WallTime>::known(*reach.failing_since, at));
  }
  writer.write(kDead, labels, reach.dead_addresses);
  writer.write(kProbes, labels, Observed<std::int64_t>::known(probe.probes, at));
  writer.write(kDeaths, labels,
               probe.canary.map([](const model::Canary& c) { return c.silent_deaths; }));
  writer.write(kSession, labels, probe.canary.map([](const model::Canary& c) { return c.since; }));
  write_newest(reach, writer);
}

void collect(const Input& input, metrics::Writer& writer) {
  const analysis::ReachAssessment& reachability = input.assessment.reachability;
  for (const AddressReach& reach : reachability.addresses) {
    write_address(reach, input.world.at, writer);
  }
  for (const analysis::RoleReach& role : reachability.roles) {
    const auto labels = {std::string_view(role.vantage), std::string_view(role.ns),
                         std::string_view(role.cluster), std::string_view(role.role)};
    writer.write(kRoleUp, labels, role.up);
    writer.write_states(kRoleHop, labels, kHops, role.failed_hop);
  }
  for (const analysis::ClusterReach& cluster : reachability.clusters) {
    const auto labels = {std::string_view(cluster.vantage), std::string_view(cluster.ns),
                         std::string_view(cluster.cluster)};
    writer.write(kSwapped, labels, cluster.swapped);
    writer.write(kEqual, labels, cluster.equal);
    writer.write(kSystems, labels, cluster.systems);
  }
}

}  // namespace

const Collector& reachability_collector() {
  static constexpr Collector collector{"reachability", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
