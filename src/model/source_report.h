// How a source is doing with one of its targets: the evidence behind keelwatch_source_*. Counts
// begin with the source, which a change of its settings or a failure starts anew.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "model/fields.h"

namespace keelwatch::model {

struct SourceReport {
  std::string source;    // "kubernetes", "postgres"
  std::string target;    // a kind, "namespace/pod", ...: stable while the target exists
  bool pending = false;  // no attempt has ended yet: neither up nor down
  bool up = false;       // the last attempt succeeded, and not too long ago
  std::optional<WallTime> last_success;
  Duration last_duration{};                       // of the last finished attempt
  std::map<std::string, std::uint64_t> errors;    // count by to_string(ErrorCode)
  std::string last_error;                         // empty while up
  std::optional<double> clock_skew_seconds;       // peer's clock minus ours, where the peer tells
  std::uint64_t requests = 0;                     // requests or statements sent
  std::optional<std::uint64_t> received_bytes{};  // by the network's count; absent: not counted
  bool not_set_up = false;                        // no credential: neither up nor down
  bool not_installed = false;                     // the API group does not exist here

  template <typename With>
  static auto fields(With&& with) {
    return with(field("source", &SourceReport::source), field("target", &SourceReport::target),
                field("pending", &SourceReport::pending), field("up", &SourceReport::up),
                field("lastSuccess", &SourceReport::last_success),
                field("lastDuration", &SourceReport::last_duration),
                field("errors", &SourceReport::errors),
                field("lastError", &SourceReport::last_error),
                field("clockSkewSeconds", &SourceReport::clock_skew_seconds),
                field("requests", &SourceReport::requests),
                field("receivedBytes", &SourceReport::received_bytes),
                field("notSetUp", &SourceReport::not_set_up),
                field("notInstalled", &SourceReport::not_installed));
  }
};

}  // namespace keelwatch::model
