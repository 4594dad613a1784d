#include "model/codec.h"

#include <optional>
#include <string>
#include <string_view>

#include "model/codec_impl.h"

namespace keelwatch::model {
namespace internal {
namespace {

std::optional<Absence> parse_absence(std::string_view text) {
  for (const Absence a : {Absence::kUnknown, Absence::kNotInstalled, Absence::kNotSetUp}) {
    if (text == to_string(a)) return a;
  }
  return std::nullopt;
}

std::optional<ErrorCode> parse_code(std::string_view text) {
  for (const ErrorCode code : kAllErrorCodes) {
    if (text == to_string(code)) return code;
  }
  return std::nullopt;
}

// Takes over what was found in `from`, a Result or an optional.
template <typename T, typename Found>
bool take(const Found& found, T& to, std::string_view expected, Problem& problem) {
  if (!found) return problem.expected(expected);
  to = T(*found);
  return true;
}

}  // namespace

bool Problem::expected(std::string_view what) {
  error_ = Error(ErrorCode::kMalformed, "expected " + std::string(what));
  return false;
}

bool Problem::within(std::string_view place) {
  error_ = error_->context(place);
  return false;
}

bool read(JsonValue from, std::string& to, Problem& problem) {
  if (!from.present()) return true;  // of a tape from before this member
  return take(from.string(), to, "a text", problem);
}
bool read(JsonValue from, bool& to, Problem& problem) {
  return take(from.boolean(), to, "true or false", problem);
}
bool read(JsonValue from, std::int64_t& to, Problem& problem) {
  return take(from.integer(), to, "an integer", problem);
}
bool read(JsonValue from, std::uint64_t& to, Problem& problem) {
  const std::optional<std::int64_t> number = from.integer();
  if (!number || *number < 0) return problem.expected("a count");
  to = static_cast<std::uint64_t>(*number);
  return true;
}
bool read(JsonValue from, double& to, Problem& problem) {
  return take(from.number(), to, "a number", problem);
}
bool read(JsonValue from, WallTime& to, Problem& problem) {
  return take(parse_rfc3339(from.string().value_or("")), to, "a time", problem);
}
bool read(JsonValue from, Duration& to, Problem& problem) {
  return take(from.integer(), to, "nanoseconds", problem);
}
bool read(JsonValue from, Lsn& to, Problem& problem) {
  return take(parse_lsn(from.string().value_or("")), to, "an LSN", problem);
}
bool read(JsonValue from, Reachability& to, Problem& problem) {
  return take(parse_reachability(from.string().value_or("")), to, "a reachability", problem);
}
bool read(JsonValue from, ProbePhase& to, Problem& problem) {
  return take(parse_probe_phase(from.string().value_or("")), to, "a phase of a probe", problem);
}
bool read(JsonValue from, ProbeFault& to, Problem& problem) {
  return take(parse_probe_fault(from.string().value_or("")), to, "a fault of a probe", problem);
}
bool read(JsonValue from, Hop& to, Problem& problem) {
  return take(parse_hop(from.string().value_or("")), to, "a hop", problem);
}

bool read_why(JsonValue from, Why& to, Problem& problem) {
  const auto absence = parse_absence(from["absent"].string().value_or(""));
  const auto code = parse_code(from["code"].string().value_or(""));
  if (!absence || !code) return problem.expected("a reason for the absence");
  to = {*absence, Error(*code, std::string(from["message"].string().value_or(""))),
        std::string(from["source"].string().value_or(""))};
  return true;
}

}  // namespace internal

void encode(JsonWriter& out, const PgBouncerSlice& slice) { internal::put(out, slice); }
void encode(JsonWriter& out, const FilesystemSlice& slice) { internal::put(out, slice); }
void encode(JsonWriter& out, const SourceReport& report) { internal::put(out, report); }

Result<PgBouncerSlice> decode_pgbouncer_slice(JsonValue value) {
  return internal::decoded<PgBouncerSlice>(value);
}
Result<FilesystemSlice> decode_filesystem_slice(JsonValue value) {
  return internal::decoded<FilesystemSlice>(value);
}

}  // namespace keelwatch::model
