// What a server's refusal means to our user, and what to do about it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "sources/object_store/s3_answer.h"

namespace keelwatch::sources {
namespace {

// Facts: Amazon S3 API Reference, "Error responses"; the same codes of MinIO, Ceph and Garage.
struct Known {
  std::string_view code;
  ErrorCode meaning;
  std::string_view remedy;  // with {bucket}, {endpoint}, {access_key}, {key}, {region}, {clock}
};

constexpr Known kKnown[] = {
    {"NoSuchBucket", ErrorCode::kNotFound,
     "bucket {bucket} does not exist at {endpoint}: correct its name, the endpoint or the region"},
    {"NoSuchKey", ErrorCode::kNotFound, "there is no object {key} in bucket {bucket}"},
    {"AccessDenied", ErrorCode::kForbidden,
     "access key {access_key} lacks a right: allow it s3:ListBucket on bucket {bucket} and "
     "s3:GetObject on its objects"},
    {"AllAccessDisabled", ErrorCode::kForbidden, "the server has closed bucket {bucket}"},
    {"AccountProblem", ErrorCode::kForbidden, "the account of access key {access_key} is closed"},
    {"InvalidAccessKeyId", ErrorCode::kForbidden,
     "the server at {endpoint} does not know access key {access_key}: was it rotated, or is it of "
     "another server?"},
    {"XAdminUserNotFound", ErrorCode::kForbidden,  // versitygw, with status 404
     "the server at {endpoint} does not know access key {access_key}: was it rotated, or is it of "
     "another server?"},
    {"SignatureDoesNotMatch", ErrorCode::kForbidden,
     "the secret key is not that of access key {access_key} (or a proxy before {endpoint} changes "
     "requests): correct it"},
    {"ExpiredToken", ErrorCode::kForbidden, "the session token has expired: renew it"},
    {"TokenRefreshRequired", ErrorCode::kForbidden, "the session token has expired: renew it"},
    {"InvalidToken", ErrorCode::kForbidden,
     "the session token is not one of access key {access_key}: correct it, or leave it out"},
    {"RequestTimeTooSkewed", ErrorCode::kForbidden,
     "the clocks here and at {endpoint} are more than 15 min apart{clock}: set them right"},
    {"InvalidObjectState", ErrorCode::kForbidden,
     "object {key} is in a storage class that cannot be read: it must be restored from it first"},
    {"PermanentRedirect", ErrorCode::kInvalid,
     "bucket {bucket} must be asked elsewhere{region}: correct the region or the endpoint"},
    {"TemporaryRedirect", ErrorCode::kInvalid,
     "bucket {bucket} must be asked elsewhere{region}: correct the region or the endpoint"},
    {"AuthorizationHeaderMalformed", ErrorCode::kInvalid,
     "the request was signed for another region than the server's{region}: correct the region"},
    {"IllegalLocationConstraintException", ErrorCode::kInvalid,
     "bucket {bucket} is in another region{region}: correct the region"},
    {"InvalidBucketName", ErrorCode::kInvalid, "{bucket} is not the name of a bucket"},
    {"NotImplemented", ErrorCode::kUnsupported, "the server does not have this"},
    {"MethodNotAllowed", ErrorCode::kUnsupported, "the server does not have this"},
    {"SlowDown", ErrorCode::kUnavailable, "the server asks for fewer requests"},
    {"ServiceUnavailable", ErrorCode::kUnavailable, "the server is busy"},
    {"InternalError", ErrorCode::kUnavailable, "the server failed"},
    {"RequestTimeout", ErrorCode::kUnavailable, "the server gave up waiting for the request"},
    {"OperationAborted", ErrorCode::kUnavailable, "the server is busy with the same thing"},
};

const Known* known(std::string_view code) {
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown),
                                   [&](const Known& k) { return k.code == code; });
  return found == std::end(kKnown) ? nullptr : found;
}

std::string filled(std::string_view remedy, const S3Refusal& refusal, const S3Place& place) {
  std::string clock;
  if (place.clock_behind) {
    const double seconds = to_seconds(*place.clock_behind);
    clock = fmt::format(" (the one here is {:.0f} s {} the server's)", std::abs(seconds),
                        seconds < 0 ? "ahead of" : "behind");
  }
  const std::string region =
      refusal.region.empty() ? "" : " (region " + refusal.region + ", not " + place.region + ")";
  return fmt::format(fmt::runtime(remedy), fmt::arg("bucket", place.bucket),
                     fmt::arg("endpoint", place.endpoint), fmt::arg("key", place.key),
                     fmt::arg("access_key", place.access_key), fmt::arg("region", region),
                     fmt::arg("clock", clock));
}

// Of a code that is not in the list, or of no code. Never kNotFound: a 404 of something else than
// an object store, or about something else than the object, says nothing about the object.
ErrorCode code_of_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return ErrorCode::kForbidden;
    case 429:
      return ErrorCode::kUnavailable;
    case 405:
    case 501:
      return ErrorCode::kUnsupported;
    default:
      return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kMalformed;
  }
}

}  // namespace

Error explain(const S3Refusal& refusal, const S3Place& place) {
  if (const Known* k = known(refusal.code)) {
    return {k->meaning, fmt::format("{} ({}{}{})", filled(k->remedy, refusal, place), refusal.code,
                                    refusal.message.empty() ? "" : ": ", refusal.message)};
  }
  if (!refusal.code.empty()) {
    return {code_of_status(refusal.status),
            fmt::format("{}: {} (HTTP status {})", refusal.code, refusal.message, refusal.status)};
  }
  if (refusal.status == 301 || refusal.status == 307) {
    return {ErrorCode::kInvalid, filled(known("PermanentRedirect")->remedy, refusal, place)};
  }
  return {code_of_status(refusal.status),
          fmt::format("HTTP status {} and no error of S3's: is {} the address of an object "
                      "store?",
                      refusal.status, place.endpoint)};
}

bool is_passing(const S3Refusal& refusal) {
  if (const Known* k = known(refusal.code)) return k->meaning == ErrorCode::kUnavailable;
  return code_of_status(refusal.status) == ErrorCode::kUnavailable;
}

bool is_not_permitted(const S3Refusal& refusal) {
  if (refusal.code == "AccessDenied" || refusal.code == "AllAccessDisabled") return true;
  const Known* k = known(refusal.code);
  return (k ? k->meaning : code_of_status(refusal.status)) == ErrorCode::kUnsupported;
}

bool has_no_lifecycle(const S3Refusal& refusal) {
  if (refusal.code == "NoSuchLifecycleConfiguration") return true;
  // Garage, by its version (src/api/s3/lifecycle.rs).
  return refusal.wordless && (refusal.status == 204 || refusal.status == 404);
}

bool has_no_object_lock(const S3Refusal& refusal) {
  return refusal.code == "ObjectLockConfigurationNotFoundError" ||
         refusal.code == "NoSuchObjectLockConfiguration";
}

}  // namespace keelwatch::sources
