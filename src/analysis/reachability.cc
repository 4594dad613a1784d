#include "analysis/reachability.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::EndpointProbe;
using model::Hop;
using model::ProbeFault;
using model::ProbePhase;
using model::ProbeResult;

constexpr std::array<std::string_view, 15> kVerdicts = {
    "ok",    "dns",           "network",    "refused",       "proxy",
    "tls",   "auth",          "full",       "postgres_down", "no_server",
    "stuck", "large_results", "wrong_role", "http",          "settings"};

// A step that got no answer in time, by the step.
std::string_view silence_in(ProbePhase phase) {
  switch (phase) {
    case ProbePhase::kResolve:
      return "dns";
    case ProbePhase::kConnect:
      return "network";
    case ProbePhase::kTls:
    case ProbePhase::kStartup:
      return "postgres_down";
    case ProbePhase::kAuth:
    case ProbePhase::kQuery:
      return "stuck";
  }
  return "stuck";
}

// Only the probe's own way fails: clients with their own login and CA may well get through.
bool says_nothing_of_clients(const ProbeResult& result) {
  const std::string_view verdict = verdict_of(result);
  return verdict == "auth" || verdict == "settings";
}

std::string source_of(const EndpointProbe& probe) { return "endpoints " + text(probe.id); }

// Takes in the newest probe, once.
void remember(const EndpointProbe& probe, const ProbeResult& result, int enough,
              ReachMemory::Address& memory) {
  memory.reached = memory.reached || result.passed() || result.phase > ProbePhase::kConnect;
  if (probe.probes == memory.probes) return;
  memory.probes = probe.probes;
  if (result.passed()) {
    memory.failures = 0;
    memory.first_failure.reset();
    memory.up = true;
    return;
  }
  if (++memory.failures == 1) memory.first_failure = result.began;
  if (memory.failures >= enough) memory.up = false;
}

AddressReach absent(std::shared_ptr<const EndpointProbe> probe, const Why& why) {
  const AbsentOfAny no{why};
  return {.probe = std::move(probe),
          .up = no,
          .verdict = no,
          .failing_since = {},
          .failed_hop = no,
          .role_correct = no,
          .dead_addresses = no};
}

Observed<bool> role_correct(const EndpointProbe& probe, const ProbeResult& result) {
  using Correct = Observed<bool>;
  if (probe.role.empty()) return Correct::not_set_up("no role is demanded", source_of(probe));
  if (!result.answer) {
    return Correct::unknown(Error(ErrorCode::kUnavailable, result.detail), source_of(probe));
  }
  return Correct::known(result.fault != ProbeFault::kWrongRole, result.began);
}

Observed<std::int64_t> dead_addresses(const EndpointProbe& probe, const ProbeResult& result) {
  if (result.used.empty()) {
    return Observed<std::int64_t>::unknown(Error(ErrorCode::kUnavailable, "none of them serves"),
                                           source_of(probe));
  }
  const auto dead = std::ranges::count_if(
      result.addresses, [](const model::AddressProbe& a) { return a.fault() != nullptr; });
  return Observed<std::int64_t>::known(dead, result.began);
}

// Without failed_hop, which takes the other addresses.
AddressReach assess_address(std::shared_ptr<const EndpointProbe> probe, int enough,
                            ReachMemory::Address& memory) {
  const ProbeResult* result = probe->last.if_known();
  if (result == nullptr) return absent(probe, probe->last.why());
  remember(*probe, *result, enough, memory);
  const std::string source = source_of(*probe);
  if (probe->discovered && !memory.reached && !probe->last_success) {
    const Error never(ErrorCode::kNotFound,
                      "never reached from vantage " + probe->vantage + ": " + result->detail);
    return absent(probe, {Absence::kNotSetUp, never, source});
  }
  AddressReach reach = absent(
      probe, {Absence::kUnknown,
              Error(ErrorCode::kUnavailable, "a failure waits to be confirmed: " + result->detail),
              source});
  reach.role_correct = role_correct(*probe, *result);
  reach.dead_addresses = dead_addresses(*probe, *result);
  if (!memory.up) return reach;
  const bool confirmed = result->passed() || !*memory.up;
  reach.verdict = Observed<std::string>::known(std::string(confirmed ? verdict_of(*result) : "ok"),
                                               result->began);
  if (!*memory.up) reach.failing_since = memory.first_failure;
  if (confirmed && says_nothing_of_clients(*result)) {
    reach.up = Observed<bool>::unknown(
        Error(ErrorCode::kUnauthorized, "the probe cannot get in: " + result->detail), source);
  } else {
    reach.up = Observed<bool>::known(*memory.up, result->began);
  }
  return reach;
}

// How far from the database, for addresses that lead to it one through the other.
int distance(Hop hop) {
  switch (hop) {
    case Hop::kPod:
      return 0;
    case Hop::kService:
      return 1;
    case Hop::kPooler:
      return 2;
    case Hop::kTailnet:
      return 3;
    case Hop::kEgress:
    case Hop::kOther:
      break;
  }
  return 4;
}

