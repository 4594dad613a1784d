// The first page of a WAL segment: its long header tells which segment of which cluster it is
// (PostgreSQL src/include/access/xlog_internal.h, XLogLongPageHeaderData; little-endian).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/wal_segment.h"

namespace keelwatch::sources {

inline constexpr std::size_t kWalPageHeaderBytes = 40;

struct WalPageHeader {
  std::uint16_t magic = 0;  // xlp_magic
  std::uint16_t flags = 0;  // xlp_info
  std::int64_t timeline = 0;
  model::Lsn address;
  std::uint64_t system_id = 0;
  std::int64_t segment_bytes = 0;
  std::int64_t block_bytes = 0;
};

// Nothing: fewer than kWalPageHeaderBytes.
[[nodiscard]] std::optional<WalPageHeader> read_wal_page_header(std::string_view page);

// The major version that writes this magic; nothing: one that this program does not know.
[[nodiscard]] std::optional<int> wal_version(std::uint16_t magic);
// Whether it is that of any version: all since 8.0 are 0xD0nn and 0xD1nn.
[[nodiscard]] constexpr bool is_wal_magic(std::uint16_t magic) {
  return magic >= 0xD000 && magic <= 0xD2FF;
}

// What the archive says a segment is.
struct ExpectedSegment {
  model::WalSegment segment;
  std::int64_t segment_bytes = 0;
  // Who wrote its first byte: the timeline, or a parent where the segment holds the switch. Absent:
  // the history is not known, and any earlier timeline will do.
  std::optional<std::int64_t> written_by;
  std::optional<std::uint64_t> system_id;  // absent: any
};

enum class WalPageVerdict {
  kFits,
  kUnknownVersion,  // no judgement: its header may be laid out in another way
  kFault,
};
struct WalPageJudgement {
  WalPageVerdict verdict = WalPageVerdict::kFits;
  std::string kind;    // of a fault: that of a model::WalFault
  std::string detail;  // what was found, what was expected
};
[[nodiscard]] WalPageJudgement judge_wal_page(const WalPageHeader& header,
                                              const ExpectedSegment& expected);

}  // namespace keelwatch::sources
