// Bits, least significant first, and variable-length integers in memory: what the sample blocks are
// made of.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace keelwatch::store {

static_assert(std::endian::native == std::endian::little, "loads below take bytes as they lie");

[[nodiscard]] inline std::uint64_t low_bits(unsigned count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// Of times: they wrap around, so that any two have a difference.
[[nodiscard]] inline std::int64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
[[nodiscard]] inline std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

[[nodiscard]] inline std::uint64_t load64(const std::uint8_t* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

[[nodiscard]] inline std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

[[nodiscard]] inline std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

inline void put_varint(std::vector<std::uint8_t>& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
  out.push_back(static_cast<std::uint8_t>(value));
}

// Moves `at` past the integer; false if it does not end before `end` or exceeds 64 bits.
[[nodiscard]] inline bool get_varint(const std::uint8_t*& at, const std::uint8_t* end,
                                     std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && at != end; shift += 7) {
    const std::uint8_t byte = *at++;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

class BitWriter {
 public:
  explicit BitWriter(std::vector<std::uint8_t>& out) : out_(out) {}
  BitWriter(const BitWriter&) = delete;
  BitWriter& operator=(const BitWriter&) = delete;

  // The lowest `count` (at most 64) bits of `bits`; those above are zero.
  void put(std::uint64_t bits, unsigned count) {
    held_ |= bits << held_count_;
    if (held_count_ + count < 64) {
      held_count_ += count;
      return;
    }
    append(held_, 8);
    const unsigned written = 64 - held_count_;
    held_ = written < 64 ? bits >> written : 0;
    held_count_ = count - written;
  }

  // Fills the last byte with zeros. To be called once, last.
  void finish() { append(held_, (held_count_ + 7) / 8); }

 private:
  void append(std::uint64_t word, std::size_t bytes) {
    std::uint8_t raw[8];
    std::memcpy(raw, &word, sizeof raw);
    out_.insert(out_.end(), raw, raw + bytes);
  }

  std::vector<std::uint8_t>& out_;
  std::uint64_t held_ = 0;
  unsigned held_count_ = 0;
};

// Reads what BitWriter wrote. Beyond the end it reads zeros and remembers that it did; 8 bytes
// after the end must be readable.
class BitReader {
 public:
  BitReader(const std::uint8_t* begin, const std::uint8_t* end)
      : begin_(begin), bits_(static_cast<std::size_t>(end - begin) * 8) {}

  [[nodiscard]] std::uint64_t get(unsigned count) {
    if (count > bits_ - at_) {
      overrun_ = true;
      at_ = bits_;
      return 0;
    }
    if (count == 0) return 0;
    const std::uint8_t* byte = begin_ + at_ / 8;
    const auto skip = static_cast<unsigned>(at_ % 8);
    std::uint64_t word = load64(byte) >> skip;
    if (skip + count > 64) word |= static_cast<std::uint64_t>(byte[8]) << (64 - skip);
    at_ += count;
    return word & low_bits(count);
  }

  [[nodiscard]] bool overrun() const { return overrun_; }
  [[nodiscard]] std::size_t bytes_read() const { return (at_ + 7) / 8; }

 private:
  const std::uint8_t* begin_;
  std::size_t bits_;
  std::size_t at_ = 0;
  bool overrun_ = false;
};

}  // namespace keelwatch::store
