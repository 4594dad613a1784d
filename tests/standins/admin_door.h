// The admin door of a stand-in for shell scripts: plain HTTP on a loopback port of its own, without
// authentication. GET /_admin/ prints the list of what it can do. Answers 200, 404 (no such thing)
// or 400 with the reason as text.
// Threads: the answers run on the door's own thread.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tests/standins/http_server.h"

namespace keelwatch::standins {

class AdminDoor {
 public:
  // By method and path, "POST /_admin/fault". What one throws is answered with 400 and its text.
  using Answers = std::map<std::string, std::function<ServerReply(const ServerRequest&)>>;

  // Port 0: any free one.
  AdminDoor(std::uint16_t port, std::string_view usage, Answers answers);

  [[nodiscard]] std::string url() const { return server_.url(); }

 private:
  [[nodiscard]] ServerReply answer(const ServerRequest& request) const;

  std::string usage_;
  Answers answers_;
  HttpServer server_;  // last: its thread ends first
};

[[nodiscard]] ServerReply admin_text(int status, std::string body);

// A parameter of the query; `otherwise` where it is missing (a number: or empty).
[[nodiscard]] std::string word(const ServerRequest& request, const std::string& name,
                               std::string otherwise = "");
[[nodiscard]] int number(const ServerRequest& request, const std::string& name, int otherwise);

// The value that goes by this name; an unknown one throws with the known ones.
template <typename Value>
Value one_of(const std::string& text, std::initializer_list<std::pair<const char*, Value>> values) {
  std::string known;
  for (const auto& [name, value] : values) {
    if (text == name) return value;
    known.append(" ").append(name);
  }
  throw std::invalid_argument("unknown word \"" + text + "\", known are:" + known);
}

}  // namespace keelwatch::standins
