// A bucket in memory that lists as S3 does: keys in the order of their bytes, 1000 to a page.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "sources/object_store/s3_client.h"

namespace keelwatch::testing {

class MemoryBucket {
 public:
  struct Object {
    std::int64_t bytes = 0;
    std::optional<WallTime> modified;
    std::string storage_class;
    std::string content;
  };

  // An object that only a listing looks at.
  void put_sized(const std::string& key, std::int64_t bytes, WallTime modified,
                 std::string storage_class = "") {
    objects_[key] = {bytes, modified, std::move(storage_class), ""};
  }
  void put(const std::string& key, std::string content, WallTime modified) {
    const auto bytes = static_cast<std::int64_t>(content.size());
    objects_[key] = {bytes, modified, "", std::move(content)};
  }
  void erase(const std::string& key) { objects_.erase(key); }
  [[nodiscard]] std::size_t size() const { return objects_.size(); }
  [[nodiscard]] const Object* find(const std::string& key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : &found->second;
  }

  [[nodiscard]] sources::S3Page list(const sources::S3ListRequest& request) const {
    sources::S3Page page;
    // The continuation is the last key of the page before.
    const std::string& after =
        request.continuation.empty() ? request.start_after : request.continuation;
    auto it = objects_.upper_bound(after);
    if (after < request.prefix) it = objects_.lower_bound(request.prefix);
    for (; it != objects_.end() && it->first.starts_with(request.prefix); ++it) {
      if (page.objects.size() == kPage) {
        page.next = page.objects.back().key;
        break;
      }
      const Object& object = it->second;
      page.objects.push_back({it->first, object.bytes, object.modified, object.storage_class});
    }
    return page;
  }

 private:
  static constexpr std::size_t kPage = 1000;
  std::map<std::string, Object> objects_;
};

}  // namespace keelwatch::testing
