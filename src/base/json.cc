#include "base/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <vector>

#include "base/utf8.h"

namespace keelwatch {
namespace {

using Stage1 = simdjson::internal::dom_parser_implementation;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view stage1_problem(simdjson::error_code code) {
  switch (code) {
    case simdjson::EMPTY:
      return "the text is empty";
    case simdjson::UTF8_ERROR:
      return "invalid UTF-8";
    case simdjson::UNCLOSED_STRING:
      return "a string is not closed";
    case simdjson::UNESCAPED_CHARS:
      return "a string holds a bare control character";
    default:
      return simdjson::error_message(code);
  }
}

// RFC 8259 section 6.
bool is_number(std::string_view s) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < s.size() && is_digit(s[i])) ++i;
    return i - from;
  };
  if (i < s.size() && s[i] == '-') ++i;
  const std::size_t integer_at = i;
  const std::size_t integer_digits = digits();
  if (integer_digits == 0 || (integer_digits > 1 && s[integer_at] == '0')) return false;
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == s.size();
}

std::optional<char32_t> read_hex4(std::string_view s, std::size_t at) {
  if (at + 4 > s.size()) return std::nullopt;
  unsigned value = 0;
  const char* end = s.data() + at + 4;
  const auto [stop, error] = std::from_chars(s.data() + at, end, value, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return static_cast<char32_t>(value);
}

bool is_high_surrogate(char32_t c) { return c >= 0xD800 && c < 0xDC00; }
bool is_low_surrogate(char32_t c) { return c >= 0xDC00 && c < 0xE000; }

// The code point of the \u escape whose hex digits start at `at`, which moves past it. A surrogate
// without its partner becomes U+FFFD, as in Go.
std::optional<char32_t> read_unicode_escape(std::string_view s, std::size_t& at) {
  const auto first = read_hex4(s, at);
  if (!first) return std::nullopt;
  at += 4;
  if (is_low_surrogate(*first)) return kReplacementCharacter;
  if (!is_high_surrogate(*first)) return first;
  if (s.substr(at, 2) == "\\u") {
    const auto second = read_hex4(s, at + 2);
    if (!second) return std::nullopt;
    if (is_low_surrogate(*second)) {
      at += 6;
      return 0x10000 + ((*first - 0xD800) << 10U) + (*second - 0xDC00);
    }
  }
  return kReplacementCharacter;
}

// nullopt: not an escape of RFC 8259 section 7.
std::optional<std::string> unescape(std::string_view s) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt";
  static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size();) {
    if (s[i] != '\\') {
      out += s[i++];
      continue;
    }
    if (++i == s.size()) return std::nullopt;
    const char letter = s[i++];
    if (letter == 'u') {
      const auto code_point = read_unicode_escape(s, i);
      if (!code_point) return std::nullopt;
      append_utf8(out, *code_point);
      continue;
    }
    const std::size_t which = kLetters.find(letter);
    if (which == std::string_view::npos) return std::nullopt;
    out += kMeanings[which];
  }
  return out;
}

}  // namespace

// Token i is the structural character, or first character of a scalar, at text[tokens[i]].
struct internal::JsonIndex {
  std::unique_ptr<Stage1> stage1;
  std::string_view text;
  std::uint32_t text_number = 0;
  const std::uint32_t* tokens = nullptr;
  std::uint32_t count_indexed = 0;
  std::uint32_t count = 0;                   // 0 unless the text is well-formed
  std::unique_ptr<std::uint32_t[]> closing;  // of an opening token: the token that closes it
  std::size_t closing_capacity = 0;
  std::vector<std::uint32_t> open;    // while checking: the opening tokens around
  std::deque<std::string> unescaped;  // what string() gave out views of
  std::optional<Error> malformed;
  std::optional<Error> complaint;

  void parse(std::string_view new_text);
  bool find_tokens();
  void check();
  bool is_string(std::uint32_t token) const;
  bool is_other_scalar(std::uint32_t token) const;
  void refuse(std::uint32_t token, std::string_view wanted);

