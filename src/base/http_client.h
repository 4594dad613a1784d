// HTTP and HTTPS requests as coroutines: libcurl's multi interface on the loop, any number of
// transfers side by side, connections kept and reused. Names go through Resolver, so that a hung
// DNS delays nobody else. Every transfer has a deadline and every body a size limit.
// Threads: the loop's. Destroying a task or stream aborts its transfer; destroying the client ends
// those of its tasks and streams that are left with kCancelled. The program must ignore SIGPIPE.
//
// HTTP/1.1 on purpose: with a connection per watch a paused or cut stream is nobody else's, and a
// few dozen connections cost less than flow control shared between them. Idle connections are
// reused only under the same host, authority and client certificate. TCP keepalive notices a peer
// that vanished after a minute. The *_proxy variables of the environment do not count.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/resolver.h"
#include "base/result.h"
#include "base/secret.h"

namespace keelwatch {

// PEM texts rather than files: whoever owns the files re-reads them when they change.
struct TlsOptions {
  std::string ca_pem;           // empty: the system's trust store
  std::string certificate_pem;  // client certificate chain
  Secret key_pem;
  std::string server_name;   // verify (and send) this name instead of the URL's host
  bool skip_verify = false;  // only where the user's own file says so

  bool operator==(const TlsOptions&) const = default;
};

// AWS Signature Version 4. The caller gives the query sorted, bare keys as `key=`, the path
// strictly percent-encoded and the x-amz-content-sha256 header: libcurl 7.88 does none of these.
struct SigV4 {
  std::string access_key;
  Secret secret_key;
  std::string session_token;
  std::string region;
  std::string service = "s3";
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://
  HttpHeaders headers;
  std::optional<Secret> bearer_token;                        // sent as Authorization; never logged
  std::optional<std::pair<std::string, Secret>> basic_auth;  // user, password
  std::optional<SigV4> sigv4;
  std::string body;
  TlsOptions tls;
  std::string unix_socket;  // connect here instead of to the URL's host
  std::string proxy_url;    // http://, https://, socks5h://
  SteadyTime deadline;      // of the whole fetch(); of the headers for open()
  Duration connect_timeout = std::chrono::seconds(5);
  std::size_t max_body_bytes = 64U << 20U;  // fetch() only; more is kTooLarge
  bool raw_body = false;  // the body's bytes as they are stored: no gzip asked for, none undone
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // names in lower case
  std::string body;
  std::uint64_t bytes_received = 0;  // on the wire, headers included

  // The first header of that (lower-case) name, or "".
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

// A response whose body arrives piece by piece: a Kubernetes watch.
class HttpStream {
 public:
  ~HttpStream();
  HttpStream(HttpStream&&) noexcept;
  HttpStream& operator=(HttpStream&&) noexcept;

  // Status and headers; body stays empty.
  [[nodiscard]] const HttpResponse& response() const;

  // The next bytes of the body, at most once the deadline: empty optional at its clean end.
  // Not more than 1 MiB waits unread: beyond that the transfer pauses (the peer feels it).
  // Errors: kTimeout (nothing came; the stream stays usable), kUnavailable (cut).
  [[nodiscard]] Task<Result<std::optional<std::string>>> next(SteadyTime deadline);

 private:
  friend class HttpClient;
  struct Impl;
  explicit HttpStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class HttpClient {
 public:
  HttpClient(EventLoop& loop, Resolver& resolver);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The whole response, whatever its status. Redirects are not followed. gzip is undone (libcurl
  // does not notice a gzip body that ends early within whole framing: the parser has to).
  // Errors: kTimeout; kUnavailable (names the phase: resolve, connect, TLS with the reason, send,
  // receive); kTooLarge; kMalformed (not HTTP); kInvalid (URL, header, PEM). No credential is in
  // them.
  [[nodiscard]] Task<Result<HttpResponse>> fetch(HttpRequest request);

  // Returns when the headers are in; the deadline covers only them.
  [[nodiscard]] Task<Result<HttpStream>> open(HttpRequest request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Percent-encodes everything but unreserved characters (RFC 3986): for a path segment or a query
// value.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace keelwatch