bool is_down(const AddressReach& reach) {
  const bool* up = reach.up.if_known();
  return up != nullptr && !*up;
}

// Whether an instance answers that may take that role; absent: none could be asked.
std::optional<bool> instance_serves(const std::vector<const AddressReach*>& cluster,
                                    const std::string& role) {
  std::optional<bool> serves;
  for (const AddressReach* reach : cluster) {
    if (reach->probe->hop != Hop::kPod || !reach->up.is_known()) continue;
    const ProbeResult* result = reach->probe->last.if_known();
    const bool right = result != nullptr && result->answer &&
                       (role == "rw" ? !result->answer->in_recovery : result->answer->in_recovery);
    serves = serves.value_or(false) || (right && !is_down(*reach));
  }
  return serves;
}

// The innermost hop of the cluster's way to that role that fails.
std::string blame(const AddressReach& failing, const std::vector<const AddressReach*>& cluster) {
  const ProbeResult& result = failing.probe->last.known_value();
  if (result.phase == ProbePhase::kResolve) return "dns";
  if (result.fault == ProbeFault::kProxyFailed) return "proxy";
  const std::string& role = failing.probe->role;
  if (!role.empty() && instance_serves(cluster, role) == false) return "pod";
  const AddressReach* innermost = &failing;
  for (const AddressReach* other : cluster) {
    const bool inside = distance(other->probe->hop) < distance(innermost->probe->hop);
    if (inside && other->probe->role == role && !role.empty() && is_down(*other)) innermost = other;
  }
  if (innermost->probe->last.known_value().fault == ProbeFault::kPoolerNoServer) return "pod";
  return std::string(to_string(innermost->probe->hop));
}

template <typename T>
Observed<T> nothing(const char* what) {
  return Observed<T>::unknown(Error(ErrorCode::kNotFound, what), "endpoints");
}

// The outermost address of the role decides: it is the one that clients use.
RoleReach assess_role(const std::string& role, const std::vector<const AddressReach*>& cluster) {
  const model::EndpointId& id = cluster.front()->probe->id;
  RoleReach reach{.ns = id.ns,
                  .cluster = id.cluster,
                  .role = role,
                  .vantage = cluster.front()->probe->vantage,
                  .up = nothing<bool>("no address of this role is set up"),
                  .failed_hop = nothing<std::string>("no address of this role is set up")};
  const AddressReach* outermost = nullptr;
  for (const AddressReach* one : cluster) {
    const bool set_up = one->up.is_known() || one->up.why().absence == Absence::kUnknown;
    if (one->probe->role != role || !set_up) continue;
    if (outermost == nullptr || distance(one->probe->hop) > distance(outermost->probe->hop) ||
        (one->probe->hop == outermost->probe->hop && is_down(*one))) {
      outermost = one;
    }
  }
  if (outermost != nullptr) {
    reach.up = outermost->up;
    reach.failed_hop = outermost->failed_hop;
  } else {
    const auto any = std::ranges::find_if(
        cluster, [&](const AddressReach* one) { return one->probe->role == role; });
    if (any != cluster.end()) {
      reach.up = (*any)->up;
      reach.failed_hop = (*any)->failed_hop;
    }
  }
  return reach;
}

// The cluster's address of that role and hop, if it answers.
const EndpointProbe* answering(const std::vector<const AddressReach*>& cluster, Hop hop,
                               std::string_view role) {
  for (const AddressReach* one : cluster) {
    if (one->probe->hop != hop || one->probe->role != role) continue;
    const ProbeResult* result = one->probe->last.if_known();
    if (result != nullptr && result->answer) return one->probe.get();
  }
  return nullptr;
}

bool same_place(const EndpointProbe& a, const EndpointProbe& b) {
  const auto numeric = [](const EndpointProbe& probe) {
    std::set<std::string> all;
    for (const model::AddressProbe& address : probe.last.known_value().addresses) {
      all.insert(address.address);
    }
    return all;
  };
  return a.port == b.port && !a.last.known_value().addresses.empty() && numeric(a) == numeric(b);
}

void compare_roles(const std::vector<const AddressReach*>& cluster, ClusterReach& reach) {
  for (const Hop hop : {Hop::kService, Hop::kPooler, Hop::kTailnet, Hop::kOther}) {
    const EndpointProbe* rw = answering(cluster, hop, "rw");
    const EndpointProbe* ro = answering(cluster, hop, "ro");
    if (rw == nullptr || ro == nullptr) continue;
    const ProbeResult& writes = rw->last.known_value();
    const ProbeResult& reads = ro->last.known_value();
    const WallTime at = std::min(writes.began, reads.began);
    const bool swapped = writes.answer->in_recovery && !reads.answer->in_recovery;
    const bool equal = same_place(*rw, *ro);
    const bool* before_swapped = reach.swapped.if_known();
    const bool* before_equal = reach.equal.if_known();
    reach.swapped =
        Observed<bool>::known(swapped || (before_swapped != nullptr && *before_swapped), at);
    reach.equal = Observed<bool>::known(equal || (before_equal != nullptr && *before_equal), at);
  }
}

