// Which handler answers which method and path. Filled once, then only read: the server's I/O thread
// is its single reader.
#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/message.h"

namespace keelwatch::http {

// Runs on the I/O thread, where every other connection waits for it: microseconds, no I/O.
struct Immediate {
  std::function<Response(const Request&)> run;
};

// Runs on a query worker. The token is stopped when the client has gone, the deadline has passed or
// the server stops; the handler looks at it often and may then return anything.
struct Queued {
  std::function<Response(const Request&, const std::stop_token&)> run;
};

using Handler = std::variant<Immediate, Queued>;

class Router {
 public:
  // `path` exactly. GET also answers HEAD. Adding the same method and path again replaces it.
  void add(std::string method, std::string path, Handler handler);
  // Every path that begins with `prefix`; an exact path wins over prefixes, a longer one over a
  // shorter one.
  void add_prefix(std::string method, std::string prefix, Handler handler);

  // The handler, or the response to give instead: 404, or 405 with Allow. The pointer lives as long
  // as the router.
  [[nodiscard]] std::variant<const Handler*, Response> find(std::string_view method,
                                                            std::string_view path) const;

 private:
  using Methods = std::map<std::string, Handler, std::less<>>;

  std::map<std::string, Methods, std::less<>> exact_;
  std::map<std::string, Methods, std::greater<>> prefixes_;  // a longer one before its own prefix
};

}  // namespace keelwatch::http
