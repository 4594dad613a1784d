// The only door to simdjson. Its first stage (SIMD: UTF-8 check, index of all structural
// characters) does the heavy work; on that index this reader walks by itself. simdjson's own
// on-demand front end is not used: its values must be read once and in order, it leaves skipped
// parts unchecked, and one more lookup after an error reads out of bounds. Here
//   - the structure of the whole text is checked when it is parsed, trailing bytes included, so
//   that
//     no later access can meet broken JSON;
//   - values are plain positions: read them in any order, as often as wanted, or not at all;
//   - no tree is built: a reader holds 8 bytes per structural character of the current text (about
//     one for each 6 bytes of it) and reuses that memory for the next text.
//
//   JsonReader reader;
//   const JsonValue root = reader.parse(body);
//   pod.node = root["spec"]["nodeName"].string().value_or("");
//   root["spec"]["containers"].for_each([&](JsonValue container) { ... });
//   if (auto ok = reader.finish(); !ok) return ok.error();
//
// A missing member, null, or a member of something absent is "absent" and no error. A value of
// another type than asked for reads as absent too, and the reader notes the first such complaint
// for finish(): decoders read what they want and check once, at the end.
//
// Threads: one at a time. Values, and the views that they give out, are valid until the reader
// parses again or dies; the text must live as long.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelwatch {

class JsonReader;
namespace internal {
struct JsonIndex;
}

enum class JsonType : std::uint8_t { kAbsent, kObject, kArray, kString, kNumber, kBoolean };

class JsonValue {
 public:
  JsonValue() = default;  // absent

  [[nodiscard]] bool present() const { return reader_ != nullptr; }
  [[nodiscard]] JsonType type() const;

  // Member of an object (the first of that name); absent if there is none, if it is null or if this
  // is absent. Any other type than object is a complaint.
  [[nodiscard]] JsonValue operator[](std::string_view key) const;

  // The value as that type; nullopt when absent. A value of another type is a complaint
  // (kMalformed: `member "replicas" at byte 17: expected an integer, found a string`).
  [[nodiscard]] std::optional<std::string_view> string() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;  // 5, and also 5.0 and 5e0
  [[nodiscard]] std::optional<double> number() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::string> text() const;  // lenient: string, number or bool as text
  [[nodiscard]] std::optional<std::int64_t> integer_or_text() const;  // lenient: 5 or "5"

  // f(JsonValue) for each element of an array, f(std::string_view key, JsonValue) for each member
  // of an object, in document order; a null is given as absent. Nothing when this is absent.
  template <std::invocable<JsonValue> F>
  void for_each(F&& f) const;
  template <std::invocable<std::string_view, JsonValue> F>
  void for_each_member(F&& f) const;

  // The JSON text of this value, for keeping or later parsing; "" when absent.
  [[nodiscard]] std::string_view raw() const;

 private:
  friend class JsonReader;
  JsonValue(JsonReader* reader, std::uint32_t token, std::uint32_t text)
      : reader_(reader), token_(token), text_(text) {}
  [[nodiscard]] internal::JsonIndex* live() const;  // nullptr when absent or of an earlier text
  // Token of the first element or key; kEnd when empty, absent or not a `container`.
  [[nodiscard]] std::uint32_t first_child(char container) const;

  JsonReader* reader_ = nullptr;
  std::uint32_t token_ = 0;  // index into the structural characters
  std::uint32_t text_ = 0;   // which text of the reader: a value of an earlier one reads as absent
};

class JsonReader {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 30U;  // of one text: kTooLarge beyond
  static constexpr std::size_t kMaxDepth = 256;                    // of nesting: kMalformed beyond

  JsonReader();
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Checks the text and returns its value; absent if the text is not one well-formed JSON value
  // (finish() then says where and why). Forgets the text before and its complaints.
  [[nodiscard]] JsonValue parse(std::string_view text);

  // The first complaint since parse(): kMalformed with the byte offset, or kTooLarge.
  [[nodiscard]] Result<void> finish() const;

  // A decoder's own complaint ("metadata.name is missing"); the first one wins.
  void fail(std::string message);

  // The first complaint, which is forgotten: for lists, where one bad element must not poison the
  // others. What parse() itself complained of stays.
  [[nodiscard]] std::optional<Error> take_complaint();

 private:
  friend class JsonValue;
  static constexpr std::uint32_t kEnd = UINT32_MAX;

  [[nodiscard]] std::uint32_t next_child(std::uint32_t value) const;  // kEnd after the last
  [[nodiscard]] std::string_view key_at(std::uint32_t key);
  [[nodiscard]] JsonValue value_at(std::uint32_t token);  // absent for null

  std::unique_ptr<internal::JsonIndex> index_;
};

template <std::invocable<JsonValue> F>
void JsonValue::for_each(F&& f) const {
  for (std::uint32_t at = first_child('['); at != JsonReader::kEnd; at = reader_->next_child(at)) {
    f(reader_->value_at(at));
  }
}

template <std::invocable<std::string_view, JsonValue> F>
void JsonValue::for_each_member(F&& f) const {
  for (std::uint32_t at = first_child('{'); at != JsonReader::kEnd;) {
    f(reader_->key_at(at), reader_->value_at(at + 2));  // key, colon, value
    at = reader_->next_child(at + 2);
  }
}

// Builds JSON text in order; commas and escapes are its business. Used by --json outputs, the API,
// tapes and logs. Numbers print exactly (shortest round trip); NaN and infinities as the strings
// "NaN", "+Inf", "-Inf". Control characters are escaped, invalid UTF-8 becomes U+FFFD: what it
// writes from any bytes is valid JSON, provided begin and end calls match.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(bool flag);
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  JsonWriter& value(I number) {
    separate();
    out_ += std::to_string(number);
    return *this;
  }
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // already JSON
  template <typename T>
  JsonWriter& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }
  [[nodiscard]] const std::string& text() const { return out_; }
  // The text; the writer is empty again.
  [[nodiscard]] std::string take();

 private:
  void separate();
  void quote(std::string_view text);

  std::string out_;
  bool need_comma_ = false;
};

}  // namespace keelwatch
