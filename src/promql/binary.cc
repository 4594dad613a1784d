// Unary minus and the operators that need no matching: scalar with scalar, vector with scalar. Two
// vectors are in matching.cc and set_operators.cc.
#include <algorithm>

#include "promql/arithmetic.h"
#include "promql/matching.h"
#include "promql/plan.h"

namespace keelwatch::promql {
namespace {

// What an operator makes of a metric is no longer that metric.
class NameDropper {
 public:
  Result<Value> drop(Block block, Evaluation& evaluation) {
    const bool delayed = evaluation.options.delayed_name_removal;
    const SetMap& map = names_.get(block.set, [&] { return drop_names(*block.set, delayed); });
    Result<Block> named = regroup(map, std::move(block), evaluation.grid.count);
    if (!named) return named.error();
    return Value(*std::move(named));
  }

 private:
  SetCache<SetMap> names_;
};

class NegationNode final : public Node {
 public:
  NegationNode(Span span, NodePtr operand) : Node(span), operand_(std::move(operand)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<Value> value = operand_->evaluate(evaluation);
    if (!value) return value;
    if (auto* column = std::get_if<Column>(&*value)) {
      for (double& v : column->values) v = -v;
      return value;
    }
    Block block = std::get<Block>(*std::move(value));
    for (double& v : block.values) {
      if (!is_absent(v)) v = -v;
    }
    return names_.drop(std::move(block), evaluation);
  }

 private:
  NodePtr operand_;
  NameDropper names_;
};

class ScalarNode final : public Node {
 public:
  ScalarNode(Span span, BinaryOp op, NodePtr lhs, NodePtr rhs)
      : Node(span), op_(op), lhs_(std::move(lhs)), rhs_(std::move(rhs)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<Column> lhs = lhs_->column(evaluation);
    if (!lhs) return lhs.error();
    Result<Column> rhs = rhs_->column(evaluation);
    if (!rhs) return rhs.error();
    const bool comparison = is_comparison(op_);
    for (std::size_t s = 0; s < lhs->values.size(); ++s) {
      const double a = lhs->values[s];
      const double b = rhs->values[s];
      lhs->values[s] = comparison ? (compare(op_, a, b) ? 1 : 0) : apply(op_, a, b);
    }
    return Value(*std::move(lhs));
  }

 private:
  BinaryOp op_;
  NodePtr lhs_;
  NodePtr rhs_;
};

class VectorScalarNode final : public Node {
 public:
  VectorScalarNode(Span span, const Binary& binary, bool scalar_left, NodePtr lhs, NodePtr rhs)
      : Node(span),
        op_(binary.op),
        return_bool_(binary.return_bool),
        scalar_left_(scalar_left),
        lhs_(std::move(lhs)),
        rhs_(std::move(rhs)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<Block> block = (scalar_left_ ? rhs_ : lhs_)->block(evaluation);
    if (!block) return block.error();
    Result<Column> column = (scalar_left_ ? lhs_ : rhs_)->column(evaluation);
    if (!column) return column.error();
    const bool comparison = is_comparison(op_);
    if (comparison) {
      with_comparison(op_, [&](auto holds) { filter(*block, column->values, holds); });
    } else {
      with_arithmetic(op_, [&](auto f) { compute(*block, column->values, f); });
    }
    if (comparison && !return_bool_) return Value(*std::move(block));
    return names_.drop(*std::move(block), evaluation);
  }

 private:
  template <typename F>
  void compute(Block& block, const std::vector<double>& scalars, F f) const {
    each(block, scalars, [&](double& cell, double scalar) {
      cell = scalar_left_ ? f(scalar, cell) : f(cell, scalar);
    });
  }

  template <typename F>
  void filter(Block& block, const std::vector<double>& scalars, F holds) const {
    each(block, scalars, [&](double& cell, double scalar) {
      const bool kept = scalar_left_ ? holds(scalar, cell) : holds(cell, scalar);
      if (return_bool_) {
        cell = kept ? 1 : 0;
      } else if (!kept) {
        cell = absent_cell();
      }
    });
  }

  template <typename F>
  static void each(Block& block, const std::vector<double>& scalars, F f) {
    double* cell = block.values.data();
    const double* const end = cell + block.values.size();
    while (cell != end) {
      for (const double scalar : scalars) {
        if (!is_absent(*cell)) f(*cell, scalar);
        ++cell;
      }
    }
  }

  BinaryOp op_;
  bool return_bool_;
  bool scalar_left_;
  NodePtr lhs_;
  NodePtr rhs_;
  NameDropper names_;
};

}  // namespace

double apply(BinaryOp op, double lhs, double rhs) {
  return with_arithmetic(op, [&](auto f) { return f(lhs, rhs); });
}

bool compare(BinaryOp op, double lhs, double rhs) {
  return with_comparison(op, [&](auto holds) { return holds(lhs, rhs); });
}

NodePtr make_negation(Span span, NodePtr operand) {
  return std::make_unique<NegationNode>(span, std::move(operand));
}

NodePtr make_binary(Span span, const Binary& binary, ValueType lhs_type, ValueType rhs_type,
                    NodePtr lhs, NodePtr rhs) {
  const bool scalar_left = lhs_type == ValueType::kScalar;
  const bool scalar_right = rhs_type == ValueType::kScalar;
  if (scalar_left && scalar_right) {
    return std::make_unique<ScalarNode>(span, binary.op, std::move(lhs), std::move(rhs));
  }
  if (scalar_left || scalar_right) {
    return std::make_unique<VectorScalarNode>(span, binary, scalar_left, std::move(lhs),
                                              std::move(rhs));
  }
  if (is_set_operator(binary.op)) {
    return make_set_operator(span, binary, std::move(lhs), std::move(rhs));
  }
  return make_matching(span, binary, std::move(lhs), std::move(rhs));
}

}  // namespace keelwatch::promql
