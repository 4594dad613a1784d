// The compiled form of an expression: a tree of nodes, each of which turns the blocks of its
// children into its own and remembers what depends on labels alone. Not for use from outside
// promql/. A plan is used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "promql/ast.h"
#include "promql/engine.h"
#include "promql/functions.h"
#include "promql/value.h"
#include "store/queryable.h"

namespace keelwatch::promql {

// One evaluation under way.
struct Evaluation {
  const store::Queryable& store;
  Grid grid;           // of the expression being evaluated; a subquery's own inside it
  std::int64_t until;  // the end of the grid's range, which need not be one of its steps
  // Of the whole query; a range query's end need not be one of its steps.
  struct QueryTimes {
    std::int64_t start;
    std::int64_t end;
    std::int64_t step;  // 0 of an instant query
    [[nodiscard]] std::int64_t range() const { return end - start; }
  } query;
  const Options& options;
  const Context& context;
  const SourceFile& source;
  std::set<std::string> warnings;
  std::set<std::string> infos;
  std::size_t samples = 0;
  std::size_t work = 0;  // since due() was true last

  // Counts samples and cells against the limit and looks whether to stop. Errors: kTooLarge,
  // kCancelled, kTimeout.
  [[nodiscard]] Result<void> charge(std::size_t count);
  // Counts what takes time but no memory: true every few hundred thousand, when it is time to
  // charge(0).
  [[nodiscard]] bool due(std::size_t count) {
    constexpr std::size_t kPause = 1 << 18;
    work += count;
    if (work < kPause) return false;
    work = 0;
    return true;
  }

  void warn(Span span, const std::string& text);
  void inform(Span span, const std::string& text);
};

// A series that a selector has found with an unknown marker as its newest sample.
using UnknownList = std::vector<UnknownSeries>;

class Node {
 public:
  explicit Node(Span span) : span_(span) {}
  virtual ~Node() = default;

  // Errors: kInvalid (the data do not fit the expression), kUnsupported and those of charge().
  [[nodiscard]] virtual Result<Value> evaluate(Evaluation& evaluation) = 0;
  [[nodiscard]] Span span() const { return span_; }

  // Only for what check_types() has made sure of.
  [[nodiscard]] Result<Block> block(Evaluation& evaluation);
  [[nodiscard]] Result<Column> column(Evaluation& evaluation);
  [[nodiscard]] Result<std::string> text(Evaluation& evaluation);

 private:
  Span span_;
};
using NodePtr = std::unique_ptr<Node>;

// A range selector or a subquery.
class RangeNode {
 public:
  explicit RangeNode(Span span) : span_(span) {}
  virtual ~RangeNode() = default;

  // Finds the series; comes before everything below.
  [[nodiscard]] virtual Result<SetPtr> prepare(Evaluation& evaluation) = 0;
  // All samples of the series [first, last) that the windows of the grid's steps need. A part at a
  // time, so that samples are still in the processor's cache when they are used.
  [[nodiscard]] virtual Result<void> read(Evaluation& evaluation, std::size_t first,
                                          std::size_t last, Ranges& out) = 0;
  // Both, of all series; kSeriesAtOnce of them at a time, so that the limit holds in between.
  [[nodiscard]] Result<void> read_all(Evaluation& evaluation, Ranges& out);
  static constexpr std::size_t kSeriesAtOnce = 64;
  // Of a step: (begin, end].
  struct Bounds {
    std::int64_t begin;
    std::int64_t end;
  };
  [[nodiscard]] virtual Bounds bounds(const Grid& grid, std::size_t step) const = 0;
  [[nodiscard]] Span span() const { return span_; }

 private:
  Span span_;
};
using RangeNodePtr = std::unique_ptr<RangeNode>;

// Where a selector or subquery looks: offset and @, resolved per evaluation.
class TimeShift {
 public:
  explicit TimeShift(const Modifiers& modifiers) : modifiers_(&modifiers) {}
  [[nodiscard]] Result<void> resolve(const Evaluation& evaluation);
  [[nodiscard]] std::int64_t apply(std::int64_t step_time) const {
    return (fixed_ ? fixed_at_ : step_time) - offset_;
  }
  [[nodiscard]] bool fixed() const { return fixed_; }
  // What holds around a selector: the subquery's @ unless there is one already, and both offsets.
  void surround(const TimeShift& outer) {
    if (fixed_) return;
    offset_ += outer.offset_;
    fixed_ = outer.fixed_;
    fixed_at_ = outer.fixed_at_;
  }
  // Whether both always give the same times.
  [[nodiscard]] bool same(const TimeShift& other) const {
    if (fixed_ && other.fixed_) return apply(0) == other.apply(0);
    return fixed_ == other.fixed_ && offset_ == other.offset_;
  }
  TimeShift() = default;  // none

