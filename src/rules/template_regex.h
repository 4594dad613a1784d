// Regular expressions of templates: unanchored, RE2's syntax, Go's messages and replacements. Not
// for use from outside rules/.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace keelwatch::rules {

class TemplateRegex {
 public:
  // Errors: kInvalid, "error parsing regexp: missing closing ): `(`".
  [[nodiscard]] static Result<TemplateRegex> compile(std::string_view pattern);
  [[nodiscard]] bool found_in(std::string_view text) const;
  // regexp.ReplaceAllString: $1, ${name} and $$ in the replacement. Errors: kTooLarge.
  [[nodiscard]] Result<std::string> replace_all(std::string_view text, std::string_view replacement,
                                                std::size_t max_size) const;

 private:
  explicit TemplateRegex(std::shared_ptr<const re2::RE2> program) : program_(std::move(program)) {}
  std::shared_ptr<const re2::RE2> program_;
};

}  // namespace keelwatch::rules
