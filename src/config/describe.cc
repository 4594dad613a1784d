#include "config/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "base/mapping_reader.h"
#include "base/time_text.h"
#include "config/settings.h"

namespace keelwatch::config {
namespace {

// A text as YAML that every reader takes for a text.
std::string yaml_text(std::string_view text) {
  static constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on",
                                                "off",  "null",  "y",   "n"};
  std::string lower;
  bool plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    lower += static_cast<char>(std::tolower(byte));
    plain = plain && byte < 0x80 &&
            (std::isalnum(byte) || c == '_' || c == '-' || c == '/' || c == '.');
  }
  plain = plain && (std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/');
  if (plain && std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords)) {
    return std::string(text);
  }
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string_view word(Switch s) {
  for (const auto& [text, value] : kSwitchWords) {
    if (value == s) return text;
  }
  return "auto";
}

std::string_view word(PgBouncerVia via) {
  for (const auto& [text, value] : kViaWords) {
    if (value == via) return text;
  }
  return "auto";
}

std::string_view word(RelabelAction action) {
  for (const auto& [text, value] : kRelabelWords) {
    if (value == action) return text;
  }
  return "replace";
}

// The value and the type of each kind of field.
template <typename Rule>
std::string show(const std::string& field, Rule) {
  return yaml_text(field);
}
std::string show(const std::vector<std::string>& field, TextList);
std::string show(const std::vector<std::string>& field, FilePatterns) {
  return show(field, TextList{});
}
std::string show(const std::vector<std::string>& field, TextList) {
  std::vector<std::string> texts;
  for (const std::string& text : field) texts.push_back(yaml_text(text));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}
std::string show(Switch field, SwitchWords) { return std::string(word(field)); }
std::string show(PgBouncerVia field, ViaWords) { return std::string(word(field)); }
std::string show(RelabelAction field, RelabelWords) { return std::string(word(field)); }
std::string show(bool field, MethodWords) { return field ? "POST" : "GET"; }
std::string show(const LabelPairs& field, Pairs) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : field) {
    texts.push_back(fmt::format("{}: {}", yaml_text(name), yaml_text(value)));
  }
  return fmt::format("{{{}}}", fmt::join(texts, ", "));
}
std::string show(double field, ByteCount) { return format_byte_size(field); }
std::string show(double field, Ratio) { return fmt::format("{}", field); }
std::string show(bool field, OnOff) { return field ? "on" : "off"; }
std::string show(Duration field, Between) { return format_duration(field); }
std::string show(Duration field, UtcOffset) { return yaml_text(format_utc_offset(field)); }
std::string show(int field, IntegerRange) { return fmt::format("{}", field); }
template <typename T, typename Rule>
std::string show(const std::optional<T>& field, Rule rule) {
  return field ? show(*field, rule) : std::string("null");
}

std::string type_of(AnyText) { return "text"; }
std::string type_of(SomeText) { return "text"; }
std::string type_of(RequiredText) { return "text, required"; }
std::string type_of(FileName) { return "file"; }
std::string type_of(OutputFile) { return "file"; }
std::string type_of(Pairs) { return "mapping of texts"; }
std::string type_of(RelabelWords) {
  std::vector<std::string_view> words;
  for (const auto& [text, action] : kRelabelWords) words.push_back(text);
  return fmt::format("{}", fmt::join(words, "|"));
}
std::string type_of(MethodWords) { return "GET|POST"; }
std::string type_of(TextList) { return "list of texts"; }
std::string type_of(FilePatterns) { return "list of files"; }
std::string type_of(ByteCount) { return "size"; }
std::string type_of(Ratio) { return "ratio, 0 to 1"; }
std::string type_of(OnOff) { return "on|off"; }
std::string type_of(Between b) {
  return fmt::format("duration, {} to {}", format_duration(b.min), format_duration(b.max));
}
std::string type_of(UtcOffset) { return "offset, -14:00 to +14:00"; }
std::string type_of(OneOf rule) { return fmt::format("{}", fmt::join(rule.words, "|")); }
std::string type_of(SwitchWords) { return "auto|on|off"; }
std::string type_of(ViaWords) { return "auto|console|metrics"; }
std::string type_of(IntegerRange r) { return fmt::format("integer, {} to {}", r.min, r.max); }

// The visitor that lists every setting.
struct Rows {
  std::vector<SettingRow>& out;
  std::string path;

