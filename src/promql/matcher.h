// Label matchers ready for a store: regular expressions compiled once.
#pragma once

#include <string_view>

#include "base/result.h"
#include "promql/ast.h"
#include "store/queryable.h"

namespace keelwatch::promql {

// Errors: kInvalid, the regular expression is none (RE2's syntax, as Prometheus').
[[nodiscard]] Result<store::Matcher> compile_matcher(const LabelMatcher& matcher);

[[nodiscard]] bool matches(const store::Matcher& matcher, std::string_view value);

// ^(?s:pattern)$, for label_replace too. Errors: kInvalid.
class Regex {
 public:
  [[nodiscard]] static Result<Regex> compile(std::string_view pattern);
  [[nodiscard]] bool matches(std::string_view text) const;
  // Go's Regexp.Expand: $1, ${name}, $$; nullopt when `text` does not match.
  [[nodiscard]] std::optional<std::string> expand(std::string_view text,
                                                  std::string_view replacement) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace keelwatch::promql
