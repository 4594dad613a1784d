// An HTTP/1.1 server that no client can hold up: one I/O thread, everything asynchronous, every
// wait bounded. A half-sent request, a reader that stops reading, a thousand connections or a query
// that hangs cost their own client only; a scrape is served from bytes in memory beside them.
//
// When the connections are used up, the newest one is let in and another goes: first one that idles
// between two requests, then the one waiting longest for the rest of its request, then a reader
// that has stopped. Only when all of them are at work the newest is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "http/router.h"
#include "http/web_config.h"

namespace keelwatch::http {

// Bounds; the defaults are the program's, tests scale them down.
struct ServerLimits {
  std::size_t connections = 512;
  std::size_t header_bytes = 32 * 1024;
  std::size_t body_bytes = 1024 * 1024;
  std::size_t bodies_bytes = 32 * 1024 * 1024;  // of all requests being received
  std::size_t query_workers = 2;
  std::size_t queued_queries = 64;
  Duration request = std::chrono::seconds(10);  // from the first byte (or accept) to the last
  Duration idle = std::chrono::minutes(5);      // between two requests
  Duration write = std::chrono::seconds(10);    // a whole response
  Duration handler = std::chrono::seconds(30);  // a queued handler, its time in the queue included
  Duration linger = std::chrono::seconds(1);    // reading on after a last response
  Duration stalled = std::chrono::seconds(1);   // a reader without progress may be evicted
  Duration accept_pause = std::chrono::milliseconds(100);  // when descriptors are used up
};

struct ServerOptions {
  std::vector<std::string> listen;       // parse_listen_address() has the forms
  std::shared_ptr<const WebConfig> web;  // null: plain HTTP for everybody
  ServerLimits limits;
};

// Counts since the start, except open_connections.
struct ServerStats {
  std::uint64_t open_connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t requests = 0;       // responses begun
  std::uint64_t timed_out = 0;      // connections dropped by a deadline
  std::uint64_t evicted = 0;        // connections dropped for a newer one
  std::uint64_t refused = 0;        // newest connections dropped, nobody could be evicted
  std::uint64_t accept_pauses = 0;  // descriptors or memory used up
  std::uint64_t unauthorized = 0;   // 401 answers
  std::uint64_t tls_failures = 0;   // handshakes that failed
};

class Server {
 public:
  // Binds every address and starts the threads. Errors: kInvalid (bad address), kUnavailable
  // ("listen on 127.0.0.1:10555: address already in use"), kForbidden. `clock` and `log` outlive
  // the server.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options, Router router,
                                                             const Clock& clock, Logger& log);
  ~Server();  // stop(0)
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "127.0.0.1:41234", "[::]:9187"; in the order of `listen`. Any thread.
  [[nodiscard]] const std::vector<std::string>& bound_addresses() const;

  // Any thread. Requests that begin after the return are judged by `web`; connections of other TLS
  // settings are closed once idle.
  void set_web_config(std::shared_ptr<const WebConfig> web);

  [[nodiscard]] ServerStats stats() const;  // any thread

  // Takes no more connections, finishes what has begun within `drain`, drops the rest, ends the
  // threads. Any thread but the server's own; a second call returns when the first has.
  void stop(Duration drain);

 private:
  class Impl;
  friend class Connection;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::http
