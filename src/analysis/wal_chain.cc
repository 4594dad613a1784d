#include "analysis/wal_chain.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace keelwatch::analysis {

using model::Lsn;
using model::WalSegment;

bool counts_as_missing(std::string_view fault_kind) {
  return fault_kind == "compressed_data" || fault_kind == "storage_class";
}

bool is_fatal(std::string_view fault_kind) {
  return fault_kind == "wrong_size" || fault_kind == "empty";
}

// What a request for one segment gives.
struct WalChain::Found {
  enum Kind { kNone, kWhole, kPartial, kStop } kind = kNone;
  const model::WalFault* fault = nullptr;  // also of kNone: why it counts as missing
};

struct WalChain::Walk {
  const TargetTimeline& target;
  Proof proof;
  std::int64_t number;      // the next segment to ask for
  std::int64_t lowest = 0;  // no older timeline is asked any more
  bool cut = false;         // a record of the last segment goes on, and nobody saw its end
  bool done = false;
  Reach reach{};
};

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::pair<std::int64_t, std::int64_t> key(WalSegment segment) {
  return {segment.timeline, segment.number};
}

// The last element whose (timeline, first) is not behind the segment, if it covers it.
template <typename T>
const T* covering(const std::vector<T>& sorted, WalSegment segment) {
  const auto behind = std::ranges::upper_bound(
      sorted, key(segment), {}, [](const T& one) { return std::pair(one.timeline, one.first); });
  if (behind == sorted.begin()) return nullptr;
  const T& one = *std::prev(behind);
  return one.timeline == segment.timeline && one.last >= segment.number ? &one : nullptr;
}

template <typename T>
const T* first_from(const std::vector<T>& sorted, WalSegment segment) {
  const auto found = std::ranges::lower_bound(sorted, key(segment), {},
                                              [](const T& one) { return key(one.segment); });
  return found == sorted.end() || found->segment.timeline != segment.timeline ? nullptr : &*found;
}

std::string text(std::int64_t timeline) { return "timeline " + std::to_string(timeline); }

// A history as the path of its timeline; an error text if PostgreSQL refuses it
// (readTimeLineHistory wants rising timelines below the own one).
std::string read_path(std::int64_t timeline, const std::vector<model::TimelineSwitch>& switches,
                      std::vector<TimelineEntry>& path) {
  Lsn begin{};
  std::int64_t before = 0;
  for (const model::TimelineSwitch& one : switches) {
    if (one.parent <= before || one.parent >= timeline || one.position < begin) {
      return "the history of " + text(timeline) + " names timelines out of order";
    }
    path.push_back({one.parent, begin});
    before = one.parent;
    begin = one.position;
  }
  path.push_back({timeline, begin});
  std::ranges::reverse(path);
  return "";
}

}  // namespace

WalChain::WalChain(const model::WalArchive& wal)
    : wal_(wal), segment_bytes_(wal.segment_bytes ? *wal.segment_bytes : 0) {
  if (!model::is_wal_segment_size(segment_bytes_)) {
    throw std::invalid_argument("a WAL chain needs a segment size");
  }
  for (const model::WalProof& p : wal.proofs) {
    const Interval interval{p.timeline, p.first, p.last, p.last_modified};
    header_.push_back(interval);
    if (p.by == kProofs[2]) deep_.push_back(interval);
  }
  for (std::vector<Interval>* list : {&header_, &deep_}) {
    std::ranges::sort(*list, {}, [](const Interval& i) { return std::pair(i.timeline, i.first); });
    std::vector<Interval> joined;
    for (const Interval& next : *list) {
      if (joined.empty() || joined.back().timeline != next.timeline ||
          joined.back().last + 1 < next.first) {
        joined.push_back(next);
      } else if (next.last > joined.back().last ||
                 (next.last == joined.back().last && !joined.back().modified)) {
        joined.back().last = next.last;
        joined.back().modified = next.modified;
      }
    }
    *list = std::move(joined);
  }
}

std::int64_t WalChain::segment_of(Lsn position) const {
  return model::wal_segment_at(1, position, segment_bytes_).number;
}

const model::WalRun* WalChain::run_at(std::int64_t timeline, std::int64_t number) const {
  return covering(wal_.runs, {timeline, number});
}

const model::WalFault* WalChain::fault_from(std::int64_t timeline, std::int64_t number) const {
  return first_from(wal_.faults, {timeline, number});
}

const model::WalFault* WalChain::fault_at(WalSegment segment) const {
  const model::WalFault* fault = fault_from(segment.timeline, segment.number);
  return fault != nullptr && fault->segment == segment ? fault : nullptr;
}

