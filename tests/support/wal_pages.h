// WAL segments for tests: a long page header, and zeros behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "model/wal_segment.h"

namespace keelwatch::testing {

struct WalPage {
  std::uint16_t magic = 0xD116;
  std::uint16_t flags = 0x0002;
  std::int64_t timeline = 1;
  std::int64_t address = 0;
  std::uint64_t system_id = 42;
  std::int64_t segment_bytes = model::kDefaultWalSegmentBytes;

  // The header, filled up to `size` bytes.
  [[nodiscard]] std::string bytes(std::size_t size = 40) const {
    std::string result;
    put(result, magic, 2);
    put(result, flags, 2);
    put(result, static_cast<std::uint64_t>(timeline), 4);
    put(result, static_cast<std::uint64_t>(address), 8);
    put(result, 0, 8);
    put(result, system_id, 8);
    put(result, static_cast<std::uint64_t>(segment_bytes), 4);
    put(result, 8192, 4);
    result.resize(size, '\0');
    return result;
  }

 private:
  static void put(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
  }
};

}  // namespace keelwatch::testing
