#include "base/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace keelwatch {
namespace {

Error failed(int error) { return {ErrorCode::kUnavailable, std::strerror(error)}; }
Error timed_out() { return {ErrorCode::kTimeout, "no answer"}; }

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

std::optional<SocketAddress> socket_address(const IpAddress& address, int port) {
  SocketAddress out;
  const auto network_port = htons(static_cast<std::uint16_t>(port));
  if (address.v6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = network_port;
    out.length = sizeof *in6;
    if (inet_pton(AF_INET6, address.text.c_str(), &in6->sin6_addr) == 1) return out;
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&out.storage);
    in->sin_family = AF_INET;
    in->sin_port = network_port;
    out.length = sizeof *in;
    if (inet_pton(AF_INET, address.text.c_str(), &in->sin_addr) == 1) return out;
  }
  return std::nullopt;
}

Task<Result<void>> send_all(EventLoop& loop, int fd, std::string bytes, SteadyTime deadline) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t sent = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent > 0) {
      at += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) co_return failed(errno);
    const Interest ready = co_await loop.wait_fd(fd, Interest::kWrite, deadline);
    if (ready == Interest::kNone) co_return timed_out();
  }
  co_return Result<void>();
}

Task<Result<std::string>> receive(EventLoop& loop, int fd, std::size_t size, SteadyTime deadline) {
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size;) {
    const ssize_t got = recv(fd, bytes.data() + at, size - at, 0);
    if (got > 0) {
      at += static_cast<std::size_t>(got);
      continue;
    }
    if (got == 0) co_return Error(ErrorCode::kUnavailable, "the proxy closed the connection");
    if (errno != EAGAIN && errno != EINTR) co_return failed(errno);
    const Interest ready = co_await loop.wait_fd(fd, Interest::kRead, deadline);
    if (ready == Interest::kNone) co_return timed_out();
  }
  co_return bytes;
}

// RFC 1928, section 6.
std::string socks_reply(unsigned char code) {
  static constexpr std::array<const char*, 9> kReplies = {"succeeded",
                                                          "general failure",
                                                          "not allowed",
                                                          "network unreachable",
                                                          "host unreachable",
                                                          "Connection refused",
                                                          "time to live expired",
                                                          "command not supported",
                                                          "address type not supported"};
  return code < kReplies.size() ? kReplies[code] : "unknown reply " + std::to_string(code);
}

// The address to connect to, as the request has it.
std::string socks_address(const std::string& host) {
  std::array<char, sizeof(in6_addr)> bytes{};
  if (inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) {
    return '\x01' + std::string(bytes.data(), sizeof(in_addr));
  }
  if (inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) {
    return '\x04' + std::string(bytes.data(), sizeof(in6_addr));
  }
  return std::string("\x03") + static_cast<char>(host.size()) + host;
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Ssl = std::unique_ptr<SSL, FreeSsl>;

bool trust(SSL_CTX* context, const std::string& ca_pem) {
  if (ca_pem.empty()) return SSL_CTX_set_default_verify_paths(context) == 1;
  const std::unique_ptr<BIO, FreeBio> bio(
      BIO_new_mem_buf(ca_pem.data(), static_cast<int>(ca_pem.size())));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  bool any = false;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    any = X509_STORE_add_cert(store, certificate) == 1 || any;
    X509_free(certificate);
  }
  ERR_clear_error();  // the end of the text
  return any;
}

