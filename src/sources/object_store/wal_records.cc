#include "sources/object_store/wal_records.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include <fmt/format.h>

#include "sources/object_store/bytes.h"
#include "sources/object_store/crc32c.h"
#include "sources/object_store/wal_page.h"

namespace keelwatch::sources {
namespace {

// XLogPageHeaderData: magic, info (2 bytes each), tli (4), pageaddr (8), rem_len (4), padding (4);
// in a segment's first page then sysid (8), seg_size (4), xlog_blcksz (4).
constexpr std::size_t kShortHeader = 24;
constexpr std::size_t kLongHeader = 40;
constexpr std::uint16_t kFirstIsContrecord = 0x1;
constexpr std::uint16_t kLongHeaderFlag = 0x2;
constexpr std::uint16_t kFirstIsOverwrite = 0x8;
constexpr std::uint16_t kAllFlags = 0xF;

// XLogRecord: tot_len (4), xid (4), prev (8), info, rmid (1 each), padding (2), crc (4).
constexpr std::size_t kRecordHeader = 24;
constexpr std::size_t kCrcAt = 20;
constexpr std::size_t kCaptured = kRecordHeader + 64;  // enough for what note_contents() reads
constexpr std::uint32_t kMostRecordBytes = std::uint32_t{1} << 30U;  // XLogRecordMaxSize and more

constexpr std::uint8_t kXlogManager = 0;
constexpr std::uint8_t kXlogSwitch = 0x40;
constexpr std::uint8_t kXlogOverwrite = 0xD0;
constexpr std::uint8_t kTransactionManager = 1;

std::uint64_t aligned(std::uint64_t at) { return (at + 7U) & ~std::uint64_t{7}; }

std::string position(std::uint64_t at) { return model::to_string(model::Lsn{at}); }

// The main data of a record that has no block references: behind optional origin and top-level
// transaction (ids 253 and 252), short (255) or long (254). Empty if it is not that simple.
std::string_view main_data(std::string_view body) {
  if (body.size() >= 3 && byte_at(body, 0) == 253) body.remove_prefix(3);
  if (body.size() >= 5 && byte_at(body, 0) == 252) body.remove_prefix(5);
  if (body.size() >= 2 && byte_at(body, 0) == 255) return body.substr(2);
  if (body.size() >= 5 && byte_at(body, 0) == 254) return body.substr(5);
  return {};
}

}  // namespace

WalWalker::WalWalker(std::int64_t segment_bytes, std::optional<std::uint64_t> system_id)
    : segment_bytes_(segment_bytes), system_id_(system_id) {}

void WalWalker::begin(model::WalSegment segment, bool continues) {
  const bool follows = continues && carried_ && segment.number == segment_.number + 1 &&
                       segment.timeline >= segment_.timeline;
  if (!follows) {
    timeline_ = 0;
    previous_.reset();
    pending_ = must_overwrite_ = false;
    skip_ = 0;
  }
  carried_ = follows;
  segment_ = segment;
  page_.clear();
  page_bytes_ = 0;
  page_at_ = wal_segment_begin(segment, segment_bytes_).bytes;
  fed_ = 0;
  any_record_ = false;
  verdict_ = {};
  verdict_.from = verdict_.to = model::Lsn{page_at_};
}

bool WalWalker::feed(std::string_view bytes) {
  fed_ += bytes.size();
  if (fed_ > static_cast<std::uint64_t>(segment_bytes_) && verdict_.fault.empty()) {
    return fail("wrong_size", wal_segment_begin(segment_, segment_bytes_).bytes,
                fmt::format("more than {} bytes", segment_bytes_));
  }
  while (!bytes.empty()) {
    if (!verdict_.fault.empty()) return false;
    if (verdict_.switched) return true;
    const std::size_t wanted = page_bytes_ == 0 ? kLongHeader : page_bytes_;
    if (page_.empty() && page_bytes_ != 0 && bytes.size() >= wanted) {
      page(bytes.substr(0, wanted));
      bytes.remove_prefix(wanted);
      continue;
    }
    const std::size_t size = std::min(wanted - page_.size(), bytes.size());
    page_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (page_.size() < wanted) break;
    if (page_bytes_ == 0) {
      long_header(page_);  // tells page_bytes_
      continue;
    }
    page(page_);
    page_.clear();
  }
  return verdict_.fault.empty();
}

WalVerdict WalWalker::finish() {
  const std::uint64_t begin = wal_segment_begin(segment_, segment_bytes_).bytes;
  if (verdict_.fault.empty() && fed_ == 0) fail("empty", begin, "it is empty");
  if (verdict_.fault.empty() && fed_ != static_cast<std::uint64_t>(segment_bytes_)) {
    fail("wrong_size", begin, fmt::format("{} bytes instead of {}", fed_, segment_bytes_));
  }
  if (verdict_.fault.empty() && timeline_ != segment_.timeline && any_record_) {
    fail("timeline", begin,
         fmt::format("holds timeline {}, its name says {}", timeline_, segment_.timeline));
  }
  carried_ = verdict_.fault.empty();
  verdict_.crosses = carried_ && pending_;
  return std::move(verdict_);
}

void WalWalker::abandon() { carried_ = false; }

bool WalWalker::fail(std::string_view kind, std::uint64_t at, std::string detail) {
  verdict_.fault = kind;
  verdict_.detail = fmt::format("at {}: {}", position(at), detail);
  verdict_.at = model::Lsn{at};
  return false;
}

bool WalWalker::long_header(std::string_view bytes) {
  if (!wal_version(little16(bytes, 0))) {
    if (is_wal_magic(little16(bytes, 0))) {
      return fail(
          kUnknownWalVersion, page_at_,
          fmt::format("page magic {:04X} is none of PostgreSQL 13 to 18", little16(bytes, 0)));
    }
    const bool zero = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
    return fail("magic", page_at_,
                zero ? "begins with zeros"
                     : fmt::format("begins with {:04X}, which is no WAL page", little16(bytes, 0)));
  }
  if ((little16(bytes, 2) & kLongHeaderFlag) == 0) {
    return fail("magic", page_at_, "its first page lacks the long header");
  }
  const std::uint64_t system_id = little64(bytes, 24);
  if (!system_id_) system_id_ = system_id;
  if (*system_id_ != system_id) {
    return fail("system_id", page_at_,
                fmt::format("of system {} instead of {}", system_id, *system_id_));
  }
  if (little32(bytes, 32) != static_cast<std::uint64_t>(segment_bytes_)) {
    return fail("segment_size", page_at_,
                fmt::format("segment size {} instead of {}", little32(bytes, 32), segment_bytes_));
  }
  const std::uint32_t page_bytes = little32(bytes, 36);
  if (page_bytes < 1024 || page_bytes > 65536 || !std::has_single_bit(page_bytes)) {
    return fail("segment_size", page_at_, fmt::format("page size {}", page_bytes));
  }
  page_bytes_ = page_bytes;
  return true;
}

bool WalWalker::page(std::string_view bytes) {
  const bool first = page_at_ == wal_segment_begin(segment_, segment_bytes_).bytes;
  if (!page_header(bytes, first)) return false;
  const std::size_t header = first ? kLongHeader : kShortHeader;
  if (!continuation(little16(bytes, 2), little32(bytes, 16))) return false;
  if (!records(bytes.substr(header), page_at_ + header)) return false;
  page_at_ += page_bytes_;
  return true;
}

bool WalWalker::page_header(std::string_view bytes, bool first) {
  const std::uint16_t magic = little16(bytes, 0);
  const std::uint16_t info = little16(bytes, 2);
  const std::int64_t timeline = little32(bytes, 4);
  const std::uint64_t address = little64(bytes, 8);
  if (magic_ == 0 || (first && !carried_)) magic_ = magic;
  if (magic != magic_) {
    return fail("magic", page_at_,
                fmt::format("page magic {:04X} instead of {:04X}", magic, magic_));
  }
  if ((info & ~kAllFlags) != 0 || ((info & kLongHeaderFlag) != 0) != first) {
    return fail("record", page_at_, fmt::format("page flags {:04X}", info));
  }
  if (address != page_at_) {
    return fail("address", page_at_, fmt::format("the page is that of {}", position(address)));
  }
  // The first segment of a timeline begins with what it shares with its parent.
  if (timeline < std::max<std::int64_t>(timeline_, 1) || timeline > segment_.timeline) {
    return fail(
        "timeline", page_at_,
        fmt::format("the page is of timeline {}, the segment of {}", timeline, segment_.timeline));
  }
  timeline_ = timeline;
  return true;
}

// What the header says of the record that came from the page before.
bool WalWalker::continuation(std::uint16_t info, std::uint32_t rest) {
  const bool continues = (info & kFirstIsContrecord) != 0;
  const bool overwrites = (info & kFirstIsOverwrite) != 0;
  if (overwrites) {
    if (continues) return fail("record", page_at_, "the page continues a record and replaces it");
    aborted_ = start_;
    pending_ = false;
    skip_ = 0;
    must_overwrite_ = true;
    return true;
  }
  if (pending_) {
    if (continues && rest == total_ - read_) return true;
    return fail("record", start_,
                continues
                    ? fmt::format("of the record {} bytes are missing on the page at {}, which "
                                  "has {} of one",
                                  total_ - read_, position(page_at_), rest)
                    : fmt::format("the record does not go on at {}", position(page_at_)));
  }
  if (skip_ > 0) {
    if (continues && rest == skip_) return true;
    return fail("record", page_at_, "a record that began before does not go on");
  }
  if (!continues) return true;
  if (previous_ || rest == 0) {
    return fail("record", page_at_, "the page continues a record that is not there");
  }
  skip_ = rest;
  return true;
}

bool WalWalker::records(std::string_view bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    std::size_t size = 0;
    if (skip_ > 0) {
      size = std::min<std::size_t>(skip_, bytes.size());
      skip_ -= static_cast<std::uint32_t>(size);
    } else {
      if (!pending_ && !start_record(bytes, at)) return false;
      size = std::min<std::size_t>(total_ - read_, bytes.size());
      take(bytes.substr(0, size));
      if (read_ == total_) {
        if (!record_complete(at + size)) return false;
        if (verdict_.switched) return true;
      }
    }
    if (pending_ || skip_ > 0) return true;  // goes on in the next page
    size = std::min<std::size_t>(bytes.size(), aligned(at + size) - at);
    bytes.remove_prefix(size);
    at += size;
  }
  return true;
}

