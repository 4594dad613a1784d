#include "app/evaluation_metrics.h"

#include <array>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "store/store_metrics.h"

namespace keelwatch::app {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family kEvaluations("prometheus_rule_evaluations_total", Type::kCounter,
                              "Evaluations of rules since the start, those between slots included.",
                              {"rule_group"});
constexpr Family kFailures("prometheus_rule_evaluation_failures_total", Type::kCounter,
                           "Those of them that failed.", {"rule_group"});
constexpr Family kIterations("prometheus_rule_group_iterations_total", Type::kCounter,
                             "Slots of the group since the start, missed ones included.",
                             {"rule_group"});
constexpr Family kMissed("prometheus_rule_group_iterations_missed_total", Type::kCounter,
                         "Slots of the group that were missed, since the start.", {"rule_group"});
constexpr Family kInterval("prometheus_rule_group_interval_seconds", Type::kGauge,
                           "Time between two slots of the group.", {"rule_group"});
constexpr Family kLast("prometheus_rule_group_last_evaluation_timestamp_seconds", Type::kGauge,
                       "When the group was last evaluated at a slot; absent before.",
                       {"rule_group"});
constexpr Family kDuration("prometheus_rule_group_last_duration_seconds", Type::kGauge,
                           "How long that took; absent before.", {"rule_group"});
constexpr Family kRules("prometheus_rule_group_rules", Type::kGauge, "Rules of the group.",
                        {"rule_group"});
constexpr Family kSamples("prometheus_rule_group_last_evaluation_samples", Type::kGauge,
                          "Samples that the group wrote at its last slot.", {"rule_group"});
constexpr Family kFailing("keelwatch_rule_failing", Type::kGauge,
                          "1 for each rule whose newest evaluation failed: what it would say is "
                          "not known; absent for all others.",
                          {"rule_group", "rule"});
constexpr Family kLoaded("keelwatch_rules", Type::kGauge, "Rules that are in force.", {});
constexpr Family kClockSteps("keelwatch_clock_steps_total", Type::kCounter,
                             "Jumps of the wall clock against the steady one, since the start.",
                             {});
constexpr Family kLoadGood("keelwatch_rules_last_load_successful", Type::kGauge,
                           "1 if all rules of the origin, as last read, are good; 0 if some are "
                           "not: those of before run on. Origins are files (or the bundled rules) "
                           "and, where kubernetes.prometheus_rules is on, objects.",
                           {"origin"});
constexpr Family kLoadTime("keelwatch_rules_last_load_success_timestamp_seconds", Type::kGauge,
                           "When the rules of the origin were last read and all of them good; "
                           "absent before.",
                           {"origin"});

constexpr std::array<const Family*, 14> kFamilies = {
    &kEvaluations, &kFailures, &kIterations, &kMissed, &kInterval,   &kLast,     &kDuration,
    &kRules,       &kSamples,  &kFailing,    &kLoaded, &kClockSteps, &kLoadGood, &kLoadTime};

template <typename T>
Observed<T> fact(T value, WallTime at) {
  return Observed<T>::known(std::move(value), at);
}

void write_group(const rules::Group& group, WallTime at, metrics::Writer& writer) {
  const std::string name = group.file() + ";" + group.name();
  const rules::GroupStats& stats = group.stats();
  writer.write(kEvaluations, {name}, fact(stats.evaluations, at));
  writer.write(kFailures, {name}, fact(stats.evaluation_failures, at));
  writer.write(kIterations, {name}, fact(stats.iterations, at));
  writer.write(kMissed, {name}, fact(stats.iterations_missed, at));
  writer.write(kInterval, {name}, fact(group.interval(), at));
  writer.write(kRules, {name}, fact(group.rules().size(), at));
  if (stats.last_evaluation != WallTime{}) {
    writer.write(kLast, {name}, fact(stats.last_evaluation, at));
    writer.write(kDuration, {name}, fact(stats.last_duration, at));
    writer.write(kSamples, {name}, fact(stats.samples, at));
  }
  std::set<std::string> failing;  // several rules may have one name
  for (const rules::Group::AnyRule& any : group.rules()) {
    std::visit(
        [&](const auto& rule) {
          if (rule.health() == rules::Health::kError) failing.insert(rule.rule().name);
        },
        any);
  }
  for (const std::string& rule : failing) writer.write(kFailing, {name, rule}, fact(1, at));
}

void write_verdict(const char* origin, const LoadVerdict& verdict, WallTime at,
                   metrics::Writer& writer) {
  writer.write(kLoadGood, {origin}, fact(verdict.good, at));
  if (verdict.last_good) writer.write(kLoadTime, {origin}, fact(*verdict.last_good, at));
}

}  // namespace

std::vector<const Family*> evaluation_families() {
  std::vector<const Family*> all(kFamilies.begin(), kFamilies.end());
  const auto store = store::metric_families();
  all.insert(all.end(), store.begin(), store.end());
  return all;
}

metrics::Samples describe_evaluation(const rules::RuleSet& rules, const store::StoreStats& store,
                                     const EvaluationFacts& facts, metrics::SeriesTable& series) {
  const std::vector<const Family*> declared = evaluation_families();
  metrics::Writer writer(series, declared);
  std::set<std::pair<std::string, std::string>> seen;  // a file may be named twice
  for (const auto& group : rules.groups()) {
    if (seen.emplace(group->file(), group->name()).second) write_group(*group, facts.at, writer);
  }
  const rules::RuleSetStats stats = rules.stats();
  writer.write(kLoaded, {}, fact(stats.rules, facts.at));
  writer.write(kClockSteps, {}, fact(stats.clock_steps, facts.at));
  write_verdict("files", facts.files, facts.at, writer);
  if (facts.objects) write_verdict("objects", *facts.objects, facts.at, writer);
  store::write_metrics(store, facts.at, writer);
  metrics::Samples samples = std::move(writer).finish();
  series.end_step();
  return samples;
}

}  // namespace keelwatch::app
