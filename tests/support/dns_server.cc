#include "tests/support/dns_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

namespace keelwatch::testing {
namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr int kTypeA = 1;
constexpr int kTypeAaaa = 28;

void put16(std::string& out, int value) {
  out += static_cast<char>((value >> 8) & 0xff);
  out += static_cast<char>(value & 0xff);
}

struct Question {
  std::string name;
  int type = 0;
  std::size_t end = 0;  // of the question section
};

// RFC 1035 section 4.1.2; queries do not compress names.
std::optional<Question> parse(const std::string& packet) {
  Question question;
  std::size_t at = kHeaderSize;
  while (at < packet.size() && packet[at] != 0) {
    const auto length = static_cast<unsigned char>(packet[at]);
    if (at + 1 + length >= packet.size()) return std::nullopt;
    if (!question.name.empty()) question.name += '.';
    question.name += packet.substr(at + 1, length);
    at += 1U + length;
  }
  if (at + 5 > packet.size()) return std::nullopt;
  question.type = (static_cast<unsigned char>(packet[at + 1]) << 8) |
                  static_cast<unsigned char>(packet[at + 2]);
  question.end = at + 5;
  for (char& c : question.name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return question;
}

std::string record(int type, const std::string& address, int ttl) {
  unsigned char bytes[16];
  const int family = type == kTypeA ? AF_INET : AF_INET6;
  const std::size_t size = type == kTypeA ? 4 : 16;
  if (inet_pton(family, address.c_str(), bytes) != 1) throw std::invalid_argument(address);
  std::string out;
  put16(out, 0xc00c);  // the question's name
  put16(out, type);
  put16(out, 1);  // IN
  put16(out, ttl >> 16);
  put16(out, ttl & 0xffff);
  put16(out, static_cast<int>(size));
  out.append(reinterpret_cast<const char*>(bytes), size);
  return out;
}

std::string reply(const std::string& query, const Question& question, const DnsAnswer& answer) {
  int code = 0;
  if (answer.kind == DnsAnswer::Kind::kServerFailure) code = 2;
  if (answer.kind == DnsAnswer::Kind::kNoSuchName) code = 3;
  if (answer.kind == DnsAnswer::Kind::kRefused) code = 5;
  std::vector<std::string> addresses;
  if (code == 0 && question.type == kTypeA) addresses = answer.a;
  if (code == 0 && question.type == kTypeAaaa) addresses = answer.aaaa;
  std::string out = query.substr(0, 2);
  put16(out, 0x8180 | code);  // response, recursion desired and available
  put16(out, 1);
  put16(out, static_cast<int>(addresses.size()));
  put16(out, 0);
  put16(out, 0);
  out += query.substr(kHeaderSize, question.end - kHeaderSize);
  for (const std::string& address : addresses) {
    out += record(question.type, address, answer.ttl_seconds);
  }
  return out;
}

}  // namespace

struct DnsServer::Impl {
  void serve() {
    pollfd fds[2] = {{socket_fd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
    while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
      char buffer[2048];
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      const auto n =
          recvfrom(socket_fd, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&peer), &size);
      if (n < static_cast<ssize_t>(kHeaderSize)) continue;
      const std::string packet(buffer, static_cast<std::size_t>(n));
      const auto question = parse(packet);
      if (!question) continue;
      const DnsAnswer answer = look_up(*question);
      if (answer.kind == DnsAnswer::Kind::kSilence) continue;
      const std::string bytes = reply(packet, *question, answer);
      sendto(socket_fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
  }

  DnsAnswer look_up(const Question& question) {
    const std::lock_guard lock(mutex);
    log.push_back(question.name + (question.type == kTypeAaaa ? " AAAA" : " A"));
    auto found = answers.find(question.name);
    if (found == answers.end()) found = answers.find("*");
    if (found != answers.end()) return found->second;
    DnsAnswer none;
    none.kind = DnsAnswer::Kind::kNoSuchName;
    return none;
  }

  int socket_fd = -1;
  int stop_fd = -1;
  int port = 0;
  mutable std::mutex mutex;
  std::map<std::string, DnsAnswer> answers;
  std::vector<std::string> log;
  std::thread thread;
};

DnsServer::DnsServer(std::map<std::string, DnsAnswer> answers) : impl_(std::make_unique<Impl>()) {
  impl_->answers = std::move(answers);
  impl_->socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  impl_->stop_fd = eventfd(0, EFD_CLOEXEC);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(impl_->socket_fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(impl_->socket_fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error(std::string("DNS server: ") + std::strerror(errno));
  }
  impl_->port = ntohs(address.sin_port);
  impl_->thread = std::thread([impl = impl_.get()] { impl->serve(); });
}

DnsServer::~DnsServer() {
  eventfd_write(impl_->stop_fd, 1);
  impl_->thread.join();
  close(impl_->socket_fd);
  close(impl_->stop_fd);
}

std::string DnsServer::address() const { return "127.0.0.1:" + std::to_string(impl_->port); }

void DnsServer::set(const std::string& name, DnsAnswer answer) {
  const std::lock_guard lock(impl_->mutex);
  impl_->answers[name] = std::move(answer);
}

std::vector<std::string> DnsServer::questions() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->log;
}

}  // namespace keelwatch::testing
