#include "store/chunk.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

#include "store/bits.h"

namespace keelwatch::store {

void Chunk::Delete::operator()(const Chunk* chunk) const {
  if (chunk == nullptr) return;
  chunk->~Chunk();
  ::operator delete(const_cast<Chunk*>(chunk));
}

Chunk::Ptr Chunk::make(const Chunk* open, std::span<const Sample> block) {
  assert(!block.empty() && block.size() <= kBlockSamples && (open == nullptr || !open->full()));
  const std::int64_t min_time = open != nullptr ? open->min_time_ : block[0].timestamp_ms;
  std::int64_t first_delta = 0;
  if (open != nullptr) {
    first_delta = open->first_delta_;
  } else if (block.size() > 1) {
    first_delta = minus(block[1].timestamp_ms, min_time);
  }
  TimeState state{minus(min_time, first_delta), first_delta};
  std::vector<std::uint8_t> bytes;
  bytes.reserve(8 * kBlockSamples);
  if (open != nullptr) {
    bytes.assign(open->bytes().begin(), open->bytes().end());
    state = open->end();
  }
  const TimeState before_last = state;
  const std::size_t last_block = bytes.size();
  encode_block(block, state, bytes);

  void* memory = ::operator new(sizeof(Chunk) + bytes.size() + kReadSlack);
  auto* chunk = new (memory) Chunk(min_time, first_delta);
  chunk->max_time_ = block.back().timestamp_ms;
  chunk->size_ = static_cast<std::uint32_t>(bytes.size());
  chunk->samples_ =
      static_cast<std::uint32_t>((open != nullptr ? open->samples_ : 0) + block.size());
  chunk->before_last_ = before_last;
  chunk->last_block_ = static_cast<std::uint32_t>(last_block);
  auto* data = static_cast<std::uint8_t*>(memory) + sizeof(Chunk);
  std::memcpy(data, bytes.data(), bytes.size());
  std::memset(data + bytes.size(), 0, kReadSlack);
  return Ptr(chunk);
}

void Chunk::read(std::int64_t from, std::int64_t to, std::vector<Sample>& out) const {
  BlockReader reader = from >= before_last_.last ? last_block() : BlockReader(bytes(), start());
  DecodedBlock block;
  reader.skip_until(from);
  while (reader.next_times(block)) {
    const Sample* begin = block.samples.data();
    const Sample* end = begin + block.count;
    if (begin->timestamp_ms > to) break;
    if ((end - 1)->timestamp_ms <= from) continue;
    if (!reader.values(block)) break;
    while (begin->timestamp_ms <= from) ++begin;
    while ((end - 1)->timestamp_ms > to) --end;
    out.insert(out.end(), begin, end);
  }
}

Sample Chunk::last_until(std::int64_t to) const {
  BlockReader reader(bytes(), start());
  BlockReader holder = reader;  // stands before the newest block that begins by `to`
  DecodedBlock block;
  while (!reader.done()) {
    const BlockReader before = reader;
    if (!reader.next_times(block) || block.samples[0].timestamp_ms > to) break;
    holder = before;
  }
  if (!holder.next_times(block) || !holder.values(block)) return {};
  std::size_t last = block.count - 1;
  while (last > 0 && block.samples[last].timestamp_ms > to) --last;
  return block.samples[last];
}

std::size_t Chunk::heap_bytes() const {
  // glibc hands out multiples of 16 bytes, 8 of which it keeps.
  return (sizeof(Chunk) + size_ + kReadSlack + sizeof(std::size_t) + 15) / 16 * 16;
}

std::span<const std::uint8_t> Chunk::bytes() const {
  return {reinterpret_cast<const std::uint8_t*>(this) + sizeof(Chunk), size_};
}

TimeState Chunk::start() const { return {minus(min_time_, first_delta_), first_delta_}; }

BlockReader Chunk::last_block() const { return {bytes().subspan(last_block_), before_last_}; }

TimeState Chunk::end() const {
  BlockReader reader = last_block();
  DecodedBlock block;
  return reader.next_times(block) ? reader.state() : before_last_;
}

void Chunk::prefetch_last_block() const {
  const std::uint8_t* begin = bytes().data() + last_block_;
  __builtin_prefetch(begin);
  __builtin_prefetch(begin + 64);
}

}  // namespace keelwatch::store
