// Whatever the bytes, reading every part of them stays inside the text, and what the writer makes
// of a text that was read is JSON again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace keelwatch {
namespace {

void copy(JsonValue value, JsonWriter& out) {
  switch (value.type()) {
    case JsonType::kObject:
      out.begin_object();
      value.for_each_member([&](std::string_view key, JsonValue member) {
        out.key(key);
        copy(member, out);
        (void)value[key].raw();
      });
      out.end_object();
      return;
    case JsonType::kArray:
      out.begin_array();
      value.for_each([&](JsonValue element) { copy(element, out); });
      out.end_array();
      return;
    case JsonType::kString:
      out.value(value.string().value_or(""));
      (void)value.integer_or_text();
      return;
    case JsonType::kNumber:
      out.raw(value.raw());
      (void)value.integer();
      (void)value.number();
      return;
    case JsonType::kBoolean:
      out.value(*value.boolean());
      return;
    case JsonType::kAbsent:
      out.null();
  }
}

}  // namespace
}  // namespace keelwatch

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static keelwatch::JsonReader reader;
  // An exact copy, so that the sanitizer sees a read beyond the end.
  const std::vector<char> text(data, data + size);
  const auto root = reader.parse({text.data(), text.size()});
  const bool well_formed = root.present() || reader.finish();
  keelwatch::JsonWriter out;
  keelwatch::copy(root, out);
  keelwatch::JsonReader second;
  (void)second.parse(out.text());
  if (well_formed && !second.finish()) std::abort();
  return 0;
}
