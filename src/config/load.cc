#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "base/mapping_reader.h"
#include "base/time_text.h"
#include "base/yaml.h"
#include "config/check.h"
#include "config/limits.h"
#include "config/settings.h"

namespace keelwatch::config {
namespace {

// The visitor that fills in one mapping.
class Reading {
 public:
  Reading(MappingReader& map, Diagnostics& problems, const std::string& folder, std::string path)
      : map_(map), problems_(problems), folder_(folder), path_(std::move(path)) {}

  void value(std::string_view key, std::string& field, AnyText, std::string_view) {
    read_text(key, field);
  }
  void value(std::string_view key, std::string& field, SomeText, std::string_view) {
    if (read_text(key, field) && field.empty()) map_.error(key, "must not be empty");
  }
  void value(std::string_view key, std::string& field, RequiredText, std::string_view doc) {
    if (map_.require(key)) value(key, field, SomeText{}, doc);
  }
  void value(std::string_view key, std::string& field, OutputFile, std::string_view) {
    if (read_text(key, field)) field = completed(field);
  }
  void value(std::string_view key, std::string& field, FileName, std::string_view doc) {
    value(key, field, OutputFile{}, doc);
    if (field.empty() || !map_.node(key)) return;
    std::error_code error;
    const auto status = std::filesystem::status(field, error);
    if (std::filesystem::is_regular_file(status)) return;
    if (status.type() == std::filesystem::file_type::not_found) {
      map_.warning(key, fmt::format("{} does not exist", in_quotes(field)),
                   "it is read as soon as it is there");
    } else {
      map_.warning(key, fmt::format("{} cannot be read as a file", in_quotes(field)));
    }
  }
  void value(std::string_view key, std::string& field, OneOf rule, std::string_view) {
    std::vector<std::pair<std::string_view, std::string_view>> words;
    for (const std::string_view word : rule.words) words.emplace_back(word, word);
    std::string_view word;
    if (map_.read_choice<std::string_view>(key, word, words)) field = word;
  }
  void value(std::string_view key, std::vector<std::string>& field, TextList, std::string_view) {
    if (!map_.read(key, field)) return;
    for (const std::string& text : field) {
      if (text.empty() || has_control(text))
        map_.error(key, fmt::format("{} is not a name", in_quotes(text)));
    }
  }
  void value(std::string_view key, std::vector<std::string>& field, FilePatterns,
             std::string_view doc) {
    value(key, field, TextList{}, doc);
    for (std::string& pattern : field) pattern = completed(pattern);
  }
  void value(std::string_view key, Switch& field, SwitchWords, std::string_view) {
    map_.read_choice<Switch>(key, field, kSwitchWords);
  }
  void value(std::string_view key, PgBouncerVia& field, ViaWords, std::string_view) {
    map_.read_choice<PgBouncerVia>(key, field, kViaWords);
  }
  void value(std::string_view key, RelabelAction& field, RelabelWords, std::string_view) {
    map_.read_choice<RelabelAction>(key, field, kRelabelWords);
  }
  void value(std::string_view key, bool& field, MethodWords, std::string_view) {
    map_.read_choice<bool>(key, field, kMethodWords);
  }
  void value(std::string_view key, LabelPairs& field, Pairs, std::string_view) {
    map_.read(key, field);
  }
  void value(std::string_view key, double& field, ByteCount, std::string_view) {
    if (map_.read_bytes(key, field) && field <= 0) map_.error(key, "must be more than zero");
  }
  void value(std::string_view key, double& field, Ratio, std::string_view) {
    double read = 0;
    if (!map_.read(key, read)) return;
    if (read >= 0 && read <= 1) {
      field = read;
      return;
    }
    map_.error(key, "must be between 0 and 1", "0.1 is a tenth");
  }
  void value(std::string_view key, bool& field, OnOff, std::string_view) {
    map_.read_choice<bool>(key, field, kOnOffWords);
  }
  void value(std::string_view key, Duration& field, Between rule, std::string_view) {
    Duration read{};
    if (!map_.read(key, read)) return;
    if (read >= rule.min && read <= rule.max) {
      field = read;
      return;
    }
    map_.error(key, fmt::format("{} is out of range", format_duration(read)),
               fmt::format("from {} to {}", format_duration(rule.min), format_duration(rule.max)));
  }
  void value(std::string_view key, Duration& field, UtcOffset, std::string_view) {
    std::string text;
    if (!read_text(key, text)) return;
    const Result<Duration> offset = parse_utc_offset(text);
    if (offset) {
      field = *offset;
    } else {
      map_.error(key, fmt::format("{} is not an offset from UTC", in_quotes(text)),
                 "write it like +02:00, or UTC");
    }
  }
  void value(std::string_view key, int& field, IntegerRange rule, std::string_view) {
    map_.read_integer(key, field, rule);
  }
  template <typename T, typename Rule>
  void value(std::string_view key, std::optional<T>& field, Rule rule, std::string_view doc) {
    T read{};
    value(key, read, rule, doc);
    if (map_.node(key)) field = std::move(read);
  }

  template <typename Part>
  void section(std::string_view key, Part& part, std::string_view) {
    const YamlNode* node = map_.node(key);
    if (node) read_part(*node, part, path_ + std::string(key));
  }

  template <typename Item>
  void list(std::string_view key, std::vector<Item>& items, const Item& prototype,
            std::string_view) {
    std::map<std::string, int> lines;
    for (const YamlNode& node : map_.list(key)) {
      Item item = prototype;
      const std::string path = fmt::format("{}{}[{}]", path_, key, items.size());
      read_part(node, item, path);
      const std::string id = identity(item);
      const auto [known, is_new] = lines.emplace(id, node.span().line);
      if (!id.empty() && !is_new) {
        problems_.error(node.span(), path,
                        fmt::format("is the same as the one in line {}", known->second));
      }
      items.push_back(std::move(item));
    }
  }

