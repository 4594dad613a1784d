// The names of a base backup's data files (barman/cloud.py, get_backup_files).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelwatch::model {

// data_0001.tar.gz: of "data", part 1.
struct BackupPart {
  std::string of;  // data, or a tablespace's oid
  std::int64_t number = 0;
};
// Nothing: barman-cloud-restore does not read a file of that name (but for .gpg: it was encrypted).
[[nodiscard]] std::optional<BackupPart> parse_backup_part(std::string_view name);

// Whether barman-cloud-restore fails because of that file, which it takes for a further part of
// `of` and cannot read by its name: data_0001.tar.bak.
[[nodiscard]] bool is_stray_part(std::string_view name, std::string_view of);

}  // namespace keelwatch::model
