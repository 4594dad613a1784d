// Rule files as Prometheus reads them (model/rulefmt), and PrometheusRule objects of the Prometheus
// operator (the same under spec.groups). Everything that is wrong with a file is reported at once,
// each with its place, expressions and templates down to the character:
//
//   rules/recovery.yaml:14:22: alert KeelwatchBackupTooOld: expr: unknown function "tme"
//         expr: time() - tme(x) > 93600
//                        ^^^ did you mean "time"?
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/diagnostics.h"
#include "base/labels.h"
#include "base/yaml.h"
#include "rules/template.h"

namespace keelwatch::rules {

// A name and its text with the template that it is. Sorted by name in a Rule.
struct TemplatedText {
  std::string name;
  Template text;
  SourceSpan where;  // of the value
};

struct Rule {
  enum class Kind { kAlerting, kRecording };
  Kind kind = Kind::kAlerting;
  std::string name;  // of the alert, or of the series that is recorded
  std::string expr;  // compiles
  Duration hold{};   // `for`
  Duration keep_firing_for{};
  std::vector<TemplatedText> labels;  // the group's included; of a recording rule they are literal
  std::vector<TemplatedText> annotations;

  // Where things stand, for problems that are found later.
  SourceSpan where;  // of the name
  YamlNode expr_node;
  std::optional<SourceSpan> hold_where;

  // "alert X", "record X": the subject of problems.
  [[nodiscard]] std::string subject() const;
};

struct RuleGroup {
  std::string name;
  std::string file;  // with the name the group's identity
  std::optional<Duration> interval;
  std::optional<Duration> query_offset;
  std::size_t limit = 0;  // of alerts or recorded series per rule; 0: none
  std::vector<Rule> rules;
  SourceSpan where;
};

struct RuleFile {
  SourceFile source;
  std::vector<RuleGroup> groups;
};

struct RuleFileOptions {
  // Keys that nobody knows are errors, unless this is set (promtool's --ignore-unknown-fields).
  bool ignore_unknown = false;
  // Whether problems name the group of a rule: for texts whose places nobody sees.
  bool name_groups = false;
};

// What is wrong is in `problems`; with errors there, nothing. Further documents of a plain file
// count for nothing (a warning says so); of PrometheusRules all do.
[[nodiscard]] std::optional<RuleFile> parse_rule_file(Diagnostics& problems,
                                                      const RuleFileOptions& options = {});

// The files that the patterns (*, ?, [..] in the last parts) name, sorted, each once. A pattern
// without a match is itself, so that reading it says what is wrong.
[[nodiscard]] std::vector<std::string> expand_globs(const std::vector<std::string>& patterns);

inline constexpr std::size_t kMaxRuleFile = std::size_t{4} << 20;

struct LoadedRules {
  std::vector<RuleFile> files;  // those without errors
  std::string problems;         // of all files, with source lines; warnings too
  std::size_t errors = 0;
  std::size_t warnings = 0;
};
// Checks one more.
void load_rule_file(SourceFile source, LoadedRules& loaded, const RuleFileOptions& options = {});
// Reads and checks every file. Blocks on the files.
[[nodiscard]] LoadedRules load_rule_files(const std::vector<std::string>& paths,
                                          const RuleFileOptions& options = {});

}  // namespace keelwatch::rules