 private:
  static bool has_control(const std::string& text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  }

  [[nodiscard]] std::string completed(const std::string& name) const {
    const std::filesystem::path path(name);
    if (name.empty() || path.is_absolute() || folder_.empty()) return name;
    return (folder_ / path).lexically_normal();
  }

  bool read_text(std::string_view key, std::string& field) {
    if (!map_.read(key, field)) return false;
    if (!has_control(field)) return true;
    map_.error(key, "must not contain control characters or line breaks");
    return false;
  }

  template <typename Part>
  void read_part(const YamlNode& node, Part& part, const std::string& path) {
    MappingReader map(node, problems_, path, ".");
    if (!node.is_mapping() && !node.is_null()) return;
    Reading reading(map, problems_, folder_, path + '.');
    visit_settings(reading, part);
    check(part, map, problems_);
  }

  MappingReader& map_;
  Diagnostics& problems_;
  std::filesystem::path folder_;
  std::string path_;
};

// Contradictions between sections.
void check_whole(const Config& config, const YamlNode& root, Diagnostics& problems) {
  if (config.kubernetes.enabled != Switch::kOff) return;
  const YamlNode poolers = root["pgbouncer"]["poolers"];
  for (std::size_t i = 0; i < config.pgbouncer.poolers.size(); ++i) {
    if (!config.pgbouncer.poolers[i].instances.empty()) continue;
    problems.error(poolers.items()[i].span(), fmt::format("pgbouncer.poolers[{}]", i),
                   "has no instances, and none can be discovered while kubernetes.enabled is off",
                   "list its instances");
  }
  const YamlNode clusters = root["postgres"]["clusters"];
  for (std::size_t i = 0; i < config.postgres.clusters.size(); ++i) {
    if (!config.postgres.clusters[i].instances.empty()) continue;
    problems.error(clusters.items()[i].span(), fmt::format("postgres.clusters[{}]", i),
                   "has no instances, and none can be discovered while kubernetes.enabled is off",
                   "list its instances");
  }
}

// The visitor that gathers file names.
struct FileNames {
  std::vector<std::string>& out;

  void value(std::string_view, std::string& field, FileName, std::string_view) {
    if (!field.empty()) out.push_back(field);
  }
  template <typename Field, typename Rule>
  void value(std::string_view, Field&, Rule, std::string_view) {}
  template <typename Part>
  void section(std::string_view, Part& part, std::string_view) {
    visit_settings(*this, part);
  }
  template <typename Item>
  void list(std::string_view, std::vector<Item>& items, const Item&, std::string_view) {
    for (Item& item : items) visit_settings(*this, item);
  }
};

std::string count(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string verdict(const Diagnostics& problems) {
  if (!problems.has_errors() && problems.warnings() == 0) return "ok";
  if (!problems.has_errors()) return "ok, " + count(problems.warnings(), "warning");
  std::string text = count(problems.errors(), "error");
  if (problems.warnings() > 0) text += ", " + count(problems.warnings(), "warning");
  return text;
}

std::string to_json(const Diagnostics& problems) {
  JsonWriter json;
  json.begin_array();
  for (const Diagnostic& d : problems.all()) {
    json.begin_object();
    json.member("file", d.file);
    json.member("line", d.where.line);
    json.member("column", d.where.column);
    json.member("severity", to_string(d.severity));
    json.member("subject", d.subject);
    json.member("problem", d.problem);
    json.member("remedy", d.remedy);
    json.end_object();
  }
  json.end_array();
  return json.take() + '\n';
}

}  // namespace

Loaded load(const SourceFile& source, const std::string& folder) {
  Loaded loaded{std::nullopt, Diagnostics(source)};
  const auto root = parse_yaml(loaded.problems, {.max_bytes = limits::kConfigBytes});
  if (!root) return loaded;
  Config config;
  {
    MappingReader map(*root, loaded.problems, "", ".");
    Reading reading(map, loaded.problems, folder, "");
    visit_settings(reading, config);
  }
  check_whole(config, *root, loaded.problems);
  if (!loaded.problems.has_errors()) loaded.config = std::move(config);
  return loaded;
}

Loaded load_file(const std::string& path) {
  const auto text = read_file(path, limits::kConfigBytes);
  if (!text) {
    Loaded loaded{std::nullopt, Diagnostics(SourceFile(path, ""))};
    std::string_view message = text.error().message();
    if (message.starts_with(path)) message.remove_prefix(path.size() + 2);  // it is said already
    loaded.problems.error({}, "", fmt::format("cannot be read: {}", message));
    return loaded;
  }
  return load(SourceFile(path, *text), std::filesystem::path(path).parent_path());
}

std::vector<std::string> files_of(const Config& config) {
  std::vector<std::string> files;
  FileNames names{files};
  Config copy = config;  // visitors see fields that may be written
  visit_settings(names, copy);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

CheckResult check_file(const std::string& path, bool json) {
  return report_of(path, load_file(path), json);
}

CheckResult report_of(const std::string& path, const Loaded& loaded, bool json) {
  CheckResult result;
  result.exit_code = loaded.problems.has_errors() ? 1 : 0;
  result.text =
      json ? to_json(loaded.problems)
           : fmt::format("{}{}: {}\n", loaded.problems.text(), path, verdict(loaded.problems));
  return result;
}

}  // namespace keelwatch::config
