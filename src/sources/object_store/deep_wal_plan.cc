#include "sources/object_store/deep_wal_plan.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "config/limits.h"
#include "sources/object_store/timeline_history.h"

namespace keelwatch::sources {
namespace {

using model::WalSegment;

constexpr std::int64_t kNoNumber = std::numeric_limits<std::int64_t>::max();

std::int64_t per_log(std::int64_t segment_bytes) {
  return (std::int64_t{1} << 32U) / segment_bytes;
}

std::int64_t average(const WalSpan& span) {
  return span.bytes / (std::int64_t{span.last} - span.first.segment + 1);
}

}  // namespace

SegmentName DeepWalPlan::name(WalSegment segment) const {
  const std::int64_t count = per_log(segment_bytes_);
  return {static_cast<std::uint32_t>(segment.timeline),
          static_cast<std::uint32_t>(segment.number / count),
          static_cast<std::uint32_t>(segment.number % count)};
}

// Of a segment that the listing has nothing against.
const WalSpan* DeepWalPlan::readable(WalSegment segment) const {
  if (segment.number < 0) return nullptr;
  const WalSpan* span = contents_.find(name(segment));
  if (span == nullptr || span->stored.encrypted || span->thawed != Thawed::kYes) return nullptr;
  const bool fits = span->stored.plain() ? span->each == segment_bytes_ : span->each != 0;
  return fits ? span : nullptr;
}

const PartialObject* DeepWalPlan::readable_partial(WalSegment segment) const {
  if (segment.number < 0) return nullptr;
  const PartialObject* partial = contents_.find_partial(name(segment));
  if (partial == nullptr || partial->stored.encrypted || partial->thawed != Thawed::kYes) {
    return nullptr;
  }
  const bool fits =
      partial->stored.plain() ? partial->bytes == segment_bytes_ : partial->bytes != 0;
  return fits ? partial : nullptr;
}

// One that is_readable().
DeepWalFile DeepWalPlan::file(WalSegment segment) const {
  if (const WalSpan* span = readable(segment)) {
    const SegmentToProve one = segment_of(*span, name(segment).segment);
    return {segment, server_ + "wals/" + segment_key(one.name, one.stored), average(*span),
            one.modified};
  }
  const PartialObject& partial = *readable_partial(segment);
  return {segment, server_ + "wals/" + partial_key(partial.name, partial.stored), partial.bytes,
          partial.modified, true};
}

bool DeepWalPlan::is_read(WalSegment segment) const {
  const auto read = read_.find(segment.timeline);
  return partials_read_.contains(segment) ||
         (read != read_.end() && read->second.contains(segment.number));
}

bool DeepWalPlan::wants_partial(WalSegment segment) const {
  return partials_.contains(segment) && !partials_read_.contains(segment) &&
         !aside_.contains(segment);
}

void DeepWalPlan::listed(std::int64_t segment_bytes,
                         const std::vector<const model::BackupInfo*>& done) {
  if (segment_bytes_ != segment_bytes) {
    read_.clear();
    proven_.clear();
    faults_.clear();
    tails_.clear();
    partials_read_.clear();
    unfinished_.clear();
    unknown_version_.clear();
    aside_.clear();
    modified_.clear();
    again_.clear();
  }
  segment_bytes_ = segment_bytes;
  pieces_.clear();
  const auto there = stretches();
  const auto plan = [&](std::int64_t timeline, std::int64_t first, std::int64_t last, bool needed) {
    const auto found = there.find(timeline);
    if (found == there.end()) return;
    auto it = std::ranges::lower_bound(found->second, first, {}, &Stretch::last);
    for (; it != found->second.end() && it->first <= last; ++it) {
      const std::int64_t from = read_[timeline].first_missing(std::max(first, it->first));
      const std::int64_t to = std::min(last, it->last);
      if (from <= to) pieces_.push_back({timeline, from, to, needed});
    }
  };
  std::int64_t oldest = kNoNumber;
  for (auto info = done.rbegin(); info != done.rend(); ++info) {
    const auto begin = model::parse_wal_segment((*info)->begin_wal, segment_bytes);
    const auto end = model::parse_wal_segment((*info)->end_wal, segment_bytes);
    if (!begin || !end) continue;
    oldest = std::min(oldest, begin->number);
    // The last record of the last one may go on in the next.
    plan(begin->timeline, begin->number, end->number + 1, true);
  }
  for (const auto& [timeline, list] : there) plan(timeline, oldest, kNoNumber, false);
  for (const auto& [timeline, list] : there) plan(timeline, 0, oldest, false);
}

// Of what can be read; also counts it, and drops what is not listed any more.
std::map<std::int64_t, std::vector<DeepWalPlan::Stretch>> DeepWalPlan::stretches() {
  std::map<std::int64_t, std::vector<Stretch>> result;
  std::map<std::int64_t, NumberRanges> listed;
  const std::int64_t count = per_log(segment_bytes_);
  total_bytes_ = left_bytes_ = encrypted_ = 0;
  for (const auto& [timeline, all] : contents_.timelines()) {
    for (const WalSpan& span : all.spans) {
      if (span.first.segment >= count) continue;  // foreign
      const std::int64_t first = std::int64_t{span.first.log} * count + span.first.segment;
      const std::int64_t last =
          std::int64_t{span.first.log} * count + std::min<std::int64_t>(span.last, count - 1);
      listed[timeline].insert(first, last);
      if (span.stored.encrypted) encrypted_ += last - first + 1;
      if (readable({timeline, first}) == nullptr) continue;
      result[timeline].push_back({first, last});
      const std::int64_t unread = read_[timeline].missing(first, last);
      total_bytes_ += span.bytes;
      left_bytes_ += unread == last - first + 1 ? span.bytes : unread * average(span);
    }
  }
  const std::set<WalSegment> partials = list_partials();
  for (auto& [timeline, numbers] : read_) numbers = numbers.common(listed[timeline]);
  for (auto& [timeline, numbers] : proven_) numbers = numbers.common(listed[timeline]);
  const auto gone = [&](WalSegment one) {
    return !listed[one.timeline].contains(one.number) && !partials.contains(one);
  };
  std::erase_if(faults_, [&](const auto& entry) { return gone(entry.first); });
  std::erase_if(tails_, [&](const auto& entry) { return gone(entry.first); });
  std::erase_if(modified_, [&](const auto& entry) { return gone(entry.first); });
  std::erase_if(unfinished_, gone);
  std::erase_if(unknown_version_, gone);
  std::erase_if(aside_, gone);
  std::erase_if(again_, gone);
  return result;
}

// All that are listed; notes and counts those that can be read. What is known of a whole segment
// says nothing of a .partial in its place, nor the other way round.
std::set<WalSegment> DeepWalPlan::list_partials() {
  std::set<WalSegment> result;
  partials_.clear();
  const std::int64_t count = per_log(segment_bytes_);
  for (const auto& [timeline, all] : contents_.timelines()) {
    for (const PartialObject& partial : all.partials) {
      if (partial.name.segment >= count) continue;  // foreign
      const WalSegment segment{timeline,
                               std::int64_t{partial.name.log} * count + partial.name.segment};
      result.insert(segment);
      if (partial.stored.encrypted) ++encrypted_;
      if (readable_partial(segment) == nullptr) continue;
      partials_.insert(segment);
      total_bytes_ += partial.bytes;
      if (partials_read_.contains(segment)) continue;
      left_bytes_ += partial.bytes;
      faults_.erase(segment);
      tails_.erase(segment);
    }
  }
  std::erase_if(partials_read_, [&](WalSegment segment) {
    if (partials_.contains(segment)) return false;
    faults_.erase(segment);
    tails_.erase(segment);
    return true;
  });
  return result;
}

void DeepWalPlan::look_again() {
  again_.clear();
  for (const auto& [segment, fault] : faults_) again_.push_back(segment);
}

// One that was read before `last`: once more, as what it continues is known now.
std::optional<WalSegment> DeepWalPlan::once_more(std::optional<WalSegment> last) const {
  if (!last || !unfinished_.contains(*last)) return std::nullopt;
  const WalSegment follows{last->timeline, last->number + 1};
  if (!is_read(follows) || aside_.contains(follows) || !is_readable(follows)) return std::nullopt;
  return follows;
}

std::optional<DeepWalPlan::Item> DeepWalPlan::next(std::optional<WalSegment> last) {
  if (const auto follows = once_more(last)) return Item{file(*follows), true};
  if (last && wants_partial({last->timeline, last->number + 1})) {
    return Item{file({last->timeline, last->number + 1}), false};
  }
  while (!pieces_.empty()) {
    Piece& piece = pieces_.front();
    piece.first = read_[piece.timeline].first_missing(piece.first);
    const WalSegment segment{piece.timeline, piece.first};
    if (piece.first > piece.last) {
      pieces_.pop_front();
    } else if (aside_.contains(segment) || readable(segment) == nullptr) {
      ++piece.first;
    } else {
      return Item{file(segment), piece.needed};
    }
  }
  for (const WalSegment& segment : partials_) {
    if (wants_partial(segment)) return Item{file(segment), false};
  }
  while (!again_.empty()) {
    const WalSegment segment = again_.front();
    const bool wanted = faults_.contains(segment) && !aside_.contains(segment);
    if (wanted && is_readable(segment)) return Item{file(segment), false};
    again_.pop_front();
  }
  return std::nullopt;
}

std::optional<DeepWalFile> DeepWalPlan::lead_in(WalSegment segment,
                                                std::optional<WalSegment> last) const {
  WalSegment before{segment.timeline, segment.number - 1};
  if (last && last->number == before.number && last->timeline <= segment.timeline) {
    return std::nullopt;
  }
  if (contents_.find(name(before)) == nullptr) {
    // The first of its timeline begins with what its parent wrote.
    const auto found = contents_.timelines().find(static_cast<std::uint32_t>(segment.timeline));
    if (found == contents_.timelines().end() || !found->second.history) return std::nullopt;
    const auto* switches = found->second.history->switches.if_known();
    if (switches == nullptr || segment.number == 0) return std::nullopt;
    before.timeline =
        timeline_of(*switches, segment.timeline, model::wal_segment_begin(before, segment_bytes_));
    if (before.timeline == segment.timeline) return std::nullopt;
  } else if (!unfinished_.contains(before)) {
    return std::nullopt;
  }
  if (readable(before) == nullptr) return std::nullopt;
  return file(before);
}

void DeepWalPlan::found(const Item& read, DeepWalProof proof,
                        const std::vector<WalSegment>& unfinished) {
  const WalSegment segment = read.file.segment;
  if (!is_read(segment)) left_bytes_ = std::max<std::int64_t>(0, left_bytes_ - read.file.bytes);
  if (read.file.partial) {
    partials_read_.insert(segment);
  } else {
    read_[segment.timeline].insert(segment.number);
  }
  aside_.erase(segment);
  if (!again_.empty() && again_.front() == segment) again_.pop_front();
  // The record that crosses into it has had its chance to be seen to its end.
  if (proof.gone.empty()) unfinished_.erase({segment.timeline, segment.number - 1});
  if (read.file.modified && !read.file.partial) modified_[segment] = *read.file.modified;
  tails_.erase(segment);
  if (read.file.partial) faults_.erase(segment);
  for (const model::WalTail& tail : proof.tails) tails_[tail.segment] = tail.end;
  for (const model::WalProof& run : proof.proofs) {
    read_[run.timeline].insert(run.first, run.last);
    proven_[run.timeline].insert(run.first, run.last);
    for (std::int64_t number = run.first; number <= run.last; ++number) {
      faults_.erase({run.timeline, number});
      tails_.erase({run.timeline, number});
    }
  }
  for (model::WalFault& fault : proof.faults) {
    if (!read.file.partial) read_[fault.segment.timeline].insert(fault.segment.number);
    proven_[fault.segment.timeline].erase(fault.segment.number);
    faults_.insert_or_assign(fault.segment, std::move(fault));
  }
  for (const WalSegment one : unfinished) {
    if (!proven_[one.timeline].contains(one.number)) unfinished_.insert(one);
  }
  unknown_version_.insert(proof.unknown_version.begin(), proof.unknown_version.end());
  std::erase_if(modified_, [&](const auto& entry) {
    const NumberRanges& numbers = proven_[entry.first.timeline];
    return numbers.contains(entry.first.number) && numbers.contains(entry.first.number + 1);
  });
}

void DeepWalPlan::lost(const std::vector<WalSegment>& unfinished) {
  for (const WalSegment& segment : unfinished) {
    read_[segment.timeline].erase(segment.number);
    unfinished_.erase(segment);
  }
}

bool DeepWalPlan::complete(std::optional<WalSegment> last) {
  if (!aside_.empty() || once_more(last)) return false;
  while (!pieces_.empty()) {
    Piece& piece = pieces_.front();
    piece.first = read_[piece.timeline].first_missing(piece.first);
    if (piece.first <= piece.last) return false;
    pieces_.pop_front();
  }
  return std::ranges::none_of(partials_, [&](WalSegment one) { return wants_partial(one); });
}

std::string DeepWalPlan::unreadable() const {
  if (encrypted_ > 0)
    return fmt::format("{} WAL segments are encrypted: they cannot be read", encrypted_);
  if (!unknown_version_.empty()) {
    return fmt::format("{} WAL segments are of a PostgreSQL other than 13 to 18, the first is {}",
                       unknown_version_.size(),
                       model::wal_segment_name(*unknown_version_.begin(), segment_bytes_));
  }
  return "";
}

Result<void> DeepWalPlan::put_into(model::WalArchive& archive) const {
  if (archive.segment_bytes != segment_bytes_) return {};
  for (const auto& [timeline, numbers] : proven_) {
    for (const auto& [first, last] : numbers.ranges()) {
      model::WalProof proof{timeline, first, last, "deep"};
      const auto modified = modified_.find({timeline, last});
      if (modified != modified_.end()) proof.last_modified = modified->second;
      archive.proofs.push_back(std::move(proof));
    }
  }
  std::ranges::sort(archive.proofs, {}, [](const model::WalProof& proof) {
    return std::tie(proof.by, proof.timeline, proof.first);
  });
  for (const auto& [segment, end] : tails_) archive.tails.push_back({segment, end});
  std::set<WalSegment> told;
  for (const model::WalFault& fault : archive.faults) told.insert(fault.segment);
  for (const auto& [segment, fault] : faults_) {
    if (!told.contains(segment)) archive.faults.push_back(fault);
  }
  std::ranges::sort(archive.faults, {}, [](const model::WalFault& fault) {
    return std::tie(fault.segment, fault.kind);
  });
  if (archive.faults.size() > limits::kWalFaults) {
    return Error(ErrorCode::kTooLarge,
                 fmt::format("more than {} segments cannot be replayed as they are, the last is "
                             "{}: {}",
                             limits::kWalFaults,
                             model::wal_segment_name(faults_.rbegin()->first, segment_bytes_),
                             faults_.rbegin()->second.detail));
  }
  return {};
}

}  // namespace keelwatch::sources
