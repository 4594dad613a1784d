#include "tests/support/scripted_server.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <csignal>
#include <cstring>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace keelwatch::testing {
namespace {

using SslContext = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Ssl = std::unique_ptr<SSL, decltype(&SSL_free)>;

void check(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

int listen_on_loopback(int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(fd >= 0, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  check(listen(fd, 512) == 0, "listen");
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  *port = ntohs(address.sin_port);
  return fd;
}

int listen_on_unix(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(fd >= 0, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("unix socket path");
  std::memcpy(address.sun_path, path.data(), path.size());
  unlink(path.c_str());
  check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  check(listen(fd, 64) == 0, "listen");
  return fd;
}

SslContext tls_context(const ScriptedServerOptions& options) {
  SslContext context(nullptr, &SSL_CTX_free);
  if (!options.tls) return context;
  context.reset(SSL_CTX_new(TLS_server_method()));
  const auto bio = [](const std::string& text) {
    return std::unique_ptr<BIO, decltype(&BIO_free_all)>(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free_all);
  };
  X509* certificate =
      PEM_read_bio_X509(bio(options.tls->certificate_pem).get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key =
      PEM_read_bio_PrivateKey(bio(options.tls->key_pem).get(), nullptr, nullptr, nullptr);
  const bool used = SSL_CTX_use_certificate(context.get(), certificate) == 1 &&
                    SSL_CTX_use_PrivateKey(context.get(), key) == 1;
  X509_free(certificate);
  EVP_PKEY_free(key);
  if (!used) throw std::runtime_error("certificate of the scripted server");
  if (!options.client_ca_pem.empty()) {
    X509* ca = PEM_read_bio_X509(bio(options.client_ca_pem).get(), nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca);
    X509_free(ca);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

class Connection final : public ScriptedConnection {
 public:
  Connection(int fd, int number, SSL_CTX* context) : fd_(fd), number_(number), context_(context) {}
  ~Connection() override {
    if (ssl_ && !reset_) SSL_shutdown(ssl_.get());
    ssl_.reset();
    close(fd_);
  }

  bool start_tls() override {
    ssl_.reset(SSL_new(context_));
    SSL_set_fd(ssl_.get(), fd_);
    if (SSL_accept(ssl_.get()) == 1) return true;
    // What the client has sent meanwhile must not turn our alert into a reset.
    ssl_.reset();
    shutdown(fd_, SHUT_WR);
    wait_closed();
    return false;
  }

  std::optional<ScriptedRequest> read_request() override {
    std::size_t end = 0;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return std::nullopt;
    }
    ScriptedRequest request = parse(unread_.substr(0, end + 2));
    unread_.erase(0, end + 4);
    const std::string length = request.header("content-length");
    const std::size_t wanted = length.empty() ? 0 : std::stoul(length);
    while (unread_.size() < wanted) {
      if (!receive()) return std::nullopt;
    }
    request.body = unread_.substr(0, wanted);
    unread_.erase(0, wanted);
    const char* name = ssl_ ? SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name) : nullptr;
    if (name) request.tls_server_name = name;
    return request;
  }

  bool send(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void wait_closed() override {
    while (receive()) {
    }
  }

  void reset() override {
    reset_ = true;
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

  int number() const override { return number_; }
  int fd() const { return fd_; }

 private:
  bool receive() {
    char buffer[16384];
    const auto n =
        ssl_ ? SSL_read(ssl_.get(), buffer, sizeof buffer) : recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    unread_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  static ScriptedRequest parse(std::string_view head) {
    ScriptedRequest request;
    const auto line_end = head.find("\r\n");
    const std::string_view line = head.substr(0, line_end);
    const auto space = line.find(' ');
    request.method = line.substr(0, space);
    request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
    head.remove_prefix(line_end + 2);
    while (!head.empty()) {
      const auto end = head.find("\r\n");
      const std::string_view field = head.substr(0, end);
      head.remove_prefix(end + 2);
      const auto colon = field.find(':');
      if (colon == std::string_view::npos) continue;
      std::string name(field.substr(0, colon));
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      std::string_view value = field.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      request.headers.emplace_back(std::move(name), value);
    }
    return request;
  }

  int fd_;
  int number_;
  SSL_CTX* context_;
  bool reset_ = false;
  Ssl ssl_{nullptr, &SSL_free};
  std::string unread_;
};

}  // namespace

std::string ScriptedRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

struct ScriptedServer::Impl {
  struct Running {
    std::shared_ptr<Connection> connection;
    std::thread thread;
  };

  void accept_all() {
    for (;;) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const std::lock_guard lock(mutex);
      auto connection = std::make_shared<Connection>(fd, accepted++, context.get());
      if (stopping) return;
      auto& slot = running.emplace_back();
      slot.connection = connection;
      slot.thread = std::thread([this, &slot] { serve(slot); });
    }
  }

  void serve(Running& slot) {
    {
      // Held until the slot is filled, so that slot.connection is there.
      const std::lock_guard lock(mutex);
    }
    Connection& connection = *slot.connection;
    if (!context || options.tls_later || connection.start_tls()) handler(connection);
    // The peer sees the end now; the descriptor stays ours until no shutdown() can hit it any more.
    const std::lock_guard lock(mutex);
    slot.connection.reset();
  }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
      shutdown(listener, SHUT_RDWR);
      for (auto& slot : running) {
        if (slot.connection) shutdown(slot.connection->fd(), SHUT_RDWR);
      }
    }
    acceptor.join();
    for (auto& slot : running) slot.thread.join();
    close(listener);
    if (!options.unix_socket.empty()) unlink(options.unix_socket.c_str());
  }

  ScriptedHandler handler;
  ScriptedServerOptions options;
  SslContext context{nullptr, &SSL_CTX_free};
  int listener = -1;
  int port = 0;
  std::mutex mutex;
  bool stopping = false;
  std::atomic<int> accepted = 0;
  std::list<Running> running;
  std::thread acceptor;
};

ScriptedServer::ScriptedServer(ScriptedHandler handler, ScriptedServerOptions options)
    : impl_(std::make_unique<Impl>()) {
  std::signal(SIGPIPE, SIG_IGN);  // as the program itself does; OpenSSL writes without MSG_NOSIGNAL
  impl_->handler = std::move(handler);
  impl_->options = std::move(options);
  impl_->context = tls_context(impl_->options);
  impl_->listener = impl_->options.unix_socket.empty() ? listen_on_loopback(&impl_->port)
                                                       : listen_on_unix(impl_->options.unix_socket);
  impl_->acceptor = std::thread([impl = impl_.get()] { impl->accept_all(); });
}

ScriptedServer::~ScriptedServer() { impl_->stop(); }

int ScriptedServer::port() const { return impl_->port; }
int ScriptedServer::connections() const { return impl_->accepted; }

std::string ScriptedServer::url(std::string_view path) const {
  return (impl_->options.tls && !impl_->options.tls_later ? "https://127.0.0.1:"
                                                          : "http://127.0.0.1:") +
         std::to_string(impl_->port) + std::string(path);
}

ScriptedHandler answer_each(std::function<std::string(const ScriptedRequest&)> answer) {
  return [answer = std::move(answer)](ScriptedConnection& connection) {
    while (const auto request = connection.read_request()) {
      if (!connection.send(answer(*request))) return;
    }
  };
}

std::string http_response(int status, std::string_view body, std::string_view extra_headers) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Scripted\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(extra_headers) + "\r\n" + std::string(body);
}

int unused_port() {
  int port = 0;
  close(listen_on_loopback(&port));
  return port;
}

}  // namespace keelwatch::testing
