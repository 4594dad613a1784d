// A real Prometheus as a child process on a free loopback port, with a data folder of its own and
// nothing to scrape; samples come by remote write, so that they may be stale markers and of any
// time. The destructor ends it. Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/http_client.h"
#include "tests/support/random_series.h"

namespace keelwatch::testing {

class PrometheusServer {
 public:
  // Waits until it is ready. Throws std::runtime_error with its log if that fails.
  explicit PrometheusServer(const std::string& program, std::vector<std::string> arguments = {});
  ~PrometheusServer();
  PrometheusServer(const PrometheusServer&) = delete;
  PrometheusServer& operator=(const PrometheusServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string log() const;

  // All samples in one request; throws if it does not take them.
  void write(std::span<const RandomSeries> series);
  // POSTs an urlencoded form; throws if there is no answer.
  [[nodiscard]] HttpResponse post(const std::string& path, const std::string& form);

 private:
  [[nodiscard]] HttpResponse fetch(HttpRequest request);
  void wait_ready();
  void stop();

  std::string directory_;
  pid_t pid_ = 0;
  int port_ = 0;
  EventLoop loop_;
  Resolver resolver_{loop_};
  HttpClient http_{loop_, resolver_};
};

// The body of a remote write 1.0 request: a prometheus.WriteRequest (prompb/remote.proto) in
// snappy's block format, of which only literals are used.
[[nodiscard]] std::string remote_write_body(std::span<const RandomSeries> series);

}  // namespace keelwatch::testing
