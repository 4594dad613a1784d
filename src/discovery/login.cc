#include "discovery/login.h"

#include <algorithm>
#include <utility>

namespace keelwatch::discovery {

std::string first_line(std::string text) {
  text.resize(std::min(text.find('\n'), text.size()));
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

bool has_credential(const config::PostgresLogin& login) {
  return !login.password_file.empty() || !login.passfile.empty() || !login.sslcert.empty();
}

LoggingIn with_login(PgTarget connection, const config::PostgresLogin& login,
                     const ReadFile& read_file, std::string_view what_to_set) {
  LoggingIn result;
  connection.user = login.user;
  connection.dbname = login.dbname;
  connection.passfile = login.passfile;
  connection.sslmode = login.sslmode;
  connection.sslrootcert = login.sslrootcert;
  connection.sslcert = login.sslcert;
  connection.sslkey = login.sslkey;
  if (!has_credential(login)) {
    result.not_set_up_reason = "no credential: set ";
    result.not_set_up_reason += what_to_set;
    return result;
  }
  if (!login.password_file.empty()) {
    Result<std::string> password = read_file(login.password_file);
    if (!password) {
      // A Secret that nobody has made yet is an optional mount without the file; a file that is
      // there and cannot be read is a fault.
      std::string& reason = password.error().code() == ErrorCode::kNotFound
                                ? result.not_set_up_reason
                                : result.cannot_connect_reason;
      reason = "password_file " + login.password_file + ": " + password.error().message();
      return result;
    }
    connection.password = Secret(first_line(std::move(*password)));
  }
  result.connection = std::move(connection);
  return result;
}

}  // namespace keelwatch::discovery
