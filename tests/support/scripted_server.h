// A TCP, TLS or unix-socket server whose behaviour is a function: every accepted connection runs
// the handler on its own thread with blocking sockets, so a handler may hang, cut, or send garbage.
// Threads: the handler runs on the server's threads; everything else belongs to the test's thread.
// Destroying the server closes all connections, which ends every blocked call of a handler.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/certificates.h"

namespace keelwatch::testing {

struct ScriptedRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in their order
  std::string body;
  std::string tls_server_name;  // what the client sent as SNI

  [[nodiscard]] std::string header(std::string_view name) const;
};

// The server's end of one connection. Calls return false or nothing once the peer is gone.
class ScriptedConnection {
 public:
  virtual ~ScriptedConnection() = default;
  // One HTTP request with a Content-Length body; nothing at the end of the connection.
  virtual std::optional<ScriptedRequest> read_request() = 0;
  virtual bool send(std::string_view bytes) = 0;
  // Blocks until the peer closes (or the server ends).
  virtual void wait_closed() = 0;
  // Ends it the hard way: a reset, and no close_notify.
  virtual void reset() = 0;
  // Begins TLS on a connection of a server with `tls_later`: what a CONNECT proxy needs.
  virtual bool start_tls() = 0;
  // Number of this connection: 0, 1, ... in the order of accept.
  [[nodiscard]] virtual int number() const = 0;
};

using ScriptedHandler = std::function<void(ScriptedConnection&)>;

struct ScriptedServerOptions {
  std::optional<CertifiedKey> tls;
  std::string client_ca_pem;  // not empty: a client certificate of this authority is required
  bool tls_later = false;     // the handler calls start_tls()
  std::string unix_socket;    // listen here instead of on 127.0.0.1
};

class ScriptedServer {
 public:
  explicit ScriptedServer(ScriptedHandler handler, ScriptedServerOptions options = {});
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] int port() const;
  [[nodiscard]] std::string url(std::string_view path = "/") const;  // http(s)://127.0.0.1:port
  // Connections accepted so far.
  [[nodiscard]] int connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Answers every request of a keep-alive connection with what `answer` makes of it.
[[nodiscard]] ScriptedHandler answer_each(
    std::function<std::string(const ScriptedRequest&)> answer);

// A whole response with Content-Length.
[[nodiscard]] std::string http_response(int status, std::string_view body,
                                        std::string_view extra_headers = "");

// A port of 127.0.0.1 on which nobody listens (any more).
[[nodiscard]] int unused_port();

}  // namespace keelwatch::testing
