// backup.info, as every Barman from 3.4 to 3.19 writes it (barman/infofile.py): sorted lines
// `key=value`, None for what is not told, tablespaces as a Python list of tuples. It is read as
// strictly as Barman reads it: what Barman refuses cannot be restored with its tools.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/archive.h"

namespace keelwatch::sources {

// A time without an offset is taken as UTC, which is what Barman's containers run in. Errors:
// kMalformed with the line's number (a line without '=', a value that is not of its kind, a file
// that ends within a line) or without one (no status); kTooLarge.
[[nodiscard]] Result<model::BackupInfo> parse_backup_info(std::string_view text);

}  // namespace keelwatch::sources