  char at(std::uint32_t token) const { return text[tokens[token]]; }
  // The same before the text is checked; NUL, which no JSON holds there, beyond the last token.
  char peek(std::uint32_t token) const { return token < count_indexed ? at(token) : '\0'; }

  // The token's text, from its first character to the last before white space and the next token.
  std::string_view extent(std::uint32_t token) const {
    const std::size_t from = tokens[token];
    std::size_t to = token + 1 < count_indexed ? tokens[token + 1] : text.size();
    while (to > from && is_space(text[to - 1])) --to;
    return text.substr(from, to - from);
  }

  std::string_view string_content(std::uint32_t token) const {
    const std::string_view quoted = extent(token);
    return quoted.substr(1, quoted.size() - 2);
  }
  std::uint32_t last_token_of(std::uint32_t value) const {
    const char c = at(value);
    return c == '{' || c == '[' ? closing[value] : value;
  }

  void complain(std::string message) {
    if (!complaint) complaint.emplace(ErrorCode::kMalformed, std::move(message));
  }
  void complain_of(std::uint32_t token, std::string_view problem) {
    if (complaint) return;
    if (token >= 2 && at(token - 1) == ':') {
      complain(fmt::format("member \"{}\" at byte {}: {}", string_content(token - 2), tokens[token],
                           problem));
    } else {
      complain(fmt::format("value at byte {}: {}", tokens[token], problem));
    }
  }
  void expected(std::string_view what, std::uint32_t token) {
    if (!complaint) complain_of(token, fmt::format("expected {}, found {}", what, found(token)));
  }
  std::string_view found(std::uint32_t token) const {
    switch (at(token)) {
      case '{':
        return "an object";
      case '[':
        return "an array";
      case '"':
        return "a string";
      case 't':
      case 'f':
        return "a boolean";
      default:
        return extent(token).substr(0, 32);
    }
  }
  // `raw` with its escapes undone; complains and gives nullopt if one is wrong.
  std::optional<std::string_view> plain(std::string_view raw, std::uint32_t token) {
    if (raw.find('\\') == std::string_view::npos) return raw;
    auto text_of = unescape(raw);
    if (!text_of) {
      complain_of(token, "a string with a wrong escape");
      return std::nullopt;
    }
    return unescaped.emplace_back(std::move(*text_of));
  }
};

void internal::JsonIndex::parse(std::string_view new_text) {
  text = new_text;
  ++text_number;
  count = count_indexed = 0;
  unescaped.clear();
  malformed.reset();
  complaint.reset();
  if (text.size() > JsonReader::kMaxBytes) {
    malformed.emplace(ErrorCode::kTooLarge, fmt::format("JSON text of {} bytes, more than {}",
                                                        text.size(), JsonReader::kMaxBytes));
    return;
  }
  if (!find_tokens()) return;
  check();
}

bool internal::JsonIndex::find_tokens() {
  simdjson::error_code code = simdjson::SUCCESS;
  if (!stage1) {
    code = simdjson::get_active_implementation()->create_dom_parser_implementation(
        std::max<std::size_t>(text.size(), 4096), 1, stage1);
  } else if (stage1->capacity() < text.size()) {
    // A little more than asked: the pages of a list differ in size.
    code = stage1->set_capacity(text.size() + text.size() / 4);
  }
  if (code == simdjson::SUCCESS && text.empty()) code = simdjson::EMPTY;
  if (code == simdjson::SUCCESS) {
    code = stage1->stage1(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                          simdjson::stage1_mode::regular);
  }
  if (code != simdjson::SUCCESS) {
    malformed.emplace(ErrorCode::kMalformed, fmt::format("not JSON: {}", stage1_problem(code)));
    return false;
  }
  tokens = stage1->structural_indexes.get();
  count_indexed = stage1->n_structural_indexes;
  if (closing_capacity < count_indexed) {
    closing_capacity = count_indexed + count_indexed / 4;
    closing = std::make_unique_for_overwrite<std::uint32_t[]>(closing_capacity);
  }
  return true;
}

