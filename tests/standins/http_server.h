// The HTTP(S) server under every stand-in: Boost.Beast on one thread of its own, any number of
// connections, keep-alive, whole and chunked answers, and everything that a broken peer does
// (silence, half an answer, bytes that are not HTTP, reset connections).
// Threads: the handler runs on the server's thread; Exchange and after() may be used from any.
// The constructor throws std::runtime_error when it cannot listen. The destructor stops at once,
// whatever is open.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelwatch::standins {

struct ServerRequest {
  std::string method;
  std::string target;                          // as sent
  std::string path;                            // decoded, without the query
  std::map<std::string, std::string> query;    // decoded; the last of a repeated key
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string client_name;  // CN of a verified client certificate, else ""

  // The parameter or header, or "".
  [[nodiscard]] std::string_view parameter(const std::string& name) const;
  [[nodiscard]] std::string_view header(const std::string& name) const;
};

struct ServerReply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<std::uint64_t> length =
      {};  // answer to a HEAD: what Content-Length says of no body
};

class ServerConnection;

// The answer to one request. Exactly one of send(), start_stream(), send_raw() or cut() begins it.
// Kept and never answered, it hangs; dropped unanswered, the connection is reset.
class Exchange {
 public:
  explicit Exchange(std::weak_ptr<ServerConnection> connection);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // A whole answer. Content-Length, Date and the reason phrase are added.
  void send(ServerReply reply);
  // The same headers, the first half of the body, then a reset.
  void send_truncated(ServerReply reply);

  // A chunked answer: headers now, one chunk per write(), end() is its clean end.
  void start_stream(ServerReply head);
  void write(std::string_view chunk);
  void end();

  // These bytes instead of HTTP, then the connection is closed.
  void send_raw(std::string bytes);
  // Resets the connection after what was written has gone out.
  void cut();

  // Whether the peer has gone away, or the answer is complete.
  [[nodiscard]] bool closed() const;

 private:
  std::weak_ptr<ServerConnection> connection_;
  bool begun_ = false;
  bool finished_ = false;
};

struct ServerTls {
  std::string certificate_pem;  // chain, leaf first
  std::string key_pem;
  std::string client_ca_pem;  // empty: client certificates are not asked for
};

class HttpServer {
 public:
  using Handler = std::function<void(ServerRequest, std::shared_ptr<Exchange>)>;

  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: any free one
    std::optional<ServerTls> tls;
  };

  HttpServer(Options options, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  // "http://127.0.0.1:41234", "https://..." with TLS.
  [[nodiscard]] std::string url() const;

  // Runs on the server's thread once the delay has passed; never after the destructor began.
  void after(std::chrono::milliseconds delay, std::function<void()> work);

  // Added to the clock behind the Date header: a server whose clock is wrong.
  void set_clock_skew(std::chrono::seconds skew);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::standins
