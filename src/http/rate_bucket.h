// exporter-toolkit's rate limit: a bucket of `burst` tokens that gains one per interval (Go's
// x/time/rate). Starts full. One thread.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "http/web_config.h"

namespace keelwatch::http {

class RateBucket {
 public:
  RateBucket(const RateLimit& limit, SteadyTime now)
      : limit_(limit), tokens_(limit.burst), last_(now) {}

  [[nodiscard]] bool take(SteadyTime now) {
    tokens_ += to_seconds(now - last_) / to_seconds(limit_.interval);
    tokens_ = std::min(tokens_, static_cast<double>(limit_.burst));
    last_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  RateLimit limit_;
  double tokens_;
  SteadyTime last_;
};

}  // namespace keelwatch::http