ClusterReach assess_cluster(const std::vector<const AddressReach*>& cluster) {
  const model::EndpointId& id = cluster.front()->probe->id;
  ClusterReach reach{.ns = id.ns,
                     .cluster = id.cluster,
                     .vantage = cluster.front()->probe->vantage,
                     .swapped = nothing<bool>("not both roles answer at one hop"),
                     .equal = nothing<bool>("not both roles answer at one hop"),
                     .systems = nothing<std::int64_t>("no address tells")};
  compare_roles(cluster, reach);
  std::set<std::string> systems;
  std::optional<WallTime> oldest;
  for (const AddressReach* one : cluster) {
    const ProbeResult* result = one->probe->last.if_known();
    if (result == nullptr || !result->answer || result->answer->system_identifier.empty()) continue;
    systems.insert(result->answer->system_identifier);
    oldest = std::min(oldest.value_or(result->began), result->began);
  }
  if (oldest) {
    reach.systems =
        Observed<std::int64_t>::known(static_cast<std::int64_t>(systems.size()), *oldest);
  }
  return reach;
}

using ByCluster = std::map<std::pair<std::string, std::string>, std::vector<const AddressReach*>>;

ByCluster by_cluster(const std::vector<AddressReach>& addresses) {
  ByCluster clusters;
  for (const AddressReach& reach : addresses) {
    const model::EndpointId& id = reach.probe->id;
    if (!id.cluster.empty()) clusters[{id.ns, id.cluster}].push_back(&reach);
  }
  return clusters;
}

}  // namespace

std::string_view verdict_of(const ProbeResult& result) {
  switch (result.fault) {
    case ProbeFault::kNone:
      return "ok";
    case ProbeFault::kNameUnknown:
    case ProbeFault::kDnsFailed:
      return "dns";
    case ProbeFault::kTimeout:
      return silence_in(result.phase);
    case ProbeFault::kRefused:
      return "refused";
    case ProbeFault::kUnreachable:
      return "network";
    case ProbeFault::kProxyFailed:
      return "proxy";
    case ProbeFault::kTlsNotOffered:
    case ProbeFault::kCertificateExpired:
    case ProbeFault::kCertificateName:
    case ProbeFault::kTlsFailed:
      return "tls";
    case ProbeFault::kHungUp:
      return result.phase < ProbePhase::kTls ? "network" : "postgres_down";
    case ProbeFault::kNotPostgres:
    case ProbeFault::kStartingUp:
    case ProbeFault::kShuttingDown:
      return "postgres_down";
    case ProbeFault::kTooManyConnections:
      return "full";
    case ProbeFault::kAuthFailed:
    case ProbeFault::kNoSuchDatabase:
      return "auth";
    case ProbeFault::kPoolerNoServer:
      return "no_server";
    case ProbeFault::kQueryFailed:
      return "stuck";
    case ProbeFault::kLargeResultLost:
      return "large_results";
    case ProbeFault::kWrongRole:
      return "wrong_role";
    case ProbeFault::kHttpStatus:
      return "http";
    case ProbeFault::kCertificateUntrusted:
    case ProbeFault::kSettings:
      return "settings";
  }
  return "settings";
}

std::span<const std::string_view> all_verdicts() { return kVerdicts; }

ReachAssessment assess_reachability(const model::World& world, const config::Config& config,
                                    ReachMemory& memory) {
  ReachAssessment assessment;
  std::map<model::EndpointId, ReachMemory::Address> kept;
  for (const auto& probe : world.probes->endpoints) {
    const auto before = memory.addresses.find(probe->id);
    ReachMemory::Address& now = kept[probe->id];
    if (before != memory.addresses.end()) now = before->second;
    assessment.addresses.push_back(assess_address(probe, config.endpoints.failures, now));
  }
  // A source that has not published yet takes nothing away.
  if (!world.probes->endpoints.empty()) memory.addresses = std::move(kept);

  const ByCluster clusters = by_cluster(assessment.addresses);
  for (AddressReach& reach : assessment.addresses) {
    if (!reach.up.is_known()) continue;
    const auto cluster = clusters.find({reach.probe->id.ns, reach.probe->id.cluster});
    const std::vector<const AddressReach*> alone = {&reach};
    const auto& hops = cluster == clusters.end() ? alone : cluster->second;
    reach.failed_hop = Observed<std::string>::known(is_down(reach) ? blame(reach, hops) : "none",
                                                    reach.up.observed_at());
  }
  for (const auto& [name, hops] : clusters) {
    for (const char* role : {"ro", "rw"}) {
      const bool any = std::ranges::any_of(
          hops, [&](const AddressReach* one) { return one->probe->role == role; });
      if (any) assessment.roles.push_back(assess_role(role, hops));
    }
    assessment.clusters.push_back(assess_cluster(hops));
  }
  return assessment;
}

}  // namespace keelwatch::analysis
