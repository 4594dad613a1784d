#include "sources/object_store/wal_contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace keelwatch::sources {
namespace {

Thawed thawed(std::string_view storage_class) {
  if (storage_class == "GLACIER") return Thawed::kGlacier;
  if (storage_class == "DEEP_ARCHIVE") return Thawed::kDeepArchive;
  return Thawed::kYes;  // GLACIER_IR and the rest are read at once
}

bool alike(const WalSpan& a, const WalSpan& b) {
  return a.stored == b.stored && a.thawed == b.thawed && a.each == b.each;
}

Error too_large(std::string problem) { return Error(ErrorCode::kTooLarge, std::move(problem)); }

SegmentName last_of(const WalSpan& span) {
  return {span.first.timeline, span.first.log, span.last};
}

bool same_log(const SegmentName& a, const SegmentName& b) {
  return a.timeline == b.timeline && a.log == b.log;
}

// The first span that ends at or behind the segment.
auto span_at(const std::vector<WalSpan>& spans, const SegmentName& name) {
  return std::ranges::lower_bound(spans, name, {}, last_of);
}

// Makes the facts of one timeline's spans. See WalContents::facts().
class FactMaker {
 public:
  FactMaker(model::WalArchive& out, std::int64_t segment_bytes)
      : out_(out),
        segment_bytes_(segment_bytes),
        per_log_((std::int64_t{1} << 32U) / segment_bytes) {}

  void add(const WalSpan& span) {
    const std::int64_t beyond = std::int64_t{span.last} - per_log_ + 1;
    const std::int64_t count = std::int64_t{span.last} - span.first.segment + 1;
    if (beyond > 0) foreign(span, std::min(beyond, count));
    if (beyond >= count) return;
    WalSpan good = span;
    if (beyond > 0) {
      good.last -= static_cast<std::uint32_t>(beyond);
      good.last_modified.reset();
    }
    add_run(good);
    add_faults(good);
  }
  void add(const PartialObject& partial) {
    if (partial.name.segment >= per_log_) return foreign(text(partial.name) + ".partial");
    const model::WalSegment one = segment(partial.name);
    out_.partials.push_back({one, partial.bytes, partial.modified, partial.hides_whole});
    const bool unknown = !partial.stored.plain() && partial.bytes != 0;
    Fault fault = fault_of(unknown ? -1 : partial.bytes, partial.stored, partial.thawed);
    if (fault.kind.empty() || out_.faults.size() > limits::kWalFaults) return;
    out_.faults.push_back({one, fault.kind, "its .partial: " + fault.detail, partial.modified});
  }

 private:
  model::WalSegment segment(const SegmentName& name) const {
    return {name.timeline, std::int64_t{name.log} * per_log_ + name.segment};
  }

  // Numbers that a log of such segments does not have.
  void foreign(const WalSpan& span, std::int64_t count) {
    for (std::int64_t i = count; i > 0; --i) {
      if (out_.foreign.size() >= limits::kForeignNames) {
        out_.foreign_objects += i;
        return;
      }
      SegmentName name = span.first;
      name.segment = static_cast<std::uint32_t>(span.last - i + 1);
      foreign(text(name) + ending(span.stored));
    }
  }
  void foreign(std::string name) {
    ++out_.foreign_objects;
    if (out_.foreign.size() < limits::kForeignNames) out_.foreign.push_back(std::move(name));
  }

  void add_run(const WalSpan& span) {
    const std::int64_t first = segment(span.first).number;
    const std::int64_t last = first + span.last - span.first.segment;
    if (!out_.runs.empty()) {
      model::WalRun& before = out_.runs.back();
      if (before.timeline == span.first.timeline && before.last + 1 == first) {
        before.last = last;
        before.bytes += span.bytes;
        before.last_modified = span.last_modified;
        return;
      }
    }
    out_.runs.push_back(
        {span.first.timeline, first, last, span.bytes, span.first_modified, span.last_modified});
  }

  struct Fault {
    std::string kind;  // empty: none
    std::string detail;
  };
  Fault fault_of(std::int64_t bytes, const StoredAs& stored, Thawed thawed) const {
    if (bytes == 0) return {gives_empty(stored) ? "empty" : "compressed_data", "0 bytes"};
    if (stored.plain() && bytes != segment_bytes_) {
      return {"wrong_size", fmt::format("{} bytes, not {}", bytes, segment_bytes_)};
    }
    if (thawed == Thawed::kYes) return {};
    return {"storage_class", thawed == Thawed::kGlacier ? "GLACIER" : "DEEP_ARCHIVE"};
  }

