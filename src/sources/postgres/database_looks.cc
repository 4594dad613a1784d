#include "sources/postgres/database_looks.h"

#include <algorithm>
#include <set>
#include <utility>

#include "sources/postgres/queries.h"
#include "sources/postgres/questions.h"

namespace keelwatch::sources {
namespace {

constexpr Duration kAgain = std::chrono::seconds(10);

using Content = Observed<model::DatabaseContent>;

Error reason_of(const PgFailure& failure, const std::string& database, const std::string& user) {
  if (failure.error.code() != ErrorCode::kForbidden) {
    return failure.error.context("look into database " + quoted_identifier(database));
  }
  return missing_grant("connect on database " + quoted_identifier(database), user);
}

}  // namespace

DatabaseLooks::DatabaseLooks(const SourceContext& context, const config::Postgres& settings,
                             std::string source,
                             std::function<void(const std::optional<Error>&)> looked)
    : context_(context),
      settings_(settings),
      source_(std::move(source)),
      looked_(std::move(looked)) {}

void DatabaseLooks::set_databases(const std::vector<model::DatabaseFacts>& databases,
                                  std::optional<WallTime> server_started) {
  std::set<std::string_view> names;
  for (const model::DatabaseFacts& database : databases) {
    if (!database.allows_connections) continue;
    names.insert(database.name);
    databases_.try_emplace(database.name);
  }
  std::erase_if(databases_, [&](const auto& entry) { return !names.contains(entry.first); });
  if (server_started && server_started != server_started_) {
    server_started_ = server_started;
    for (auto& [name, database] : databases_) database.due = SteadyTime{};
  }
}

void DatabaseLooks::forget() {
  databases_.clear();
  server_started_.reset();
}

std::optional<std::string> DatabaseLooks::next_due() const {
  const auto next =
      std::ranges::min_element(databases_, {}, [](const auto& entry) { return entry.second.due; });
  if (next == databases_.end() || next->second.due > context_.loop.now()) return std::nullopt;
  return next->first;
}

Task<> DatabaseLooks::run(PgTarget server) {
  for (;;) {
    std::optional<std::string> name = next_due();
    if (name) {
      co_await look(server, *std::move(name));
    } else {
      co_await context_.loop.sleep_for(settings_.interval);
    }
  }
}

Task<> DatabaseLooks::look(PgTarget server, std::string name) {
  server.dbname = name;
  // A look that ends with the held connection is repeated soon, but not at once.
  databases_[name].due = context_.loop.after(std::min(kAgain, settings_.databases_interval));
  const WallTime asked = context_.clock.wall();
  std::optional<PgFailure> failure;
  std::optional<Result<model::DatabaseContent>> content;
  PgResult<std::unique_ptr<PgConnection>> conn = co_await PgConnection::connect(
      context_.loop, context_.resolver, server, context_.loop.after(settings_.connect_timeout));
  if (conn) {
    std::string sql = content_sql((*conn)->server_version());
    const PgResult<PgRows> rows =
        co_await (*conn)->query(std::move(sql), context_.loop.after(2 * settings_.query_timeout));
    received_bytes_ += (*conn)->received_bytes().value_or(0);
    if (rows) {
      content = decode_content(*rows);
    } else {
      failure = rows.failure();
    }
  } else {
    failure = conn.failure();
  }
  std::optional<Error> error;
  if (failure) error = reason_of(*failure, name, server.user);
  if (content && !*content) error = content->error().context("look into database " + name);
  // It may have been dropped in the meantime.
  if (const auto database = databases_.find(name); database != databases_.end()) {
    database->second.due = context_.loop.after(settings_.databases_interval);
    database->second.content =
        error ? Content::unknown(*error, source_) : Content::known(**std::move(content), asked);
  }
  looked_(error);
}

std::vector<model::DatabaseAnswer> DatabaseLooks::answers() const {
  std::vector<model::DatabaseAnswer> answers;
  for (const auto& [name, database] : databases_) {
    if (database.content) answers.push_back({name, *database.content});
  }
  return answers;
}

}  // namespace keelwatch::sources