 private:
  const Modifiers* modifiers_ = nullptr;
  std::int64_t offset_ = 0;
  std::int64_t fixed_at_ = 0;
  bool fixed_ = false;
};

// The modifiers of the subqueries around a selector, the outermost first.
using Surroundings = std::vector<const Modifiers*>;

// The series of a selector, searched again only when the store's set of series has changed.
class Selection {
 public:
  explicit Selection(std::vector<store::Matcher> matchers) : matchers_(std::move(matchers)) {}
  void refresh(const store::Queryable& store);
  [[nodiscard]] const std::vector<store::SeriesRef>& refs() const { return refs_; }
  [[nodiscard]] const SetPtr& set() const { return set_; }

 private:
  std::vector<store::Matcher> matchers_;
  const store::Queryable* store_ = nullptr;
  std::uint64_t generation_ = 0;
  std::vector<store::SeriesRef> refs_;
  SetPtr set_;
};

class SelectorNode final : public Node {
 public:
  SelectorNode(Span span, const VectorSelector& selector, std::vector<store::Matcher> matchers)
      : Node(span), shift_(selector.modifiers), selection_(std::move(matchers)) {}

  Result<Value> evaluate(Evaluation& evaluation) override;
  // Each cell holds the time of the selected sample in seconds.
  Result<Value> timestamps(Evaluation& evaluation);
  // The same at another time than the selector's own offset and @ say: that of info()'s argument.
  Result<Value> timestamps(Evaluation& evaluation, const TimeShift& shift);
  // Errors: kInvalid, as evaluate().
  [[nodiscard]] Result<void> find_unknown(Evaluation& evaluation, const Surroundings& around,
                                          UnknownList& out);

 private:
  // At shift_, which is resolved.
  Result<Value> select(Evaluation& evaluation, bool timestamps);
  void select_instant(Evaluation& evaluation, bool timestamps, std::vector<double>& cells);
  Result<void> select_range(Evaluation& evaluation, bool timestamps, std::vector<double>& cells);

  TimeShift shift_;
  Selection selection_;
  std::vector<Sample> samples_;
  std::vector<std::uint8_t> found_;
  std::vector<std::size_t> offsets_;
};

class MatrixNode final : public RangeNode {
 public:
  MatrixNode(Span span, const MatrixSelector& matrix, std::vector<store::Matcher> matchers);
  Result<SetPtr> prepare(Evaluation& evaluation) override;
  Result<void> read(Evaluation& evaluation, std::size_t first, std::size_t last,
                    Ranges& out) override;
  Bounds bounds(const Grid& grid, std::size_t step) const override;
  // Errors: kInvalid, as evaluate().
  [[nodiscard]] Result<void> find_unknown(Evaluation& evaluation, const Surroundings& around,
                                          UnknownList& out);

 private:
  [[nodiscard]] Result<void> resolve(const Evaluation& evaluation);

  const MatrixSelector& matrix_;
  TimeShift shift_;
  Selection selection_;
  std::int64_t range_ms_ = 0;
};

class SubqueryNode final : public RangeNode {
 public:
  SubqueryNode(Span span, const Subquery& subquery, NodePtr inner)
      : RangeNode(span),
        subquery_(subquery),
        shift_(subquery.modifiers),
        inner_(std::move(inner)) {}
  Result<SetPtr> prepare(Evaluation& evaluation) override;
  Result<void> read(Evaluation& evaluation, std::size_t first, std::size_t last,
                    Ranges& out) override;
  Bounds bounds(const Grid& grid, std::size_t step) const override;