const model::PartialSegment* WalChain::partial_at(WalSegment segment) const {
  const model::PartialSegment* partial = first_from(wal_.partials, segment);
  return partial != nullptr && partial->segment == segment ? partial : nullptr;
}

const model::WalTail* WalChain::tail_at(WalSegment segment) const {
  const model::WalTail* tail = first_from(wal_.tails, segment);
  return tail != nullptr && tail->segment == segment ? tail : nullptr;
}

const WalChain::Interval* WalChain::proof_at(Proof proof, WalSegment segment) const {
  return covering(proof == Proof::kDeep ? deep_ : header_, segment);
}

std::optional<std::int64_t> WalChain::listed_from(std::int64_t timeline,
                                                  std::int64_t number) const {
  std::optional<std::int64_t> first;
  if (run_at(timeline, number) != nullptr) return number;
  const auto run = std::ranges::lower_bound(
      wal_.runs, std::pair(timeline, number), {},
      [](const model::WalRun& one) { return std::pair(one.timeline, one.first); });
  if (run != wal_.runs.end() && run->timeline == timeline) first = run->first;
  if (const auto* partial = first_from(wal_.partials, {timeline, number})) {
    first = first ? std::min(*first, partial->segment.number) : partial->segment.number;
  }
  return first;
}

std::optional<std::int64_t> WalChain::newest(std::int64_t timeline) const {
  const auto behind = std::ranges::upper_bound(wal_.runs, timeline, {}, &model::WalRun::timeline);
  if (behind == wal_.runs.begin() || std::prev(behind)->timeline != timeline) return std::nullopt;
  return std::prev(behind)->last;
}

const model::TimelineHistory* WalChain::history(std::int64_t timeline) const {
  const auto found =
      std::ranges::lower_bound(wal_.histories, timeline, {}, &model::TimelineHistory::timeline);
  if (found == wal_.histories.end() || found->timeline != timeline) return nullptr;
  const bool given =
      found->switches.is_known() || found->switches.why().error.code() != ErrorCode::kNotFound;
  return given ? &*found : nullptr;
}

TargetTimeline WalChain::latest(std::int64_t timeline, Lsn begin, Lsn end) const {
  std::int64_t newest = timeline;
  while (history(newest + 1) != nullptr) ++newest;
  return chosen(newest, timeline, begin, end);
}

TargetTimeline WalChain::chosen(std::int64_t target, std::int64_t timeline, Lsn begin,
                                Lsn end) const {
  TargetTimeline result{.timeline = target, .path = {}, .fatal = "", .unknown = std::nullopt};
  const model::TimelineHistory* history = this->history(target);
  if (history == nullptr) {  // PostgreSQL takes it for one without parents
    result.path.push_back({target, {}});
  } else if (const auto* switches = history->switches.if_known()) {
    result.fatal = read_path(target, *switches, result.path);
  } else if (history->switches.why().error.code() == ErrorCode::kMalformed) {
    result.fatal = "the history of " + text(target) +
                   " cannot be read: " + history->switches.why().error.message();
  } else {
    result.unknown = history->switches.why();
  }
  if (!result.fatal.empty() || result.unknown) return result;
  for (std::size_t i = 0; i < result.path.size(); ++i) {
    const TimelineEntry& entry = result.path[i];
    if (entry.timeline != timeline) continue;
    if (entry.begin <= begin && (i == 0 || end <= result.path[i - 1].begin)) return result;
    const bool above = entry.begin <= begin;
    const TimelineEntry& fork = above ? result.path[i - 1] : entry;
    result.fatal = text(fork.timeline) + " begins at " + to_string(fork.begin) +
                   (above ? ", before the end of the backup" : ", behind the begin of the backup");
    return result;
  }
  result.fatal = text(target) + " does not descend from " + text(timeline);
  return result;
}

WalChain::Found WalChain::look(WalSegment segment) const {
  const bool whole = run_at(segment.timeline, segment.number) != nullptr;
  if (!whole && partial_at(segment) == nullptr) return {};
  const model::WalFault* fault = fault_at(segment);
  if (fault == nullptr) return {whole ? Found::kWhole : Found::kPartial};
  return {counts_as_missing(fault->kind) ? Found::kNone : Found::kStop, fault};
}

std::size_t WalChain::owner(const TargetTimeline& target, std::int64_t number) const {
  std::size_t i = 0;
  while (i + 1 < target.path.size() && number < segment_of(target.path[i].begin)) ++i;
  return i;
}

