#include "sources/object_store/number_ranges.h"

#include <algorithm>
#include <iterator>

namespace keelwatch::sources {

void NumberRanges::insert(std::int64_t first, std::int64_t last) {
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin() && std::prev(it)->second + 1 >= first) --it;
  while (it != ranges_.end() && it->first <= last + 1) {
    first = std::min(first, it->first);
    last = std::max(last, it->second);
    it = ranges_.erase(it);
  }
  ranges_[first] = last;
}

void NumberRanges::erase(std::int64_t number) {
  if (!contains(number)) return;
  const auto it = std::prev(ranges_.upper_bound(number));
  const auto [first, last] = *it;
  ranges_.erase(it);
  if (first < number) ranges_[first] = number - 1;
  if (number < last) ranges_[number + 1] = last;
}

bool NumberRanges::contains(std::int64_t number) const { return first_missing(number) != number; }

std::int64_t NumberRanges::first_missing(std::int64_t first) const {
  const auto after = ranges_.upper_bound(first);
  if (after == ranges_.begin() || std::prev(after)->second < first) return first;
  return std::prev(after)->second + 1;
}

std::int64_t NumberRanges::missing(std::int64_t first, std::int64_t last) const {
  std::int64_t count = last - first + 1;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) --it;
  for (; it != ranges_.end() && it->first <= last; ++it) {
    count -= std::max<std::int64_t>(0, std::min(last, it->second) - std::max(first, it->first) + 1);
  }
  return count;
}

NumberRanges NumberRanges::common(const NumberRanges& other) const {
  NumberRanges result;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    const std::int64_t first = std::max(a->first, b->first);
    const std::int64_t last = std::min(a->second, b->second);
    if (first <= last) result.ranges_[first] = last;
    if (a->second < b->second) {
      ++a;
    } else {
      ++b;
    }
  }
  return result;
}

}  // namespace keelwatch::sources
