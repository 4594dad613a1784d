// Label matchers ready for a store: regular expressions compiled once.
#pragma once

#include <string_view>

#include "base/result.h"
#include "promql/ast.h"
#include "store/queryable.h"

namespace keelwatch::promql {

// Of what a function writes into a label: nested calls would double it without end.
inline constexpr std::size_t kMaxLabelValue = 64 * 1024;
[[nodiscard]] Error label_value_too_long();

[[nodiscard]] constexpr bool is_regex(store::Matcher::Op op) {
  return op == store::Matcher::Op::kRegex || op == store::Matcher::Op::kNotRegex;
}

// With the matcher's own program if it has one already. Errors: kInvalid, the regular expression is
// none (RE2's syntax, as Prometheus').
[[nodiscard]] Result<store::Matcher> compile_matcher(const LabelMatcher& matcher);

[[nodiscard]] bool matches(const store::Matcher& matcher, std::string_view value);

// ^(?s:pattern)$, for label_replace too; up to 1 MiB of memory each. Errors: kInvalid.
class Regex {
 public:
  [[nodiscard]] static Result<Regex> compile(std::string_view pattern);
  [[nodiscard]] bool matches(std::string_view text) const;
  // Go's Regexp.Expand: $1, ${name}, $$; nullopt when `text` does not match. Errors: kTooLarge,
  // beyond kMaxLabelValue.
  [[nodiscard]] Result<std::optional<std::string>> expand(std::string_view text,
                                                          std::string_view replacement) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace keelwatch::promql
