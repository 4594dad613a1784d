#include "promql/type_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/diagnostics.h"
#include "promql/functions.h"
#include "promql/matcher.h"

namespace keelwatch::promql {
namespace {

using Problem = std::optional<SyntaxError>;

Problem expect(const Expr& expr, ValueType type, const std::string& where) {
  if (expr.type == type) return std::nullopt;
  std::string remedy;
  if (type == ValueType::kMatrix && expr.type == ValueType::kVector) {
    remedy = "a range vector is written metric[5m]";
  }
  return SyntaxError{
      expr.span,
      fmt::format("expected type {} in {}, got {}", to_string(type), where, to_string(expr.type)),
      remedy};
}

Problem check(Expr& expr, VectorSelector& selector) {
  expr.type = ValueType::kVector;
  bool selective = false;
  for (LabelMatcher& matcher : selector.matchers) {
    const Result<store::Matcher> compiled = compile_matcher(matcher);
    if (!compiled) return SyntaxError{matcher.span, compiled.error().message(), {}};
    matcher.regex = compiled->regex;
    selective = selective || !matches(*compiled, "");
  }
  if (!selective && !selector.conditions_only) {
    return SyntaxError{
        expr.span, "vector selector must contain at least one non-empty matcher", {}};
  }
  return std::nullopt;
}

Problem check_scalars(const Expr& expr, const Binary& binary) {
  if (is_comparison(binary.op) && !binary.return_bool) {
    return SyntaxError{expr.span, "comparisons between scalars must use BOOL modifier",
                       fmt::format("write {} bool", to_string(binary.op))};
  }
  if (is_set_operator(binary.op)) {
    return SyntaxError{expr.span,
                       fmt::format("set operator \"{}\" not allowed in binary scalar expression",
                                   to_string(binary.op)),
                       {}};
  }
  return std::nullopt;
}

Problem check(Expr& expr, Binary& binary) {
  const auto error = [&](std::string problem) {
    return SyntaxError{expr.span, std::move(problem), {}};
  };
  const ValueType lhs = binary.lhs->type;
  const ValueType rhs = binary.rhs->type;
  const auto fits = [](ValueType t) { return t == ValueType::kScalar || t == ValueType::kVector; };
  if (binary.return_bool && !is_comparison(binary.op)) {
    return error("bool modifier can only be used on comparison operators");
  }
  for (const Expr* side : {binary.lhs.get(), binary.rhs.get()}) {
    if (!fits(side->type)) {
      return SyntaxError{
          side->span, "binary expression must contain only scalar and instant vector types", {}};
    }
  }
  const bool scalars = lhs == ValueType::kScalar && rhs == ValueType::kScalar;
  const bool vectors = lhs == ValueType::kVector && rhs == ValueType::kVector;
  expr.type = scalars ? ValueType::kScalar : ValueType::kVector;
  const Matching& matching = binary.matching;
  if (!vectors && (binary.has_matching || matching.fill_left || matching.fill_right)) {
    return error("vector matching only allowed between instant vectors");
  }
  if (scalars) return check_scalars(expr, binary);
  if (is_set_operator(binary.op)) {
    if (!vectors) {
      return error(fmt::format("set operator \"{}\" not allowed in binary scalar expression",
                               to_string(binary.op)));
    }
    if (matching.cardinality != Cardinality::kOneToOne) {
      return error(fmt::format("no grouping allowed for \"{}\" operation", to_string(binary.op)));
    }
    if (matching.fill_left || matching.fill_right) {
      return error("filling in missing series not allowed for set operators");
    }
    binary.matching.cardinality = Cardinality::kManyToMany;
  }
  for (const std::string& label : matching.include) {
    if (matching.on && std::count(matching.labels.begin(), matching.labels.end(), label) > 0) {
      return error(
          fmt::format("label {} must not occur in ON and GROUP clause at once", in_quotes(label)));
    }
  }
  return std::nullopt;
}

Problem check(Expr& expr, Aggregate& aggregate) {
  expr.type = ValueType::kVector;
  if (Problem problem = expect(*aggregate.expr, ValueType::kVector, "aggregation expression")) {
    return problem;
  }
  if (!takes_parameter(aggregate.op)) return std::nullopt;
  const bool text = aggregate.op == AggregateOp::kCountValues;
  return expect(*aggregate.parameter, text ? ValueType::kString : ValueType::kScalar,
                "aggregation parameter");
}

// info()'s second argument only looks like a selector: it need not select anything by itself.
Problem check_info(const Expr& selector) {
  const auto* vector = selector.as<VectorSelector>();
  if (vector == nullptr) return SyntaxError{selector.span, "expected label selectors only", {}};
  if (vector->metric_name.empty()) return std::nullopt;
  return SyntaxError{selector.span, "expected label selectors only, got vector selector instead",
                     fmt::format("write {{__name__={}}}", in_quotes(vector->metric_name))};
}

Problem check(Expr& expr, Call& call) {
  const Function& function = *call.function;
  const auto error = [&](std::string_view bound, std::size_t expected) {
    return SyntaxError{expr.span,
                       fmt::format("expected {}{} argument(s) in call to \"{}\", got {}", bound,
                                   expected, function.name, call.args.size()),
                       std::string(function.signature())};
  };
  const bool fixed = function.max_args == function.min_args;
  if (call.args.size() < function.min_args) {
    return error(fixed ? "" : "at least ", function.min_args);
  }
  if (call.args.size() > function.max_args)
    return error(fixed ? "" : "at most ", function.max_args);
  const std::string where = fmt::format("call to function \"{}\"", function.name);
  for (std::size_t i = 0; i < call.args.size(); ++i) {
    if (Problem problem = expect(*call.args[i], function.arg(i), where)) return problem;
  }
  expr.type = function.result;
  if (function.name == "info" && call.args.size() > 1) return check_info(*call.args[1]);
  return std::nullopt;
}

Problem check(Expr& expr, Unary& unary) {
  expr.type = unary.operand->type;
  if (expr.type == ValueType::kScalar || expr.type == ValueType::kVector) return std::nullopt;
  return SyntaxError{expr.span,
                     fmt::format("unary expression only allowed on expressions of type scalar or "
                                 "instant vector, got {}",
                                 to_string(expr.type)),
                     {}};
}

Problem check(Expr& expr, Subquery& subquery) {
  expr.type = ValueType::kMatrix;
  if (subquery.expr->type == ValueType::kVector) return std::nullopt;
  return SyntaxError{subquery.expr->span,
                     fmt::format("subquery is only allowed on instant vector, got {} instead",
                                 to_string(subquery.expr->type)),
                     {}};
}

Problem check(Expr& expr, NumberLiteral&) {
  expr.type = ValueType::kScalar;
  return std::nullopt;
}

Problem check(Expr& expr, StringLiteral&) {
  expr.type = ValueType::kString;
  return std::nullopt;
}

Problem check(Expr& expr, MatrixSelector&) {
  expr.type = ValueType::kMatrix;
  return std::nullopt;
}

Problem check(Expr& expr, Paren& paren) {
  expr.type = paren.expr->type;
  return std::nullopt;
}

}  // namespace

std::optional<SyntaxError> check_types(Expr& expr) {
  return std::visit([&](auto& node) { return check(expr, node); }, expr.node);
}

}  // namespace keelwatch::promql
