#include "tests/standins/s3_operations.h"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace keelwatch::standins {
namespace {

constexpr std::size_t kLeastPartBytes = 5U << 20U;  // of all parts but the last

std::string http_time(std::time_t t) {
  std::tm parts{};
  gmtime_r(&t, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

S3Error not_implemented() {
  return {501,
          "NotImplemented",
          "A header you provided implies functionality that is not implemented.",
          {}};
}

// First and last byte of "bytes=a-b", "bytes=a-", "bytes=-n".
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// What is no range of S3's kind does not count, as HTTP has it.
std::optional<Range> range_of(std::string_view text, std::uint64_t bytes) {
  constexpr std::string_view kUnit = "bytes=";
  const std::size_t dash = text.find('-');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos) return std::nullopt;
  const auto first = number_of(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = number_of(text.substr(dash + 1));
  if (!first && !last) return std::nullopt;
  Range range;
  if (!first) {
    range = {bytes - std::min(*last, bytes), bytes - 1};
  } else {
    range = {*first, std::min(last.value_or(bytes - 1), bytes - 1)};
  }
  if (bytes == 0 || range.first >= bytes || (last && first && *last < *first)) {
    throw S3Error{416, "InvalidRange", "The requested range is not satisfiable", {}};
  }
  return range;
}

S3File object_of(const S3Files& files, const S3Call& call) {
  auto file = files.find(call.bucket, call.key);
  if (!file) {
    throw S3Error{404, "NoSuchKey", "The specified key does not exist.", element("Key", call.key)};
  }
  return *std::move(file);
}

ServerReply get_object(const S3Files& files, const S3Call& call) {
  const S3File file = object_of(files, call);
  const std::string storage = files.storage_class(call.bucket, call.key);
  const bool head = call.request.method == "HEAD";
  if (!head && (storage == "GLACIER" || storage == "DEEP_ARCHIVE")) {
    throw S3Error{403, "InvalidObjectState",
                  "The operation is not valid for the object's storage class",
                  element("StorageClass", storage)};
  }
  ServerReply reply{200,
                    {{"ETag", file.etag},
                     {"Last-Modified", http_time(file.modified)},
                     {"Accept-Ranges", "bytes"},
                     {"Content-Type", "binary/octet-stream"}},
                    {},
                    {}};
  if (storage != "STANDARD") reply.headers.emplace_back("x-amz-storage-class", storage);
  const std::optional<Range> range = range_of(call.request.header("range"), file.bytes);
  std::uint64_t offset = 0;
  std::uint64_t bytes = file.bytes;
  if (range) {
    offset = range->first;
    bytes = range->last - range->first + 1;
    reply.status = 206;
    reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(range->first) + "-" +
                                                    std::to_string(range->last) + "/" +
                                                    std::to_string(file.bytes));
  }
  if (head) {
    reply.length = bytes;
  } else {
    reply.body = files.read(file, offset, bytes);
  }
  return reply;
}

void check_body(const ServerRequest& request) {
  const std::string_view md5 = request.header("content-md5");
  if (!md5.empty() && md5 != base64_md5(request.body)) {
    throw S3Error{
        400, "BadDigest", "The Content-MD5 you specified did not match what we received.", {}};
  }
}

[[noreturn]] void cannot_hold(const S3Call& call) {
  throw S3Error{409, "ObjectParentIsFile",
                "the stand-in's folders cannot hold this key beside those that are there",
                element("Key", call.key)};
}

ServerReply put_object(S3Files& files, const S3Call& call) {
  if (!call.request.header("x-amz-copy-source").empty()) throw not_implemented();
  check_body(call.request);
  if (!files.write(call.bucket, call.key, call.request.body)) cannot_hold(call);
  const std::string_view storage = call.request.header("x-amz-storage-class");
  if (!storage.empty() && storage != "STANDARD") {
    files.set_setting(call.bucket, "storage-classes",
                      files.setting(call.bucket, "storage-classes") + std::string(storage) + " " +
                          call.key + "\n");
  }
  return {200, {{"ETag", object_of(files, call).etag}}, {}, {}};
}

// Multipart uploads.

std::string upload_of(const S3Files& files, const S3Call& call) {
  std::string upload(call.request.parameter("uploadId"));
  if (!files.has_upload(upload)) {
    throw S3Error{
        404,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload "
        "may have been aborted or completed.",
        {}};
  }
  return upload;
}

ServerReply create_upload(S3Files& files, const S3Call& call) {
  return xml_reply(
      "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
      element("Bucket", call.bucket) + element("Key", call.key) +
      element("UploadId", files.begin_upload(call.bucket, call.key)) +
      "</InitiateMultipartUploadResult>");
}

ServerReply put_part(S3Files& files, const S3Call& call) {
  const auto part = number_of(call.request.parameter("partNumber"));
  if (!part || *part < 1 || *part > 10'000) {
    throw S3Error{400,
                  "InvalidArgument",
                  "Part number must be an integer between 1 and 10000, inclusive",
                  {}};
  }
  const std::string upload = upload_of(files, call);
  check_body(call.request);
  files.write_part(upload, static_cast<int>(*part), call.request.body);
  return {200, {{"ETag", "\"" + hex_md5(call.request.body) + "\""}}, {}, {}};
}

ServerReply complete_upload(S3Files& files, const S3Call& call) {
  const std::string upload = upload_of(files, call);
  const auto numbers = element_texts(call.request.body, "PartNumber");
  const auto etags = element_texts(call.request.body, "ETag");
  std::vector<int> parts;
  if (numbers.empty() || numbers.size() != etags.size()) {
    throw S3Error{400, "MalformedXML", "The XML you provided was not well-formed", {}};
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const int part = static_cast<int>(number_of(numbers[i]).value_or(0));
    const auto data = files.read_part(upload, part);
    std::string etag = etags[i];
    std::erase(etag, '"');
    if (!data || etag != hex_md5(*data)) {
      throw S3Error{400,
                    "InvalidPart",
                    "One or more of the specified parts could not be found. The part might not "
                    "have been uploaded, or the specified entity tag might not have matched the "
                    "part's entity tag.",
                    {}};
    }
    if (!parts.empty() && part <= parts.back()) {
      throw S3Error{400, "InvalidPartOrder", "The list of parts was not in ascending order.", {}};
    }
    if (i + 1 < numbers.size() && data->size() < kLeastPartBytes) {
      throw S3Error{400,
                    "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed object size.",
                    {}};
    }
    parts.push_back(part);
  }
  if (!files.finish_upload(upload, parts, call.bucket, call.key)) cannot_hold(call);
  return xml_reply(
      "<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
      element("Bucket", call.bucket) + element("Key", call.key) +
      element("ETag", object_of(files, call).etag) + "</CompleteMultipartUploadResult>");
}

ServerReply delete_objects(S3Files& files, const S3Call& call) {
  check_body(call.request);
  const bool quiet = call.request.body.find("<Quiet>true</Quiet>") != std::string::npos;
  std::string out = "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const std::string& key : element_texts(call.request.body, "Key")) {
    files.remove(call.bucket, key);
    if (!quiet) out += "<Deleted>" + element("Key", key) + "</Deleted>";
  }
  return xml_reply(out + "</DeleteResult>");
}

// A bucket's settings.

ServerReply get_setting(const S3Files& files, const S3Call& call, const std::string& name) {
  std::string text = files.setting(call.bucket, name);
  if (!text.empty()) return xml_reply(std::move(text));
  if (name == "versioning") {
    return xml_reply(
        "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>");
  }
  if (name == "object-lock") {
    throw S3Error{404,
                  "ObjectLockConfigurationNotFoundError",
                  "Object Lock configuration does not exist for this bucket",
                  {}};
  }
  throw S3Error{
      404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", {}};
}

std::optional<std::string> setting_of(const S3Call& call) {
  for (const char* name : {"versioning", "object-lock", "lifecycle"}) {
    if (call.has(name)) return name;
  }
  return std::nullopt;
}

ServerReply serve_bucket(S3Files& files, const S3Call& call) {
  const std::string& method = call.request.method;
  if (method == "PUT" && call.request.query.empty()) {
    files.make_bucket(call.bucket);
    return {200, {{"Location", "/" + call.bucket}}, {}, {}};
  }
  if (!files.has_bucket(call.bucket)) {
    throw S3Error{404, "NoSuchBucket", "The specified bucket does not exist",
                  element("BucketName", call.bucket)};
  }
  if (const auto setting = setting_of(call)) {
    if (method == "GET") return get_setting(files, call, *setting);
    if (method != "PUT" && method != "DELETE") throw not_implemented();
    files.set_setting(call.bucket, *setting, method == "PUT" ? call.request.body : "");
    return {method == "PUT" ? 200 : 204, {}, {}, {}};
  }
  if (method == "HEAD") return {200, {}, {}, {}};
  if (method == "POST" && call.has("delete")) return delete_objects(files, call);
  if (method == "GET" && call.has("location")) {
    return xml_reply("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>");
  }
  if (method == "GET") return list_objects(files, call);
  throw not_implemented();
}

ServerReply list_buckets(const S3Files& files) {
  std::string out = "<ListAllMyBucketsResult><Buckets>";
  for (const std::string& name : files.buckets()) {
    out += "<Bucket>" + element("Name", name) + "</Bucket>";
  }
  return xml_reply(out + "</Buckets></ListAllMyBucketsResult>");
}

}  // namespace

ServerReply serve(S3Files& files, const S3Call& call) {
  const std::string& method = call.request.method;
  if (call.bucket.empty()) {
    if (method != "GET") throw not_implemented();
    return list_buckets(files);
  }
  if (call.key.empty() || !files.has_bucket(call.bucket)) return serve_bucket(files, call);
  if (method == "POST" && call.has("uploads")) return create_upload(files, call);
  if (call.has("uploadId")) {
    if (method == "PUT") return put_part(files, call);
    if (method == "POST") return complete_upload(files, call);
    if (method != "DELETE") throw not_implemented();
    files.drop_upload(upload_of(files, call));
    return {204, {}, {}, {}};
  }
  for (const char* other : {"tagging", "acl", "retention", "legal-hold"}) {
    if (call.has(other)) throw not_implemented();
  }
  if (method == "GET" || method == "HEAD") return get_object(files, call);
  if (method == "PUT") return put_object(files, call);
  if (method == "DELETE") {
    files.remove(call.bucket, call.key);
    return {204, {}, {}, {}};
  }
  throw not_implemented();
}

ServerReply xml_reply(std::string body, int status) {
  return {status,
          {{"Content-Type", "application/xml"}},
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + std::move(body),
          {}};
}

ServerReply error_reply(const S3Error& error, const ServerRequest& request) {
  ServerReply reply = xml_reply(
      "<Error>" + element("Code", error.code) + element("Message", error.message) + error.extra +
          element("Resource", request.path) + "<RequestId>STANDIN</RequestId></Error>",
      error.status);
  if (request.method == "HEAD") reply.body.clear();
  return reply;
}

std::string element(std::string_view name, std::string_view text) {
  std::string out = "<" + std::string(name) + ">";
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // What XML cannot say otherwise: a listing without encoding-type=url breaks readers here.
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "&#" + std::to_string(int(c)) + ";";
        } else {
          out += c;
        }
    }
  }
  return out.append("</").append(name).append(">");
}

std::vector<std::string> element_texts(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::string close = "</" + std::string(name) + ">";
  std::vector<std::string> texts;
  for (std::size_t at = xml.find(open); at != std::string_view::npos; at = xml.find(open, at)) {
    at += open.size();
    std::string text(xml.substr(at, xml.find(close, at) - at));
    for (const auto& [entity, c] : {std::pair{"&lt;", '<'}, std::pair{"&gt;", '>'},
                                    std::pair{"&quot;", '"'}, std::pair{"&amp;", '&'}}) {
      for (std::size_t i = text.find(entity); i != std::string::npos;
           i = text.find(entity, i + 1)) {
        text.replace(i, std::string_view(entity).size(), 1, c);
      }
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace keelwatch::standins
