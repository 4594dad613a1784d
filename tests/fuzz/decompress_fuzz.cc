// For arbitrary bytes and every compression: however they are cut into pieces, the same comes out
// or both ways fail, and one call never gives more than it may.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "sources/object_store/decompress.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kSuffixes[] = {"", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".snappy"};

std::optional<std::string> undo(std::string_view suffix, std::string_view stored,
                                std::size_t piece) {
  Decompressor decompressor = *Decompressor::for_suffix(suffix);
  std::string all;
  for (; !stored.empty(); stored.remove_prefix(std::min(piece, stored.size()))) {
    std::string_view in = stored.substr(0, piece);
    for (bool more = true; more;) {
      const std::size_t before = all.size();
      const Result<bool> fed = decompressor.feed(in, all);
      if (all.size() - before > Decompressor::kStepBytes) std::abort();
      if (!fed) return std::nullopt;
      if (all.size() > (8U << 20U)) return std::nullopt;
      more = *fed;
    }
    if (!in.empty()) std::abort();
  }
  if (!decompressor.finish()) return std::nullopt;
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view suffix = kSuffixes[data[0] % std::size(kSuffixes)];
  const std::string_view stored(reinterpret_cast<const char*>(data) + 2, size - 2);
  if (undo(suffix, stored, std::string_view::npos) != undo(suffix, stored, 1U + data[1])) {
    std::abort();
  }
  return 0;
}

}  // namespace keelwatch::sources