  void add_faults(const WalSpan& span) {
    const Fault fault = fault_of(span.each, span.stored, span.thawed);
    if (fault.kind.empty()) return;
    for (std::uint32_t i = span.first.segment; i <= span.last; ++i) {
      // One more than can be told is enough for the caller to see it.
      if (out_.faults.size() > limits::kWalFaults) return;
      const SegmentToProve one = segment_of(span, i);
      out_.faults.push_back({segment(one.name), fault.kind, fault.detail, one.modified});
    }
  }

  model::WalArchive& out_;
  std::int64_t segment_bytes_;
  std::int64_t per_log_;
};

}  // namespace

SegmentToProve segment_of(const WalSpan& span, std::uint32_t segment) {
  SegmentToProve result;
  result.name = span.first;
  result.name.segment = segment;
  result.stored = span.stored;
  result.each = span.each;
  if (segment == span.first.segment) result.modified = span.first_modified;
  if (segment == span.last) result.modified = span.last_modified;
  return result;
}

Result<void> WalContents::add(std::string_view key, const S3Object& object,
                              std::vector<SegmentToProve>* added) {
  const BarmanKey what = read_barman_key(key);
  if (what.kind == BarmanKeyKind::kFolder) return {};
  if (static_cast<std::size_t>(objects_) >= limits::kArchiveObjects) {
    return too_large(fmt::format("wals/ has more than {} objects", limits::kArchiveObjects));
  }
  if (what.kind == BarmanKeyKind::kForeign) {
    ++foreign_objects_;
    if (foreign_.size() < limits::kForeignNames) foreign_.emplace_back(key.substr(5));
  } else {
    Result<void> done = add_named(key, what, object, added);
    if (!done) return done;
  }
  ++objects_;
  bytes_ += object.bytes;
  return {};
}

Result<void> WalContents::add_named(std::string_view key, const BarmanKey& what,
                                    const S3Object& object, std::vector<SegmentToProve>* added) {
  Timeline& timeline = timelines_[what.segment.timeline];
  if (timelines_.size() > limits::kTimelines) {
    return too_large(fmt::format("wals/ has more than {} timelines", limits::kTimelines));
  }
  if (key <= timeline.last_key) {
    return Error(ErrorCode::kMalformed, fmt::format("{} is listed out of order", key));
  }
  timeline.last_key = key;
  switch (what.kind) {
    case BarmanKeyKind::kSegment:
      return add_segment(timeline, what, object, added);
    case BarmanKeyKind::kPartial:
      return add_partial(timeline, what, object);
    case BarmanKeyKind::kHistory:
      if (!timeline.history) {
        const Error unread(ErrorCode::kUnavailable, "not read yet");
        timeline.history =
            HistoryObject{what.stored, object.bytes, object.modified, false,
                          Observed<std::vector<model::TimelineSwitch>>::unknown(unread, "")};
      }
      return {};
    default:
      return {};  // a backup label: what it says is in backup.info
  }
}

Result<void> WalContents::add_partial(Timeline& timeline, const BarmanKey& key,
                                      const S3Object& object) {
  // Barman 3.4 took the last of an uncompressed segment's names, 3.19 takes the first.
  if (!timeline.spans.empty() && last_of(timeline.spans.back()) == key.segment) return {};
  if (!timeline.partials.empty() && timeline.partials.back().name == key.segment) return {};
  if (++partials_ > limits::kPartialSegments) {
    return too_large(
        fmt::format("wals/ has more than {} partial segments", limits::kPartialSegments));
  }
  timeline.partials.push_back(
      {key.segment, key.stored, thawed(object.storage_class), object.bytes, object.modified});
  return {};
}

