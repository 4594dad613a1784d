// The only door to SQLite: a connection and its statements. Everything blocks on the disk.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace keelwatch::state {

// Errors of all: kMalformed (the file is no database, or a damaged one), kUnavailable (disk full,
// I/O error, locked, no permission; the message says which).
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&&) noexcept = default;
  SqliteStatement& operator=(SqliteStatement&&) noexcept = default;

  // Parameters count from 1; the text is copied.
  SqliteStatement& bind(int parameter, std::string_view text);
  SqliteStatement& bind(int parameter, std::int64_t number);

  // The next row; false at the end, after which it can be run again.
  [[nodiscard]] Result<bool> next();
  // For statements without rows.
  [[nodiscard]] Result<void> run();

  // Of the current row; columns count from 0. The view is valid until the next call of next().
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;

 private:
  friend class SqliteDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  SqliteStatement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteDatabase {
 public:
  enum class Access { kReadOnly, kReadWrite };  // the latter creates the file

  [[nodiscard]] static Result<SqliteDatabase> open(const std::string& path, Access access,
                                                   Duration busy_timeout);

  [[nodiscard]] Result<SqliteStatement> prepare(std::string_view sql);
  // Statements without parameters and rows, separated by semicolons.
  [[nodiscard]] Result<void> execute(const std::string& sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit SqliteDatabase(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace keelwatch::state
