#include "store/store.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace keelwatch::store {
namespace {

// Beside its Series and its labels' text: the Labels object with its control block, the node and
// the bucket of the table by labels.
constexpr std::size_t kPerSeries = sizeof(Labels) + 24 + 40;

// Series ahead whose first cache line is fetched while one is being read.
constexpr std::size_t kAhead = 16;

std::int64_t minus_clamped(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_sub_overflow(a, b, &result)) return std::numeric_limits<std::int64_t>::min();
  return result;
}

}  // namespace

Store::Store(const StoreOptions& options)
    : budget_(options.memory_budget),
      max_series_(std::min<std::size_t>(options.max_series, std::numeric_limits<Place>::max())),
      retention_ms_(
          std::chrono::duration_cast<std::chrono::milliseconds>(options.retention).count()),
      pages_(new std::atomic<Page*>[max_series_ / kPageSeries + 1]()),
      index_(std::make_shared<const Index>()),
      by_labels_(0, ByLabels{this}, ByLabels{this}),
      newest_index_(index_.read()) {}

Store::~Store() {
  for (std::size_t page = 0; page * kPageSeries < places_; ++page) delete pages_[page].load();
}

Result<SeriesId> Store::series(const Labels& labels) {
  if (const auto known = by_labels_.find(labels); known != by_labels_.end()) {
    return at(*known).id();
  }
  const Result<Place> place = free_place();
  if (!place) return place.error();
  if (++incarnation_ == 0) ++incarnation_;  // id 0 means none
  const SeriesId id = SeriesId{incarnation_} << 32 | *place;
  auto owned = std::make_shared<const Labels>(labels);
  labels_bytes_ += kPerSeries + owned->heap_bytes();
  at(*place).open(id, std::move(owned), labels.hash());
  by_labels_.insert(*place);
  fresh_.push_back(*place);
  ++live_.series_created;
  return id;
}

Result<Place> Store::free_place() {
  if (!free_.empty()) {
    const Place place = free_.back();
    free_.pop_back();
    return place;
  }
  if (places_ >= max_series_) {
    return Error(ErrorCode::kTooLarge,
                 "the store holds its limit of " + std::to_string(max_series_) + " series");
  }
  std::atomic<Page*>& page = pages_[places_ / kPageSeries];
  // Release: readers find the page by its pointer.
  if (places_ % kPageSeries == 0) page.store(new Page, std::memory_order_release);
  return places_++;
}

AppendOutcome Store::append(SeriesId id, std::int64_t timestamp_ms, double value) {
  const Place place = place_of(id);
  if (id == 0 || place >= places_) return AppendOutcome::kGone;
  Series& series = at(place);
  if (series.id() != id) return AppendOutcome::kGone;
  const AppendOutcome outcome = series.append({timestamp_ms, value}, reclaimer_, chunks_);
  switch (outcome) {
    case AppendOutcome::kAdded:
      ++live_.appended;
      break;
    case AppendOutcome::kOutOfOrder:
      ++live_.out_of_order;
      break;
    case AppendOutcome::kDuplicate:
      ++live_.duplicates;
      break;
    case AppendOutcome::kSame:
    case AppendOutcome::kGone:
      break;
  }
  return outcome;
}

void Store::end_step(std::int64_t now_ms) {
  expire(now_ms);
  publish_index();
  enforce_budget();
  reclaimer_.collect();
  publish_stats();
}

SeriesRef Store::ref(SeriesId id) const {
  const Series* series = find(id);
  if (series == nullptr || series->id() != id) return {};
  return {id, series->labels()};
}

void Store::expire(std::int64_t now_ms) {
  const std::int64_t until = minus_clamped(now_ms, retention_ms_);
  constexpr Place kParts = 16;
  for (Place left = std::min(places_, places_ / kParts + 1); left > 0; --left) {
    if (next_expiry_ >= places_) next_expiry_ = 0;
    const Place place = next_expiry_++;
    Series& series = at(place);
    if (series.id() == 0) continue;
    if (series.newest_time() <= until) {
      forget(place);
      continue;
    }
    const ChunkTotals gone = series.trim(until, reclaimer_);
    chunks_ -= gone;
    live_.expired_samples += gone.samples;
  }
}

void Store::forget(Place place) {
  Series& series = at(place);
  if (newest_index_->contains(series.id())) removed_.push_back({series.id(), series.labels()});
  by_labels_.erase(place);
  labels_bytes_ -= kPerSeries + series.labels()->heap_bytes();
  live_.expired_samples += series.tail_samples();
  const ChunkTotals gone = series.close(reclaimer_);
  chunks_ -= gone;
  live_.expired_samples += gone.samples;
  ++live_.series_forgotten;
  freed_.push_back(place);
}

