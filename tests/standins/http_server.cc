#include <utility>  // first: Boost 1.74's Asio uses std::exchange without including it

#include "tests/standins/http_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <deque>
#include <stdexcept>
#include <thread>

namespace keelwatch::standins {

namespace net = boost::asio;
namespace http = boost::beast::http;
using net::ip::tcp;

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

void parse_target(ServerRequest& request) {
  const std::string_view target = request.target;
  const std::size_t mark = target.find('?');
  request.path = decode(target.substr(0, mark), false);
  if (mark == std::string_view::npos) return;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::size_t equals = pair.find('=');
    if (pair.empty()) continue;
    request.query[decode(pair.substr(0, equals), true)] =
        equals == std::string_view::npos ? "" : decode(pair.substr(equals + 1), true);
  }
}

std::string http_date(std::time_t now) {
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

std::string chunk_of(std::string_view data) {
  char size[20];
  const int length = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  std::string chunk(size, static_cast<std::size_t>(length));
  chunk += data;
  chunk += "\r\n";
  return chunk;
}

}  // namespace

std::string_view ServerRequest::parameter(const std::string& name) const {
  const auto it = query.find(name);
  return it == query.end() ? std::string_view() : std::string_view(it->second);
}

std::string_view ServerRequest::header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? std::string_view() : std::string_view(it->second);
}

// What Exchange needs of a connection, whatever carries it. All but post() and closed() run on the
// server's thread.
class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  enum class Then { kMore, kNextRequest, kClose, kReset };

  virtual ~ServerConnection() = default;
  virtual void post(std::function<void(ServerConnection&)> work) = 0;
  virtual void write(std::string bytes, Then then) = 0;
  [[nodiscard]] virtual std::string head_of(const ServerReply& reply, bool chunked) const = 0;
  [[nodiscard]] bool closed() const { return closed_; }

 protected:
  std::atomic<bool> closed_ = false;
};

struct HttpServer::Impl {
  Options options;
  Handler handler;
  std::atomic<std::int64_t> skew_seconds = 0;
  net::io_context io{1};
  net::ssl::context tls{net::ssl::context::tls_server};
  tcp::acceptor acceptor{io};
  net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  std::uint16_t port = 0;
  std::thread thread;

  void accept();
};

namespace {

template <typename Stream>
class Connection final : public ServerConnection {
 public:
  Connection(Stream stream, HttpServer::Handler& handler, std::atomic<std::int64_t>& skew)
      : stream_(std::move(stream)), handler_(handler), skew_seconds_(skew) {}

  void start() {
    if constexpr (kTls) {
      stream_.async_handshake(net::ssl::stream_base::server,
                              [self = self()](boost::system::error_code error) {
                                if (error) return self->close(false);
                                self->note_client_certificate();
                                self->read_request();
                              });
    } else {
      read_request();
    }
  }

  void post(std::function<void(ServerConnection&)> work) override {
    net::post(stream_.get_executor(), [self = self(), work = std::move(work)] { work(*self); });
  }

  void write(std::string bytes, Then then) override {
    if (closed_ || then_ != Then::kMore) return;
    queued_bytes_ += bytes.size();
    if (!bytes.empty()) queue_.push_back(std::move(bytes));
    then_ = then;
    if (queued_bytes_ > kMaxQueuedBytes) return close(true);  // a reader that has stopped reading
    if (!writing_) write_queue();
  }

