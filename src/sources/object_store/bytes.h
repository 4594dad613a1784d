// Numbers as x86-64 and little-endian ARM write them to disk. The caller knows that they are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keelwatch::sources {

[[nodiscard]] inline std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

template <typename T>
[[nodiscard]] T little_at(std::string_view bytes, std::size_t at) {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>(value << 8U | byte_at(bytes, at + i));
  }
  return value;
}
[[nodiscard]] inline std::uint16_t little16(std::string_view bytes, std::size_t at) {
  return little_at<std::uint16_t>(bytes, at);
}
[[nodiscard]] inline std::uint32_t little32(std::string_view bytes, std::size_t at) {
  return little_at<std::uint32_t>(bytes, at);
}
[[nodiscard]] inline std::uint64_t little64(std::string_view bytes, std::size_t at) {
  return little_at<std::uint64_t>(bytes, at);
}

}  // namespace keelwatch::sources
