#include "tests/support/tcp_proxy.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace keelwatch::testing {

namespace {

constexpr std::size_t kMaxWaiting = 256U << 10U;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void reset(int descriptor) {
  const linger at_once{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(descriptor);
}

// One direction: what was read from one side and not yet written to the other.
struct Flow {
  int from = -1;
  int to = -1;
  std::string waiting;
  bool ended = false;      // `from` has sent its end
  bool shut_down = false;  // and `to` has been told

  // False when the connection is broken.
  bool read() {
    char bytes[65536];
    const ssize_t got = ::recv(from, bytes, sizeof bytes, 0);
    if (got > 0) {
      waiting.append(bytes, static_cast<std::size_t>(got));
    } else if (got == 0) {
      ended = true;
    } else {
      return errno == EAGAIN || errno == EINTR;
    }
    return true;
  }

  bool write() {
    if (!waiting.empty()) {
      const ssize_t sent = ::send(to, waiting.data(), waiting.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      waiting.erase(0, static_cast<std::size_t>(sent));
    }
    if (waiting.empty() && ended && !std::exchange(shut_down, true)) ::shutdown(to, SHUT_WR);
    return true;
  }
};

struct Pair {
  Flow out;   // client to server
  Flow back;  // server to client
};

}  // namespace

struct TcpProxy::Impl {
  std::uint16_t target = 0;
  std::uint16_t port = 0;
  int listener = -1;
  int wake[2] = {-1, -1};
  mutable Mutex mutex;
  std::list<Pair> pairs GUARDED_BY(mutex);
  bool frozen GUARDED_BY(mutex) = false;
  bool refusing GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  std::size_t accepted GUARDED_BY(mutex) = 0;
  std::thread thread;

  void run();
  void accept_one() REQUIRES(mutex);
  void wake_up() const {
    const char byte = 1;
    if (::write(wake[1], &byte, 1) < 0) return;  // full: it will wake anyway
  }
  static void drop(const Pair& pair) {
    reset(pair.out.from);
    reset(pair.out.to);
  }
};

TcpProxy::TcpProxy(std::uint16_t target) : impl_(std::make_unique<Impl>()) {
  impl_->target = target;
  impl_->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(impl_->listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(impl_->listener, 256) != 0 ||
      ::getsockname(impl_->listener, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::pipe2(impl_->wake, O_NONBLOCK | O_CLOEXEC) != 0) {
    throw std::runtime_error(std::string("TCP proxy: ") + std::strerror(errno));
  }
  impl_->port = ntohs(address.sin_port);
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

TcpProxy::~TcpProxy() {
  {
    const MutexLock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake_up();
  impl_->thread.join();
  cut();
  for (const int descriptor : {impl_->listener, impl_->wake[0], impl_->wake[1]}) {
    ::close(descriptor);
  }
}

std::uint16_t TcpProxy::port() const { return impl_->port; }

std::size_t TcpProxy::cut() {
  const MutexLock lock(impl_->mutex);
  const std::size_t count = impl_->pairs.size();
  for (const Pair& pair : impl_->pairs) Impl::drop(pair);
  impl_->pairs.clear();
  impl_->wake_up();
  return count;
}

void TcpProxy::freeze(bool frozen) {
  const MutexLock lock(impl_->mutex);
  impl_->frozen = frozen;
  impl_->wake_up();
}

void TcpProxy::refuse(bool refusing) {
  const MutexLock lock(impl_->mutex);
  impl_->refusing = refusing;
}

std::size_t TcpProxy::open() const {
  const MutexLock lock(impl_->mutex);
  return impl_->pairs.size();
}

std::size_t TcpProxy::accepted() const {
  const MutexLock lock(impl_->mutex);
  return impl_->accepted;
}

void TcpProxy::Impl::accept_one() {
  const int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  ++accepted;
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(target);
  // Blocking on purpose: on loopback it either succeeds or fails at once.
  if (refusing ||
      ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(server);
    reset(client);
    return;
  }
  ::fcntl(server, F_SETFL, O_NONBLOCK);
  const int on = 1;
  for (const int descriptor : {client, server}) {
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  pairs.push_back({{client, server, "", false, false}, {server, client, "", false, false}});
}

void TcpProxy::Impl::run() {
  std::vector<pollfd> polled;
  while (true) {
    polled.assign({{wake[0], POLLIN, 0}, {listener, POLLIN, 0}});
    {
      const MutexLock lock(mutex);
      if (stopping) return;
      for (const Pair& pair : pairs) {
        const auto events = [](const Flow& in, const Flow& out) {
          int wanted = 0;
          if (!in.ended && in.waiting.size() < kMaxWaiting) wanted |= POLLIN;
          if (!out.waiting.empty()) wanted |= POLLOUT;
          return static_cast<short>(wanted);
        };
        const auto add = [&](int descriptor, short wanted) {
          // One that waits for nothing is left out: poll would report its hang-up for ever.
          if (wanted != 0) polled.push_back({descriptor, wanted, 0});
        };
        if (frozen) break;
        add(pair.out.from, events(pair.out, pair.back));
        add(pair.out.to, events(pair.back, pair.out));
      }
    }
    ::poll(polled.data(), polled.size(), -1);
    char drained[64];
    while (::read(wake[0], drained, sizeof drained) > 0) {
    }
    // Descriptors may have been closed meanwhile: reads and writes are tried on all that are left,
    // without blocking, whatever poll said.
    const MutexLock lock(mutex);
    if ((polled[1].revents & POLLIN) != 0) accept_one();
    if (frozen) continue;
    for (auto pair = pairs.begin(); pair != pairs.end();) {
      bool whole = true;
      for (Flow* flow : {&pair->out, &pair->back}) {
        if (!flow->ended && flow->waiting.size() < kMaxWaiting) whole = whole && flow->read();
        whole = whole && flow->write();
      }
      if (whole && !(pair->out.shut_down && pair->back.shut_down)) {
        ++pair;
        continue;
      }
      if (whole) {
        ::close(pair->out.from);
        ::close(pair->out.to);
      } else {
        drop(*pair);
      }
      pair = pairs.erase(pair);
    }
  }
}

}  // namespace keelwatch::testing