// Whether a timeline above that entry of the path has a segment behind the one that is asked for.
bool WalChain::any_newer(const Walk& walk, std::size_t entry) const {
  for (std::size_t i = 0; i < entry; ++i) {
    if (listed_from(walk.target.path[i].timeline, walk.number + 1)) return true;
  }
  return false;
}

void WalChain::stop(Walk& walk, ChainStop why, WalSegment at, std::string detail) const {
  walk.done = true;
  walk.reach.stop = why;
  walk.reach.at = at;
  walk.reach.detail = std::move(detail);
}

// As far as its records were followed. False: not at all.
bool WalChain::take_tail(Walk& walk, std::size_t entry) const {
  const auto& path = walk.target.path;
  const WalSegment segment{path[entry].timeline, walk.number};
  const model::WalTail* tail = tail_at(segment);
  if (tail == nullptr || walk.cut) return false;
  // What the parent has behind a fork is not the target's.
  const Lsn end = entry > 0 && segment_of(path[entry - 1].begin) <= walk.number
                      ? std::min(tail->end, path[entry - 1].begin)
                      : tail->end;
  if (end <= walk.reach.end) return false;
  walk.reach.end = end;
  walk.reach.last = segment;
  return true;
}

void WalChain::take_partial(Walk& walk, std::size_t entry) const {
  const auto& path = walk.target.path;
  const WalSegment segment{path[entry].timeline, walk.number};
  const bool read = tail_at(segment) != nullptr;
  // One of which nobody has looked at a byte.
  if (!read && (walk.proof != Proof::kListed || walk.cut)) {
    return stop(walk, ChainStop::kNotProven, segment);
  }
  const bool forks_here = entry > 0 && segment_of(path[entry - 1].begin) == walk.number;
  if (!read) {
    walk.reach.last = segment;
    if (forks_here) walk.reach.end = std::max(walk.reach.end, path[entry - 1].begin);
  }
  if (!read || take_tail(walk, entry)) {
    walk.reach.last_is_partial = true;
    walk.reach.last_modified = partial_at(segment)->modified;
  }
  const bool more =
      any_newer(walk, entry) || listed_from(path[entry].timeline, walk.number + 1).has_value();
  const std::int64_t missing = forks_here ? path[entry - 1].timeline : path[entry].timeline;
  const std::string object = model::wal_segment_name(segment, segment_bytes_) + ".partial";
  stop(walk, more ? ChainStop::kMissing : ChainStop::kNewest, {missing, walk.number},
       partial_at(segment)->hides_whole
           ? "barman-cloud-wal-restore takes " + object + " before the whole segment"
           : "there is only " + object);
}

// Goes as far as one look at the intervals tells.
void WalChain::take(Walk& walk, std::size_t entry) const {
  const auto& path = walk.target.path;
  const std::int64_t timeline = path[entry].timeline;
  const std::int64_t number = walk.number;
  if (entry > 0 && number >= segment_of(path[entry - 1].begin)) {
    if (any_newer(walk, entry)) {
      const bool seen =
          walk.proof == Proof::kListed || proof_at(walk.proof, {timeline, number}) != nullptr;
      if (!seen) take_tail(walk, entry);
      if (seen && !walk.cut) walk.reach.end = std::max(walk.reach.end, path[entry - 1].begin);
      return stop(walk, ChainStop::kAbandoned, {path[entry - 1].timeline, number});
    }
    if (!walk.reach.passed_fork) walk.reach.passed_fork = path[entry - 1];
  }
  const model::WalRun& run = *run_at(timeline, number);
  std::int64_t last = run.last;
  if (const model::WalFault* fault = fault_from(timeline, number + 1)) {
    last = std::min(last, fault->segment.number - 1);
  }
  for (std::size_t i = 0; i < entry; ++i) {  // where a newer timeline is asked and has it
    const std::int64_t fork = segment_of(path[i].begin);
    const auto next = listed_from(path[i].timeline, std::max(fork, number + 1));
    last = std::min({last, next ? *next - 1 : kNever, fork > number ? fork - 1 : kNever});
  }
  std::optional<WallTime> modified = last == run.last ? run.last_modified : run.first_modified;
  if (walk.proof != Proof::kListed) {
    const Interval* proof = proof_at(walk.proof, {timeline, number});
    if (proof == nullptr && take_tail(walk, entry)) {
      walk.cut = true;
      walk.lowest = timeline;
      ++walk.number;
      return advance(walk);
    }
    if (proof == nullptr || walk.cut) return stop(walk, ChainStop::kNotProven, {timeline, number});
    if (proof->last <= last) {
      last = proof->last;
      if (proof->modified) modified = proof->modified;
    }
  }
  if (const model::WalFault* fault = fault_at({timeline, last + 1}); fault && last != run.last) {
    if (fault->previous_modified) modified = fault->previous_modified;
  }
  walk.lowest = timeline;
  walk.reach.last = WalSegment{timeline, last};
  walk.reach.last_modified = modified;
  walk.reach.end = model::wal_segment_end({timeline, last}, segment_bytes_);
  walk.number = last + 1;
}