 private:
  const Subquery& subquery_;
  TimeShift shift_;
  NodePtr inner_;
  std::int64_t range_ms_ = 0;
  Grid inner_grid_;
  Block inner_block_;  // between prepare() and read()
};

// What info() asks of the names of info metrics: that they are target_info unless the selector says
// more; if it only excludes some, that they end in _info (promql/info.go,
// effectiveInfoNameMatchers).
[[nodiscard]] std::vector<store::Matcher> info_name_matchers(const VectorSelector& selector);

// A function call; range arguments are apart from the others.
class CallNode final : public Node {
 public:
  CallNode(Span span, const Call& call, std::vector<NodePtr> args, RangeNodePtr range)
      : Node(span), call_(call), args_(std::move(args)), range_(std::move(range)) {}

  Result<Value> evaluate(Evaluation& evaluation) override;

  // For CustomFunctions.
  [[nodiscard]] const Call& call() const { return call_; }
  [[nodiscard]] std::size_t arg_count() const { return args_.size(); }
  [[nodiscard]] Node& arg(std::size_t i) { return *args_[i]; }
  [[nodiscard]] RangeNode& range() { return *range_; }
  // The block with its names dropped, now or at the end.
  [[nodiscard]] Result<Block> without_names(Block block, Evaluation& evaluation);
  // For functions that sort, which has no effect over a range.
  void warn_of_sorting(Evaluation& evaluation) const;
  // What a custom function remembers per set of series; it alone knows the type.
  std::shared_ptr<void> memory;
  SetPtr memory_key;

 private:
  [[nodiscard]] Result<Value> evaluate_math(MathFunction function, Evaluation& evaluation);
  [[nodiscard]] Result<Value> evaluate_time(TimeFunction function, Evaluation& evaluation);
  [[nodiscard]] Result<Value> evaluate_range(const RangeImplementation& function,
                                             Evaluation& evaluation);
  [[nodiscard]] Result<std::vector<double>> parameters(Evaluation& evaluation, std::size_t first);
  [[nodiscard]] Result<void> judge_parameters(const RangeImplementation& function,
                                              const std::vector<double>& params,
                                              const std::vector<std::uint8_t>& used,
                                              Evaluation& evaluation) const;
  [[nodiscard]] Result<void> window_series(const RangeImplementation& function,
                                           std::span<const Sample> samples, const double* params,
                                           double* cells, std::uint8_t* used,
                                           Evaluation& evaluation) const;
  void advise(const SetPtr& set, std::size_t series, Evaluation& evaluation);

  const Call& call_;
  std::vector<NodePtr> args_;
  RangeNodePtr range_;
  Ranges ranges_;  // buffers, reused
  SetCache<SetMap> names_;
  SetCache<std::vector<std::uint8_t>> doubtful_;  // 1: not named as a counter; empty if none
};

// An instant block's series in another order; absent ones are left out.
[[nodiscard]] Block permute(const Block& block, const std::vector<std::size_t>& order);

// Any UTF-8 text but the empty one is a label's name.
[[nodiscard]] bool is_label_name(std::string_view name);

// Drops names, or marks them to be dropped at the end, as the options say.
[[nodiscard]] SetMap drop_names(const SeriesSet& set, bool delayed);

// The nodes of other files.
[[nodiscard]] NodePtr make_binary(Span span, const Binary& binary, ValueType lhs_type,
                                  ValueType rhs_type, NodePtr lhs, NodePtr rhs);
[[nodiscard]] NodePtr make_negation(Span span, NodePtr operand);
[[nodiscard]] NodePtr make_aggregate(Span span, const Aggregate& aggregate, NodePtr parameter,
                                     NodePtr expr);

// The scalar operation, for folding too.
[[nodiscard]] double apply(BinaryOp op, double lhs, double rhs);
[[nodiscard]] bool compare(BinaryOp op, double lhs, double rhs);

// Duration expressions to milliseconds; step() and range() are the query's. Errors: kInvalid.
[[nodiscard]] Result<std::int64_t> evaluate_duration(const Expr& expr, std::int64_t step_ms,
                                                     std::int64_t range_ms);

struct Plan {
  ExprPtr expr;  // nodes refer into it
  NodePtr root;
  RangeNodePtr range_root;  // instead of root when the whole expression is a range vector
  // All selectors, for unknown_series().
  template <typename T>
  struct Placed {
    T* node;
    Surroundings around;
  };
  std::vector<Placed<SelectorNode>> selectors;
  std::vector<Placed<MatrixNode>> matrices;
};

// Errors: kInvalid, kUnsupported; messages as parse().
[[nodiscard]] Result<Plan> compile(std::string_view text);

}  // namespace keelwatch::promql
