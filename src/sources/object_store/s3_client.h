// Reads a bucket over the S3 protocol: lists, gets, and what protects its objects. Signed by
// libcurl (SigV4); every request has a deadline and a bounded answer. What the server says went
// wrong reaches the user with the remedy (NoSuchBucket, SignatureDoesNotMatch, AccessDenied, a
// skewed clock); a server that asks to slow down is asked again, later, within the deadline.
// Threads: the loop's. Destroying a task ends its request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "model/archive.h"
#include "sources/source.h"

namespace keelwatch::sources {

struct S3Refusal;

struct S3Bucket {
  std::string endpoint;  // scheme://host[:port]; empty: AWS's own of the region
  std::string bucket;
  std::string region;      // empty: us-east-1
  bool path_style = true;  // bucket in the path; else in the host's name
  std::string ca_pem;      // empty: the system's trust store
  std::string access_key;
  Secret secret_key;
  std::string session_token;
};

struct S3Object {
  std::string key;
  std::int64_t bytes = 0;
  std::optional<WallTime> modified;
  std::string storage_class;  // empty: not told
};

// ListObjectsV2.
struct S3ListRequest {
  std::string prefix;
  std::string start_after;   // only keys after this one
  std::string delimiter;     // "/": what has one behind the prefix comes as a common prefix
  std::string continuation;  // next of the page before
};
struct S3Page {
  std::vector<S3Object> objects;      // sorted by key, as S3 gives them
  std::vector<std::string> prefixes;  // common prefixes, sorted
  std::string next;                   // empty: it was the last page
};

// What reading has cost so far: requests cost money.
struct S3Traffic {
  std::uint64_t list_requests = 0;
  std::uint64_t get_requests = 0;
  std::uint64_t settings_requests = 0;
  std::uint64_t received_bytes = 0;  // on the wire; of an opened object, what it is to have
};

class S3Client {
 public:
  S3Client(SourceContext context, S3Bucket bucket);

  // Errors of all: kNotFound (NoSuchBucket, NoSuchKey), kForbidden (AccessDenied, a wrong key, a
  // skewed clock), kUnavailable (a connection that is cut within an answer, too), kTimeout,
  // kMalformed (no S3 answer, or one that ends early), kTooLarge, kInvalid (a wrong endpoint or
  // region), kUnsupported (the server does not have this).
  [[nodiscard]] Task<Result<S3Page>> list(S3ListRequest request, SteadyTime deadline);

  // The whole object; more than max_bytes is kTooLarge.
  [[nodiscard]] Task<Result<std::string>> get(std::string key, std::size_t max_bytes,
                                              SteadyTime deadline);
  // Its first bytes: `bytes` of them, or all if there are fewer (an empty object gives an empty
  // text).
  [[nodiscard]] Task<Result<std::string>> get_first(std::string key, std::size_t bytes,
                                                    SteadyTime deadline);
  // Piece by piece; the deadline covers the headers.
  [[nodiscard]] Task<Result<HttpStream>> open(std::string key, SteadyTime deadline);

  // Versioning, object lock and lifecycle as far as they reach keys below `prefix`. What may not be
  // read is named in not_permitted and is no error.
  [[nodiscard]] Task<Result<model::BucketSettings>> settings(std::string prefix,
                                                             SteadyTime deadline);

  [[nodiscard]] const S3Traffic& traffic() const { return traffic_; }

 private:
  // `key` "": the bucket; `query` without "?", sorted.
  [[nodiscard]] Result<HttpRequest> request(std::string_view key, std::string_view query,
                                            SteadyTime deadline) const;
  // Asks again while the server is busy. The answer's status is 200 or 206, or the error says why
  // not; `refused` then holds what the server said, if it said something.
  [[nodiscard]] Task<Result<HttpResponse>> ask(std::string key, HttpRequest request,
                                               std::uint64_t& count, S3Refusal& refused);
  [[nodiscard]] Error explained(const S3Refusal& refusal, const std::string& key,
                                const HttpResponse& response, WallTime sent) const;
  [[nodiscard]] Task<Result<void>> setting(const char* name, std::string prefix,
                                           SteadyTime deadline, model::BucketSettings& into);

  SourceContext context_;
  S3Bucket bucket_;
  S3Traffic traffic_;
};

}  // namespace keelwatch::sources
