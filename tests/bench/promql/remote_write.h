// Samples as a Prometheus takes them: remote write 1.0, https://prometheus.io/docs/specs/prw/
// remote_write_spec/ (a protobuf message, packed by snappy).
#pragma once

#include <span>
#include <string>

#include "base/labels.h"
#include "base/sample.h"

namespace keelwatch::bench {

class WriteRequest {
 public:
  void add(const Labels& labels, std::span<const Sample> samples);
  [[nodiscard]] std::size_t size() const { return message_.size(); }
  // The body to be sent; the request is empty again.
  [[nodiscard]] std::string take();

 private:
  std::string message_;
};

}  // namespace keelwatch::bench
