#include "rules/lint.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/edit_distance.h"
#include "base/time_text.h"
#include "promql/functions.h"
#include "promql/parser.h"
#include "rules/selection.h"

namespace keelwatch::rules {
namespace {

// Prometheus and its operator put these on what they scrape.
constexpr std::string_view kTargetLabels[] = {"instance", "job",  "pod",       "container",
                                              "endpoint", "node", "namespace", "service"};

class RuleLint {
 public:
  RuleLint(const RuleGroup& group, const Rule& rule, const std::set<std::string>& recorded,
           const LintOptions& options, Diagnostics& problems)
      : group_(group), rule_(rule), recorded_(recorded), options_(options), problems_(problems) {}

  void run() {
    const promql::Parsed parsed = promql::parse_expression(rule_.expr);
    if (!parsed.expr) return;  // an error of the file, told before
    const promql::Expr& expr = *parsed.expr;
    visit(expr, false);
    if (const Duration back = look_back(expr); back > options_.retention) {
      warn_expr(expr.span,
                fmt::format("looks back {}, but samples are kept for {}", format_duration(back),
                            format_duration(options_.retention)),
                "longer history is Prometheus' work");
    }
    if (rule_.kind != Rule::Kind::kAlerting) return;
    if (!decides(expr)) {
      warn_expr(expr.span, "has no comparison: it alerts whenever the series exist",
                "compare it with a threshold");
    }
    check_duration();
    check_texts(possible_labels(expr));
  }

 private:
  void warn_expr(promql::Span span, std::string problem, std::string remedy = {}) {
    const std::size_t length = std::max<std::size_t>(1, span.end - span.begin);
    problems_.warning(rule_.expr_node.span_within(problems_.source(), span.begin, length),
                      rule_.subject() + ": expr", std::move(problem), std::move(remedy));
  }

  void visit(const promql::Expr& expr, bool aggregated) {
    if (const auto* selector = expr.as<promql::VectorSelector>()) {
      check_selector(expr, *selector, aggregated);
    }
    if (const auto* call = expr.as<promql::Call>()) {
      check_rate(expr, *call);
      // Their results have no labels of what they look at.
      aggregated = aggregated || call->function->name.starts_with("absent") ||
                   call->function->name == "scalar";
    }
    if (const auto* aggregate = expr.as<promql::Aggregate>()) {
      const bool keeps = aggregate->op == promql::AggregateOp::kTopk ||
                         aggregate->op == promql::AggregateOp::kBottomk;
      aggregated = aggregated || !keeps;
    }
    promql::for_each_child(expr, [&](const promql::Expr& child) { visit(child, aggregated); });
  }

  [[nodiscard]] const metrics::Family* family(std::string_view name) const {
    const auto found =
        std::find_if(options_.families.begin(), options_.families.end(),
                     [&](const metrics::Family* known) { return known->name() == name; });
    if (found != options_.families.end()) return *found;
    for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
      if (!name.ends_with(suffix)) continue;
      const metrics::Family* whole = family(name.substr(0, name.size() - suffix.size()));
      if (whole != nullptr && whole->type() == metrics::Type::kHistogram) return whole;
    }
    return nullptr;
  }

  void check_selector(const promql::Expr& expr, const promql::VectorSelector& selector,
                      bool aggregated) {
    const std::string& name = selector.metric_name;
    if (!name.starts_with(options_.prefix) || recorded_.contains(name)) return;
    const metrics::Family* known = family(name);
    if (known == nullptr) {
      std::vector<std::string_view> names;
      for (const metrics::Family* other : options_.families) names.push_back(other->name());
      warn_expr({expr.span.begin, expr.span.begin + name.size()},
                fmt::format("no such metric: {}", name), did_you_mean(name, names));
      return;
    }
    for (const promql::LabelMatcher& matcher : selector.matchers) check_matcher(*known, matcher);
    if (!aggregated) {
      warn_expr(expr.span, "a selector without an aggregation",
                "two copies of keelwatch would alert twice: write max by (...) around it");
    }
  }

  void check_matcher(const metrics::Family& known, const promql::LabelMatcher& matcher) {
    const auto has = [&](std::string_view label) {
      const auto labels = known.labels();
      return std::find(labels.begin(), labels.end(), label) != labels.end();
    };
    const bool target = std::find(std::begin(kTargetLabels), std::end(kTargetLabels),
                                  matcher.name) != std::end(kTargetLabels);
    const bool histogram = known.type() == metrics::Type::kHistogram && matcher.name == "le";
    if (matcher.name == kMetricName || target || histogram || has(matcher.name)) return;
    warn_expr(matcher.span, fmt::format("{} has no label {}", known.name(), matcher.name),
              did_you_mean(matcher.name, known.labels()));
  }

