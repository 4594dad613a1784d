// Two readings of the same input. As the bytes of a chunk: whatever they are, decoding stays inside
// them. As a list of samples: what a chunk is made of is what is read from it, bit for bit.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "store/block.h"
#include "store/chunk.h"

namespace keelwatch::store {
namespace {

void decode_anything(const std::uint8_t* data, std::size_t size) {
  // An exact copy, so that the sanitizer sees a load beyond the slack.
  std::vector<std::uint8_t> bytes(data, data + size);
  bytes.resize(size + kReadSlack);
  BlockReader reader({bytes.data(), size}, {});
  DecodedBlock block;
  while (!reader.done() && reader.next_times(block) && reader.values(block)) {
  }
}

// Per sample: a byte of flags, then a distance of 1 or 8 bytes and a value of 1 or 8 bytes.
std::vector<Sample> samples_of(const std::uint8_t* data, std::size_t size) {
  std::vector<Sample> samples;
  std::int64_t time = 0;
  std::size_t at = 0;
  const auto take = [&](bool wide) {
    std::uint64_t word = 0;
    const std::size_t count = std::min<std::size_t>(wide ? 8 : 1, size - at);
    std::memcpy(&word, data + at, count);
    at += count;
    return word;
  };
  while (at < size && samples.size() < kChunkSamples) {
    const std::uint64_t flags = take(false);
    const std::uint64_t distance = take((flags & 1) != 0) >> 1;
    const auto room = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() - time);
    if (distance >= room) break;
    time += static_cast<std::int64_t>(distance) + 1;
    const std::uint64_t value = take((flags & 2) != 0);
    double number = std::bit_cast<double>(value);
    if ((flags & 4) != 0) number = static_cast<double>(value);
    if ((flags & 8) != 0) number = static_cast<double>(value) / 1000;
    samples.push_back({time, number});
  }
  return samples;
}

bool same(const Sample& a, const Sample& b) {
  return a.timestamp_ms == b.timestamp_ms &&
         std::bit_cast<std::uint64_t>(a.value) == std::bit_cast<std::uint64_t>(b.value);
}

void round_trip(const std::vector<Sample>& samples) {
  Chunk::Ptr chunk;
  std::size_t done = 0;
  while (done < samples.size()) {
    const std::size_t count = std::min(kBlockSamples, samples.size() - done);
    chunk = Chunk::make(chunk.get(), std::span(samples).subspan(done, count));
    done += count;
  }
  if (chunk == nullptr) return;
  std::vector<Sample> read;
  chunk->read(chunk->min_time() - 1, chunk->max_time(), read);
  if (read.size() != samples.size()) std::abort();
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (!same(read[i], samples[i])) std::abort();
    if (!same(chunk->last_until(samples[i].timestamp_ms), samples[i])) std::abort();
  }
}

}  // namespace
}  // namespace keelwatch::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  keelwatch::store::decode_anything(data, size);
  keelwatch::store::round_trip(keelwatch::store::samples_of(data, size));
  return 0;
}