bool internal::JsonIndex::is_string(std::uint32_t token) const {
  if (peek(token) != '"') return false;
  // Bytes after the closing quote are tokens of their own, so that this cannot fail; but every
  // later read of the string relies on it.
  const std::size_t from = tokens[token];
  const std::size_t to = token + 1 < count_indexed ? tokens[token + 1] : text.size();
  if (to - from >= 2 && text[to - 1] == '"') return true;  // no white space follows: the usual case
  const std::string_view s = extent(token);
  return s.size() >= 2 && s.back() == '"';
}

bool internal::JsonIndex::is_other_scalar(std::uint32_t token) const {
  switch (peek(token)) {
    case '\0':
    case '"':
      return false;
    case 't':
      return extent(token) == "true";
    case 'f':
      return extent(token) == "false";
    case 'n':
      return extent(token) == "null";
    default:
      return is_number(extent(token));
  }
}

void internal::JsonIndex::refuse(std::uint32_t token, std::string_view wanted) {
  malformed.emplace(
      ErrorCode::kMalformed,
      token < count_indexed
          ? fmt::format("not JSON: byte {}: expected {}", tokens[token], wanted)
          : fmt::format("not JSON: the text ends early, after {} bytes", text.size()));
}

// The grammar of RFC 8259 over the tokens; fills `closing`.
void internal::JsonIndex::check() {
  open.clear();
  std::uint32_t i = 0;  // the token where the next value must stand
  for (;;) {
    const char c = peek(i);
    const bool opens = c == '{' || c == '[';
    if (opens) {
      if (open.size() == JsonReader::kMaxDepth) return refuse(i, "at most 256 levels of nesting");
      open.push_back(i);
    } else if (!is_string(i) && !is_other_scalar(i)) {
      return refuse(i, "a value");
    }
    ++i;
    const bool first = opens && peek(i) != c + 2;  // '{' + 2 is '}', '[' + 2 is ']'
    if (!first) {
      // The container was empty, or a scalar ended: leave the containers that end here.
      while (!open.empty() && peek(i) == peek(open.back()) + 2) {
        closing[open.back()] = i++;
        open.pop_back();
      }
      if (open.empty()) break;
      const bool in_object = peek(open.back()) == '{';
      if (peek(i) != ',') return refuse(i, in_object ? "a comma or }" : "a comma or ]");
      ++i;
    }
    if (peek(open.back()) == '{') {
      if (!is_string(i)) return refuse(i, "a member's name");
      if (peek(i + 1) != ':') return refuse(i + 1, "a colon");
      i += 2;
    }
  }
  if (i < count_indexed) return refuse(i, "the end of the text");
  count = count_indexed;
}

JsonReader::JsonReader() : index_(std::make_unique<internal::JsonIndex>()) {}
JsonReader::~JsonReader() = default;

JsonValue JsonReader::parse(std::string_view text) {
  index_->parse(text);
  return value_at(0);
}

Result<void> JsonReader::finish() const {
  if (index_->malformed) return *index_->malformed;
  if (index_->complaint) return *index_->complaint;
  return {};
}

void JsonReader::fail(std::string message) { index_->complain(std::move(message)); }

std::optional<Error> JsonReader::take_complaint() {
  return std::exchange(index_->complaint, std::nullopt);
}

JsonValue JsonReader::value_at(std::uint32_t token) {
  if (token >= index_->count || index_->at(token) == 'n') return {};
  return JsonValue(this, token, index_->text_number);
}

std::string_view JsonReader::key_at(std::uint32_t key) {
  if (key >= index_->count || index_->at(key) != '"') return {};
  const std::string_view raw = index_->string_content(key);
  return index_->plain(raw, key).value_or(raw);
}

std::uint32_t JsonReader::next_child(std::uint32_t value) const {
  if (value >= index_->count) return kEnd;
  const std::uint32_t after = index_->last_token_of(value) + 1;
  return after < index_->count && index_->at(after) == ',' ? after + 1 : kEnd;
}

internal::JsonIndex* JsonValue::live() const {
  return reader_ && reader_->index_->text_number == text_ && token_ < reader_->index_->count
             ? reader_->index_.get()
             : nullptr;
}

