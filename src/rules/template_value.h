// What a template computes with, and how Go prints it. Not for use from outside rules/.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/template.h"

namespace keelwatch::rules {

struct TemplateValue;

// One sample of a query, as Prometheus' template.sample.
struct TemplateSample {
  std::map<std::string, std::string> labels;
  double value = 0;
};
using TemplateSamplePtr = std::shared_ptr<const TemplateSample>;

struct TemplateTime {
  std::int64_t unix_ms = 0;
};
struct TemplateDuration {
  std::int64_t nanoseconds = 0;
};

using TemplateLabels = std::shared_ptr<const std::map<std::string, std::string>>;
using TemplateSamples = std::shared_ptr<const std::vector<TemplateSamplePtr>>;
using TemplateArgs = std::shared_ptr<const std::map<std::string, TemplateValue>>;

struct TemplateValue {
  struct Nothing {};  // Go's invalid value: a missing key, nil
  struct Root {       // the "." of the whole text
    const TemplateData* data;
  };
  std::variant<Nothing, bool, std::int64_t, double, std::string, TemplateLabels, TemplateSamplePtr,
               TemplateSamples, TemplateArgs, TemplateTime, TemplateDuration, Root>
      value;

  template <typename T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&value);
  }
};

// Go's name of the type: "float64", "map[string]string".
[[nodiscard]] std::string_view type_name(const TemplateValue& value);
// Whether an if takes its branch.
[[nodiscard]] bool is_true(const TemplateValue& value);

// Go's %v, the form in which a pipeline's value is printed.
[[nodiscard]] std::string go_text(const TemplateValue& value);
// strconv.FormatFloat(v, 'g', -1, 64) with fmt's "+Inf".
[[nodiscard]] std::string go_float(double value);
// fmt.Sprintf("%.4g", v)
[[nodiscard]] std::string four_digits(double value);
// fmt.Sprint and fmt.Sprintf.
[[nodiscard]] std::string go_print(const std::vector<TemplateValue>& values);
[[nodiscard]] std::string go_printf(std::string_view format,
                                    const std::vector<TemplateValue>& values);
// time.Time.String() in UTC, and time.Duration.String().
[[nodiscard]] std::string go_time(TemplateTime time);
[[nodiscard]] std::string go_duration(TemplateDuration duration);
// time.Time.Format with Go's reference time as layout.
[[nodiscard]] std::string go_time_format(TemplateTime time, std::string_view layout);

}  // namespace keelwatch::rules
