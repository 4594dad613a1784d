// What a whole section says, beyond its single values: contradictions, and lists whose items must
// differ.
//
// Internal to config/: others include config.h and load.h.
#pragma once

#include <string>

#include "base/diagnostics.h"
#include "base/mapping_reader.h"
#include "config/config.h"

namespace keelwatch::config {

// Each sees its part as it was read, and reports at the keys of `map` that contradict each other.
void check(const Kubernetes& part, MappingReader& map, Diagnostics& problems);
void check(const Postgres& part, MappingReader& map, Diagnostics& problems);
void check(PostgresCluster& part, MappingReader& map, Diagnostics& problems);
void check(const PgBouncer& part, MappingReader& map, Diagnostics& problems);
void check(PgBouncerPooler& part, MappingReader& map, Diagnostics& problems);
void check(const PostgresInstance& part, MappingReader& map, Diagnostics& problems);
void check(const PgBouncerInstance& part, MappingReader& map, Diagnostics& problems);
void check(const Thresholds& part, MappingReader& map, Diagnostics& problems);
void check(ThresholdOverride& part, MappingReader& map, Diagnostics& problems);
void check(const FilesystemPath& part, MappingReader& map, Diagnostics& problems);
void check(const Filesystems& part, MappingReader& map, Diagnostics& problems);
void check(const ScrapeTarget& part, MappingReader& map, Diagnostics& problems);
void check(const Scrape& part, MappingReader& map, Diagnostics& problems);
void check(const ArchivedServer& part, MappingReader& map, Diagnostics& problems);
void check(ObjectStore& part, MappingReader& map, Diagnostics& problems);
void check(const ObjectStores& part, MappingReader& map, Diagnostics& problems);
void check(const Alerts& part, MappingReader& map, Diagnostics& problems);

// What makes an item of a list the same as another one; empty if that is not known.
[[nodiscard]] std::string identity(const PostgresInstance& item);
[[nodiscard]] std::string identity(const PostgresCluster& item);
[[nodiscard]] std::string identity(const PgBouncerInstance& item);
[[nodiscard]] std::string identity(const PgBouncerPooler& item);
[[nodiscard]] std::string identity(const FilesystemPath& item);
[[nodiscard]] std::string identity(const ScrapeTarget& item);
[[nodiscard]] std::string identity(const ArchivedServer& item);
[[nodiscard]] std::string identity(const ObjectStore& item);
[[nodiscard]] std::string identity(const ThresholdOverride& item);

}  // namespace keelwatch::config
