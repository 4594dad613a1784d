// An HTTP/1.1 client that hides nothing: status, headers and chunks as they came, one connection,
// blocking with a deadline. For tests of protocols; everything else uses base/http_client.h.
// Every failure throws RawHttpError, a passed deadline RawHttpTimeout.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace keelwatch::testing {

class RawHttpError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class RawHttpTimeout : public RawHttpError {
 public:
  using RawHttpError::RawHttpError;
};

struct RawResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const;
};

class RawHttp {
 public:
  struct Peer {
    std::string url;     // http://HOST:PORT or https://; HOST is an IPv4 address
    std::string ca_pem;  // verified, with the host, for https
    std::string bearer_token;
  };

  // Connects.
  explicit RawHttp(Peer peer, std::chrono::milliseconds deadline = std::chrono::seconds(10));
  ~RawHttp();
  RawHttp(RawHttp&&) noexcept;
  RawHttp& operator=(RawHttp&&) noexcept;

  // A whole exchange; the connection can be used again unless the peer said close.
  RawResponse request(std::string_view method, std::string_view target, std::string_view body = "",
                      std::string_view content_type = "application/json");

  // The head of the answer only; next_chunk() reads on. Each call has its own deadline.
  RawResponse open(std::string_view target);
  // One chunk of a chunked answer as it was framed; nothing at the clean end.
  std::optional<std::string> next_chunk(
      std::chrono::milliseconds deadline = std::chrono::seconds(10));

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

// One exchange on a connection of its own.
RawResponse raw_get(const RawHttp::Peer& peer, std::string_view target);

}  // namespace keelwatch::testing
