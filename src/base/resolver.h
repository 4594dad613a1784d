// Names to addresses without blocking: c-ares on the loop's descriptors. A hung DNS server costs
// only the caller's own deadline. Numeric addresses, "localhost" and "*.localhost" (RFC 6761) are
// answered at once. Callers that ask for the same name at the same time share one query; answers
// are kept for their TTL, 30 s at most, failures never. A changed resolv.conf counts from the next
// question on.
// Threads: the loop's. Destroying the awaiting task is always safe: the query runs on without it
// (c-ares cannot cancel one) and its answer is dropped. Destroying the Resolver ends waiting tasks
// with kCancelled.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

// The address if `host` is a numeric one, with or without brackets.
[[nodiscard]] std::optional<IpAddress> parse_ip_address(std::string_view host);

class Resolver {
 public:
  // Reads /etc/resolv.conf (name servers, search domains, ndots) and /etc/hosts. `servers`
  // ("127.0.0.1:5353", ...) replace those of the file, and then only DNS is asked: no hosts file,
  // and search domains only from a `resolv_conf` that is given too.
  explicit Resolver(EventLoop& loop, std::vector<std::string> servers = {},
                    std::string resolv_conf = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // All addresses (A and AAAA) in the order in which they should be tried (RFC 6724); never empty
  // on success. A query that nobody answered is repeated until the deadline. Errors ("resolve HOST:
  // ..."): kNotFound (NXDOMAIN, no data), kTimeout, kUnavailable (server refused or failed; c-ares
  // often sees a closed port as silence), kInvalid (not a name), kCancelled.
  [[nodiscard]] Task<Result<std::vector<IpAddress>>> resolve(std::string host, SteadyTime deadline);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the tasks that wait
};

}  // namespace keelwatch
