// Proves write-ahead log segments record by record, as recovery would read them (PostgreSQL 13-18:
// src/include/access/xlog_internal.h, xlogrecord.h; access/transam/xlogreader.c): page headers, the
// chain of xl_prev, and every record's CRC-32C, across pages and segments. Memory is one page,
// whatever the records claim. Threads: one at a time.
//
// Not covered by any checksum, and read by nobody: alignment between records, the padding of page
// headers, and what follows an XLOG_SWITCH.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/wal_segment.h"

namespace keelwatch::sources {

// In place of a fault: the segment is of a PostgreSQL that this program does not read.
inline constexpr std::string_view kUnknownWalVersion = "unknown_version";

struct WalVerdict {
  std::string fault;   // a kind of model::WalFault, or the above; empty: none was found
  std::string detail;  // for people: where, what was found, what was expected
  model::Lsn at{};     // of the fault: begin of the page or record. Below the segment's begin: of a
                       // record that began in the segment before; either may be the damaged one
  // Proven is what lies between these: from the first record that begins after what was not
  // followed (the rest of a record whose begin was not seen comes before it) to the end of the last
  // whole one. Equal if there is none.
  model::Lsn from{};
  model::Lsn to{};
  std::int64_t records = 0;
  bool switched = false;  // ends with XLOG_SWITCH
  bool crosses = false;   // the last record ends in the next segment, and is proven only with it
  std::optional<WallTime> newest_commit;  // of the transactions whose commit record ends here
};

class WalWalker {
 public:
  // `segment_bytes` must be a WAL segment size. Without a system identifier the first segment's
  // holds for the rest.
  WalWalker(std::int64_t segment_bytes, std::optional<std::uint64_t> system_id);

  // Then feed() its bytes and finish(). `continues`: the log goes on from the segment before, of
  // this timeline or of the one that it forked from; ignored if that one had a fault.
  void begin(model::WalSegment segment, bool continues);
  // False: there is a fault; no more needs to be fed.
  bool feed(std::string_view bytes);
  [[nodiscard]] WalVerdict finish();
  // The segment's bytes could not be had (compressed_data, ...): what follows continues nothing.
  void abandon();

 private:
  bool page(std::string_view bytes);
  bool page_header(std::string_view bytes, bool first);
  bool long_header(std::string_view bytes);
  bool continuation(std::uint16_t info, std::uint32_t rest);
  bool records(std::string_view bytes, std::uint64_t at);
  bool start_record(std::string_view bytes, std::uint64_t at);
  void take(std::string_view bytes);
  bool record_complete(std::uint64_t end);
  void note_contents();
  bool fail(std::string_view kind, std::uint64_t at, std::string detail);

  const std::int64_t segment_bytes_;
  std::optional<std::uint64_t> system_id_;
  std::uint16_t magic_ = 0;                // 0: not known yet
  std::int64_t timeline_ = 0;              // the newest of a page or record
  std::optional<std::uint64_t> previous_;  // where the last whole record begins

  // The record that is being read.
  bool pending_ = false;
  std::uint64_t start_ = 0;
  std::uint32_t total_ = 0;
  std::uint32_t read_ = 0;
  std::uint32_t crc_ = 0;        // of what follows the header
  std::string head_;             // the header and the begin of what follows it
  std::uint32_t skip_ = 0;       // left of a record whose begin was not seen
  bool must_overwrite_ = false;  // the next record has to be XLOG_OVERWRITE_CONTRECORD
  std::uint64_t aborted_ = 0;    // where the record begins that it replaces

  // The segment.
  model::WalSegment segment_;
  std::string page_;  // what is there of the current one
  std::size_t page_bytes_ = 0;
  std::uint64_t page_at_ = 0;
  std::uint64_t fed_ = 0;
  bool carried_ = false;
  bool any_record_ = false;
  WalVerdict verdict_;
};

}  // namespace keelwatch::sources
