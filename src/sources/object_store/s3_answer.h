// What an S3 server's answers mean: listings, errors, a bucket's settings. Pure decoding of
// untrusted bytes. Facts: Amazon S3 API Reference; what MinIO, Ceph RGW, Garage and versitygw leave
// out is optional here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "model/archive.h"
#include "sources/object_store/s3_client.h"

namespace keelwatch::sources {

inline constexpr int kS3PageKeys = 1000;  // what S3 gives at most

// A page of ListObjectsV2, asked for with encoding-type=url. kMalformed: no such document, or one
// that does not answer the request: keys that are not sorted, not behind the prefix or not after
// start_after; a page that is not the last and names no next one, or names itself; a count of keys
// above those that are there.
[[nodiscard]] Result<S3Page> decode_page(std::string_view xml, const S3ListRequest& request);

// An answer that is none of what was asked for.
struct S3Refusal {
  int status = 0;
  std::string code;  // NoSuchKey; empty: the body is no error of S3's
  std::string message;
  std::string region;     // where the bucket is, if the server says so
  bool wordless = false;  // there is no body at all
};
// `region_header`: x-amz-bucket-region.
[[nodiscard]] S3Refusal decode_refusal(int status, std::string_view body,
                                       std::string_view region_header);

// For the texts of errors.
struct S3Place {
  std::string endpoint;
  std::string bucket;
  std::string region;
  std::string access_key;
  std::string key;                       // of the object; empty: the request was of the bucket
  std::optional<Duration> clock_behind;  // this machine's clock behind the server's
};
[[nodiscard]] Error explain(const S3Refusal& refusal, const S3Place& place);

// The server is busy, or stumbled: the same request may be answered a little later.
[[nodiscard]] bool is_passing(const S3Refusal& refusal);
// The server knows the key and does not let it, or nobody, do this.
[[nodiscard]] bool is_not_permitted(const S3Refusal& refusal);
// The bucket has no lifecycle rules (object lock).
[[nodiscard]] bool has_no_lifecycle(const S3Refusal& refusal);
[[nodiscard]] bool has_no_object_lock(const S3Refusal& refusal);

// A server that does not know the parameter which asks for a setting lists the bucket instead.
[[nodiscard]] bool is_listing(std::string_view xml);

// Each fills in its part of the settings. kMalformed: no such document.
[[nodiscard]] Result<void> decode_versioning(std::string_view xml, model::BucketSettings& into);
[[nodiscard]] Result<void> decode_object_lock(std::string_view xml, model::BucketSettings& into);
// Rules that are enabled and reach keys below `prefix`, be it a few of them or those with a tag.
[[nodiscard]] Result<void> decode_lifecycle(std::string_view xml, std::string_view prefix,
                                            WallTime now, model::BucketSettings& into);

}  // namespace keelwatch::sources
