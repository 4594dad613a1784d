// global/pg_control (PostgreSQL src/include/catalog/pg_control.h), as far as a backup's proof needs
// it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace keelwatch::sources {

struct ControlFile {
  std::uint64_t system_id = 0;
  std::uint32_t version = 0;   // PG_CONTROL_VERSION: 1300 of PostgreSQL 13 to 16, 1700, 1800
  std::uint32_t timeline = 0;  // of the last checkpoint
  std::uint32_t page_bytes = 0;
  std::uint32_t pages_per_file = 0;  // of a relation: then comes the file .1
  std::uint32_t wal_segment_bytes = 0;
  bool data_checksums = false;
};

// kMalformed: too short, or its checksum is wrong; kUnsupported: of another version.
[[nodiscard]] Result<ControlFile> parse_control_file(std::string_view bytes);

}  // namespace keelwatch::sources