Result<void> WalContents::add_segment(Timeline& timeline, const BarmanKey& key,
                                      const S3Object& object, std::vector<SegmentToProve>* added) {
  if (!timeline.partials.empty() && timeline.partials.back().name == key.segment) {
    timeline.partials.back().hides_whole = true;
    return {};
  }
  WalSpan one;
  one.first = key.segment;
  one.last = key.segment.segment;
  one.stored = key.stored;
  one.thawed = thawed(object.storage_class);
  one.each = key.stored.plain() || object.bytes == 0 ? object.bytes : -1;
  one.bytes = object.bytes;
  one.first_modified = one.last_modified = object.modified;
  if (!timeline.spans.empty()) {
    WalSpan& before = timeline.spans.back();
    const SegmentName end = last_of(before);
    if (end == key.segment) return {};  // once more, stored in another way
    if (same_log(end, key.segment) && end.segment + 1 == key.segment.segment &&
        alike(before, one)) {
      before.last = one.last;
      before.bytes += one.bytes;
      before.last_modified = one.last_modified;
      if (added != nullptr) added->push_back(segment_of(one, one.last));
      return {};
    }
  }
  if (++spans_ > limits::kWalSpans) {
    return too_large(fmt::format("wals/ has more than {} stretches of segments without a gap",
                                 limits::kWalSpans));
  }
  timeline.spans.push_back(one);
  if (added != nullptr) added->push_back(segment_of(one, one.last));
  return {};
}

const WalSpan* WalContents::find(const SegmentName& name) const {
  const auto timeline = timelines_.find(name.timeline);
  if (timeline == timelines_.end()) return nullptr;
  const auto span = span_at(timeline->second.spans, name);
  if (span == timeline->second.spans.end() || name < span->first) return nullptr;
  return &*span;
}

const PartialObject* WalContents::find_partial(const SegmentName& name) const {
  const auto timeline = timelines_.find(name.timeline);
  if (timeline == timelines_.end()) return nullptr;
  const auto& partials = timeline->second.partials;
  const auto found = std::ranges::lower_bound(partials, name, {}, &PartialObject::name);
  return found == partials.end() || found->name != name ? nullptr : &*found;
}

std::vector<SegmentToProve> WalContents::not_in(const WalContents& before, std::size_t most) const {
  std::vector<SegmentToProve> result;
  for (auto timeline = timelines_.rbegin(); timeline != timelines_.rend(); ++timeline) {
    const auto& spans = timeline->second.spans;
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      std::uint32_t at = span->last;
      for (;;) {
        SegmentToProve one = segment_of(*span, at);
        const WalSpan* there = before.find(one.name);
        if (there == nullptr) {
          if (result.size() >= most) return {result.rbegin(), result.rend()};
          result.push_back(one);
        } else if (there->first.segment < at) {
          at = there->first.segment;  // all the way down to it is there
        }
        if (at <= span->first.segment) break;
        --at;
      }
    }
  }
  std::ranges::reverse(result);
  return result;
}

std::vector<SegmentToProve> WalContents::newest(std::uint32_t timeline, std::size_t most) const {
  std::vector<SegmentToProve> result;
  const auto found = timelines_.find(timeline);
  if (found == timelines_.end()) return result;
  const auto& spans = found->second.spans;
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    for (std::uint32_t i = span->last + 1; i > span->first.segment && result.size() < most; --i) {
      result.push_back(segment_of(*span, i - 1));
    }
  }
  std::ranges::reverse(result);
  return result;
}

Result<model::WalArchive> WalContents::facts(std::optional<std::int64_t> segment_bytes) const {
  model::WalArchive result;
  result.segment_bytes = segment_bytes;
  result.foreign = foreign_;
  result.foreign_objects = foreign_objects_;
  result.objects = objects_;
  result.bytes = bytes_;
  for (const auto& [number, timeline] : timelines_) {
    if (timeline.history) {
      const HistoryObject& history = *timeline.history;
      result.histories.push_back({number, history.switches, history.modified});
    }
    if (!segment_bytes) continue;
    FactMaker maker(result, *segment_bytes);
    for (const WalSpan& span : timeline.spans) maker.add(span);
    for (const PartialObject& partial : timeline.partials) maker.add(partial);
  }
  std::ranges::stable_sort(result.faults, {}, &model::WalFault::segment);
  if (result.faults.size() > limits::kWalFaults) {
    return too_large(fmt::format(
        "more than {} segments cannot be replayed as they are, the first "
        "is {}: {}",
        limits::kWalFaults, model::wal_segment_name(result.faults[0].segment, *segment_bytes),
        result.faults[0].detail));
  }
  return result;
}

}  // namespace keelwatch::sources
