// What the S3 client gets of a server, on the stand-in and, with KEELWATCH_PEERS=1, on versitygw.
#include "sources/object_store/s3_client.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/contract/s3_server.h"
#include "tests/support/net_fixture.h"

using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::testing {
namespace {

using sources::S3Bucket;
using sources::S3Client;
using sources::S3ListRequest;
using sources::S3Page;

std::string sha256(const std::string& data) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), bytes, &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", bytes[i]);
  return hex;
}

struct Reader {
  explicit Reader(const std::string& name) : server(start_s3_server(name)) {
    bucket.endpoint = server->url();
    bucket.bucket = "archive";
    bucket.access_key = server->access_key();
    bucket.secret_key = Secret(server->secret_key());
    send("PUT", "/archive", "");
  }

  // What the client does not do: writing. Returns the status.
  int send(const std::string& method, const std::string& target, const std::string& body) {
    HttpRequest request = net.request(server->url() + target);
    request.method = method;
    request.body = body;
    request.headers = {{"x-amz-content-sha256", sha256(body)}};
    request.sigv4 = SigV4{bucket.access_key, bucket.secret_key, "", "us-east-1", "s3"};
    const auto response = net.fetch(request);
    if (!response) throw std::runtime_error(response.error().message());
    return response->status;
  }
  void put(const std::string& key, const std::string& data) {
    std::string path;
    for (std::size_t at = 0; at <= key.size();) {
      const std::size_t slash = std::min(key.find('/', at), key.size());
      path += "/" + percent_encode(key.substr(at, slash - at));
      at = slash + 1;
    }
    const int status = send("PUT", "/archive" + path, data);
    if (status != 200) throw std::runtime_error(fmt::format("PUT {}: {}", key, status));
  }

  S3Client client() { return {{net.loop, net.resolver, net.http, clock, log}, bucket}; }
  Result<S3Page> list(S3ListRequest request = {}) {
    S3Client s3 = client();
    return net.loop.block_on(s3.list(std::move(request), net.loop.after(20s)));
  }
  std::vector<std::string> keys(S3ListRequest request = {}) {
    const auto page = list(std::move(request));
    if (!page) throw std::runtime_error(page.error().message());
    std::vector<std::string> keys;
    for (const auto& object : page->objects) keys.push_back(object.key);
    return keys;
  }

  std::unique_ptr<S3Server> server;
  NetFixture net;
  SystemClock clock;
  Logger log{LogLevel::kError};
  S3Bucket bucket;
};

Reader on_each() { return Reader(GENERATE(from_range(s3_server_names()))); }

}  // namespace

TEST_CASE("keys come back as they were put, sorted", "[contract]") {
  Reader reader = on_each();
  INFO(reader.server->name());
  std::vector<std::string> keys = {"a b/c+d",    "a b.c",
                                   "p%2Fq",      "x&y=z?d#e",
                                   "quote'\"<>", "\xC3\xA9\xE2\x82\xAC/\xF0\x9F\x90\x98",
                                   "~-_.!*()",   "@:;,$"};
  for (const std::string& key : keys) reader.put(key, "of " + key);
  std::sort(keys.begin(), keys.end());
  CHECK(reader.keys() == keys);
  S3Client s3 = reader.client();
  for (const std::string& key : keys) {
    INFO(key);
    const auto read = reader.net.loop.block_on(s3.get(key, 1000, reader.net.loop.after(20s)));
    if (!read) FAIL(read.error().message());
    CHECK(*read == "of " + key);
  }
}

