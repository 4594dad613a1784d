// Proves archived segments by reading every record of them: what recovery would find in them.
// Threads: the loop's. Destroying the task ends its request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "model/archive.h"
#include "sources/object_store/object_reader.h"
#include "sources/object_store/wal_records.h"

namespace keelwatch::sources {

struct DeepWalFile {
  model::WalSegment segment;
  std::string key;  // its suffix tells the compression
  std::int64_t bytes = 0;
  std::optional<WallTime> modified;
  bool partial = false;  // its records end somewhere, and behind them is anything
};

struct DeepWalRequest {
  std::int64_t segment_bytes = model::kDefaultWalSegmentBytes;
  std::optional<std::uint64_t> system_id;  // without it that of the first segment
  // In the order of replay. A segment continues the one before it here if its number is the next
  // one: of a timeline and its parent only those may be here that recovery would read.
  std::vector<DeepWalFile> files;
};

// The time of the newest commit whose record ends in a segment: restoring up to that segment
// restores up to that time.
struct SegmentCommit {
  model::WalSegment segment;
  WallTime newest{};
};

struct DeepWalProof {
  // by = deep, joined where they touch. A segment whose last record goes on in one that was not
  // read is not in them, and has no fault either.
  std::vector<model::WalProof> proofs;
  std::vector<model::WalFault> faults;  // a record damaged across two segments is one of both
  std::vector<model::WalTail> tails;    // of what has a fault, or no proof yet; of every .partial
  std::vector<SegmentCommit> commits;   // segments without a commit, or with a fault, have none
  std::vector<model::WalSegment> gone;  // deleted since they were listed
  std::vector<model::WalSegment> unknown_version;  // of a PostgreSQL that nobody here reads
  std::int64_t bytes = 0;                          // read, as stored
};

// Proves segments as they come, one behind the other, so that those of a live archive need no
// second look. A segment continues the one before it if its number is the next one: of a timeline
// and its parent only those may be given that recovery would read.
class WalProver {
 public:
  // `segment_bytes` must be a WAL segment size. loop and reader must outlive it.
  WalProver(EventLoop& loop, ObjectReader& reader, std::int64_t segment_bytes,
            std::optional<std::uint64_t> system_id);
  ~WalProver();
  WalProver(const WalProver&) = delete;
  WalProver& operator=(const WalProver&) = delete;

  // Errors: those of the store, except for what is gone; kTooLarge; kUnsupported (a compression).
  // With them there is no verdict on this segment, nor on unfinished(), and the next continues
  // nothing. options and progress must outlive the task; destroying it leaves the prover unusable.
  [[nodiscard]] Task<Result<void>> read(DeepWalFile file, const DeepOptions& options,
                                        DeepProgress& progress);
  // What was found since the last take(); `bytes` is not told. A tail is void once its segment is
  // proven.
  [[nodiscard]] DeepWalProof take();
  // What was read last, if the next one could continue it.
  [[nodiscard]] std::optional<model::WalSegment> last() const;
  // The segments behind which a record goes on that has not been seen to its end, oldest first.
  [[nodiscard]] std::vector<model::WalSegment> unfinished() const;

 private:
  class Ledger;

  EventLoop& loop_;
  ObjectReader& reader_;
  std::int64_t segment_bytes_;
  WalWalker walker_;
  std::unique_ptr<Ledger> ledger_;
};

// Errors, and with them no verdict: those of the store, except for what is gone; kTooLarge: more
// than options.max_bytes; kUnsupported: a compression. loop, reader and options must outlive the
// task.
[[nodiscard]] Task<Result<DeepWalProof>> prove_wal(EventLoop& loop, ObjectReader& reader,
                                                   DeepWalRequest request,
                                                   const DeepOptions& options);

}  // namespace keelwatch::sources
