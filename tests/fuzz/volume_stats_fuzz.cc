// For arbitrary bytes: however a kubelet's page is cut into pieces, it reads the same, and what is
// read are sizes above zero in the order of (namespace, claim).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "model/filesystem.h"
#include "sources/filesystem/volume_stats.h"

namespace keelwatch::sources {
namespace {

using Read = Result<std::vector<model::ClaimUsage>>;

void require(bool condition) {
  if (!condition) std::abort();
}

Read read(std::string_view page, std::size_t piece) {
  VolumeStatsReader reader;
  for (; !page.empty(); page.remove_prefix(std::min(piece, page.size()))) {
    const Result<void> fed = reader.feed(page.substr(0, piece));
    if (!fed) return fed.error();
  }
  return std::move(reader).finish();
}

bool same(const model::ClaimUsage& a, const model::ClaimUsage& b) {
  return a.ns == b.ns && a.claim == b.claim && a.usage.size_bytes == b.usage.size_bytes &&
         a.usage.available_bytes == b.usage.available_bytes && a.usage.inodes == b.usage.inodes &&
         a.usage.inodes_free == b.usage.inodes_free;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view page(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Read whole = read(page, std::string_view::npos);
  const Read pieces = read(page, 1U + data[0]);
  require(whole.has_value() == pieces.has_value());
  if (!whole) {
    require(whole.error() == pieces.error());
    return 0;
  }
  require(std::equal(whole->begin(), whole->end(), pieces->begin(), pieces->end(), same));
  for (std::size_t i = 0; i < whole->size(); ++i) {
    const model::ClaimUsage& claim = (*whole)[i];
    require(claim.usage.size_bytes > 0 && claim.usage.available_bytes >= 0);
    if (i == 0) continue;
    const model::ClaimUsage& before = (*whole)[i - 1];
    require(std::pair(before.ns, before.claim) < std::pair(claim.ns, claim.claim));
  }
  return 0;
}

}  // namespace keelwatch::sources
