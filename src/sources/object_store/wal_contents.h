// The objects of one server's wals/, kept in little memory: segments side by side whose objects are
// alike are one span, so that hundreds of thousands of names cost a few hundred spans. Spans are
// by the numbers in the names, so that nothing needs the segment size before the facts are made.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/archive.h"
#include "sources/object_store/barman_key.h"
#include "sources/object_store/s3_client.h"

namespace keelwatch::sources {

// Whether a GET would give the object's bytes.
enum class Thawed : std::uint8_t { kYes, kGlacier, kDeepArchive };

// Segments first..last of one log, each with one object, all stored alike.
struct WalSpan {
  SegmentName first;
  std::uint32_t last = 0;
  StoredAs stored;
  Thawed thawed = Thawed::kYes;
  std::int64_t each = -1;  // bytes of each object; -1: compressed, and not empty
  std::int64_t bytes = 0;  // of all
  std::optional<WallTime> first_modified;
  std::optional<WallTime> last_modified;
};

// A segment whose first page is wanted.
struct SegmentToProve {
  SegmentName name;
  StoredAs stored;
  std::int64_t each = -1;  // as in WalSpan
  std::optional<WallTime> modified;
};

struct PartialObject {
  SegmentName name;
  StoredAs stored;
  Thawed thawed = Thawed::kYes;
  std::int64_t bytes = 0;
  std::optional<WallTime> modified;
  bool hides_whole = false;  // a segment whose object comes after it
};

struct HistoryObject {
  StoredAs stored;
  std::int64_t bytes = 0;
  std::optional<WallTime> modified;
  bool read = false;  // its content need not be asked for again
  Observed<std::vector<model::TimelineSwitch>> switches;
};

class WalContents {
 public:
  struct Timeline {
    std::vector<WalSpan> spans;           // sorted, disjoint
    std::vector<PartialObject> partials;  // sorted; none of a segment in `spans`
    std::optional<HistoryObject> history;
    std::string last_key;  // the greatest of this timeline, below <server>/
  };

  // An object of wals/, whose key below <server>/ is `key`; in the order of keys within a timeline.
  // Where a segment has two objects, one of them perhaps a .partial, the first counts, as for
  // barman-cloud-wal-restore. A segment that was not there before is appended to `added`, if given.
  // Errors: kMalformed (out of order), kTooLarge.
  [[nodiscard]] Result<void> add(std::string_view key, const S3Object& object,
                                 std::vector<SegmentToProve>* added);

  [[nodiscard]] std::map<std::uint32_t, Timeline>& timelines() { return timelines_; }
  [[nodiscard]] const std::map<std::uint32_t, Timeline>& timelines() const { return timelines_; }
  [[nodiscard]] std::size_t spans() const { return spans_; }

  // The span that holds it, or nullptr.
  [[nodiscard]] const WalSpan* find(const SegmentName& name) const;
  // Its .partial, if that is what counts, or nullptr.
  [[nodiscard]] const PartialObject* find_partial(const SegmentName& name) const;
  // Segments that are here and not in `before`; not more than `most`, the newest of each timeline.
  [[nodiscard]] std::vector<SegmentToProve> not_in(const WalContents& before,
                                                   std::size_t most) const;
  // The newest `most` segments of a timeline, oldest first.
  [[nodiscard]] std::vector<SegmentToProve> newest(std::uint32_t timeline, std::size_t most) const;

  // Runs, faults by listing alone, partials, histories and counts; proofs, system id and times are
  // the caller's. Errors: kTooLarge (more faults than can be told).
  [[nodiscard]] Result<model::WalArchive> facts(std::optional<std::int64_t> segment_bytes) const;

 private:
  [[nodiscard]] Result<void> add_segment(Timeline& timeline, const BarmanKey& key,
                                         const S3Object& object,
                                         std::vector<SegmentToProve>* added);
  [[nodiscard]] Result<void> add_partial(Timeline& timeline, const BarmanKey& key,
                                         const S3Object& object);
  [[nodiscard]] Result<void> add_named(std::string_view key, const BarmanKey& what,
                                       const S3Object& object, std::vector<SegmentToProve>* added);

  std::map<std::uint32_t, Timeline> timelines_;
  std::size_t spans_ = 0;
  std::size_t partials_ = 0;
  std::vector<std::string> foreign_;
  std::int64_t foreign_objects_ = 0;
  std::int64_t objects_ = 0;
  std::int64_t bytes_ = 0;
};

// The segment of a span, with its time where the span knows it.
[[nodiscard]] SegmentToProve segment_of(const WalSpan& span, std::uint32_t segment);

}  // namespace keelwatch::sources
