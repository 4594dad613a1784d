#include "http/listen_address.h"

#include <charconv>

namespace keelwatch::http {
namespace {

Error invalid(std::string_view text, std::string_view problem) {
  return Error(ErrorCode::kInvalid, "listen address \"" + std::string(text) +
                                        "\": " + std::string(problem) +
                                        ", want host:port, :port or [ipv6]:port");
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid(text, "no port");
  ListenAddress address;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return invalid(text, "not an IPv6 address");
  } else if (host.find_first_of("[]:") != std::string_view::npos) {
    return invalid(text, "an IPv6 address needs brackets");
  }
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (ec != std::errc() || end != port.data() + port.size() || port.empty()) {
    return invalid(text, "the port is not a number from 0 to 65535");
  }
  address.host = host;
  return address;
}

}  // namespace keelwatch::http
