#include "sources/object_store/listing_cursor.h"

#include <fmt/format.h>

#include <utility>

#include "config/limits.h"

namespace keelwatch::sources {

ListingCursor::ListingCursor(std::string prefix, std::string start_after) : last_key_(start_after) {
  request_.prefix = std::move(prefix);
  request_.start_after = std::move(start_after);
}

Result<bool> ListingCursor::advance(const S3Page& page) {
  if (++pages_ > limits::kListingPages) {
    return Error(ErrorCode::kTooLarge, fmt::format("{}: the listing has more than {} pages",
                                                   request_.prefix, limits::kListingPages));
  }
  for (const S3Object& object : page.objects) {
    if (!object.key.starts_with(request_.prefix)) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{}: the listing has {} in it", request_.prefix, object.key));
    }
    if (object.key <= last_key_) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{}: the listing is not in the order of keys: {} comes after {}",
                               request_.prefix, object.key, last_key_));
    }
    if (object.bytes < 0) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: {} bytes", object.key, object.bytes));
    }
    last_key_ = object.key;
  }
  request_.continuation = page.next;
  return page.next.empty();
}

}  // namespace keelwatch::sources
