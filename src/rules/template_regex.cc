#include "rules/template_regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <charconv>
#include <vector>

#include "base/utf8.h"
#include "rules/template_text.h"

namespace keelwatch::rules {
namespace {

constexpr std::int64_t kMaxProgram = std::int64_t{1} << 20;

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// regexp/syntax's words for RE2's.
std::string_view go_reason(re2::RE2::ErrorCode code) {
  switch (code) {
    case re2::RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass:
      return "invalid character class";
    case re2::RE2::ErrorBadCharRange:
      return "invalid character class range";
    case re2::RE2::ErrorMissingBracket:
      return "missing closing ]";
    case re2::RE2::ErrorMissingParen:
      return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen:
      return "unexpected )";
    case re2::RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadUTF8:
      return "invalid UTF-8";
    case re2::RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    default:
      return "expression too large";
  }
}

// What "$1x", "${name}" stand for; "$" alone is itself.
struct Reference {
  std::string_view name;
  std::size_t size = 0;  // 0: no reference
};
Reference reference(std::string_view text) {
  if (text.size() < 2) return {};
  if (text[1] != '{') {
    std::size_t size = 1;
    while (size < text.size() && is_word(text[size])) ++size;
    return size == 1 ? Reference{} : Reference{text.substr(1, size - 1), size};
  }
  std::size_t size = 2;
  while (size < text.size() && is_word(text[size])) ++size;
  if (size == 2 || size >= text.size() || text[size] != '}') return {};
  return {text.substr(2, size - 2), size + 1};
}

void expand(const re2::RE2& program, const std::vector<re2::StringPiece>& groups,
            std::string_view replacement, std::string& out) {
  while (!replacement.empty()) {
    if (replacement.front() != '$') {
      const std::size_t end = std::min(replacement.find('$'), replacement.size());
      out += replacement.substr(0, end);
      replacement.remove_prefix(end);
      continue;
    }
    if (replacement.starts_with("$$")) {
      out += '$';
      replacement.remove_prefix(2);
      continue;
    }
    const Reference found = reference(replacement);
    if (found.size == 0) {
      out += '$';
      replacement.remove_prefix(1);
      continue;
    }
    replacement.remove_prefix(found.size);
    std::size_t group = groups.size();
    const char* end = found.name.data() + found.name.size();
    const auto number = std::from_chars(found.name.data(), end, group);
    if (number.ec != std::errc() || number.ptr != end) {
      const auto named = program.NamedCapturingGroups().find(std::string(found.name));
      group = named == program.NamedCapturingGroups().end()
                  ? groups.size()
                  : static_cast<std::size_t>(named->second);
    }
    if (group < groups.size()) out.append(groups[group].data(), groups[group].size());
  }
}

}  // namespace

Result<TemplateRegex> TemplateRegex::compile(std::string_view pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxProgram);
  auto program =
      std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (program->ok()) return TemplateRegex(std::move(program));
  // RE2 names the place of a missing bracket by what it opens, Go by the whole expression.
  const bool whole = program->error_code() == re2::RE2::ErrorMissingParen;
  return Error(ErrorCode::kInvalid,
               fmt::format("error parsing regexp: {}: `{}`", go_reason(program->error_code()),
                           whole ? std::string(pattern) : program->error_arg()));
}

bool TemplateRegex::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *program_);
}

Result<std::string> TemplateRegex::replace_all(std::string_view text, std::string_view replacement,
                                               std::size_t max_size) const {
  const re2::StringPiece input(text.data(), text.size());
  std::vector<re2::StringPiece> groups(
      static_cast<std::size_t>(program_->NumberOfCapturingGroups()) + 1);
  std::string out;
  std::size_t copied = 0;
  std::size_t at = 0;
  while (at <= text.size()) {
    if (!program_->Match(input, at, text.size(), re2::RE2::UNANCHORED, groups.data(),
                         static_cast<int>(groups.size()))) {
      break;
    }
    const auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
    const std::size_t end = begin + groups[0].size();
    out += text.substr(copied, begin - copied);
    // No replacement for an empty match right behind the one before.
    if (end > copied || begin == 0) expand(*program_, groups, replacement, out);
    copied = end;
    if (out.size() > max_size) return Error(ErrorCode::kTooLarge, "the text has become too long");
    const std::size_t width = std::max<std::size_t>(1, utf8_sequence_length(text.substr(at)));
    at = std::max(end, at + (at + width > end ? width : 0));
  }
  out += text.substr(copied);
  if (out.size() > max_size) return Error(ErrorCode::kTooLarge, "the text has become too long");
  return out;
}

}  // namespace keelwatch::rules
