// What the PostgreSQL source asks an instance, and how it reads the answers: the SQL of a fact and
// its decoder side by side in queries.cc. Works on PostgreSQL 13 to 18, on primaries and standbys,
// for a role with no more than pg_monitor. Times and intervals travel as whole microseconds, so
// that no setting of the server (DateStyle, TimeZone, IntervalStyle) changes what is read.
#pragma once

#include <string>
#include <vector>

#include "base/pg_client.h"
#include "base/result.h"
#include "model/postgres.h"

namespace keelwatch::sources {

struct ServerAnswer {
  model::ServerFacts facts;
  // Without pg_read_all_stats (a part of pg_monitor) the columns of pg_stat_replication and
  // pg_stat_wal_receiver are NULL: not zero, and not "nothing there".
  bool may_read_stats = false;
};

// `version` is PgConnection::server_version(): 150007.
// Timeline: on a primary that of the WAL file being written; on a standby pg_stat_wal_receiver's
// received_tli, else the control file's, which trails a switch until the next restartpoint; absent
// on a standby without pg_read_all_stats.
// Replay counts as paused as soon as a pause is requested.
[[nodiscard]] std::string server_sql(int version);
[[nodiscard]] std::string senders_sql();
[[nodiscard]] std::string wal_receiver_sql();

// Errors: kMalformed names the column. Senders and the WAL receiver: kForbidden if the state is
// hidden from us.
[[nodiscard]] Result<ServerAnswer> decode_server(const PgRows& rows);
[[nodiscard]] Result<std::vector<model::Sender>> decode_senders(const PgRows& rows);
[[nodiscard]] Result<std::vector<model::WalReceiver>> decode_wal_receiver(const PgRows& rows);

}  // namespace keelwatch::sources
