// `keelwatch query EXPR`: asks a server with Prometheus' HTTP API (/api/v1/query, query_range) and
// prints the answer as a table. This is the part without I/O: what to ask, and how an answer reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/query_table.h"
#include "base/clock.h"
#include "base/result.h"

namespace keelwatch::app {

struct QueryOptions {
  std::string expression;
  std::string server = "http://127.0.0.1:10555";
  bool range = false;
  // Times: RFC 3339, Unix seconds, "now" or "now-1h". Empty: now; for start an hour before the end.
  std::string time;
  std::string start;
  std::string end;
  std::string step;  // a duration or seconds; empty: 60 steps
  Duration timeout = std::chrono::seconds(30);
  bool json = false;
  std::string user;  // basic auth
  std::string password_file;
  std::string bearer_token_file;
  std::string ca_file;  // of the server's certificate
  bool skip_verify = false;
};

struct QueryRequest {
  std::string path;  // below the server's address: "/api/v1/query"
  std::string form;  // urlencoded parameters
};

// Errors: kInvalid (a server, a time or a step that is none).
[[nodiscard]] Result<QueryRequest> query_request(const QueryOptions& options, WallTime now);

// kInvalid if it does not begin with http:// or https://, with what to write instead.
[[nodiscard]] Result<void> check_server(const std::string& server);

struct QueryOutput {
  // For stdout: a scalar or a string is one line, other answers are a table; it may be empty.
  std::string line;
  QueryTable table;
  std::vector<std::string> notices;  // the server's warnings and infos, "no series": for stderr
};

// Every text of the server in it is printable (terminal.h), in errors too.
// Errors: what the server answered, by its errorType (bad_data kInvalid, timeout and canceled
// kTimeout, unavailable kUnavailable, others kInvalid); kNotInstalled (the server has no such API);
// kUnauthorized, kForbidden; kMalformed.
[[nodiscard]] Result<QueryOutput> query_output(int status, std::string_view body);

// kMalformed if the text is not JSON to the last character.
[[nodiscard]] Result<void> check_json(std::string_view text);

}  // namespace keelwatch::app
