// How far a replay of archived WAL gets, segment by segment as PostgreSQL asks for them
// (XLogFileReadAnyTLI, findNewestTimeLine, RestoreArchivedFile in src/backend/access/transam) with
// barman-cloud-wal-restore as restore_command, which gives a .partial where the segment itself is
// missing. Computed on intervals, so that its cost does not grow with the length of an archive.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/archive.h"

namespace keelwatch::analysis {

// On what a statement about an archive rests: names and sizes in a listing; the first page of each
// segment; every byte. What is known to be broken counts as broken on each of them.
enum class Proof { kListed, kHeader, kDeep };
inline constexpr std::string_view kProofs[] = {"listed", "header", "deep"};
inline constexpr std::size_t kProofCount = 3;

// A timeline and the position at which it left its parent; 0 for the oldest.
struct TimelineEntry {
  std::int64_t timeline = 0;
  model::Lsn begin{};

  bool operator==(const TimelineEntry&) const = default;
};

// The timelines of a recovery, newest first, as PostgreSQL reads them from the target's history.
struct TargetTimeline {
  std::int64_t timeline = 0;
  std::vector<TimelineEntry> path;
  // Empty, or why PostgreSQL refuses to begin.
  std::string fatal;
  // Why nobody knows: the store did not give the history.
  std::optional<Why> unknown;
};

enum class ChainStop {
  kNewest,     // behind it nothing is archived yet
  kMissing,    // a hole: the segment is not there, and later ones are
  kDamaged,    // the segment is there and cannot be replayed; recovery ends before it
  kFatal,      // it is there and PostgreSQL refuses it: `latest` fails, an earlier target works
  kNotProven,  // it is there and nobody has looked into it
  kAbandoned,  // the new timeline lacks its first segment and the old one went on: a recovery to
               // `latest` crashes or gives rows of the abandoned branch
};

struct Reach {
  model::Lsn end{};                       // the first byte that is not reached
  std::optional<model::WalSegment> last;  // that was read; none: not even the first
  bool last_is_partial = false;           // a .partial; where its records end is known if proven
  std::optional<WallTime> last_modified;  // of that object; or of an older one: never a later time
  ChainStop stop = ChainStop::kNewest;
  model::WalSegment at;  // where it stopped
  std::string detail;    // of a damage: what was found; of a .partial: that it is one
  // Replay passed this fork on the parent, because the child has no segments: what lies behind it
  // is of the parent alone.
  std::optional<TimelineEntry> passed_fork;
};

// A hole between archived segments.
struct WalGap {
  model::WalSegment first;
  std::int64_t segments = 0;
  std::optional<WallTime> since;  // when the first segment behind it came

  bool operator==(const WalGap&) const = default;
};

struct WalGaps {
  std::vector<WalGap> first;  // the oldest ones
  std::int64_t segments = 0;  // of all
  static constexpr std::size_t kKept = 16;
};

// Of one archive whose segment size is known; refers to it.
class WalChain {
 public:
  // std::invalid_argument without a valid segment size.
  explicit WalChain(const model::WalArchive& wal);

  [[nodiscard]] std::int64_t segment_bytes() const { return segment_bytes_; }

  // What the target `latest` is for a backup from `begin` to `end`: from its timeline upward the
  // newest whose history exists in sequence. If that one does not descend from the backup, the
  // recovery fails; it does not fall back to an older one.
  [[nodiscard]] TargetTimeline latest(std::int64_t timeline, model::Lsn begin,
                                      model::Lsn end) const;
  // The same for a target that is chosen.
  [[nodiscard]] TargetTimeline chosen(std::int64_t target, std::int64_t timeline, model::Lsn begin,
                                      model::Lsn end) const;

  [[nodiscard]] Reach reach(const TargetTimeline& target, std::int64_t start_segment,
                            Proof proof) const;

  // Holes on the target's own path, from the segment to the newest that is archived.
  [[nodiscard]] WalGaps gaps(const TargetTimeline& target, std::int64_t from_segment) const;

  // Bytes of the segments on the target's path, as stored; within a run by its average.
  [[nodiscard]] std::int64_t stored_bytes(const TargetTimeline& target, std::int64_t from_segment,
                                          std::int64_t to_segment) const;

  // The newest segment of a timeline; nothing: it has none.
  [[nodiscard]] std::optional<std::int64_t> newest(std::int64_t timeline) const;
  // nullptr: restore_command gives none.
  [[nodiscard]] const model::TimelineHistory* history(std::int64_t timeline) const;

 private:
  struct Interval {
    std::int64_t timeline;
    std::int64_t first;
    std::int64_t last;
    std::optional<WallTime> modified;  // of the segment `last`
  };
  struct Walk;
  struct Found;

  [[nodiscard]] std::int64_t segment_of(model::Lsn position) const;
  [[nodiscard]] const model::WalRun* run_at(std::int64_t timeline, std::int64_t number) const;
  [[nodiscard]] const model::WalFault* fault_from(std::int64_t timeline, std::int64_t number) const;
  [[nodiscard]] const model::WalFault* fault_at(model::WalSegment segment) const;
  [[nodiscard]] const model::PartialSegment* partial_at(model::WalSegment segment) const;
  [[nodiscard]] const model::WalTail* tail_at(model::WalSegment segment) const;
  [[nodiscard]] const Interval* proof_at(Proof proof, model::WalSegment segment) const;
  // The first listed segment at or behind the number, whatever its faults.
  [[nodiscard]] std::optional<std::int64_t> listed_from(std::int64_t timeline,
                                                        std::int64_t number) const;
  [[nodiscard]] Found look(model::WalSegment segment) const;
  // Which entry of the path a segment is asked for first.
  [[nodiscard]] std::size_t owner(const TargetTimeline& target, std::int64_t number) const;
  void advance(Walk& walk) const;
  void take(Walk& walk, std::size_t entry) const;
  void take_partial(Walk& walk, std::size_t entry) const;
  bool take_tail(Walk& walk, std::size_t entry) const;
  void stop(Walk& walk, ChainStop why, model::WalSegment at, std::string detail = "") const;
  [[nodiscard]] bool any_newer(const Walk& walk, std::size_t entry) const;

  const model::WalArchive& wal_;
  std::int64_t segment_bytes_;
  std::vector<Interval> header_;  // by a header or a deep pass, joined
  std::vector<Interval> deep_;
};

// Whether a fault of that kind makes the segment as good as missing: restore_command gives none,
// and PostgreSQL looks for another.
[[nodiscard]] bool counts_as_missing(std::string_view fault_kind);
// Whether PostgreSQL gives up for a segment with a fault of that kind.
[[nodiscard]] bool is_fatal(std::string_view fault_kind);

}  // namespace keelwatch::analysis