TEST_CASE("pages, delimiters and starts", "[contract]") {
  Reader reader = on_each();
  INFO(reader.server->name());
  std::vector<std::string> all;
  for (int i = 0; i < 1050; ++i) {
    all.push_back(fmt::format("srv/wals/{:04}", i));
    reader.put(all.back(), "x");
  }
  reader.put("srv/base/1/data.tar", "x");
  reader.put("top", "x");
  const auto first =
      reader.list({.prefix = "srv/wals/", .start_after = "", .delimiter = "", .continuation = ""});
  REQUIRE(first);
  CHECK(first->objects.size() == 1000);
  REQUIRE_FALSE(first->next.empty());
  std::vector<std::string> listed;
  for (const auto& object : first->objects) listed.push_back(object.key);
  for (const std::string& key : reader.keys({.prefix = "srv/wals/",
                                             .start_after = "",
                                             .delimiter = "",
                                             .continuation = first->next})) {
    listed.push_back(key);
  }
  CHECK(listed == all);
  CHECK(reader.keys({.prefix = "srv/wals/",
                     .start_after = "srv/wals/1048",
                     .delimiter = "",
                     .continuation = ""}) == std::vector<std::string>{"srv/wals/1049"});
  const auto parted =
      reader.list({.prefix = "srv/", .start_after = "", .delimiter = "/", .continuation = ""});
  REQUIRE(parted);
  CHECK(parted->objects.empty());
  CHECK(parted->prefixes == std::vector<std::string>{"srv/base/", "srv/wals/"});
  CHECK(reader.keys({.prefix = "none/", .start_after = "", .delimiter = "", .continuation = ""})
            .empty());
}

TEST_CASE("objects whole, their beginning, and what is missing", "[contract]") {
  Reader reader = on_each();
  INFO(reader.server->name());
  const std::string data(100'000, 'd');
  reader.put("big", data);
  reader.put("empty", "");
  S3Client s3 = reader.client();
  const auto deadline = [&] { return reader.net.loop.after(20s); };
  const auto first = [&](const char* key, std::size_t bytes) {
    return reader.net.loop.block_on(s3.get_first(key, bytes, deadline()));
  };
  CHECK(reader.net.loop.block_on(s3.get("big", data.size(), deadline())).value() == data);
  CHECK(first("big", 8192).value().size() == 8192);
  CHECK(first("big", 1'000'000).value() == data);
  CHECK(first("empty", 8192).value().empty());
  CHECK(first("none", 8192).error().code() == ErrorCode::kNotFound);
  CHECK(reader.net.loop.block_on(s3.open("none", deadline())).error().code() ==
        ErrorCode::kNotFound);
  const auto page = reader.list();
  REQUIRE(page);
  REQUIRE(page->objects.size() == 2);
  CHECK(page->objects[0].bytes == 100'000);
  REQUIRE(page->objects[0].modified);
  const Duration age = reader.clock.wall() - *page->objects[0].modified;
  CHECK(age > -5s);
  CHECK(age < 1min);
  // Damage is done to the files.
  std::filesystem::resize_file(reader.server->root() + "/archive/big", 10);
  CHECK(reader.list()->objects.at(0).bytes == 10);
  std::filesystem::remove(reader.server->root() + "/archive/big");
  CHECK(reader.keys() == std::vector<std::string>{"empty"});
}

TEST_CASE("refusals have the codes and remedies of S3", "[contract]") {
  Reader reader = on_each();
  INFO(reader.server->name());
  const S3Bucket good = reader.bucket;
  reader.bucket.bucket = "none";
  CHECK_THAT(reader.list().error().message(), Contains("bucket none does not exist"));
  reader.bucket = good;
  reader.bucket.secret_key = Secret("wrong");
  CHECK_THAT(reader.list().error().message(), Contains("the secret key is not that of"));
  reader.bucket = good;
  reader.bucket.access_key = "AKIDNOBODY";
  CHECK_THAT(reader.list().error().message(), Contains("does not know access key AKIDNOBODY"));
  reader.bucket = good;
  reader.bucket.region = "eu-west-1";
  CHECK(reader.list().error().code() == ErrorCode::kInvalid);
}

TEST_CASE("a bucket's settings, none of them set", "[contract]") {
  Reader reader = on_each();
  INFO(reader.server->name());
  S3Client s3 = reader.client();
  const auto settings = reader.net.loop.block_on(s3.settings("srv/", reader.net.loop.after(20s)));
  if (!settings) FAIL(settings.error().message());
  CHECK_FALSE(settings->versioning.value_or(false));
  CHECK_FALSE(settings->object_lock.value_or(false));
  CHECK_FALSE(settings->expires_after_days);
}

}  // namespace keelwatch::testing
