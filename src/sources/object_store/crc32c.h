// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), which PostgreSQL puts on WAL records and
// on its control file and the snappy framing format on its chunks. With the processor's own
// instruction where it has one.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelwatch::sources {

// Of `data`, or of what `before` is the checksum of with `data` behind it.
[[nodiscard]] std::uint32_t crc32c(std::string_view data, std::uint32_t before = 0);

namespace internal {
// The same without that instruction.
[[nodiscard]] std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t before);
}  // namespace internal

}  // namespace keelwatch::sources
