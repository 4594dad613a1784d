#include "sources/object_store/s3_answer.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace keelwatch::sources {

using Catch::Matchers::Contains;

namespace {

std::string page(const std::string& inside) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>" +
         inside + "</ListBucketResult>";
}

std::string object(const std::string& key) {
  return "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>";
}

const std::string kUrl = "<EncodingType>url</EncodingType>";
const std::string kLast = "<IsTruncated>false</IsTruncated>";
const std::string kMore = "<IsTruncated>true</IsTruncated>";

S3Place place() { return {"http://s3:9000", "pg", "us-east-1", "AKID", "wals/1", std::nullopt}; }

std::string error_body(const std::string& code, const std::string& extra = "") {
  return "<Error><Code>" + code + "</Code><Message>m</Message>" + extra + "</Error>";
}

}  // namespace

TEST_CASE("a listing's page gives its objects and prefixes", "[s3]") {
  const S3ListRequest request{
      .prefix = "p/", .start_after = "", .delimiter = "/", .continuation = ""};
  const auto read = decode_page(
      page(kUrl +
           "<Contents><Key>p/a+b%2Bc%25</Key><LastModified>2026-11-24T01:02:03.000Z</LastModified>"
           "<ETag>&quot;x&quot;</ETag><Size>16777216</Size><StorageClass>GLACIER</StorageClass>"
           "</Contents>" +
           object("p/%C3%A9") + "<CommonPrefixes><Prefix>p/x+y/</Prefix></CommonPrefixes>" +
           "<KeyCount>3</KeyCount>" + kMore +
           "<NextContinuationToken>a+%25=</NextContinuationToken>"),
      request);
  REQUIRE(read);
  REQUIRE(read->objects.size() == 2);
  CHECK(read->objects[0].key == "p/a b+c%");
  CHECK(read->objects[0].bytes == 16'777'216);
  CHECK(read->objects[0].storage_class == "GLACIER");
  REQUIRE(read->objects[0].modified);
  CHECK(to_unix_seconds(*read->objects[0].modified) == 1795482123);
  CHECK(read->objects[1].key == "p/\xC3\xA9");
  CHECK_FALSE(read->objects[1].modified);
  CHECK(read->objects[1].storage_class.empty());
  CHECK(read->prefixes == std::vector<std::string>{"p/x y/"});
  CHECK(read->next == "a+%25=");
}

TEST_CASE("a server that does not encode keys is understood", "[s3]") {
  const auto read = decode_page(page(object("a+b%41") + kLast), {});
  REQUIRE(read);
  CHECK(read->objects.at(0).key == "a+b%41");
  CHECK(read->next.empty());
}

TEST_CASE("a page that does not answer the request is malformed", "[s3]") {
  struct Case {
    const char* name;
    std::string xml;
    const char* says;
  };
  const Case cases[] = {
      {"empty body", "", "XML"},
      {"a login form", "<html><body>Log in</body></html>", "\"html\" instead of ListBucketResult"},
      {"an error with status 200", error_body("InternalError"), "\"Error\" instead of"},
      {"not whether it ends", page(object("p/a")), "does not say whether it is the last page"},
      {"goes on nowhere", page(kMore), "goes on and does not say where"},
      {"goes on where it was", page(kMore + "<NextContinuationToken>t1</NextContinuationToken>"),
       "goes on where it began"},
      {"unsorted", page(object("p/b") + object("p/a") + kLast), "not sorted"},
      {"twice the same", page(object("p/b") + object("p/b") + kLast), "not sorted"},
      {"outside of the prefix", page(object("q/a") + kLast), "does not begin with the prefix"},
      {"not after the start", page(object("p/0") + kLast), "is not after \"p/1\""},
      {"without a key", page("<Contents><Size>1</Size></Contents>" + kLast), "without a Key"},
      {"without a size", page("<Contents><Key>p/a</Key></Contents>" + kLast), "no size"},
      {"a negative size", page("<Contents><Key>p/a</Key><Size>-1</Size></Contents>" + kLast),
       "no size"},
      {"half an escape", page(kUrl + object("p/a%2") + kLast), "not percent-encoded"},
      {"a time that is none",
       page("<Contents><Key>p/a</Key><Size>1</Size><LastModified>soon</LastModified></Contents>" +
            kLast),
       "LastModified"},
      {"a prefix that nobody asked for",
       page("<CommonPrefixes><Prefix>p/a/</Prefix></CommonPrefixes>" + kLast), "delimiter"},
      {"fewer keys than it says", page(object("p/a") + "<KeyCount>2</KeyCount>" + kLast),
       "2 keys with 1 in it"},
  };
  const S3ListRequest request{
      .prefix = "p/", .start_after = "p/1", .delimiter = "", .continuation = "t1"};
  for (const Case& c : cases) {
    INFO(c.name);
    const auto read = decode_page(c.xml, request);
    REQUIRE_FALSE(read);
    CHECK(read.error().code() == ErrorCode::kMalformed);
    CHECK_THAT(read.error().message(), Contains(c.says));
  }
}

