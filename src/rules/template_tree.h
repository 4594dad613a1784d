// The syntax tree of a template and its parser. Not for use from outside rules/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/template.h"

namespace keelwatch::rules {

// Prometheus puts this in front of every text, and its messages count positions from there.
inline constexpr std::string_view kTemplateProlog =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}";

struct TemplateNode {
  enum class Kind {
    kText,
    kAction,  // children: the pipe
    kIf,      // children: the pipe; body, otherwise
    kWith,
    kRange,
    kBreak,
    kContinue,
    kPipe,     // names: the variables that it sets; children: commands
    kCommand,  // children: words
    kIdentifier,
    kField,     // names
    kVariable,  // names: its own, with $, and fields
    kChain,     // children: one; names: fields of its value
    kDot,
    kNil,
    kBool,
    kNumber,
    kString,
  };
  Kind kind = Kind::kText;
  std::size_t at = 0;
  std::string text = {};  // the text; identifier; literal as written; of a string its value
  std::string written = {};
  std::vector<std::string> names = {};
  bool assigns = false;  // "=", not ":="
  bool truth = false;
  std::optional<std::int64_t> integer = std::nullopt;  // of a number without point and exponent
  double number = 0;
  std::vector<TemplateNode> children = {};
  std::vector<TemplateNode> body = {};
  std::vector<TemplateNode> otherwise = {};
};

// As Go prints it in messages.
[[nodiscard]] std::string to_text(const TemplateNode& node);

struct TemplateTree {
  std::vector<TemplateNode> nodes;
  TemplateError error;  // nodes are complete only if its problem is empty; positions as in nodes
};
[[nodiscard]] TemplateTree parse_template(std::string_view text);

}  // namespace keelwatch::rules
