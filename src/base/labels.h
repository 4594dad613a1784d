// A label set: name-value pairs sorted by name, names unique, no empty value (an empty value means
// "no such label", as in Prometheus). Stored as one packed string, so that a set costs one
// allocation, compares by bytes and hashes fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelwatch {

struct LabelView {
  std::string_view name;
  std::string_view value;
  bool operator==(const LabelView&) const = default;
};

// The label that holds a metric's name.
inline constexpr std::string_view kMetricName = "__name__";

class Labels {
 public:
  Labels() = default;
  // Any order; of a repeated name the last one wins; pairs with an empty value are dropped.
  Labels(std::initializer_list<LabelView> pairs);
  explicit Labels(std::vector<LabelView> pairs);

  // The value, or "" if there is no such label.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return !get(name).empty(); }
  [[nodiscard]] bool empty() const { return packed_.empty(); }
  [[nodiscard]] std::size_t size() const;  // walks the set

  // A copy with `name` set to `value` (removed when value is empty).
  [[nodiscard]] Labels with(std::string_view name, std::string_view value) const;
  [[nodiscard]] Labels without(std::string_view name) const { return with(name, {}); }

  // Over the packed bytes: stable within a build, not to be stored.
  [[nodiscard]] std::uint64_t hash() const;

  // {a="b",c="d"} with Prometheus' escapes (backslash, quote, newline); {} when empty.
  [[nodiscard]] std::string text() const;

  // Heap bytes held beyond sizeof(Labels).
  [[nodiscard]] std::size_t heap_bytes() const;

  bool operator==(const Labels&) const = default;
  // Lexicographic by (name, value) pairs: the order in which Prometheus prints series.
  [[nodiscard]] bool operator<(const Labels& other) const;

  // Forward iteration over LabelView, in name order.
  class iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = LabelView;
    using difference_type = std::ptrdiff_t;
    using pointer = const LabelView*;
    using reference = LabelView;

    iterator() = default;
    explicit iterator(const char* at) : at_(at) {}
    LabelView operator*() const;
    iterator& operator++();
    iterator operator++(int) {
      iterator old = *this;
      ++*this;
      return old;
    }
    bool operator==(const iterator&) const = default;

   private:
    const char* at_ = nullptr;
  };
  [[nodiscard]] iterator begin() const { return iterator(packed_.data()); }
  [[nodiscard]] iterator end() const { return iterator(packed_.data() + packed_.size()); }

 private:
  // Per label: u32 name size, u32 value size, name bytes, value bytes (sizes in host order).
  std::string packed_;
};

struct LabelsHash {
  std::size_t operator()(const Labels& labels) const { return labels.hash(); }
};

}  // namespace keelwatch
