#include "tests/support/raw_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace keelwatch::testing {

using Clock = std::chrono::steady_clock;

std::string RawResponse::header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? "" : it->second;
}

struct RawHttp::Connection {
  Peer peer;
  std::chrono::milliseconds patience;
  Clock::time_point deadline;
  std::string host_port;
  int descriptor = -1;
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  std::string buffer;

  ~Connection() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    if (descriptor >= 0) ::close(descriptor);
  }

  void start_clock(std::chrono::milliseconds time) { deadline = Clock::now() + time; }

  void await(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd poller{descriptor, events, 0};
    if (left.count() <= 0 || ::poll(&poller, 1, int(left.count())) == 0) {
      throw RawHttpTimeout("nothing from " + peer.url + " before the deadline");
    }
  }

  void connect() {
    const bool tls = peer.url.starts_with("https://");
    host_port = peer.url.substr(tls ? 8 : 7);
    const std::size_t colon = host_port.rfind(':');
    const std::string host = host_port.substr(0, colon);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(host_port.substr(colon + 1))));
    if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
      throw RawHttpError("not an IPv4 address: " + host);
    }
    descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      throw RawHttpError("connect " + peer.url + ": " + std::strerror(errno));
    }
    await(POLLOUT);
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) throw RawHttpError("connect " + peer.url + ": " + std::strerror(error));
    if (tls) start_tls(host);
  }

  void start_tls(const std::string& host) {
    context = SSL_CTX_new(TLS_client_method());
    BIO* bio = BIO_new_mem_buf(peer.ca_pem.data(), int(peer.ca_pem.size()));
    while (X509* ca = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca);
      X509_free(ca);
    }
    BIO_free(bio);
    ERR_clear_error();
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    ssl = SSL_new(context);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    SSL_set_fd(ssl, descriptor);
    while (true) {
      const int done = SSL_connect(ssl);
      if (done == 1) return;
      retry(done, "TLS");
    }
  }

  // Waits for what OpenSSL wants, or throws.
  void retry(int outcome, const char* what) const {
    switch (SSL_get_error(ssl, outcome)) {
      case SSL_ERROR_WANT_READ:
        return await(POLLIN);
      case SSL_ERROR_WANT_WRITE:
        return await(POLLOUT);
      default: {
        const char* reason = ERR_reason_error_string(ERR_get_error());
        throw RawHttpError(std::string(what) + ": " + (reason != nullptr ? reason : "cut"));
      }
    }
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (ssl != nullptr) {
        const int sent =
            SSL_write(ssl, bytes.data(), int(std::min<std::size_t>(bytes.size(), 1U << 20U)));
        if (sent > 0) {
          bytes.remove_prefix(std::size_t(sent));
        } else {
          retry(sent, "send");
        }
        continue;
      }
      const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(std::size_t(sent));
      } else if (errno == EAGAIN) {
        await(POLLOUT);
      } else {
        throw RawHttpError(std::string("send: ") + std::strerror(errno));
      }
    }
  }

  // More bytes into the buffer; false at the end of the connection.
  bool fill() {
    char bytes[65536];
    while (true) {
      if (ssl != nullptr) {
        const int got = SSL_read(ssl, bytes, sizeof bytes);
        if (got > 0) {
          buffer.append(bytes, std::size_t(got));
          return true;
        }
        if (SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN) return false;
        retry(got, "receive");
        continue;
      }
      const ssize_t got = ::recv(descriptor, bytes, sizeof bytes, 0);
      if (got > 0) {
        buffer.append(bytes, std::size_t(got));
        return true;
      }
      if (got == 0) return false;
      if (errno != EAGAIN) throw RawHttpError(std::string("receive: ") + std::strerror(errno));
      await(POLLIN);
    }
  }

  std::string take(std::size_t size) {
    while (buffer.size() < size) {
      if (!fill()) throw RawHttpError("cut after " + std::to_string(buffer.size()) + " bytes");
    }
    std::string taken = buffer.substr(0, size);
    buffer.erase(0, size);
    return taken;
  }

  std::string take_line() {
    std::size_t end = 0;
    while ((end = buffer.find("\r\n")) == std::string::npos) {
      if (!fill()) throw RawHttpError("cut within a line");
    }
    std::string line = take(end + 2);
    line.resize(end);
    return line;
  }

  RawResponse read_head() {
    RawResponse response;
    const std::string status = take_line();
    if (!status.starts_with("HTTP/1.1 ")) throw RawHttpError("not HTTP: " + status);
    response.status = std::stoi(status.substr(9, 3));
    for (std::string line = take_line(); !line.empty(); line = take_line()) {
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) throw RawHttpError("not a header: " + line);
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      response.headers[name] = line.substr(colon + 2);
    }
    return response;
  }

  std::optional<std::string> read_chunk() {
    const std::string size_line = take_line();
    const std::size_t size = std::stoul(size_line, nullptr, 16);
    std::string chunk = take(size);
    if (take(2) != "\r\n") throw RawHttpError("chunk without its end");
    if (size == 0) return std::nullopt;
    return chunk;
  }

  void send_request(std::string_view method, std::string_view target, std::string_view body,
                    std::string_view content_type) {
    std::string text;
    text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(host_port);
    text.append("\r\nUser-Agent: keelwatch-test\r\nAccept: application/json\r\n");
    if (!peer.bearer_token.empty()) {
      text.append("Authorization: Bearer ").append(peer.bearer_token).append("\r\n");
    }
    if (!body.empty()) {
      text.append("Content-Type: ").append(content_type).append("\r\n");
      text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    }
    text.append("\r\n").append(body);
    write(text);
  }
};

RawHttp::RawHttp(Peer peer, std::chrono::milliseconds deadline)
    : connection_(std::make_unique<Connection>()) {
  connection_->peer = std::move(peer);
  connection_->patience = deadline;
  connection_->start_clock(deadline);
  connection_->connect();
}

RawHttp::~RawHttp() = default;
RawHttp::RawHttp(RawHttp&&) noexcept = default;
RawHttp& RawHttp::operator=(RawHttp&&) noexcept = default;

RawResponse RawHttp::request(std::string_view method, std::string_view target,
                             std::string_view body, std::string_view content_type) {
  Connection& c = *connection_;
  c.start_clock(c.patience);
  c.send_request(method, target, body, content_type);
  RawResponse response = c.read_head();
  if (response.header("transfer-encoding") == "chunked") {
    while (auto chunk = c.read_chunk()) response.body += *chunk;
  } else {
    response.body = c.take(std::stoul("0" + response.header("content-length")));
  }
  return response;
}

RawResponse RawHttp::open(std::string_view target) {
  Connection& c = *connection_;
  c.start_clock(c.patience);
  c.send_request("GET", target, "", "");
  return c.read_head();
}

std::optional<std::string> RawHttp::next_chunk(std::chrono::milliseconds deadline) {
  connection_->start_clock(deadline);
  return connection_->read_chunk();
}

RawResponse raw_get(const RawHttp::Peer& peer, std::string_view target) {
  return RawHttp(peer).request("GET", target);
}

}  // namespace keelwatch::testing
