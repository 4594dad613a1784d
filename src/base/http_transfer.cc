#include "base/http_transfer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <new>

namespace keelwatch::internal {
namespace {

constexpr std::size_t kMaxPieces = 1U << 20U;
constexpr std::size_t kMaxHeaderBytes = 256U << 10U;

long to_millis(Duration d) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(d).count();
  return static_cast<long>(std::clamp<std::int64_t>(ms, 1, 86'400'000));
}

// The blob is read while the transfer runs; the request lives as long.
curl_blob blob_of(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.back())) text.remove_suffix(1);
  while (!text.empty() && std::strchr(" \t", text.front())) text.remove_prefix(1);
  return text;
}

bool has_header(const HttpHeaders& headers, std::string_view lower_name) {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& h) { return lower(h.first) == lower_name; });
}

// libcurl must never resolve by itself: its resolver thread blocks whoever cleans up.
int refuse_to_resolve(void*, void*, void*) { return 1; }

bool is_tls_failure(CURLcode code, std::string_view text) {
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
      return true;
    default:
      // With TLS 1.3 the server refuses our certificate after the handshake, in our first read.
      return text.find("SSL routines") != std::string_view::npos;
  }
}

}  // namespace

HttpTransfer::HttpTransfer(std::shared_ptr<HttpMulti> multi, HttpRequest request, HttpTarget target,
                           BodyMode mode)
    : multi_(std::move(multi)),
      request_(std::move(request)),
      target_(std::move(target)),
      mode_(mode),
      changed_(multi_->loop()) {}

HttpTransfer::~HttpTransfer() {
  if (!easy_) return;
  multi_->remove(*this);
  multi_->give_back(easy_);
}

void HttpTransfer::start(const std::vector<IpAddress>& addresses) {
  if (multi_->closed()) {
    end(Error(ErrorCode::kCancelled, "the HTTP client was stopped"));
    return;
  }
  easy_ = multi_->take_handle();
  set_options(addresses);
  multi_->add(*this);
}

void HttpTransfer::append(List& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (!longer) throw std::bad_alloc();
  [[maybe_unused]] auto* same = list.release();
  list.reset(longer);
}

void HttpTransfer::set_options(const std::vector<IpAddress>& addresses) {
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, curl_error_);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  if (request_.raw_body) {
    curl_easy_setopt(easy_, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  } else {
    curl_easy_setopt(easy_, CURLOPT_ACCEPT_ENCODING, "gzip");
  }
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "keelwatch");
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, to_millis(request_.connect_timeout));
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, 65536L);

  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  if (mode_ == BodyMode::kWhole) {
    curl_easy_setopt(easy_, CURLOPT_MAXFILESIZE_LARGE,
                     static_cast<curl_off_t>(request_.max_body_bytes));
  }
  // A peer that vanished without a word is noticed after 30 + 3 * 10 s.
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPIDLE, 30L);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPINTVL, 10L);
  curl_easy_setopt(easy_, CURLOPT_SOCKOPTFUNCTION, &HttpTransfer::on_connected_socket);

  set_method();
  set_credentials();
  set_headers();
  set_tls();
  set_route(addresses);
}

