// Names to addresses without blocking: c-ares on the loop's descriptors. A hung DNS server costs
// only the caller's own deadline. Numeric addresses and "localhost" are answered at once.
// Threads: the loop's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/result.h"

namespace keelwatch {

struct IpAddress {
  std::string text;  // numeric: "10.0.0.1", "fd7a::1" (no brackets)
  bool v6 = false;
  bool operator==(const IpAddress&) const = default;
};

class Resolver {
 public:
  // Reads /etc/resolv.conf and /etc/hosts unless `servers` ("127.0.0.1:5353", ...) are given.
  explicit Resolver(EventLoop& loop, std::vector<std::string> servers = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // All addresses (A and AAAA) in the order in which they should be tried; never empty on success.
  // Errors: kNotFound (NXDOMAIN, no data), kTimeout, kUnavailable (server refused or failed).
  [[nodiscard]] Task<Result<std::vector<IpAddress>>> resolve(std::string host, SteadyTime deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch
