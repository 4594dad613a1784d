// The S3 client against the stand-in, whose check of signatures is other code than that which
// signs.
#include "sources/object_store/s3_client.h"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <stdexcept>

#include "tests/standins/s3_store.h"
#include "tests/support/certificates.h"
#include "tests/support/net_fixture.h"
#include "tests/support/scripted_server.h"

using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::testing {
namespace {

using sources::S3Bucket;
using sources::S3Client;
using sources::S3ListRequest;
using sources::S3Object;
using sources::S3Page;
using standins::S3Fault;
using standins::S3Store;

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "keelwatch-s3-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Fixture {
  explicit Fixture(S3Store::Options options = {})
      : store([&] {
          options.root = folder.path();
          return options;
        }()) {
    store.make_bucket("pg");
    bucket.endpoint = store.url();
    bucket.bucket = "pg";
    bucket.access_key = standins::S3Account().access_key;
    bucket.secret_key = Secret(standins::S3Account().secret_key);
  }

  [[nodiscard]] SteadyTime soon(Duration d = 20s) const { return net.loop.after(d); }
  S3Client client() { return {{net.loop, net.resolver, net.http, clock, log}, bucket}; }
  Result<S3Page> list(S3ListRequest request = {}, Duration within = 20s) {
    S3Client s3 = client();
    return net.loop.block_on(s3.list(std::move(request), soon(within)));
  }
  Result<std::string> get(const std::string& key, std::size_t most = 1U << 20U) {
    S3Client s3 = client();
    return net.loop.block_on(s3.get(key, most, soon()));
  }

  void fault(S3Fault::Kind kind, int times = -1) {
    S3Fault made;
    made.kind = kind;
    made.times = times;
    store.set_fault(made);
  }

  Folder folder;
  S3Store store;
  NetFixture net;
  SystemClock clock;
  Logger log{LogLevel::kError};
  S3Bucket bucket;
};

std::vector<std::string> keys_of(const S3Page& page) {
  std::vector<std::string> keys;
  for (const S3Object& object : page.objects) keys.push_back(object.key);
  return keys;
}

void check_error(const Error& error, ErrorCode code, const std::string& says) {
  CHECK(error.code() == code);
  CHECK_THAT(error.message(), Contains(says));
}

}  // namespace

TEST_CASE("a listing goes on page by page, and from a key", "[s3]") {
  Fixture f;
  std::vector<std::string> all;
  for (int i = 0; i < 2100; ++i) {
    all.push_back(fmt::format("srv/wals/{:04}", i));
    f.store.put("pg", all.back(), "x");
  }
  f.store.put("pg", "other", "x");
  S3Client s3 = f.client();
  std::vector<std::string> listed;
  S3ListRequest request{.prefix = "srv/", .start_after = "", .delimiter = "", .continuation = ""};
  for (int page = 1;; ++page) {
    const Result<S3Page> read = f.net.loop.block_on(s3.list(request, f.soon()));
    REQUIRE(read);
    CHECK(read->objects.size() == (page < 3 ? 1000 : 100));
    for (const S3Object& object : read->objects) listed.push_back(object.key);
    request.continuation = read->next;
    if (read->next.empty()) break;
  }
  CHECK(listed == all);
  CHECK(s3.traffic().list_requests == 3);
  CHECK(s3.traffic().received_bytes > 100'000);
  const auto later = f.list(
      {.prefix = "srv/", .start_after = "srv/wals/2097", .delimiter = "", .continuation = ""});
  REQUIRE(later);
  CHECK(keys_of(*later) == std::vector<std::string>{"srv/wals/2098", "srv/wals/2099"});
  const auto nothing =
      f.list({.prefix = "none/", .start_after = "", .delimiter = "", .continuation = ""});
  REQUIRE(nothing);
  CHECK(nothing->objects.empty());
}

TEST_CASE("keys of every odd kind are listed, parted and read", "[s3]") {
  Fixture f;
  const std::vector<std::string> keys = {"a b/c+d",
                                         "a%2Fb",
                                         "a&b=c?d#e",
                                         "a//b",
                                         "a/./b",
                                         "a/../b",
                                         "quote'\"<>&amp;",
                                         "tab\tand\n",
                                         "\xC3\xA9\xE2\x82\xAC/\xF0\x9F\x90\x98",
                                         "~-_.!*()",
                                         "end/",
                                         "[x]{y}|\\^`",
                                         "@:;,$"};
  for (const std::string& key : keys) f.store.put("pg", key, "of " + key);
  const auto page = f.list();
  REQUIRE(page);
  std::vector<std::string> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  CHECK(keys_of(*page) == sorted);
  for (const std::string& key : keys) {
    INFO(key);
    const auto read = f.get(key);
    if (!read) FAIL(read.error().message());
    CHECK(*read == "of " + key);
    const auto behind =
        f.list({.prefix = key, .start_after = "", .delimiter = "", .continuation = ""});
    REQUIRE(behind);
    CHECK(keys_of(*behind).front() == key);
  }
  const auto parted =
      f.list({.prefix = "", .start_after = "", .delimiter = "/", .continuation = ""});
  REQUIRE(parted);
  CHECK(parted->prefixes ==
        std::vector<std::string>{"a b/", "a/", "end/", "\xC3\xA9\xE2\x82\xAC/"});
}

TEST_CASE("objects come whole, by their beginning, and piece by piece", "[s3]") {
  Fixture f;
  const std::string data(300'000, 'd');
  f.store.put("pg", "big", data);
  f.store.put("pg", "empty", "");
  S3Client s3 = f.client();
  const auto first = [&](const std::string& key, std::size_t bytes) {
    return f.net.loop.block_on(s3.get_first(key, bytes, f.soon()));
  };
  CHECK(*f.get("big") == data);
  CHECK(*f.get("big", data.size()) == data);
  check_error(f.get("big", data.size() - 1).error(), ErrorCode::kTooLarge, "big");
  CHECK(f.get("empty")->empty());
  check_error(f.get("none").error(), ErrorCode::kNotFound, "there is no object none in bucket pg");
  CHECK(first("big", 8192)->size() == 8192);
  CHECK(*first("big", 1U << 20U) == data);
  CHECK(first("empty", 10)->empty());
  check_error(first("none", 10).error(), ErrorCode::kNotFound, "NoSuchKey");
  std::string streamed;
  Result<HttpStream> stream = f.net.loop.block_on(s3.open("big", f.soon()));
  REQUIRE(stream);
  for (;;) {
    const auto piece = f.net.loop.block_on(stream->next(f.soon()));
    REQUIRE(piece);
    if (!piece->has_value()) break;
    streamed += **piece;
  }
  CHECK(streamed == data);
  const auto none = f.net.loop.block_on(s3.open("none", f.soon()));
  REQUIRE_FALSE(none);
  check_error(none.error(), ErrorCode::kNotFound, "NoSuchKey");
  CHECK(s3.traffic().get_requests == 6);
  CHECK(s3.traffic().received_bytes > 2 * data.size());
}

TEST_CASE("what is wrong with the bucket, the key or the clock is said", "[s3]") {
  Fixture f;
  SECTION("no such bucket") {
    f.bucket.bucket = "none";
    check_error(f.list().error(), ErrorCode::kNotFound,
                "bucket none does not exist at " + f.store.url());
  }
  SECTION("a wrong secret key") {
    f.bucket.secret_key = Secret("wrong");
    check_error(f.list().error(), ErrorCode::kForbidden,
                "the secret key is not that of access key");
  }
  SECTION("an unknown access key") {
    f.bucket.access_key = "AKIDOTHER";
    check_error(f.list().error(), ErrorCode::kForbidden, "does not know access key AKIDOTHER");
  }
  SECTION("no right") {
    S3Fault denied;
    denied.kind = S3Fault::Kind::kError;
    denied.status = 403;
    denied.code = "AccessDenied";
    f.store.set_fault(denied);
    check_error(f.list().error(), ErrorCode::kForbidden, "allow it s3:ListBucket on bucket pg");
  }
  SECTION("another region") {
    f.bucket.region = "eu-west-1";
    check_error(f.list().error(), ErrorCode::kInvalid, "(region us-east-1, not eu-west-1)");
  }
  SECTION("a skewed clock") {
    f.store.set_clock_skew(1h);
    check_error(f.list().error(), ErrorCode::kForbidden, "s behind the server's): set them right");
    f.store.set_clock_skew(-1h);
    check_error(f.list().error(), ErrorCode::kForbidden,
                "s ahead of the server's): set them right");
    f.store.set_clock_skew(10min);
    CHECK(f.list());
  }
  SECTION("an endpoint with a path") {
    f.bucket.endpoint += "/minio";
    check_error(f.list().error(), ErrorCode::kInvalid, "http(s)://host[:port] and nothing more");
  }
  SECTION("not S3") {
    f.fault(S3Fault::Kind::kGarbage);
    check_error(f.list().error(), ErrorCode::kMalformed, "\"html\" instead of ListBucketResult");
  }
}

TEST_CASE("a session token is signed and sent", "[s3]") {
  standins::S3Account account;
  account.session_token = "token/with+chars==";
  S3Store::Options options;
  options.account = account;
  Fixture f(options);
  check_error(f.list().error(), ErrorCode::kForbidden, "session token");
  f.bucket.session_token = account.session_token;
  CHECK(f.list());
}

TEST_CASE("a busy server is asked again within the deadline", "[s3]") {
  Fixture f;
  f.store.put("pg", "a", "x");
  f.fault(S3Fault::Kind::kError, 2);
  S3Client s3 = f.client();
  const auto page = f.net.loop.block_on(s3.list({}, f.soon()));
  REQUIRE(page);
  CHECK(page->objects.size() == 1);
  CHECK(s3.traffic().list_requests == 3);
  f.fault(S3Fault::Kind::kError);
  const SteadyTime begun = f.clock.steady();
  check_error(f.list({}, 1s).error(), ErrorCode::kUnavailable, "SlowDown");
  CHECK(f.clock.steady() - begun < 1500ms);
  f.store.clear_faults();
  f.fault(S3Fault::Kind::kError, 1);
  CHECK(f.net.loop.block_on(s3.open("a", f.soon())));
}

TEST_CASE("an answer that hangs, is cut or ends early is no empty archive", "[s3]") {
  Fixture f;
  f.store.put("pg", "a", "0123456789");
  f.fault(S3Fault::Kind::kHang);
  check_error(f.list({}, 300ms).error(), ErrorCode::kTimeout, "no answer in time");
  f.store.clear_faults();
  f.fault(S3Fault::Kind::kHalf);
  check_error(f.list().error(), ErrorCode::kMalformed, "XML, byte ");
  f.store.clear_faults();
  f.fault(S3Fault::Kind::kTruncate);
  check_error(f.list().error(), ErrorCode::kUnavailable, "receive");
  check_error(f.get("a").error(), ErrorCode::kUnavailable, "receive");
  f.store.clear_faults();
  f.fault(S3Fault::Kind::kReset);
  CHECK_FALSE(f.list());
  f.store.clear_faults();
  S3Fault slow;
  slow.kind = S3Fault::Kind::kDelay;
  slow.delay = 200ms;
  f.store.set_fault(slow);
  CHECK(f.list());
}

TEST_CASE("the bucket may stand in the host's name", "[s3]") {
  Fixture f;
  f.store.put("pg", "a b/c", "x");
  f.bucket.path_style = false;
  check_error(f.list().error(), ErrorCode::kInvalid, "use path-style addressing");
  f.bucket.endpoint = "http://localhost:" + std::to_string(f.store.port());
  const auto page = f.list();
  if (!page) FAIL(page.error().message());
  CHECK(page->objects.size() == 1);
  CHECK(*f.get("a b/c") == "x");
  CHECK_THAT(f.store.journal().front(), Catch::StartsWith("GET /?encoding-type="));
  f.bucket.bucket = "none";
  check_error(f.list().error(), ErrorCode::kNotFound, "bucket none does not exist");
}

TEST_CASE("a store's own authority is checked", "[s3]") {
  const CertificateAuthority authority;
  const CertificateAuthority other;
  const CertifiedKey key = authority.issue_for_localhost();
  S3Store::Options options;
  options.tls = standins::ServerTls{key.certificate_pem, key.key_pem, ""};
  Fixture f(options);
  f.bucket.ca_pem = other.pem();
  check_error(f.list().error(), ErrorCode::kUnavailable, "TLS with 127.0.0.1");
  f.bucket.ca_pem = authority.pem();
  CHECK(f.list());
}

TEST_CASE("settings are read as far as the server lets us", "[s3]") {
  Fixture f;
  S3Client s3 = f.client();
  const auto settings = [&] { return f.net.loop.block_on(s3.settings("srv/", f.soon())); };
  auto read = settings();
  if (!read) FAIL(read.error().message());
  CHECK(read->versioning == false);
  CHECK(read->object_lock == false);
  CHECK_FALSE(read->expires_after_days);
  CHECK(read->not_permitted.empty());
  CHECK(s3.traffic().settings_requests == 3);
  f.store.set_setting(
      "pg", "versioning",
      "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  f.store.set_setting("pg", "lifecycle",
                      "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration>"
                      "<Days>30</Days></Expiration></Rule></LifecycleConfiguration>");
  S3Fault missing;
  missing.kind = S3Fault::Kind::kError;
  missing.parameter = "object-lock";
  missing.status = 501;
  missing.code = "NotImplemented";
  f.store.set_fault(missing);
  read = settings();
  REQUIRE(read);
  CHECK(read->versioning == true);
  CHECK(read->expires_after_days == 30);
  CHECK(read->object_lock == false);
  CHECK(read->not_permitted.empty());
  missing.status = 403;
  missing.code = "AccessDenied";
  f.store.clear_faults();
  f.store.set_fault(missing);
  read = settings();
  REQUIRE(read);
  CHECK_FALSE(read->object_lock);
  CHECK(read->not_permitted == std::vector<std::string>{"object-lock"});
  f.bucket.secret_key = Secret("wrong");
  S3Client stranger = f.client();
  const auto refused = f.net.loop.block_on(stranger.settings("srv/", f.soon()));
  REQUIRE_FALSE(refused);
  check_error(refused.error(), ErrorCode::kForbidden, "versioning of bucket pg: the secret key");
}

// The answers of servers that have not all of S3, as their sources have them: Ceph RGW
// rgw_common.cc, Garage src/api/s3/{api_server,lifecycle}.rs, MinIO cmd/api-errors.go.
TEST_CASE("what a server does not have of the settings is no failure", "[s3]") {
  struct Answer {
    int status;
    std::string body;
  };
  const auto error = [](int status, const std::string& code) {
    return Answer{status, "<Error><Code>" + code + "</Code><Message>m</Message></Error>"};
  };
  const Answer plain{
      200, "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"};
  const Answer listing{
      200, "<ListBucketResult><Name>pg</Name><IsTruncated>false</IsTruncated></ListBucketResult>"};
  using Names = std::vector<std::string>;
  struct Case {
    const char* name;
    Answer versioning;
    Answer object_lock;
    Answer lifecycle;
    std::optional<bool> lock;
    Names not_told;
  };
  const Answer no_lock = error(404, "ObjectLockConfigurationNotFoundError");
  const Answer no_rules = error(404, "NoSuchLifecycleConfiguration");
  const Case cases[] = {
      {"AWS, MinIO and Ceph, nothing set", plain, no_lock, no_rules, false, {}},
      {"another word for no lock",
       plain,
       error(404, "NoSuchObjectLockConfiguration"),
       no_rules,
       false,
       {}},
      {"Garage 1", plain, error(501, "NotImplemented"), {204, ""}, false, {}},
      {"Garage 2.0", plain, error(501, "NotImplemented"), {404, ""}, false, {}},
      {"Garage 2.1", plain, error(501, "NotImplemented"), no_rules, false, {}},
      {"MinIO on a single disk",
       error(501, "NotImplemented"),
       error(501, "NotImplemented"),
       error(501, "NotImplemented"),
       false,
       {}},
      {"a key that may list and read only",
       error(403, "AccessDenied"),
       error(403, "AccessDenied"),
       error(403, "AccessDenied"),
       {},
       {"versioning", "object-lock", "lifecycle"}},
      {"a method that is not there",
       error(405, "MethodNotAllowed"),
       error(405, "MethodNotAllowed"),
       {501, ""},
       {},
       {"versioning", "object-lock", "lifecycle"}},
      {"a server that lists instead", plain, listing, listing, {}, {"object-lock", "lifecycle"}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    ScriptedServer server(answer_each([&](const ScriptedRequest& request) {
      const Answer& answer = request.target.find("versioning=") != std::string::npos ? c.versioning
                             : request.target.find("object-lock=") != std::string::npos
                                 ? c.object_lock
                                 : c.lifecycle;
      return http_response(answer.status, answer.body);
    }));
    f.bucket.endpoint = server.url("");
    S3Client s3 = f.client();
    const auto read = f.net.loop.block_on(s3.settings("srv/", f.soon()));
    if (!read) FAIL(read.error().message());
    CHECK(read->object_lock == c.lock);
    CHECK(read->not_permitted == c.not_told);
    CHECK_FALSE(read->expires_after_days);
    CHECK(read->versioning.has_value() ==
          (c.versioning.status == 200 || c.versioning.status == 501));
  }
  // A page of something else is no answer.
  Fixture f;
  ScriptedServer proxy(
      answer_each([](const ScriptedRequest&) { return http_response(404, "<html>?</html>"); }));
  f.bucket.endpoint = proxy.url("");
  S3Client s3 = f.client();
  CHECK_FALSE(f.net.loop.block_on(s3.settings("srv/", f.soon())));
}

}  // namespace keelwatch::testing
