#include "base/http_target.h"

#include <curl/curl.h>
#include <sys/un.h>

#include <memory>

namespace keelwatch::internal {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Url new_url() { return Url(curl_url(), &curl_url_cleanup); }

std::string part(CURLU* url, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, flags) != CURLUE_OK || !text) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

std::string without_brackets(std::string host) {
  if (host.size() > 2 && host.front() == '[') return host.substr(1, host.size() - 2);
  return host;
}

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

bool breaks_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

Result<void> check_headers(const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || name.find_first_of(": \t") != std::string::npos || breaks_line(name) ||
        breaks_line(value)) {
      return invalid("request header \"" + (breaks_line(name) ? "" : name) +
                     "\" has a line break or a name that is none");
    }
  }
  if (request.bearer_token && breaks_line(request.bearer_token->reveal())) {
    return invalid("the bearer token contains a line break");
  }
  if (request.sigv4 && breaks_line(request.sigv4->session_token)) {
    return invalid("the session token contains a line break");
  }
  if (request.method.empty() || breaks_line(request.method) ||
      request.method.find(' ') != std::string::npos) {
    return invalid("request method");
  }
  if (request.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return invalid("path of the unix socket is too long: " + request.unix_socket);
  }
  return {};
}

Result<void> parse_proxy(const std::string& text, HttpTarget& target) {
  const Url url = new_url();
  if (const CURLUcode code =
          curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME);
      code != CURLUE_OK) {
    return invalid(std::string("proxy URL: ") + curl_url_strerror(code));
  }
  std::string scheme = part(url.get(), CURLUPART_SCHEME);
  // Go, and so kubectl, lets the proxy resolve in both; libcurl would do it here for socks5.
  if (scheme == "socks5") scheme = "socks5h";
  std::string default_port;
  if (scheme == "http") default_port = "80";
  if (scheme == "https") default_port = "443";
  if (scheme == "socks5h") default_port = "1080";
  if (default_port.empty()) {
    return invalid("proxy URL: scheme \"" + scheme + "\", must be http, https or socks5h");
  }
  target.proxy_host = without_brackets(part(url.get(), CURLUPART_HOST, CURLU_PUNYCODE));
  target.proxy_port = part(url.get(), CURLUPART_PORT);
  if (target.proxy_port.empty()) target.proxy_port = default_port;
  // libcurl's own default port of every proxy is 1080.
  curl_url_set(url.get(), CURLUPART_SCHEME, scheme.c_str(), CURLU_NON_SUPPORT_SCHEME);
  curl_url_set(url.get(), CURLUPART_PORT, target.proxy_port.c_str(), 0);
  target.proxy = part(url.get(), CURLUPART_URL);
  return {};
}

}  // namespace

std::string host_and_port(const std::string& host, const std::string& port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + port;
}

std::string HttpTarget::authority() const { return host_and_port(host, port); }

Result<HttpTarget> parse_target(const HttpRequest& request) {
  if (auto checked = check_headers(request); !checked) return checked.error();
  const Url url = new_url();
  if (const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, request.url.c_str(),
                                          CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME);
      code != CURLUE_OK) {
    return invalid(std::string("URL: ") + curl_url_strerror(code));
  }
  HttpTarget target;
  const std::string scheme = part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return invalid("URL: scheme \"" + scheme + "\", must be http or https");
  }
  target.tls = scheme == "https";
  target.host = without_brackets(part(url.get(), CURLUPART_HOST, CURLU_PUNYCODE));
  target.port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (target.host.empty()) return invalid("URL: not a host name");
  target.url = request.url;

  const std::string& name = request.tls.server_name;
  if (target.tls && !name.empty() && name != target.host) {
    const std::string explicit_port = part(url.get(), CURLUPART_PORT);
    target.renamed_host_header = part(url.get(), CURLUPART_HOST, CURLU_PUNYCODE);
    if (!explicit_port.empty()) target.renamed_host_header += ":" + explicit_port;
    const bool v6 = name.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + name + "]" : name;
    if (curl_url_set(url.get(), CURLUPART_HOST, host.c_str(), 0) != CURLUE_OK) {
      return invalid("TLS server name \"" + name + "\" is not a host name");
    }
    target.url = part(url.get(), CURLUPART_URL);
  }
  if (!request.proxy_url.empty() && request.unix_socket.empty()) {
    if (auto parsed = parse_proxy(request.proxy_url, target); !parsed) return parsed.error();
  }
  return target;
}

}  // namespace keelwatch::internal
