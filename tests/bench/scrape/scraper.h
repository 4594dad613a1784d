// A scraper as Prometheus is one: one connection, kept while the server keeps it, the time of a
// scrape from the request (with its connect, if there must be one) to the last byte. It looks at no
// byte of the body, so that what it measures is the server.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelwatch::bench {

class Scraper {
 public:
  explicit Scraper(int port, std::chrono::milliseconds deadline = std::chrono::seconds(30));
  ~Scraper();
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;

  // Milliseconds of one GET /metrics; nothing if the deadline has passed. Any other failure, and an
  // answer that is not 200 or not in the encoding asked for, is a std::runtime_error.
  std::optional<double> scrape(bool gzip);
  // The same for a request that is no scrape: "POST /step".
  std::optional<double> request(std::string_view method_and_path, std::string_view headers = "");

  // Of the last answer.
  [[nodiscard]] std::size_t body_bytes() const { return body_bytes_; }
  [[nodiscard]] std::string body() const;  // as it was sent: compressed, if that was asked for

 private:
  void connect();
  void disconnect();
  [[nodiscard]] bool send(std::string_view text);
  enum class Received { kBytes, kEnd, kTimeout };
  Received receive();
  [[nodiscard]] Received read_answer();
  [[nodiscard]] Received read_chunks(std::size_t at);
  [[nodiscard]] std::string_view text() const { return {buffer_.data(), used_}; }

  int port_;
  std::chrono::milliseconds deadline_;
  std::chrono::steady_clock::time_point give_up_;
  int socket_ = -1;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  std::string head_;  // in lower case, up to the empty line
  struct Part {
    std::size_t begin, size;  // in buffer_
  };
  std::vector<Part> parts_;  // the body; chunks, or one
  std::size_t body_bytes_ = 0;
};

// Connections on which half of a request has been sent; closed by the destructor.
class HalfSentRequests {
 public:
  HalfSentRequests(int port, int count);
  ~HalfSentRequests();
  HalfSentRequests(const HalfSentRequests&) = delete;
  HalfSentRequests& operator=(const HalfSentRequests&) = delete;

 private:
  std::vector<int> sockets_;
};

// Nearest rank; of an empty sample 0.
[[nodiscard]] double quantile(std::vector<double> sample, double q);

// Sample lines of a page: neither comments nor empty.
[[nodiscard]] std::size_t series_on(std::string_view page);

}  // namespace keelwatch::bench