  [[nodiscard]] std::string head_of(const ServerReply& reply, bool chunked) const override {
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " ";
    head += std::string(http::obsolete_reason(http::int_to_status(unsigned(reply.status))));
    head += "\r\n";
    for (const auto& [name, value] : reply.headers) {
      head.append(name).append(": ").append(value).append("\r\n");
    }
    head += "Date: " + http_date(std::time(nullptr) + skew_seconds_.load()) + "\r\n";
    if (!keep_alive_) head += "Connection: close\r\n";
    head += chunked
                ? std::string("Transfer-Encoding: chunked\r\n\r\n")
                : "Content-Length: " + std::to_string(reply.length.value_or(reply.body.size())) +
                      "\r\n\r\n";
    return head;
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;
  static constexpr std::size_t kMaxQueuedBytes = 512U << 20U;
  static constexpr std::size_t kMaxBodyBytes = 64U << 20U;
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

  std::shared_ptr<Connection> self() {
    return std::static_pointer_cast<Connection>(shared_from_this());
  }

  tcp::socket& socket() {
    if constexpr (kTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  void note_client_certificate() {
    if constexpr (kTls) {
      X509* certificate = SSL_get_peer_certificate(stream_.native_handle());
      if (certificate == nullptr) return;
      char name[256] = "";
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                sizeof name);
      client_name_ = name;
      X509_free(certificate);
    }
  }

  void read_request() {
    parser_.emplace();
    parser_->body_limit(kMaxBodyBytes);
    http::async_read_header(
        stream_, buffer_, *parser_, [self = self()](boost::system::error_code error, std::size_t) {
          if (error) return self->close(false);
          const auto& expect = self->parser_->get()[http::field::expect];
          if (!boost::beast::iequals(expect, "100-continue")) return self->read_body();
          // Who waits for it (botocore, for a second) has sent nothing of the body yet.
          net::async_write(self->stream_, net::buffer(kContinue),
                           [self](boost::system::error_code failed, std::size_t) {
                             if (failed) return self->close(false);
                             self->read_body();
                           });
        });
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_,
                     [self = self()](boost::system::error_code error, std::size_t) {
                       if (error) return self->close(false);
                       self->dispatch();
                     });
  }

  void dispatch() {
    auto message = parser_->release();
    ServerRequest request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    request.client_name = client_name_;
    for (const auto& field : message) {
      std::string name(field.name_string());
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      request.headers[name] = std::string(field.value());
    }
    request.body = std::move(message.body());
    parse_target(request);
    keep_alive_ = message.keep_alive();
    busy_ = true;
    then_ = Then::kMore;
    notice_close();
    handler_(std::move(request), std::make_shared<Exchange>(weak_from_this()));
  }

  // While an answer is under way a read is pending, so that a peer's leaving is seen at once. What
  // it brings of a next request stays in the buffer.
  void notice_close() {
    if (reading_ || buffer_.size() > 65536) return;
    reading_ = true;
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = self()](boost::system::error_code error, std::size_t size) {
                              self->reading_ = false;
                              if (error) return self->close(false);
                              self->buffer_.commit(size);
                              if (self->busy_) return self->notice_close();
                              self->read_request();
                            });
  }

  void write_queue() {
    if (queue_.empty()) return finish();
    writing_ = true;
    in_flight_.assign(std::make_move_iterator(queue_.begin()),
                      std::make_move_iterator(queue_.end()));
    queue_.clear();
    std::vector<net::const_buffer> buffers;
    for (const std::string& bytes : in_flight_) buffers.emplace_back(net::buffer(bytes));
    net::async_write(stream_, buffers,
                     [self = self()](boost::system::error_code error, std::size_t size) {
                       self->writing_ = false;
                       self->queued_bytes_ -= size;
                       if (error) return self->close(false);
                       self->write_queue();
                     });
  }

  void finish() {
    switch (then_) {
      case Then::kMore:
        return;
      case Then::kReset:
        return close(true);
      case Then::kClose:
        return shut_down();
      case Then::kNextRequest:
        busy_ = false;
        if (!keep_alive_) return shut_down();
        if (!reading_) read_request();
    }
  }

  void shut_down() {
    if constexpr (kTls) {
      stream_.async_shutdown([self = self()](boost::system::error_code) { self->close(false); });
    } else {
      boost::system::error_code ignored;
      socket().shutdown(tcp::socket::shutdown_send, ignored);
      if (!reading_) close(false);
    }
  }

  void close(bool reset) {
    if (closed_.exchange(true)) return;
    boost::system::error_code ignored;
    if (reset) socket().set_option(net::socket_base::linger(true, 0), ignored);
    socket().close(ignored);
  }

  Stream stream_;
  HttpServer::Handler& handler_;
  std::atomic<std::int64_t>& skew_seconds_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::string client_name_;
  std::deque<std::string> queue_;
  std::vector<std::string> in_flight_;
  std::size_t queued_bytes_ = 0;
  Then then_ = Then::kMore;
  bool keep_alive_ = true;
  bool busy_ = false;
  bool reading_ = false;
  bool writing_ = false;
};

}  // namespace

Exchange::Exchange(std::weak_ptr<ServerConnection> connection)
    : connection_(std::move(connection)) {}

Exchange::~Exchange() {
  if (!finished_) cut();
}

void Exchange::send(ServerReply reply) {
  begun_ = finished_ = true;
  const auto connection = connection_.lock();
  if (!connection) return;
  connection->post([reply = std::move(reply)](ServerConnection& c) mutable {
    c.write(c.head_of(reply, false), ServerConnection::Then::kMore);
    c.write(std::move(reply.body), ServerConnection::Then::kNextRequest);
  });
}

