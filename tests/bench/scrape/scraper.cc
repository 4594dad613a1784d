#include "tests/bench/scrape/scraper.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace keelwatch::bench {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kRead = std::size_t{256} * 1024;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("scrape: " + what); }

int connect_to(int port) {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0) fail("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(s);
    fail("connect to port " + std::to_string(port) + ": " + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return s;
}

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) fail("not a length: " + std::string(text.substr(0, 20)));
  return value;
}

}  // namespace

Scraper::Scraper(int port, std::chrono::milliseconds deadline)
    : port_(port), deadline_(deadline), buffer_(4 * kRead) {}

Scraper::~Scraper() { disconnect(); }

void Scraper::connect() { socket_ = connect_to(port_); }

void Scraper::disconnect() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

bool Scraper::send(std::string_view text) {
  return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

Scraper::Received Scraper::receive() {
  if (buffer_.size() - used_ < kRead) buffer_.resize(buffer_.size() * 2);
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(give_up_ - steady_clock::now()).count();
  pollfd waiting{socket_, POLLIN, 0};
  if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) == 0) return Received::kTimeout;
  const ssize_t got = ::recv(socket_, buffer_.data() + used_, buffer_.size() - used_, 0);
  if (got <= 0) return Received::kEnd;
  used_ += static_cast<std::size_t>(got);
  return Received::kBytes;
}

std::optional<double> Scraper::scrape(bool gzip) {
  // Prometheus' own headers, as far as they matter.
  const std::optional<double> ms =
      request("GET /metrics", gzip ? "Accept: text/plain;version=0.0.4\r\nAccept-Encoding: gzip\r\n"
                                   : "Accept: text/plain;version=0.0.4\r\n");
  if (!ms) return ms;
  if (!head_.starts_with("http/1.1 200")) fail("the answer is " + head_.substr(0, 40));
  if (gzip != (head_.find("\r\ncontent-encoding: gzip") != head_.npos)) fail("wrong encoding");
  return ms;
}

std::optional<double> Scraper::request(std::string_view method_and_path, std::string_view headers) {
  std::string request(method_and_path);
  request.append(" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n");
  request.append(headers).append("\r\n");
  const auto begun = steady_clock::now();
  give_up_ = begun + deadline_;
  const bool kept = socket_ >= 0;
  if (!kept) connect();
  Received received = send(request) ? read_answer() : Received::kEnd;
  if (kept && received == Received::kEnd && used_ == 0) {  // closed while it was idle
    disconnect();
    connect();
    received = send(request) ? read_answer() : Received::kEnd;
  }
  const double ms = std::chrono::duration<double, std::milli>(steady_clock::now() - begun).count();
  if (received != Received::kBytes || head_.find("\r\nconnection: close") != head_.npos) {
    disconnect();
  }
  if (received == Received::kTimeout) return std::nullopt;
  if (received == Received::kEnd) fail("the answer was cut");
  return ms;
}

Scraper::Received Scraper::read_answer() {
  used_ = 0;
  head_.clear();
  parts_.clear();
  std::size_t end = std::string_view::npos;
  while ((end = text().find("\r\n\r\n")) == std::string_view::npos) {
    const Received received = receive();
    if (received != Received::kBytes) return received;
  }
  head_.assign(buffer_.data(), end);
  std::ranges::transform(head_, head_.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t begin = end + 4;
  constexpr std::string_view kLength = "\r\ncontent-length: ";
  const std::size_t length = head_.find(kLength);
  if (length == head_.npos) return read_chunks(begin);
  body_bytes_ = number(std::string_view(head_).substr(length + kLength.size()), 10);
  parts_.push_back({begin, body_bytes_});
  while (used_ < begin + body_bytes_) {
    const Received received = receive();
    if (received != Received::kBytes) return received;
  }
  return Received::kBytes;
}

Scraper::Received Scraper::read_chunks(std::size_t at) {
  if (head_.find("\r\ntransfer-encoding: chunked") == head_.npos) fail("an answer of no length");
  body_bytes_ = 0;
  for (;;) {
    std::size_t end = std::string_view::npos;
    while ((end = text().find("\r\n", at)) == std::string_view::npos) {
      const Received received = receive();
      if (received != Received::kBytes) return received;
    }
    const std::size_t size = number(text().substr(at, end - at), 16);
    at = end + 2 + size + 2;
    while (used_ < at) {
      const Received received = receive();
      if (received != Received::kBytes) return received;
    }
    if (size == 0) return Received::kBytes;
    parts_.push_back({at - 2 - size, size});
    body_bytes_ += size;
  }
}

std::string Scraper::body() const {
  std::string body;
  for (const Part& part : parts_) body.append(text().substr(part.begin, part.size));
  return body;
}

HalfSentRequests::HalfSentRequests(int port, int count) {
  constexpr std::string_view kHalf = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAcc";
  for (int i = 0; i < count; ++i) {
    sockets_.push_back(connect_to(port));
    if (::send(sockets_.back(), kHalf.data(), kHalf.size(), MSG_NOSIGNAL) < 0) fail("send");
  }
}

HalfSentRequests::~HalfSentRequests() {
  for (const int s : sockets_) ::close(s);
}

double quantile(std::vector<double> sample, double q) {
  if (sample.empty()) return 0;
  std::ranges::sort(sample);
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sample.size())));
  return sample[std::clamp<std::size_t>(rank, 1, sample.size()) - 1];
}

std::size_t series_on(std::string_view page) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < page.size();) {
    if (page[at] != '#' && page[at] != '\n') ++count;
    const std::size_t end = page.find('\n', at);
    if (end == page.npos) break;
    at = end + 1;
  }
  return count;
}

}  // namespace keelwatch::bench
