#include "sources/object_store/s3_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

#include "base/time_text.h"
#include "config/limits.h"
#include "sources/backoff.h"
#include "sources/object_store/s3_answer.h"

namespace keelwatch::sources {
namespace {

using namespace std::chrono_literals;

// SHA-256 of the empty body that every request of ours has.
constexpr const char* kNoBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr Duration kFirstPause = 200ms;
constexpr Duration kLongestPause = 5s;
constexpr int kRangeNotSatisfiable = 416;

std::string region_of(const S3Bucket& bucket) {
  return bucket.region.empty() ? "us-east-1" : bucket.region;
}

// Segment by segment: slashes part them.
std::string encoded_path(std::string_view key) {
  std::string out;
  for (;;) {
    const std::size_t slash = key.find('/');
    out += percent_encode(key.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    out += '/';
    key.remove_prefix(slash + 1);
  }
}

// scheme://host[:port] with the bucket in the host's name or in the path, and a slash at its end.
Result<std::string> base_url(const S3Bucket& bucket) {
  std::string endpoint = bucket.endpoint;
  if (endpoint.empty()) endpoint = fmt::format("https://s3.{}.amazonaws.com", region_of(bucket));
  const std::size_t scheme = endpoint.find("://");
  while (scheme != std::string::npos && endpoint.ends_with('/') && endpoint.size() > scheme + 3) {
    endpoint.pop_back();
  }
  if (scheme == std::string::npos ||
      endpoint.find_first_of("/?#@", scheme + 3) != std::string::npos) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("endpoint \"{}\": must be http(s)://host[:port] and nothing more",
                             endpoint.substr(0, endpoint.find('@'))));
  }
  if (bucket.bucket.empty()) return Error(ErrorCode::kInvalid, "no bucket is given");
  if (bucket.path_style) return endpoint + "/" + percent_encode(bucket.bucket) + "/";
  const std::string host = endpoint.substr(scheme + 3);
  if (host.starts_with('[') || parse_ip_address(host.substr(0, host.find(':')))) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("endpoint \"{}\": an address cannot have the bucket in front of it; "
                             "use path-style addressing",
                             endpoint));
  }
  return endpoint.substr(0, scheme + 3) + bucket.bucket + "." + host + "/";
}

// A body that is neither counted nor chunked ends wherever the connection does.
bool has_an_end(const HttpResponse& response) {
  return !response.header("content-length").empty() ||
         !response.header("transfer-encoding").empty();
}

Error endless() {
  return {ErrorCode::kMalformed, "an answer without a length: it may end early unnoticed"};
}

std::uint64_t promised_bytes(const HttpResponse& head) {
  const std::string_view text = head.header("content-length");
  std::uint64_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes;
}

void add_parameter(std::string& query, std::string_view name, std::string_view value) {
  query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, percent_encode(value));
}

}  // namespace

S3Client::S3Client(SourceContext context, S3Bucket bucket)
    : context_(context), bucket_(std::move(bucket)) {}

Result<HttpRequest> S3Client::request(std::string_view key, std::string_view query,
                                      SteadyTime deadline) const {
  Result<std::string> url = base_url(bucket_);
  if (!url) return url.error();
  HttpRequest request;
  request.url = *std::move(url) + encoded_path(key);
  // In path style a bucket is asked without the slash behind it, as the SDKs do.
  if (key.empty() && bucket_.path_style) request.url.pop_back();
  if (!query.empty()) request.url += fmt::format("?{}", query);
  request.headers = {{"User-Agent", "keelwatch"}, {"x-amz-content-sha256", kNoBody}};
  request.sigv4 = SigV4{bucket_.access_key, bucket_.secret_key, bucket_.session_token,
                        region_of(bucket_), "s3"};
  request.tls.ca_pem = bucket_.ca_pem;
  request.deadline = deadline;
  request.raw_body = true;
  return request;
}

Error S3Client::explained(const S3Refusal& refusal, const std::string& key,
                          const HttpResponse& response, WallTime sent) const {
  S3Place place{bucket_.endpoint.empty() ? "AWS" : bucket_.endpoint,
                bucket_.bucket,
                region_of(bucket_),
                bucket_.access_key,
                key,
                std::nullopt};
  if (const auto date = parse_http_date(response.header("date"))) {
    place.clock_behind = *date - sent;
  }
  return explain(refusal, place);
}

Task<Result<HttpResponse>> S3Client::ask(std::string key, HttpRequest request, std::uint64_t& count,
                                         S3Refusal& refused) {
  Backoff backoff(kFirstPause, kLongestPause, std::random_device()());
  for (int attempt = 1;; ++attempt) {
    const WallTime sent = context_.clock.wall();
    ++count;
    Result<HttpResponse> response = co_await context_.http.fetch(request);
    if (!response) co_return response.error();
    traffic_.received_bytes += response->bytes_received;
    if (response->status == 200 || response->status == 206) {
      if (!has_an_end(*response)) co_return endless();
      co_return response;
    }
    refused =
        decode_refusal(response->status, response->body, response->header("x-amz-bucket-region"));
    const SteadyTime again = context_.loop.after(backoff.next());
    if (!is_passing(refused) || attempt == limits::kS3Attempts || again >= request.deadline) {
      co_return explained(refused, key, *response, sent);
    }
    co_await context_.loop.sleep_until(again);
  }
}

Task<Result<S3Page>> S3Client::list(S3ListRequest asked, SteadyTime deadline) {
  std::string query;
  if (!asked.continuation.empty()) {
    add_parameter(query, "continuation-token", asked.continuation);
  }
  if (!asked.delimiter.empty()) add_parameter(query, "delimiter", asked.delimiter);
  add_parameter(query, "encoding-type", "url");
  add_parameter(query, "list-type", "2");
  add_parameter(query, "max-keys", std::to_string(kS3PageKeys));
  add_parameter(query, "prefix", asked.prefix);
  if (!asked.start_after.empty()) add_parameter(query, "start-after", asked.start_after);
  Result<HttpRequest> made = request("", query, deadline);
  if (!made) co_return made.error();
  made->max_body_bytes = limits::kS3PageBytes;
  S3Refusal refused;
  const Result<HttpResponse> response =
      co_await ask("", *std::move(made), traffic_.list_requests, refused);
  const std::string what = fmt::format("list s3://{}/{}", bucket_.bucket, asked.prefix);
  if (!response) co_return response.error().context(what);
  Result<S3Page> page = decode_page(response->body, asked);
  if (!page) co_return page.error().context(what);
  co_return page;
}

Task<Result<std::string>> S3Client::get(std::string key, std::size_t max_bytes,
                                        SteadyTime deadline) {
  Result<HttpRequest> made = request(key, "", deadline);
  if (!made) co_return made.error();
  made->max_body_bytes = std::max(max_bytes, limits::kS3RefusalBytes);
  S3Refusal refused;
  Result<HttpResponse> response =
      co_await ask(key, *std::move(made), traffic_.get_requests, refused);
  const std::string what = fmt::format("get s3://{}/{}", bucket_.bucket, key);
  if (!response) co_return response.error().context(what);
  if (response->status != 200) {
    co_return Error(ErrorCode::kMalformed, "a part was answered, the whole was asked for")
        .context(what);
  }
  if (response->body.size() > max_bytes) {
    co_return Error(ErrorCode::kTooLarge, fmt::format("larger than {} bytes", max_bytes))
        .context(what);
  }
  co_return std::move(response->body);
}

