#include "tests/standins/s3_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

namespace keelwatch::standins {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::time_t kMaxSkewSeconds = 900;

std::string hex(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {kHex[byte >> 4U], kHex[byte & 15U]};
  }
  return out;
}

std::string digest(const EVP_MD* how, std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), out, &size, how, nullptr);
  return {reinterpret_cast<const char*>(out), size};
}

std::string hmac(std::string_view key, std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), out, &size);
  return {reinterpret_cast<const char*>(out), size};
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Without blanks at the ends, and one for several between.
std::string squeeze(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out += c;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

struct Authorization {
  std::string access_key;
  std::string date;  // YYYYMMDD
  std::string region;
  std::string scope;  // date/region/s3/aws4_request
  std::vector<std::string> signed_headers;
  std::string signature;
};

std::optional<Authorization> parse_authorization(std::string_view text) {
  if (!text.starts_with(kAlgorithm)) return std::nullopt;
  Authorization parsed;
  for (std::string part : split(text.substr(kAlgorithm.size()), ',')) {
    part = squeeze(part);
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) return std::nullopt;
    const std::string name = part.substr(0, equals);
    const std::string value = part.substr(equals + 1);
    if (name == "Credential") {
      const std::vector<std::string> parts = split(value, '/');
      if (parts.size() != 5 || parts[3] != "s3" || parts[4] != "aws4_request") return std::nullopt;
      parsed.access_key = parts[0];
      parsed.date = parts[1];
      parsed.region = parts[2];
      parsed.scope = value.substr(parts[0].size() + 1);
    } else if (name == "SignedHeaders") {
      parsed.signed_headers = split(value, ';');
    } else if (name == "Signature") {
      parsed.signature = value;
    }
  }
  if (parsed.access_key.empty() || parsed.signed_headers.empty()) return std::nullopt;
  return parsed;
}

// "20251124T000105Z".
std::optional<std::time_t> parse_time(const std::string& text) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y%m%dT%H%M%SZ", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return timegm(&parts);
}

