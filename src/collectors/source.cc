// keelwatch_source_*: how each source is doing with each of its targets. Always there, whatever
// fails: these are the series by which a silence is noticed.
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family kUp(
    "keelwatch_source_up", Type::kGauge,
    "1 if the source's last attempt to read the target succeeded and was not too "
    "long ago, else 0; absent before the first attempt has ended and where nothing "
    "is set up or installed.",
    {"source", "target"});
constexpr Family kNotSetUp("keelwatch_source_not_set_up", Type::kGauge,
                           "1 if no credential was ever given for the target; absent otherwise.",
                           {"source", "target"});
constexpr Family kNotInstalled("keelwatch_source_not_installed", Type::kGauge,
                               "1 if the target's API group does not exist here; absent otherwise.",
                               {"source", "target"});
constexpr Family kLastSuccess("keelwatch_source_last_success_timestamp_seconds", Type::kGauge,
                              "When the target was last read with success, by keelwatch's clock; "
                              "absent before the first time.",
                              {"source", "target"});
constexpr Family kDuration("keelwatch_source_duration_seconds", Type::kGauge,
                           "How long the last finished attempt to read the target took.",
                           {"source", "target"});
constexpr Family kErrors(
    "keelwatch_source_errors_total", Type::kCounter,
    "Failed attempts to read the target and answers that made no sense, by reason; "
    "begins anew with the source.",
    {"source", "target", "reason"});
constexpr Family kRequests(
    "keelwatch_source_requests_total", Type::kCounter,
    "Requests or statements sent to the target; begins anew with the source.",
    {"source", "target"});
constexpr Family kReceived(
    "keelwatch_source_received_bytes_total", Type::kCounter,
    "Bytes received from the target; absent where the source does not count them; "
    "begins anew with the source.",
    {"source", "target"});
constexpr Family kSkew("keelwatch_source_clock_skew_seconds", Type::kGauge,
                       "The target's clock minus keelwatch's, from its answers; absent where it "
                       "does not tell the time.",
                       {"source", "target"});

constexpr std::array<const Family*, 9> kFamilies = {&kUp,          &kNotSetUp, &kNotInstalled,
                                                    &kLastSuccess, &kDuration, &kErrors,
                                                    &kRequests,    &kReceived, &kSkew};

template <typename T>
Observed<T> fact(T value, const Input& input) {
  return Observed<T>::known(std::move(value), input.world.at);
}

void write_report(const model::SourceReport& report, const Input& input, metrics::Writer& writer) {
  const auto labels = {std::string_view(report.source), std::string_view(report.target)};
  if (report.not_set_up) return writer.write(kNotSetUp, labels, fact(true, input));
  if (report.not_installed) return writer.write(kNotInstalled, labels, fact(true, input));
  // Before the first attempt has ended there is nothing to say, neither good nor bad.
  writer.write(kUp, labels,
               report.pending
                   ? Observed<bool>::unknown(Error(ErrorCode::kUnavailable, "not asked yet"),
                                             report.source + " " + report.target)
                   : fact(report.up, input));
  writer.write(kLastSuccess, labels, fact(report.last_success, input));
  writer.write(kDuration, labels, fact(report.last_duration, input));
  writer.write(kRequests, labels, fact(report.requests, input));
  writer.write(kReceived, labels, fact(report.received_bytes, input));
  writer.write(kSkew, labels, fact(report.clock_skew_seconds, input));
  // Every reason from the start: a counter that appears with 1 hides its first increase.
  for (const ErrorCode code : kAllErrorCodes) {
    const auto counted = report.errors.find(std::string(to_string(code)));
    const std::uint64_t count = counted == report.errors.end() ? 0 : counted->second;
    writer.write(kErrors, {report.source, report.target, to_string(code)}, fact(count, input));
  }
}

void collect(const Input& input, metrics::Writer& writer) {
  // Names come from outside: a cluster listed by hand may be called as a namespace is.
  std::set<std::pair<std::string_view, std::string_view>> seen;
  model::Slices::for_each([&](std::string_view /*name*/, auto place) {
    for (const model::SourceReport& report : (input.world.*place)->reports) {
      if (seen.emplace(report.source, report.target).second) write_report(report, input, writer);
    }
  });
}

}  // namespace

const Collector& source_collector() {
  static constexpr Collector collector{"source", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
