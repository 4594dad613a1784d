#include "sources/postgres/queries.h"
#include "sources/postgres/row.h"

namespace keelwatch::sources {

std::string archiver_sql(int /*version*/) {
  std::string sql =
      "select current_setting('archive_mode') as mode, archived_count as archived"
      ", failed_count as failed, last_archived_wal, last_failed_wal";
  sql.append(", ").append(in_microseconds("last_archived_time")).append(" as last_archived");
  sql.append(", ").append(in_microseconds("last_failed_time")).append(" as last_failed");
  sql.append(", ").append(in_microseconds("stats_reset")).append(" as stats_reset");
  return sql.append(" from pg_stat_archiver");
}

Result<model::Archiver> decode_archiver(const PgRows& rows) {
  return only_row<model::Archiver>(rows, [](Row& row) {
    model::Archiver archiver;
    archiver.mode = row.required_text("mode");
    archiver.archived = row.count("archived");
    archiver.failed = row.count("failed");
    archiver.last_archived_wal = row.text_or_empty("last_archived_wal");
    archiver.last_archived = row.time("last_archived");
    archiver.last_failed_wal = row.text_or_empty("last_failed_wal");
    archiver.last_failed = row.time("last_failed");
    archiver.stats_reset = row.time("stats_reset");
    return archiver;
  });
}

std::string wal_directory_sql(int /*version*/) {
  // bytes: of everything there, recycled segments and what is half received among it.
  std::string sql =
      "select w.files, w.bytes, a.ready, a.oldest_ready, a.done"
      ", pg_size_bytes(current_setting('wal_segment_size')) as segment_bytes"
      " from (select count(*) filter (where name ~ '^[0-9A-F]{24}$') as files"
      ", coalesce(sum(size), 0)::bigint as bytes from pg_ls_waldir()) w"
      ", (select count(*) filter (where name like '%.ready') as ready, ";
  sql.append(in_microseconds("min(modification) filter (where name like '%.ready')"));
  return sql.append(
      " as oldest_ready, count(*) filter (where name like '%.done') as done"
      " from pg_ls_archive_statusdir()) a");
}

Result<model::WalDirectory> decode_wal_directory(const PgRows& rows) {
  return only_row<model::WalDirectory>(rows, [](Row& row) {
    model::WalDirectory directory;
    directory.files = row.count("files");
    directory.bytes = row.count("bytes");
    directory.segment_bytes = row.count("segment_bytes");
    directory.ready = row.count("ready");
    directory.oldest_ready = row.time("oldest_ready");
    directory.done = row.count("done");
    return directory;
  });
}

}  // namespace keelwatch::sources
