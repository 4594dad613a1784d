// Rules as they were loaded: at the start, and with every reload.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "rules/rule_file.h"

namespace keelwatch::app {

struct RulesInForce {
  std::vector<rules::RuleGroup> groups;
  std::set<std::string> disabled;
  std::string warnings;  // lines
};

// The files of `rules.files`, or the bundled rules if there are none. Blocks on the files. Errors:
// kInvalid with all problems of all files.
[[nodiscard]] Result<std::shared_ptr<const RulesInForce>> load_rules(const config::Config& config);
[[nodiscard]] std::shared_ptr<const RulesInForce> bundled_rules();

}  // namespace keelwatch::app
