#include <algorithm>
#include <charconv>
#include <ctime>

#include "tests/standins/s3_operations.h"

namespace keelwatch::standins {
namespace {

constexpr std::size_t kMostKeys = 1000;

std::string iso_millis(std::time_t t) {
  std::tm parts{};
  gmtime_r(&t, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &parts)};
}

std::size_t max_keys(const S3Call& call) {
  const std::string_view text = call.request.parameter("max-keys");
  if (text.empty()) return kMostKeys;
  std::size_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) {
    throw S3Error{
        400, "InvalidArgument", "Provided max-keys not an integer or within integer range", {}};
  }
  return std::min(number, kMostKeys);
}

// A continuation token is the last entry of the page before, in hexadecimal: k for a key, p for a
// common prefix.
std::string token_of(char kind, std::string_view last) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string token(1, kind);
  for (const char c : last) {
    const auto byte = static_cast<unsigned char>(c);
    token += {kHex[byte >> 4U], kHex[byte & 15U]};
  }
  return token;
}

std::string last_of(std::string_view token) {
  std::string last;
  for (std::size_t i = 1; i + 1 < token.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, failed] = std::from_chars(&token[i], &token[i] + 2, byte, 16);
    if (failed != std::errc() || end != &token[i] + 2) break;
    last += static_cast<char>(byte);
  }
  if ((token[0] != 'k' && token[0] != 'p') || last.size() != token.size() / 2) {
    throw S3Error{400, "InvalidArgument", "The continuation token provided is incorrect", {}};
  }
  return last;
}

class Listing {
 public:
  Listing(const S3Files& files, const S3Call& call)
      : files_(files),
        call_(call),
        prefix_(call.request.parameter("prefix")),
        delimiter_(call.request.parameter("delimiter")),
        token_(call.request.parameter("continuation-token")),
        max_(max_keys(call)) {}

  std::string collect() {
    std::string after(call_.request.parameter("start-after"));
    if (call_.has("continuation-token")) {
      if (token_.empty()) {
        throw S3Error{400, "InvalidArgument", "The continuation token provided is incorrect", {}};
      }
      after = last_of(token_);
      if (token_[0] == 'p') done_prefix_ = after;
    }
    if (max_ > 0) {
      files_.walk(call_.bucket, prefix_, after,
                  [this](const std::string& key) { return take(key); });
    }
    return document();
  }

 private:
  std::optional<std::string> take(const std::string& key) {
    if (!done_prefix_.empty() && key.starts_with(done_prefix_)) return done_prefix_;
    if (count_ == max_) {
      truncated_ = true;
      return std::nullopt;
    }
    const std::size_t at =
        delimiter_.empty() ? std::string::npos : key.find(delimiter_, prefix_.size());
    ++count_;
    if (at != std::string::npos) {
      const std::string common = key.substr(0, at + delimiter_.size());
      prefixes_ += "<CommonPrefixes>" + element("Prefix", coded(common)) + "</CommonPrefixes>";
      last_ = token_of('p', common);
      return common;
    }
    last_ = token_of('k', key);
    const auto file = files_.find(call_.bucket, key);
    if (!file) return "";  // removed meanwhile
    contents_ += "<Contents>" + element("Key", coded(key)) +
                 element("LastModified", iso_millis(file->modified)) + element("ETag", file->etag) +
                 element("Size", std::to_string(file->bytes)) +
                 element("StorageClass", files_.storage_class(call_.bucket, key)) + "</Contents>";
    return "";
  }

  // S3 writes a space as '+'.
  std::string coded(std::string_view text) const {
    if (call_.request.parameter("encoding-type") != "url") return std::string(text);
    std::string out;
    for (std::size_t begin = 0;;) {
      const std::size_t blank = text.find(' ', begin);
      out += s3_encode(text.substr(begin, blank - begin), true);
      if (blank == std::string_view::npos) return out;
      out += '+';
      begin = blank + 1;
    }
  }

  std::string document() const {
    std::string out = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
                      element("Name", call_.bucket) + element("Prefix", coded(prefix_));
    if (call_.has("start-after")) {
      out += element("StartAfter", coded(call_.request.parameter("start-after")));
    }
    if (!token_.empty()) out += element("ContinuationToken", token_);
    if (truncated_) out += element("NextContinuationToken", last_);
    out += element("KeyCount", std::to_string(count_)) + element("MaxKeys", std::to_string(max_));
    if (!delimiter_.empty()) out += element("Delimiter", coded(delimiter_));
    if (call_.has("encoding-type")) out += element("EncodingType", "url");
    out += element("IsTruncated", truncated_ ? "true" : "false");
    return out + contents_ + prefixes_ + "</ListBucketResult>";
  }

  const S3Files& files_;
  const S3Call& call_;
  const std::string prefix_;
  const std::string delimiter_;
  const std::string token_;
  const std::size_t max_;
  std::string done_prefix_;
  std::string contents_;
  std::string prefixes_;
  std::string last_;
  std::size_t count_ = 0;
  bool truncated_ = false;
};

}  // namespace

ServerReply list_objects(const S3Files& files, const S3Call& call) {
  if (call.request.parameter("list-type") != "2") {
    throw S3Error{501, "NotImplemented", "the stand-in lists by ListObjectsV2 only", {}};
  }
  return xml_reply(Listing(files, call).collect());
}

}  // namespace keelwatch::standins
