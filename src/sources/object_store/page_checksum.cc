#include "sources/object_store/page_checksum.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "sources/object_store/bytes.h"

namespace keelwatch::sources {
namespace {

// PageHeaderData: lsn (high and low half, 4 bytes each), checksum, flags, lower, upper (2 each).
constexpr std::size_t kChecksumAt = 8;
constexpr std::size_t kUpperAt = 14;

// 32 FNV-1a hashes side by side, each over every 32nd word, with more mixing of the high bits.
constexpr std::size_t kLanes = 32;
constexpr std::uint32_t kPrime = 16777619;
using Lanes = std::array<std::uint32_t, kLanes>;
constexpr Lanes kStart = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756};

// Inlined into both variants below, so that each is compiled for its own processor.
__attribute__((always_inline)) inline void mix(Lanes& sums, const Lanes& words) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t mixed = sums[lane] ^ words[lane];
    sums[lane] = mixed * kPrime ^ (mixed >> 17U);
  }
}

__attribute__((always_inline)) inline std::uint32_t hash_inline(const char* page) {
  Lanes sums = kStart;
  for (std::size_t at = 0; at < kPageBytes; at += sizeof(Lanes)) {
    Lanes words;
    std::memcpy(words.data(), page + at, sizeof(Lanes));
    if (at == 0) words[kChecksumAt / 4] &= 0xFFFF0000U;  // the checksum itself counts as zero
    mix(sums, words);
  }
  mix(sums, Lanes{});
  mix(sums, Lanes{});
  std::uint32_t result = 0;
  for (const std::uint32_t sum : sums) result ^= sum;
  return result;
}

std::uint32_t hash_anywhere(const char* page) { return hash_inline(page); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) std::uint32_t hash_avx2(const char* page) {
  return hash_inline(page);
}
#endif

std::uint32_t hash(const char* page) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return hash_avx2(page);
#endif
  return hash_anywhere(page);
}

// The digits at the front, without them.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    value = value * 10 + static_cast<std::uint64_t>(text[digits] - '0');
    if (value > 0xFFFFFFFFU) return std::nullopt;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<std::uint32_t>(value);
}

bool holds_relations(std::string_view folder) {
  if (folder == "global") return true;
  const std::size_t slash = folder.find('/');
  if (slash == std::string_view::npos) return false;
  std::string_view database = folder.substr(slash + 1);
  const std::string_view above = folder.substr(0, slash);
  return (above == "base" || above.starts_with("PG_")) && take_number(database) && database.empty();
}

}  // namespace

std::uint16_t page_checksum(std::string_view page, std::uint32_t block) {
  return static_cast<std::uint16_t>((hash(page.data()) ^ block) % 65535U + 1U);
}

std::optional<RelationFile> parse_relation_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || !holds_relations(path.substr(0, slash))) {
    return std::nullopt;
  }
  std::string_view name = path.substr(slash + 1);
  if (!take_number(name)) return std::nullopt;
  RelationFile file;
  file.relation = path.substr(0, path.size() - name.size());
  for (const std::string_view fork : {"_fsm", "_vm", "_init"}) {
    if (!name.starts_with(fork)) continue;
    file.init = fork == "_init";
    file.map = !file.init;
    name.remove_prefix(fork.size());
    break;
  }
  if (name.starts_with('.')) {
    name.remove_prefix(1);
    const std::optional<std::uint32_t> number = take_number(name);
    if (!number || *number == 0 || *number > 0xFFFFFFFFU / kPagesPerFile) return std::nullopt;
    file.first_block = *number * kPagesPerFile;
  }
  if (!name.empty()) return std::nullopt;
  return file;
}

void PageChecker::begin_file(RelationFile file) {
  if (file.init) unlogged_.insert(file.relation);
  block_ = file.first_block;
  file_ = std::move(file);
  partial_.clear();
}

void PageChecker::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (partial_.empty() && bytes.size() >= kPageBytes) {
      page(bytes.substr(0, kPageBytes));
      bytes.remove_prefix(kPageBytes);
      continue;
    }
    const std::size_t size = std::min(kPageBytes - partial_.size(), bytes.size());
    partial_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (partial_.size() == kPageBytes) {
      page(partial_);
      partial_.clear();
    }
  }
}

// A file that was growing while it was copied may end within a page.
void PageChecker::end_file() {
  if (!partial_.empty()) ++unproven_;
  partial_.clear();
}

void PageChecker::page(std::string_view page) {
  const std::uint32_t block = block_++;
  const bool is_new = little16(page, kUpperAt) == 0;
  if (is_new && std::all_of(page.begin(), page.end(), [](char c) { return c == '\0'; })) {
    ++unproven_;
    return;
  }
  const std::uint16_t stored = little16(page, kChecksumAt);
  // 0 is never right, and what every page of a cluster without checksums has.
  if (!is_new && stored != 0 && page_checksum(page, block) == stored) {
    ++right_;
  } else if (file_.map || may_be_torn(page)) {
    ++unproven_;
  } else {
    const auto [wrong, first] = wrong_.try_emplace(file_.relation);
    if (first) wrong->second.first_block = block;
    ++wrong->second.pages;
  }
}

bool PageChecker::may_be_torn(std::string_view page) const {
  const model::Lsn changed{std::uint64_t{little32(page, 0)} << 32U | little32(page, 4)};
  return begin_ && changed >= *begin_ && (!end_ || changed <= *end_);
}

std::uint64_t PageChecker::wrong() const {
  std::uint64_t pages = 0;
  for (const auto& [relation, wrong] : wrong_) {
    if (!unlogged_.contains(relation)) pages += wrong.pages;
  }
  return pages;
}

std::string PageChecker::first_wrong() const {
  for (const auto& [relation, wrong] : wrong_) {
    if (!unlogged_.contains(relation)) {
      return fmt::format("{}, block {}", relation, wrong.first_block);
    }
  }
  return "";
}

}  // namespace keelwatch::sources
