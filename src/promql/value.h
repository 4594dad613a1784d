// What expressions evaluate to. Inside the engine a vector is a block: one fixed set of series
// times the steps of a grid, so that operators are loops over flat arrays and everything that
// depends on labels alone (grouping, matching, dropped names) is computed once per set and
// remembered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/labels.h"
#include "base/result.h"
#include "base/sample.h"
#include "promql/ast.h"

namespace keelwatch::promql {

using LabelsPtr = std::shared_ptr<const Labels>;

// The empty cell of a block. Arithmetic cannot make it: it is a signalling NaN, which every
// operation turns into a quiet one, and selectors never let a stored marker through.
[[nodiscard]] inline double absent_cell() { return stale_marker(); }
[[nodiscard]] inline bool is_absent(double value) { return is_stale(value); }

// The times at which an expression is evaluated, in milliseconds: start, start + step, ...
struct Grid {
  std::int64_t start = 0;
  std::int64_t step = 0;
  std::size_t count = 1;

  [[nodiscard]] std::int64_t at(std::size_t i) const {
    return start + static_cast<std::int64_t>(i) * step;
  }
  [[nodiscard]] std::int64_t end() const { return at(count - 1); }
};

// Immutable once shared; its address is its identity for caches.
struct SeriesSet {
  std::vector<LabelsPtr> labels;
  // With delayed name removal: 1 where __name__ is removed at the end. Else empty.
  std::vector<std::uint8_t> drop_name;

  [[nodiscard]] std::size_t size() const { return labels.size(); }
  [[nodiscard]] bool drops(std::size_t i) const { return !drop_name.empty() && drop_name[i] != 0; }
};
using SetPtr = std::shared_ptr<const SeriesSet>;

struct Block {
  SetPtr set;
  std::vector<double> values;  // values[series * grid.count + step]
};

// One value per step.
struct Column {
  std::vector<double> values;
};

using Value = std::variant<Column, std::string, Block>;

// The samples of some series of a range selector or a subquery, markers removed.
struct Ranges {
  SetPtr set;
  std::vector<Sample> samples;
  std::vector<std::size_t> offsets;  // one more than series

  [[nodiscard]] std::span<const Sample> of(std::size_t i) const {
    return {samples.data() + offsets[i], offsets[i + 1] - offsets[i]};
  }
};

// Which series of an output each series of an input becomes. Equal labels fall together.
struct SetMap {
  SetPtr out;
  std::vector<std::uint32_t> to;
  bool identity = true;  // to[i] == i
};

// Collects distinct label sets in order of appearance.
class SetBuilder {
 public:
  // The index of these labels; a series that drops its name anywhere drops it here.
  std::uint32_t add(LabelsPtr labels, bool drop_name = false);
  [[nodiscard]] SetPtr finish();

 private:
  void grow();

  std::shared_ptr<SeriesSet> set_ = std::make_shared<SeriesSet>();
  // Open addressing: at most half of the slots are taken. One allocation for all series instead of
  // one for each.
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t number = 0;  // index + 1; 0: free
  };
  std::vector<Slot> slots_;
};

[[nodiscard]] SetMap map_set(const SeriesSet& in,
                             const std::function<Labels(std::size_t, const Labels&)>& change);

// Moves each series to its place. Series that fall together are merged where at most one of them
// has a value; else kInvalid "vector cannot contain metrics with the same labelset".
[[nodiscard]] Result<Block> regroup(const SetMap& map, Block block, std::size_t steps);

// A value that depends on a set of series alone, kept while the set is the same object.
template <typename T>
class SetCache {
 public:
  template <typename Make>
  const T& get(const SetPtr& key, Make make) {
    if (key_ != key || !key) {
      value_ = make();
      key_ = key;
    }
    return value_;
  }

 private:
  SetPtr key_;  // holds the set, so that no other can get its address
  T value_;
};

// An evaluation's answer, as the HTTP API tells it.
struct VectorSample {
  LabelsPtr labels;
  std::int64_t timestamp_ms = 0;
  double value = 0;
};
struct MatrixSeries {
  LabelsPtr labels;
  std::vector<Sample> samples;
};

// Annotations end with their place: "PromQL info: metric might not be a counter, ... (1:6)".
struct Annotations {
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
};

struct Answer {
  ValueType type = ValueType::kVector;
  double scalar = 0;                 // kScalar
  std::string text;                  // kString
  std::vector<VectorSample> vector;  // kVector
  std::vector<MatrixSeries> matrix;  // kMatrix; range queries always answer with one
  Annotations annotations;
};

}  // namespace keelwatch::promql
