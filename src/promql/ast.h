// The syntax tree of a PromQL expression, as written: names are resolved and types are checked (the
// parser does both), nothing is folded, parentheses are kept, so that the printer gives the
// expression back. Values; a tree belongs to whoever holds its root.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "store/queryable.h"

namespace keelwatch::promql {

struct Function;  // functions.h

// Bytes [begin, end) of the expression's text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

enum class ValueType { kScalar, kString, kVector, kMatrix };
// "scalar", "string", "instant vector", "range vector": the words of Prometheus' messages.
[[nodiscard]] std::string_view to_string(ValueType type);

enum class BinaryOp {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kUnless,
  kTrimUpper,
  kTrimLower,  // </ and >/ on native histograms
};
[[nodiscard]] std::string_view to_string(BinaryOp op);
[[nodiscard]] constexpr bool is_comparison(BinaryOp op) {
  return op >= BinaryOp::kEqual && op <= BinaryOp::kGreaterEqual;
}
[[nodiscard]] constexpr bool is_set_operator(BinaryOp op) {
  return op >= BinaryOp::kAnd && op <= BinaryOp::kUnless;
}
// 1 (or) to 6 (^).
[[nodiscard]] int precedence(BinaryOp op);

enum class AggregateOp {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
};
[[nodiscard]] std::string_view to_string(AggregateOp op);
[[nodiscard]] std::optional<AggregateOp> aggregate_by_name(std::string_view lower_case);
[[nodiscard]] bool takes_parameter(AggregateOp op);

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct NumberLiteral {
  double value = 0;
  bool duration = false;  // written as a duration: 1h30m
};

struct StringLiteral {
  std::string value;
};

struct LabelMatcher {
  store::Matcher::Op op = store::Matcher::Op::kEqual;
  std::string name;
  std::string value;
  Span span;
  // For kRegex and kNotRegex, compiled when the parser checks the selector.
  std::function<bool(std::string_view)> regex = nullptr;
};

enum class Anchor { kNone, kTime, kStart, kEnd };  // the @ modifier
enum class Extension { kNone, kAnchored, kSmoothed };

struct Modifiers {
  ExprPtr offset;  // a duration expression, null if there is none
  Anchor anchor = Anchor::kNone;
  std::int64_t anchor_ms = 0;  // for kTime
};

struct VectorSelector {
  std::string metric_name;  // written in front of the braces; also a matcher
  std::vector<LabelMatcher> matchers;
  Modifiers modifiers;
  Extension extension = Extension::kNone;
  bool conditions_only = false;  // info()'s second argument: need not select anything by itself
};

// Its modifiers are the selector's.
struct MatrixSelector {
  ExprPtr selector;
  ExprPtr range;
};

struct Subquery {
  ExprPtr expr;
  ExprPtr range;
  ExprPtr step;  // null: the default
  Modifiers modifiers;
};

struct Unary {
  bool negative = false;
  ExprPtr operand;
};

enum class Cardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

struct Matching {
  bool on = false;
  std::vector<std::string> labels;
  Cardinality cardinality = Cardinality::kOneToOne;
  std::vector<std::string> include;
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct Binary {
  BinaryOp op = BinaryOp::kAdd;
  ExprPtr lhs;
  ExprPtr rhs;
  bool return_bool = false;
  bool has_matching = false;  // on or ignoring was written
  Matching matching;
};

struct Aggregate {
  AggregateOp op = AggregateOp::kSum;
  ExprPtr parameter;
  ExprPtr expr;
  bool without = false;
  bool has_grouping = false;
  std::vector<std::string> grouping;
};

struct Call {
  const Function* function = nullptr;
  std::vector<ExprPtr> args;
};

struct Paren {
  ExprPtr expr;
};

struct Expr {
  using Node = std::variant<NumberLiteral, StringLiteral, VectorSelector, MatrixSelector, Subquery,
                            Unary, Binary, Aggregate, Call, Paren>;
  Span span;
  ValueType type = ValueType::kScalar;
  int height = 1;  // of the tree below, this node included: what recursion over it costs
  Node node;

  template <typename T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&node);
  }
  template <typename T>
  [[nodiscard]] T* as() {
    return std::get_if<T>(&node);
  }
};

// The expression inside any number of parentheses.
[[nodiscard]] const Expr& without_parens(const Expr& expr);

// Calls `visit` for each direct child, duration expressions included.
void for_each_child(const Expr& expr, const std::function<void(const Expr&)>& visit);
void for_each_child(Expr& expr, const std::function<void(Expr&)>& visit);

}  // namespace keelwatch::promql
