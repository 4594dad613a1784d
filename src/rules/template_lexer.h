// Template text to tokens. Not for use from outside rules/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/template.h"

namespace keelwatch::rules {

struct TemplateToken {
  enum class Kind {
    kText,
    kOpen,   // {{
    kClose,  // }}
    kSpace,
    kIdentifier,
    kField,     // .name
    kVariable,  // $name, or $
    kDot,
    kNumber,
    kCharacter,
    kString,  // "..." or `...`
    kPipe,
    kLeftParen,
    kRightParen,
    kComma,
    kDeclare,  // :=
    kAssign,   // =
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::size_t at = 0;
  std::string_view text;
};

struct TemplateTokens {
  std::vector<TemplateToken> tokens;  // the last one is kEnd
  TemplateError error;
};
[[nodiscard]] TemplateTokens tokenize_template(std::string_view text);

// The value of a quoted text or a character, Go's escapes resolved; nothing if it is not valid.
[[nodiscard]] std::optional<std::string> unquote_go(std::string_view literal);

}  // namespace keelwatch::rules
