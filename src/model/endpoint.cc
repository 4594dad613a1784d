#include "model/endpoint.h"

#include <algorithm>
#include <array>
#include <utility>

namespace keelwatch::model {
namespace {

constexpr std::array<std::pair<ProbePhase, std::string_view>, 6> kPhases = {{
    {ProbePhase::kResolve, "resolve"},
    {ProbePhase::kConnect, "connect"},
    {ProbePhase::kTls, "tls"},
    {ProbePhase::kStartup, "startup"},
    {ProbePhase::kAuth, "auth"},
    {ProbePhase::kQuery, "query"},
}};

constexpr std::array<std::pair<ProbeFault, std::string_view>, 25> kFaults = {{
    {ProbeFault::kNone, "none"},
    {ProbeFault::kNameUnknown, "name_unknown"},
    {ProbeFault::kDnsFailed, "dns_failed"},
    {ProbeFault::kTimeout, "timeout"},
    {ProbeFault::kRefused, "refused"},
    {ProbeFault::kUnreachable, "unreachable"},
    {ProbeFault::kProxyFailed, "proxy_failed"},
    {ProbeFault::kTlsNotOffered, "tls_not_offered"},
    {ProbeFault::kCertificateExpired, "certificate_expired"},
    {ProbeFault::kCertificateName, "certificate_name"},
    {ProbeFault::kCertificateUntrusted, "certificate_untrusted"},
    {ProbeFault::kTlsFailed, "tls_failed"},
    {ProbeFault::kHungUp, "hung_up"},
    {ProbeFault::kNotPostgres, "not_postgres"},
    {ProbeFault::kStartingUp, "starting_up"},
    {ProbeFault::kShuttingDown, "shutting_down"},
    {ProbeFault::kTooManyConnections, "too_many_connections"},
    {ProbeFault::kNoSuchDatabase, "no_such_database"},
    {ProbeFault::kAuthFailed, "auth_failed"},
    {ProbeFault::kPoolerNoServer, "pooler_no_server"},
    {ProbeFault::kQueryFailed, "query_failed"},
    {ProbeFault::kLargeResultLost, "large_result_lost"},
    {ProbeFault::kWrongRole, "wrong_role"},
    {ProbeFault::kHttpStatus, "http_status"},
    {ProbeFault::kSettings, "settings"},
}};

constexpr std::array<std::pair<Hop, std::string_view>, 6> kHops = {{
    {Hop::kPod, "pod"},
    {Hop::kService, "service"},
    {Hop::kPooler, "pooler"},
    {Hop::kTailnet, "tailnet"},
    {Hop::kEgress, "egress"},
    {Hop::kOther, "other"},
}};

template <typename Table, typename E>
std::string_view word_for(const Table& table, E value) {
  const auto found = std::ranges::find(table, value, &Table::value_type::first);
  return found == table.end() ? std::string_view() : found->second;
}

template <typename Table>
auto meaning_of(const Table& table, std::string_view word)
    -> std::optional<typename Table::value_type::first_type> {
  const auto found = std::ranges::find(table, word, &Table::value_type::second);
  if (found == table.end()) return std::nullopt;
  return found->first;
}

}  // namespace

std::string_view to_string(ProbePhase phase) { return word_for(kPhases, phase); }
std::optional<ProbePhase> parse_probe_phase(std::string_view text) {
  return meaning_of(kPhases, text);
}
std::string_view to_string(ProbeFault fault) { return word_for(kFaults, fault); }
std::optional<ProbeFault> parse_probe_fault(std::string_view text) {
  return meaning_of(kFaults, text);
}
std::string_view to_string(Hop hop) { return word_for(kHops, hop); }
std::optional<Hop> parse_hop(std::string_view text) { return meaning_of(kHops, text); }

}  // namespace keelwatch::model
