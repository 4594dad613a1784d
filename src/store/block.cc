#include "store/block.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "store/bits.h"

// Layout of a block:
//   u8      samples - 1 (5 bits), regular (1 bit), value mode (2 bits)
//   varint  size of all that follows
//   bits    deltas of deltas, to a full byte; nothing if regular (all of them are 0)
//   values  constant: 8 bytes
//           integer:  zigzag varint first, zigzag varint smallest difference,
//                     u8 width (6 bits) and scale (2 bits), differences above the smallest
//           xor:      8 bytes first, then bits
namespace keelwatch::store {
namespace {

enum ValueMode : unsigned { kConstant, kInteger, kXor, kValueModes };

constexpr std::array<double, 4> kScales = {1, 10, 1e3, 1e6};
// Whole numbers up to here are exact in a double, and differences of two fit the 6 bits of a width.
constexpr double kLargestInteger = 9007199254740992;  // 2^53

// Lengths of a delta of deltas: 0, 10 + 14 bits, 110 + 20, 1110 + 32, 1111 + 64 (zigzag).
constexpr std::array<unsigned, 4> kDodBits = {14, 20, 32, 64};

std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }

void put_raw(std::vector<std::uint8_t>& out, std::uint64_t bits) {
  std::uint8_t raw[8];
  std::memcpy(raw, &bits, sizeof raw);
  out.insert(out.end(), raw, raw + 8);
}

bool is_regular(std::span<const Sample> samples, TimeState state) {
  for (const Sample& sample : samples) {
    if (plus(state.last, state.delta) != sample.timestamp_ms) return false;
    state.last = sample.timestamp_ms;
  }
  return true;
}

void encode_times(std::span<const Sample> samples, TimeState state,
                  std::vector<std::uint8_t>& out) {
  BitWriter writer(out);
  for (const Sample& sample : samples) {
    const std::int64_t delta = minus(sample.timestamp_ms, state.last);
    const std::uint64_t dod = zigzag(minus(delta, state.delta));
    state = {sample.timestamp_ms, delta};
    if (dod == 0) {
      writer.put(0, 1);
      continue;
    }
    unsigned size = 0;
    while (dod > low_bits(kDodBits[size])) ++size;
    // size + 1 ones, then a zero unless it is the longest.
    writer.put(low_bits(size + 1), size + 1 < 4 ? size + 2 : 4);
    writer.put(dod, kDodBits[size]);
  }
  writer.finish();
}

// The values as whole numbers of 1/scale; false if one of them would not come back bit for bit.
bool as_integers(std::span<const Sample> samples, double scale,
                 std::array<std::int64_t, kBlockSamples>& integers) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double value = samples[i].value;
    const double scaled = std::nearbyint(value * scale);
    if (!(std::fabs(scaled) <= kLargestInteger)) return false;
    integers[i] = static_cast<std::int64_t>(scaled);
    if (bits_of(static_cast<double>(integers[i]) / scale) != bits_of(value)) return false;
  }
  return true;
}

bool encode_integers(std::span<const Sample> samples, std::vector<std::uint8_t>& out) {
  std::array<std::int64_t, kBlockSamples> integers;
  unsigned scale = 0;
  while (!as_integers(samples, kScales[scale], integers)) {
    if (++scale == kScales.size()) return false;
  }
  std::int64_t smallest = samples.size() > 1 ? integers[1] - integers[0] : 0;
  std::int64_t largest = smallest;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    smallest = std::min(smallest, integers[i] - integers[i - 1]);
    largest = std::max(largest, integers[i] - integers[i - 1]);
  }
  const auto width =
      static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(largest - smallest)));
  put_varint(out, zigzag(integers[0]));
  put_varint(out, zigzag(smallest));
  out.push_back(static_cast<std::uint8_t>(width | scale << 6));
  BitWriter writer(out);
  for (std::size_t i = 1; i < samples.size(); ++i) {
    writer.put(static_cast<std::uint64_t>(integers[i] - integers[i - 1] - smallest), width);
  }
  writer.finish();
  return true;
}

