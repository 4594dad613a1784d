// Any bytes: parsing must end, within its bounds, in a tree or in a problem; every place must lie
// in the text; and reading the tree as rule files and configurations are read must not fail.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/mapping_reader.h"
#include "base/yaml.h"

namespace {

using namespace keelwatch;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_span(const SourceFile& source, SourceSpan span) {
  check(span.line >= 1 && span.column >= 1 && span.length >= 1);
  check(source.span_at(source.offset_of(span), static_cast<std::size_t>(span.length)) == span);
}

void walk(const SourceFile& source, const YamlNode& node, int depth) {
  check(depth <= YamlLimits().max_depth + 1);
  check_span(source, node.span());
  const std::size_t size = node.text().size();
  for (const std::size_t offset : {std::size_t{0}, size / 2, size}) {
    check_span(source, node.span_within(source, offset));
  }
  for (const YamlNode& item : node.items()) walk(source, item, depth + 1);
  for (const YamlNode::Entry& entry : node.entries()) {
    check_span(source, entry.key_span);
    walk(source, entry.value, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Diagnostics problems(SourceFile("fuzz.yaml", text));
  const auto root = parse_yaml(problems);
  check(root.has_value() || problems.has_errors());
  if (root && !text.empty() && !root->is_null()) {
    walk(problems.source(), *root, 0);
    MappingReader map(*root, problems, "fuzz");
    Duration duration{};
    double number = 0;
    int integer = 0;
    bool flag = false;
    std::vector<std::string> texts;
    std::vector<std::pair<std::string, std::string>> labels;
    map.read("a", duration);
    map.read("b", number);
    map.read_bytes("c", number);
    map.read_integer("d", integer, {.min = 1, .max = 9});
    map.read("e", flag);
    map.read("f", texts);
    map.read("g", labels);
    map.finish();
  }
  (void)problems.text();

  Diagnostics again(SourceFile("fuzz.yaml", text));
  const auto documents = parse_yaml_documents(again);
  check(documents.has_value() || again.has_errors());
  return 0;
}
