#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "base/utf8.h"
#include "config/limits.h"
#include "sources/postgres/pgbouncer_answers.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kConsole = "pgbouncer";

std::string readable(std::string_view bytes) {
  std::string name;
  while (!bytes.empty()) {
    const std::size_t length = utf8_sequence_length(bytes);
    if (length == 0) {
      append_utf8(name, kReplacementCharacter);
    } else {
      name += bytes.substr(0, length);
    }
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return name;
}

// One row by column names. The first value that is missing or makes no sense is kept as the error
// of the answer; what is read after it is of no use.
class Row {
 public:
  Row(const PgRows& rows, std::size_t row, std::optional<Error>& error)
      : rows_(rows), row_(row), error_(error) {}

  [[nodiscard]] std::string text(std::string_view column) {
    const auto place = rows_.column(column);
    if (!place) {
      fail(column, "is missing");
      return {};
    }
    return std::string(rows_.get(row_, *place).value_or(""));  // NULL: nothing is set
  }
  // What a client chose: with a `*` database, any bytes at all.
  [[nodiscard]] std::string name(std::string_view column) { return readable(text(column)); }
  [[nodiscard]] std::string optional_text(std::string_view column) {
    return rows_.column(column) ? text(column) : std::string();
  }
  [[nodiscard]] std::int64_t number(std::string_view column) {
    const std::string value = text(column);
    if (error_) return 0;
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (failure != std::errc() || end != value.data() + value.size() || number < 0) {
      fail(column, "is no count");
      return 0;
    }
    return number;
  }
  [[nodiscard]] std::int64_t optional_number(std::string_view column) {
    return rows_.column(column) ? number(column) : 0;
  }
  [[nodiscard]] Duration micros(std::string_view column) {
    constexpr std::int64_t kMost =
        std::chrono::duration_cast<std::chrono::microseconds>(Duration::max()).count();
    const std::int64_t count = number(column);
    if (count > kMost) fail(column, "is no time");
    return count > kMost ? Duration::zero() : Duration(std::chrono::microseconds(count));
  }
  // Since PgBouncer counts in whole seconds and the rest in microseconds (1.8).
  [[nodiscard]] Duration wait() {
    constexpr std::int64_t kMost = 1'000'000'000;
    const std::int64_t seconds = number("maxwait");
    const std::int64_t rest = optional_number("maxwait_us");
    if (seconds > kMost || rest >= 1'000'000) fail("maxwait", "is no time");
    if (error_) return Duration::zero();
    return std::chrono::seconds(seconds) + std::chrono::microseconds(rest);
  }

 private:
  void fail(std::string_view column, std::string_view problem) {
    if (error_) return;
    error_ =
        Error(ErrorCode::kMalformed, "column " + std::string(column) + " " + std::string(problem));
  }

  const PgRows& rows_;
  std::size_t row_;
  std::optional<Error>& error_;
};

// read(row) of every row whose `name` column is not the console's own, sorted by `less`.
template <typename T, typename Read, typename Key>
Result<std::vector<T>> each(const PgRows& rows, std::string_view name, Read read, Key key) {
  if (rows.rows() > limits::kPostgresRows) {
    return Error(ErrorCode::kTooLarge, std::to_string(rows.rows()) + " rows");
  }
  std::vector<T> list;
  std::optional<Error> error;
  for (std::size_t i = 0; i < rows.rows() && !error; ++i) {
    Row row(rows, i, error);
    if (row.text(name) == kConsole) continue;
    list.push_back(read(row));
  }
  if (error) return *std::move(error);
  // Names that were made readable may have become equal: then one of them speaks for all.
  std::ranges::sort(list, {}, key);
  const auto same = std::ranges::unique(list, {}, key);
  list.erase(same.begin(), same.end());
  return list;
}

// The number beside a word, in a table of key and value.
Result<std::string> value_of(const PgRows& rows, std::string_view key_column,
                             std::string_view value_column, std::string_view key) {
  std::optional<Error> error;
  for (std::size_t i = 0; i < rows.rows() && !error; ++i) {
    Row row(rows, i, error);
    if (row.text(key_column) == key) {
      std::string value = row.text(value_column);
      if (!error) return value;
    }
  }
  if (error) return *std::move(error);
  return Error(ErrorCode::kMalformed, "there is no row " + std::string(key));
}

Result<std::int64_t> count_of(const PgRows& rows, std::string_view key_column,
                              std::string_view value_column, std::string_view key) {
  const Result<std::string> text = value_of(rows, key_column, value_column, key);
  if (!text) return text.error();
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (failure != std::errc() || end != text->data() + text->size() || number < 0) {
    return Error(ErrorCode::kMalformed, "row " + std::string(key) + " is no count");
  }
  return number;
}

}  // namespace

