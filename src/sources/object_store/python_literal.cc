#include "sources/object_store/python_literal.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace keelwatch::sources {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::vector<PythonTuple>> list() {
    std::vector<PythonTuple> result;
    if (!take('[')) return wrong("expected '['");
    while (!take(']')) {
      if (!result.empty() && !take(',')) return wrong("expected ',' or ']'");
      if (!result.empty() && take(']')) break;
      Result<PythonTuple> item = tuple();
      if (!item) return item.error();
      result.push_back(*std::move(item));
    }
    skip_space();
    if (at_ < text_.size()) return wrong("something follows the list");
    return result;
  }

 private:
  Error wrong(std::string_view problem) const {
    return Error(ErrorCode::kMalformed, fmt::format("column {}: {}", at_ + 1, problem));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<PythonTuple> tuple() {
    PythonTuple result;
    if (!take('(')) return wrong("expected '('");
    while (!take(')')) {
      if (!result.empty() && !take(',')) return wrong("expected ',' or ')'");
      if (!result.empty() && take(')')) break;
      skip_space();
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      if (c == '\'' || c == '"') {
        Result<std::string> item = quoted();
        if (!item) return item.error();
        result.emplace_back(*std::move(item));
      } else {
        Result<std::int64_t> item = number();
        if (!item) return item.error();
        result.emplace_back(*item);
      }
    }
    return result;
  }

  Result<std::int64_t> number() {
    std::int64_t value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) return wrong("expected a text or a number");
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  Result<std::string> quoted() {
    const char quote = text_[at_++];
    std::string result;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) return result;
      if (c != '\\') {
        result += c;
        continue;
      }
      const auto code_point = escape();
      if (!code_point) return wrong("unknown escape");
      append_utf8(result, *code_point);
    }
    return wrong("the text does not end");
  }

  // After the backslash.
  std::optional<char32_t> escape() {
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    switch (c) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case '\\':
      case '\'':
      case '"':
        return static_cast<char32_t>(c);
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case 'U':
        return hex(8);
      default:
        return std::nullopt;
    }
  }

  std::optional<char32_t> hex(std::size_t digits) {
    const std::string_view text = text_.substr(at_, digits);
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc() || text.size() != digits || end != text.data() + digits) {
      return std::nullopt;
    }
    at_ += digits;
    if (value > 0x10FFFF) return std::nullopt;
    // A byte that is no UTF-8 is a lone surrogate in Python.
    return value >= 0xD800 && value <= 0xDFFF ? kReplacementCharacter
                                              : static_cast<char32_t>(value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<PythonTuple>> parse_python_tuples(std::string_view text) {
  return Reader(text).list();
}

}  // namespace keelwatch::sources
