// What a request's URL, proxy and TLS name mean for the connection. Internal to HttpClient.
#pragma once

#include <string>

#include "base/http_client.h"
#include "base/result.h"

namespace keelwatch::internal {

struct HttpTarget {
  std::string url;   // as libcurl gets it: its host is TlsOptions::server_name where that is given
  bool tls = false;  // https
  std::string host;  // of the request's URL, without brackets
  std::string port;
  std::string renamed_host_header;  // the Host header where `url` names another host, else ""
  std::string proxy;                // with its port; "" for none
  std::string proxy_host;
  std::string proxy_port;

  // Whom we connect to ourselves, and whose name therefore is resolved here.
  [[nodiscard]] const std::string& dialled_host() const {
    return proxy.empty() ? host : proxy_host;
  }
  [[nodiscard]] const std::string& dialled_port() const {
    return proxy.empty() ? port : proxy_port;
  }
  [[nodiscard]] std::string authority() const;  // "host:port", brackets around an IPv6 address
};

// Errors: kInvalid for a URL, proxy URL, header or token that cannot be sent. Credentials that
// stand in a URL never get into a message.
[[nodiscard]] Result<HttpTarget> parse_target(const HttpRequest& request);

// "host:port", with brackets where the host is an IPv6 address.
[[nodiscard]] std::string host_and_port(const std::string& host, const std::string& port);

}  // namespace keelwatch::internal
