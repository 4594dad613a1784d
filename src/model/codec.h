// Model facts as JSON and back, for tapes, `explain --json` and tests. Every struct is written by
// its fields() list; times are RFC 3339 with nanoseconds, durations Prometheus text, LSNs in
// PostgreSQL's notation, and an Observed is {"at": …, "value": …} or {"absent": …, "code": …,
// "message": …, "source": …}. The model holds no secrets, so neither do these texts.
//
// A tape may be older than a member. One that is not there reads as what its type has for "absent":
// an empty text, an empty list, no value, an Observed that is unknown ("not recorded"). Flags and
// numbers have no such value and must be there, so a member that is added later is not one of them.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "model/archive.h"
#include "model/endpoint.h"
#include "model/filesystem.h"
#include "model/kubernetes.h"
#include "model/pgbouncer.h"
#include "model/postgres.h"

namespace keelwatch::model {

void encode(JsonWriter& out, const KubernetesSlice& slice);
void encode(JsonWriter& out, const PostgresSlice& slice);
void encode(JsonWriter& out, const PgBouncerSlice& slice);
void encode(JsonWriter& out, const FilesystemSlice& slice);
void encode(JsonWriter& out, const ArchiveSlice& slice);
void encode(JsonWriter& out, const ProbeSlice& slice);
void encode(JsonWriter& out, const EndpointProbe& probe);
void encode(JsonWriter& out, const Archive& archive);
void encode(JsonWriter& out, const Cluster& cluster);
void encode(JsonWriter& out, const Pod& pod);
void encode(JsonWriter& out, const Instance& instance);
void encode(JsonWriter& out, const SourceReport& report);

// Errors: kMalformed, naming the member.
[[nodiscard]] Result<KubernetesSlice> decode_kubernetes_slice(JsonValue value);
[[nodiscard]] Result<PostgresSlice> decode_postgres_slice(JsonValue value);
[[nodiscard]] Result<PgBouncerSlice> decode_pgbouncer_slice(JsonValue value);
[[nodiscard]] Result<FilesystemSlice> decode_filesystem_slice(JsonValue value);
[[nodiscard]] Result<ArchiveSlice> decode_archive_slice(JsonValue value);
[[nodiscard]] Result<ProbeSlice> decode_probe_slice(JsonValue value);

}  // namespace keelwatch::model