void encode_xor(std::span<const Sample> samples, std::vector<std::uint8_t>& out) {
  put_raw(out, bits_of(samples[0].value));
  BitWriter writer(out);
  unsigned leading = 64, trailing = 0;  // no window yet: nothing fits
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const std::uint64_t diff = bits_of(samples[i].value) ^ bits_of(samples[i - 1].value);
    if (diff == 0) {
      writer.put(0, 1);
      continue;
    }
    const auto zeros = std::min(31U, static_cast<unsigned>(std::countl_zero(diff)));
    const auto tail = static_cast<unsigned>(std::countr_zero(diff));
    const unsigned need = 64 - zeros - tail;
    const bool fits = leading < 64 && zeros >= leading && tail >= trailing;
    // A window far too wide costs more than the 11 bits of a new one.
    if (fits && 64 - leading - trailing <= need + 11) {
      writer.put(0b01, 2);
    } else {
      leading = zeros;
      trailing = tail;
      writer.put(0b11, 2);
      writer.put(leading, 5);
      writer.put(need - 1, 6);
    }
    writer.put(diff >> trailing, 64 - leading - trailing);
  }
  writer.finish();
}

ValueMode encode_values(std::span<const Sample> samples, std::vector<std::uint8_t>& out) {
  // An integer block of no more bytes than this is taken without a try at xor.
  const std::size_t small = 8 + samples.size();
  const std::size_t begin = out.size();
  const bool integers = encode_integers(samples, out);
  if (integers && out.size() - begin < 8) return kInteger;
  const std::uint64_t first = bits_of(samples[0].value);
  if (std::all_of(samples.begin(), samples.end(),
                  [first](const Sample& s) { return bits_of(s.value) == first; })) {
    out.resize(begin);
    put_raw(out, first);
    return kConstant;
  }
  if (integers && out.size() - begin <= small) return kInteger;
  const std::size_t middle = out.size();
  encode_xor(samples, out);
  if (integers && middle - begin <= out.size() - middle) {
    out.resize(middle);
    return kInteger;
  }
  out.erase(out.begin() + static_cast<std::ptrdiff_t>(begin),
            out.begin() + static_cast<std::ptrdiff_t>(middle));
  return kXor;
}

bool decode_integers(std::span<const std::uint8_t> bytes, DecodedBlock& block) {
  const std::uint8_t* at = bytes.data();
  const std::uint8_t* end = at + bytes.size();
  std::uint64_t first = 0, smallest = 0;
  if (!get_varint(at, end, first) || !get_varint(at, end, smallest) || at == end) return false;
  const unsigned width = *at & 0x3f;
  const double scale = kScales[*at >> 6];
  ++at;
  if ((block.count - 1) * width > static_cast<std::size_t>(end - at) * 8) return false;
  // Above 57 bits one load would not do; the encoder needs 55 at most.
  if (width > 57) return false;
  const std::uint64_t mask = low_bits(width);
  const auto base = static_cast<std::uint64_t>(unzigzag(smallest));
  auto sum = static_cast<std::uint64_t>(unzigzag(first));
  const auto value = [&sum] { return static_cast<double>(static_cast<std::int64_t>(sum)); };
  block.samples[0].value = value();
  const std::size_t count = block.count;
  std::size_t bit = 0;
  for (std::size_t i = 1; i < count; ++i, bit += width) {
    sum += base + ((load64(at + bit / 8) >> (bit % 8)) & mask);
    block.samples[i].value = value();
  }
  if (scale != 1) {
    for (std::size_t i = 0; i < count; ++i) block.samples[i].value /= scale;
  }
  return true;
}

