// A set of segment numbers of one timeline, as the ranges that they form: hundreds of thousands of
// neighbours cost as much as one.
#pragma once

#include <cstdint>
#include <map>

namespace keelwatch::sources {

class NumberRanges {
 public:
  void insert(std::int64_t first, std::int64_t last);
  void insert(std::int64_t number) { insert(number, number); }
  void erase(std::int64_t number);
  [[nodiscard]] bool contains(std::int64_t number) const;
  // The smallest number from `first` on that is not in the set.
  [[nodiscard]] std::int64_t first_missing(std::int64_t first) const;
  // How many of first..last are not in the set.
  [[nodiscard]] std::int64_t missing(std::int64_t first, std::int64_t last) const;
  // What is in both.
  [[nodiscard]] NumberRanges common(const NumberRanges& other) const;

  // first -> last, apart from each other.
  [[nodiscard]] const std::map<std::int64_t, std::int64_t>& ranges() const { return ranges_; }

 private:
  std::map<std::int64_t, std::int64_t> ranges_;
};

}  // namespace keelwatch::sources
