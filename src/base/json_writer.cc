#include <charconv>
#include <cmath>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"

namespace keelwatch {
namespace {

// The two-character escape of RFC 8259, or 0.
char short_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

}  // namespace

void JsonWriter::separate() {
  if (need_comma_) out_ += ',';
  need_comma_ = true;
}

void JsonWriter::quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out_ += '"';
  while (!text.empty()) {
    const char c = text.front();
    std::size_t length = 1;
    if (const char escape = short_escape(c)) {
      out_ += {'\\', escape};
    } else if (c >= 0 && c < 0x20) {
      out_ += {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 0xF]};
    } else if ((length = utf8_sequence_length(text)) != 0) {
      out_ += text.substr(0, length);
    } else {
      append_utf8(out_, kReplacementCharacter);
      length = 1;
    }
    text.remove_prefix(length);
  }
  out_ += '"';
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_ += '}';
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  out_ += '[';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  out_ += ']';
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  out_ += ':';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  quote(text);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (std::isnan(number)) return value("NaN");
  if (std::isinf(number)) return value(number > 0 ? "+Inf" : "-Inf");
  separate();
  char buffer[32];
  const auto written = std::to_chars(buffer, buffer + sizeof buffer, number);
  out_.append(buffer, written.ptr);
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  separate();
  out_ += flag ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

std::string JsonWriter::take() {
  need_comma_ = false;
  return std::exchange(out_, {});
}

}  // namespace keelwatch