bool decode_xor(std::span<const std::uint8_t> bytes, DecodedBlock& block) {
  if (bytes.size() < 8) return false;
  std::uint64_t value = load64(bytes.data());
  block.samples[0].value = std::bit_cast<double>(value);
  BitReader reader(bytes.data() + 8, bytes.data() + bytes.size());
  unsigned trailing = 0, width = 0;
  for (std::size_t i = 1; i < block.count; ++i) {
    if (reader.get(1) != 0) {
      if (reader.get(1) != 0) {
        const auto window = static_cast<unsigned>(reader.get(11));
        width = (window >> 5) + 1;
        if ((window & 31) + width > 64) return false;
        trailing = 64 - (window & 31) - width;
      }
      value ^= reader.get(width) << trailing;
    }
    block.samples[i].value = std::bit_cast<double>(value);
  }
  return !reader.overrun();
}

}  // namespace

void encode_block(std::span<const Sample> samples, TimeState& state,
                  std::vector<std::uint8_t>& out) {
  const bool regular = is_regular(samples, state);
  // At most 32 * 68 bits of time and 8 bytes + 31 * 77 bits of values: the size takes 1 or 2 bytes.
  std::vector<std::uint8_t> body;
  body.reserve(4 * kBlockSamples);
  if (!regular) encode_times(samples, state, body);
  const ValueMode mode = encode_values(samples, body);
  out.push_back(static_cast<std::uint8_t>((samples.size() - 1) | (regular ? 1U << 5 : 0) |
                                          static_cast<unsigned>(mode) << 6));
  put_varint(out, body.size());
  out.insert(out.end(), body.begin(), body.end());
  const std::int64_t before =
      samples.size() > 1 ? samples[samples.size() - 2].timestamp_ms : state.last;
  state = {samples.back().timestamp_ms, minus(samples.back().timestamp_ms, before)};
}

bool BlockReader::open_block() {
  if (done()) return false;
  const unsigned header = *at_++;
  count_ = (header & 31) + 1;
  regular_ = (header >> 5 & 1) != 0;
  value_mode_ = header >> 6;
  std::uint64_t size = 0;
  if (!get_varint(at_, end_, size) || size > static_cast<std::uint64_t>(end_ - at_)) return false;
  value_bytes_ = {at_, static_cast<std::size_t>(size)};
  at_ += size;
  return true;
}

void BlockReader::skip_until(std::int64_t from) {
  BlockReader next = *this;
  while (next.open_block() && next.regular_) {
    const auto span = static_cast<std::uint64_t>(state_.delta) * next.count_;
    next.state_.last = plus(state_.last, static_cast<std::int64_t>(span));
    if (next.state_.last > from) return;
    *this = next;
  }
}

bool BlockReader::next_times(DecodedBlock& block) {
  if (!open_block()) return false;
  block.count = count_;
  if (regular_) {
    std::int64_t time = state_.last;
    for (std::size_t i = 0; i < count_; ++i) {
      time = plus(time, state_.delta);
      block.samples[i].timestamp_ms = time;
    }
    state_.last = time;
    return true;
  }
  BitReader reader(value_bytes_.data(), value_bytes_.data() + value_bytes_.size());
  for (std::size_t i = 0; i < block.count; ++i) {
    unsigned size_class = 0;
    while (size_class < 4 && reader.get(1) != 0) ++size_class;
    if (size_class > 0) {
      state_.delta = plus(state_.delta, unzigzag(reader.get(kDodBits[size_class - 1])));
    }
    state_.last = plus(state_.last, state_.delta);
    block.samples[i].timestamp_ms = state_.last;
  }
  value_bytes_ = value_bytes_.subspan(reader.bytes_read());
  return !reader.overrun();
}

bool BlockReader::values(DecodedBlock& block) const {
  switch (value_mode_) {
    case kConstant: {
      if (value_bytes_.size() < 8) return false;
      const auto value = std::bit_cast<double>(load64(value_bytes_.data()));
      for (std::size_t i = 0; i < block.count; ++i) block.samples[i].value = value;
      return true;
    }
    case kInteger:
      return decode_integers(value_bytes_, block);
    case kXor:
      return decode_xor(value_bytes_, block);
    default:
      return false;
  }
}

}  // namespace keelwatch::store