void HttpTransfer::set_method() {
  curl_easy_setopt(easy_, CURLOPT_URL, target_.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PATH_AS_IS, 1L);
  const bool sends_body = !request_.body.empty() || request_.method == "POST" ||
                          request_.method == "PUT" || request_.method == "PATCH";
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (sends_body) {
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.body.c_str());
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else if (request_.method != "GET") {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

void HttpTransfer::set_credentials() {
  if (request_.sigv4) {
    const SigV4& s = *request_.sigv4;
    const std::string scheme = "aws:amz:" + s.region + ":" + s.service;
    curl_easy_setopt(easy_, CURLOPT_AWS_SIGV4, scheme.c_str());
    curl_easy_setopt(easy_, CURLOPT_USERNAME, s.access_key.c_str());
    curl_easy_setopt(easy_, CURLOPT_PASSWORD, s.secret_key.reveal().c_str());
    if (!s.session_token.empty()) append(headers_, "x-amz-security-token: " + s.session_token);
  } else if (request_.bearer_token) {
    append(headers_, "Authorization: Bearer " + request_.bearer_token->reveal());
  } else if (request_.basic_auth) {
    curl_easy_setopt(easy_, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(easy_, CURLOPT_USERNAME, request_.basic_auth->first.c_str());
    curl_easy_setopt(easy_, CURLOPT_PASSWORD, request_.basic_auth->second.reveal().c_str());
  }
}

void HttpTransfer::set_headers() {
  for (const auto& [name, value] : request_.headers) {
    append(headers_, value.empty() ? name + ";" : name + ": " + value);
  }
  if (!target_.renamed_host_header.empty() && !has_header(request_.headers, "host")) {
    append(headers_, "Host: " + target_.renamed_host_header);
  }
  // What libcurl would add of its own: a form's type, and a second round trip before large bodies.
  if (!has_header(request_.headers, "content-type")) append(headers_, "Content-Type:");
  append(headers_, "Expect:");
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_.get());
}

void HttpTransfer::set_tls() {
  if (!target_.tls && !target_.proxy.starts_with("https")) return;
  const TlsOptions& tls = request_.tls;
  if (!tls.ca_pem.empty()) {
    curl_blob ca = blob_of(tls.ca_pem);
    curl_easy_setopt(easy_, CURLOPT_CAINFO_BLOB, &ca);
    curl_easy_setopt(easy_, CURLOPT_PROXY_CAINFO_BLOB, &ca);
    // The blob replaces the system's bundle but not its directory, which Debian compiles in:
    // without this every public authority would be trusted beside the given one.
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(easy_, CURLOPT_PROXY_CAPATH, nullptr);
  }
  if (!tls.certificate_pem.empty()) {
    curl_blob certificate = blob_of(tls.certificate_pem);
    curl_blob key = blob_of(tls.key_pem.reveal());
    curl_easy_setopt(easy_, CURLOPT_SSLCERT_BLOB, &certificate);
    curl_easy_setopt(easy_, CURLOPT_SSLKEY_BLOB, &key);
  }
  if (tls.skip_verify) {
    curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

void HttpTransfer::set_route(const std::vector<IpAddress>& addresses) {
  // Both are set even when empty: otherwise the environment's *_proxy variables would count.
  curl_easy_setopt(easy_, CURLOPT_PROXY, target_.proxy.c_str());
  curl_easy_setopt(easy_, CURLOPT_NOPROXY, "");
  if (!target_.renamed_host_header.empty()) {
    append(connect_to_, "::" + target_.authority());
    curl_easy_setopt(easy_, CURLOPT_CONNECT_TO, connect_to_.get());
  }
  if (!request_.unix_socket.empty()) {
    curl_easy_setopt(easy_, CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
    return;
  }
  std::string list;
  for (const IpAddress& address : addresses) {
    if (!list.empty()) list += ',';
    list += address.v6 ? "[" + address.text + "]" : address.text;
  }
  if (parse_ip_address(target_.dialled_host())) return;
  addresses_ = list;
  // '+': the entry ages out of libcurl's cache like any other.
  append(resolve_, "+" + target_.dialled_host() + ":" + target_.dialled_port() + ":" + list);
  curl_easy_setopt(easy_, CURLOPT_RESOLVE, resolve_.get());
  curl_easy_setopt(easy_, CURLOPT_RESOLVER_START_FUNCTION, &refuse_to_resolve);
}

int HttpTransfer::on_connected_socket(void*, curl_socket_t fd, curlsocktype) {
  const int probes = 3;
  // Fails on unix sockets, where it means nothing.
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  return CURL_SOCKOPT_OK;
}

std::size_t HttpTransfer::on_header(char* data, std::size_t size, std::size_t n, void* arg) {
  auto* self = static_cast<HttpTransfer*>(arg);
  const std::size_t bytes = size * n;
  self->header_bytes_ += bytes;
  if (self->header_bytes_ > kMaxHeaderBytes) {
    self->too_large_ = true;
    return 0;
  }
  self->take_header_line({data, bytes});
  return bytes;
}

void HttpTransfer::take_header_line(std::string_view line) {
  if (has_headers_) return;  // a trailer after a chunked body
  if (line.starts_with("HTTP/")) {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    response_.headers.clear();
    return;
  }
  if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    response_.headers.emplace_back(lower(trim(line.substr(0, colon))),
                                   trim(line.substr(colon + 1)));
    return;
  }
  if (trim(line).empty() && response_.status >= 200) {
    has_headers_ = true;
    changed_.notify_all();
  }
}

std::size_t HttpTransfer::on_body(char* data, std::size_t size, std::size_t n, void* arg) {
  auto* self = static_cast<HttpTransfer*>(arg);
  const std::size_t bytes = size * n;
  if (self->mode_ == BodyMode::kWhole) {
    std::string& body = self->response_.body;
    if (bytes > self->request_.max_body_bytes - body.size()) {
      self->too_large_ = true;
      return 0;
    }
    body.append(data, bytes);
    return bytes;
  }
  if (self->pieces_.size() >= kMaxPieces) {
    self->paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  self->pieces_.append(data, bytes);
  self->changed_.notify_all();
  return bytes;
}

std::string HttpTransfer::take_pieces() {
  std::string taken = std::exchange(pieces_, {});
  if (paused_ && easy_) {
    paused_ = false;
    curl_easy_pause(easy_, CURLPAUSE_CONT);  // may deliver, and pause again, before it returns
  }
  return taken;
}

void HttpTransfer::on_done(CURLcode code) {
  curl_off_t body_bytes = 0;
  long header_bytes = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_DOWNLOAD_T, &body_bytes);
  curl_easy_getinfo(easy_, CURLINFO_HEADER_SIZE, &header_bytes);
  response_.bytes_received = static_cast<std::uint64_t>(body_bytes + header_bytes);
  if (code != CURLE_OK) {
    end(failure(code));
  } else if (!has_headers_) {
    end(Error(ErrorCode::kUnavailable, "receive from " + whom() + ": closed within the headers"));
  } else {
    end(std::nullopt);
  }
}

void HttpTransfer::end(std::optional<Error> error) {
  if (easy_) {
    multi_->remove(*this);
    multi_->give_back(std::exchange(easy_, nullptr));
  }
  error_ = std::move(error);
  finished_ = true;
  changed_.notify_all();
}

std::string HttpTransfer::whom() const {
  return request_.unix_socket.empty() ? target_.authority() : request_.unix_socket;
}

std::string HttpTransfer::connecting() const {
  if (!request_.unix_socket.empty()) return "connect to " + request_.unix_socket;
  const std::string where = host_and_port(target_.dialled_host(), target_.dialled_port());
  return std::string("connect to ") + (target_.proxy.empty() ? "" : "proxy ") + where +
         (addresses_.empty() ? "" : " (" + addresses_ + ")");
}

Error HttpTransfer::timed_out() const {
  if (!easy_) return {ErrorCode::kTimeout, "receive from " + whom() + ": no answer in time"};
  const char* connected_to = nullptr;
  curl_off_t uploaded = 0;
  long request_bytes = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRIMARY_IP, &connected_to);
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &request_bytes);
  if (mode_ == BodyMode::kStream && has_headers_) {
    return {ErrorCode::kTimeout, "receive from " + whom() + ": nothing came in time"};
  }
  if (has_headers_) {
    return {ErrorCode::kTimeout, "receive from " + whom() + ": the body did not end in time, " +
                                     std::to_string(response_.body.size()) + " bytes had come"};
  }
  if (request_bytes > 0 && uploaded < static_cast<curl_off_t>(request_.body.size())) {
    return {ErrorCode::kTimeout, "send to " + whom() + ": not done in time"};
  }
  if (request_bytes > 0) {
    return {ErrorCode::kTimeout, "receive from " + whom() + ": no answer in time"};
  }
  if (connected_to && *connected_to && target_.tls) {
    return {ErrorCode::kTimeout, "TLS with " + whom() + ": handshake not done in time"};
  }
  return {ErrorCode::kTimeout, connecting() + ": not connected in time"};
}

Error HttpTransfer::failure(CURLcode code) const {
  std::string text = curl_error_[0] ? curl_error_ : curl_easy_strerror(code);
  // A remark on the way, not the failure.
  if (text.starts_with("getpeername()")) text = curl_easy_strerror(code);
  // libcurl's own bound on one header line (100 kB) shows as "out of memory".
  const bool line_too_long = code == CURLE_OUT_OF_MEMORY && header_bytes_ > 0 && !has_headers_;
  if (too_large_ || line_too_long || code == CURLE_FILESIZE_EXCEEDED) {
    const bool body = has_headers_ || code == CURLE_FILESIZE_EXCEEDED;
    return {ErrorCode::kTooLarge,
            "receive from " + whom() +
                (body ? ": body larger than " + std::to_string(request_.max_body_bytes) + " bytes"
                      : ": headers too large")};
  }
  long tunnel_status = 0;
  curl_easy_getinfo(easy_, CURLINFO_HTTP_CONNECTCODE, &tunnel_status);
  if (tunnel_status != 0 && tunnel_status / 100 != 2) {
    return {ErrorCode::kUnavailable, connecting() + ": " + text};
  }
  if (is_tls_failure(code, text)) {
    return {ErrorCode::kUnavailable, "TLS with " + whom() + ": " + text};
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return timed_out();
    case CURLE_COULDNT_CONNECT: {
      long os_error = 0;
      curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &os_error);
      if (os_error != 0) text = std::strerror(static_cast<int>(os_error));
      return {ErrorCode::kUnavailable, connecting() + ": " + text};
    }
    case CURLE_PROXY:
      return {ErrorCode::kUnavailable, connecting() + ": " + text};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {ErrorCode::kUnavailable, "resolve " + target_.dialled_host() + ": " + text};
    case CURLE_URL_MALFORMAT:
      return {ErrorCode::kInvalid, "URL: " + text};
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return {ErrorCode::kInvalid, "TLS with " + whom() + ": " + text};
    case CURLE_UNSUPPORTED_PROTOCOL:  // the URL's was checked before: this is HTTP/0.9 or worse
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return {ErrorCode::kMalformed, "receive from " + whom() + ": " + text};
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
      return {ErrorCode::kUnavailable, "send to " + whom() + ": " + text};
    case CURLE_RECV_ERROR:
      if (text.ends_with("chunked-encoding")) {
        return {ErrorCode::kMalformed, "receive from " + whom() + ": " + text};
      }
      [[fallthrough]];
    default:
      return {ErrorCode::kUnavailable, "receive from " + whom() + ": " + text};
  }
}

}  // namespace keelwatch::internal
