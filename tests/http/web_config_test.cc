#include "http/web_config.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/http/temporary_folder.h"
#include "tests/support/certificates.h"

namespace keelwatch::http {
namespace {

using keelwatch::testing::CertificateAuthority;
using testing::TemporaryFolder;

const std::string kHash = "$2y$04$a9PUjlmiTOmMKG8DYLmZJexWkUi1yKSQoHOmxWdaVcVwpnc.Yikry";

std::string problems_of(const std::string& yaml, const std::string& path = "web.yml") {
  const auto config = parse_web_config(yaml, path);
  return config ? "" : config.error().message();
}

TEST_CASE("an empty web configuration is plain HTTP for everybody", "[http][web_config]") {
  for (const char* yaml : {"", "# nothing\n", "tls_server_config:\nbasic_auth_users:\n",
                           "tls_server_config: {}\nbasic_auth_users: {}\nrate_limit: {}\n"}) {
    const auto config = parse_web_config(yaml, "web.yml");
    INFO(yaml << (config ? "" : config.error().message()));
    REQUIRE(config);
    CHECK((*config)->tls == nullptr);
    CHECK((*config)->users.empty());
    CHECK_FALSE((*config)->rate_limit);
  }
}

TEST_CASE("mistakes in a web configuration are shown where they stand", "[http][web_config]") {
  struct Case {
    const char* name;
    std::string yaml;
    std::string problems;
  };
  const Case cases[] = {
      {"unknown section", "tls_config:\n  cert_file: a\n",
       R"(web.yml:1:1: unknown key "tls_config"
tls_config:
^^^^^^^^^^ known here: basic_auth_users, http_server_config, rate_limit, tls_server_config)"},
      {"no key", "tls_server_config:\n  cert: x\n",
       R"(web.yml:2:3: tls_server_config: key_file: missing: TLS needs cert_file and key_file
  cert: x
  ^)"},
      {"missing file", "tls_server_config:\n  cert_file: nowhere.pem\n  key: x\n",
       R"(web.yml:2:14: tls_server_config: cert_file: nowhere.pem: No such file or directory
  cert_file: nowhere.pem
             ^^^^^^^^^^^)"},
      {"not a certificate", "tls_server_config:\n  cert: x\n  key: y\n",
       R"(web.yml:2:9: tls_server_config: cert: no certificate in PEM form in it
  cert: x
        ^)"},
      {"client auth misspelt",
       "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCerts\n",
       R"(web.yml:2:21: tls_server_config: client_auth_type: unknown client_auth_type "RequireAndVerifyClientCerts"
  client_auth_type: RequireAndVerifyClientCerts
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean "RequireAndVerifyClientCert"?)"},
      {"SANs without certificates",
       "tls_server_config:\n  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: "
       "[a]\n",
       R"(web.yml:3:24: tls_server_config: client_allowed_sans: needs a client certificate in every connection
  client_allowed_sans: [a]
                       ^ use client_auth_type: RequireAndVerifyClientCert)"},
      {"insecure suite", "tls_server_config:\n  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]\n",
       R"(web.yml:2:19: tls_server_config: cipher_suites: cipher suite "TLS_RSA_WITH_AES_128_CBC_SHA" is insecure and not offered
  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]
                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^)"},
      {"old maximum", "tls_server_config:\n  max_version: TLS11\n",
       R"(web.yml:2:16: tls_server_config: max_version: TLS 1.0 and 1.1 are not offered
  max_version: TLS11
               ^^^^^ use TLS12 or TLS13)"},
      {"minimum above maximum", "tls_server_config:\n  min_version: TLS13\n  max_version: TLS12\n",
       R"(web.yml:2:16: tls_server_config: min_version: is above max_version
  min_version: TLS13
               ^^^^^)"},
      {"header not allowed", "http_server_config:\n  headers:\n    Server: x\n",
       R"(web.yml:3:5: http_server_config.headers: header "Server" cannot be configured
    Server: x
    ^^^^^^)"},
      {"header value", "http_server_config:\n  headers:\n    X-Frame-Options: allow\n",
       R"(web.yml:3:22: http_server_config.headers: X-Frame-Options: "allow" is not a value of this header
    X-Frame-Options: allow
                     ^^^^^ write deny or sameorigin)"},
      {"a password instead of its hash is not shown", "basic_auth_users:\n  alice: geheim\n",
       R"(web.yml:2:10: basic_auth_users: the password of "alice" is not a bcrypt hash
  alice: xxxxxx
         ^^^^^^ make one with: htpasswd -nBC 10 "" | tr -d ':\n')"},
      {"nor is a hash", "basic_auth_users: {a: " + kHash + ", b: }\n",
       R"(web.yml:1:85: basic_auth_users: the password of "b" is not a bcrypt hash
basic_auth_users: {a: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, b: }
                                                                                    ^ make one with: htpasswd -nBC 10 "" | tr -d ':\n')"},
      {"cost", "basic_auth_users:\n  a: $2y$31$" + kHash.substr(7) + "\n",
       R"(web.yml:2:6: basic_auth_users: a bcrypt cost of 31 takes too long for a request
  a: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ use a cost of 10 to 12)"},
      {"rate", "rate_limit:\n  interval: soon\n  burst: 1\n",
       R"(web.yml:2:13: rate_limit: interval: "soon" is not a duration
  interval: soon
            ^^^^ write it like 100ms, 1s or 1m30s)"},
      {"no burst", "rate_limit:\n  interval: 1s\n",
       R"(web.yml:2:3: rate_limit: burst: a burst of 0 refuses every request
  interval: 1s
  ^ set it to 1 or more)"},
      {"all at once", "http2: true\nbasic_auth_users: 5\n",
       R"(web.yml:1:1: unknown key "http2"
http2: true
^^^^^ known here: basic_auth_users, http_server_config, rate_limit, tls_server_config
web.yml:2:19: basic_auth_users: must be a mapping of keys to values, not a single value
basic_auth_users: 5
                  ^)"},
  };
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(problems_of(c.yaml) == c.problems); }
  }
}

