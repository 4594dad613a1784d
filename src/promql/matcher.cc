#include "promql/matcher.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/diagnostics.h"

namespace keelwatch::promql {
namespace {

RE2::Options options() {
  RE2::Options options;
  options.set_dot_nl(true);
  options.set_log_errors(false);
  return options;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

struct Regex::Program {
  explicit Program(std::string_view pattern) : re(piece(pattern), options()) {}
  RE2 re;

  // The group's number, or -1.
  [[nodiscard]] int group(const std::string& name) const {
    int number = 0;
    for (const char c : name) {
      if (c < '0' || c > '9') {
        const auto& names = re.NamedCapturingGroups();
        const auto found = names.find(name);
        return found == names.end() ? -1 : found->second;
      }
      number = std::min(number * 10 + (c - '0'), 100000);
    }
    return number;
  }
};

Result<Regex> Regex::compile(std::string_view pattern) {
  Regex regex;
  auto program = std::make_shared<const Program>(pattern);
  if (!program->re.ok()) {
    return Error(ErrorCode::kInvalid, fmt::format("invalid regular expression {}: {}",
                                                  in_quotes(pattern), program->re.error()));
  }
  regex.program_ = std::move(program);
  return regex;
}

bool Regex::matches(std::string_view text) const {
  return RE2::FullMatch(piece(text), program_->re);
}

std::optional<std::string> Regex::expand(std::string_view text,
                                         std::string_view replacement) const {
  std::vector<re2::StringPiece> groups(
      static_cast<std::size_t>(program_->re.NumberOfCapturingGroups()) + 1);
  if (!program_->re.Match(piece(text), 0, text.size(), RE2::ANCHOR_BOTH, groups.data(),
                          static_cast<int>(groups.size()))) {
    return std::nullopt;
  }
  std::string out;
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    const char next = i + 1 < replacement.size() ? replacement[i + 1] : '\0';
    if (replacement[i] != '$' || (next != '$' && next != '{' && !is_name_char(next))) {
      out += replacement[i];
      continue;
    }
    if (next == '$') {
      out += '$';
      ++i;
      continue;
    }
    std::size_t begin = i + 1;
    std::size_t end = begin;
    std::size_t after = 0;
    if (next == '{') {
      end = replacement.find('}', ++begin);
      if (end == std::string_view::npos) {  // Go drops a malformed "${"'s dollar only
        out += '$';
        continue;
      }
      after = end;
    } else {
      while (end < replacement.size() && is_name_char(replacement[end])) ++end;
      after = end - 1;
    }
    const int group = program_->group(std::string(replacement.substr(begin, end - begin)));
    if (group >= 0 && static_cast<std::size_t>(group) < groups.size()) {
      const re2::StringPiece& part = groups[static_cast<std::size_t>(group)];
      out.append(part.data() == nullptr ? "" : part.data(), part.size());
    }
    i = after;
  }
  return out;
}

Result<store::Matcher> compile_matcher(const LabelMatcher& matcher) {
  store::Matcher compiled{matcher.op, matcher.name, matcher.value, {}};
  if (matcher.op == store::Matcher::Op::kRegex || matcher.op == store::Matcher::Op::kNotRegex) {
    Result<Regex> regex = Regex::compile(matcher.value);
    if (!regex) return regex.error();
    compiled.regex = [regex = *std::move(regex)](std::string_view v) { return regex.matches(v); };
  }
  return compiled;
}

bool matches(const store::Matcher& matcher, std::string_view value) {
  switch (matcher.op) {
    case store::Matcher::Op::kEqual:
      return value == matcher.value;
    case store::Matcher::Op::kNotEqual:
      return value != matcher.value;
    case store::Matcher::Op::kRegex:
      return matcher.regex(value);
    case store::Matcher::Op::kNotRegex:
      return !matcher.regex(value);
  }
  return false;
}

}  // namespace keelwatch::promql
