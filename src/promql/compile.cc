#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "promql/matcher.h"
#include "promql/parser.h"
#include "promql/plan.h"

namespace keelwatch::promql {
namespace {

class NumberNode final : public Node {
 public:
  NumberNode(Span span, double value) : Node(span), value_(value) {}
  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<void> charged = evaluation.charge(evaluation.grid.count);
    if (!charged) return charged.error();
    return Value(Column{std::vector<double>(evaluation.grid.count, value_)});
  }
  [[nodiscard]] double value() const { return value_; }

 private:
  double value_;
};

class StringNode final : public Node {
 public:
  StringNode(Span span, std::string value) : Node(span), value_(std::move(value)) {}
  Result<Value> evaluate(Evaluation&) override { return Value(value_); }

 private:
  std::string value_;
};

class Compiler {
 public:
  explicit Compiler(Plan& plan) : plan_(plan) {}

  NodePtr node(const Expr& expr) {
    return std::visit([&](const auto& n) { return make(expr, n); }, expr.node);
  }

  RangeNodePtr range(const Expr& expr) {
    const Expr& inner = without_parens(expr);
    if (const auto* matrix = inner.as<MatrixSelector>()) {
      const auto& selector = *matrix->selector->as<VectorSelector>();
      refuse_extension(inner, selector);
      check_duration(matrix->range.get(), true);
      check_duration(selector.modifiers.offset.get(), false);
      auto made = std::make_unique<MatrixNode>(expr.span, *matrix, matchers(selector));
      plan_.matrices.push_back({made.get(), around_});
      return made;
    }
    const auto* subquery = inner.as<Subquery>();
    if (subquery == nullptr) return nullptr;
    check_duration(subquery->range.get(), true);
    check_duration(subquery->step.get(), true);
    check_duration(subquery->modifiers.offset.get(), false);
    around_.push_back(&subquery->modifiers);
    NodePtr evaluated = node(*subquery->expr);
    around_.pop_back();
    return std::make_unique<SubqueryNode>(expr.span, *subquery, std::move(evaluated));
  }

  std::optional<SyntaxError> error;
  ErrorCode code = ErrorCode::kInvalid;

 private:
  void refuse(Span span, std::string what, std::string remedy = {}) {
    if (error) return;
    error = SyntaxError{span, "unsupported: " + what, std::move(remedy)};
    code = ErrorCode::kUnsupported;
  }

  // Prometheus' feature type-and-unit-labels: these two would have to vanish wherever the name
  // does.
  void refuse_metadata(Span span, std::string_view label) {
    if (label == "__type__" || label == "__unit__") refuse(span, "type and unit labels");
  }

  void refuse_extension(const Expr& expr, const VectorSelector& selector) {
    if (selector.extension == Extension::kAnchored) refuse(expr.span, "the anchored modifier");
    if (selector.extension == Extension::kSmoothed) refuse(expr.span, "the smoothed modifier");
  }

