// Text forms of durations and times.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace keelwatch {

// Prometheus' duration form: integers with y w d h m s ms in falling order ("1h30m", "250ms"), and
// a bare "0". A year is 365 days. Errors: kInvalid.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

// The shortest such text; whole milliseconds, "0s" for zero, a leading '-' for negative ones.
[[nodiscard]] std::string format_duration(Duration d);

// "2026-11-25T02:56:43.123Z": RFC 3339 in UTC, `digits` (0..9) decimals of a second.
[[nodiscard]] std::string format_rfc3339(WallTime t, int digits = 3);

// RFC 3339 with any offset and any number of decimals; 'T' or a space between date and time
// (Barman writes both). Errors: kMalformed.
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

// As Prometheus' HTTP API takes them: Unix seconds or RFC 3339; seconds or a duration. The answers
// are seconds, finite and of any size. Errors: kMalformed, kInvalid.
[[nodiscard]] Result<double> parse_unix_time(std::string_view text);
[[nodiscard]] Result<double> parse_seconds(std::string_view text);

// "+02:00", "-0530", "Z", "UTC": an offset from UTC of at most 14 hours. Errors: kInvalid.
[[nodiscard]] Result<Duration> parse_utc_offset(std::string_view text);
// "+02:00"; "UTC" for zero.
[[nodiscard]] std::string format_utc_offset(Duration offset);

// What Go's time.Time.String() writes: "2026-02-01 10:00:00.5 +0000 UTC", with any offset and name
// of a zone, and its " m=+0.1" (monotonic reading). Errors: kMalformed.
[[nodiscard]] Result<WallTime> parse_go_time(std::string_view text);

// The HTTP Date header, "Wed, 25 Nov 2026 02:56:43 GMT" (RFC 9110 IMF-fixdate). Errors: kMalformed.
[[nodiscard]] Result<WallTime> parse_http_date(std::string_view text);

}  // namespace keelwatch
