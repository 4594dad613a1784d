// Any text is a rule file or is refused with reasons that have their place.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rules/lint.h"
#include "rules/rule_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  Diagnostics problems(
      SourceFile("fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)));
  const std::optional<rules::RuleFile> file = rules::parse_rule_file(problems);
  if (file.has_value() == problems.has_errors()) std::abort();
  if (file) rules::lint(*file, {}, {}, problems);
  static_cast<void>(problems.text());
  return 0;
}
