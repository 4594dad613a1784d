#include "rules/rule_file.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/file.h"
#include "base/mapping_reader.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "promql/engine.h"
#include "promql/parser.h"

namespace keelwatch::rules {
namespace {

constexpr std::string_view kApiVersion = "monitoring.coreos.com/v1";

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_sequence_length(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

// "1:10: problem\n  source\n  ^^^ remedy", as promql's errors are worded.
struct PlacedProblem {
  std::size_t offset = 0;
  std::string problem;
  std::string remedy;
};
PlacedProblem place_in(const std::string& expr, const std::string& message) {
  PlacedProblem placed;
  std::string_view rest = message;
  int numbers[2] = {0, 0};
  for (int& number : numbers) {
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const auto size = static_cast<std::size_t>(parsed.ptr - rest.data());
    if (parsed.ec != std::errc() || size >= rest.size() || rest[size] != ':') {
      placed.problem = message.substr(0, message.find('\n'));
      return placed;
    }
    rest.remove_prefix(size + 1);
  }
  for (int line = 1; line < numbers[0]; ++line) {
    placed.offset = std::min(expr.find('\n', placed.offset), expr.size() - 1) + 1;
  }
  placed.offset += static_cast<std::size_t>(std::max(0, numbers[1] - 1));
  rest.remove_prefix(std::min<std::size_t>(1, rest.size()));
  placed.problem = rest.substr(0, rest.find('\n'));
  const std::size_t caret = rest.rfind("^ ");
  if (caret != std::string_view::npos) {
    placed.remedy = rest.substr(caret + 2);
    while (!placed.remedy.empty() && placed.remedy.back() == '\n') placed.remedy.pop_back();
  }
  return placed;
}

class Reader {
 public:
  Reader(Diagnostics& problems, const RuleFileOptions& options)
      : problems_(problems), options_(options) {}

  std::vector<RuleGroup> run(const std::vector<YamlNode>& documents) {
    bool plain = false;
    for (const YamlNode& document : documents) {
      if (is_object(document)) {
        object(document);
      } else if (!plain) {
        plain = true;
        MappingReader map(document, problems_);
        groups(map);
        finish(map, document);
      }
    }
    return std::move(groups_);
  }

  static bool is_object(const YamlNode& document) {
    return document.find("kind") != nullptr && document.find("apiVersion") != nullptr;
  }

 private:
  void finish(MappingReader& map, const YamlNode& node) {
    if (!options_.ignore_unknown) return;
    for (const YamlNode::Entry& entry : node.entries()) map.ignore(entry.key);
  }

  void object(const YamlNode& document) {
    if (document["kind"].text() == "List") {
      for (const YamlNode& item : document["items"].items()) object(item);
      return;
    }
    if (document["kind"].text() != "PrometheusRule") return;  // others may stand in the same file
    if (document["apiVersion"].text() != kApiVersion) {
      problems_.error(document["apiVersion"].span(), "PrometheusRule: apiVersion",
                      fmt::format("{} is not known here", in_quotes(document["apiVersion"].text())),
                      fmt::format("write {}", kApiVersion));
    }
    const YamlNode spec = document["spec"];
    if (!spec.is_mapping()) {
      problems_.error(document.span(), "PrometheusRule", "required key \"spec\" is missing");
      return;
    }
    names_.clear();  // group names are unique within an object
    MappingReader map(spec, problems_, "spec");
    groups(map);
    finish(map, spec);
  }

  void groups(MappingReader& map) {
    for (const YamlNode& node : map.list("groups")) group(node);
  }

  void group(const YamlNode& node) {
    const std::string name = node["name"].text();
    MappingReader map(node, problems_, name.empty() ? "group" : "group " + name);
    RuleGroup group;
    group.file = problems_.source().name();
    group.where = map.span("name");
    if (map.require("name")) {
      map.read("name", group.name);
      if (group.name.empty()) {
        map.error("name", "must not be empty");
      } else if (!names_.insert(group.name).second) {
        map.error("name", fmt::format("a second group {} in this file", in_quotes(group.name)),
                  "group names are unique within a file");
      }
    }
    map.read("interval", group.interval);
    map.read("query_offset", group.query_offset);
    map.read_integer("limit", group.limit, {.min = 0});
    // Thanos' and the operator's; without a meaning here.
    map.ignore("partial_response_strategy");
    if (group.interval && *group.interval == Duration::zero()) group.interval.reset();
    std::vector<TemplatedText> labels;
    texts(map, "labels", map.subject("labels"), true, labels);
    for (const YamlNode& item : map.list("rules")) rule(item, labels, group);
    finish(map, node);
    groups_.push_back(std::move(group));
  }

  void rule(const YamlNode& node, const std::vector<TemplatedText>& shared, RuleGroup& group) {
    Rule rule;
    const bool alert = node.find("alert") != nullptr;
    const bool record = node.find("record") != nullptr;
    rule.kind = record && !alert ? Rule::Kind::kRecording : Rule::Kind::kAlerting;
    rule.name = node[alert ? "alert" : "record"].text();
    const std::string in_group = fmt::format("group {}: ", group.name);
    const std::string subject = rule.name.empty()
                                    ? fmt::format("{}rule {}", in_group, group.rules.size() + 1)
                                    : (options_.name_groups ? in_group : "") + rule.subject();
    MappingReader map(node, problems_, subject);
    map.ignore("alert");
    map.ignore("record");
    if (alert && record) {
      map.error("record", "a rule is either an alert or a record, not both");
    } else if (rule.name.empty()) {
      problems_.error(node.span(), subject, "one of \"alert\" and \"record\" is required");
    }
    rule.where = map.span(alert ? "alert" : "record");
    if (record) record_name(rule, map);
    expression(rule, map);
    durations(rule, map);
    const bool alerting = rule.kind == Rule::Kind::kAlerting;
    texts(map, "labels", map.subject("labels"), true, rule.labels, alerting);
    texts(map, "annotations", map.subject("annotations"), false, rule.annotations, alerting);
    if (!alerting && map.has("annotations")) {
      map.error("annotations", "a recording rule has no annotations");
    }
    inherit(shared, rule.labels);
    finish(map, node);
    group.rules.push_back(std::move(rule));
  }

  void record_name(const Rule& rule, MappingReader& map) {
    if (rule.name.empty()) return;
    if (rule.name.find_first_of("{}") != std::string::npos) {
      map.error("record", "braces are not part of a metric's name",
                "labels belong under \"labels\"");
    } else if (!is_utf8(rule.name)) {
      map.error("record", "not a valid metric name: it is no UTF-8");
    }
  }

  void durations(Rule& rule, MappingReader& map) {
    map.read("for", rule.hold);
    map.read("keep_firing_for", rule.keep_firing_for);
    if (map.has("for")) rule.hold_where = map.span("for");
    if (rule.kind == Rule::Kind::kAlerting) return;
    for (const char* key : {"for", "keep_firing_for"}) {
      if (map.has(key)) map.error(key, "a recording rule has no such key");
    }
  }

  void expression(Rule& rule, MappingReader& map) {
    if (!map.require("expr") || !map.read("expr", rule.expr)) return;
    rule.expr_node = *map.node("expr");
    const auto report = [&](std::size_t offset, std::size_t length, const std::string& problem,
                            const std::string& remedy) {
      problems_.error(rule.expr_node.span_within(problems_.source(), offset, length),
                      map.subject("expr"), problem, remedy);
    };
    if (rule.expr.empty()) return map.error("expr", "must not be empty");
    const promql::Parsed parsed = promql::parse_expression(rule.expr);
    if (!parsed.expr) {
      const promql::Span span = parsed.error.span;
      return report(span.begin, std::max<std::size_t>(1, span.end - span.begin),
                    parsed.error.problem, parsed.error.remedy);
    }
    const promql::ValueType type = parsed.expr->type;
    if (type != promql::ValueType::kVector && type != promql::ValueType::kScalar) {
      return report(0, 1,
                    fmt::format("gives a {}, a rule needs an instant vector or a scalar",
                                promql::to_string(type)),
                    "");
    }
    const Result<promql::Query> query = promql::Query::compile(rule.expr);
    if (query) return;
    const PlacedProblem placed = place_in(rule.expr, query.error().message());
    report(placed.offset, 1, placed.problem, placed.remedy);
  }

  // Labels or annotations.
  void texts(MappingReader& map, const char* key, const std::string& subject, bool labels,
             std::vector<TemplatedText>& out, bool templates = true) {
    const YamlNode* node = map.node(key);
    if (node == nullptr) return;
    std::vector<std::pair<std::string, std::string>> pairs;
    if (!map.read(key, pairs)) return;
    for (const YamlNode::Entry& entry : node->entries()) {
      const std::string name = fmt::format("{}: {}", subject, entry.key);
      if (entry.key.empty() || !is_utf8(entry.key) || (labels && entry.key == kMetricName)) {
        problems_.error(entry.key_span, subject,
                        fmt::format("{} is not a valid name here", in_quotes(entry.key)));
        continue;
      }
      if (!is_utf8(entry.value.text())) {
        problems_.error(entry.value.span(), name, "is not valid UTF-8");
        continue;
      }
      out.push_back({entry.key, templated(entry, name, templates), entry.value.span()});
    }
    std::sort(out.begin(), out.end(),
              [](const TemplatedText& a, const TemplatedText& b) { return a.name < b.name; });
  }

  Template templated(const YamlNode::Entry& entry, const std::string& subject, bool templates) {
    const std::string& text = entry.value.text();
    if (!templates) return Template::of_text(text);
    Template::Parsed parsed = Template::parse(text);
    if (parsed.value) return *std::move(parsed.value);
    const TemplateError& error = parsed.error;
    problems_.error(entry.value.span_within(problems_.source(), error.offset, error.length),
                    subject, error.problem, error.remedy);
    return {};
  }

  static void inherit(const std::vector<TemplatedText>& shared, std::vector<TemplatedText>& own) {
    for (const TemplatedText& label : shared) {
      const bool known = std::any_of(own.begin(), own.end(), [&](const TemplatedText& mine) {
        return mine.name == label.name;
      });
      if (!known) own.push_back(label);
    }
    std::sort(own.begin(), own.end(),
              [](const TemplatedText& a, const TemplatedText& b) { return a.name < b.name; });
  }

  Diagnostics& problems_;
  const RuleFileOptions& options_;
  std::set<std::string> names_;
  std::vector<RuleGroup> groups_;
};

}  // namespace

std::string Rule::subject() const {
  return (kind == Kind::kAlerting ? "alert " : "record ") + name;
}

std::optional<RuleFile> parse_rule_file(Diagnostics& problems, const RuleFileOptions& options) {
  const auto documents = parse_yaml_documents(problems);
  if (!documents) return std::nullopt;
  if (documents->size() > 1 && !Reader::is_object(documents->front())) {
    problems.warning((*documents)[1].span(), "", "only the first document of a rule file counts",
                     "write all groups into one");
  }
  RuleFile file{problems.source(), Reader(problems, options).run(*documents)};
  if (problems.has_errors()) return std::nullopt;
  return file;
}

std::vector<std::string> expand_globs(const std::vector<std::string>& patterns) {
  std::vector<std::string> files;
  for (const std::string& pattern : patterns) {
    glob_t found{};
    if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
    } else {
      files.push_back(pattern);
    }
    globfree(&found);
  }
  std::set<std::string> seen;
  std::erase_if(files, [&](const std::string& file) { return !seen.insert(file).second; });
  return files;
}

void load_rule_file(SourceFile source, LoadedRules& loaded, const RuleFileOptions& options) {
  Diagnostics problems(std::move(source));
  std::optional<RuleFile> file = parse_rule_file(problems, options);
  loaded.problems += problems.text();
  loaded.errors += problems.errors();
  loaded.warnings += problems.warnings();
  if (file) loaded.files.push_back(*std::move(file));
}

LoadedRules load_rule_files(const std::vector<std::string>& paths, const RuleFileOptions& options) {
  LoadedRules loaded;
  for (const std::string& path : paths) {
    const Result<std::string> text = read_file(path, kMaxRuleFile);
    if (!text) {
      loaded.problems += text.error().message() + "\n";
      ++loaded.errors;
      continue;
    }
    load_rule_file(SourceFile(path, *text), loaded, options);
  }
  return loaded;
}

}  // namespace keelwatch::rules
