#include "sources/postgres/row.h"

#include <charconv>
#include <limits>

namespace keelwatch::sources {

std::optional<std::string_view> Row::text(std::string_view name) {
  const std::optional<std::size_t> column = rows_.column(name);
  if (!column) return refuse(name, "is missing");
  return rows_.get(row_, *column);
}

std::optional<std::int64_t> Row::integer(std::string_view name) {
  const std::optional<std::string_view> value = text(name);
  if (!value) return std::nullopt;
  std::int64_t number = 0;
  const char* end = value->data() + value->size();
  const auto [stop, error] = std::from_chars(value->data(), end, number);
  if (error != std::errc() || stop != end) return refuse(name, "is not a whole number");
  return number;
}

std::optional<bool> Row::boolean(std::string_view name) {
  const std::optional<std::string_view> value = text(name);
  if (!value) return std::nullopt;
  if (*value == "t") return true;
  if (*value == "f") return false;
  return refuse(name, "is not a boolean");
}

std::optional<model::Lsn> Row::lsn(std::string_view name) {
  const std::optional<std::string_view> value = text(name);
  if (!value) return std::nullopt;
  const std::optional<model::Lsn> lsn = model::parse_lsn(*value);
  if (!lsn) return refuse(name, "is not a WAL position");
  return lsn;
}

std::optional<Duration> Row::microseconds(std::string_view name) {
  const std::optional<std::int64_t> us = integer(name);
  if (!us) return std::nullopt;
  constexpr std::int64_t kLimit = std::numeric_limits<Duration::rep>::max() / 1000;
  if (*us > kLimit || *us < -kLimit) return refuse(name, "is out of range");
  return std::chrono::microseconds(*us);
}

std::optional<WallTime> Row::time(std::string_view name) {
  const std::optional<Duration> since_epoch = microseconds(name);
  if (!since_epoch) return std::nullopt;
  return WallTime(*since_epoch);
}

std::nullopt_t Row::refuse(std::string_view name, std::string_view what) {
  if (!problem_) {
    std::string text = "column \"";
    text.append(name).append("\" ").append(what);
    problem_ = Error(ErrorCode::kMalformed, std::move(text));
  }
  return std::nullopt;
}

std::string in_microseconds(std::string_view expression) {
  std::string sql = "(extract(epoch from ";
  sql.append(expression).append(") * 1000000)::bigint");
  return sql;
}

std::string column_since(bool available, std::string_view expression, std::string_view type,
                         std::string_view name) {
  std::string sql(available ? expression : "null");
  sql.append("::").append(type).append(" as ").append(name);
  return sql;
}

}  // namespace keelwatch::sources
