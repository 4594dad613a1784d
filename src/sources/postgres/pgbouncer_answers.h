// What PgBouncer is asked and how its answers are read: the rows of its admin console, or the page
// of metrics that a CNPG pooler serves. Columns and metrics are found by name: those that versions
// lack are optional where the fact survives without them (pgbouncer.org/usage.html and
// changelog.html, 1.15 to 1.24; CNPG pkg/management/pgbouncer/metricsserver).
// Rows of the console's own database "pgbouncer" are left out: we ourselves are its client.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/pg_client.h"
#include "base/result.h"
#include "metrics/exposition.h"
#include "model/pgbouncer.h"

namespace keelwatch::sources {

// Errors of all: kMalformed names the column or metric, kTooLarge beyond limits::kPostgresRows.
[[nodiscard]] Result<std::vector<model::Pool>> decode_pools(const PgRows& rows);
[[nodiscard]] Result<std::vector<model::PoolTraffic>> decode_stats(const PgRows& rows);
[[nodiscard]] Result<model::PgBouncerTotals> decode_lists(const PgRows& rows);
[[nodiscard]] Result<std::vector<model::PooledDatabase>> decode_pooled_databases(
    const PgRows& rows);

// SHOW CONFIG's max_client_conn.
[[nodiscard]] Result<std::int64_t> decode_max_clients(const PgRows& rows);

// SHOW STATE, since 1.21. A PAUSE of everything is told here and nowhere else: SHOW DATABASES has
// only those that were paused by name.
[[nodiscard]] Result<bool> decode_paused(const PgRows& rows);

struct PoolerPage {
  Result<std::vector<model::Pool>> pools;
  Result<std::vector<model::PoolTraffic>> traffic;
  Result<model::PgBouncerTotals> totals;
  // Its instance manager serves the page but gets no answer from PgBouncer itself.
  bool pgbouncer_is_silent = false;
};
[[nodiscard]] PoolerPage decode_page(const metrics::ParsedPage& page);

}  // namespace keelwatch::sources
