// What a whole section says, beyond its single values: contradictions, and lists whose items must
// differ.
//
// Internal to config/: others include config.h and load.h.
#pragma once

#include <string>
#include <string_view>

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
void check(const Alertmanager& part, MappingReader& map, Diagnostics& problems);
void check(const Relabel& part, MappingReader& map, Diagnostics& problems);
void check(const Heartbeat& part, MappingReader& map, Diagnostics& problems);
void check(Endpoint& part, MappingReader& map, Diagnostics& problems);
void check(const Endpoints& part, MappingReader& map, Diagnostics& problems);
void check(const PlacementHost& part, MappingReader& map, Diagnostics& problems);
void check(const Placement& part, MappingReader& map, Diagnostics& problems);
void check(const Rules& part, MappingReader& map, Diagnostics& problems);
void check(const Alerts& part, MappingReader& map, Diagnostics& problems);

// Reports a secret that stands in the file itself, and hides it.
void refuse_secret(std::string_view key, std::string_view what, MappingReader& map,
                   Diagnostics& problems);
// Whether the file itself says something for the key; "" says that there is nothing.
[[nodiscard]] bool gives(MappingReader& map, std::string_view key);
[[nodiscard]] bool is_web_address(std::string_view url);

// What makes an item of a list the same as another one; empty if that is not known.
[[nodiscard]] std::string identity(const PostgresInstance& item);
[[nodiscard]] std::string identity(const PostgresCluster& item);
[[nodiscard]] std::string identity(const PgBouncerInstance& item);
[[nodiscard]] std::string identity(const PgBouncerPooler& item);
[[nodiscard]] std::string identity(const FilesystemPath& item);
[[nodiscard]] std::string identity(const ScrapeTarget& item);
[[nodiscard]] std::string identity(const ArchivedServer& item);
[[nodiscard]] std::string identity(const ObjectStore& item);
[[nodiscard]] std::string identity(const Endpoint& item);
[[nodiscard]] std::string identity(const PlacementHost& item);
[[nodiscard]] std::string identity(const ThresholdOverride& item);
[[nodiscard]] std::string identity(const Alertmanager& item);
[[nodiscard]] std::string identity(const Relabel& item);

}  // namespace keelwatch::config
