// Which segments of an archive have had their first page looked at, which wait for it, and what was
// wrong. No I/O: the owner reads the first bytes of next() and tells what they are.
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
#include "sources/object_store/number_ranges.h"
#include "sources/object_store/wal_contents.h"
#include "sources/object_store/wal_page.h"

namespace keelwatch::sources {

class SegmentProofs {
 public:
  // What segments are judged by. Another segment size forgets all: numbers mean others then.
  void expect(std::int64_t segment_bytes, std::optional<std::uint64_t> system_id);
  [[nodiscard]] std::optional<std::int64_t> segment_bytes() const { return segment_bytes_; }
  [[nodiscard]] std::optional<std::uint64_t> system_id() const { return expected_system_id_; }

  // Puts segments behind those that wait, except what was looked at before or waits already. More
  // than limits::kSegmentsToProve push out the oldest.
  void want(const std::vector<SegmentToProve>& segments);
  // Nothing: none waits, or no segment size is known.
  [[nodiscard]] const SegmentToProve* next() const;
  void drop_next();
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

  // The first page of next() is this / cannot be had from its bytes / cannot be judged here. All
  // drop it; the last is asked for again after retain() at the earliest.
  void found(const WalPageHeader& header, const WalContents& contents);
  void found_damaged(std::string detail);
  void set_aside();

  // After a whole listing: forgets what is not there any more, and wants another look at what was
  // wrong.
  void retain(const WalContents& contents);

  // Adds proofs, faults and the system id. Errors: kTooLarge (more faults than can be told).
  [[nodiscard]] Result<void> put_into(model::WalArchive& archive) const;

 private:
  struct Fault {
    SegmentToProve segment;
    std::string kind;
    std::string detail;
  };

  [[nodiscard]] std::optional<model::WalSegment> segment(const SegmentName& name) const;
  [[nodiscard]] bool looked_at(const SegmentName& name) const;
  void note(const SegmentToProve& segment);
  void wait(const SegmentToProve& segment);

  std::optional<std::int64_t> segment_bytes_;
  std::optional<std::uint64_t> expected_system_id_;
  std::deque<SegmentToProve> waiting_;
  std::set<SegmentName> waiting_names_;
  std::set<SegmentName> aside_;
  std::map<std::uint32_t, NumberRanges> looked_at_;  // by timeline
  std::map<SegmentName, Fault> faults_;
  std::optional<std::pair<SegmentName, std::uint64_t>> newest_;  // with its system id
};

}  // namespace keelwatch::sources
