// TCP and TLS connections of our own making, where neither libcurl nor libpq makes them: probes of
// plain ports, and the way through a SOCKS5 proxy. Non-blocking, on the loop, every step with a
// deadline. Threads: the loop's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/resolver.h"
#include "base/result.h"

namespace keelwatch {

// A descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  void reset();

 private:
  int fd_;
};

// Errors: kTimeout; kUnavailable with the kernel's words, "Connection refused" among them.
[[nodiscard]] Task<Result<Descriptor>> tcp_connect(EventLoop& loop, IpAddress address, int port,
                                                   SteadyTime deadline);

// Asks a SOCKS5 proxy (RFC 1928, without authentication) on a fresh connection for one to
// host:port; a name is resolved by the proxy. Errors: kUnavailable: what the proxy says, which from
// tailscaled is always "general failure"; kMalformed: it is no such proxy; kTimeout.
[[nodiscard]] Task<Result<void>> socks5_connect(EventLoop& loop, int fd, std::string host, int port,
                                                SteadyTime deadline);

struct TlsPeer {
  std::optional<WallTime> certificate_expires;
};

// A TLS handshake on a fresh connection, ended right after. The certificate must be of `ca_pem`
// (empty: the system's trust store) and bear `server_name`, a name or an address. Errors:
// kUnavailable with OpenSSL's reason, kTimeout, kInvalid (ca_pem is none).
[[nodiscard]] Task<Result<TlsPeer>> tls_handshake(EventLoop& loop, int fd, std::string ca_pem,
                                                  std::string server_name, SteadyTime deadline);

}  // namespace keelwatch