TEST_CASE("a syntax error shows no line, since it may hold a secret", "[http][web_config]") {
  const std::string got = problems_of("basic_auth_users: {alice: " + kHash + "\n");
  CHECK(got.starts_with("web.yml:"));
  CHECK(got.find("a9PUj") == std::string::npos);
}

TEST_CASE("durations are Go's", "[http][web_config]") {
  struct Case {
    const char* text;
    Duration want;
  };
  const Case cases[] = {{"1s", std::chrono::seconds(1)},
                        {"1.5h", std::chrono::minutes(90)},
                        {"1m30s", std::chrono::seconds(90)},
                        {"100us", std::chrono::microseconds(100)},
                        {"250ms", std::chrono::milliseconds(250)}};
  for (const Case& c : cases) {
    const auto config =
        parse_web_config("rate_limit: {interval: " + std::string(c.text) + ", burst: 3}", "w");
    REQUIRE(config);
    CHECK((*config)->rate_limit->interval == c.want);
    CHECK((*config)->rate_limit->burst == 3);
  }
}

TEST_CASE("what works otherwise than in exporter-toolkit is a warning", "[http][web_config]") {
  const auto config = parse_web_config(
      "tls_server_config: {min_version: TLS10}\nhttp_server_config: {http2: true}\n", "w");
  REQUIRE(config);
  CHECK((*config)->warnings ==
        std::vector<std::string>{
            "min_version: TLS 1.2 is the oldest version offered",
            "tls_server_config: no certificate in it, so TLS is off",
            "http2: accepted, but HTTP/1.1 is what is served; clients agree on it"});
}

TEST_CASE("a key of another certificate is refused at the key", "[http][web_config]") {
  TemporaryFolder folder;
  const CertificateAuthority ca;
  folder.write("a.pem", ca.issue_for_localhost().certificate_pem);
  folder.write("b.key", ca.issue_for_localhost().key_pem);
  CHECK(problems_of("tls_server_config: {cert_file: a.pem, key_file: b.key}", folder.path() + "/w")
            .find("w:1:49: tls_server_config: key_file: it does not belong to the certificate") !=
        std::string::npos);
}

TEST_CASE("certificates may stand in the file itself", "[http][web_config]") {
  const auto identity = CertificateAuthority().issue_for_localhost();
  const auto indented = [](const std::string& pem) {
    std::string out;
    std::istringstream lines(pem);
    for (std::string line; std::getline(lines, line);) out += "    " + line + "\n";
    return out;
  };
  const std::string yaml = "tls_server_config:\n  cert: |\n" + indented(identity.certificate_pem) +
                           "  key: |\n" + indented(identity.key_pem);
  const auto config = parse_web_config(yaml, "w");
  INFO((config ? "" : config.error().message()));
  REQUIRE(config);
  CHECK((*config)->tls);
}

TEST_CASE("a watched web configuration is read again when any of its files changes",
          "[http][web_config]") {
  TemporaryFolder folder;
  const auto first = CertificateAuthority().issue_for_localhost();
  folder.write("a.pem", first.certificate_pem);
  folder.write("a.key", first.key_pem);
  const std::string good = "tls_server_config: {cert_file: a.pem, key_file: a.key}\n";
  const std::string path = folder.write("web.yml", good);
  WebConfigFile file(path);
  auto looked = file.reread();
  REQUIRE(looked);
  REQUIRE(*looked);
  CHECK_FALSE(file.reread());

  folder.write("web.yml", good + "# a comment\n");
  REQUIRE(file.reread());
  CHECK_FALSE(file.reread());

  folder.write("a.key", "broken");
  looked = file.reread();
  REQUIRE(looked);
  CHECK_FALSE(*looked);
  CHECK_FALSE(file.reread());  // the same mistake is said once

  folder.write("web.yml", "{");
  REQUIRE(file.reread());
  folder.write("web.yml", good);
  folder.write("a.key", first.key_pem);
  looked = file.reread();
  REQUIRE(looked);
  CHECK(*looked);

  std::filesystem::remove(path);
  looked = file.reread();
  REQUIRE(looked);
  REQUIRE_FALSE(*looked);
  CHECK(looked->error().code() == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace keelwatch::http
