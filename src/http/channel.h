// Internal to server.cc: the byte stream of one connection, plain or TLS, behind one interface, so
// that the protocol above is compiled once.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "http/tls_context.h"

namespace keelwatch::http {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

// At most one read and one write at a time. Completions come through the io_context, never from
// within the call.
class Channel {
 public:
  using Done = std::function<void(error_code)>;
  using Moved = std::function<void(error_code, std::size_t)>;
  using Buffers = std::array<asio::const_buffer, 2>;

  virtual ~Channel() = default;
  virtual void handshake(Done done) = 0;
  virtual void read_some(asio::mutable_buffer into, Moved done) = 0;
  virtual void write_some(const Buffers& from, Moved done) = 0;
  virtual void finish(Done done) = 0;  // tells the client that nothing more comes
  [[nodiscard]] virtual Tcp::socket& socket() = 0;
};

class PlainChannel final : public Channel {
 public:
  explicit PlainChannel(Tcp::socket socket) : socket_(std::move(socket)) {}

  void handshake(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }
  void read_some(asio::mutable_buffer into, Moved done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(const Buffers& from, Moved done) override {
    socket_.async_write_some(from, std::move(done));
  }
  void finish(Done done) override {
    error_code ec;
    socket_.shutdown(Tcp::socket::shutdown_send, ec);
    asio::post(socket_.get_executor(), [done = std::move(done), ec] { done(ec); });
  }
  Tcp::socket& socket() override { return socket_; }

 private:
  Tcp::socket socket_;
};

class TlsChannel final : public Channel {
 public:
  TlsChannel(Tcp::socket socket, std::shared_ptr<const TlsContext> tls)
      : tls_(std::move(tls)), context_(tls_->share()), stream_(std::move(socket), context_) {}

  void handshake(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, std::move(done));
  }
  void read_some(asio::mutable_buffer into, Moved done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write_some(const Buffers& from, Moved done) override {
    stream_.async_write_some(from, std::move(done));
  }
  void finish(Done done) override { stream_.async_shutdown(std::move(done)); }
  Tcp::socket& socket() override { return stream_.next_layer(); }

 private:
  std::shared_ptr<const TlsContext> tls_;  // its verification callback outlives the stream
  asio::ssl::context context_;
  asio::ssl::stream<Tcp::socket> stream_;
};

}  // namespace keelwatch::http
