#include "app/rule_commands.h"

#include <fmt/format.h>

#include "app/describe.h"
#include "app/terminal.h"
#include "base/file.h"
#include "config/load.h"
#include "rules/lint.h"
#include "rules/rule_file.h"
#include "rules/unit_tests.h"

namespace keelwatch::app {
namespace {

struct Checked {
  Diagnostics problems;
  std::optional<rules::RuleFile> file;
};

}  // namespace

int check_config_command(const std::string& path, bool json) {
  config::Loaded loaded = config::load_file(path);
  const std::vector<std::string> patterns =
      loaded.config ? loaded.config->rules.files : std::vector<std::string>();
  for (const std::string& file : rules::expand_globs(patterns)) {
    const Result<std::string> text = read_file(file, rules::kMaxRuleFile);
    Diagnostics problems(SourceFile(file, text ? *text : ""));
    if (!text) {
      problems.error({}, "", "cannot be read: " + text.error().message());
    } else {
      (void)rules::parse_rule_file(problems);
    }
    loaded.problems.append(problems);
  }
  const config::CheckResult result = config::report_of(path, loaded, json);
  return print_data(result.text, result.exit_code);
}

int check_rules_command(const CheckRulesOptions& options) {
  std::vector<Checked> checked;
  std::set<std::string> recorded;
  int exit_code = 0;
  std::string out;
  for (const std::string& path : rules::expand_globs(options.files)) {
    const Result<std::string> text = read_file(path, rules::kMaxRuleFile);
    if (!text) {
      print_error(text.error());
      exit_code = 1;
      continue;
    }
    checked.push_back({Diagnostics(SourceFile(path, *text)), std::nullopt});
    Checked& made = checked.back();
    made.file = rules::parse_rule_file(made.problems, {.ignore_unknown = options.ignore_unknown});
    if (!made.file) continue;
    for (const rules::RuleGroup& group : made.file->groups) {
      for (const rules::Rule& rule : group.rules) {
        if (rule.kind == rules::Rule::Kind::kRecording) recorded.insert(rule.name);
      }
    }
  }
  const std::vector<const metrics::Family*> known = described_families();
  bool found = false;
  for (Checked& made : checked) {
    out += fmt::format("Checking {}\n", made.problems.source().name());
    std::size_t count = 0;
    if (made.file) {
      for (const rules::RuleGroup& group : made.file->groups) count += group.rules.size();
      rules::LintOptions lint;
      lint.families = known;
      if (!options.no_lint) rules::lint(*made.file, recorded, lint, made.problems);
      found = found || made.problems.warnings() > 0;
      out += fmt::format("  SUCCESS: {} rules found\n", count);
    } else {
      exit_code = 1;
      out += "  FAILED:\n";
    }
    out += made.problems.text() + "\n";
  }
  if (exit_code == 0 && found && options.lint_fatal) exit_code = 3;
  return print_data(out, exit_code);
}

int test_rules_command(const TestRulesOptions& options) {
  const auto reports = rules::run_unit_tests(
      options.files,
      {.run = options.run, .diff = options.diff, .ignore_unknown = options.ignore_unknown});
  if (!reports) {
    print_error(reports.error());
    return 2;
  }
  std::string out;
  int exit_code = 0;
  for (const rules::UnitTestReport& report : *reports) {
    out += report.text();
    if (!report.good()) exit_code = 1;
  }
  return print_data(out, exit_code);
}

}  // namespace keelwatch::app