std::string iso_time(std::time_t t) {
  std::tm parts{};
  gmtime_r(&t, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string canonical_query(const ServerRequest& request) {
  std::string out;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, value] : request.query) {
    pairs.emplace_back(s3_encode(name, false), s3_encode(value, false));
  }
  std::sort(pairs.begin(), pairs.end());
  for (const auto& [name, value] : pairs) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string canonical_request(const ServerRequest& request, const Authorization& authorization,
                              std::string_view payload) {
  std::string out = request.method + "\n" + s3_encode(request.path, true) + "\n" +
                    canonical_query(request) + "\n";
  std::string names;
  for (const std::string& name : authorization.signed_headers) {
    out += name + ":" + squeeze(request.header(name)) + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  return out + "\n" + names + "\n" + std::string(payload);
}

std::string signing_key(const S3Account& account, const Authorization& authorization) {
  std::string key = hmac("AWS4" + account.secret_key, authorization.date);
  key = hmac(key, authorization.region);
  key = hmac(key, "s3");
  return hmac(key, "aws4_request");
}

bool is_signed(const Authorization& authorization, std::string_view name) {
  const auto& names = authorization.signed_headers;
  return std::find(names.begin(), names.end(), name) != names.end();
}

S3Error denied(std::string code, std::string message, std::string extra = {}) {
  return {403, std::move(code), std::move(message), std::move(extra)};
}

std::optional<S3Error> check_signer(const ServerRequest& request, const Authorization& by,
                                    const S3Account& account, std::time_t now) {
  if (by.access_key != account.access_key) {
    return denied("InvalidAccessKeyId",
                  "The AWS Access Key Id you provided does not exist in our records.",
                  "<AWSAccessKeyId>" + by.access_key + "</AWSAccessKeyId>");
  }
  if (request.header("x-amz-security-token") != account.session_token) {
    return S3Error{
        400, "InvalidToken", "The provided token is malformed or otherwise invalid.", {}};
  }
  const std::string sent(request.header("x-amz-date"));
  const std::optional<std::time_t> at = parse_time(sent);
  if (!at) {
    return denied("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  }
  if (*at > now + kMaxSkewSeconds || *at < now - kMaxSkewSeconds) {
    return denied("RequestTimeTooSkewed",
                  "The difference between the request time and the current time is too large.",
                  "<RequestTime>" + sent + "</RequestTime><ServerTime>" + iso_time(now) +
                      "</ServerTime><MaxAllowedSkewMilliseconds>900000</"
                      "MaxAllowedSkewMilliseconds>");
  }
  if (by.region != account.region) {
    return S3Error{400, "AuthorizationHeaderMalformed",
                   "The authorization header is malformed; the region '" + by.region +
                       "' is wrong; expecting '" + account.region + "'",
                   "<Region>" + account.region + "</Region>"};
  }
  // S3 demands that the host and everything of x-amz- is signed.
  bool whole = is_signed(by, "host") && by.date == sent.substr(0, 8);
  for (const auto& [name, value] : request.headers) {
    if (name.starts_with("x-amz-") && !is_signed(by, name)) whole = false;
  }
  if (!whole) {
    return denied("AccessDenied",
                  "There were headers present in the request which were not signed");
  }
  return std::nullopt;
}

S3Error incomplete() {
  return {400, "IncompleteBody", "The request body terminated unexpectedly", {}};
}

// Takes an aws-chunked body apart. With a key every chunk's signature, which covers the one before,
// is checked.
std::optional<S3Error> unwrap_chunks(ServerRequest& request, const Authorization& by,
                                     const std::string* key) {
  std::string_view rest = request.body;
  std::string payload;
  std::string previous = by.signature;
  const std::string stamp(request.header("x-amz-date"));
  for (;;) {
    const std::size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) return incomplete();
    const std::string_view head = rest.substr(0, end);
    std::size_t size = 0;
    const auto [after, failed] = std::from_chars(head.data(), head.data() + head.size(), size, 16);
    rest.remove_prefix(end + 2);
    if (failed != std::errc() || size > rest.size()) return incomplete();
    const std::string_view data = rest.substr(0, size);
    if (key != nullptr) {
      const std::string text = "AWS4-HMAC-SHA256-PAYLOAD\n" + stamp + "\n" + by.scope + "\n" +
                               previous + "\n" + hex_sha256("") + "\n" + hex_sha256(data);
      previous = hex(hmac(*key, text));
      if (head.substr(head.find('=') + 1) != previous) {
        return denied("SignatureDoesNotMatch", "The signature of a chunk does not match");
      }
    }
    if (size == 0) break;  // trailers may follow
    payload += data;
    rest.remove_prefix(size);
    if (!rest.starts_with("\r\n")) return incomplete();
    rest.remove_prefix(2);
  }
  const std::string_view told = request.header("x-amz-decoded-content-length");
  if (!told.empty() && told != std::to_string(payload.size())) return incomplete();
  request.body = std::move(payload);
  return std::nullopt;
}

}  // namespace

std::string hex_sha256(std::string_view data) { return hex(digest(EVP_sha256(), data)); }
std::string hex_md5(std::string_view data) { return hex(digest(EVP_md5(), data)); }

std::string base64_md5(std::string_view data) {
  const std::string bytes = digest(EVP_md5(), data);
  unsigned char out[32];
  const int size = EVP_EncodeBlock(out, reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  return {reinterpret_cast<const char*>(out), static_cast<std::size_t>(size)};
}

std::string s3_encode(std::string_view text, bool keep_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (keep_slash && c == '/')) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return out;
}

std::optional<S3Error> authenticate(ServerRequest& request, const S3Account& account,
                                    std::time_t now) {
  if (request.header("authorization").empty()) return denied("AccessDenied", "Access Denied");
  const auto by = parse_authorization(request.header("authorization"));
  if (!by) {
    return S3Error{400,
                   "AuthorizationHeaderMalformed",
                   "The authorization header that you provided is not valid.",
                   {}};
  }
  if (auto refused = check_signer(request, *by, account, now)) return refused;
  const std::string payload(request.header("x-amz-content-sha256"));
  if (payload.empty()) {
    return S3Error{400,
                   "InvalidRequest",
                   "Missing required header for this request: x-amz-content-sha256",
                   {}};
  }
  const std::string text = std::string(kAlgorithm) + "\n" +
                           std::string(request.header("x-amz-date")) + "\n" + by->scope + "\n" +
                           hex_sha256(canonical_request(request, *by, payload));
  const std::string key = signing_key(account, *by);
  if (hex(hmac(key, text)) != by->signature) {
    return denied("SignatureDoesNotMatch",
                  "The request signature we calculated does not match the signature you provided. "
                  "Check your key and signing method.");
  }
  if (payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" ||
      payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    return unwrap_chunks(request, *by, &key);
  }
  if (payload == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return unwrap_chunks(request, *by, nullptr);
  if (payload != "UNSIGNED-PAYLOAD" && payload != hex_sha256(request.body)) {
    return S3Error{400,
                   "XAmzContentSHA256Mismatch",
                   "The provided 'x-amz-content-sha256' header does not match what was computed.",
                   {}};
  }
  return std::nullopt;
}

}  // namespace keelwatch::standins