  // What does not depend on the query's step and range is judged now. A probe with both values of a
  // sign shows whether it does.
  void check_duration(const Expr* expr, bool positive) {
    if (expr == nullptr || error) return;
    const Result<std::int64_t> one = evaluate_duration(*expr, 1'000, 3'000);
    const Result<std::int64_t> two = evaluate_duration(*expr, 777'000, 999'999'000);
    if (!one && !two) {
      error = SyntaxError{expr->span, one.error().message(), {}};
    } else if (positive && one && two && *one == *two && *one <= 0) {
      error = SyntaxError{expr->span, "duration must be greater than 0", {}};
    }
  }

  std::vector<store::Matcher> matchers(const VectorSelector& selector) {
    std::vector<store::Matcher> out;
    for (const LabelMatcher& matcher : selector.matchers) {
      refuse_metadata(matcher.span, matcher.name);
      Result<store::Matcher> compiled = compile_matcher(matcher);
      if (compiled) {
        out.push_back(*std::move(compiled));
      } else if (!error) {
        error = SyntaxError{matcher.span, compiled.error().message(), {}};
      }
    }
    return out;
  }

  NodePtr make(const Expr& expr, const NumberLiteral& number) {
    return std::make_unique<NumberNode>(expr.span, number.value);
  }

  NodePtr make(const Expr& expr, const StringLiteral& string) {
    return std::make_unique<StringNode>(expr.span, string.value);
  }

  NodePtr make(const Expr& expr, const VectorSelector& selector) {
    refuse_extension(expr, selector);
    check_duration(selector.modifiers.offset.get(), false);
    auto made = std::make_unique<SelectorNode>(expr.span, selector, matchers(selector));
    plan_.selectors.push_back({made.get(), around_});
    return made;
  }

  // Range vectors occur as arguments of functions and as whole queries; neither comes here.
  NodePtr make(const Expr& expr, const MatrixSelector&) {
    refuse(expr.span, "a range vector here");
    return nullptr;
  }
  NodePtr make(const Expr& expr, const Subquery&) {
    refuse(expr.span, "a range vector here");
    return nullptr;
  }

  NodePtr make(const Expr&, const Paren& paren) { return node(*paren.expr); }

  NodePtr make(const Expr& expr, const Unary& unary) {
    NodePtr operand = node(*unary.operand);
    if (!unary.negative || error) return operand;
    if (const auto* number = dynamic_cast<const NumberNode*>(operand.get())) {
      return std::make_unique<NumberNode>(expr.span, -number->value());
    }
    return make_negation(expr.span, std::move(operand));
  }

  NodePtr make(const Expr& expr, const Binary& binary) {
    for (const std::string& label : binary.matching.labels) refuse_metadata(expr.span, label);
    for (const std::string& label : binary.matching.include) refuse_metadata(expr.span, label);
    if (binary.op == BinaryOp::kTrimUpper || binary.op == BinaryOp::kTrimLower) {
      refuse(expr.span,
             fmt::format("operator {} works on native histograms", to_string(binary.op)));
    }
    if (binary.matching.fill_left || binary.matching.fill_right) {
      refuse(expr.span, "fill modifiers", "write the default with \"or\"");
    }
    NodePtr lhs = node(*binary.lhs);
    NodePtr rhs = node(*binary.rhs);
    if (error) return nullptr;
    const auto* a = dynamic_cast<const NumberNode*>(lhs.get());
    const auto* b = dynamic_cast<const NumberNode*>(rhs.get());
    if (a != nullptr && b != nullptr) {
      const double value = is_comparison(binary.op)
                               ? (compare(binary.op, a->value(), b->value()) ? 1 : 0)
                               : apply(binary.op, a->value(), b->value());
      return std::make_unique<NumberNode>(expr.span, value);
    }
    return make_binary(expr.span, binary, binary.lhs->type, binary.rhs->type, std::move(lhs),
                       std::move(rhs));
  }

  NodePtr make(const Expr& expr, const Aggregate& aggregate) {
    for (const std::string& label : aggregate.grouping) refuse_metadata(expr.span, label);
    if (aggregate.op == AggregateOp::kLimitRatio) {
      refuse(expr.span, "limit_ratio depends on Prometheus' own hash of labels", "use limitk");
    }
    NodePtr parameter = aggregate.parameter ? node(*aggregate.parameter) : nullptr;
    NodePtr inner = node(*aggregate.expr);
    if (error) return nullptr;
    return make_aggregate(expr.span, aggregate, std::move(parameter), std::move(inner));
  }

  NodePtr make(const Expr& expr, const Call& call) {
    std::vector<NodePtr> args;
    RangeNodePtr ranges;
    if (call.function->name == "start_timestamp") refuse(expr.span, "start timestamps");
    if (call.function->name == "info") return make_info(expr, call);
    for (const ExprPtr& arg : call.args) {
      if (arg->type == ValueType::kMatrix) {
        ranges = range(*arg);
      } else {
        args.push_back(node(*arg));
      }
    }
    if (error) return nullptr;
    return std::make_unique<CallNode>(expr.span, call, std::move(args), std::move(ranges));
  }

  // The second argument is a selector whose name is target_info unless it says otherwise.
  NodePtr make_info(const Expr& expr, const Call& call) {
    static const VectorSelector kNone;
    std::vector<NodePtr> args;
    args.push_back(node(*call.args[0]));
    const auto* selector = call.args.size() > 1 ? call.args[1]->as<VectorSelector>() : &kNone;
    if (selector == nullptr) {
      if (!error) error = SyntaxError{call.args[1]->span, "expected label selectors only", {}};
      return nullptr;
    }
    std::vector<store::Matcher> compiled = matchers(*selector);
    const std::vector<store::Matcher> names = info_name_matchers(*selector);
    std::erase_if(compiled, [](const auto& matcher) { return matcher.name == kMetricName; });
    compiled.insert(compiled.end(), names.begin(), names.end());
    auto made = std::make_unique<SelectorNode>(expr.span, *selector, std::move(compiled));
    plan_.selectors.push_back({made.get(), around_});
    args.push_back(std::move(made));
    if (error) return nullptr;
    return std::make_unique<CallNode>(expr.span, call, std::move(args), nullptr);
  }

  Plan& plan_;
  Surroundings around_;
};

}  // namespace

Result<Block> Node::block(Evaluation& evaluation) {
  Result<Value> value = evaluate(evaluation);
  if (!value) return value.error();
  return std::get<Block>(*std::move(value));
}

Result<Column> Node::column(Evaluation& evaluation) {
  Result<Value> value = evaluate(evaluation);
  if (!value) return value.error();
  return std::get<Column>(*std::move(value));
}

Result<std::string> Node::text(Evaluation& evaluation) {
  Result<Value> value = evaluate(evaluation);
  if (!value) return value.error();
  return std::get<std::string>(*std::move(value));
}

Result<Plan> compile(std::string_view text) {
  Result<ExprPtr> parsed = parse(text);
  if (!parsed) return parsed.error();
  Plan plan;
  plan.expr = *std::move(parsed);
  Compiler compiler(plan);
  if (plan.expr->type == ValueType::kMatrix) {
    plan.range_root = compiler.range(*plan.expr);
  } else {
    plan.root = compiler.node(*plan.expr);
  }
  if (compiler.error) return Error(compiler.code, describe(*compiler.error, text));
  return plan;
}

}  // namespace keelwatch::promql
