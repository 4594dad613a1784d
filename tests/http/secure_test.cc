// TLS, client certificates, basic auth, rate limit: the web configuration as clients feel it.
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "http/basic_auth.h"
#include "http/web_config.h"
#include "tests/http/temporary_folder.h"
#include "tests/http/test_server.h"
#include "tests/http/tls_client.h"

namespace keelwatch::http {
namespace {

using keelwatch::testing::CertificateAuthority;
using keelwatch::testing::CertifiedKey;
using testing::Answer;
using testing::eventually;
using testing::RawClient;
using testing::TemporaryFolder;
using testing::test_routes;
using testing::TestServer;
using testing::TlsClient;

// htpasswd -nbBC 4 "" secret
const std::string kHashOfSecret = "$2y$04$a9PUjlmiTOmMKG8DYLmZJexWkUi1yKSQoHOmxWdaVcVwpnc.Yikry";

std::shared_ptr<const WebConfig> config_of(const TemporaryFolder& folder, const std::string& yaml) {
  auto config = parse_web_config(yaml, folder.path() + "/web.yml");
  INFO((config ? "" : config.error().message()));
  REQUIRE(config);
  return *config;
}

std::string basic(const std::string& base64) {
  return "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + base64 + "\r\n\r\n";
}

struct Pki {
  Pki() {
    folder.write("server.pem", server.certificate_pem);
    folder.write("server.key", server.key_pem);
    folder.write("ca.pem", ca.pem());
  }
  TemporaryFolder folder;
  CertificateAuthority ca, another_ca;
  CertifiedKey server = ca.issue_for_localhost();
  CertifiedKey client = ca.issue({.dns_names = {"prom.example"},
                                  .ip_addresses = {"10.1.2.3"},
                                  .other_names = {"email:a@b.example", "URI:spiffe://x/y"}});
  CertifiedKey stranger = another_ca.issue({.dns_names = {"prom.example"}});
};

const std::string kServerPart =
    "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

TEST_CASE("TLS is served with the file's certificate, and ended cleanly", "[http][tls]") {
  Pki pki;
  TestServer server({}, config_of(pki.folder, kServerPart));
  TlsClient client(server.address(), {&pki.ca});
  REQUIRE(client.connected());
  CHECK(client.version() == "TLSv1.3");
  CHECK(client.get("/hello").ends_with("\r\n\r\nhello\n"));
  CHECK(client.clean_end());

  RawClient plain(server.address());
  const Answer a = plain.get("/hello");
  CHECK(a.status == 400);
  CHECK(a.body == "this server speaks HTTPS here, the request was HTTP\n");
  CHECK(eventually([&] { return server->stats().tls_failures == 1; }));
}

TEST_CASE("a large body goes through TLS unchanged", "[http][tls]") {
  Pki pki;
  Router router;
  std::string text(3'000'000, 'x');
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>('a' + i % 26);
  const Response page = Response::text(200, text);
  router.add("GET", "/page", Immediate{[page](const Request&) { return page; }});
  TestServer server({}, config_of(pki.folder, kServerPart), {"127.0.0.1:0"}, router);
  TlsClient client(server.address(), {&pki.ca});
  const std::string got = client.get("/page");
  CHECK(got.substr(got.find("\r\n\r\n") + 4) == text);
}

TEST_CASE("client certificates are asked for as client_auth_type says", "[http][tls]") {
  Pki pki;
  struct Case {
    const char* name;
    std::string settings;
    bool none, client, stranger;  // who is let in
  };
  const std::string ca = "  client_ca_file: ca.pem\n";
  const Case cases[] = {
      {"NoClientCert", "  client_auth_type: NoClientCert\n", true, true, true},
      {"RequestClientCert", "  client_auth_type: RequestClientCert\n" + ca, true, true, true},
      {"RequireAnyClientCert", "  client_auth_type: RequireAnyClientCert\n" + ca, false, true,
       true},
      {"VerifyClientCertIfGiven", "  client_auth_type: VerifyClientCertIfGiven\n" + ca, true, true,
       false},
      {"RequireAndVerifyClientCert", "  client_auth_type: RequireAndVerifyClientCert\n" + ca, false,
       true, false},
      {"allowed DNS",
       "  client_auth_type: RequireAndVerifyClientCert\n" + ca +
           "  client_allowed_sans: [prom.example]\n",
       false, true, false},
      {"allowed IP",
       "  client_auth_type: RequireAndVerifyClientCert\n" + ca +
           "  client_allowed_sans: [other, 10.1.2.3]\n",
       false, true, false},
      {"allowed e-mail",
       "  client_auth_type: RequireAndVerifyClientCert\n" + ca +
           "  client_allowed_sans: [a@b.example]\n",
       false, true, false},
      {"allowed URI",
       "  client_auth_type: RequireAndVerifyClientCert\n" + ca +
           "  client_allowed_sans: ['spiffe://x/y']\n",
       false, true, false},
      {"another name",
       "  client_auth_type: RequireAndVerifyClientCert\n" + ca +
           "  client_allowed_sans: [prom.exampl]\n",
       false, false, false},
      {"a name that a stranger can claim",
       "  client_auth_type: RequireAnyClientCert\n" + ca +
           "  client_allowed_sans: [prom.example]\n",
       false, true, true},
  };
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) {
      TestServer server({}, config_of(pki.folder, kServerPart + c.settings));
      for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const auto let_in = [&](const CertifiedKey* identity) {
          TlsClient client(server.address(), {&pki.ca, identity, version});
          return client.get("/hello").ends_with("hello\n");
        };
        CHECK(let_in(nullptr) == c.none);
        CHECK(let_in(&pki.client) == c.client);
        CHECK(let_in(&pki.stranger) == c.stranger);
      }
    }
  }
}

