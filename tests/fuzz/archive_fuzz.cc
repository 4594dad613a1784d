// Any bytes as a backup.info, a timeline history, a key and a first page of WAL: each ends in a
// value or an error, and a key that is a segment's is put together again as it was.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sources/object_store/backup_info.h"
#include "sources/object_store/barman_key.h"
#include "sources/object_store/timeline_history.h"
#include "sources/object_store/wal_page.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  using namespace keelwatch::sources;
  // An exact copy, so that the sanitizer sees a read beyond the end.
  const std::string copy(reinterpret_cast<const char*>(data), size);
  const std::string_view text(copy);
  const auto info = parse_backup_info(text);
  if (info && info->status.empty()) std::abort();
  const auto history = parse_timeline_history(text, 5);
  if (history) {
    // An empty one is that of a timeline without parents.
    if (!history->empty() && history->back().parent >= 5) std::abort();
    (void)timeline_of(*history, 5, model::Lsn{size});
  }
  const BarmanKey key = read_barman_key(text);
  if (key.kind == BarmanKeyKind::kSegment &&
      "wals/" + segment_key(key.segment, key.stored) != text) {
    std::abort();
  }
  if (const auto header = read_wal_page_header(text)) {
    const auto judgement = judge_wal_page(
        *header, {{1, 1}, model::kDefaultWalSegmentBytes, std::nullopt, std::nullopt});
    if ((judgement.verdict == WalPageVerdict::kFault) == judgement.kind.empty()) std::abort();
  }
  return 0;
}