  void check_rate(const promql::Expr& expr, const promql::Call& call) {
    const std::string_view name = call.function->name;
    if (name != "rate" && name != "irate" && name != "increase") return;
    const promql::Expr& argument = promql::without_parens(*call.args[0]);
    const auto* matrix = argument.as<promql::MatrixSelector>();
    if (matrix == nullptr) return;
    const auto* selector = matrix->selector->as<promql::VectorSelector>();
    const metrics::Family* known = selector ? family(selector->metric_name) : nullptr;
    if (known == nullptr || known->type() != metrics::Type::kGauge) return;
    warn_expr(expr.span, fmt::format("{} of a gauge: {}", name, known->name()),
              name == "increase" ? "use delta" : "use deriv");
  }

  // Whether something in the expression can make its result empty.
  static bool decides(const promql::Expr& expr) {
    if (const auto* binary = expr.as<promql::Binary>()) {
      if (promql::is_comparison(binary->op) && !binary->return_bool) return true;
      if (binary->op == promql::BinaryOp::kAnd || binary->op == promql::BinaryOp::kUnless) {
        return true;
      }
    }
    if (const auto* call = expr.as<promql::Call>()) {
      if (call->function->name.starts_with("absent")) return true;
      if (call->function->name == "vector") return true;  // an always-firing watchdog
    }
    bool found = false;
    promql::for_each_child(expr,
                           [&](const promql::Expr& child) { found = found || decides(child); });
    return found;
  }

  void check_duration() {
    const Duration interval = group_.interval ? *group_.interval : options_.default_interval;
    if (rule_.hold <= Duration::zero() || rule_.hold >= 2 * interval) return;
    problems_.warning(rule_.hold_where ? *rule_.hold_where : rule_.where, rule_.subject() + ": for",
                      fmt::format("{} is shorter than two evaluations, {} apart",
                                  format_duration(rule_.hold), format_duration(interval)));
  }

  void check_texts(const PossibleLabels& possible) {
    for (const TemplatedText& label : rule_.labels) {
      impossible(label, "labels", possible);
      if (label.text.uses_value()) {
        problems_.warning(label.where, fmt::format("{}: labels: {}", rule_.subject(), label.name),
                          "the value is part of the alert's identity: each change is a new alert",
                          "show it in an annotation");
      }
    }
    bool runbook = false;
    for (const TemplatedText& annotation : rule_.annotations) {
      impossible(annotation, "annotations", possible);
      runbook = runbook || annotation.name == "runbook_url" || annotation.name == "runbook";
    }
    if (!runbook) {
      problems_.warning(rule_.where, rule_.subject(), "no runbook",
                        "add the annotation runbook_url");
    }
  }

  void impossible(const TemplatedText& text, std::string_view kind,
                  const PossibleLabels& possible) {
    std::set<std::string> told;
    for (const TemplateLabel& label : text.text.labels()) {
      if (possible.may_have(label.name) || !told.insert(label.name).second) continue;
      problems_.warning(text.where, fmt::format("{}: {}: {}", rule_.subject(), kind, text.name),
                        fmt::format("the expression's result has no label {}", label.name));
    }
  }

  const RuleGroup& group_;
  const Rule& rule_;
  const std::set<std::string>& recorded_;
  const LintOptions& options_;
  Diagnostics& problems_;
};

// promtool's duplicate-rules: the same name and labels twice in one file.
void find_duplicates(const RuleFile& file, Diagnostics& problems) {
  std::map<std::string, const Rule*> seen;
  for (const RuleGroup& group : file.groups) {
    for (const Rule& rule : group.rules) {
      std::vector<LabelView> labels;
      for (const TemplatedText& label : rule.labels) {
        labels.push_back({label.name, label.text.text()});
      }
      const std::string key = rule.subject() + Labels(std::move(labels)).text();
      const auto [at, fresh] = seen.emplace(key, &rule);
      if (fresh) continue;
      problems.warning(rule.where, rule.subject(), "a second rule with this name and these labels",
                       fmt::format("the first one is in line {}", at->second->where.line));
    }
  }
}

}  // namespace

void lint(const RuleFile& file, const std::set<std::string>& recorded, const LintOptions& options,
          Diagnostics& problems) {
  for (const RuleGroup& group : file.groups) {
    for (const Rule& rule : group.rules) RuleLint(group, rule, recorded, options, problems).run();
  }
  find_duplicates(file, problems);
}

}  // namespace keelwatch::rules
