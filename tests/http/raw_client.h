// A blocking socket client that sends exactly what a test says and shows exactly what came back.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace keelwatch::http::testing {

// Polls until `done` or the deadline; the only waiting that tests do.
inline bool eventually(const std::function<bool()>& done,
                       std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

struct Answer {
  int status = 0;
  std::string head;  // with the empty line
  std::string body;

  [[nodiscard]] std::optional<std::string> header(std::string_view name) const {
    const std::string wanted = "\r\n" + std::string(name) + ": ";
    const auto at = head.find(wanted);
    if (at == std::string::npos) return std::nullopt;
    const auto from = at + wanted.size();
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

class RawClient {
 public:
  // `address` is "127.0.0.1:PORT".
  explicit RawClient(const std::string& address, int receive_buffer = 0) {
    const auto colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const int at_once = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    timeval deadline{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~RawClient() {
    if (fd_ >= 0) ::close(fd_);
  }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_), got_(other.got_) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int fd() const { return fd_; }

  bool send(std::string_view text) const {
    while (!text.empty()) {
      const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void end_sending() const { ::shutdown(fd_, SHUT_WR); }

  // One response; `head_only` for an answer to HEAD. Status 0: the connection ended before it.
  Answer read(bool head_only = false) {
    Answer a;
    while (got_.find("\r\n\r\n") == std::string::npos) {
      if (!receive()) return a;
    }
    a.head = got_.substr(0, got_.find("\r\n\r\n") + 4);
    got_.erase(0, a.head.size());
    const int status = std::atoi(a.head.c_str() + 9);
    const auto length =
        static_cast<std::size_t>(std::atoll(a.header("Content-Length").value_or("0").c_str()));
    while (!head_only && got_.size() < length) {
      if (!receive()) return a;
    }
    a.body = head_only ? "" : got_.substr(0, length);
    got_.erase(0, a.body.size());
    a.status = status;
    return a;
  }

  Answer ask(std::string_view text) {
    send(text);
    return read();
  }
  Answer get(std::string_view path) {
    return ask("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  // True when the server has ended the connection and nothing more was sent.
  bool at_end() {
    if (!got_.empty()) return false;
    return !receive();
  }
  // True when the server ends the connection whatever it sends before.
  bool ends() {
    while (receive()) got_.clear();
    return true;
  }
  [[nodiscard]] bool readable_now() const {
    pollfd p{fd_, POLLIN, 0};
    return ::poll(&p, 1, 0) == 1;
  }

 private:
  bool receive() {
    char chunk[65536];
    const auto n = ::recv(fd_, chunk, sizeof chunk, 0);
    // A hang is a failed test, not an end of the connection.
    if (n < 0 && errno == EAGAIN) throw std::runtime_error("nothing came within the deadline");
    if (n <= 0) return false;
    got_.append(chunk, static_cast<std::size_t>(n));
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string got_;
};

}  // namespace keelwatch::http::testing
