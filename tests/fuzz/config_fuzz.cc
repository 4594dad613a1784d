// Any bytes as a configuration: loading must end in a Config or in errors, and a Config must print
// as a file that reads back as the same one.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "config/describe.h"
#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const config::Loaded loaded = config::load(SourceFile("fuzz.yaml", text), "/nonexistent");
  if (loaded.config.has_value() == loaded.problems.has_errors()) std::abort();
  (void)loaded.problems.text();
  if (!loaded.config) return 0;
  const std::string printed = config::to_yaml(*loaded.config);
  const config::Loaded again = config::load(SourceFile("printed.yaml", printed), "/nonexistent");
  if (!again.config || *again.config != *loaded.config) {
    std::fprintf(stderr, "%s\n%s\n", printed.c_str(), again.problems.text().c_str());
    std::abort();
  }
  return 0;
}
