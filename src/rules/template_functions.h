// The functions of templates: Go's own and Prometheus'. One table. Not for use from outside rules/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rules/template_value.h"

namespace keelwatch::rules {

// What an argument must be. kAny takes everything.
enum class TemplateType { kAny, kString, kSample, kSamples };

// Counts what an expansion costs; functions that read or make long texts charge them.
struct TemplateWork {
  const TemplateEnvironment& environment;
  const TemplateData& data;
  std::size_t steps = 0;
  std::size_t bytes = 0;
  std::size_t queries = 0;
};

struct TemplateFunction {
  std::string_view name;
  std::vector<TemplateType> arguments;
  bool variadic = false;  // the last one may be missing or repeated
  Result<TemplateValue> (*run)(std::vector<TemplateValue>& arguments, TemplateWork& work);
};

[[nodiscard]] const TemplateFunction* find_template_function(std::string_view name);
[[nodiscard]] std::span<const std::string_view> template_function_names();

}  // namespace keelwatch::rules
