// The pieces that a page is written with: numbers, escapes. Shared by the samples' writer
// and by our own registry's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "metrics/exposition.h"
#include "metrics/family.h"

namespace keelwatch::metrics {

[[nodiscard]] bool is_utf8(std::string_view text);

// The shortest text that reads back as the same double; whole numbers below 1e15 without exponent;
// +Inf, -Inf, NaN.
void append_number(std::string& out, double value);

// Escapes \, " and newline; each byte that is not UTF-8 becomes U+FFFD, because one hostile object
// name must not make Prometheus refuse the page.
void append_label_value(std::string& out, std::string_view value);

// The HELP and TYPE lines of a family. OpenMetrics names counters without _total and escapes quotes
// in help; text 0.0.4 does neither.
void append_header(std::string& out, std::string_view name, Type type, std::string_view help,
                   Format format);

// A counter's name in OpenMetrics' HELP and TYPE lines; other names as they are.
[[nodiscard]] std::string_view family_name(std::string_view name, Type type, Format format);

}  // namespace keelwatch::metrics
