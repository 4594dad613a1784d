// The statements of an instance, by pace, and what their answers become. server_sql() is no part of
// it: its answer decides how the others are read.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/pg_client.h"
#include "base/result.h"
#include "model/postgres.h"

namespace keelwatch::sources {

// What answers of one flush have in common.
struct Asked {
  WallTime at;
  std::string source;  // as Observed names it
  std::string user;
  std::optional<bool> may_read_stats;  // ServerAnswer's; nullopt: the server did not say
};

struct Question {
  std::string_view subject;  // "slots": errors begin with "read slots"
  // Without pg_read_all_stats its rows are incomplete, or none, although the server does not say.
  bool hides;
  std::string_view grant;  // what a refusal lacks if pg_monitor is there
  std::string (*sql)(int version);
  // Puts the answer into its place, known or unknown; returns why it is unknown.
  std::optional<Error> (*take)(const Question&, const PgResult<PgRows>&, const Asked&,
                               model::Instance&);
};

[[nodiscard]] std::span<const Question> round_questions();
[[nodiscard]] std::span<const Question> slow_questions();

// "no permission, grant pg_monitor to keelwatch"; the name is quoted where SQL wants it.
[[nodiscard]] Error missing_grant(std::string_view grant, std::string_view user);
[[nodiscard]] std::string quoted_identifier(std::string_view name);

}  // namespace keelwatch::sources
