// From observed facts to samples. The writer takes only Observed values and declared families: an
// unknown becomes "no sample", never a zero, and a name that `describe` does not list cannot
// appear.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/observed.h"
#include "metrics/family.h"

namespace keelwatch::metrics {

// One series: its exposition prefix, rendered once and kept as long as somebody holds it. The
// prefix is the identity too: a second copy of the labels would double the memory of a series.
struct Series {
  const Family* family;
  // `keelwatch_x{cluster="pg"} `: labels in the order of family->labels(), values escaped, empty
  // ones left out, invalid UTF-8 replaced by U+FFFD.
  std::string prefix;

  // Without __name__; read back from the prefix, so not for hot paths.
  [[nodiscard]] Labels labels() const;
};

struct Point {
  std::shared_ptr<const Series> series;
  double value;
  WallTime observed_at;  // of the fact behind it
};

// A sample that was asked for and has no value, and why: for `explain`.
struct Absent {
  const Family* family;
  Labels labels;  // without the last one of a state set
  Why why;
};

// The samples of one step: families in the order of their declaration, series in the order in which
// the collector wrote them, each series at most once.
struct Samples {
  std::vector<Point> points;
  std::vector<Absent> absent;    // in the order in which they were written
  std::size_t prefix_bytes = 0;  // what their prefixes take on a page; a hint for its reader
};

// Interns series over the steps, so that a steady world renders no prefix twice. Series that no
// step wrote for a while are forgotten. Interning a known series allocates nothing. Part of the
// step's State; one thread.
class SeriesTable {
 public:
  static constexpr std::uint32_t kKeepSteps = 12;

  SeriesTable();
  ~SeriesTable();
  SeriesTable(SeriesTable&&) noexcept;
  SeriesTable& operator=(SeriesTable&&) noexcept;

  // Values in the order of family.labels(); values that differ only in invalid UTF-8 or that leave
  // out a label by "" are the same series. std::logic_error on a wrong number of values.
  [[nodiscard]] std::shared_ptr<const Series> intern(const Family& family,
                                                     std::span<const std::string_view> values);
  // Ends a step: forgets series that were not interned in the last `kKeepSteps` steps.
  void end_step();
  [[nodiscard]] std::size_t size() const;

 private:
  friend class Writer;
  // Marks tell one Writer's series from another's: intern_once gives nullptr for the second time.
  [[nodiscard]] std::uint32_t new_mark();
  [[nodiscard]] std::shared_ptr<const Series> intern_once(const Family& family,
                                                          std::span<const std::string_view> values,
                                                          std::uint32_t mark);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Writer {
 public:
  using LabelValues = std::initializer_list<std::string_view>;

  // `declared`: the families that may be written (all collectors' descriptions). Two of one name,
  // or a histogram, are std::logic_error.
  Writer(SeriesTable& table, std::span<const Family* const> declared);

  // One sample: T is arithmetic, bool (0/1), WallTime (Unix seconds), Duration (seconds), or an
  // optional of these; nothing is written for an absent Observed, an empty optional or NaN. Writing
  // an undeclared family, the wrong number of label values or a series twice is a programming
  // error: std::logic_error naming the family.
  template <typename T>
  void write(const Family& family, LabelValues labels, const Observed<T>& observed) {
    const T* value = observed.if_known();
    if (value == nullptr) return put_absent(family, labels, observed.why());
    write_known(family, labels, *value, observed.observed_at());
  }

  // Anything else does not compile: a bare number cannot say that it is unknown.
  template <typename T>
  void write(const Family&, LabelValues, const T&) {
    static_assert(sizeof(T) == 0, "the writer takes only Observed values");
  }

  // A state set: one series per state with 1 for the current one and 0 for the others; the last
  // label of the family is the state's name. A current state outside `states` gets a series of its
  // own with 1, so that an unknown phase is visible and no known one looks current.
  void write_states(const Family& family, LabelValues labels,
                    std::span<const std::string_view> states, const Observed<std::string>& current);

  // The samples so far, ordered as Samples promises.
  [[nodiscard]] Samples finish() &&;

 private:
  template <typename T>
  void write_known(const Family& family, LabelValues labels, const T& value, WallTime at) {
    if constexpr (requires {
                    value.has_value();
                    *value;
                  }) {
      if (value.has_value()) return write_known(family, labels, *value, at);
      put_absent(family, labels, not_in_the_answer());
    } else if constexpr (std::is_same_v<T, WallTime>) {
      put(family, {labels.begin(), labels.size()}, to_unix_seconds(value), at);
    } else if constexpr (std::is_same_v<T, Duration>) {
      put(family, {labels.begin(), labels.size()}, to_seconds(value), at);
    } else {
      static_assert(std::is_arithmetic_v<T>, "write numbers, times, durations or bools");
      put(family, {labels.begin(), labels.size()}, static_cast<double>(value), at);
    }
  }
  void put(const Family& family, std::span<const std::string_view> values, double value,
           WallTime at);
  void put_absent(const Family& family, LabelValues labels, Why why);
  [[nodiscard]] static Why not_in_the_answer();

  SeriesTable& table_;
  std::uint32_t mark_;
  std::unordered_map<const Family*, std::size_t> order_;  // declared family → its bucket
  std::vector<std::vector<Point>> buckets_;
  std::vector<Absent> absent_;
  std::size_t prefix_bytes_ = 0;
};

}  // namespace keelwatch::metrics