Result<std::vector<model::Pool>> decode_pools(const PgRows& rows) {
  return each<model::Pool>(
      rows, "database",
      [](Row& row) {
        model::Pool pool;
        pool.database = row.name("database");
        pool.user = row.name("user");
        pool.mode = row.optional_text("pool_mode");
        pool.clients_active = row.number("cl_active");
        pool.clients_waiting = row.number("cl_waiting");
        pool.servers_active = row.number("sv_active");
        pool.servers_idle = row.number("sv_idle");
        pool.servers_used = row.number("sv_used");
        pool.servers_login = row.number("sv_login");
        pool.longest_wait = row.wait();
        return pool;
      },
      [](const model::Pool& p) { return std::tie(p.database, p.user); });
}

Result<std::vector<model::PoolTraffic>> decode_stats(const PgRows& rows) {
  return each<model::PoolTraffic>(
      rows, "database",
      [](Row& row) {
        model::PoolTraffic traffic;
        traffic.database = row.name("database");
        traffic.transactions = row.number("total_xact_count");
        traffic.queries = row.number("total_query_count");
        traffic.received_bytes = row.number("total_received");
        traffic.sent_bytes = row.number("total_sent");
        traffic.wait_time = row.micros("total_wait_time");
        traffic.query_time = row.micros("total_query_time");
        return traffic;
      },
      &model::PoolTraffic::database);
}

Result<model::PgBouncerTotals> decode_lists(const PgRows& rows) {
  model::PgBouncerTotals totals;
  for (const auto& [name, place] : {std::pair("databases", &model::PgBouncerTotals::databases),
                                    std::pair("pools", &model::PgBouncerTotals::pools),
                                    std::pair("used_clients", &model::PgBouncerTotals::clients),
                                    std::pair("used_servers", &model::PgBouncerTotals::servers)}) {
    const Result<std::int64_t> count = count_of(rows, "list", "items", name);
    if (!count) return count.error();
    totals.*place = *count;
  }
  return totals;
}

Result<std::vector<model::PooledDatabase>> decode_pooled_databases(const PgRows& rows) {
  return each<model::PooledDatabase>(
      rows, "name",
      [](Row& row) {
        model::PooledDatabase database;
        database.name = row.name("name");
        database.host = row.name("host");
        database.port = row.number("port");
        database.database = row.name("database");
        database.pool_size = row.number("pool_size");
        database.max_connections = row.optional_number("max_connections");
        database.connections = row.optional_number("current_connections");
        database.paused = row.number("paused") != 0;
        database.disabled = row.number("disabled") != 0;
        return database;
      },
      &model::PooledDatabase::name);
}

Result<std::int64_t> decode_max_clients(const PgRows& rows) {
  return count_of(rows, "key", "value", "max_client_conn");
}

Result<bool> decode_paused(const PgRows& rows) {
  const Result<std::string> value = value_of(rows, "key", "value", "paused");
  if (!value) return value.error();
  return *value == "yes";
}

}  // namespace keelwatch::sources
