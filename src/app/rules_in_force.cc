#include "app/rules_in_force.h"

#include <stdexcept>
#include <utility>

#include "app/bundled_rules.h"

namespace keelwatch::app {
namespace {

rules::LoadedRules read_bundled() {
  rules::LoadedRules loaded;
  for (SourceFile& file : bundled_rule_files()) rules::load_rule_file(std::move(file), loaded);
  return loaded;
}

}  // namespace

Result<std::shared_ptr<const RulesInForce>> load_rules(const config::Config& config) {
  rules::LoadedRules loaded = config.rules.files.empty()
                                  ? read_bundled()
                                  : rules::load_rule_files(rules::expand_globs(config.rules.files));
  if (loaded.errors > 0) return Error(ErrorCode::kInvalid, loaded.problems);
  auto rules = std::make_shared<RulesInForce>();
  std::set<std::string> names;
  for (rules::RuleFile& file : loaded.files) {
    for (rules::RuleGroup& group : file.groups) {
      for (const rules::Rule& rule : group.rules) names.insert(rule.name);
      rules->groups.push_back(std::move(group));
    }
  }
  rules->warnings = loaded.problems;
  for (const std::string& name : config.rules.disable) {
    // It may be that of a PrometheusRule.
    if (!names.contains(name) && !config.kubernetes.prometheus_rules) {
      rules->warnings += "rules.disable: there is no rule \"" + name + "\"\n";
    }
    rules->disabled.insert(name);
  }
  return std::shared_ptr<const RulesInForce>(std::move(rules));
}

std::shared_ptr<const RulesInForce> bundled_rules() {
  Result<std::shared_ptr<const RulesInForce>> rules = load_rules({});
  if (!rules) throw std::logic_error("bundled rules: " + rules.error().message());
  return *std::move(rules);
}

}  // namespace keelwatch::app