Task<Result<std::string>> S3Client::get_first(std::string key, std::size_t bytes,
                                              SteadyTime deadline) {
  if (bytes == 0) co_return std::string();
  Result<HttpRequest> made = request(key, "", deadline);
  if (!made) co_return made.error();
  made->headers.emplace_back("Range", fmt::format("bytes=0-{}", bytes - 1));
  made->max_body_bytes = std::max(bytes, limits::kS3RefusalBytes);
  S3Refusal refused;
  Result<HttpResponse> response =
      co_await ask(key, *std::move(made), traffic_.get_requests, refused);
  // From the first byte on nothing but an empty object has no such range.
  if (!response && refused.status == kRangeNotSatisfiable && refused.code == "InvalidRange") {
    co_return std::string();
  }
  const std::string what = fmt::format("get s3://{}/{}", bucket_.bucket, key);
  if (!response) co_return response.error().context(what);
  // A server may answer the whole (200) where the range covers it.
  if (response->body.size() > bytes) response->body.resize(bytes);
  co_return std::move(response->body);
}

Task<Result<HttpStream>> S3Client::open(std::string key, SteadyTime deadline) {
  Backoff backoff(kFirstPause, kLongestPause, std::random_device()());
  const std::string what = fmt::format("get s3://{}/{}", bucket_.bucket, key);
  for (int attempt = 1;; ++attempt) {
    Result<HttpRequest> made = request(key, "", deadline);
    if (!made) co_return made.error();
    const WallTime sent = context_.clock.wall();
    ++traffic_.get_requests;
    Result<HttpStream> stream = co_await context_.http.open(*std::move(made));
    if (!stream) co_return stream.error().context(what);
    const HttpResponse& head = stream->response();
    if (head.status == 200) {
      if (!has_an_end(head)) co_return endless().context(what);
      traffic_.received_bytes += promised_bytes(head);
      co_return stream;
    }
    std::string body;
    while (body.size() < limits::kS3RefusalBytes) {
      Result<std::optional<std::string>> piece = co_await stream->next(deadline);
      if (!piece || !piece->has_value()) break;
      body += **piece;
    }
    const S3Refusal refused = decode_refusal(head.status, body, head.header("x-amz-bucket-region"));
    const SteadyTime again = context_.loop.after(backoff.next());
    if (!is_passing(refused) || attempt == limits::kS3Attempts || again >= deadline) {
      co_return explained(refused, key, head, sent).context(what);
    }
    co_await context_.loop.sleep_until(again);
  }
}

Task<Result<void>> S3Client::setting(const char* name, std::string prefix, SteadyTime deadline,
                                     model::BucketSettings& into) {
  Result<HttpRequest> made = request("", fmt::format("{}=", name), deadline);
  if (!made) co_return made.error();
  made->max_body_bytes = limits::kS3PageBytes;
  S3Refusal refused;
  const Result<HttpResponse> response =
      co_await ask("", *std::move(made), traffic_.settings_requests, refused);
  const std::string_view which = name;
  if (!response) {
    // What a server does not have protects nothing and expires nothing.
    const bool none = refused.code == "NotImplemented" ||
                      (which == "lifecycle" && has_no_lifecycle(refused)) ||
                      (which == "object-lock" && has_no_object_lock(refused));
    if (none) {
      if (which == "versioning") into.versioning = false;
      if (which == "object-lock") into.object_lock = false;
      co_return Result<void>();
    }
    if (!is_not_permitted(refused)) co_return response.error();
    into.not_permitted.emplace_back(name);
    co_return Result<void>();
  }
  if (is_listing(response->body)) {
    into.not_permitted.emplace_back(name);
    co_return Result<void>();
  }
  if (which == "versioning") co_return decode_versioning(response->body, into);
  if (which == "object-lock") co_return decode_object_lock(response->body, into);
  co_return decode_lifecycle(response->body, prefix, context_.clock.wall(), into);
}

Task<Result<model::BucketSettings>> S3Client::settings(std::string prefix, SteadyTime deadline) {
  model::BucketSettings settings;
  for (const char* name : {"versioning", "object-lock", "lifecycle"}) {
    const Result<void> read = co_await setting(name, prefix, deadline, settings);
    if (!read) {
      co_return read.error().context(fmt::format("{} of bucket {}", name, bucket_.bucket));
    }
  }
  co_return settings;
}

}  // namespace keelwatch::sources
