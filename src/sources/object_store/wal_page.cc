#include "sources/object_store/wal_page.h"

#include <fmt/format.h>

#include <utility>

#include "model/postgres_facts.h"

namespace keelwatch::sources {
namespace {

constexpr std::uint16_t kLongHeader = 0x0002;
constexpr std::uint16_t kAllFlags = 0x000F;
constexpr std::pair<std::uint16_t, int> kMagics[] = {{0xD106, 13}, {0xD10D, 14}, {0xD110, 15},
                                                     {0xD113, 16}, {0xD116, 17}, {0xD118, 18}};

template <typename T>
T take(std::string_view& bytes) {
  T value = 0;
  for (std::size_t i = sizeof(T); i > 0; --i) {
    value = static_cast<T>(value << 8U | static_cast<unsigned char>(bytes[i - 1]));
  }
  bytes.remove_prefix(sizeof(T));
  return value;
}

WalPageJudgement fault(std::string kind, std::string detail) {
  return {WalPageVerdict::kFault, std::move(kind), std::move(detail)};
}

}  // namespace

std::optional<WalPageHeader> read_wal_page_header(std::string_view page) {
  if (page.size() < kWalPageHeaderBytes) return std::nullopt;
  WalPageHeader header;
  header.magic = take<std::uint16_t>(page);
  header.flags = take<std::uint16_t>(page);
  header.timeline = take<std::uint32_t>(page);
  header.address.bytes = take<std::uint64_t>(page);
  page.remove_prefix(8);  // xlp_rem_len, and padding
  header.system_id = take<std::uint64_t>(page);
  header.segment_bytes = take<std::uint32_t>(page);
  header.block_bytes = take<std::uint32_t>(page);
  return header;
}

std::optional<int> wal_version(std::uint16_t magic) {
  for (const auto& [known, version] : kMagics) {
    if (known == magic) return version;
  }
  return std::nullopt;
}

WalPageJudgement judge_wal_page(const WalPageHeader& header, const ExpectedSegment& expected) {
  if (!is_wal_magic(header.magic)) {
    return fault("magic", fmt::format("begins with {:04X}, which is no WAL page", header.magic));
  }
  if (!wal_version(header.magic)) return {WalPageVerdict::kUnknownVersion, "", ""};
  if ((header.flags & kLongHeader) == 0 || (header.flags & ~kAllFlags) != 0) {
    return fault("magic", fmt::format("its first page has the flags {:04X}: it is not the begin of "
                                      "a segment",
                                      header.flags));
  }
  if (header.segment_bytes != expected.segment_bytes) {
    return fault("segment_size", fmt::format("is of a cluster with segments of {} bytes, not {}",
                                             header.segment_bytes, expected.segment_bytes));
  }
  const model::Lsn begin = model::wal_segment_begin(expected.segment, expected.segment_bytes);
  if (header.address != begin) {
    return fault("address", fmt::format("begins at {}, its name says {}",
                                        model::to_string(header.address), model::to_string(begin)));
  }
  const std::int64_t named = expected.segment.timeline;
  const bool right_timeline = expected.written_by
                                  ? header.timeline == *expected.written_by
                                  : header.timeline >= 1 && header.timeline <= named;
  if (!right_timeline) {
    return fault("timeline",
                 fmt::format("was written on timeline {}, {}", header.timeline,
                             expected.written_by && *expected.written_by != named
                                 ? fmt::format("the history says {}", *expected.written_by)
                                 : fmt::format("its name says {}", named)));
  }
  if (expected.system_id && header.system_id != *expected.system_id) {
    return fault("system_id", fmt::format("is of the cluster {}, the archive is of {}",
                                          header.system_id, *expected.system_id));
  }
  return {};
}

}  // namespace keelwatch::sources