TEST_CASE("versions and suites of TLS are those of the file", "[http][tls]") {
  Pki pki;
  {
    TestServer server({}, config_of(pki.folder, kServerPart + "  min_version: TLS13\n"));
    CHECK_FALSE(TlsClient(server.address(), {&pki.ca, nullptr, TLS1_2_VERSION}).connected());
    CHECK(TlsClient(server.address(), {&pki.ca}).connected());
  }
  TestServer server(
      {}, config_of(pki.folder, kServerPart + "  max_version: TLS12\n"
                                              "  cipher_suites: "
                                              "[TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\n"
                                              "  curve_preferences: [CurveP384]\n"));
  TlsClient client(server.address(), {&pki.ca});
  CHECK(client.version() == "TLSv1.2");
  CHECK(client.cipher() == "ECDHE-ECDSA-CHACHA20-POLY1305");
}

TEST_CASE("a new web configuration holds for the next request", "[http][tls]") {
  Pki pki;
  TestServer server;
  RawClient idle(server.address());
  REQUIRE(idle.get("/hello").status == 200);
  server->set_web_config(config_of(pki.folder, kServerPart));
  CHECK(idle.at_end());  // a plain connection does not outlive the plain configuration
  CHECK(TlsClient(server.address(), {&pki.ca}).get("/hello").ends_with("hello\n"));

  const CertifiedKey rotated = pki.another_ca.issue_for_localhost();
  pki.folder.write("server.pem", rotated.certificate_pem);
  pki.folder.write("server.key", rotated.key_pem);
  server->set_web_config(config_of(pki.folder, kServerPart));
  CHECK_FALSE(TlsClient(server.address(), {&pki.ca}).connected());
  CHECK(TlsClient(server.address(), {&pki.another_ca}).connected());

  server->set_web_config(nullptr);
  CHECK(RawClient(server.address()).get("/hello").status == 200);
}

