#include "store/series.h"

#include <bit>
#include <span>
#include <thread>
#include <utility>

namespace keelwatch::store {
namespace {

// Frees a whole list that no reader can reach.
void delete_list(const Chunk* chunk) {
  while (chunk != nullptr) {
    const Chunk* older = chunk->older.load(std::memory_order_relaxed);
    Chunk::Delete{}(chunk);
    chunk = older;
  }
}

ChunkTotals retire_list(const Chunk* chunk, Reclaimer& reclaimer) {
  ChunkTotals trimmed;
  while (chunk != nullptr) {
    const Chunk* older = chunk->older.load(std::memory_order_relaxed);
    trimmed.add(*chunk);
    reclaimer.retire(Chunk::Ptr(chunk));
    chunk = older;
  }
  return trimmed;
}

}  // namespace

Series::~Series() { delete_list(get(chunks_)); }

// The fence keeps the stores that follow after the odd version; see H. Boehm, "Can seqlocks get
// along with programming language memory models?" (MSPC 2012).
void Series::begin_change() {
  set(version_, get(version_) + 1);
  std::atomic_thread_fence(std::memory_order_release);
}

void Series::end_change() { version_.store(get(version_) + 1, std::memory_order_release); }

bool Series::copy_tail(SeriesId id, std::int64_t from, std::int64_t to, Tail& tail) const {
  while (true) {
    const std::uint32_t before = version_.load(std::memory_order_acquire);
    if (before % 2 != 0) {
      std::this_thread::yield();  // the appender was interrupted in mid-sample
      continue;
    }
    const bool ours = get(id_) == id;
    tail.begin = tail.end = 0;
    tail.chunks = nullptr;
    if (ours) {
      std::size_t at = get(count_);
      while (at > 0 && get(times_[at - 1]) > to) --at;
      tail.end = at;
      for (; at > 0; --at) {
        const std::int64_t time = get(times_[at - 1]);
        if (time <= from) break;
        tail.times[at - 1] = time;
        tail.values[at - 1] = get(values_[at - 1]);
      }
      tail.begin = at;
      // Older samples are of interest only if the window begins before the tail does.
      if (at == 0) tail.chunks = chunks_.load(std::memory_order_acquire);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (get(version_) == before) return ours;
  }
}

bool Series::read(SeriesId id, std::int64_t from, std::int64_t to, std::vector<Sample>& out) const {
  Tail tail;
  if (from >= to || !copy_tail(id, from, to, tail)) return false;
  const std::size_t before = out.size();
  // The list runs from new to old, samples from old to new: note the overlapping ones first.
  constexpr std::size_t kAtOnce = 64;
  std::array<const Chunk*, kAtOnce> wanted;
  std::vector<const Chunk*> more;  // a window of more than kAtOnce chunks
  std::size_t count = 0;
  for (const Chunk* c = tail.chunks; c != nullptr && c->max_time() > from;
       c = c->older.load(std::memory_order_acquire)) {
    if (c->min_time() <= to) {
      if (count < kAtOnce) {
        wanted[count++] = c;
      } else {
        more.push_back(c);
      }
    }
    if (c->min_time() <= from) break;  // saves a look at an older one, which is far away in memory
  }
  for (; !more.empty(); more.pop_back()) more.back()->read(from, to, out);
  while (count > 0) wanted[--count]->read(from, to, out);
  const std::size_t first = out.size() - tail.begin;
  out.resize(first + tail.end);
  for (std::size_t i = tail.begin; i < tail.end; ++i) out[first + i] = tail.at(i);
  return out.size() > before;
}

bool Series::read_last(SeriesId id, std::int64_t from, std::int64_t to, Sample& out) const {
  const std::uint32_t before = version_.load(std::memory_order_acquire);
  if (before % 2 == 0) {
    const bool ours = get(id_) == id;
    const Sample newest{get(newest_time_), std::bit_cast<double>(get(newest_value_))};
    std::atomic_thread_fence(std::memory_order_acquire);
    // Nearly always the newest sample is the one; else the long way below.
    if (get(version_) == before && (!ours || newest.timestamp_ms <= to)) {
      out = newest;
      return ours && newest.timestamp_ms > from;
    }
  }
  Tail tail;
  if (!copy_tail(id, from, to, tail)) return false;
  if (tail.begin < tail.end) {
    out = tail.at(tail.end - 1);
    return true;
  }
  const Chunk* chunk = tail.chunks;
  while (chunk != nullptr && chunk->min_time() > to) {
    chunk = chunk->older.load(std::memory_order_acquire);
  }
  if (chunk == nullptr || chunk->max_time() <= from) return false;
  out = chunk->last_until(to);
  return out.timestamp_ms > from;
}

void Series::prefetch_history() const {
  if (const auto* chunk = reinterpret_cast<const char*>(get(chunks_)); chunk != nullptr) {
    __builtin_prefetch(chunk);
    __builtin_prefetch(chunk + 64);
  }
  const std::size_t count = get(count_);
  for (std::size_t i = 0; i < count; i += 8) {
    __builtin_prefetch(&times_[i]);
    __builtin_prefetch(&values_[i]);
  }
}

void Series::prefetch_last_block() const {
  const Chunk* chunk = chunks_.load(std::memory_order_acquire);
  if (chunk != nullptr) chunk->prefetch_last_block();
}

void Series::open(SeriesId id, std::shared_ptr<const Labels> labels, std::uint64_t hash) {
  labels_ = std::move(labels);
  hash_ = hash;
  begin_change();
  set(id_, id);
  end_change();
}

AppendOutcome Series::append(Sample sample, Reclaimer& reclaimer, ChunkTotals& totals) {
  const auto bits = std::bit_cast<std::uint64_t>(sample.value);
  std::uint32_t count = get(count_);
  if (count > 0 && sample.timestamp_ms <= get(newest_time_)) {
    if (sample.timestamp_ms < get(newest_time_)) return AppendOutcome::kOutOfOrder;
    return bits == get(newest_value_) ? AppendOutcome::kSame : AppendOutcome::kDuplicate;
  }
  if (count == kBlockSamples) {
    seal(reclaimer, totals);
    count = 0;
  }
  begin_change();
  set(times_[count], sample.timestamp_ms);
  set(values_[count], bits);
  set(count_, count + 1);
  set(newest_time_, sample.timestamp_ms);
  set(newest_value_, bits);
  end_change();
  return AppendOutcome::kAdded;
}

void Series::seal(Reclaimer& reclaimer, ChunkTotals& totals) {
  std::array<Sample, kBlockSamples> block;
  for (std::size_t i = 0; i < kBlockSamples; ++i) {
    block[i] = {get(times_[i]), std::bit_cast<double>(get(values_[i]))};
  }
  const Chunk* head = get(chunks_);
  const Chunk* open = head != nullptr && !head->full() ? head : nullptr;
  Chunk::Ptr chunk = Chunk::make(open, block);
  totals.bytes += chunk->heap_bytes();
  totals.samples += kBlockSamples;
  if (open == nullptr) ++totals.chunks;
  set(chunk->older, open != nullptr ? get(open->older) : head);
  begin_change();
  // Release: with the pointer comes what it points to.
  chunks_.store(chunk.release(), std::memory_order_release);
  set(count_, 0U);
  end_change();
  if (open != nullptr) {
    totals.bytes -= open->heap_bytes();
    reclaimer.retire(Chunk::Ptr(open));
  }
}

ChunkTotals Series::trim(std::int64_t until, Reclaimer& reclaimer) {
  std::atomic<const Chunk*>* link = &chunks_;
  const Chunk* chunk = get(*link);
  while (chunk != nullptr && chunk->max_time() > until) {
    link = &chunk->older;
    chunk = get(*link);
  }
  if (chunk == nullptr) return {};
  set(*link, static_cast<const Chunk*>(nullptr));
  return retire_list(chunk, reclaimer);
}

std::size_t Series::cut_after(std::int64_t time, Reclaimer& reclaimer, ChunkTotals& totals) {
  if (get(newest_time_) <= time) return 0;
  const std::uint32_t count = get(count_);
  std::uint32_t keep = count;
  while (keep > 0 && get(times_[keep - 1]) > time) --keep;
  if (keep == 0) {
    const std::size_t before = count + totals.samples;
    cut_chunks(time, reclaimer, totals);
    return before - totals.samples - get(count_);
  }
  begin_change();
  set(count_, keep);
  set(newest_time_, get(times_[keep - 1]));
  set(newest_value_, get(values_[keep - 1]));
  end_change();
  return count - keep;
}

// The whole tail goes. The newest block that stays becomes the tail: append() compares with it.
void Series::cut_chunks(std::int64_t time, Reclaimer& reclaimer, ChunkTotals& totals) {
  const Chunk* const head = get(chunks_);
  const Chunk* stays = head;
  while (stays != nullptr && stays->min_time() > time) stays = get(stays->older);
  std::vector<Sample> kept;
  const Chunk* rest = nullptr;
  if (stays != nullptr) {
    stays->read(kNoTime, time, kept);
    rest = get(stays->older);
  }
  const std::span<const Sample> samples(kept);
  const std::size_t in_tail = samples.empty() ? 0 : (samples.size() - 1) % kBlockSamples + 1;
  Chunk::Ptr chunk;
  for (std::size_t at = 0; at + in_tail < samples.size(); at += kBlockSamples) {
    chunk = Chunk::make(chunk.get(), samples.subspan(at, kBlockSamples));
  }
  if (chunk != nullptr) {
    totals.add(*chunk);
    set(chunk->older, rest);
  }
  const Sample newest = samples.empty() ? Sample{kNoTime, 0} : samples.back();
  begin_change();
  // Release: with the pointer comes what it points to.
  chunks_.store(chunk != nullptr ? chunk.release() : rest, std::memory_order_release);
  for (std::size_t i = 0; i < in_tail; ++i) {
    const Sample& sample = samples[samples.size() - in_tail + i];
    set(times_[i], sample.timestamp_ms);
    set(values_[i], std::bit_cast<std::uint64_t>(sample.value));
  }
  set(count_, static_cast<std::uint32_t>(in_tail));
  set(newest_time_, newest.timestamp_ms);
  set(newest_value_, std::bit_cast<std::uint64_t>(newest.value));
  end_change();
  for (const Chunk* gone = head; gone != rest;) {
    const Chunk* older = get(gone->older);
    ChunkTotals one;
    one.add(*gone);
    totals -= one;
    reclaimer.retire(Chunk::Ptr(gone));
    gone = older;
  }
}

ChunkTotals Series::close(Reclaimer& reclaimer) {
  const Chunk* chunks = get(chunks_);
  ChunkTotals trimmed;
  begin_change();
  set(id_, SeriesId{0});
  set(count_, 0U);
  set(newest_time_, kNoTime);
  set(newest_value_, std::uint64_t{0});
  set(chunks_, static_cast<const Chunk*>(nullptr));
  end_change();
  trimmed = retire_list(chunks, reclaimer);
  labels_.reset();
  return trimmed;
}

}  // namespace keelwatch::store
