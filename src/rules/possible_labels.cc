#include <algorithm>

#include "promql/functions.h"
#include "rules/lint.h"

namespace keelwatch::rules {
namespace {

using Set = std::set<std::string>;

PossibleLabels none() { return {false, {}}; }

PossibleLabels with(PossibleLabels labels, const std::string& name) {
  if (labels.open) {
    labels.names.erase(name);
  } else {
    labels.names.insert(name);
  }
  return labels;
}
PossibleLabels without(PossibleLabels labels, const std::string& name) {
  if (labels.open) {
    labels.names.insert(name);
  } else {
    labels.names.erase(name);
  }
  return labels;
}
PossibleLabels only(const PossibleLabels& labels, const std::vector<std::string>& names) {
  PossibleLabels out = none();
  for (const std::string& name : names) {
    if (labels.may_have(name)) out.names.insert(name);
  }
  return out;
}
PossibleLabels either(const PossibleLabels& a, const PossibleLabels& b) {
  if (!a.open && !b.open) {
    PossibleLabels out = a;
    out.names.insert(b.names.begin(), b.names.end());
    return out;
  }
  PossibleLabels out;
  for (const Set* names : {&a.names, &b.names}) {
    for (const std::string& name : *names) {
      if (!a.may_have(name) && !b.may_have(name)) out.names.insert(name);
    }
  }
  return out;
}

PossibleLabels of_aggregate(const promql::Aggregate& aggregate) {
  const PossibleLabels inner = possible_labels(*aggregate.expr);
  switch (aggregate.op) {
    case promql::AggregateOp::kTopk:
    case promql::AggregateOp::kBottomk:
    case promql::AggregateOp::kLimitk:
    case promql::AggregateOp::kLimitRatio:
      return inner;
    default:
      break;
  }
  PossibleLabels out = inner;
  if (aggregate.without) {
    for (const std::string& name : aggregate.grouping) out = without(std::move(out), name);
    out = without(std::move(out), "__name__");
  } else {
    out = only(inner, aggregate.grouping);
  }
  if (aggregate.op == promql::AggregateOp::kCountValues) {
    if (const auto* label =
            promql::without_parens(*aggregate.parameter).as<promql::StringLiteral>()) {
      out = with(std::move(out), label->value);
    }
  }
  return out;
}

PossibleLabels of_absent(const promql::Expr& argument) {
  PossibleLabels out = none();
  const promql::Expr* inner = &promql::without_parens(argument);
  if (const auto* matrix = inner->as<promql::MatrixSelector>()) inner = matrix->selector.get();
  if (const auto* selector = inner->as<promql::VectorSelector>()) {
    for (const promql::LabelMatcher& matcher : selector->matchers) {
      if (matcher.op == store::Matcher::Op::kEqual && matcher.name != "__name__") {
        out.names.insert(matcher.name);
      }
    }
  }
  return out;
}

PossibleLabels of_call(const promql::Call& call) {
  const std::string_view name = call.function->name;
  if (call.function->result != promql::ValueType::kVector) return none();
  if (name == "vector" || call.args.empty()) return none();
  if (name.starts_with("absent")) return of_absent(*call.args[0]);
  if (name == "info") return {};
  const auto argument = std::find_if(call.args.begin(), call.args.end(), [](const auto& arg) {
    return arg->type == promql::ValueType::kVector || arg->type == promql::ValueType::kMatrix;
  });
  if (argument == call.args.end()) return none();
  PossibleLabels out = possible_labels(**argument);
  if (name == "histogram_quantile") return without(std::move(out), "le");
  if (name == "label_replace" || name == "label_join") {
    const auto* target = promql::without_parens(*call.args[1]).as<promql::StringLiteral>();
    return target == nullptr ? PossibleLabels() : with(std::move(out), target->value);
  }
  return out;
}

PossibleLabels of_binary(const promql::Binary& binary) {
  const bool left = binary.lhs->type == promql::ValueType::kVector;
  const bool right = binary.rhs->type == promql::ValueType::kVector;
  if (!left && !right) return none();
  if (!right) return possible_labels(*binary.lhs);
  if (!left) return possible_labels(*binary.rhs);
  const PossibleLabels a = possible_labels(*binary.lhs);
  const PossibleLabels b = possible_labels(*binary.rhs);
  if (binary.op == promql::BinaryOp::kOr) return either(a, b);
  if (promql::is_set_operator(binary.op)) return a;
  const promql::Matching& matching = binary.matching;
  const bool one_to_many = matching.cardinality == promql::Cardinality::kOneToMany;
  if (one_to_many || matching.cardinality == promql::Cardinality::kManyToOne) {
    PossibleLabels out = one_to_many ? b : a;
    for (const std::string& name : matching.include) {
      out = (one_to_many ? a : b).may_have(name) ? with(std::move(out), name)
                                                 : without(std::move(out), name);
    }
    return out;
  }
  if (matching.on) return only(a, matching.labels);
  PossibleLabels out = a;
  for (const std::string& name : matching.labels) out = without(std::move(out), name);
  return out;
}

}  // namespace

PossibleLabels possible_labels(const promql::Expr& expr) {
  if (const auto* aggregate = expr.as<promql::Aggregate>()) return of_aggregate(*aggregate);
  if (const auto* call = expr.as<promql::Call>()) return of_call(*call);
  if (const auto* binary = expr.as<promql::Binary>()) return of_binary(*binary);
  if (const auto* paren = expr.as<promql::Paren>()) return possible_labels(*paren->expr);
  if (const auto* unary = expr.as<promql::Unary>()) return possible_labels(*unary->operand);
  if (const auto* subquery = expr.as<promql::Subquery>()) return possible_labels(*subquery->expr);
  if (const auto* matrix = expr.as<promql::MatrixSelector>()) {
    return possible_labels(*matrix->selector);
  }
  if (expr.as<promql::VectorSelector>() == nullptr) return none();
  PossibleLabels out;
  for (const promql::LabelMatcher& matcher : expr.as<promql::VectorSelector>()->matchers) {
    // {x=""}: the result has no such label.
    if (matcher.op == store::Matcher::Op::kEqual && matcher.value.empty()) {
      out.names.insert(matcher.name);
    }
  }
  return out;
}

}  // namespace keelwatch::rules
