// How to log in somewhere, from the settings of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/pg_client.h"
#include "config/config.h"
#include "discovery/discover.h"

namespace keelwatch::discovery {

struct LoggingIn {
  std::optional<PgTarget> connection;  // absent: no credential
  std::string not_set_up_reason;       // no credential was ever given; what to do
  std::string cannot_connect_reason;   // the credential is there and cannot be read
};

// Without the line break.
[[nodiscard]] std::string first_line(std::string text);

// Whether any credential is named at all.
[[nodiscard]] bool has_credential(const config::PostgresLogin& login);

// `connection` with the login filled in. `what_to_set` ends the sentence "no credential: set ...".
[[nodiscard]] LoggingIn with_login(PgTarget connection, const config::PostgresLogin& login,
                                   const ReadFile& read_file, std::string_view what_to_set);

}  // namespace keelwatch::discovery
