#include "app/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "app/bundled_rules.h"
#include "app/evaluation_metrics.h"
#include "base/diagnostics.h"
#include "base/json.h"
#include "base/yaml.h"
#include "collectors/collector.h"
#include "config/describe.h"
#include "metrics/self.h"

namespace keelwatch::app {
namespace {

// A table with one header, printed in three ways.
struct Table {
  std::vector<std::string_view> header;
  std::vector<std::vector<std::string>> rows;
};

std::string markdown_cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// The first `code_columns` columns are names and stand in backquotes.
std::string as_markdown(const Table& table, std::size_t code_columns) {
  std::string out = fmt::format("| {} |\n|", fmt::join(table.header, " | "));
  for (std::size_t i = 0; i < table.header.size(); ++i) out += "---|";
  out += '\n';
  for (const auto& row : table.rows) {
    out += '|';
    for (std::size_t i = 0; i < row.size(); ++i) {
      const char* quote = i < code_columns && !row[i].empty() ? "`" : "";
      out += fmt::format(" {}{}{} |", quote, markdown_cell(row[i]), quote);
    }
    out += '\n';
  }
  return out;
}

// All columns but the last are padded; the last runs free.
std::string as_text(const Table& table) {
  std::vector<std::size_t> widths(table.header.size());
  for (std::size_t i = 0; i < widths.size(); ++i) {
    widths[i] = table.header[i].size();
    for (const auto& row : table.rows) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      out += fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    out += row.back() + "\n";
  }
  return out;
}

struct Alert {
  std::string name, file, severity, duration, summary, runbook_url;
};

void read_alerts(const std::string& file, const YamlNode& root, std::vector<Alert>& alerts) {
  for (const YamlNode& group : root["groups"].items()) {
    for (const YamlNode& rule : group["rules"].items()) {
      if (rule["alert"].is_null()) continue;
      alerts.push_back({rule["alert"].text(), file, rule["labels"]["severity"].text(),
                        rule["for"].is_null() ? "0s" : rule["for"].text(),
                        rule["annotations"]["summary"].text(),
                        rule["annotations"]["runbook_url"].text()});
    }
  }
}

Result<std::vector<Alert>> bundled_alerts() {
  std::vector<Alert> alerts;
  for (const SourceFile& file : bundled_rule_files()) {
    Diagnostics problems(file);
    const auto root = parse_yaml(problems);
    if (!root) return problems.to_error();
    read_alerts(file.name(), *root, alerts);
  }
  return alerts;
}

}  // namespace

std::vector<const metrics::Family*> described_families() {
  std::vector<const metrics::Family*> all = collectors::all_families();
  const auto self = metrics::SelfMetrics::families();
  all.insert(all.end(), self.begin(), self.end());
  std::ranges::move(evaluation_families(), std::back_inserter(all));
  return all;
}

std::string describe_metrics(DescribeFormat format) {
  if (format == DescribeFormat::kJson) {
    JsonWriter out;
    out.begin_array();
    for (const metrics::Family* family : described_families()) {
      out.begin_object();
      out.member("name", family->name());
      out.member("type", to_string(family->type()));
      out.key("labels").begin_array();
      for (const std::string_view label : family->labels()) out.value(label);
      out.end_array();
      out.member("help", family->help());
      out.end_object();
    }
    out.end_array();
    return out.take() + "\n";
  }
  Table table{{"Metric", "Type", "Labels", "Meaning"}, {}};
  for (const metrics::Family* family : described_families()) {
    table.rows.push_back({std::string(family->name()), std::string(to_string(family->type())),
                          fmt::format("{}", fmt::join(family->labels(), ", ")),
                          std::string(family->help())});
  }
  return format == DescribeFormat::kMarkdown ? as_markdown(table, 1) : as_text(table);
}

Result<std::string> describe_rules(DescribeFormat format) {
  const auto alerts = bundled_alerts();
  if (!alerts) return alerts.error();
  if (format == DescribeFormat::kJson) {
    JsonWriter out;
    out.begin_array();
    for (const Alert& alert : *alerts) {
      out.begin_object();
      out.member("alert", alert.name);
      out.member("file", alert.file);
      out.member("severity", alert.severity);
      out.member("for", alert.duration);
      out.member("summary", alert.summary);
      out.member("runbook_url", alert.runbook_url);
      out.end_object();
    }
    out.end_array();
    return out.take() + "\n";
  }
  Table table{{"Alert", "Severity", "For", "Says"}, {}};
  for (const Alert& alert : *alerts) {
    table.rows.push_back({alert.name, alert.severity, alert.duration, alert.summary});
  }
  return format == DescribeFormat::kMarkdown ? as_markdown(table, 1) : as_text(table);
}

std::string describe_config(DescribeFormat format) {
  switch (format) {
    case DescribeFormat::kJson:
      return config::settings_json();
    case DescribeFormat::kMarkdown:
      return config::settings_markdown();
    case DescribeFormat::kText:
      return config::to_yaml(config::Config{});
  }
  return {};
}

}  // namespace keelwatch::app
