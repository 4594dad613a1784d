// What an object of a server is, by its key below <path>/<server>/ (barman/cloud.py, xlog.py):
//   base/<id>/backup.info, base/<id>/<any other file>
//   wals/<tli8><log8>/<24 hex>, <24 hex>.partial, <24 hex>.<8 hex>.backup
//   wals/<8 hex>.history
// What is below wals/ may end with what it was compressed (and encrypted) with: .gz .bz2 .xz
// .snappy .zst .lz4, .gpg. PostgreSQL writes hexadecimal digits in upper case, and nothing looks
// for a segment in another folder than its own: what is otherwise is foreign.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelwatch::sources {

enum class BarmanKeyKind : std::uint8_t {
  kBackupInfo,
  kBackupFile,
  kSegment,
  kPartial,
  kBackupLabel,
  kHistory,
  kFolder,   // ends with a slash: some tools keep an empty object there
  kForeign,  // none of barman's
};

// How the object was stored: none or one of the known endings.
struct StoredAs {
  std::uint8_t compression = 0;  // 0: as it is; else which of the endings
  bool encrypted = false;

  [[nodiscard]] bool plain() const { return compression == 0 && !encrypted; }
  bool operator==(const StoredAs&) const = default;
};
// "", ".gz", ".zst.gpg": what the object's name ends with.
[[nodiscard]] std::string ending(StoredAs stored);
// "", ".gz": what a Decompressor is made for.
[[nodiscard]] std::string_view compression_ending(StoredAs stored);

// Whether barman-cloud-wal-restore makes an empty file of an empty object; else it gives none.
[[nodiscard]] bool gives_empty(StoredAs stored);

// A segment by the three numbers of its name, which the segment size is not needed for.
struct SegmentName {
  std::uint32_t timeline = 0;
  std::uint32_t log = 0;
  std::uint32_t segment = 0;  // within the log

  auto operator<=>(const SegmentName&) const = default;
};
// Nothing: not 24 upper-case hexadecimal digits, or timeline 0.
[[nodiscard]] bool read_segment_name(std::string_view text, SegmentName& out);
// "000000010000000000000002".
[[nodiscard]] std::string text(const SegmentName& name);
// "0000000100000000/000000010000000000000002.gz": below wals/.
[[nodiscard]] std::string segment_key(const SegmentName& name, StoredAs stored);
// "0000000100000000/000000010000000000000002.partial.gz": below wals/.
[[nodiscard]] std::string partial_key(const SegmentName& name, StoredAs stored);
// "00000002.history.gz": below wals/.
[[nodiscard]] std::string history_key(std::uint32_t timeline, StoredAs stored);

struct BarmanKey {
  BarmanKeyKind kind = BarmanKeyKind::kForeign;
  std::string_view backup;  // of a backup's file: the directory below base/
  std::string_view name;    // of a backup's file: its name below that directory
  SegmentName segment;      // of what is in wals/; a history has only the timeline
  StoredAs stored;
};

// Points into `key`.
[[nodiscard]] BarmanKey read_barman_key(std::string_view key);

}  // namespace keelwatch::sources
