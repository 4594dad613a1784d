// Any text is a WAL position or is not; one that is survives being written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/postgres.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch::model;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::optional<Lsn> lsn = parse_lsn(text);
  if (lsn && parse_lsn(to_string(*lsn)) != lsn) std::abort();
  return 0;
}