void Store::enforce_budget() {
  if (bytes() <= budget_ || chunks_.chunks == 0) return;
  struct Candidate {
    std::int64_t newest;
    std::size_t bytes;
  };
  std::vector<Candidate> candidates;
  candidates.reserve(chunks_.chunks);
  for (Place place = 0; place < places_; ++place) {
    at(place).for_each_chunk(
        [&](const Chunk& chunk) { candidates.push_back({chunk.max_time(), chunk.heap_bytes()}); });
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.newest < b.newest; });
  // Some room more than needed, so that not every step has to come here.
  std::size_t excess = bytes() - (budget_ - budget_ / 16);
  std::int64_t until = 0;
  for (const Candidate& candidate : candidates) {
    until = candidate.newest;
    if (candidate.bytes >= excess) break;
    excess -= candidate.bytes;
  }
  for (Place place = 0; place < places_; ++place) {
    const ChunkTotals gone = at(place).trim(until, reclaimer_);
    chunks_ -= gone;
    live_.evicted_chunks += gone.chunks;
    live_.evicted_samples += gone.samples;
  }
}

void Store::publish_index() {
  std::vector<SeriesRef> added;
  std::erase_if(fresh_, [&](Place place) {
    const Series& series = at(place);
    if (series.id() == 0) return true;
    if (series.newest_time() == Series::kNoTime) return false;
    added.push_back({series.id(), series.labels()});
    return true;
  });
  if (!added.empty() || !removed_.empty()) {
    newest_index_ = Index::updated(*newest_index_, std::move(added), removed_);
    index_.publish(newest_index_);
    // After the index: who sees the new number also sees the new index.
    generation_.fetch_add(1, std::memory_order_release);
    live_.index_bytes = newest_index_->heap_bytes();
    removed_.clear();
  }
  free_.insert(free_.end(), freed_.begin(), freed_.end());
  freed_.clear();
}

std::size_t Store::bytes() const {
  const std::size_t pages = (places_ + kPageSeries - 1) / kPageSeries;
  return chunks_.bytes + pages * sizeof(Page) + labels_bytes_ + live_.index_bytes;
}

void Store::publish_stats() {
  live_.series = newest_index_->series();
  live_.chunks = chunks_.chunks;
  live_.chunk_samples = chunks_.samples;
  live_.chunk_bytes = chunks_.bytes;
  live_.series_bytes = bytes() - chunks_.bytes - live_.index_bytes;
  live_.samples = live_.appended - live_.expired_samples - live_.evicted_samples;
  MutexLock lock(stats_mutex_);
  stats_ = live_;
}

const Series* Store::find(SeriesId id) const {
  const Place place = place_of(id);
  if (place >= max_series_) return nullptr;
  const Page* page = pages_[place / kPageSeries].load(std::memory_order_acquire);
  return page != nullptr ? &(*page)[place % kPageSeries] : nullptr;
}

std::uint64_t Store::generation() const { return generation_.load(std::memory_order_acquire); }

std::vector<SeriesRef> Store::select(std::span<const Matcher> matchers) const {
  return index_.read()->select(matchers);
}

void Store::read(std::span<const SeriesRef> refs, std::int64_t from_ms, std::int64_t to_ms,
                 std::vector<Sample>& samples, std::vector<std::size_t>& offsets) const {
  const Reclaimer::Guard guard(reclaimer_);
  offsets.clear();
  offsets.reserve(refs.size() + 1);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    offsets.push_back(samples.size());
    const auto ahead = [&](std::size_t distance) {
      return i + distance < refs.size() ? find(refs[i + distance].id) : nullptr;
    };
    // What lies ahead comes in three steps, each of which tells where the next one is.
    __builtin_prefetch(ahead(kAhead));
    if (const Series* soon = ahead(kAhead / 2); soon != nullptr) soon->prefetch_history();
    if (const Series* sooner = ahead(kAhead / 4); sooner != nullptr) sooner->prefetch_last_block();
    const Series* series = find(refs[i].id);
    if (series != nullptr) series->read(refs[i].id, from_ms, to_ms, samples);
  }
  offsets.push_back(samples.size());
}

void Store::read_last(std::span<const SeriesRef> refs, std::int64_t from_ms, std::int64_t to_ms,
                      std::vector<Sample>& samples, std::vector<std::uint8_t>& found) const {
  const Reclaimer::Guard guard(reclaimer_);
  samples.resize(refs.size());
  found.resize(refs.size());
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (i + kAhead < refs.size()) __builtin_prefetch(find(refs[i + kAhead].id));
    const Series* series = find(refs[i].id);
    const bool have =
        series != nullptr && series->read_last(refs[i].id, from_ms, to_ms, samples[i]);
    found[i] = have ? 1 : 0;
  }
}

StoreStats Store::stats() const {
  MutexLock lock(stats_mutex_);
  return stats_;
}

}  // namespace keelwatch::store
