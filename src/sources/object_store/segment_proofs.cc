#include "sources/object_store/segment_proofs.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "config/limits.h"
#include "sources/object_store/timeline_history.h"

namespace keelwatch::sources {
namespace {

// The timeline that wrote the segment's first byte, if the history of its timeline is known.
std::optional<std::int64_t> written_by(const WalContents& contents, model::WalSegment segment,
                                       std::int64_t segment_bytes) {
  if (segment.timeline == 1) return 1;
  const auto found = contents.timelines().find(static_cast<std::uint32_t>(segment.timeline));
  if (found == contents.timelines().end() || !found->second.history) return std::nullopt;
  const auto* switches = found->second.history->switches.if_known();
  if (switches == nullptr) return std::nullopt;
  return timeline_of(*switches, segment.timeline, model::wal_segment_begin(segment, segment_bytes));
}

}  // namespace

void SegmentProofs::expect(std::int64_t segment_bytes, std::optional<std::uint64_t> system_id) {
  if (segment_bytes_ != segment_bytes) {
    looked_at_.clear();
    faults_.clear();
    newest_.reset();
  }
  segment_bytes_ = segment_bytes;
  expected_system_id_ = system_id;
}

void SegmentProofs::want(const std::vector<SegmentToProve>& segments) {
  for (const SegmentToProve& segment : segments) {
    // The listing says of an empty one what is to be said; nobody here can decrypt.
    if (segment.each == 0 || segment.stored.encrypted || looked_at(segment.name)) continue;
    if (aside_.contains(segment.name)) continue;
    wait(segment);
  }
}

void SegmentProofs::wait(const SegmentToProve& segment) {
  if (!waiting_names_.insert(segment.name).second) return;
  if (waiting_.size() >= limits::kSegmentsToProve) drop_next();
  waiting_.push_back(segment);
}

void SegmentProofs::drop_next() {
  waiting_names_.erase(waiting_.front().name);
  waiting_.pop_front();
}

const SegmentToProve* SegmentProofs::next() const {
  return waiting_.empty() || !segment_bytes_ ? nullptr : &waiting_.front();
}

void SegmentProofs::found(const WalPageHeader& header, const WalContents& contents) {
  const SegmentToProve one = waiting_.front();
  const auto place = segment(one.name);
  if (!place) return drop_next();  // foreign
  const WalPageJudgement judgement =
      judge_wal_page(header, {*place, *segment_bytes_,
                              written_by(contents, *place, *segment_bytes_), expected_system_id_});
  if (judgement.verdict == WalPageVerdict::kUnknownVersion) return set_aside();
  drop_next();
  note(one);
  const bool fits = judgement.verdict == WalPageVerdict::kFits;
  if (!fits) faults_[one.name] = {one, judgement.kind, judgement.detail};
  const bool tells_system = fits || judgement.kind == "system_id";
  if (tells_system && (!newest_ || newest_->first <= one.name)) {
    newest_ = {one.name, header.system_id};
  }
}

void SegmentProofs::found_damaged(std::string detail) {
  const SegmentToProve one = waiting_.front();
  drop_next();
  note(one);
  faults_[one.name] = {one, "compressed_data", std::move(detail)};
}

void SegmentProofs::set_aside() {
  aside_.insert(waiting_.front().name);
  drop_next();
}

void SegmentProofs::note(const SegmentToProve& one) {
  if (const auto place = segment(one.name)) looked_at_[one.name.timeline].insert(place->number);
  faults_.erase(one.name);
}

void SegmentProofs::retain(const WalContents& contents) {
  aside_.clear();
  if (!segment_bytes_) return;
  const auto facts = contents.facts(segment_bytes_);
  if (!facts) return;
  std::map<std::uint32_t, NumberRanges> there;
  for (const model::WalRun& run : facts->runs) {
    there[static_cast<std::uint32_t>(run.timeline)].insert(run.first, run.last);
  }
  for (auto& [timeline, looked_at] : looked_at_) looked_at = looked_at.common(there[timeline]);
  const auto gone = [&](const SegmentName& name) { return contents.find(name) == nullptr; };
  std::erase_if(waiting_, [&](const SegmentToProve& one) { return gone(one.name); });
  std::erase_if(waiting_names_, gone);
  std::erase_if(faults_, [&](const auto& entry) { return gone(entry.first); });
  for (const auto& [name, fault] : faults_) wait(fault.segment);
}

Result<void> SegmentProofs::put_into(model::WalArchive& archive) const {
  if (newest_) archive.system_id = newest_->second;
  for (const auto& [timeline, ranges] : looked_at_) {
    for (const auto& [first, last] : ranges.ranges()) {
      archive.proofs.push_back({timeline, first, last, "header"});
    }
  }
  for (const auto& [name, fault] : faults_) {
    const auto place = segment(name);
    if (place) archive.faults.push_back({*place, fault.kind, fault.detail, fault.segment.modified});
  }
  std::ranges::sort(archive.faults, {}, [](const model::WalFault& fault) {
    return std::tie(fault.segment, fault.kind);
  });
  if (archive.faults.size() > limits::kWalFaults) {
    return Error(ErrorCode::kTooLarge,
                 fmt::format("more than {} segments cannot be replayed as they are, the last is "
                             "{}: {}",
                             limits::kWalFaults, text(faults_.rbegin()->first),
                             faults_.rbegin()->second.detail));
  }
  return {};
}

std::optional<model::WalSegment> SegmentProofs::segment(const SegmentName& name) const {
  return model::parse_wal_segment(text(name), *segment_bytes_);
}

bool SegmentProofs::looked_at(const SegmentName& name) const {
  if (!segment_bytes_) return false;
  const auto ranges = looked_at_.find(name.timeline);
  const auto place = segment(name);
  return ranges != looked_at_.end() && place && ranges->second.contains(place->number);
}

}  // namespace keelwatch::sources
