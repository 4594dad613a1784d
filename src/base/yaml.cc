#include "base/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "base/utf8.h"

namespace keelwatch {

struct YamlNode::Data {
  Kind kind = Kind::kNull;
  bool is_text = false;
  SourceSpan span;
  std::string text;
  std::vector<YamlNode> items;
  std::vector<Entry> entries;
  // Of the tree below, with aliases expanded.
  std::size_t nodes = 1;
  int height = 1;
};

namespace {

constexpr std::string_view kSyntax = "yaml";
constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

// Ends yaml-cpp's parse from within an event.
struct Stop {
  SourceSpan where;
  std::string problem;
  std::string remedy;
};

bool is_break_or_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Anchor and tag stand before a value; the value's own place is what people look for.
std::size_t skip_properties(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
    std::size_t next = at;
    while (next < text.size() && !is_break_or_blank(text[next])) ++next;
    while (next < text.size() && is_break_or_blank(text[next])) ++next;
    if (next == text.size()) break;
    at = next;
  }
  return at;
}

// How many bytes of its first line a scalar takes.
std::size_t scalar_length(std::string_view text, std::size_t at, std::string_view value) {
  if (at >= text.size()) return 1;
  const std::string_view rest = text.substr(at, text.find('\n', at) - at);
  if (rest.starts_with('"') || rest.starts_with('\'')) {
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] == '\\' && rest[0] == '"') {
        ++i;
      } else if (rest[i] == rest[0]) {
        return i + 1;
      }
    }
    return rest.size();
  }
  std::size_t same = 0;
  while (same < value.size() && same < rest.size() && rest[same] == value[same]) ++same;
  return same;
}

// Whether what stands at `at`, behind a document, can be another one. yaml-cpp also comes back with
// what it did not understand ("a: (b) )"), which must not pass as "the rest is ignored".
bool starts_document(std::string_view text, std::size_t at) {
  const std::size_t line = text.rfind('\n', at == 0 ? 0 : at - 1);
  const std::size_t begin = at > 0 && line != std::string_view::npos ? line + 1 : 0;
  if (at == begin && text.substr(at).starts_with("---")) return true;
  // "..." ends a document, and the next one may start without "---".
  std::string_view before = text.substr(0, begin);
  while (!before.empty()) {
    before.remove_suffix(1);
    const std::size_t start = before.rfind('\n');
    const std::string_view last = before.substr(start == std::string_view::npos ? 0 : start + 1);
    if (last.starts_with("...")) return true;
    const std::size_t content = last.find_first_not_of(" \t\r");
    if (content != std::string_view::npos && last[content] != '#') return false;
    if (start == std::string_view::npos) return false;
    before = before.substr(0, start + 1);
  }
  return false;
}

// Builds the tree of one document after the other.
class TreeBuilder final : public YAML::EventHandler {
 public:
  struct FurtherDocument {};  // thrown: there is one, and it is not asked for

  TreeBuilder(Diagnostics& problems, const YamlLimits& limits, bool first_only)
      : problems_(problems),
        text_(problems.source().text()),
        limits_(limits),
        first_only_(first_only) {}

