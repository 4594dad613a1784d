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

// A guess at what a series costs in the index, for those that are not yet in it.
constexpr std::size_t kIndexPerSeries = 128;

// When room is made, so much more than needed (of the budget): not every step has to search.
constexpr std::size_t kRoom = 16;

// Series ahead whose first cache line is fetched while one is being read.
constexpr std::size_t kAhead = 16;

constexpr std::int64_t to_ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

std::int64_t minus_clamped(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_sub_overflow(a, b, &result)) return std::numeric_limits<std::int64_t>::min();
  return result;
}

}  // namespace

Store::Store(const StoreOptions& options)
    : budget_(options.memory_budget),
      max_series_(std::min<std::size_t>(options.max_series, std::numeric_limits<Place>::max())),
      retention_ms_(to_ms(options.retention)),
      keeps_for_ever_(options.retention == Duration::max()),
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
  if (const Result<void> room = check_room(labels); !room) {
    ++live_.series_refused;
    return room.error();
  }
  const Place place = take_place();
  if (++incarnation_ == 0) ++incarnation_;  // id 0 means none
  const SeriesId id = SeriesId{incarnation_} << 32 | place;
  auto owned = std::make_shared<const Labels>(labels);
  labels_bytes_ += kPerSeries + owned->heap_bytes();
  at(place).open(id, std::move(owned), labels.hash());
  by_labels_.insert(place);
  fresh_.push_back(place);
  ++live_.series_created;
  return id;
}

Result<void> Store::check_room(const Labels& labels) const {
  if (free_.empty() && places_ >= max_series_) {
    return Error(ErrorCode::kTooLarge,
                 "the store holds its limit of " + std::to_string(max_series_) + " series");
  }
  if (by_labels_.size() < kPageSeries) return {};
  const bool new_page = free_.empty() && places_ % kPageSeries == 0;
  const std::size_t more =
      kPerSeries + labels.heap_bytes() + kIndexPerSeries + (new_page ? sizeof(Page) : 0);
  const std::size_t used = series_bytes() + live_.index_bytes + fresh_.size() * kIndexPerSeries;
  if (used + more <= budget_ / 2) return {};
  return Error(ErrorCode::kTooLarge, "series have used up half of the store's memory budget of " +
                                         std::to_string(budget_) + " bytes");
}

