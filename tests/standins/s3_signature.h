// What a server does with AWS Signature Version 4 of the Authorization header: computed here from
// the request as it came, with OpenSSL alone, so that a client's signature is checked by other code
// than that which made it. Facts: Amazon S3 API Reference, "Authenticating Requests (AWS Signature
// Version 4)" and its chapters on chunked uploads.
// Threads: pure functions.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "tests/standins/http_server.h"

namespace keelwatch::standins {

// An error as S3 answers it; `extra` is XML behind the message.
struct S3Error {
  int status = 400;
  std::string code;
  std::string message;
  std::string extra;
};

struct S3Account {
  std::string access_key = "AKIDKEELWATCH";
  std::string secret_key = "keelwatch-standin-secret";
  std::string session_token;  // asked for when not empty
  std::string region = "us-east-1";
};

[[nodiscard]] std::string hex_sha256(std::string_view data);
[[nodiscard]] std::string hex_md5(std::string_view data);
[[nodiscard]] std::string base64_md5(std::string_view data);
// Everything but unreserved characters (and, with `keep_slash`, slashes) as %XX.
[[nodiscard]] std::string s3_encode(std::string_view text, bool keep_slash);

// Checks who signed the request, when, for which region, and that nothing of it was changed since.
// The body is replaced by its payload where it came in signed or unsigned chunks (aws-chunked).
[[nodiscard]] std::optional<S3Error> authenticate(ServerRequest& request, const S3Account& account,
                                                  std::time_t now);

}  // namespace keelwatch::standins
