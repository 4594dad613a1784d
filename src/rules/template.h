// Go's text/template as rules use it, with Prometheus' functions (template/template.go,
// https://prometheus.io/docs/prometheus/latest/configuration/template_reference/): variables,
// pipelines, if, with, range, comparison and logic, printf as Go's fmt. Labels and annotations of
// alerts are such texts.
//
//   const auto parsed = Template::parse("{{ $labels.pod }} is {{ $value | humanize }}");
//   parsed.value->expand(data, environment)
//
// define, block and template are refused: nothing in a rule can be shared by them. A Template is
// immutable and may be used by several threads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/result.h"
#include "promql/value.h"

namespace keelwatch::rules {

struct TemplateNode;
struct TemplateFunction;

// What the text refers to: $labels, $value, $externalLabels, $externalURL.
struct TemplateData {
  Labels labels;  // of the expression's result, with __name__
  double value = 0;
  Labels external_labels;
  std::string external_url;
};

// What the functions need. query may be empty: it then fails as a refused expression does.
struct TemplateEnvironment {
  std::string name;  // of the template, for messages: "__alert_" + the alert's
  std::function<Result<std::vector<promql::VectorSample>>(const std::string& expr)> query;
  std::int64_t at_ms = 0;  // now()
};

// What is wrong with a text and where (bytes of the text).
struct TemplateError {
  std::size_t offset = 0;
  std::size_t length = 1;
  std::string problem;
  std::string remedy;
};

// A label that a text asks for by name ($labels.pod, .Labels.pod, index $labels "pod"), and where.
struct TemplateLabel {
  std::string name;
  std::size_t offset = 0;
};

class Template {
 public:
  // Bounds: of a text, of what it becomes, and of the work for it.
  static constexpr std::size_t kMaxText = 64 * 1024;
  static constexpr std::size_t kMaxOutput = 64 * 1024;
  static constexpr std::size_t kMaxSteps = 100'000;
  static constexpr std::size_t kMaxQueries = 50;

  struct Parsed;
  [[nodiscard]] static Parsed parse(std::string_view text);

  // A text that stands for itself, whatever is in it: a recording rule's label.
  [[nodiscard]] static Template of_text(std::string_view text);

  // Errors: kInvalid, Prometheus' message ("error executing template __alert_A: template: ..."),
  // and kTooLarge. Never throws.
  [[nodiscard]] Result<std::string> expand(const TemplateData& data,
                                           const TemplateEnvironment& environment) const;

  // Without any action: expands to itself.
  [[nodiscard]] bool literal() const { return nodes_ == nullptr; }
  [[nodiscard]] const std::string& text() const { return text_; }
  // Of the labels that are asked for by a constant name.
  [[nodiscard]] const std::vector<TemplateLabel>& labels() const { return labels_; }
  [[nodiscard]] bool uses_value() const { return uses_value_; }

 private:
  std::string text_;
  std::shared_ptr<const std::vector<TemplateNode>> nodes_;
  std::vector<TemplateLabel> labels_;
  bool uses_value_ = false;
};

// Either the template or what is wrong.
struct Template::Parsed {
  std::optional<Template> value;
  TemplateError error;
};

}  // namespace keelwatch::rules
