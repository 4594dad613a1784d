// The only door to yaml-cpp. A file becomes a small immutable tree that knows where each of its
// parts stands, and problems become Diagnostics with those places.
//
//   Diagnostics problems(SourceFile(path, text));
//   const auto root = parse_yaml(problems);
//   if (!root) return problems.to_error();
//   const std::string& server = (*root)["cluster"]["server"].text();
//
// base/mapping_reader.h turns mappings into structs. Threads: a tree may be read from several.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diagnostics.h"

namespace keelwatch {

// One value of a file. A handle: copies are cheap and keep the tree alive.
class YamlNode {
 public:
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  struct Entry;
  struct Data;

  YamlNode();  // a null without a place
  explicit YamlNode(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  [[nodiscard]] Kind kind() const;
  [[nodiscard]] bool is_null() const { return kind() == Kind::kNull; }
  [[nodiscard]] bool is_scalar() const { return kind() == Kind::kScalar; }
  [[nodiscard]] bool is_sequence() const { return kind() == Kind::kSequence; }
  [[nodiscard]] bool is_mapping() const { return kind() == Kind::kMapping; }

  // Of a scalar its text; of anything else empty.
  [[nodiscard]] const std::string& text() const;
  // A scalar in quotes, in a block ("|", ">") or tagged !!str: a text, whatever it looks like.
  [[nodiscard]] bool is_text() const;
  // Items of a sequence, entries of a mapping in the file's order; of anything else empty.
  [[nodiscard]] const std::vector<YamlNode>& items() const;
  [[nodiscard]] const std::vector<Entry>& entries() const;
  // The entry of a mapping with that key; nullptr if there is none.
  [[nodiscard]] const Entry* find(std::string_view key) const;
  // The value of that entry; a null if there is none.
  [[nodiscard]] YamlNode operator[](std::string_view key) const;

  // Where it stands; of an alias, where the anchor's value stands.
  [[nodiscard]] SourceSpan span() const;
  // Where the bytes [offset, offset + length) of a scalar's text stand: also within quotes, blocks
  // and folded lines. The scalar's own place if they cannot be found.
  [[nodiscard]] SourceSpan span_within(const SourceFile& source, std::size_t offset,
                                       std::size_t length = 1) const;

 private:
  std::shared_ptr<const Data> data_;
};

struct YamlNode::Entry {
  std::string key;
  SourceSpan key_span;
  YamlNode value;
};

// Bounds against hostile files, held before yaml-cpp gets to its own.
struct YamlLimits {
  std::size_t max_bytes = std::size_t{4} << 20;
  int max_depth = 64;               // yaml-cpp recurses; aliases count with what they stand for
  std::size_t max_nodes = 200'000;  // with aliases expanded: "billion laughs" ends here
};

// The tree of problems.source()'s first document; a further one is a warning. Nothing if it is not
// YAML; the reason is then in `problems`. Repeated keys are errors there and the first one counts.
// An empty file is a null. "<<" merges mappings. Never throws what yaml-cpp throws.
[[nodiscard]] std::optional<YamlNode> parse_yaml(Diagnostics& problems,
                                                 const YamlLimits& limits = {});

// All documents of the file. Empty ones (comments only) are left out.
[[nodiscard]] std::optional<std::vector<YamlNode>> parse_yaml_documents(
    Diagnostics& problems, const YamlLimits& limits = {});

}  // namespace keelwatch
