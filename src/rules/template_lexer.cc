#include "rules/template_lexer.h"

#include <fmt/format.h>

#include "base/diagnostics.h"
#include "base/utf8.h"

namespace keelwatch::rules {
namespace {

using Kind = TemplateToken::Kind;

constexpr std::string_view kBlank = " \t\r\n";

bool is_blank(char c) { return kBlank.find(c) != std::string_view::npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  TemplateTokens run() {
    while (at_ < text_.size() && ok()) {
      text();
      if (at_ < text_.size() && ok()) action();
    }
    out_.tokens.push_back({Kind::kEnd, text_.size(), {}});
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool ok() const { return out_.error.problem.empty(); }
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void fail(std::size_t at, std::string problem, std::string remedy = {}) {
    if (ok()) out_.error = {at, 1, std::move(problem), std::move(remedy)};
  }
  void push(Kind kind, std::size_t size) {
    out_.tokens.push_back({kind, at_, text_.substr(at_, size)});
    at_ += size;
  }

  // Up to the next "{{", trimmed where an action asks for it.
  void text() {
    const std::size_t end = std::min(text_.find("{{", at_), text_.size());
    std::string_view plain = text_.substr(at_, end - at_);
    std::size_t begin = at_;
    if (trim_) {
      const std::size_t skip = std::min(plain.find_first_not_of(kBlank), plain.size());
      plain.remove_prefix(skip);
      begin += skip;
    }
    const std::string_view after = text_.substr(end);
    if (after.size() > 3 && after[2] == '-' && is_blank(after[3])) {
      plain = plain.substr(0, plain.find_last_not_of(kBlank) + 1);
    }
    if (!plain.empty()) out_.tokens.push_back({Kind::kText, begin, plain});
    at_ = end;
    trim_ = false;
  }

  void action() {
    const std::size_t open = at_;
    const bool trims = peek(2) == '-' && is_blank(peek(3));
    const std::size_t skip = trims ? 4 : 2;
    if (text_.substr(at_ + skip).starts_with("/*")) return comment(open, skip);
    push(Kind::kOpen, 2);
    at_ += skip - 2;
    depth_ = 0;
    while (ok()) {
      if (at_ >= text_.size()) return fail(open, "unclosed action", "end it with \"}}\"");
      const bool trimming = is_blank(peek()) && rest().substr(1).starts_with("-}}");
      if (trimming || rest().starts_with("}}")) {
        if (depth_ > 0) return fail(at_, "unclosed left parenthesis");
        if (trimming) at_ += 2;
        push(Kind::kClose, 2);
        trim_ = trimming;
        return;
      }
      token();
    }
  }

  void comment(std::size_t open, std::size_t skip) {
    const std::size_t end = text_.find("*/", at_ + skip + 2);
    if (end == std::string_view::npos) return fail(open, "unclosed comment");
    at_ = end + 2;
    trim_ = is_blank(peek()) && rest().substr(1).starts_with("-}}");
    if (trim_) at_ += 2;
    if (!rest().starts_with("}}")) return fail(at_, "a comment ends before the closing \"}}\"");
    at_ += 2;
  }

  void token() {
    const char c = peek();
    if (is_blank(c)) {
      std::size_t size = 0;
      // A blank before "-}}" belongs to that.
      while (is_blank(peek(size)) && !rest().substr(size + 1).starts_with("-}}")) ++size;
      return push(Kind::kSpace, size);
    }
    if (c == '"' || c == '`' || c == '\'') return quoted(c);
    if (c == '.' && !is_digit(peek(1))) return field();
    if (c == '$') return word(Kind::kVariable, 1);
    if (is_digit(c) ||
        ((c == '.' || c == '+' || c == '-') && (is_digit(peek(1)) || peek(1) == '.')))
      return number();
    if (is_word(c)) return word(Kind::kIdentifier, 0);
    punctuation(c);
  }

  void punctuation(char c) {
    if (rest().starts_with(":=")) return push(Kind::kDeclare, 2);
    switch (c) {
      case '|':
        return push(Kind::kPipe, 1);
      case '(':
        ++depth_;
        return push(Kind::kLeftParen, 1);
      case ')':
        if (--depth_ < 0) return fail(at_, "unexpected right parenthesis");
        return push(Kind::kRightParen, 1);
      case ',':
        return push(Kind::kComma, 1);
      case '=':
        return push(Kind::kAssign, 1);
      default:
        fail(at_, fmt::format("unexpected {} in an action", in_quotes(rest().substr(0, 1))));
    }
  }

  void field() {
    if (!is_word(peek(1))) return push(Kind::kDot, 1);
    word(Kind::kField, 1);
  }

  void word(Kind kind, std::size_t size) {
    while (is_word(peek(size))) ++size;
    const char next = peek(size);
    if (at_ + size < text_.size() && !is_blank(next) &&
        std::string_view(".,|:)(}=").find(next) == std::string_view::npos) {
      return fail(at_ + size,
                  fmt::format("unexpected {} after {}", in_quotes(text_.substr(at_ + size, 1)),
                              in_quotes(text_.substr(at_, size))));
    }
    push(kind, size);
  }

  void number() {
    std::size_t size = 1;
    while (is_word(peek(size)) || peek(size) == '.' ||
           ((peek(size) == '+' || peek(size) == '-') &&
            std::string_view("eEpP").find(peek(size - 1)) != std::string_view::npos)) {
      ++size;
    }
    push(Kind::kNumber, size);
  }

  void quoted(char quote) {
    std::size_t size = 1;
    while (at_ + size < text_.size() && peek(size) != quote) {
      if (quote != '`' && peek(size) == '\n') break;
      size += quote != '`' && peek(size) == '\\' ? 2 : 1;
    }
    if (at_ + size >= text_.size() || peek(size) != quote) {
      return fail(at_, "unterminated quoted string");
    }
    push(quote == '\'' ? Kind::kCharacter : Kind::kString, size + 1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool trim_ = false;  // the action before ended with "-}}"
  TemplateTokens out_;
};

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// `count` digits; -1 if they are not there.
long take_digits(std::string_view& text, std::size_t count, int base) {
  if (text.size() < count) return -1;
  long value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0 || digit >= base) return -1;
    value = value * base + digit;
  }
  text.remove_prefix(count);
  return value;
}

// What follows a backslash.
bool take_escape(std::string_view& text, std::string& out) {
  constexpr std::string_view kNames = "abfnrtv\\'\"";
  constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
  const char c = text.front();
  if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
    text.remove_prefix(1);
    out += kValues[i];
    return true;
  }
  const bool octal = c >= '0' && c <= '7';
  if (!octal) text.remove_prefix(1);
  const std::size_t count = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (count == 0) return false;
  const long value = take_digits(text, count, octal ? 8 : 16);
  if (value < 0 || value > 0x10FFFF || (octal && value > 255)) return false;
  if (octal || c == 'x') {
    out += static_cast<char>(value);
  } else {
    append_utf8(out, static_cast<char32_t>(value));
  }
  return true;
}

}  // namespace

TemplateTokens tokenize_template(std::string_view text) { return Lexer(text).run(); }

std::optional<std::string> unquote_go(std::string_view literal) {
  const char quote = literal.front();
  std::string_view text = literal.substr(1, literal.size() - 2);
  std::string out;
  if (quote == '`') {
    for (const char c : text) {
      if (c != '\r') out += c;
    }
    return out;
  }
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\\') {
      out += c;
    } else if (text.empty() || !take_escape(text, out)) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace keelwatch::rules
