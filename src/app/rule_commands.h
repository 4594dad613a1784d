// `keelwatch check rules` and `keelwatch test rules`.
#pragma once

#include <string>
#include <vector>

namespace keelwatch::app {

struct CheckRulesOptions {
  std::vector<std::string> files;  // patterns too
  bool lint_fatal = false;
  bool no_lint = false;
  bool ignore_unknown = false;
};
// promtool's exit codes: 0; 1 a file does not load; 3 with lint_fatal, when something was found.
[[nodiscard]] int check_rules_command(const CheckRulesOptions& options);

struct TestRulesOptions {
  std::vector<std::string> files;
  std::string run;
  bool diff = false;
  bool ignore_unknown = false;
};
// 1 if a test failed or a file is wrong.
[[nodiscard]] int test_rules_command(const TestRulesOptions& options);

// `check config FILE`: the configuration and the rules that it names; 1 with errors.
int check_config_command(const std::string& path, bool json);

}  // namespace keelwatch::app
