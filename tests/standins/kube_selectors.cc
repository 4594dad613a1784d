#include "tests/standins/kube_selectors.h"

#include <algorithm>
#include <stdexcept>

namespace keelwatch::standins {

namespace {

std::string trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

// Pieces between commas that stand outside of parentheses.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> pieces(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      pieces.emplace_back();
    } else {
      pieces.back() += c;
    }
  }
  for (std::string& piece : pieces) piece = trimmed(piece);
  return pieces;
}

bool is_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  });
}

// `a in b` and the like; upstream's parser names the word at which it stumbles.
[[noreturn]] void refuse(const std::string& piece) {
  const std::string second = piece.substr(std::min(piece.find(' ') + 1, piece.size()));
  const bool is_set = second.starts_with("in ") || second.starts_with("notin ");
  const std::string found = is_set ? second.substr(second.find(' ') + 1) : second;
  throw std::invalid_argument("unable to parse requirement: found '" + found + "'" +
                              (is_set ? " expected: '('" : ", expected: in, notin, =, ==, !="));
}

}  // namespace

LabelSelector LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  if (trimmed(text).empty()) return selector;
  for (const std::string& piece : split(text)) {
    Requirement requirement{"", Operator::kIn, {}};
    const std::size_t parenthesis = piece.find('(');
    const std::size_t equals = piece.find('=');
    if (parenthesis != std::string::npos) {
      if (piece.back() != ')') refuse(piece);
      const std::string before = trimmed(std::string_view(piece).substr(0, parenthesis));
      const std::size_t space = before.rfind(' ');
      if (space == std::string::npos) refuse(piece);
      const std::string word = before.substr(space + 1);
      if (word != "in" && word != "notin") refuse(piece);
      requirement.key = trimmed(before.substr(0, space));
      requirement.op = word == "in" ? Operator::kIn : Operator::kNotIn;
      requirement.values =
          split(std::string_view(piece).substr(parenthesis + 1, piece.size() - parenthesis - 2));
    } else if (equals != std::string::npos) {
      const bool negated = equals > 0 && piece[equals - 1] == '!';
      requirement.key = trimmed(std::string_view(piece).substr(0, negated ? equals - 1 : equals));
      requirement.op = negated ? Operator::kNotIn : Operator::kIn;
      const bool doubled = piece.compare(equals, 2, "==") == 0;
      requirement.values = {trimmed(std::string_view(piece).substr(equals + (doubled ? 2 : 1)))};
    } else if (piece.starts_with('!')) {
      requirement.key = trimmed(std::string_view(piece).substr(1));
      requirement.op = Operator::kMissing;
    } else {
      requirement.key = piece;
      requirement.op = Operator::kExists;
    }
    if (!is_key(requirement.key)) refuse(piece);
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

bool LabelSelector::matches(const std::map<std::string, std::string>& labels) const {
  return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& r) {
    const auto label = labels.find(r.key);
    const bool has = label != labels.end();
    const bool listed =
        has && std::find(r.values.begin(), r.values.end(), label->second) != r.values.end();
    switch (r.op) {
      case Operator::kIn:
        return listed;
      case Operator::kNotIn:  // as upstream: a missing label is not in any set
        return !listed;
      case Operator::kExists:
        return has;
      case Operator::kMissing:
        return !has;
    }
    return false;
  });
}

std::vector<FieldRequirement> parse_field_selector(std::string_view text) {
  std::vector<FieldRequirement> requirements;
  if (trimmed(text).empty()) return requirements;
  for (const std::string& piece : split(text)) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw std::invalid_argument("invalid selector: '" + std::string(text) +
                                  "'; can't understand '" + piece + "'");
    }
    FieldRequirement requirement;
    requirement.equal = piece[equals - 1] != '!';
    const bool doubled = piece.compare(equals, 2, "==") == 0;
    requirement.field = piece.substr(0, requirement.equal ? equals : equals - 1);
    requirement.value = piece.substr(equals + (doubled ? 2 : 1));
    requirements.push_back(std::move(requirement));
  }
  return requirements;
}

}  // namespace keelwatch::standins