TEST_CASE("a connection that was writing when the TLS settings changed ends after that",
          "[http][tls]") {
  Pki pki;
  Router router = test_routes();
  const Response page = Response::text(200, std::string(16 << 20, 'x'));  // more than sockets hold
  router.add("GET", "/page", Immediate{[page](const Request&) { return page; }});
  TestServer server({.write = std::chrono::minutes(5)}, nullptr, {"127.0.0.1:0"}, router);
  RawClient reader(server.address());
  reader.send("GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(eventually([&] { return server->stats().requests == 1; }));
  server->set_web_config(config_of(pki.folder, kServerPart));
  // Its answer comes after the server has looked for idle connections.
  CHECK(TlsClient(server.address(), {&pki.ca}).get("/hello").ends_with("hello\n"));
  CHECK(reader.read().body.size() == 16 << 20);
  CHECK(reader.at_end());
}

TEST_CASE("basic auth protects every path and lets the right password in", "[http][auth]") {
  TemporaryFolder folder;
  TestServer server({}, config_of(folder, "basic_auth_users:\n  alice: " + kHashOfSecret + "\n"));
  struct Case {
    const char* name;
    std::string request;
    int status;
  };
  const Case cases[] = {
      {"right", basic("YWxpY2U6c2VjcmV0"), 200},
      {"right again, from memory", basic("YWxpY2U6c2VjcmV0"), 200},
      {"scheme in another case",
       "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: bAsIc YWxpY2U6c2VjcmV0\r\n\r\n", 200},
      {"wrong password", basic("YWxpY2U6U2VjcmV0"), 401},
      {"password with more behind a NUL", basic("YWxpY2U6c2VjcmV0AHg="), 401},
      {"unknown user", basic("Ym9iOnNlY3JldA=="), 401},
      {"empty", basic(""), 401},
      {"not base64", basic("%%%%"), 401},
      {"no colon", basic("YWxpY2U="), 401},
      {"bearer", "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer YWxpY2U6c2VjcmV0\r\n\r\n",
       401},
      {"none", "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 401},
      {"unknown path", "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 401},
      {"health", "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", 401},
      {"two headers",
       "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\n"
       "Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n",
       401},
  };
  RawClient client(server.address());
  for (const Case& c : cases) {
    INFO(c.name);
    const Answer a = client.ask(c.request);
    CHECK(a.status == c.status);
    if (c.status == 401) {
      CHECK(a.header("WWW-Authenticate") == "Basic realm=\"keelwatch\", charset=\"UTF-8\"");
      CHECK(a.body == "Unauthorized\n");
    }
  }
  CHECK(server->stats().unauthorized == 11);

  SECTION("a password that was right is wrong once the hash has changed") {
    // htpasswd -nbBC 4 "" other
    server->set_web_config(
        config_of(folder,
                  "basic_auth_users:\n  alice: "
                  "$2y$04$z3nSXDOM2OYfZ0C3g8ZW7OH1kAWWqzZC5lGRJ8ofmy.d03C5GP7ly\n"));
    CHECK(client.ask(basic("YWxpY2U6c2VjcmV0")).status == 401);
  }
}

TEST_CASE("an unknown user costs as much bcrypt as a known one", "[http][auth]") {
  Users users;
  users.emplace("a", Secret(kHashOfSecret));
  users.emplace("b", Secret("$2b$07" + kHashOfSecret.substr(6)));
  const std::string fake = hash_to_compare(users, "nobody");
  CHECK(bcrypt_cost(fake) == 7);
  CHECK_FALSE(bcrypt_matches("", fake));
  CHECK_FALSE(bcrypt_matches("secret", fake));
  CHECK(hash_to_compare(users, "a") == kHashOfSecret);
}

TEST_CASE("remembered credentials are bounded, the oldest goes first", "[http][auth]") {
  VerifiedCredentials verified;
  const auto nth = [](std::size_t i) { return Credentials{"u", Secret(std::to_string(i))}; };
  for (std::size_t i = 0; i <= VerifiedCredentials::kMaxRemembered; ++i) {
    verified.remember(nth(i), "h");
  }
  CHECK_FALSE(verified.contains(nth(0), "h"));
  CHECK(verified.contains(nth(1), "h"));
  CHECK_FALSE(verified.contains(nth(1), "i"));
  CHECK_FALSE(verified.contains({"u1", Secret("")}, "h"));
}

TEST_CASE("the rate limit refuses what is beyond the burst", "[http]") {
  TemporaryFolder folder;
  TestServer server({}, config_of(folder, "rate_limit:\n  interval: 1h\n  burst: 2\n"));
  RawClient client(server.address());
  CHECK(client.get("/hello").status == 200);
  CHECK(client.get("/hello").status == 200);
  CHECK(client.get("/hello").status == 429);
}

TEST_CASE("configured headers replace ours on every answer", "[http]") {
  TemporaryFolder folder;
  TestServer server({}, config_of(folder,
                                  "http_server_config:\n  headers:\n"
                                  "    X-Frame-Options: sameorigin\n"
                                  "    X-Content-Type-Options: nosniff\n"
                                  "    Strict-Transport-Security: max-age=1\n"));
  RawClient client(server.address());
  const Answer a = client.get("/nowhere");
  CHECK(a.header("X-Frame-Options") == "sameorigin");
  CHECK(a.header("Strict-Transport-Security") == "max-age=1");
  CHECK(a.head.find("nosniff") == a.head.rfind("nosniff"));
}

}  // namespace
}  // namespace keelwatch::http