// Records begin at multiples of 8, as pages do: the length is never cut by the page's end.
bool WalWalker::start_record(std::string_view bytes, std::uint64_t at) {
  const std::uint32_t total = little32(bytes, 0);
  if (total == 0) return fail("record", at, "the log ends here, within the segment");
  if (total < kRecordHeader || total > kMostRecordBytes) {
    return fail("record", at, fmt::format("a record of {} bytes", total));
  }
  pending_ = true;
  start_ = at;
  total_ = total;
  read_ = crc_ = 0;
  head_.clear();
  return true;
}

void WalWalker::take(std::string_view bytes) {
  read_ += static_cast<std::uint32_t>(bytes.size());
  const std::size_t of_header =
      head_.size() < kRecordHeader ? std::min(kRecordHeader - head_.size(), bytes.size()) : 0;
  head_.append(bytes.substr(0, of_header));
  bytes.remove_prefix(of_header);
  head_.append(bytes.substr(0, kCaptured - head_.size()));
  crc_ = crc32c(bytes, crc_);
}

bool WalWalker::record_complete(std::uint64_t end) {
  const std::string_view header = std::string_view(head_).substr(0, kRecordHeader);
  if (crc32c(header.substr(0, kCrcAt), crc_) != little32(header, kCrcAt)) {
    return fail("record", start_, "the record's checksum is wrong");
  }
  const std::uint64_t previous = little64(header, 8);
  const bool fits = previous_ ? previous == *previous_ || (must_overwrite_ && previous == aborted_)
                              : previous < start_;
  if (!fits) {
    return fail("record", start_,
                fmt::format("the record follows one at {}, before it is that at {}",
                            position(previous), previous_ ? position(*previous_) : "no place"));
  }
  const std::uint8_t info = byte_at(header, 16) & 0xF0U;
  const std::uint8_t manager = byte_at(header, 17);
  if (must_overwrite_ && (manager != kXlogManager || info != kXlogOverwrite)) {
    return fail("record", start_, "no record replaces the one that was left unfinished");
  }
  must_overwrite_ = pending_ = false;
  if (!any_record_ && start_ >= wal_segment_begin(segment_, segment_bytes_).bytes) {
    verdict_.from = model::Lsn{start_};
  }
  any_record_ = true;
  previous_ = start_;
  verdict_.to = model::Lsn{end};
  ++verdict_.records;
  note_contents();
  if (manager == kXlogManager && info == kXlogSwitch) {
    verdict_.switched = true;
    verdict_.to = wal_segment_end(segment_, segment_bytes_);
  }
  return true;
}

