// A block: up to 32 samples of one series in as few bytes as their shape allows. Timestamps are
// coded as deltas of deltas (nothing at all while the distance stays the same), values as one of
//   constant   the same 64 bits throughout
//   integer    whole numbers, or decimals of 1, 3 or 6 places: bit-packed differences
//   xor        the idea of Gorilla (Pelkonen et al., VLDB 2015, section 4.1.2)
// whichever is smallest. Every value comes back bit for bit: NaN payloads, infinities and the sign
// of zero included.
//
// Timestamps run on from block to block of a chunk (TimeState); values of a block stand alone, so
// that a reader passes over a block without decoding them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/sample.h"

namespace keelwatch::store {

inline constexpr std::size_t kBlockSamples = 32;
// decode_block may load (and ignore) so many bytes after the end of its input.
inline constexpr std::size_t kReadSlack = 8;

// Where the timestamps of the previous block ended; the next one is expected at last + delta.
// Differences wrap around, so any two timestamps are good.
struct TimeState {
  std::int64_t last = 0;
  std::int64_t delta = 0;
  bool operator==(const TimeState&) const = default;
};

// Appends 1..kBlockSamples samples, strictly ascending in time, to `out`.
void encode_block(std::span<const Sample> samples, TimeState& state,
                  std::vector<std::uint8_t>& out);

struct DecodedBlock {
  std::array<Sample, kBlockSamples> samples;
  std::size_t count = 0;
};

// Reads blocks one after the other. The bytes are followed by kReadSlack readable ones. Any bytes
// are safe to read; of malformed ones next_times() or values() returns false and the rest of the
// input is not to be used.
class BlockReader {
 public:
  BlockReader(std::span<const std::uint8_t> bytes, TimeState start)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), state_(start) {}

  [[nodiscard]] bool done() const { return at_ == end_; }
  [[nodiscard]] TimeState state() const { return state_; }

  // Steps past blocks that hold nothing after `from`, as long as their timestamps are regular: that
  // needs no decoding.
  void skip_until(std::int64_t from);
  // Decodes the timestamps of the next block and steps past the block.
  [[nodiscard]] bool next_times(DecodedBlock& block);
  // Decodes the values of the block that next_times() has just passed.
  [[nodiscard]] bool values(DecodedBlock& block) const;

 private:
  // Steps past the next block's bytes and notes what is in them.
  [[nodiscard]] bool open_block();

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  TimeState state_;
  // Of the block that was opened last.
  unsigned count_ = 0;
  bool regular_ = false;
  unsigned value_mode_ = 0;
  std::span<const std::uint8_t> value_bytes_;  // timestamps first until they are decoded
};

}  // namespace keelwatch::store
