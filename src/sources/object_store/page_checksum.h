// Checksums of data pages (PostgreSQL src/include/storage/checksum_impl.h, bufpage.h) in the files
// of a backup, judged as pg_basebackup judges them (src/backend/backup/basebackup.c): a new page
// has none, and one changed since the backup began may be torn, which the WAL mends.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "model/postgres_facts.h"

namespace keelwatch::sources {

inline constexpr std::size_t kPageBytes = 8192;
inline constexpr std::uint32_t kPagesPerFile = 131072;  // 1 GiB: then comes the file .1

// As it should be at bytes 8 and 9 of that page (kPageBytes long); never 0.
[[nodiscard]] std::uint16_t page_checksum(std::string_view page, std::uint32_t block);

struct RelationFile {
  std::string relation;  // base/5/16384
  bool map = false;      // _fsm, _vm: rebuilt when unreadable
  bool init = false;     // _init: the relation is unlogged, and empty after a restore
  std::uint32_t first_block = 0;
};
// Of a path below the data directory or a tablespace's (PG_15_202209061/5/16384_fsm.1); nothing: it
// is no relation's file, or that of a temporary one.
[[nodiscard]] std::optional<RelationFile> parse_relation_path(std::string_view path);

class PageChecker {
 public:
  // Where the backup's WAL begins and ends. Without a begin no page counts as torn; none can have
  // been changed after the end.
  PageChecker(std::optional<model::Lsn> begin, std::optional<model::Lsn> end)
      : begin_(begin), end_(end) {}

  // One file after the other.
  void begin_file(RelationFile file);
  void feed(std::string_view bytes);
  void end_file();

  [[nodiscard]] std::uint64_t right() const { return right_; }
  // New, changed since the backup began, of a map, or not whole: nothing is known of their bytes.
  [[nodiscard]] std::uint64_t unproven() const { return unproven_; }
  // Once all files have been seen: wrong pages, except those of unlogged relations, and the first,
  // "base/5/16384, block 7".
  [[nodiscard]] std::uint64_t wrong() const;
  [[nodiscard]] std::string first_wrong() const;

 private:
  struct Wrong {
    std::uint64_t pages = 0;
    std::uint32_t first_block = 0;
  };
  void page(std::string_view page);
  [[nodiscard]] bool may_be_torn(std::string_view page) const;

  std::optional<model::Lsn> begin_;
  std::optional<model::Lsn> end_;
  RelationFile file_;
  std::uint32_t block_ = 0;
  std::string partial_;
  std::uint64_t right_ = 0;
  std::uint64_t unproven_ = 0;
  std::map<std::string, Wrong> wrong_;  // by relation
  std::set<std::string> unlogged_;
};

}  // namespace keelwatch::sources
