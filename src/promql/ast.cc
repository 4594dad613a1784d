#include "promql/ast.h"

#include <array>
#include <utility>

namespace keelwatch::promql {
namespace {

constexpr std::array<std::string_view, 18> kOperators = {"+",      "-",     "*",  "/",   "%",
                                                         "^",      "atan2", "==", "!=",  "<",
                                                         "<=",     ">",     ">=", "and", "or",
                                                         "unless", "</",    ">/"};

constexpr std::array<std::string_view, 14> kAggregates = {
    "sum",    "avg",  "count",   "min",          "max",      "group",  "stddev",
    "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};

}  // namespace

std::string_view to_string(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kString:
      return "string";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
  }
  return "";
}

std::string_view to_string(BinaryOp op) { return kOperators[static_cast<std::size_t>(op)]; }

int precedence(BinaryOp op) {
  switch (op) {
    case BinaryOp::kOr:
      return 1;
    case BinaryOp::kAnd:
    case BinaryOp::kUnless:
      return 2;
    case BinaryOp::kAdd:
    case BinaryOp::kSub:
      return 4;
    case BinaryOp::kMul:
    case BinaryOp::kDiv:
    case BinaryOp::kMod:
    case BinaryOp::kAtan2:
      return 5;
    case BinaryOp::kPow:
      return 6;
    default:
      return 3;
  }
}

std::string_view to_string(AggregateOp op) { return kAggregates[static_cast<std::size_t>(op)]; }

std::optional<AggregateOp> aggregate_by_name(std::string_view lower_case) {
  for (std::size_t i = 0; i < kAggregates.size(); ++i) {
    if (kAggregates[i] == lower_case) return static_cast<AggregateOp>(i);
  }
  return std::nullopt;
}

bool takes_parameter(AggregateOp op) { return op >= AggregateOp::kTopk; }

const Expr& without_parens(const Expr& expr) {
  const Expr* at = &expr;
  while (const Paren* paren = at->as<Paren>()) at = paren->expr.get();
  return *at;
}

namespace {

class ChildVisitor {
 public:
  explicit ChildVisitor(const std::function<void(Expr&)>& visit) : visit_(visit) {}

  void operator()(NumberLiteral&) const {}
  void operator()(StringLiteral&) const {}
  void operator()(VectorSelector& selector) const { child(selector.modifiers.offset); }
  void operator()(MatrixSelector& matrix) const {
    child(matrix.selector);
    child(matrix.range);
  }
  void operator()(Subquery& subquery) const {
    child(subquery.expr);
    child(subquery.range);
    child(subquery.step);
    child(subquery.modifiers.offset);
  }
  void operator()(Unary& unary) const { child(unary.operand); }
  void operator()(Binary& binary) const {
    child(binary.lhs);
    child(binary.rhs);
  }
  void operator()(Aggregate& aggregate) const {
    child(aggregate.parameter);
    child(aggregate.expr);
  }
  void operator()(Call& call) const {
    for (ExprPtr& arg : call.args) child(arg);
  }
  void operator()(Paren& paren) const { child(paren.expr); }

 private:
  void child(ExprPtr& expr) const {
    if (expr) visit_(*expr);
  }

  const std::function<void(Expr&)>& visit_;
};

}  // namespace

void for_each_child(Expr& expr, const std::function<void(Expr&)>& visit) {
  std::visit(ChildVisitor(visit), expr.node);
}

void for_each_child(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  // The visitor only hands children on; `visit` cannot change them.
  for_each_child(const_cast<Expr&>(expr), [&](Expr& child) { visit(child); });
}

}  // namespace keelwatch::promql
