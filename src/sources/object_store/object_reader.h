// What the deep passes read: objects, piece by piece. A bucket, or in tests something that behaves
// like one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"

namespace keelwatch::sources {

class S3Client;

class ObjectStream {
 public:
  virtual ~ObjectStream() = default;
  // As HttpStream::next.
  [[nodiscard]] virtual Task<Result<std::optional<std::string>>> next(SteadyTime deadline) = 0;
};

class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  // As S3Client::open.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<ObjectStream>>> open(std::string key,
                                                                         SteadyTime deadline) = 0;
};

// The client must outlive it.
[[nodiscard]] std::unique_ptr<ObjectReader> read_bucket(S3Client& client);

struct DeepProgress {
  std::int64_t done = 0;   // bytes as stored
  std::int64_t total = 0;  // by the listing
  std::string file;        // the one that is being read
};

struct DeepOptions {
  // Of reading, as stored; what the listing says is more is refused before it begins.
  std::int64_t max_bytes = std::int64_t{1} << 50U;
  Duration stall = std::chrono::seconds(60);          // that long without a byte is kTimeout
  std::function<void(const DeepProgress&)> progress;  // after every piece; may be empty
};

}  // namespace keelwatch::sources
