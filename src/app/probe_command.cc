#include "app/probe_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>
#include <vector>

#include "app/credentials.h"
#include "app/terminal.h"
#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/log.h"
#include "base/resolver.h"
#include "discovery/login.h"
#include "model/codec.h"
#include "sources/endpoints/prober.h"

namespace keelwatch::app {
namespace {

using Row = std::vector<std::string>;

std::string milliseconds_text(Duration took) {
  return fmt::format("{:.1f} ms", to_seconds(took) * 1e3);
}

Row row_of(const std::string& address, const model::PhaseResult& step) {
  const bool good = step.fault == model::ProbeFault::kNone;
  return {address, std::string(to_string(step.phase)), milliseconds_text(step.took),
          good ? "ok" : std::string(to_string(step.fault)), printable(step.detail)};
}

std::string table_of(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string answer_text(const model::ProbeAnswer& answer) {
  std::string text = answer.in_recovery ? "a standby" : "the primary";
  if (!answer.in_recovery && answer.read_only) text += ", with read-only transactions";
  if (!answer.server_address.empty()) text += " at " + answer.server_address;
  if (!answer.system_identifier.empty()) text += ", system " + answer.system_identifier;
  if (answer.timeline) text += fmt::format(", timeline {}", *answer.timeline);
  if (answer.position) text += ", position " + to_string(*answer.position);
  return text;
}

std::string conclusion(const discovery::EndpointTarget& target, const model::ProbeResult& result) {
  std::string text;
  if (result.answer) text += "found: " + printable(answer_text(*result.answer)) + '\n';
  if (!result.passed()) {
    return text + fmt::format("failed: {} ({}){}{}\n", to_string(result.phase),
                              to_string(result.fault), result.detail.empty() ? "" : ": ",
                              printable(result.detail));
  }
  const auto dead = std::ranges::count_if(
      result.addresses, [](const model::AddressProbe& a) { return a.fault() != nullptr; });
  text += "passed: " + printable(target.id.address);
  if (!target.role.empty()) text += " is " + target.role;
  text += fmt::format(", in {}", milliseconds_text(result.took));
  if (dead > 0) text += fmt::format("; {} of its addresses dead", dead);
  return text + '\n';
}

std::string probe_json(const discovery::EndpointTarget& target, const model::ProbeResult& result,
                       WallTime at) {
  model::EndpointProbe probe{.id = target.id,
                             .vantage = {},
                             .hop = target.hop,
                             .role = target.role,
                             .kind = target.kind,
                             .port = target.port,
                             .discovered = false,
                             .probes = 1,
                             .last_success = {},
                             .last = Observed<model::ProbeResult>::known(result, at),
                             .canary = Observed<model::Canary>::not_set_up("one probe", "probe")};
  if (result.passed()) probe.last_success = result.began;
  JsonWriter out;
  model::encode(out, probe);
  return out.take() + '\n';
}

// By the way of the configuration, so that what a file may say may be said here.
Result<discovery::EndpointTarget> target_of(const ProbeOptions& options) {
  config::Config config;
  config.endpoints.discover = false;
  config.endpoints.large_result = options.large_result;
  config.endpoints.timeout = options.timeout;
  config::Endpoint endpoint;
  endpoint.address = options.address;
  endpoint.kind = options.kind;
  endpoint.role = options.role;
  endpoint.tls_name = options.tls_name;
  endpoint.socks5 = options.socks5;
  endpoint.login = options.login;
  config.endpoints.addresses = {endpoint};
  const discovery::EndpointTargets targets =
      discovery::discover_endpoints(config, nullptr, read_credential, {});
  discovery::EndpointTarget target = targets.endpoints.at(0);
  if (!target.cannot_probe_reason.empty()) {
    return Error(ErrorCode::kInvalid, target.cannot_probe_reason);
  }
  if (target.not_set_up_reason.empty()) return target;
  if (discovery::has_credential(options.login)) {
    return Error(ErrorCode::kInvalid, target.not_set_up_reason);
  }
  // Without a password the probe goes as far as the server lets it, which says most of it.
  target.login.host = options.tls_name.empty() ? target.host : options.tls_name;
  target.login.user = options.login.user;
  target.login.dbname = options.login.dbname;
  target.login.sslmode = options.login.sslmode;
  target.login.sslrootcert = options.login.sslrootcert;
  return target;
}

}  // namespace

std::string probe_table(const discovery::EndpointTarget& target, const model::ProbeResult& result) {
  std::vector<Row> rows = {{"ADDRESS", "STEP", "TOOK", "OUTCOME", "DETAIL"}};
  const bool resolved_here = target.socks5_host.empty();
  if (resolved_here) rows.push_back(row_of(printable(target.host), result.resolve));
  for (const model::AddressProbe& address : result.addresses) {
    for (const model::PhaseResult& step : address.phases) {
      rows.push_back(row_of(printable(address.address), step));
    }
  }
  return table_of(rows) + conclusion(target, result);
}

int probe_command(const ProbeOptions& options) {
  const Result<discovery::EndpointTarget> target = target_of(options);
  if (!target) {
    print_error(target.error());
    return 2;
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  const SystemClock clock;
  Logger log(LogLevel::kError, LogFormat::kLogfmt);
  const model::ProbeResult result =
      loop.block_on(sources::probe({loop, resolver, http, clock, log}, *target));
  const std::string text =
      options.json ? probe_json(*target, result, clock.wall()) : probe_table(*target, result);
  return print_data(text, result.passed() ? 0 : 1);
}

}  // namespace keelwatch::app
