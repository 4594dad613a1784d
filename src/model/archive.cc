#include "model/archive.h"

#include <utility>

namespace keelwatch::model {

std::string destination(const ArchiveId& id) {
  return "s3://" + id.bucket + (id.path.empty() ? "" : "/" + id.path);
}

std::string text(const ArchiveId& id) { return destination(id) + "/" + id.server; }

Archive Archive::absent(ArchiveId id, const Why& why) {
  const AbsentOfAny none{why};
  return {.id = std::move(id), .backups = none, .wal = none, .settings = none};
}

}  // namespace keelwatch::model
