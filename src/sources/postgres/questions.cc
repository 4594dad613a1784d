#include "sources/postgres/questions.h"

#include <algorithm>
#include <array>

#include "sources/postgres/queries.h"

namespace keelwatch::sources {
namespace {

using model::Instance;

// The right that would have helped, where that is what is missing.
Error with_grant(const Error& error, const Question& question, const Asked& asked) {
  if (error.code() != ErrorCode::kForbidden) return error;
  if (asked.may_read_stats == false) return missing_grant("pg_monitor", asked.user);
  return Error(ErrorCode::kForbidden,
               missing_grant(question.grant, asked.user).message() + ": " + error.message());
}

template <auto kPlace, auto kDecode>
std::optional<Error> take(const Question& question, const PgResult<PgRows>& rows,
                          const Asked& asked, Instance& instance) {
  using Answer = typename std::remove_cvref_t<decltype(instance.*kPlace)>;
  const auto refuse = [&](const Error& reason) {
    Error error = with_grant(reason, question, asked);
    // What is missing for all of them needs no subject.
    if (error.code() != ErrorCode::kForbidden || asked.may_read_stats != false) {
      error = error.context("read " + std::string(question.subject));
    }
    instance.*kPlace = Answer::unknown(error, asked.source);
    return error;
  };
  if (question.hides && asked.may_read_stats == false) {
    return refuse(Error(ErrorCode::kForbidden, "hidden"));
  }
  if (!rows) return refuse(rows.failure().error);
  auto decoded = kDecode(*rows);
  if (!decoded) return refuse(decoded.error());
  instance.*kPlace = Answer::known(*std::move(decoded), asked.at);
  return std::nullopt;
}

// Senders before slots and so on: what is compared with each other is asked for close together.
constexpr std::array kRoundQuestions = {
    Question{"senders", true, "select on pg_stat_replication, pg_replication_slots", senders_sql,
             take<&Instance::senders, decode_senders>},
    Question{"WAL receiver", true, "select on pg_stat_wal_receiver", wal_receiver_sql,
             take<&Instance::wal_receiver, decode_wal_receiver>},
    Question{"slots", false, "select on pg_replication_slots", slots_sql,
             take<&Instance::slots, decode_slots>},
    Question{"sessions", true, "execute on function pg_stat_get_activity(integer)", activity_sql,
             take<&Instance::activity, decode_activity>},
    Question{"xmin holders", true, "select on pg_prepared_xacts, pg_replication_slots",
             xmin_holders_sql, take<&Instance::xmin_holders, decode_xmin_holders>},
    Question{"prepared transactions", false, "execute on function pg_prepared_xact()", prepared_sql,
             take<&Instance::prepared, decode_prepared>},
    Question{"subscriptions", false, "select on pg_subscription", subscriptions_sql,
             take<&Instance::subscriptions, decode_subscriptions>},
    Question{"archiver", false, "select on pg_stat_archiver", archiver_sql,
             take<&Instance::archiver, decode_archiver>},
    Question{"databases", false, "select on pg_database", databases_sql,
             take<&Instance::databases, decode_databases>},
};

constexpr std::array kSlowQuestions = {
    Question{"settings", false, "pg_read_all_settings", settings_sql,
             take<&Instance::settings, decode_settings>},
    Question{"WAL directory", false,
             "execute on functions pg_ls_waldir(), pg_ls_archive_statusdir()", wal_directory_sql,
             take<&Instance::wal_directory, decode_wal_directory>},
    Question{"database sizes", false, "pg_read_all_stats", database_sizes_sql,
             take<&Instance::database_sizes, decode_database_sizes>},
};

}  // namespace

std::span<const Question> round_questions() { return kRoundQuestions; }
std::span<const Question> slow_questions() { return kSlowQuestions; }

Error missing_grant(std::string_view grant, std::string_view user) {
  std::string text = "no permission, grant ";
  text.append(grant).append(" to ").append(quoted_identifier(user));
  return Error(ErrorCode::kForbidden, std::move(text));
}

std::string quoted_identifier(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  const bool plain = !name.empty() && std::ranges::all_of(name, is_plain) &&
                     !(name.front() >= '0' && name.front() <= '9');
  if (plain) return std::string(name);
  std::string quoted = "\"";
  for (const char c : name) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + "\"";
}

}  // namespace keelwatch::sources
