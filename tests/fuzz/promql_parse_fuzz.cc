// Any text parses or is refused; what parses is printed and reads back as the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "promql/parser.h"
#include "promql/printer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<promql::ExprPtr> first = promql::parse(text);
  if (!first) return 0;
  const std::string printed = promql::print(**first);
  const Result<promql::ExprPtr> second = promql::parse(printed);
  if (!second || promql::print(**second) != printed) std::abort();
  return 0;
}
