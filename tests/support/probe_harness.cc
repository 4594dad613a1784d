#include "tests/support/probe_harness.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <utility>

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

Descriptor listen_on(int backlog, int& port) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), generic, length) != 0 || listen(listener.get(), backlog) != 0 ||
      getsockname(listener.get(), generic, &length) != 0) {
    throw std::runtime_error("cannot listen on loopback");
  }
  port = ntohs(address.sin_port);
  return listener;
}

}  // namespace

discovery::EndpointTarget probe_target(std::string host, int port, PgTarget login) {
  discovery::EndpointTarget target;
  target.id = {"db", "pg", host + ":" + std::to_string(port)};
  target.kind = "postgres";
  target.host = std::move(host);
  target.port = port;
  target.login = std::move(login);
  target.login.statement_timeout = Duration::zero();
  target.interval = 100ms;
  target.timeout = 10s;
  target.large_result = true;
  return target;
}

ProbeBench::ProbeBench(std::vector<std::string> dns_servers)
    : resolver(loop, std::move(dns_servers)),
      http(loop, resolver),
      log(LogLevel::kDebug, LogFormat::kLogfmt, [](std::string_view) {}) {}

model::ProbeResult ProbeBench::probe(const discovery::EndpointTarget& target) {
  return loop.block_on(sources::probe(context(), target));
}

std::string steps_of(const model::AddressProbe& address) {
  std::string text;
  for (const model::PhaseResult& step : address.phases) {
    if (!text.empty()) text += ", ";
    const bool good = step.fault == model::ProbeFault::kNone;
    text += std::string(to_string(step.phase)) + " " +
            (good ? "ok" : std::string(to_string(step.fault)));
  }
  return text;
}

std::string steps_of(const model::ProbeResult& result) {
  if (result.resolve.fault != model::ProbeFault::kNone) {
    return "resolve " + std::string(to_string(result.resolve.fault));
  }
  std::string text;
  for (const model::AddressProbe& address : result.addresses) {
    if (!text.empty()) text += "; ";
    text += steps_of(address);
  }
  return text;
}

BlackHole::BlackHole() : listener_(listen_on(0, port_)) {
  // The queue takes one more than its backlog; beyond that the kernel drops what comes.
  for (int i = 0; i < 4; ++i) {
    Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port_);
    if (connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      throw std::runtime_error("cannot fill a backlog");
    }
    waiting_.push_back(std::move(client));
  }
}

NarrowPath::NarrowPath(EventLoop& loop, int target, std::size_t largest)
    : loop_(loop), target_(target), largest_(largest), listener_(listen_on(8, port_)) {
  scope_.spawn(serve());
}

Task<> NarrowPath::serve() {
  for (;;) {
    (void)co_await loop_.wait_fd(listener_.get(), Interest::kRead, loop_.after(1h));
    Descriptor client(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client.get() >= 0) scope_.spawn(carry(std::move(client)));
  }
}

Task<> NarrowPath::carry(Descriptor client) {
  const IpAddress address{"127.0.0.1", false};
  Result<Descriptor> server = co_await tcp_connect(loop_, address, target_, loop_.after(10s));
  if (!server) co_return;
  TaskScope both;
  both.spawn(pass(client.get(), server->get(), false));
  both.spawn(pass(server->get(), client.get(), true));
  while (both.running() == 2) co_await loop_.sleep_for(5ms);
}

Task<> NarrowPath::pass(int from, int to, bool narrow) {
  std::array<char, 65536> bytes{};
  bool lost = false;  // and TCP gives nothing out that comes behind it
  for (;;) {
    (void)co_await loop_.wait_fd(from, Interest::kRead, loop_.after(1h));
    const ssize_t got = recv(from, bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EAGAIN) continue;
    if (got <= 0) co_return;
    lost = lost || (narrow && static_cast<std::size_t>(got) > largest_);
    if (lost) continue;
    if (send(to, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) co_return;
  }
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(
      std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()));
}

}  // namespace keelwatch::testing