void Exchange::send_truncated(ServerReply reply) {
  begun_ = finished_ = true;
  const auto connection = connection_.lock();
  if (!connection) return;
  connection->post([reply = std::move(reply)](ServerConnection& c) {
    c.write(c.head_of(reply, false), ServerConnection::Then::kMore);
    c.write(reply.body.substr(0, reply.body.size() / 2), ServerConnection::Then::kReset);
  });
}

void Exchange::start_stream(ServerReply head) {
  begun_ = true;
  const auto connection = connection_.lock();
  if (!connection) return;
  connection->post([head = std::move(head)](ServerConnection& c) {
    c.write(c.head_of(head, true), ServerConnection::Then::kMore);
  });
}

void Exchange::write(std::string_view chunk) {
  const auto connection = connection_.lock();
  if (!connection || chunk.empty() || finished_) return;
  connection->post([bytes = chunk_of(chunk)](ServerConnection& c) mutable {
    c.write(std::move(bytes), ServerConnection::Then::kMore);
  });
}

void Exchange::end() {
  if (std::exchange(finished_, true)) return;
  const auto connection = connection_.lock();
  if (!connection) return;
  connection->post(
      [](ServerConnection& c) { c.write("0\r\n\r\n", ServerConnection::Then::kNextRequest); });
}

void Exchange::send_raw(std::string bytes) {
  begun_ = finished_ = true;
  const auto connection = connection_.lock();
  if (!connection) return;
  connection->post([bytes = std::move(bytes)](ServerConnection& c) mutable {
    c.write(std::move(bytes), ServerConnection::Then::kClose);
  });
}

void Exchange::cut() {
  if (std::exchange(finished_, true)) return;
  const auto connection = connection_.lock();
  if (!connection) return;
  connection->post([](ServerConnection& c) { c.write("", ServerConnection::Then::kReset); });
}

bool Exchange::closed() const {
  const auto connection = connection_.lock();
  return finished_ || !connection || connection->closed();
}

HttpServer::HttpServer(Options options, Handler handler) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->handler = std::move(handler);
  try {
    if (const auto& tls = impl_->options.tls) {
      impl_->tls.use_certificate_chain(net::buffer(tls->certificate_pem));
      impl_->tls.use_private_key(net::buffer(tls->key_pem), net::ssl::context::pem);
      if (!tls->client_ca_pem.empty()) {
        impl_->tls.add_certificate_authority(net::buffer(tls->client_ca_pem));
        impl_->tls.set_verify_mode(net::ssl::verify_peer);
      }
    }
    const tcp::endpoint endpoint(net::ip::make_address(impl_->options.address),
                                 impl_->options.port);
    impl_->acceptor.open(endpoint.protocol());
    impl_->acceptor.set_option(net::socket_base::reuse_address(true));
    impl_->acceptor.bind(endpoint);
    impl_->acceptor.listen();
    impl_->port = impl_->acceptor.local_endpoint().port();
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error("stand-in on " + impl_->options.address + ":" +
                             std::to_string(impl_->options.port) + ": " + error.what());
  }
  impl_->accept();
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
}

HttpServer::~HttpServer() {
  impl_->io.stop();
  impl_->thread.join();
}

std::uint16_t HttpServer::port() const { return impl_->port; }

std::string HttpServer::url() const {
  return (impl_->options.tls ? "https://" : "http://") + impl_->options.address + ":" +
         std::to_string(impl_->port);
}

void HttpServer::after(std::chrono::milliseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<net::steady_timer>(impl_->io, delay);
  timer->async_wait([timer, work = std::move(work)](boost::system::error_code error) {
    if (!error) work();
  });
}

void HttpServer::set_clock_skew(std::chrono::seconds skew) { impl_->skew_seconds = skew.count(); }

void HttpServer::Impl::accept() {
  acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
    if (error == net::error::operation_aborted) return;
    if (error) {  // out of descriptors: try again once some may be free
      auto timer = std::make_shared<net::steady_timer>(io, std::chrono::milliseconds(10));
      timer->async_wait([this, timer](boost::system::error_code) { accept(); });
      return;
    }
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    if (options.tls) {
      using TlsStream = net::ssl::stream<tcp::socket>;
      std::make_shared<Connection<TlsStream>>(TlsStream(std::move(socket), tls), handler,
                                              skew_seconds)
          ->start();
    } else {
      std::make_shared<Connection<tcp::socket>>(std::move(socket), handler, skew_seconds)->start();
    }
    accept();
  });
}

}  // namespace keelwatch::standins