  template <typename Field, typename Rule>
  void value(std::string_view key, Field& field, Rule rule, std::string_view doc) {
    const bool required = std::is_same_v<Rule, RequiredText>;
    out.push_back({path + std::string(key), type_of(rule), required ? "" : show(field, rule),
                   std::string(doc)});
  }
  template <typename Part>
  void section(std::string_view key, Part& part, std::string_view doc) {
    out.push_back({path + std::string(key), "section", "", std::string(doc)});
    Rows below{out, fmt::format("{}{}.", path, key)};
    visit_settings(below, part);
  }
  template <typename Item>
  void list(std::string_view key, std::vector<Item>&, const Item& prototype, std::string_view doc) {
    out.push_back({path + std::string(key), "list", "[]", std::string(doc)});
    Rows below{out, fmt::format("{}{}[].", path, key)};
    Item item = prototype;
    visit_settings(below, item);
  }
};

// The visitor that writes YAML.
class Printing {
 public:
  enum class Style {
    kExplained,     // the sentence in a line above
    kBare,          // items of lists: it would be said again and again
    kCommentedOut,  // what an item of an empty list may hold
  };

  Printing(std::string& out, std::string indentation, Style style)
      : out_(out), indentation_(std::move(indentation)), style_(style) {}

  template <typename Field, typename Rule>
  void value(std::string_view key, Field& field, Rule rule, std::string_view doc) {
    const bool to_fill_in = style_ == Style::kCommentedOut && std::is_same_v<Rule, RequiredText>;
    line(key, to_fill_in ? " REQUIRED" : " " + show(field, rule), doc);
  }

  template <typename Part>
  void section(std::string_view key, Part& part, std::string_view doc) {
    out_ += '\n';
    line(key, "", doc);
    Printing below(out_, indentation_ + "  ", style_);
    visit_settings(below, part);
  }

  template <typename Item>
  void list(std::string_view key, std::vector<Item>& items, const Item& prototype,
            std::string_view doc) {
    const bool example = items.empty() && style_ != Style::kBare;
    line(key, items.empty() && style_ != Style::kCommentedOut ? " []" : "", doc);
    for (Item& item : items) print_item(item, Style::kBare);
    Item item = prototype;
    if (example) print_item(item, Style::kCommentedOut);
  }

 private:
  template <typename Item>
  void print_item(Item& item, Style style) {
    std::string text;
    Printing below(text, indentation_ + "    ", style);
    visit_settings(below, item);
    text[below.prefix().size() - 2] = '-';  // in front of the first setting
    out_ += text;
  }

  [[nodiscard]] std::string prefix() const {
    return (style_ == Style::kCommentedOut ? "# " : "") + indentation_;
  }

  void line(std::string_view key, std::string_view value, std::string_view doc) {
    if (style_ == Style::kExplained) out_ += fmt::format("{}# {}\n", prefix(), doc);
    out_ += fmt::format("{}{}:{}", prefix(), key, value);
    if (style_ == Style::kCommentedOut) out_ += fmt::format("  # {}", doc);
    out_ += '\n';
  }

  std::string& out_;
  std::string indentation_;
  Style style_;
};

}  // namespace

std::vector<SettingRow> setting_rows() {
  std::vector<SettingRow> rows;
  Config config;
  Rows visitor{rows, ""};
  visit_settings(visitor, config);
  return rows;
}

std::string to_yaml(const Config& config) {
  std::string out;
  Config copy = config;  // visitors see fields that may be written
  Printing visitor(out, "", Printing::Style::kExplained);
  visit_settings(visitor, copy);
  return out;
}

std::string settings_markdown(std::string_view section) {
  std::string out = "| Setting | Type | Default | Meaning |\n|---|---|---|---|\n";
  for (const SettingRow& row : setting_rows()) {
    if (row.type == "section" || !row.path.starts_with(section)) continue;
    std::string type = row.type;
    for (std::size_t at = 0; (at = type.find('|', at)) != std::string::npos; at += 2) {
      type.insert(at, "\\");
    }
    out += fmt::format("| `{}` | {} | {} | {} |\n", row.path, type,
                       row.initial.empty() ? "" : fmt::format("`{}`", row.initial), row.doc);
  }
  return out;
}

std::string settings_json() {
  JsonWriter json;
  json.begin_array();
  for (const SettingRow& row : setting_rows()) {
    json.begin_object();
    json.member("name", row.path);
    json.member("type", row.type);
    json.member("default", row.initial);
    json.member("doc", row.doc);
    json.end_object();
  }
  json.end_array();
  return json.take() + '\n';
}

}  // namespace keelwatch::config