Place Store::take_place() {
  if (!free_.empty()) {
    const Place place = free_.back();
    free_.pop_back();
    return place;
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
      newest_time_ = std::max(newest_time_, timestamp_ms);
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
  cut_future(now_ms);
  const bool first = retention_time_ == Series::kNoTime;
  if (first || minus_clamped(now_ms, to_ms(kMaxAdvance)) <= retention_time_) {
    retention_time_ = now_ms;
  } else {
    retention_time_ += to_ms(kMaxAdvance);
  }
  expire(retention_time_);
  publish_index();
  enforce_budget();
  publish_stats();
}

SeriesRef Store::ref(SeriesId id) const {
  const Series* series = find(id);
  if (series == nullptr || series->id() != id) return {};
  return {id, series->labels()};
}

void Store::cut_future(std::int64_t now_ms) {
  const auto ahead = [&](std::int64_t time) {
    return minus_clamped(time, to_ms(kClockTolerance)) > now_ms;
  };
  if (keeps_for_ever_ || !ahead(newest_time_)) return;
  newest_time_ = now_ms;
  for (Place place = 0; place < places_; ++place) {
    Series& series = at(place);
    if (series.id() == 0) continue;
    if (!ahead(series.newest_time())) {
      newest_time_ = std::max(newest_time_, series.newest_time());
      continue;
    }
    const double newest = series.newest_value();
    live_.future_samples += series.cut_after(now_ms, reclaimer_, chunks_);
    // What had ended does not come to life again.
    if ((is_stale(newest) || is_unknown(newest)) && series.newest_time() != Series::kNoTime) {
      append(series.id(), now_ms, newest);
    }
  }
}

void Store::expire(std::int64_t now_ms) {
  const std::int64_t until = minus_clamped(now_ms, retention_ms_);
  constexpr Place kParts = 16;
  for (Place left = std::min(places_, places_ / kParts + 1); left > 0; --left) {
    if (next_expiry_ >= places_) next_expiry_ = 0;
    const Place place = next_expiry_++;
    Series& series = at(place);
    if (series.id() == 0) continue;
    // What turned unknown is evidence until it is known again or has ended, however long that
    // takes.
    if (series.newest_time() <= until && !is_unknown(series.newest_value())) {
      forget(place, live_.expired_samples);
      continue;
    }
    const ChunkTotals gone = series.trim(until, reclaimer_);
    chunks_ -= gone;
    live_.expired_samples += gone.samples;
  }
}

ChunkTotals Store::forget(Place place, std::uint64_t& samples) {
  Series& series = at(place);
  if (newest_index_->contains(series.id())) removed_.push_back({series.id(), series.labels()});
  by_labels_.erase(place);
  labels_bytes_ -= kPerSeries + series.labels()->heap_bytes();
  samples += series.tail_samples();
  const ChunkTotals gone = series.close(reclaimer_);
  chunks_ -= gone;
  samples += gone.samples;
  ++live_.series_forgotten;
  freed_.push_back(place);
  return gone;
}

void Store::enforce_budget() {
  forget_ended_series();
  publish_index();
  drop_oldest_chunks();
  // Twice: with no reader inside nothing is left waiting.
  reclaimer_.collect();
  reclaimer_.collect();
}

// What is to go of all that the budget bounds; 0 if it is kept. A reader that stays long must not
// drive out the whole history, for that would not free a byte sooner: what waits for readers counts
// up to a quarter of the budget.
std::size_t Store::excess() const {
  const std::size_t limit = budget_ - std::min(reclaimer_.waiting_bytes(), budget_ / 4);
  const std::size_t used = chunks_.bytes + series_bytes() + live_.index_bytes;
  return used > limit ? used - limit + budget_ / kRoom : 0;
}

// Likewise of the series' half, so that new series find room before they have to be refused.
std::size_t Store::series_excess() const {
  const std::size_t limit = budget_ / 2 - budget_ / kRoom;
  const std::size_t used = series_bytes() + live_.index_bytes;
  return used > limit ? used - limit + budget_ / kRoom / 2 : 0;
}

void Store::forget_ended_series() {
  std::size_t too_much = std::max(excess(), series_excess());
  if (too_much == 0) return;
  std::vector<Place> ended;
  for (Place place = 0; place < places_; ++place) {
    if (at(place).id() != 0 && is_stale(at(place).newest_value())) ended.push_back(place);
  }
  std::sort(ended.begin(), ended.end(),
            [this](Place a, Place b) { return at(a).newest_time() < at(b).newest_time(); });
  const std::size_t in_index =
      newest_index_->series() == 0 ? 0 : live_.index_bytes / newest_index_->series();
  for (const Place place : ended) {
    const std::size_t labels_before = labels_bytes_;
    const ChunkTotals gone = forget(place, live_.evicted_samples);
    live_.evicted_chunks += gone.chunks;
    ++live_.evicted_series;
    const std::size_t freed = gone.bytes + in_index + labels_before - labels_bytes_;
    if (freed >= too_much) break;
    too_much -= freed;
  }
}

void Store::drop_oldest_chunks() {
  std::size_t too_much = excess();
  if (too_much == 0 || chunks_.chunks == 0) return;
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
  std::int64_t until = 0;
  for (const Candidate& candidate : candidates) {
    until = candidate.newest;
    if (candidate.bytes >= too_much) break;
    too_much -= candidate.bytes;
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

std::size_t Store::series_bytes() const {
  const std::size_t pages = (places_ + kPageSeries - 1) / kPageSeries;
  return pages * sizeof(Page) + labels_bytes_;
}

void Store::publish_stats() {
  live_.series = newest_index_->series();
  live_.chunks = chunks_.chunks;
  live_.chunk_samples = chunks_.samples;
  live_.chunk_bytes = chunks_.bytes;
  live_.series_bytes = series_bytes();
  live_.retired_bytes = reclaimer_.waiting_bytes();
  live_.samples =
      live_.appended - live_.expired_samples - live_.evicted_samples - live_.future_samples;
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
