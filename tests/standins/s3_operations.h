// What an S3 server answers to an authenticated request, over the folders of S3Files: listings
// (ListObjectsV2), objects and parts of them, uploads whole and in parts, deletions, and a bucket's
// settings, which are given back as they were put. Facts: Amazon S3 API Reference.
// Threads: one at a time.
#pragma once

#include <string>
#include <string_view>

#include "tests/standins/http_server.h"
#include "tests/standins/s3_files.h"
#include "tests/standins/s3_signature.h"

namespace keelwatch::standins {

// One request whose bucket has been found in its path or its host; key: the object's, or "".
struct S3Call {
  const ServerRequest& request;
  std::string bucket;
  std::string key;

  [[nodiscard]] bool has(const std::string& parameter) const {
    return request.query.find(parameter) != request.query.end();
  }
};

// Throws S3Error.
[[nodiscard]] ServerReply serve(S3Files& files, const S3Call& call);
[[nodiscard]] ServerReply list_objects(const S3Files& files, const S3Call& call);

[[nodiscard]] ServerReply error_reply(const S3Error& error, const ServerRequest& request);
[[nodiscard]] ServerReply xml_reply(std::string body, int status = 200);

// <name>text</name>, escaped.
[[nodiscard]] std::string element(std::string_view name, std::string_view text);
// The texts of all elements of that name, unescaped: enough for the bodies that clients send.
[[nodiscard]] std::vector<std::string> element_texts(std::string_view xml, std::string_view name);

}  // namespace keelwatch::standins
