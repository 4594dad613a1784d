// WAL segments and the names of their files: 24 hexadecimal digits, timeline, log and segment, 8
// each (PostgreSQL src/include/access/xlog_internal.h). A log is 4 GiB, whatever the segment's
// size.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/fields.h"
#include "model/postgres_facts.h"

namespace keelwatch::model {

inline constexpr std::int64_t kDefaultWalSegmentBytes = std::int64_t{16} << 20U;

// A power of two from 1 MiB to 1 GiB.
[[nodiscard]] bool is_wal_segment_size(std::int64_t bytes);

struct WalSegment {
  std::int64_t timeline = 0;  // from 1
  std::int64_t number = 0;    // LSN / segment size; the successor of a segment is number + 1

  auto operator<=>(const WalSegment&) const = default;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("timeline", &WalSegment::timeline), field("number", &WalSegment::number));
  }
};

// `segment_bytes` must be a WAL segment size. Nothing: not such a name, timeline 0, or a segment
// number that this segment size does not have.
[[nodiscard]] std::optional<WalSegment> parse_wal_segment(std::string_view name,
                                                          std::int64_t segment_bytes);
[[nodiscard]] std::string wal_segment_name(WalSegment segment, std::int64_t segment_bytes);

// The segment that holds the byte at that position / its first byte / the first byte after it.
[[nodiscard]] WalSegment wal_segment_at(std::int64_t timeline, Lsn position,
                                        std::int64_t segment_bytes);
[[nodiscard]] Lsn wal_segment_begin(WalSegment segment, std::int64_t segment_bytes);
[[nodiscard]] Lsn wal_segment_end(WalSegment segment, std::int64_t segment_bytes);

}  // namespace keelwatch::model
