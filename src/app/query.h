// `keelwatch query EXPR`: asks a server with Prometheus' HTTP API (/api/v1/query, query_range) and
// prints the answer as a table. This is the part without I/O: what to ask, and how an answer reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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

// Errors: kInvalid (a time or a step that is none).
[[nodiscard]] Result<QueryRequest> query_request(const QueryOptions& options, WallTime now);

struct QueryOutput {
  std::string table;                 // for stdout
  std::vector<std::string> notices;  // the server's warnings and infos, "no series": for stderr
};

// An instant vector has a row per series, a range one per series and step; the metric's name and
// each label that occurs are columns, the value is the last. Scalars and strings are one line.
// Errors: what the server answered, by its errorType (bad_data kInvalid, timeout and canceled
// kTimeout, unavailable kUnavailable, others kInvalid); kNotInstalled (the server has no such API);
// kUnauthorized, kForbidden; kMalformed.
[[nodiscard]] Result<QueryOutput> query_output(int status, std::string_view body);

}  // namespace keelwatch::app
