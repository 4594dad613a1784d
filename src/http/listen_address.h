// "--web.listen-address" as exporters take it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelwatch::http {

struct ListenAddress {
  std::string host;  // empty: every address, IPv4 and IPv6; else a literal (no brackets) or a name
  std::uint16_t port = 0;

  bool operator==(const ListenAddress&) const = default;
};

// "host:port", ":port", "[::1]:port". Port 0 lets the kernel choose. Errors: kInvalid.
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace keelwatch::http