JsonType JsonValue::type() const {
  const auto* index = live();
  if (!index) return JsonType::kAbsent;
  switch (index->at(token_)) {
    case '{':
      return JsonType::kObject;
    case '[':
      return JsonType::kArray;
    case '"':
      return JsonType::kString;
    case 't':
    case 'f':
      return JsonType::kBoolean;
    default:
      return JsonType::kNumber;
  }
}

std::uint32_t JsonValue::first_child(char container) const {
  auto* index = live();
  if (!index) return JsonReader::kEnd;
  if (index->at(token_) != container) {
    index->expected(container == '{' ? "an object" : "an array", token_);
    return JsonReader::kEnd;
  }
  return index->closing[token_] == token_ + 1 ? JsonReader::kEnd : token_ + 1;
}

JsonValue JsonValue::operator[](std::string_view key) const {
  for (std::uint32_t at = first_child('{'); at != JsonReader::kEnd;
       at = reader_->next_child(at + 2)) {
    const std::string_view raw = reader_->index_->string_content(at);
    if (raw == key) return reader_->value_at(at + 2);
    // An escape makes a name longer than what it means.
    if (raw.size() > key.size() && raw.find('\\') != std::string_view::npos &&
        reader_->key_at(at) == key) {
      return reader_->value_at(at + 2);
    }
  }
  return {};
}

std::optional<std::string_view> JsonValue::string() const {
  auto* index = live();
  if (!index) return std::nullopt;
  if (index->at(token_) != '"') {
    index->expected("a string", token_);
    return std::nullopt;
  }
  return index->plain(index->string_content(token_), token_);
}

std::optional<std::int64_t> JsonValue::integer() const {
  auto* index = live();
  if (!index) return std::nullopt;
  if (type() == JsonType::kNumber) {
    const std::string_view s = index->extent(token_);
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (error == std::errc() && stop == s.data() + s.size()) return value;
    double wide = 0;
    std::from_chars(s.data(), s.data() + s.size(), wide);
    constexpr double kExact = 9007199254740992.0;  // 2^53: below it, doubles are exact integers
    if (error == std::errc() && std::trunc(wide) == wide && std::abs(wide) <= kExact) {
      return static_cast<std::int64_t>(wide);
    }
  }
  index->expected("an integer", token_);
  return std::nullopt;
}

std::optional<double> JsonValue::number() const {
  auto* index = live();
  if (!index) return std::nullopt;
  if (type() == JsonType::kNumber) {
    const std::string_view s = index->extent(token_);
    double value = 0;
    const auto [stop, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (error == std::errc() && stop == s.data() + s.size()) return value;
  }
  index->expected("a number", token_);
  return std::nullopt;
}

std::optional<bool> JsonValue::boolean() const {
  auto* index = live();
  if (!index) return std::nullopt;
  if (type() != JsonType::kBoolean) {
    index->expected("a boolean", token_);
    return std::nullopt;
  }
  return index->at(token_) == 't';
}

std::optional<std::string> JsonValue::text() const {
  auto* index = live();
  if (!index) return std::nullopt;
  switch (type()) {
    case JsonType::kString:
      if (const auto s = string()) return std::string(*s);
      return std::nullopt;
    case JsonType::kNumber:
    case JsonType::kBoolean:
      return std::string(index->extent(token_));
    default:
      index->expected("a text", token_);
      return std::nullopt;
  }
}

std::optional<std::int64_t> JsonValue::integer_or_text() const {
  if (type() != JsonType::kString) return integer();
  const auto s = string();
  if (!s) return std::nullopt;
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(s->data(), s->data() + s->size(), value);
  if (error == std::errc() && stop == s->data() + s->size()) return value;
  live()->complain_of(token_, "expected an integer, found another text");
  return std::nullopt;
}

std::string_view JsonValue::raw() const {
  const auto* index = live();
  if (!index) return {};
  const std::uint32_t last = index->last_token_of(token_);
  if (last == token_) return index->extent(token_);
  return index->text.substr(index->tokens[token_], index->tokens[last] - index->tokens[token_] + 1);
}

}  // namespace keelwatch
