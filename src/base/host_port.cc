#include "base/host_port.h"

#include <algorithm>
#include <charconv>

namespace keelwatch {

std::optional<HostPort> parse_host_port(std::string_view text) {
  constexpr int kLastPort = 65535;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  int port = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, failure] = std::from_chars(digits.data(), end, port);
  if (failure != std::errc() || stop != end || port < 1 || port > kLastPort) return std::nullopt;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // an IPv6 address without brackets: where does it end?
  }
  const bool plain = std::ranges::none_of(host, [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '[' || c == ']';
  });
  if (host.empty() || !plain) return std::nullopt;
  return HostPort{std::string(host), port};
}

std::string host_port_text(std::string_view host, int port) {
  const std::string after = ":" + std::to_string(port);
  if (host.find(':') == std::string_view::npos) return std::string(host) + after;
  return "[" + std::string(host) + "]" + after;
}

}  // namespace keelwatch
