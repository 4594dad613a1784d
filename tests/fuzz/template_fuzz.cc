// Any text parses or is refused, and what parses expands or fails within its bounds.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rules/template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const rules::Template::Parsed parsed = rules::Template::parse(text);
  if (parsed.value.has_value() != parsed.error.problem.empty()) std::abort();
  if (!parsed.value) {
    if (parsed.error.offset > size) std::abort();
    return 0;
  }
  rules::TemplateData values;
  values.labels = Labels{{"__name__", "x"}, {"pod", "pg-1"}};
  values.value = 1234.5;
  rules::TemplateEnvironment environment;
  environment.name = "__alert_A";
  environment.query = [](const std::string& expr) -> Result<std::vector<promql::VectorSample>> {
    if (expr.empty()) return Error(ErrorCode::kInvalid, "empty");
    return std::vector<promql::VectorSample>{{std::make_shared<const Labels>(), 0, 1}};
  };
  const Result<std::string> out = parsed.value->expand(values, environment);
  if (out && out->size() > rules::Template::kMaxOutput) std::abort();
  return 0;
}
