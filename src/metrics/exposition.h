// The text formats of a /metrics page, written and read exactly: shortest round-trip numbers,
// escaped help and label values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/result.h"
#include "metrics/writer.h"

namespace keelwatch::metrics {

enum class Format { kText004, kOpenMetrics100 };

// "text/plain; version=0.0.4; charset=utf-8" and
// "application/openmetrics-text; version=1.0.0; charset=utf-8".
[[nodiscard]] std::string_view content_type(Format format);

// Chooses by the Accept header's q values; text 0.0.4 when nothing better matches or it is empty.
[[nodiscard]] Format negotiate(std::string_view accept_header);

// Appends HELP, TYPE and samples of each family that has samples. OpenMetrics drops _total from
// counter family names in HELP/TYPE; its final "# EOF" is the caller's (end_page), since a page is
// put together from several parts.
void append_samples(std::string& out, const Samples& samples, Format format);
void end_page(std::string& out, Format format);

// gzip (RFC 1952), level 1 through libdeflate.
[[nodiscard]] std::string gzip(std::string_view text);

// One sample of somebody else's page.
struct ParsedSample {
  Labels labels;  // with __name__
  double value;
};
struct ParsedPage {
  std::vector<ParsedSample> samples;
  // HELP/TYPE by family name, in order of appearance.
  struct Metadata {
    std::string name, type, help;
  };
  std::vector<Metadata> metadata;
};
// Reads text 0.0.4 or OpenMetrics (by content type; unknown types are read as 0.0.4). Errors:
// kMalformed with the line number; kTooLarge beyond `max_samples`.
[[nodiscard]] Result<ParsedPage> parse_page(std::string_view text, std::string_view content_type,
                                            std::size_t max_samples);

}  // namespace keelwatch::metrics
