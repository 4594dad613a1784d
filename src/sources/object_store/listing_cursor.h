// Where the listing of one prefix is, page by page. S3 lists keys in the order of their bytes:
// everything here relies on that, so a page that does not keep it is an error.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "sources/object_store/s3_client.h"

namespace keelwatch::sources {

class ListingCursor {
 public:
  ListingCursor(std::string prefix, std::string start_after);

  // For the next page.
  [[nodiscard]] const S3ListRequest& request() const { return request_; }
  // Takes note of the page that the request was answered with; true: it was the last one.
  // Errors: kMalformed (a key of another prefix, or out of order), kTooLarge.
  [[nodiscard]] Result<bool> advance(const S3Page& page);

 private:
  S3ListRequest request_;
  std::string last_key_;
  std::size_t pages_ = 0;
};

}  // namespace keelwatch::sources