  [[nodiscard]] YamlNode root() const { return YamlNode(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    const std::size_t at = offset(mark);
    if (previous_start_) {
      // The same token twice: yaml-cpp hands it out again and again when it cannot place it.
      if (at <= *previous_start_ || !starts_document(text_, at)) {
        throw Stop{span(mark), "something is left over behind the end of the value",
                   "check quotes, brackets and indentation here and in the line above"};
      }
      if (first_only_) {
        problems_.warning(problems_.source().span_at(at, 3), std::string(kSyntax),
                          "only the first document of a file counts, this one is ignored");
        throw FurtherDocument{};
      }
    }
    previous_start_ = at;
    anchors_.clear();
    root_.reset();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto data = start(YamlNode::Kind::kNull, mark);
    data->span.length = static_cast<int>(scalar_length(text_, offset(mark), "null"));
    data->span.length = std::max(data->span.length, 1);
    place(std::move(data), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const std::size_t at = skip_properties(text_, offset(mark));
    auto data = start(YamlNode::Kind::kScalar, mark);
    data->span = problems_.source().span_at(at, scalar_length(text_, at, value));
    data->is_text = tag == "!" || tag == kStringTag;
    data->text = value;
    place(std::move(data), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw Stop{span(mark), "an alias stands inside the value that it names", {}};
    }
    add(found->second, span(mark));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kSequence, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMapping, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  using DataPtr = std::shared_ptr<YamlNode::Data>;
  using ConstDataPtr = std::shared_ptr<const YamlNode::Data>;
  struct Open {
    DataPtr data;
    YAML::anchor_t anchor;
    ConstDataPtr key;                            // of a mapping: read, its value not yet
    std::vector<YamlNode> merged;                // values of "<<"
    std::unordered_map<std::string, int> lines;  // of the keys so far
  };

  [[nodiscard]] std::size_t offset(const YAML::Mark& mark) const {
    if (mark.pos < 0) return 0;
    return std::min(static_cast<std::size_t>(mark.pos), text_.size());
  }
  [[nodiscard]] SourceSpan span(const YAML::Mark& mark) const {
    return problems_.source().span_at(offset(mark));
  }

  DataPtr start(YamlNode::Kind kind, const YAML::Mark& mark) {
    auto data = std::make_shared<YamlNode::Data>();
    data->kind = kind;
    data->span = span(mark);
    return data;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (static_cast<int>(open_.size()) >= limits_.max_depth) too_deep(span(mark));
    open_.push_back({start(kind, mark), anchor, {}, {}, {}});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    merge(done);
    place(std::move(done.data), done.anchor);
  }

  void place(ConstDataPtr data, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_.insert_or_assign(anchor, data);
    add(data, data->span);
  }

  // A finished value into what is open; `where` is where it is used.
  void add(const ConstDataPtr& value, SourceSpan where) {
    if (open_.empty()) {
      root_ = value;
      return;
    }
    if (static_cast<int>(open_.size()) + value->height > limits_.max_depth + 1) too_deep(where);
    Open& parent = open_.back();
    parent.data->nodes += value->nodes;
    parent.data->height = std::max(parent.data->height, value->height + 1);
    std::size_t total = 0;
    for (const Open& open : open_) total += open.data->nodes;
    if (total > limits_.max_nodes) {
      throw Stop{
          where, fmt::format("more than {} values, aliases included", limits_.max_nodes), {}};
    }
    if (parent.data->kind == YamlNode::Kind::kSequence) {
      parent.data->items.emplace_back(value);
    } else if (!parent.key) {
      if (value->kind != YamlNode::Kind::kScalar) throw Stop{where, "a key must be a text", {}};
      parent.key = value;
    } else {
      add_entry(parent, YamlNode(std::exchange(parent.key, nullptr)), YamlNode(value));
    }
  }

  void add_entry(Open& mapping, const YamlNode& key, const YamlNode& value) {
    if (key.text() == "<<" && !key.is_text()) {
      mapping.merged.push_back(value);
      return;
    }
    const auto [known, is_new] = mapping.lines.emplace(key.text(), key.span().line);
    if (!is_new) {
      problems_.error(key.span(), std::string(kSyntax),
                      fmt::format("key {} is given twice, first in line {}", in_quotes(key.text()),
                                  known->second));
      return;
    }
    mapping.data->entries.push_back({key.text(), key.span(), value});
  }

  // https://yaml.org/type/merge.html: keys of the mapping itself win, then earlier ones.
  void merge(Open& mapping) {
    for (const YamlNode& source : mapping.merged) {
      const std::vector<YamlNode> one = {source};
      for (const YamlNode& from : source.is_sequence() ? source.items() : one) {
        if (!from.is_mapping()) {
          problems_.error(from.span(), std::string(kSyntax), "\"<<\" merges mappings only");
          continue;
        }
        for (const YamlNode::Entry& entry : from.entries()) {
          if (mapping.lines.emplace(entry.key, entry.key_span.line).second) {
            mapping.data->entries.push_back(entry);
          }
        }
      }
    }
  }

  [[noreturn]] void too_deep(SourceSpan where) const {
    throw Stop{where, fmt::format("nested deeper than {} levels", limits_.max_depth), {}};
  }

  Diagnostics& problems_;
  const std::string& text_;
  const YamlLimits& limits_;
  const bool first_only_;
  std::optional<std::size_t> previous_start_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, ConstDataPtr> anchors_;
  ConstDataPtr root_;
};

// What YAML forbids and yaml-cpp does not refuse: it takes the byte 0x04 for the end of the input,
// guesses UTF-16 from NULs, and replaces what is not UTF-8, which would move every later place.
bool check_characters(Diagnostics& problems) {
  const std::string& text = problems.source().text();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_sequence_length(std::string_view(text).substr(at));
    const auto c = static_cast<unsigned char>(text[at]);
    if (length == 0) {
      problems.error(problems.source().span_at(at), std::string(kSyntax), "not UTF-8 text");
      return false;
    }
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
      problems.error(problems.source().span_at(at), std::string(kSyntax),
                     fmt::format("control character 0x{:02x}", c));
      return false;
    }
    at += length;
  }
  return true;
}

// The documents of the text; nothing if they end in an error, which is then reported.
std::optional<std::vector<YamlNode>> read_documents(Diagnostics& problems, const YamlLimits& limits,
                                                    bool first_only) {
  const SourceFile source = problems.source();
  std::vector<YamlNode> documents;
  try {
    std::istringstream stream(source.text());
    YAML::Parser parser(stream);
    TreeBuilder builder(problems, limits, first_only);
    while (parser.HandleNextDocument(builder)) documents.push_back(builder.root());
  } catch (const TreeBuilder::FurtherDocument&) {
    return documents;
  } catch (const Stop& stop) {
    problems.error(stop.where, std::string(kSyntax), stop.problem, stop.remedy);
    return std::nullopt;
  } catch (const YAML::Exception& e) {
    const std::size_t end = source.text().size();
    const std::size_t at = e.mark.pos < 0 ? end : static_cast<std::size_t>(e.mark.pos);
    problems.error(source.span_at(at), std::string(kSyntax), e.msg);
    return std::nullopt;
  } catch (const std::exception& e) {
    problems.error({}, std::string(kSyntax), e.what());
    return std::nullopt;
  }
  return documents;
}

std::optional<std::vector<YamlNode>> parse_bounded(Diagnostics& problems, const YamlLimits& limits,
                                                   bool first_only) {
  if (problems.source().text().size() > limits.max_bytes) {
    problems.error({}, std::string(kSyntax), fmt::format("larger than {} bytes", limits.max_bytes));
    return std::nullopt;
  }
  if (!check_characters(problems)) return std::nullopt;
  return read_documents(problems, limits, first_only);
}

}  // namespace

