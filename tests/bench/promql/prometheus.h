// A real Prometheus on loopback, with an empty store in a folder of its own, that takes samples by
// remote write. Every failure is a std::runtime_error.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/labels.h"
#include "base/sample.h"
#include "tests/bench/common/process.h"
#include "tests/bench/promql/remote_write.h"
#include "tests/support/raw_http.h"

namespace keelwatch::bench {

class Prometheus {
 public:
  // `program`: the path of a prometheus of version 2.33 or later; `name`: what to call it in
  // results. Waits until it is ready.
  Prometheus(std::string name, const std::string& program);
  ~Prometheus();
  Prometheus(const Prometheus&) = delete;
  Prometheus& operator=(const Prometheus&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

  // Sent in requests of about a megabyte; the last one by flush().
  void add(const Labels& labels, std::span<const Sample> samples);
  void flush();

  struct Times {
    double engine_ms = 0;  // evalTotalTime: selecting, evaluating, sorting
    double http_ms = 0;    // from the request to the whole answer
  };
  Times query(const std::string& expression, std::int64_t at_ms);
  // The values of the last answer, in its order.
  [[nodiscard]] std::vector<double> values();

 private:
  const std::string name_;
  std::string folder_ = "/tmp/keelwatch-bench.XXXXXX";
  std::unique_ptr<Process> process_;
  std::unique_ptr<testing::RawHttp> http_;
  WriteRequest pending_;
  std::string answer_;
};

}  // namespace keelwatch::bench
