// The only door to simdjson. Reads large answers on demand, in document order, without building a
// tree. The dangers of on-demand parsing are shut here: a missing field or null is "absent"; any
// other error poisons the document, which from then on answers every access with "absent", and
// finish() tells. Decoders therefore read what they want and check finish() once, at the end.
//
//   JsonReader reader;
//   auto root = reader.parse(body);                       // copies nothing but padding
//   root.object("metadata") ... 
//   if (auto ok = reader.finish(); !ok) return ok.error();   // kMalformed with the byte offset
//
// Threads: one at a time. Values are valid until the reader parses again or dies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelwatch {

class JsonReader;

// One JSON value, read once: fields of an object may be asked for in any order, but each sub-object
// must be done with before the next sibling is read.
class JsonValue {
 public:
  JsonValue() = default;  // absent

  [[nodiscard]] bool present() const { return reader_ != nullptr; }

  // Member of an object; absent if this is not an object, has no such member, or it is null.
  [[nodiscard]] JsonValue operator[](std::string_view key) const;

  // The value as that type; nullopt when absent. A value of another type poisons the document
  // (kMalformed, naming what was expected), except for the lenient ones.
  [[nodiscard]] std::optional<std::string_view> string() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<double> number() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::string> text() const;  // lenient: string, number or bool as text
  [[nodiscard]] std::optional<std::int64_t> integer_or_text() const;  // lenient: 5 or "5"

  // Elements of an array, members of an object; nothing when absent.
  void for_each(const std::function<void(JsonValue)>& f) const;
  void for_each_member(const std::function<void(std::string_view, JsonValue)>& f) const;

  // The raw JSON text of this value (unvalidated), for keeping or later parsing.
  [[nodiscard]] std::string_view raw() const;

 private:
  friend class JsonReader;
  JsonReader* reader_ = nullptr;
  alignas(8) std::byte storage_[64] = {};
};

class JsonReader {
 public:
  JsonReader();
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // The text must outlive the values. Absent (and finish() an error) if it does not start as JSON.
  [[nodiscard]] JsonValue parse(std::string_view text);
  // Ok if everything read so far was well-formed and, for whole documents, nothing trails the value.
  [[nodiscard]] Result<void> finish() const;
  // A decoder's own complaint ("metadata.name is missing"); the first one wins.
  void fail(std::string message);

 private:
  friend class JsonValue;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Builds JSON text in order; commas and escapes are its business. Used by --json outputs, the API,
// tapes and logs. Numbers print exactly (shortest round trip); NaN and infinities as strings.
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
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
  JsonWriter& value(bool flag);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // already JSON
  template <typename T>
  JsonWriter& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }
  [[nodiscard]] const std::string& text() const { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void separate();
  std::string out_;
  bool need_comma_ = false;
};

}  // namespace keelwatch
