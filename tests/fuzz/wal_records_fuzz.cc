// For arbitrary bytes as a segment: however they are cut into pieces, the verdict is the same, and
// what is proven lies within the segment.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sources/object_store/wal_records.h"

namespace keelwatch::sources {
namespace {

constexpr std::int64_t kBytes = std::int64_t{1} << 20U;
constexpr model::WalSegment kSegment{1, 5};

WalVerdict walk(std::string_view bytes, std::size_t piece) {
  WalWalker walker(kBytes, std::nullopt);
  walker.begin(kSegment, true);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    if (!walker.feed(bytes.substr(0, piece))) break;
  }
  return walker.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > kBytes) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const WalVerdict whole = walk(bytes, std::string_view::npos);
  const WalVerdict pieces = walk(bytes, 1U + data[0]);
  if (whole.detail != pieces.detail || whole.records != pieces.records) std::abort();
  if (whole.from > whole.to || whole.to.bytes > 6U * kBytes) std::abort();
  return 0;
}

}  // namespace keelwatch::sources
