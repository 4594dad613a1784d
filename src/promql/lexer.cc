#include "promql/lexer.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/diagnostics.h"
#include "base/time_text.h"
#include "base/utf8.h"

namespace keelwatch::promql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return is_alpha(c) || is_digit(c); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  TokenList run() {
    while (error_.problem.empty()) {
      skip_blanks();
      if (at_ == text_.size()) break;
      next();
    }
    Token end;
    end.span = {text_.size(), text_.size()};
    list_.tokens.push_back(std::move(end));
    list_.error = std::move(error_);
    return std::move(list_);
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void fail(std::size_t begin, std::size_t end, std::string problem, std::string remedy = {}) {
    error_ = {{begin, end}, std::move(problem), std::move(remedy)};
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else {
        return;
      }
    }
  }

  Token& emit(TokenKind kind, std::size_t length) {
    Token token;
    token.kind = kind;
    token.span = {at_, at_ + length};
    token.text = text_.substr(at_, length);
    at_ += length;
    list_.tokens.push_back(std::move(token));
    return list_.tokens.back();
  }

  void emit_operator(BinaryOp op, std::size_t length) {
    emit(TokenKind::kOperator, length).op = op;
  }

  void next() {
    const char c = peek();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (is_alpha(c) || (c == ':' && brackets_ == 0 && braces_ == 0)) {
      word();
    } else if (c == '"' || c == '\'') {
      quoted(c);
    } else if (c == '`') {
      raw_string();
    } else {
      punctuation(c);
    }
  }

  void punctuation(char c) {
    switch (c) {
      case '(':
        emit(TokenKind::kLeftParen, 1);
        return;
      case ')':
        emit(TokenKind::kRightParen, 1);
        return;
      case '{':
        ++braces_;
        emit(TokenKind::kLeftBrace, 1);
        return;
      case '}':
        if (braces_ > 0) --braces_;
        emit(TokenKind::kRightBrace, 1);
        return;
      case '[':
        ++brackets_;
        emit(TokenKind::kLeftBracket, 1);
        return;
      case ']':
        if (brackets_ > 0) --brackets_;
        emit(TokenKind::kRightBracket, 1);
        return;
      case ',':
        emit(TokenKind::kComma, 1);
        return;
      case ':':
        emit(TokenKind::kColon, 1);
        return;
      case '@':
        emit(TokenKind::kAt, 1);
        return;
      default:
        operator_sign(c);
    }
  }

  void operator_sign(char c) {
    const char d = peek(1);
    switch (c) {
      case '+':
        return emit_operator(BinaryOp::kAdd, 1);
      case '-':
        return emit_operator(BinaryOp::kSub, 1);
      case '*':
        return emit_operator(BinaryOp::kMul, 1);
      case '/':
        return emit_operator(BinaryOp::kDiv, 1);
      case '%':
        return emit_operator(BinaryOp::kMod, 1);
      case '^':
        return emit_operator(BinaryOp::kPow, 1);
      case '<':
        if (d == '=') return emit_operator(BinaryOp::kLessEqual, 2);
        if (d == '/') return emit_operator(BinaryOp::kTrimUpper, 2);
        return emit_operator(BinaryOp::kLess, 1);
      case '>':
        if (d == '=') return emit_operator(BinaryOp::kGreaterEqual, 2);
        if (d == '/') return emit_operator(BinaryOp::kTrimLower, 2);
        return emit_operator(BinaryOp::kGreater, 1);
      case '!':
        if (d == '=') return emit_operator(BinaryOp::kNotEqual, 2);
        if (d == '~') return void(emit(TokenKind::kNoMatch, 2));
        break;
      case '=':
        if (d == '=') return emit_operator(BinaryOp::kEqual, 2);
        if (d == '~') return void(emit(TokenKind::kMatch, 2));
        return void(emit(TokenKind::kAssign, 1));
      default:
        break;
    }
    const std::size_t length = std::max<std::size_t>(1, utf8_sequence_length(text_.substr(at_)));
    fail(at_, at_ + length, "unexpected character: " + in_quotes(text_.substr(at_, length)),
         c == '!' ? "negation is written != or !~" : "");
  }

  void word() {
    std::size_t length = 1;
    const bool colons = brackets_ == 0 && braces_ == 0;
    while (is_word(peek(length)) || (colons && peek(length) == ':')) ++length;
    const std::string lower = lower_case(text_.substr(at_, length));
    if (lower == "inf" || lower == "nan") {
      emit(TokenKind::kNumber, length).number = lower == "inf"
                                                    ? std::numeric_limits<double>::infinity()
                                                    : std::numeric_limits<double>::quiet_NaN();
    } else if (braces_ > 0) {
      emit(TokenKind::kIdentifier, length);  // a label, whatever it is called
    } else if (lower == "and") {
      emit_operator(BinaryOp::kAnd, length);
    } else if (lower == "or") {
      emit_operator(BinaryOp::kOr, length);
    } else if (lower == "unless") {
      emit_operator(BinaryOp::kUnless, length);
    } else if (lower == "atan2") {
      emit_operator(BinaryOp::kAtan2, length);
    } else {
      emit(TokenKind::kIdentifier, length);
    }
  }

  // Digits with single underscores between them.
  [[nodiscard]] std::size_t digits(std::size_t from, bool hex) const {
    std::size_t i = from;
    while ((hex ? is_hex(peek(i)) : is_digit(peek(i))) ||
           (peek(i) == '_' && i > from && peek(i - 1) != '_' &&
            (hex ? is_hex(peek(i + 1)) : is_digit(peek(i + 1))))) {
      ++i;
    }
    return i;
  }

  [[nodiscard]] std::size_t duration_length() const {
    std::size_t i = 0;
    while (is_digit(peek(i))) {
      std::size_t j = i;
      while (is_digit(peek(j))) ++j;
      if (peek(j) == 'm' && peek(j + 1) == 's') {
        j += 2;
      } else if (std::string_view("smhdwy").find(peek(j)) != std::string_view::npos && peek(j)) {
        ++j;
      } else {
        return 0;
      }
      i = j;
    }
    return is_word(peek(i)) || peek(i) == '.' ? 0 : i;
  }

  void number() {
    if (const std::size_t length = duration_length(); length > 0) {
      const Result<Duration> duration = parse_duration(text_.substr(at_, length));
      if (!duration) {
        fail(at_, at_ + length, "bad duration " + in_quotes(text_.substr(at_, length)),
             "units fall: 1d12h, and each is written once");
        return;
      }
      emit(TokenKind::kDuration, length).number = to_seconds(*duration);
      return;
    }
    const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
    std::size_t length = 0;
    if (hex) {
      length = digits(2, true);
    } else {
      length = digits(0, false);
      if (peek(length) == '.') length = digits(length + 1, false);
      if (peek(length) == 'e' || peek(length) == 'E') {
        const std::size_t sign = peek(length + 1) == '+' || peek(length + 1) == '-' ? 1 : 0;
        if (is_digit(peek(length + 1 + sign))) length = digits(length + 1 + sign, false);
      }
    }
    if (is_word(peek(length)) || (hex && length == 2)) {
      std::size_t end = length;
      while (is_word(peek(end))) ++end;
      fail(at_, at_ + end, "bad number or duration syntax: " + in_quotes(text_.substr(at_, end)));
      return;
    }
    number_value(length, hex);
  }

  void number_value(std::size_t length, bool hex) {
    std::string plain;
    for (const char c : text_.substr(at_, length)) {
      if (c != '_') plain += c;
    }
    double value = 0;
    const char* begin = plain.data() + (hex ? 2 : 0);
    const char* end = plain.data() + plain.size();
    const auto format = hex ? std::chars_format::hex : std::chars_format::general;
    const std::from_chars_result read = std::from_chars(begin, end, value, format);
    // A leading zero makes an integer octal in Go; Prometheus then reads it as a float again.
    if (read.ec == std::errc::result_out_of_range) {
      const bool tiny =
          plain.find("e-") != std::string::npos || plain.find("E-") != std::string::npos;
      value = tiny ? 0 : std::numeric_limits<double>::infinity();
    }
    emit(TokenKind::kNumber, length).number = value;
  }

  void raw_string() {
    const std::size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) {
      fail(at_, text_.size(), "unterminated raw string");
      return;
    }
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    emit(TokenKind::kString, end - at_ + 1).string = std::move(value);
  }

  void quoted(char quote) {
    std::string value;
    std::size_t i = 1;
    while (true) {
      const char c = peek(i);
      if (at_ + i >= text_.size() || c == '\n') {
        fail(at_, at_ + i, "unterminated quoted string");
        return;
      }
      if (c == quote) break;
      if (c != '\\') {
        value += c;
        ++i;
        continue;
      }
      const std::size_t length = escape(i, quote, value);
      if (length == 0) {
        fail(at_ + i, at_ + i + 2, "unknown escape sequence", "in backticks nothing is escaped");
        return;
      }
      i += length;
    }
    emit(TokenKind::kString, i + 1).string = std::move(value);
  }

  // Go's escapes; returns the length of the one at `i`, 0 if it is none.
  [[nodiscard]] std::size_t escape(std::size_t i, char quote, std::string& out) const {
    static constexpr std::string_view kLetters = "abfnrtv\\";
    static constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\";
    const char c = peek(i + 1);
    if (c == quote) {
      out += quote;
      return 2;
    }
    if (const auto at = kLetters.find(c); c != '\0' && at != std::string_view::npos) {
      out += kBytes[at];
      return 2;
    }
    const auto read = [&](std::size_t from, std::size_t count, int base) -> long {
      const std::string_view part = text_.substr(std::min(at_ + from, text_.size()), count);
      unsigned value = 0;
      const auto [end, error] =
          std::from_chars(part.data(), part.data() + part.size(), value, base);
      const bool whole = error == std::errc{} && part.size() == count && end == part.data() + count;
      return whole ? static_cast<long>(value) : -1;
    };
    if (c >= '0' && c <= '7') {
      const long value = read(i + 1, 3, 8);
      if (value < 0 || value > 255) return 0;
      out += static_cast<char>(value);
      return 4;
    }
    if (c == 'x') {
      const long value = read(i + 2, 2, 16);
      if (value < 0) return 0;
      out += static_cast<char>(value);
      return 4;
    }
    if (c == 'u' || c == 'U') {
      const std::size_t count = c == 'u' ? 4 : 8;
      const long value = read(i + 2, count, 16);
      if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return 0;
      append_utf8(out, static_cast<char32_t>(value));
      return 2 + count;
    }
    return 0;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int braces_ = 0;
  int brackets_ = 0;
  TokenList list_;
  SyntaxError error_;
};

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

TokenList tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace keelwatch::promql
