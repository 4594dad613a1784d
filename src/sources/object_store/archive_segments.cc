// The part of an ArchiveWatch that looks into WAL segments.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "config/limits.h"
#include "sources/object_store/archive_watch.h"
#include "sources/object_store/decompress.h"

namespace keelwatch::sources {
namespace {

constexpr std::size_t kProofsPerPass = 64;  // a GB of new WAL per minute
constexpr std::size_t kSizeCandidates = 4;
constexpr std::size_t kNewestOfLast = 8;     // of the last timeline, to be proved at the start
constexpr std::size_t kOlderTimelines = 32;  // the newest segment of each
// Steps in which the begin of a compressed segment is asked for: bzip2 gives nothing before the end
// of its first block, lz4 neither.
constexpr std::size_t kSteps[] = {16 * limits::kKiB, 256 * limits::kKiB, limits::kMiB,
                                  limits::kFirstPageBytes};

// Whether a header can be believed about the segment size and the cluster.
bool tells_size(const WalPageHeader& header, const SegmentName& name) {
  if (!model::is_wal_segment_size(header.segment_bytes)) return false;
  const auto segment = model::parse_wal_segment(text(name), header.segment_bytes);
  if (!segment) return false;
  const WalPageJudgement judgement =
      judge_wal_page(header, {*segment, header.segment_bytes, std::nullopt, std::nullopt});
  return judgement.verdict == WalPageVerdict::kFits;
}

// The newest segments of the last timelines, the newest first.
std::vector<SegmentToProve> newest_segments(const WalContents& contents) {
  std::vector<SegmentToProve> result;
  const auto& timelines = contents.timelines();
  for (auto it = timelines.rbegin(); it != timelines.rend(); ++it) {
    const auto newest = contents.newest(it->first, 2);
    result.insert(result.end(), newest.rbegin(), newest.rend());
    if (result.size() >= kSizeCandidates) break;
  }
  return result;
}

bool is_frozen(const WalContents& contents, const SegmentName& name) {
  const WalSpan* span = contents.find(name);
  return span != nullptr && span->thawed != Thawed::kYes;
}

}  // namespace

Task<> ArchiveWatch::learn_segment_size() {
  if (std::exchange(size_due_, false)) {
    for (const SegmentToProve& one : newest_segments(wal_.contents())) {
      if (one.each == 0 || one.stored.encrypted || is_frozen(wal_.contents(), one.name)) continue;
      const Result<Begin> begin = co_await read_begin(one);
      if (!begin) {
        if (begin.error().code() == ErrorCode::kNotFound) continue;  // deleted since it was listed
        note_failure(begin.error());
        size_due_ = true;
        break;
      }
      if (!begin->header || !tells_size(*begin->header, one.name)) continue;
      seen_segment_bytes_ = begin->header->segment_bytes;
      if (!seen_system_id_) seen_system_id_ = begin->header->system_id;
      break;
    }
  }
  const std::vector<const model::BackupInfo*> done = base_.done();
  const model::BackupInfo* newest = done.empty() ? nullptr : done.back();
  std::optional<std::int64_t> bytes = target_.segment_bytes;
  if (!bytes) bytes = seen_segment_bytes_;
  if (!bytes && newest != nullptr) bytes = newest->segment_bytes;
  std::optional<std::uint64_t> system_id = seen_system_id_;
  if (newest != nullptr && newest->system_id) system_id = newest->system_id;
  if (bytes) proofs_.expect(*bytes, system_id);
}

void ArchiveWatch::want_segments() {
  const WalContents& contents = wal_.contents();
  const std::vector<SegmentToProve> fresh = wal_.take_new_segments();
  if (!fresh.empty() && !seen_segment_bytes_) size_due_ = true;

  std::vector<SegmentToProve> first;
  if (!seeded_) {
    std::size_t timelines = 0;
    for (auto it = contents.timelines().rbegin();
         it != contents.timelines().rend() && timelines <= kOlderTimelines; ++it, ++timelines) {
      std::ranges::move(contents.newest(it->first, timelines == 0 ? kNewestOfLast : 1),
                        std::back_inserter(first));
    }
    seeded_ = true;
  }
  for (const model::BackupInfo* backup : base_.done()) {
    for (const std::string& wal : {backup->begin_wal, backup->end_wal}) {
      SegmentName name;
      if (!read_segment_name(wal, name)) continue;
      if (const WalSpan* span = contents.find(name)) {
        first.push_back(segment_of(*span, name.segment));
      }
    }
  }
  std::ranges::sort(first, {}, &SegmentToProve::name);
  proofs_.want(first);
  proofs_.want(fresh);
}

Task<> ArchiveWatch::prove_segments() {
  for (std::size_t i = 0; i < kProofsPerPass; ++i) {
    const SegmentToProve* next = proofs_.next();
    if (next == nullptr) co_return;
    const SegmentToProve one = *next;
    if (is_frozen(wal_.contents(), one.name)) {
      proofs_.set_aside();  // the listing says of it what is to be said
      continue;
    }
    const Result<Begin> begin = co_await read_begin(one);
    if (!begin && begin.error().code() != ErrorCode::kNotFound) {
      note_failure(begin.error());
      co_return;
    }
    if (begin && begin->header) {
      proofs_.found(*begin->header, wal_.contents());
    } else if (begin && !begin->damage.empty()) {
      proofs_.found_damaged(begin->damage);
    } else {
      proofs_.set_aside();  // or deleted since it was listed
    }
  }
}

Task<Result<ArchiveWatch::Begin>> ArchiveWatch::read_begin(SegmentToProve segment) {
  const std::string key = wal_key(segment_key(segment.name, segment.stored));
  if (segment.stored.plain()) {
    const Result<std::string> page = co_await get_first(key, kWalPageHeaderBytes);
    if (!page) co_return page.error();
    co_return Begin{read_wal_page_header(*page), ""};
  }
  for (const std::size_t step : kSteps) {
    const Result<std::string> stored = co_await get_first(key, step);
    if (!stored) co_return stored.error();
    const Result<std::string> page =
        decompress_first(compression_ending(segment.stored), *stored, kWalPageHeaderBytes);
    if (!page) co_return Begin{std::nullopt, page.error().message()};
    if (const auto header = read_wal_page_header(*page)) co_return Begin{header, ""};
    if (stored->size() < step) {
      co_return Begin{std::nullopt, fmt::format("ends after {} bytes of WAL", page->size())};
    }
  }
  co_return Begin{};
}

}  // namespace keelwatch::sources