Result<Ssl> make_ssl(int fd, const std::string& ca_pem, const std::string& server_name) {
  const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
  if (!context) return Error(ErrorCode::kUnavailable, "TLS: out of memory");
  if (!trust(context.get(), ca_pem)) {
    return Error(ErrorCode::kInvalid, "TLS: the CA file holds no certificate");
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  Ssl ssl(SSL_new(context.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) {
    return Error(ErrorCode::kUnavailable, "TLS: out of memory");
  }
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl.get());
  if (parse_ip_address(server_name)) {
    X509_VERIFY_PARAM_set1_ip_asc(wanted, server_name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl.get(), server_name.c_str());
    X509_VERIFY_PARAM_set1_host(wanted, server_name.c_str(), server_name.size());
  }
  return ssl;
}

Error tls_failure(SSL* ssl, int outcome) {
  const long verdict = SSL_get_verify_result(ssl);
  const unsigned long reason = ERR_get_error();
  const char* words = reason != 0 ? ERR_reason_error_string(reason) : nullptr;
  ERR_clear_error();
  if (verdict != X509_V_OK) {
    return {ErrorCode::kUnavailable,
            std::string("TLS: certificate: ") + X509_verify_cert_error_string(verdict)};
  }
  if (words != nullptr) return {ErrorCode::kUnavailable, std::string("TLS: ") + words};
  if (outcome == SSL_ERROR_SYSCALL && errno != 0) return failed(errno).context("TLS");
  return {ErrorCode::kUnavailable, "TLS: the peer closed the connection"};
}

std::optional<WallTime> expiry_of(SSL* ssl) {
  const std::unique_ptr<X509, FreeCertificate> certificate(SSL_get1_peer_certificate(ssl));
  std::tm parts{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &parts) != 1) {
    return std::nullopt;
  }
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Descriptor::reset() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

Task<Result<Descriptor>> tcp_connect(EventLoop& loop, IpAddress address, int port,
                                     SteadyTime deadline) {
  const std::optional<SocketAddress> to = socket_address(address, port);
  if (!to) co_return Error(ErrorCode::kInvalid, "not an address: " + address.text);
  Descriptor fd(
      socket(to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (fd.get() < 0) co_return failed(errno);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to->storage), to->length) == 0) {
    co_return fd;
  }
  if (errno != EINPROGRESS) co_return failed(errno);
  const Interest ready = co_await loop.wait_fd(fd.get(), Interest::kWrite, deadline);
  if (ready == Interest::kNone) co_return timed_out();
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) co_return failed(error);
  co_return fd;
}

Task<Result<void>> socks5_connect(EventLoop& loop, int fd, std::string host, int port,
                                  SteadyTime deadline) {
  constexpr std::size_t kLongestName = 255;
  if (host.empty() || host.size() > kLongestName) {
    co_return Error(ErrorCode::kInvalid, "not a host name");
  }
  const Error not_a_proxy(ErrorCode::kMalformed, "what answers is no SOCKS5 proxy");
  const Result<void> greeted =
      co_await send_all(loop, fd, std::string("\x05\x01\x00", 3), deadline);
  if (!greeted) co_return greeted.error();
  const Result<std::string> method = co_await receive(loop, fd, 2, deadline);
  if (!method) co_return method.error();
  if ((*method)[0] != '\x05') co_return not_a_proxy;
  if ((*method)[1] != '\x00') {
    co_return Error(ErrorCode::kUnavailable, "the proxy wants a login");
  }
  std::string request = std::string("\x05\x01\x00", 3) + socks_address(host);
  request += static_cast<char>((port >> 8) & 0xFF);
  request += static_cast<char>(port & 0xFF);
  const Result<void> asked = co_await send_all(loop, fd, std::move(request), deadline);
  if (!asked) co_return asked.error();
  const Result<std::string> head = co_await receive(loop, fd, 4, deadline);
  if (!head) co_return head.error();
  if ((*head)[0] != '\x05') co_return not_a_proxy;
  if ((*head)[1] != '\x00') {
    co_return Error(ErrorCode::kUnavailable,
                    "the proxy says: " + socks_reply(static_cast<unsigned char>((*head)[1])));
  }
  // The address that it is bound to, which says nothing to us.
  std::size_t rest = 4 + 2;
  if ((*head)[3] == '\x04') rest = 16 + 2;
  if ((*head)[3] == '\x03') {
    const Result<std::string> length = co_await receive(loop, fd, 1, deadline);
    if (!length) co_return length.error();
    rest = static_cast<unsigned char>((*length)[0]) + 2U;
  }
  const Result<std::string> bound = co_await receive(loop, fd, rest, deadline);
  if (!bound) co_return bound.error();
  co_return Result<void>();
}

Task<Result<TlsPeer>> tls_handshake(EventLoop& loop, int fd, std::string ca_pem,
                                    std::string server_name, SteadyTime deadline) {
  Result<Ssl> ssl = make_ssl(fd, ca_pem, server_name);
  if (!ssl) co_return ssl.error();
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int done = SSL_connect(ssl->get());
    if (done == 1) break;
    const int outcome = SSL_get_error(ssl->get(), done);
    if (outcome != SSL_ERROR_WANT_READ && outcome != SSL_ERROR_WANT_WRITE) {
      co_return tls_failure(ssl->get(), outcome);
    }
    const Interest interest = outcome == SSL_ERROR_WANT_READ ? Interest::kRead : Interest::kWrite;
    const Interest ready = co_await loop.wait_fd(fd, interest, deadline);
    if (ready == Interest::kNone) {
      co_return Error(ErrorCode::kTimeout, "TLS: no answer");
    }
  }
  TlsPeer peer{expiry_of(ssl->get())};
  SSL_shutdown(ssl->get());
  co_return peer;
}

}  // namespace keelwatch