void WalChain::advance(Walk& walk) const {
  const auto& path = walk.target.path;
  const std::size_t first = owner(walk.target, walk.number);
  const WalSegment wanted{path[first].timeline, walk.number};
  const model::WalFault* excuse = nullptr;
  bool later = any_newer(walk, first);
  for (std::size_t i = first; i < path.size() && path[i].timeline >= walk.lowest; ++i) {
    const WalSegment segment{path[i].timeline, walk.number};
    const Found found = look(segment);
    if (found.kind == Found::kWhole) return take(walk, i);
    if (found.kind == Found::kPartial) return take_partial(walk, i);
    if (found.kind == Found::kStop) {
      const bool fatal = is_fatal(found.fault->kind);
      if (!fatal) take_tail(walk, i);
      return stop(walk, fatal ? ChainStop::kFatal : ChainStop::kDamaged, segment,
                  found.fault->kind + ": " + found.fault->detail);
    }
    if (excuse == nullptr) excuse = found.fault;
    later = later || listed_from(path[i].timeline, walk.number + 1).has_value();
  }
  if (excuse != nullptr) {
    return stop(walk, ChainStop::kDamaged, excuse->segment, excuse->kind + ": " + excuse->detail);
  }
  stop(walk, later ? ChainStop::kMissing : ChainStop::kNewest, wanted);
}

Reach WalChain::reach(const TargetTimeline& target, std::int64_t start_segment, Proof proof) const {
  Walk walk{.target = target, .proof = proof, .number = start_segment};
  walk.reach.end = model::wal_segment_begin({1, start_segment}, segment_bytes_);
  if (target.path.empty()) walk.done = true;
  while (!walk.done) advance(walk);
  return walk.reach;
}

WalGaps WalChain::gaps(const TargetTimeline& target, std::int64_t from_segment) const {
  WalGaps result;
  std::optional<WalGap> open;
  for (std::size_t i = target.path.size(); i-- > 0;) {
    const TimelineEntry& entry = target.path[i];
    const std::int64_t end = i == 0 ? kNever : segment_of(target.path[i - 1].begin);
    std::int64_t number = std::max(from_segment, segment_of(entry.begin));
    while (number < end) {
      if (const model::WalRun* run = run_at(entry.timeline, number)) {
        if (open) {
          open->segments += number - open->first.number;
          open->since = number == run->first ? run->first_modified : std::nullopt;
          result.segments += open->segments;
          if (result.first.size() < WalGaps::kKept) result.first.push_back(*open);
          open.reset();
        }
        number = run->last + 1;
        continue;
      }
      if (!open) open = WalGap{{entry.timeline, number}, 0, std::nullopt};
      const auto run = std::ranges::lower_bound(
          wal_.runs, std::pair(entry.timeline, number), {},
          [](const model::WalRun& one) { return std::pair(one.timeline, one.first); });
      if (run == wal_.runs.end() || run->timeline != entry.timeline) break;
      number = run->first;
    }
  }
  return result;
}

std::int64_t WalChain::stored_bytes(const TargetTimeline& target, std::int64_t from_segment,
                                    std::int64_t to_segment) const {
  double bytes = 0;
  for (std::size_t i = 0; i < target.path.size(); ++i) {
    const TimelineEntry& entry = target.path[i];
    const std::int64_t end = i == 0 ? kNever : segment_of(target.path[i - 1].begin);
    const std::int64_t low = std::max(from_segment, segment_of(entry.begin));
    const std::int64_t high = std::min(to_segment, end == kNever ? end : end - 1);
    const auto first =
        std::ranges::lower_bound(wal_.runs, entry.timeline, {}, &model::WalRun::timeline);
    for (auto run = first; run != wal_.runs.end() && run->timeline == entry.timeline; ++run) {
      const std::int64_t a = std::max(low, run->first);
      const std::int64_t b = std::min(high, run->last);
      if (a > b) continue;
      bytes += static_cast<double>(run->bytes) * static_cast<double>(b - a + 1) /
               static_cast<double>(run->last - run->first + 1);
    }
  }
  return static_cast<std::int64_t>(bytes);
}

}  // namespace keelwatch::analysis
