#include "promql/matcher.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <charconv>

#include "base/diagnostics.h"

namespace keelwatch::promql {
namespace {

RE2::Options options() {
  RE2::Options options;
  options.set_dot_nl(true);
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return options;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

// Where a class that opens at `at` ends: at its "]".
std::size_t end_of_class(std::string_view pattern, std::size_t at) {
  if (++at < pattern.size() && pattern[at] == '^') ++at;
  if (at < pattern.size() && pattern[at] == ']') ++at;  // as a first character it is itself
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern.substr(at).starts_with("[:")) {
      const std::size_t end = pattern.find(":]", at + 2);
      if (end != std::string_view::npos) at = end + 1;
    } else if (pattern[at] == '\\') {
      ++at;
    }
    ++at;
  }
  return at;
}

// Go also writes a named group as (?<name>...), which this RE2 does not know.
std::string with_named_groups(std::string_view pattern) {
  if (pattern.find("(?<") == std::string_view::npos) return std::string(pattern);
  std::string out;
  for (std::size_t at = 0; at < pattern.size();) {
    const std::string_view rest = pattern.substr(at);
    std::size_t length = 1;
    if (rest.starts_with("\\Q")) {
      const std::size_t end = rest.find("\\E");
      length = end == std::string_view::npos ? rest.size() : end + 2;
    } else if (rest.front() == '\\') {
      length = 2;
    } else if (rest.front() == '[') {
      length = end_of_class(pattern, at) + 1 - at;
    } else if (rest.starts_with("(?<") && !rest.starts_with("(?<=") && !rest.starts_with("(?<!")) {
      out += "(?P";
      at += 2;
    }
    out += pattern.substr(at, length);
    at += length;
  }
  return out;
}

// What follows a "$" in a template: a group and where the text goes on (Go's regexp, extract()).
struct Reference {
  std::string_view name;
  std::string_view rest;
};

std::optional<Reference> take_reference(std::string_view text) {
  static const RE2 kName("[\\pL\\p{Nd}_]+", options());
  const bool brace = text.starts_with('{');
  if (brace) text.remove_prefix(1);
  re2::StringPiece name;
  if (!kName.Match(piece(text), 0, text.size(), RE2::ANCHOR_START, &name, 1)) return std::nullopt;
  Reference reference{text.substr(0, name.size()), text.substr(name.size())};
  if (brace) {
    if (!reference.rest.starts_with('}')) return std::nullopt;
    reference.rest.remove_prefix(1);
  }
  return reference;
}

}  // namespace

struct Regex::Program {
  explicit Program(std::string_view pattern) : re(with_named_groups(pattern), options()) {}
  RE2 re;

  // The group's number, or -1. Digits are a name if they begin with a zero or are too many.
  [[nodiscard]] int group(std::string_view name) const {
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool digits = error == std::errc{} && end == name.data() + name.size();
    if (digits && (name.front() != '0' || name.size() == 1)) return number;
    const auto& names = re.NamedCapturingGroups();
    const auto found = names.find(std::string(name));
    return found == names.end() ? -1 : found->second;
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

Result<std::optional<std::string>> Regex::expand(std::string_view text,
                                                 std::string_view replacement) const {
  std::vector<re2::StringPiece> groups(
      static_cast<std::size_t>(program_->re.NumberOfCapturingGroups()) + 1);
  if (!program_->re.Match(piece(text), 0, text.size(), RE2::ANCHOR_BOTH, groups.data(),
                          static_cast<int>(groups.size()))) {
    return std::optional<std::string>();
  }
  std::string out;
  while (out.size() <= kMaxLabelValue) {
    const std::size_t dollar = replacement.find('$');
    out += replacement.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    replacement.remove_prefix(dollar + 1);
    if (replacement.starts_with('$')) {
      out += '$';
      replacement.remove_prefix(1);
      continue;
    }
    const std::optional<Reference> reference = take_reference(replacement);
    if (!reference) {
      out += '$';
      continue;
    }
    replacement = reference->rest;
    const int group = program_->group(reference->name);
    if (group < 0 || static_cast<std::size_t>(group) >= groups.size()) continue;
    const re2::StringPiece& part = groups[static_cast<std::size_t>(group)];
    out.append(part.data() == nullptr ? "" : part.data(), part.size());
  }
  if (out.size() > kMaxLabelValue) return label_value_too_long();
  return std::optional<std::string>(std::move(out));
}

Error label_value_too_long() {
  return Error(ErrorCode::kTooLarge,
               fmt::format("a label's value of more than {} bytes", kMaxLabelValue));
}

Result<store::Matcher> compile_matcher(const LabelMatcher& matcher) {
  store::Matcher compiled{matcher.op, matcher.name, matcher.value, {}};
  if (matcher.regex) {
    compiled.regex = matcher.regex;
  } else if (is_regex(matcher.op)) {
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
