// Which segments of an archive a deep pass still has to read, in which order, and what it found in
// those that it has read. No I/O: the owner reads next() and tells found().
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/archive.h"
#include "sources/object_store/deep_wal.h"
#include "sources/object_store/number_ranges.h"
#include "sources/object_store/wal_contents.h"

namespace keelwatch::sources {

class DeepWalPlan {
 public:
  struct Item {
    DeepWalFile file;     // its bytes are an average
    bool needed = false;  // by a backup, to be consistent
  };

  // `server` is "<path>/<server>/"; the contents outlive it.
  DeepWalPlan(std::string server, const WalContents& contents)
      : server_(std::move(server)), contents_(contents) {}

  // After a listing: makes the plan anew. First what backups need to be consistent, the newest
  // first; then what follows them, by timeline and number; then what is older than all of them.
  // What is not listed any more is forgotten; another segment size forgets all.
  void listed(std::int64_t segment_bytes, const std::vector<const model::BackupInfo*>& done);
  // What was damaged is to be read again: it may have been replaced.
  void look_again();

  // What to read next; `last` is the prover's. Nothing: all that is listed has been read, or was
  // set aside.
  [[nodiscard]] std::optional<Item> next(std::optional<model::WalSegment> last);
  // A segment to be read right before that one, for the record that crosses into it.
  [[nodiscard]] std::optional<DeepWalFile> lead_in(model::WalSegment segment,
                                                   std::optional<model::WalSegment> last) const;

  // `read` was read and this came of it; `unfinished` is the prover's.
  void found(const Item& read, DeepWalProof proof,
             const std::vector<model::WalSegment>& unfinished);
  // These will not be continued: they count as not read, from the next listed() on.
  void lost(const std::vector<model::WalSegment>& unfinished);
  // Could not be read now: others come first, until take_up_again() and listed().
  void set_aside(model::WalSegment segment) { aside_.insert(segment); }
  [[nodiscard]] bool any_aside() const { return !aside_.empty(); }
  void take_up_again() { aside_.clear(); }

  // Whether all that is listed has been read once; `last` is the prover's.
  [[nodiscard]] bool complete(std::optional<model::WalSegment> last);
  [[nodiscard]] std::int64_t total_bytes() const { return total_bytes_; }
  [[nodiscard]] std::int64_t left_bytes() const { return left_bytes_; }
  // What will never be read here; empty: nothing.
  [[nodiscard]] std::string unreadable() const;

  // Adds proofs, tails and the faults of segments that have no other, all sorted. Errors: kTooLarge
  // (more faults than can be told).
  [[nodiscard]] Result<void> put_into(model::WalArchive& archive) const;

 private:
  // Segments side by side whose objects are alike.
  struct Stretch {
    std::int64_t first = 0;
    std::int64_t last = 0;
  };
  struct Piece {
    std::int64_t timeline = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    bool needed = false;
  };

  [[nodiscard]] std::optional<model::WalSegment> once_more(
      std::optional<model::WalSegment> last) const;
  [[nodiscard]] bool is_read(model::WalSegment segment) const;
  [[nodiscard]] SegmentName name(model::WalSegment segment) const;
  [[nodiscard]] const WalSpan* readable(model::WalSegment segment) const;
  [[nodiscard]] const PartialObject* readable_partial(model::WalSegment segment) const;
  [[nodiscard]] bool is_readable(model::WalSegment segment) const {
    return readable(segment) != nullptr || readable_partial(segment) != nullptr;
  }
  [[nodiscard]] bool wants_partial(model::WalSegment segment) const;
  [[nodiscard]] DeepWalFile file(model::WalSegment segment) const;
  [[nodiscard]] std::map<std::int64_t, std::vector<Stretch>> stretches();
  [[nodiscard]] std::set<model::WalSegment> list_partials();

  std::string server_;
  const WalContents& contents_;
  std::int64_t segment_bytes_ = 0;
  std::deque<Piece> pieces_;
  std::set<model::WalSegment> partials_;  // that can be read
  std::set<model::WalSegment> partials_read_;
  std::deque<model::WalSegment> again_;
  std::map<std::int64_t, NumberRanges> read_;    // by timeline: need not be read again
  std::map<std::int64_t, NumberRanges> proven_;  // of those
  std::map<model::WalSegment, model::WalFault> faults_;
  std::map<model::WalSegment, model::Lsn> tails_;
  std::set<model::WalSegment> unfinished_;  // of those read; to be read before their successors
  std::set<model::WalSegment> unknown_version_;
  std::set<model::WalSegment> aside_;
  std::map<model::WalSegment, WallTime> modified_;  // of ends of proven ranges, where known
  std::int64_t encrypted_ = 0;
  std::int64_t total_bytes_ = 0;
  std::int64_t left_bytes_ = 0;
};

}  // namespace keelwatch::sources
