#include "sources/object_store/barman_key.h"

#include <fmt/format.h>

#include <array>

namespace keelwatch::sources {
namespace {

constexpr std::string_view kBase = "base/";
constexpr std::string_view kWals = "wals/";
constexpr std::string_view kEncrypted = ".gpg";
constexpr std::array<std::string_view, 7> kCompressions = {"",        ".gz",  ".bz2", ".xz",
                                                           ".snappy", ".zst", ".lz4"};

bool read_hex8(std::string_view digits, std::uint32_t& out) {
  if (digits.size() != 8) return false;
  out = 0;
  for (const char c : digits) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'A' || c > 'F')) return false;
    out = out << 4U | static_cast<std::uint32_t>(digit ? c - '0' : c - 'A' + 10);
  }
  return true;
}

StoredAs take_ending(std::string_view& name) {
  StoredAs stored;
  if (name.ends_with(kEncrypted)) {
    stored.encrypted = true;
    name.remove_suffix(kEncrypted.size());
  }
  for (std::size_t i = 1; i < kCompressions.size(); ++i) {
    if (!name.ends_with(kCompressions[i])) continue;
    stored.compression = static_cast<std::uint8_t>(i);
    name.remove_suffix(kCompressions[i].size());
    break;
  }
  return stored;
}

BarmanKey read_base(std::string_view rest) {
  BarmanKey key;
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash == 0) return key;
  key.backup = rest.substr(0, slash);
  key.name = rest.substr(slash + 1);
  key.kind = key.name == "backup.info" ? BarmanKeyKind::kBackupInfo : BarmanKeyKind::kBackupFile;
  return key;
}

// `name` without folder and ending.
BarmanKeyKind read_wal_name(std::string_view name, SegmentName& segment) {
  if (!read_segment_name(name.substr(0, 24), segment)) return BarmanKeyKind::kForeign;
  name.remove_prefix(24);
  if (name.empty()) return BarmanKeyKind::kSegment;
  if (name == ".partial") return BarmanKeyKind::kPartial;
  std::uint32_t offset = 0;
  const bool label = name.size() == 16 && name.starts_with('.') && name.ends_with(".backup") &&
                     read_hex8(name.substr(1, 8), offset);
  return label ? BarmanKeyKind::kBackupLabel : BarmanKeyKind::kForeign;
}

BarmanKey read_wals(std::string_view rest) {
  BarmanKey key;
  const std::size_t slash = rest.find('/');
  std::string_view name = rest.substr(slash == std::string_view::npos ? 0 : slash + 1);
  key.stored = take_ending(name);
  if (slash == std::string_view::npos) {
    const bool history = name.ends_with(".history") &&
                         read_hex8(name.substr(0, name.size() - 8), key.segment.timeline) &&
                         key.segment.timeline != 0;
    if (history) key.kind = BarmanKeyKind::kHistory;
    return key;
  }
  key.kind = read_wal_name(name, key.segment);
  if (rest.substr(0, slash) != name.substr(0, 16)) key.kind = BarmanKeyKind::kForeign;
  return key;
}

}  // namespace

std::string ending(StoredAs stored) {
  return std::string(compression_ending(stored)) +
         std::string(stored.encrypted ? kEncrypted : std::string_view());
}

std::string_view compression_ending(StoredAs stored) { return kCompressions[stored.compression]; }

bool gives_empty(StoredAs stored) {
  const std::string_view suffix = compression_ending(stored);
  return suffix != ".bz2" && suffix != ".xz" && suffix != ".lz4";
}

bool read_segment_name(std::string_view text, SegmentName& out) {
  return text.size() == 24 && read_hex8(text.substr(0, 8), out.timeline) && out.timeline != 0 &&
         read_hex8(text.substr(8, 8), out.log) && read_hex8(text.substr(16, 8), out.segment);
}

std::string text(const SegmentName& name) {
  return fmt::format("{:08X}{:08X}{:08X}", name.timeline, name.log, name.segment);
}

std::string segment_key(const SegmentName& name, StoredAs stored) {
  return fmt::format("{:08X}{:08X}/{}{}", name.timeline, name.log, text(name), ending(stored));
}

std::string partial_key(const SegmentName& name, StoredAs stored) {
  return fmt::format("{:08X}{:08X}/{}.partial{}", name.timeline, name.log, text(name),
                     ending(stored));
}

std::string history_key(std::uint32_t timeline, StoredAs stored) {
  return fmt::format("{:08X}.history{}", timeline, ending(stored));
}

BarmanKey read_barman_key(std::string_view key) {
  if (key.empty() || key.ends_with('/')) {
    BarmanKey folder;
    folder.kind = BarmanKeyKind::kFolder;
    return folder;
  }
  if (key.starts_with(kBase)) return read_base(key.substr(kBase.size()));
  if (key.starts_with(kWals)) return read_wals(key.substr(kWals.size()));
  return {};
}

}  // namespace keelwatch::sources
