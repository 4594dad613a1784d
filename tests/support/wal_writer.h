// Writes write-ahead log as PostgreSQL 15 does, for tests: what a real server makes only by a crash
// at the right moment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/wal_segment.h"

namespace keelwatch::testing {

class WalWriter {
 public:
  static constexpr std::int64_t kSegmentBytes = std::int64_t{1} << 20U;
  static constexpr std::uint64_t kSystemId = 7'300'000'000'000'000'001;

  // Begins with that segment's first page.
  explicit WalWriter(model::WalSegment first)
      : timeline_(first.timeline), begin_(position(first)) {}

  // A record with that much of `fill` behind its header.
  void record(std::size_t bytes, char fill = 'x', std::uint8_t manager = 10, std::uint8_t info = 0);
  // XLOG_SWITCH and zeros to the end of the segment.
  void switch_segment();
  // A record of which only what lies in this segment was written, and what a server writes after
  // such a crash at the begin of the next: a record that replaces it.
  void crash_within_record(std::size_t bytes);
  // Pages from here on are of the next timeline.
  void fork() { ++timeline_; }
  // Records until the segment is full; the last may cross.
  void fill_segment();

  [[nodiscard]] std::uint64_t at() const { return begin_ + text_.size(); }
  // The bytes of the segment, as far as they are there.
  [[nodiscard]] std::string segment(std::int64_t number) const;

 private:
  static std::uint64_t position(model::WalSegment segment) {
    return model::wal_segment_begin(segment, kSegmentBytes).bytes;
  }
  [[nodiscard]] std::string make(std::size_t bytes, char fill, std::uint8_t manager,
                                 std::uint8_t info);
  void append(std::string_view bytes);
  void page_header(std::uint16_t flags, std::size_t rest);
  void align();

  std::int64_t timeline_;
  std::uint64_t begin_;
  std::uint64_t previous_ = 0;
  std::string text_;
};

}  // namespace keelwatch::testing
