// "host:port" as people write it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelwatch {

struct HostPort {
  std::string host;  // a name or an address, without brackets
  int port = 0;
  bool operator==(const HostPort&) const = default;
};

// "pg.example.org:5432", "10.0.0.1:5432", "[fd7a::1]:5432"; nullopt for anything else, a missing
// port and one that is not from 1 to 65535 included.
[[nodiscard]] std::optional<HostPort> parse_host_port(std::string_view text);

// The same, with brackets around an IPv6 address.
[[nodiscard]] std::string host_port_text(std::string_view host, int port);

}  // namespace keelwatch
