// `keelwatch probe HOST:PORT`: one probe for a person, as a table of its steps.
#pragma once

#include <string>

#include "base/clock.h"
#include "config/config.h"
#include "discovery/endpoints.h"
#include "model/endpoint.h"

namespace keelwatch::app {

struct ProbeOptions {
  std::string address;  // HOST:PORT, or a web address with kind http
  std::string kind = "postgres";
  std::string role = "none";
  config::PostgresLogin login = config::probe_login();
  std::string tls_name;
  std::string socks5;
  bool large_result = true;
  Duration timeout = std::chrono::seconds(5);
  bool json = false;
};

// The steps as a table, and a last line that says what they come to.
[[nodiscard]] std::string probe_table(const discovery::EndpointTarget& target,
                                      const model::ProbeResult& result);

// 0: passed; 1: it did not, or stdout does not take the table; 2: the options make no sense.
[[nodiscard]] int probe_command(const ProbeOptions& options);

}  // namespace keelwatch::app
