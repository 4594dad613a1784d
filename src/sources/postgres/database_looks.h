// A look into each database of an instance, for what can only be seen from within: a short
// connection of its own to each in turn, one at a time and each with a deadline, so that rounds on
// the held connection are never delayed. A database is looked at when it appears, when the server
// has been restarted (with it may have come other libraries), and every databases_interval.
//
// Threads: the loop's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/pg_client.h"
#include "base/task.h"
#include "config/config.h"
#include "model/postgres.h"
#include "sources/source.h"

namespace keelwatch::sources {

class DatabaseLooks {
 public:
  // `looked` is called after each look with the reason why it failed, if it did.
  DatabaseLooks(const SourceContext& context, const config::Postgres& settings, std::string source,
                std::function<void(const std::optional<Error>&)> looked);
  DatabaseLooks(const DatabaseLooks&) = delete;
  DatabaseLooks& operator=(const DatabaseLooks&) = delete;

  // The databases that there are, and since when the server has been running.
  void set_databases(const std::vector<model::DatabaseFacts>& databases,
                     std::optional<WallTime> server_started);
  void forget();  // all databases and their answers

  // Looks, for as long as the task lives. One at a time; what is known outlives it.
  Task<> run(PgTarget server);

  [[nodiscard]] std::vector<model::DatabaseAnswer> answers() const;  // sorted by name
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  struct Database {
    std::optional<Observed<model::DatabaseContent>> content;  // none: never looked at
    SteadyTime due{};
  };

  Task<> look(PgTarget server, std::string name);
  [[nodiscard]] std::optional<std::string> next_due() const;

  SourceContext context_;
  const config::Postgres& settings_;
  std::string source_;
  std::function<void(const std::optional<Error>&)> looked_;
  std::map<std::string, Database> databases_;
  std::optional<WallTime> server_started_;
  std::uint64_t received_bytes_ = 0;
};

}  // namespace keelwatch::sources