TEST_CASE("no beginning of a page is an empty listing", "[s3]") {
  const std::string whole = page(object("p/a") + object("p/b") + kLast);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(decode_page(std::string_view(whole).substr(0, size), {}));
  }
}

TEST_CASE("what a server refuses says what to do", "[s3]") {
  struct Case {
    int status;
    std::string body;
    ErrorCode code;
    const char* says;
  };
  const Case cases[] = {
      {404, error_body("NoSuchBucket"), ErrorCode::kNotFound,
       "bucket pg does not exist at http://s3:9000: correct its name"},
      {404, error_body("NoSuchKey"), ErrorCode::kNotFound, "no object wals/1 in bucket pg"},
      {403, error_body("AccessDenied"), ErrorCode::kForbidden, "allow it s3:ListBucket"},
      {403, error_body("InvalidAccessKeyId"), ErrorCode::kForbidden,
       "does not know access key AKID"},
      {403, error_body("SignatureDoesNotMatch"), ErrorCode::kForbidden,
       "the secret key is not that of access key AKID"},
      {400, error_body("ExpiredToken"), ErrorCode::kForbidden, "renew it"},
      {400, error_body("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
       ErrorCode::kInvalid, "(region eu-west-1, not us-east-1): correct the region"},
      {301, error_body("PermanentRedirect"), ErrorCode::kInvalid, "must be asked elsewhere:"},
      {301, "", ErrorCode::kInvalid, "must be asked elsewhere:"},
      {403, error_body("InvalidObjectState"), ErrorCode::kForbidden, "storage class"},
      {501, error_body("NotImplemented"), ErrorCode::kUnsupported, "does not have this"},
      {503, error_body("SlowDown"), ErrorCode::kUnavailable, "fewer requests (SlowDown: m)"},
      {502, "<html></html>", ErrorCode::kUnavailable, "HTTP status 502"},
      {404, "404 page not found", ErrorCode::kMalformed,
       "is http://s3:9000 the address of an object store?"},
      {404, error_body("NoSuchUser"), ErrorCode::kMalformed, "NoSuchUser: m (HTTP status 404)"},
      {418, error_body("Teapot"), ErrorCode::kMalformed, "Teapot: m (HTTP status 418)"},
  };
  for (const Case& c : cases) {
    INFO(c.body);
    const Error error = explain(decode_refusal(c.status, c.body, ""), place());
    CHECK(error.code() == c.code);
    CHECK_THAT(error.message(), Contains(c.says));
  }
}

TEST_CASE("a code that stands for several things is told apart by its words", "[s3]") {
  const auto said = [](const std::string& message) {
    const std::string body =
        "<Error><Code>AccessDenied</Code><Message>" + message + "</Message></Error>";
    return explain(decode_refusal(403, body, ""), place()).message();
  };
  CHECK_THAT(said("Forbidden: Invalid signature"), Contains("the secret key is not that of"));
  CHECK_THAT(said("Forbidden: No such key: GK31c2"), Contains("does not know access key AKID"));
  CHECK_THAT(said("Forbidden: Operation is not allowed for this key."),
             Contains("allow it s3:ListBucket"));
}

TEST_CASE("a skewed clock is named with its direction", "[s3]") {
  S3Place there = place();
  there.clock_behind = 3600s;
  const S3Refusal refusal = decode_refusal(403, error_body("RequestTimeTooSkewed"), "");
  CHECK_THAT(explain(refusal, there).message(), Contains("(the one here is 3600 s behind the"));
  there.clock_behind = -1200s;
  CHECK_THAT(explain(refusal, there).message(), Contains("(the one here is 1200 s ahead of the"));
}

TEST_CASE("lifecycle rules count where they reach the archive", "[s3]") {
  struct Case {
    const char* name;
    std::string rules;
    std::optional<std::int64_t> expires;
    std::optional<std::int64_t> archives;
  };
  const std::string on = "<Status>Enabled</Status>";
  const std::string days = "<Expiration><Days>30</Days></Expiration>";
  const Case cases[] = {
      {"none", "", {}, {}},
      {"everything", "<Rule>" + on + "<Filter/>" + days + "</Rule>", 30, {}},
      {"disabled", "<Rule><Status>Disabled</Status><Prefix/>" + days + "</Rule>", {}, {}},
      {"the parent", "<Rule>" + on + "<Prefix>cl</Prefix>" + days + "</Rule>", 30, {}},
      {"a part",
       "<Rule>" + on + "<Filter><Prefix>cluster/wals/</Prefix></Filter>" + days + "</Rule>",
       30,
       {}},
      {"another",
       "<Rule>" + on + "<Filter><Prefix>logs/</Prefix></Filter>" + days + "</Rule>",
       {},
       {}},
      {"another, with a tag",
       "<Rule>" + on + "<Filter><And><Prefix>logs/</Prefix><Tag/></And></Filter>" + days +
           "</Rule>",
       {},
       {}},
      {"the shortest",
       "<Rule>" + on + days + "</Rule><Rule>" + on +
           "<Expiration><Days>7</Days></Expiration></Rule>",
       7,
       {}},
      {"delete markers only",
       "<Rule>" + on +
           "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
           "<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays>"
           "</NoncurrentVersionExpiration></Rule>",
       {},
       {}},
      {"a date",
       "<Rule>" + on +
           "<Expiration><Date>2026-11-10T00:00:00.000Z</Date></Expiration>"
           "</Rule>",
       9,
       {}},
      {"a date without a time",
       "<Rule>" + on + "<Expiration><Date>2026-11-10</Date></Expiration></Rule>",
       9,
       {}},
      {"large objects only",
       "<Rule>" + on +
           "<Filter><And><Prefix>cluster/</Prefix>"
           "<ObjectSizeGreaterThan>1000000</ObjectSizeGreaterThan></And></Filter>" +
           days + "</Rule>",
       30,
       {}},
      {"transitions",
       "<Rule>" + on +
           "<Transition><Days>10</Days><StorageClass>STANDARD_IA</StorageClass></Transition>"
           "<Transition><Days>60</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>",
       {},
       60},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    model::BucketSettings settings;
    const WallTime now = WallTime(std::chrono::seconds(1'793'491'200));  // 2026-11-01
    REQUIRE(decode_lifecycle("<LifecycleConfiguration>" + c.rules + "</LifecycleConfiguration>",
                             "cluster/", now, settings));
    CHECK(settings.expires_after_days == c.expires);
    CHECK(settings.archives_after_days == c.archives);
  }
  model::BucketSettings settings;
  CHECK_FALSE(decode_lifecycle("<LifecycleConfiguration><Rule>" + on +
                                   "<Expiration><Days>x</Days></Expiration></Rule>"
                                   "</LifecycleConfiguration>",
                               "", {}, settings));
  CHECK_FALSE(decode_lifecycle("<html/>", "", {}, settings));
}

TEST_CASE("versioning and object lock are on, off or not said", "[s3]") {
  model::BucketSettings settings;
  REQUIRE(decode_versioning("<VersioningConfiguration/>", settings));
  CHECK(settings.versioning == false);
  REQUIRE(decode_versioning(
      "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", settings));
  CHECK(settings.versioning == true);
  REQUIRE(
      decode_object_lock("<ObjectLockConfiguration><ObjectLockEnabled>Enabled"
                         "</ObjectLockEnabled></ObjectLockConfiguration>",
                         settings));
  CHECK(settings.object_lock == true);
  CHECK_FALSE(decode_versioning("<html/>", settings));
  CHECK_FALSE(decode_object_lock("<ObjectLockConfiguration>", settings));
}

}  // namespace keelwatch::sources
