// UTF-8 (RFC 3629), as much of it as writing needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keelwatch {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// Appends a code point up to U+10FFFF.
void append_utf8(std::string& out, char32_t code_point);

// The length in bytes (1..4) of the well-formed sequence that the text starts with; 0 if it starts
// with none (overlong forms and surrogates are none).
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text);

}  // namespace keelwatch
