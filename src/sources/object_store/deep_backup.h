// Proves a base backup by reading all of it: every part of every tar is there and whole,
// backup_label and a valid global/pg_control are in it, each tablespace of backup.info has its tar,
// and data pages have the checksums that they should have (as far as the cluster has them).
// Not seen: the loss of the last part of a tablespace's tar (nothing tells how many there were),
// and a changed byte in a cluster without checksums. Threads: the loop's. Destroying the task ends
// its request.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "model/archive.h"
#include "model/backup_part.h"
#include "sources/object_store/object_reader.h"

namespace keelwatch::sources {

// What the listing alone says is wrong with the parts of a backup that is done; empty: nothing.
[[nodiscard]] std::string find_missing_part(const model::BackupInfo& info,
                                            const std::vector<model::ArchivedFile>& files);

// `prefix` is the backup's directory with the slash at its end. Errors, and with them no verdict:
// those of the store; kTooLarge: more than options.max_bytes; kUnsupported: a compression,
// encryption or PostgreSQL version that this program does not read; that of backup.info if that is
// unknown. loop, reader and options must outlive the task.
[[nodiscard]] Task<Result<model::BackupProof>> prove_backup(EventLoop& loop, ObjectReader& reader,
                                                            std::string prefix,
                                                            model::BaseBackup backup,
                                                            const DeepOptions& options);

}  // namespace keelwatch::sources
