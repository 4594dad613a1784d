#include "sources/endpoints/relay.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace keelwatch::sources {
namespace {

// Whoever uses the connection has deadlines; this is only not to wait for nobody.
constexpr Duration kForever = std::chrono::hours(24);

Error failed(const char* what) {
  return Error(ErrorCode::kUnavailable, std::strerror(errno)).context(what);
}

}  // namespace

Result<Descriptor> Relay::listen_on_loopback() {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (listener.get() < 0) return failed("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return failed("bind");
  }
  if (listen(listener.get(), 1) != 0) return failed("listen");
  return listener;
}

Relay::Relay(EventLoop& loop, Descriptor listener, Descriptor upstream)
    : loop_(loop), listener_(std::move(listener)), upstream_(std::move(upstream)) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  if (getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    port_ = ntohs(address.sin_port);
  }
  scope_.spawn(accept_and_pass());
}

Task<> Relay::accept_and_pass() {
  const Interest ready =
      co_await loop_.wait_fd(listener_.get(), Interest::kRead, loop_.after(kForever));
  if (ready == Interest::kNone) co_return;
  client_ = Descriptor(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  listener_.reset();
  if (client_.get() < 0) co_return;
  scope_.spawn(pass(client_.get(), upstream_.get()));
  scope_.spawn(pass(upstream_.get(), client_.get()));
}

Task<> Relay::pass(int from, int to) {
  std::array<char, 16384> bytes{};
  for (;;) {
    const ssize_t got = recv(from, bytes.data(), bytes.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      const Interest ready = co_await loop_.wait_fd(from, Interest::kRead, loop_.after(kForever));
      if (ready == Interest::kNone) break;
      continue;
    }
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      const ssize_t sent =
          send(to, bytes.data() + at, static_cast<std::size_t>(got - at), MSG_NOSIGNAL);
      if (sent > 0) {
        at += sent;
        continue;
      }
      if (errno != EAGAIN && errno != EINTR) co_return;
      const Interest ready = co_await loop_.wait_fd(to, Interest::kWrite, loop_.after(kForever));
      if (ready == Interest::kNone) co_return;
    }
  }
  shutdown(to, SHUT_WR);
}

}  // namespace keelwatch::sources
