// Objects in memory, as the deep passes read them. Threads: the loop's.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sources/object_store/object_reader.h"

namespace keelwatch::testing {

class MemoryObjects final : public sources::ObjectReader {
 public:
  std::map<std::string, std::string> objects;
  std::size_t piece = 50'000;
  std::string cut;  // the connection breaks within that object

  Task<Result<std::unique_ptr<sources::ObjectStream>>> open(std::string key, SteadyTime) override {
    const auto found = objects.find(key);
    if (found == objects.end()) co_return Error(ErrorCode::kNotFound, "NoSuchKey");
    co_return std::unique_ptr<sources::ObjectStream>(
        std::make_unique<Stream>(found->second, piece, key == cut));
  }

 private:
  struct Stream final : sources::ObjectStream {
    Stream(const std::string& object, std::size_t size, bool breaks)
        : bytes(object), piece(size), cut(breaks) {}
    Task<Result<std::optional<std::string>>> next(SteadyTime) override {
      if (cut && at > 0) co_return Error(ErrorCode::kUnavailable, "cut");
      if (at == bytes.size()) co_return std::optional<std::string>();
      const std::size_t size = std::min(piece, bytes.size() - at);
      at += size;
      co_return std::optional<std::string>(bytes.substr(at - size, size));
    }
    const std::string& bytes;
    std::size_t piece;
    bool cut;
    std::size_t at = 0;
  };
};

}  // namespace keelwatch::testing
