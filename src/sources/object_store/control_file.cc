#include "sources/object_store/control_file.h"

#include <optional>

#include <fmt/format.h>

#include "sources/object_store/bytes.h"
#include "sources/object_store/crc32c.h"

namespace keelwatch::sources {
namespace {

// Where the fields are on 64-bit machines, the same from 13 to 18 up to data_checksum_version: 18
// puts default_char_signedness behind it, which moves only the checksum.
constexpr std::size_t kVersion = 8;
constexpr std::size_t kTimeline = 48;
constexpr std::size_t kPageBytes = 216;
constexpr std::size_t kPagesPerFile = 220;
constexpr std::size_t kWalSegmentBytes = 228;
constexpr std::size_t kDataChecksums = 252;

std::optional<std::size_t> checksum_at(std::uint32_t version) {
  if (version == 1300 || version == 1700) return 288;
  if (version == 1800) return 292;
  return std::nullopt;
}

}  // namespace

Result<ControlFile> parse_control_file(std::string_view bytes) {
  if (bytes.size() < kVersion + 4) {
    return Error(ErrorCode::kMalformed, fmt::format("pg_control: only {} bytes", bytes.size()));
  }
  ControlFile control;
  control.version = little32(bytes, kVersion);
  const std::optional<std::size_t> checksum = checksum_at(control.version);
  if (!checksum) {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("pg_control: version {} is none of PostgreSQL 13 to 18", control.version));
  }
  if (bytes.size() < *checksum + 4) {
    return Error(ErrorCode::kMalformed, fmt::format("pg_control: only {} bytes", bytes.size()));
  }
  if (crc32c(bytes.substr(0, *checksum)) != little32(bytes, *checksum)) {
    return Error(ErrorCode::kMalformed, "pg_control: its checksum is wrong");
  }
  control.system_id = little64(bytes, 0);
  control.timeline = little32(bytes, kTimeline);
  control.page_bytes = little32(bytes, kPageBytes);
  control.pages_per_file = little32(bytes, kPagesPerFile);
  control.wal_segment_bytes = little32(bytes, kWalSegmentBytes);
  control.data_checksums = little32(bytes, kDataChecksums) != 0;
  return control;
}

}  // namespace keelwatch::sources