// Commit times, and the timeline that a checkpoint or the end of a recovery begins: its first page
// may still be one of the parent's.
void WalWalker::note_contents() {
  const std::string_view data = main_data(std::string_view(head_).substr(kRecordHeader));
  const std::uint8_t info = byte_at(head_, 16);
  const std::uint8_t manager = byte_at(head_, 17);
  if (manager == kTransactionManager && data.size() >= 8) {
    const int operation = info & 0x70;
    if (operation != 0x00 && operation != 0x30) return;  // COMMIT, COMMIT_PREPARED
    // Microseconds since 2000-01-01 UTC. What a clock can hold fits into nanoseconds.
    constexpr std::int64_t kEpoch = 946'684'800;
    constexpr std::int64_t kMostMicroseconds = std::int64_t{8'000'000'000} * 1'000'000;
    const auto time = static_cast<std::int64_t>(little64(data, 0));
    if (time < -kMostMicroseconds || time > kMostMicroseconds) return;
    const WallTime committed{std::chrono::seconds(kEpoch) + std::chrono::microseconds(time)};
    if (!verdict_.newest_commit || *verdict_.newest_commit < committed) {
      verdict_.newest_commit = committed;
    }
  } else if (manager == kXlogManager && data.size() >= 12) {
    // CHECKPOINT_SHUTDOWN, CHECKPOINT_ONLINE: redo (8), timeline; END_OF_RECOVERY: time (8),
    // timeline.
    const int operation = info & 0xF0;
    if (operation != 0x00 && operation != 0x10 && operation != 0x90) return;
    const std::int64_t timeline = little32(data, 8);
    if (timeline > timeline_ && timeline <= segment_.timeline) timeline_ = timeline;
  }
}

}  // namespace keelwatch::sources
