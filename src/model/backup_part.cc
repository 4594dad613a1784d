#include "model/backup_part.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace keelwatch::model {
namespace {

constexpr std::array<std::string_view, 5> kCompressions = {"", ".gz", ".bz2", ".snappy", ".lz4"};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::optional<BackupPart> parse_backup_part(std::string_view name) {
  const std::size_t tar = name.find(".tar");
  if (tar == std::string_view::npos) return std::nullopt;
  std::string_view suffix = name.substr(tar + 4);
  if (suffix.ends_with(".gpg")) suffix.remove_suffix(4);
  if (std::ranges::find(kCompressions, suffix) == kCompressions.end()) return std::nullopt;
  std::string_view stem = name.substr(0, tar);
  BackupPart part;
  if (const std::size_t line = stem.find('_'); line != std::string_view::npos) {
    const std::string_view digits = stem.substr(line + 1);
    if (!is_number(digits) || digits.size() < 4 || digits.size() > 9) return std::nullopt;
    std::from_chars(digits.data(), digits.data() + digits.size(), part.number);
    if (part.number == 0) return std::nullopt;
    stem = stem.substr(0, line);
  }
  if (stem != "data" && !is_number(stem)) return std::nullopt;
  part.of = stem;
  return part;
}

bool is_stray_part(std::string_view name, std::string_view of) {
  return name.starts_with(of) && name.substr(of.size()).starts_with('_') &&
         !parse_backup_part(name);
}

}  // namespace keelwatch::model
