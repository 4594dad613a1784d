// Samples compared bit for bit, and values of the shapes that a store meets.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

#include "base/sample.h"

namespace keelwatch::store {

// Catch compares and prints this; two NaN are equal only if their bits are.
struct Bits {
  std::int64_t time = 0;
  std::uint64_t value = 0;
  bool operator==(const Bits&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Bits& bits) {
  return out << bits.time << ':' << std::bit_cast<double>(bits.value) << std::hex << "(0x"
             << bits.value << ')' << std::dec;
}

inline Bits bits(const Sample& sample) {
  return {sample.timestamp_ms, std::bit_cast<std::uint64_t>(sample.value)};
}

template <typename Range>
std::vector<Bits> bits(const Range& samples) {
  std::vector<Bits> result;
  for (const Sample& sample : samples) result.push_back(bits(sample));
  return result;
}

using Random = std::mt19937_64;

inline std::uint64_t below(Random& random, std::uint64_t bound) { return random() % bound; }

// The next value of a series of some shape.
class Shape {
 public:
  static constexpr int kKinds = 9;
  explicit Shape(int kind) : kind_(kind) {}

  double next(Random& random) {
    const auto step = static_cast<double>(below(random, 100));
    switch (kind_) {
      case 0:  // constant
        return 1;
      case 1:  // counter with resets
        value_ = below(random, 50) == 0 ? 0 : value_ + step;
        return value_;
      case 2:  // bytes in pages
        value_ += (step - 50) * 8192;
        return value_;
      case 3:  // decimals
        return step / 1000;
      case 4:  // noise
        return std::bit_cast<double>(random());
      case 5:  // a slow gauge
        value_ += (step - 50) / 7;
        return value_;
      case 6:  // what is not a number, and what hardly is one
        return kOdd[below(random, std::size(kOdd))];
      case 7:  // mostly steady
        if (below(random, 20) == 0) value_ = step;
        return value_;
      default:  // whole numbers at the edge of exactness
        return (below(random, 2) == 0 ? 1 : -1) * (9007199254740992.0 - step + 50);
    }
  }

 private:
  inline static const double kOdd[] = {0.0,
                                       -0.0,
                                       stale_marker(),
                                       unknown_marker(),
                                       std::numeric_limits<double>::quiet_NaN(),
                                       -std::numeric_limits<double>::quiet_NaN(),
                                       std::numeric_limits<double>::infinity(),
                                       -std::numeric_limits<double>::infinity(),
                                       std::numeric_limits<double>::denorm_min(),
                                       std::numeric_limits<double>::max(),
                                       std::numeric_limits<double>::lowest(),
                                       1.0};
  int kind_;
  double value_ = 1000;
};

}  // namespace keelwatch::store
