// What a PromQL engine needs of a store of samples: batch-wise, no virtual call per sample.
//
// Threads: any number of readers beside one appender; a reader never blocks the appender for longer
// than the copy of a short tail.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/result.h"
#include "base/sample.h"

namespace keelwatch::store {

// One condition on a label. Regular expressions are anchored at both ends and `.` matches a
// newline, as in Prometheus; an absent label has the value "".
struct Matcher {
  enum class Op { kEqual, kNotEqual, kRegex, kNotRegex };
  Op op = Op::kEqual;
  std::string name;
  std::string value;
  // Set by whoever compiles the expression for kRegex and kNotRegex (RE2); true if the value
  // matches the regular expression.
  std::function<bool(std::string_view)> regex;
};

// A series that a selector has found. Reading it after the store has forgotten it is safe and finds
// no samples; the labels stay.
using SeriesId = std::uint64_t;
struct SeriesRef {
  SeriesId id = 0;
  std::shared_ptr<const Labels> labels;  // with __name__
};

class Queryable {
 public:
  virtual ~Queryable() = default;

  // Changes whenever the set of series changes: selections stay valid while it is the same.
  [[nodiscard]] virtual std::uint64_t generation() const = 0;

  // All series that meet every matcher, sorted by labels.
  [[nodiscard]] virtual std::vector<SeriesRef> select(std::span<const Matcher> matchers) const = 0;

  // Appends the samples of each series with from < timestamp <= to, in order of time, to one flat
  // buffer; offsets[i]..offsets[i+1] are those of refs[i] (offsets gets refs.size() + 1 entries).
  // Staleness and unknown markers are samples here; the engine judges them.
  virtual void read(std::span<const SeriesRef> refs, std::int64_t from_ms, std::int64_t to_ms,
                    std::vector<Sample>& samples, std::vector<std::size_t>& offsets) const = 0;

  // The newest sample of each series with from < timestamp <= to: instant selection. samples gets
  // refs.size() entries; found[i] is 0 where there is none.
  virtual void read_last(std::span<const SeriesRef> refs, std::int64_t from_ms, std::int64_t to_ms,
                         std::vector<Sample>& samples, std::vector<std::uint8_t>& found) const = 0;
};

}  // namespace keelwatch::store