YamlNode::YamlNode() {
  static const auto null = std::make_shared<const Data>();
  data_ = null;
}

YamlNode::Kind YamlNode::kind() const { return data_->kind; }
const std::string& YamlNode::text() const { return data_->text; }
bool YamlNode::is_text() const { return data_->is_text; }
const std::vector<YamlNode>& YamlNode::items() const { return data_->items; }
const std::vector<YamlNode::Entry>& YamlNode::entries() const { return data_->entries; }
SourceSpan YamlNode::span() const { return data_->span; }

const YamlNode::Entry* YamlNode::find(std::string_view key) const {
  for (const Entry& entry : data_->entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

YamlNode YamlNode::operator[](std::string_view key) const {
  const Entry* entry = find(key);
  return entry ? entry->value : YamlNode();
}

SourceSpan YamlNode::span_within(const SourceFile& source, std::size_t offset,
                                 std::size_t length) const {
  const std::string& text = source.text();
  const std::string& value = data_->text;
  if (!is_scalar() || offset > value.size()) return span();
  const auto skip_blank = [&](std::size_t at) {
    while (at < text.size() && is_break_or_blank(text[at])) ++at;
    return at;
  };
  std::size_t at = source.offset_of(span());
  std::size_t indentation = std::string::npos;  // of a block; elsewhere all of it is dropped
  const char style = data_->is_text && at < text.size() ? text[at] : '\0';
  if (style == '"' || style == '\'') {
    ++at;
  } else if (style == '|' || style == '>') {
    at = skip_blank(std::min(text.find('\n', at), text.size()));
    indentation = static_cast<std::size_t>(source.span_at(at).column) - 1;
  }
  // Source and value side by side. They differ in escapes, and at the ends of lines, where the
  // value holds a break, a space or nothing for the source's break and indentation.
  for (std::size_t i = 0; i < value.size() && at < text.size(); ++i) {
    if (text[at] != value[i] && is_break_or_blank(text[at])) {
      at = skip_blank(at);
      if (is_break_or_blank(value[i])) {
        if (i == offset) return source.span_at(at, length);
        continue;
      }
      if (at == text.size()) return span();
    }
    if (i == offset) return source.span_at(at, length);
    if (style == '"' && text[at] == '\\') {
      at += 2;
    } else if (text[at] != value[i]) {
      return span();
    } else {
      at += style == '\'' && value[i] == '\'' ? 2 : 1;
    }
    if (value[i] != '\n') continue;
    for (std::size_t n = 0; n < indentation && at < text.size() && text[at] == ' '; ++n) ++at;
  }
  return offset == value.size() ? source.span_at(at, length) : span();
}

std::optional<YamlNode> parse_yaml(Diagnostics& problems, const YamlLimits& limits) {
  const auto documents = parse_bounded(problems, limits, true);
  if (!documents) return std::nullopt;
  return documents->empty() ? YamlNode() : documents->front();
}

std::optional<std::vector<YamlNode>> parse_yaml_documents(Diagnostics& problems,
                                                          const YamlLimits& limits) {
  auto documents = parse_bounded(problems, limits, false);
  if (documents) std::erase_if(*documents, [](const YamlNode& node) { return node.is_null(); });
  return documents;
}

}  // namespace keelwatch
