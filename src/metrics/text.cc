#include "metrics/text.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/utf8.h"

namespace keelwatch::metrics {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kTotal = "_total";

enum class Quotes { kKeep, kEscape };

void append_escaped(std::string& out, std::string_view text, Quotes quotes) {
  std::size_t clean = 0;  // [clean, i) needs no change
  const auto replace = [&](std::size_t at, std::size_t length, std::string_view by) {
    out.append(text, clean, at - clean).append(by);
    clean = at + length;
  };
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    std::size_t length = 1;
    if (byte == '\\') {
      replace(i, 1, "\\\\");
    } else if (byte == '\n') {
      replace(i, 1, "\\n");
    } else if (byte == '"' && quotes == Quotes::kEscape) {
      replace(i, 1, "\\\"");
    } else if (byte >= 0x80) {
      length = utf8_sequence_length(text.substr(i));
      if (length == 0) replace(i, length = 1, kReplacement);
    }
    i += length;
  }
  out.append(text, clean);
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const bool ascii = static_cast<unsigned char>(text.front()) < 0x80;
    const std::size_t length = ascii ? 1 : utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char buffer[32];
    std::to_chars_result end{};
    // Bytes and timestamps are read by people too: 1e+09 would be shorter, and slower to print.
    if (std::abs(value) < 1e15 && value == std::trunc(value) &&
        !(value == 0 && std::signbit(value))) {
      end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<std::int64_t>(value));
    } else {
      end = std::to_chars(buffer, buffer + sizeof buffer, value);
    }
    out.append(buffer, static_cast<std::size_t>(end.ptr - buffer));
  }
}

void append_label_value(std::string& out, std::string_view value) {
  append_escaped(out, value, Quotes::kEscape);
}

std::string_view family_name(std::string_view name, Type type, Format format) {
  if (format == Format::kOpenMetrics100 && type == Type::kCounter && name.ends_with(kTotal)) {
    name.remove_suffix(kTotal.size());
  }
  return name;
}

void append_header(std::string& out, std::string_view name, Type type, std::string_view help,
                   Format format) {
  const std::string_view family = family_name(name, type, format);
  out.append("# HELP ").append(family).append(" ");
  append_escaped(out, help, format == Format::kOpenMetrics100 ? Quotes::kEscape : Quotes::kKeep);
  out.append("\n# TYPE ").append(family).append(" ").append(to_string(type)).append("\n");
}

}  // namespace keelwatch::metrics
