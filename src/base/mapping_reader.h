// Mappings of a YAML file into structs, with every mistake reported where it stands.
//
//   MappingReader map(*root, problems);
//   map.read("interval", config.interval);
//   map.read_integer("port", config.port, {.min = 1, .max = 65535});
//   for (const YamlNode& item : map.list("clusters")) { MappingReader cluster(item, problems); ...
//   }
//   ...                                      // the destructors report the unknown keys
//   if (problems.has_errors()) return problems.to_error();
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/diagnostics.h"
#include "base/result.h"
#include "base/yaml.h"

namespace keelwatch {

struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

// "268435456", "256MiB", "1.5GiB", "10GB": KiB MiB GiB TiB are powers of 1024, kB MB GB TB of 1000.
[[nodiscard]] Result<double> parse_byte_size(std::string_view text);
// The shortest such text: "256MiB", "10GB", "1023".
[[nodiscard]] std::string format_byte_size(double bytes);

// Reads one mapping key by key. Every read*() makes its key known, and keys of the file that were
// never asked for are reported by finish() or the destructor, with the nearest known one. A read
// returns true if it set `out`; a key that is absent or null leaves `out` alone (null: "use the
// default"), and one of the wrong type is reported and leaves it alone too.
class MappingReader {
 public:
  // Problems are about `subject` ("alert X"); those of a key have `separator` and the key behind
  // it. A node that is neither mapping nor null is reported at once.
  MappingReader(YamlNode node, Diagnostics& problems, std::string subject = {},
                std::string separator = ": ");
  ~MappingReader() { finish(); }
  MappingReader(const MappingReader&) = delete;
  MappingReader& operator=(const MappingReader&) = delete;

  bool read(std::string_view key, std::string& out);  // any scalar, as it is written
  bool read(std::string_view key, bool& out);         // true, false
  bool read(std::string_view key, double& out);
  bool read(std::string_view key, Duration& out);                  // base/time_text.h
  bool read(std::string_view key, std::vector<std::string>& out);  // also one text
  // A mapping of texts (labels, annotations), in the file's order.
  bool read(std::string_view key, std::vector<std::pair<std::string, std::string>>& out);
  template <typename T>
  bool read(std::string_view key, std::optional<T>& out) {
    T value{};
    if (!read(key, value)) return false;
    out = std::move(value);
    return true;
  }
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  bool read_integer(std::string_view key, I& out, IntegerRange range = {}) {
    range.min = std::max<std::int64_t>(range.min, std::numeric_limits<I>::min());
    if constexpr (sizeof(I) < sizeof(std::int64_t) || std::is_signed_v<I>) {
      range.max = std::min<std::int64_t>(range.max, std::numeric_limits<I>::max());
    }
    std::int64_t value = 0;
    if (!read_int64(key, value, range)) return false;
    out = static_cast<I>(value);
    return true;
  }
  bool read_bytes(std::string_view key, double& out);  // parse_byte_size
  // One of the table's words. Of words for one value only the first is offered in a remedy.
  template <typename E>
  bool read_choice(std::string_view key, E& out,
                   std::span<const std::pair<std::string_view, E>> words) {
    std::vector<std::string_view> offered;
    for (std::size_t i = 0; i < words.size(); ++i) {
      bool first = true;
      for (std::size_t k = 0; k < i; ++k) first = first && words[k].second != words[i].second;
      if (first) offered.push_back(words[i].first);
    }
    const YamlNode* value = node(key);
    if (!value) return false;
    for (const auto& [word, meaning] : words) {
      if (!value->is_scalar() || value->text() != word) continue;
      out = meaning;
      return true;
    }
    refuse_word(key, *value, offered);
    return false;
  }

  // Whether the file has the key at all; does not make it known.
  [[nodiscard]] bool has(std::string_view key) const { return node_.find(key) != nullptr; }
  // The value as it is, for callers that look into it themselves; nullptr if absent or null.
  const YamlNode* node(std::string_view key);
  // The items of a sequence; empty if absent, null, or not a sequence (reported).
  const std::vector<YamlNode>& list(std::string_view key);
  // A key that must be there and not be null; reported at the mapping if it is not.
  bool require(std::string_view key);
  // Makes a key known that is read elsewhere, or on purpose not at all.
  void ignore(std::string_view key) { known_.emplace(key); }

  // Reports at the key's value; at the mapping if it has no such key.
  void error(std::string_view key, std::string problem, std::string remedy = {});
  void warning(std::string_view key, std::string problem, std::string remedy = {});
  [[nodiscard]] SourceSpan span(std::string_view key) const;
  [[nodiscard]] std::string subject(std::string_view key) const;

  // Reports the unknown keys; later calls do nothing.
  void finish();

 private:
  bool read_int64(std::string_view key, std::int64_t& out, IntegerRange range);
  void refuse_word(std::string_view key, const YamlNode& value,
                   std::span<const std::string_view> words);
  template <typename T, typename Convert>
  bool read_with(std::string_view key, T& out, Convert convert);

  YamlNode node_;
  Diagnostics& problems_;
  std::string subject_;
  std::string separator_;
  std::set<std::string, std::less<>> known_;
  bool finished_ = false;
};

}  // namespace keelwatch
