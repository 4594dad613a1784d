// What the PostgreSQL source asks an instance, and how it reads the answers: the SQL of a fact and
// its decoder side by side in queries_*.cc, one file per subject. Works on PostgreSQL 13 to 18, on
// primaries and standbys, for a role with no more than pg_monitor; what the version does not have
// is NULL. `version` is PgConnection::server_version(): 150007.
//
// Decoders: kMalformed names the column; kForbidden if NULLs show that the state is hidden from us.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/pg_client.h"
#include "base/result.h"
#include "model/postgres.h"

namespace keelwatch::sources {

struct ServerAnswer {
  model::ServerFacts facts;
  // Without pg_read_all_stats (a part of pg_monitor) what other sessions do is NULL or left out:
  // not zero, and not "nothing there".
  bool may_read_stats = false;
};

// Timeline: on a primary that of the WAL file being written; on a standby pg_stat_wal_receiver's
// received_tli, else the control file's, which trails a switch until the next restartpoint; absent
// on a standby without pg_read_all_stats.
// Replay counts as paused as soon as a pause is requested.
[[nodiscard]] std::string server_sql(int version);
[[nodiscard]] Result<ServerAnswer> decode_server(const PgRows& rows);

[[nodiscard]] std::string senders_sql(int version);
[[nodiscard]] Result<std::vector<model::Sender>> decode_senders(const PgRows& rows);
[[nodiscard]] std::string wal_receiver_sql(int version);
[[nodiscard]] Result<std::vector<model::WalReceiver>> decode_wal_receiver(const PgRows& rows);
// Retained bytes on a standby: up to the farther of received and replayed, since one that goes on
// from the archive keeps its last received position.
[[nodiscard]] std::string slots_sql(int version);
[[nodiscard]] Result<std::vector<model::Slot>> decode_slots(const PgRows& rows);
[[nodiscard]] std::string subscriptions_sql(int version);
[[nodiscard]] Result<std::vector<model::Subscription>> decode_subscriptions(const PgRows& rows);

[[nodiscard]] std::string archiver_sql(int version);
[[nodiscard]] Result<model::Archiver> decode_archiver(const PgRows& rows);
[[nodiscard]] std::string wal_directory_sql(int version);
[[nodiscard]] Result<model::WalDirectory> decode_wal_directory(const PgRows& rows);

[[nodiscard]] std::string activity_sql(int version);
[[nodiscard]] Result<model::Activity> decode_activity(const PgRows& rows);
[[nodiscard]] std::string xmin_holders_sql(int version);
[[nodiscard]] Result<std::vector<model::XminHolder>> decode_xmin_holders(const PgRows& rows);
[[nodiscard]] std::string prepared_sql(int version);
[[nodiscard]] Result<model::PreparedTransactions> decode_prepared(const PgRows& rows);

[[nodiscard]] std::string databases_sql(int version);
[[nodiscard]] Result<std::vector<model::DatabaseFacts>> decode_databases(const PgRows& rows);
[[nodiscard]] std::string database_sizes_sql(int version);
[[nodiscard]] Result<std::vector<model::DatabaseSize>> decode_database_sizes(const PgRows& rows);

// Settings with their overrides, in one answer. A setting that the connection's role or database
// overrides has that value, and its `source` says so.
[[nodiscard]] std::string settings_sql(int version);
[[nodiscard]] Result<model::Settings> decode_settings(const PgRows& rows);
// The settings that are asked for, sorted. None of them holds a secret (primary_conninfo does).
[[nodiscard]] std::span<const std::string_view> judged_settings();

// Of the database connected to: collations that some column or index uses, and unlogged tables.
[[nodiscard]] std::string content_sql(int version);
[[nodiscard]] Result<model::DatabaseContent> decode_content(const PgRows& rows);

}  // namespace keelwatch::sources
