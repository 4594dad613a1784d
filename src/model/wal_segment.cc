#include "model/wal_segment.h"

#include <bit>
#include <charconv>

#include <fmt/format.h>

namespace keelwatch::model {
namespace {

constexpr std::int64_t kLogBytes = std::int64_t{1} << 32U;

// Upper case only, as PostgreSQL writes it.
std::optional<std::int64_t> hex8(std::string_view digits) {
  std::uint32_t value = 0;
  for (const char c : digits) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'A' || c > 'F')) return std::nullopt;
    value = value << 4U | static_cast<std::uint32_t>(digit ? c - '0' : c - 'A' + 10);
  }
  return value;
}

}  // namespace

bool is_wal_segment_size(std::int64_t bytes) {
  return bytes >= (std::int64_t{1} << 20U) && bytes <= (std::int64_t{1} << 30U) &&
         std::has_single_bit(static_cast<std::uint64_t>(bytes));
}

std::optional<WalSegment> parse_wal_segment(std::string_view name, std::int64_t segment_bytes) {
  if (name.size() != 24) return std::nullopt;
  const auto timeline = hex8(name.substr(0, 8));
  const auto log = hex8(name.substr(8, 8));
  const auto segment = hex8(name.substr(16, 8));
  const std::int64_t per_log = kLogBytes / segment_bytes;
  if (!timeline || !log || !segment || *timeline == 0 || *segment >= per_log) return std::nullopt;
  return WalSegment{*timeline, *log * per_log + *segment};
}

std::string wal_segment_name(WalSegment segment, std::int64_t segment_bytes) {
  const std::int64_t per_log = kLogBytes / segment_bytes;
  return fmt::format("{:08X}{:08X}{:08X}", segment.timeline, segment.number / per_log,
                     segment.number % per_log);
}

WalSegment wal_segment_at(std::int64_t timeline, Lsn position, std::int64_t segment_bytes) {
  return {timeline,
          static_cast<std::int64_t>(position.bytes / static_cast<std::uint64_t>(segment_bytes))};
}

Lsn wal_segment_begin(WalSegment segment, std::int64_t segment_bytes) {
  return Lsn{static_cast<std::uint64_t>(segment.number) *
             static_cast<std::uint64_t>(segment_bytes)};
}

Lsn wal_segment_end(WalSegment segment, std::int64_t segment_bytes) {
  return wal_segment_begin({segment.timeline, segment.number + 1}, segment_bytes);
}

}  // namespace keelwatch::model
