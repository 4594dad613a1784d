#include "base/utf8.h"

namespace keelwatch {
namespace {

char byte(char32_t bits) { return static_cast<char>(static_cast<unsigned char>(bits)); }
char continuation(char32_t bits) { return byte(0x80U | (bits & 0x3FU)); }

}  // namespace

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += byte(c);
  } else if (c < 0x800) {
    out += {byte(0xC0U | (c >> 6U)), continuation(c)};
  } else if (c < 0x10000) {
    out += {byte(0xE0U | (c >> 12U)), continuation(c >> 6U), continuation(c)};
  } else {
    out +=
        {byte(0xF0U | (c >> 18U)), continuation(c >> 12U), continuation(c >> 6U), continuation(c)};
  }
}

std::size_t utf8_sequence_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  // The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF.
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xBF) return 0;
  }
  return length;
}

}  // namespace keelwatch
