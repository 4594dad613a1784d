// Reading an answer of PostgreSQL column by column. Part of sources/postgres: every decoder uses
// it. Times and intervals travel as whole microseconds, so that no setting of the server
// (DateStyle, TimeZone, IntervalStyle) changes what is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/pg_client.h"
#include "base/result.h"
#include "model/postgres_facts.h"

namespace keelwatch::sources {

// Reads the values of one row by column name and keeps the first problem (kMalformed, naming the
// column): a decoder reads all of its columns and asks once. NULL is nullopt.
class Row {
 public:
  Row(const PgRows& rows, std::size_t row) : rows_(rows), row_(row) {}

  std::optional<std::string_view> text(std::string_view name);
  std::string text_or_empty(std::string_view name) { return std::string(text(name).value_or("")); }
  std::optional<std::int64_t> integer(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  std::optional<model::Lsn> lsn(std::string_view name);
  std::optional<Duration> microseconds(std::string_view name);
  std::optional<WallTime> time(std::string_view name);

  // A value that the statement never leaves out.
  template <typename T>
  T required(std::string_view name, std::optional<T> value) {
    if (value) return *std::move(value);
    refuse(name, "is NULL");
    return T{};
  }
  std::string required_text(std::string_view name) {
    return std::string(required(name, text(name)));
  }
  std::int64_t count(std::string_view name) { return required(name, integer(name)); }
  bool flag(std::string_view name) { return required(name, boolean(name)); }

  std::nullopt_t refuse(std::string_view name, std::string_view what);
  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }

 private:
  const PgRows& rows_;
  std::size_t row_;
  std::optional<Error> problem_;
};

// What read_row(Row&) makes of each row, or the first problem.
template <typename T, typename ReadRow>
Result<std::vector<T>> each_row(const PgRows& rows, ReadRow read_row) {
  std::vector<T> all;
  all.reserve(rows.rows());
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Row row(rows, i);
    T value = read_row(row);
    if (row.problem()) return *row.problem();
    all.push_back(std::move(value));
  }
  return all;
}

// The same for an answer that is always one row.
template <typename T, typename ReadRow>
Result<T> only_row(const PgRows& rows, ReadRow read_row) {
  if (rows.rows() != 1) return Error(ErrorCode::kMalformed, "not exactly one row");
  Row row(rows, 0);
  T value = read_row(row);
  if (row.problem()) return *row.problem();
  return value;
}

// SQL: the time or interval as whole microseconds (since 1970).
[[nodiscard]] std::string in_microseconds(std::string_view expression);

// A column that only some versions have, under its own name; else NULL of that type.
[[nodiscard]] std::string column_since(bool available, std::string_view expression,
                                       std::string_view type, std::string_view name);

inline constexpr int kVersion14 = 140000;
inline constexpr int kVersion15 = 150000;
inline constexpr int kVersion16 = 160000;
inline constexpr int kVersion17 = 170000;

}  // namespace keelwatch::sources
