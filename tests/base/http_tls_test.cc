#include <catch2/catch.hpp>

#include "base/http_client.h"
#include "tests/support/certificates.h"
#include "tests/support/dns_server.h"
#include "tests/support/net_fixture.h"
#include "tests/support/scripted_server.h"

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace keelwatch {
namespace {

using testing::answer_each;
using testing::CertificateAuthority;
using testing::CertificateOptions;
using testing::CertifiedKey;
using testing::http_response;
using testing::NetFixture;
using testing::ScriptedConnection;
using testing::ScriptedRequest;
using testing::ScriptedServer;
using testing::ScriptedServerOptions;

// Answers with what the client asked for: SNI, Host.
testing::ScriptedHandler echo_names() {
  return answer_each([](const ScriptedRequest& r) {
    return http_response(200, r.tls_server_name + " " + r.header("host"));
  });
}

ScriptedServerOptions with(CertifiedKey certificate) {
  ScriptedServerOptions options;
  options.tls = std::move(certificate);
  return options;
}

CertifiedKey expired(const CertificateAuthority& ca) {
  CertificateOptions options;
  options.ip_addresses = {"127.0.0.1"};
  options.not_before = -2h;
  options.not_after = -1h;
  return ca.issue(options);
}

CertifiedKey named(const CertificateAuthority& ca, std::string dns_name) {
  CertificateOptions options;
  options.dns_names = {std::move(dns_name)};
  return ca.issue(options);
}

}  // namespace

TEST_CASE("a server of the given authority is trusted, by address and by name", "[http][tls]") {
  const CertificateAuthority ca;
  const ScriptedServer server(echo_names(), with(ca.issue_for_localhost()));
  NetFixture net;
  HttpRequest request = net.request(server.url());
  request.tls.ca_pem = ca.pem();
  const auto by_address = net.fetch(request);
  REQUIRE(by_address);
  CHECK(by_address->status == 200);
  request.url = "https://localhost:" + std::to_string(server.port()) + "/";
  const auto by_name = net.fetch(request);
  REQUIRE(by_name);
  CHECK(by_name->body == "localhost localhost:" + std::to_string(server.port()));
}

TEST_CASE("one of several authorities in the PEM is enough", "[http][tls]") {
  const CertificateAuthority first("first");
  const CertificateAuthority second("second");
  const ScriptedServer server(echo_names(), with(second.issue_for_localhost()));
  NetFixture net;
  HttpRequest request = net.request(server.url());
  request.tls.ca_pem = first.pem() + second.pem();
  CHECK(net.fetch(request).has_value());
}

TEST_CASE("a certificate that proves nothing is refused with the reason", "[http][tls]") {
  const CertificateAuthority ca;
  const CertificateAuthority other("another authority");
  struct Case {
    const char* name;
    CertifiedKey certificate;
    std::string ca_pem;
    const char* text;
  };
  const Case cases[] = {
      {"unknown authority", other.issue_for_localhost(), ca.pem(),
       "unable to get local issuer certificate"},
      {"not of the system's trust store", ca.issue_for_localhost(), "",
       "unable to get local issuer certificate"},
      {"expired", expired(ca), ca.pem(), "certificate has expired"},
      {"another name", named(ca, "db.example"), ca.pem(),
       "no alternative certificate subject name matches"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const ScriptedServer server(echo_names(), with(c.certificate));
    NetFixture net;
    HttpRequest request = net.request(server.url());
    request.tls.ca_pem = c.ca_pem;
    const auto refused = net.fetch(request);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::kUnavailable);
    CHECK_THAT(refused.error().message(),
               Contains("TLS with 127.0.0.1:" + std::to_string(server.port())) && Contains(c.text));
    request.tls.skip_verify = true;
    CHECK(net.fetch(request).has_value());
    // The connection that skipped verification must not serve the request that wants it.
    request.tls.skip_verify = false;
    CHECK_FALSE(net.fetch(request).has_value());
  }
}

TEST_CASE("a server name replaces the URL's host in SNI and verification only", "[http][tls]") {
  const CertificateAuthority ca;
  const ScriptedServer server(echo_names(), with(named(ca, "kubernetes.default")));
  const testing::DnsServer dns(
      {{"api.example", {testing::DnsAnswer::Kind::kAddresses, {"127.0.0.1"}, {}, 0}}});
  NetFixture net({dns.address()});
  const std::string port = std::to_string(server.port());
  for (const std::string host : {"127.0.0.1", "api.example"}) {
    INFO(host);
    HttpRequest request = net.request("https://" + host + ":" + port + "/x");
    request.tls.ca_pem = ca.pem();
    request.tls.server_name = "kubernetes.default";
    const auto response = net.fetch(request);
    REQUIRE(response);
    CHECK(response->body == "kubernetes.default " + host + ":" + port);
    request.tls.server_name = "other.example";
    const auto refused = net.fetch(request);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message(),
               Contains("TLS with " + host + ":" + port) && Contains("other.example"));
  }
}

TEST_CASE("a client certificate is shown to who demands it", "[http][tls]") {
  const CertificateAuthority ca;
  const CertificateAuthority other("another authority");
  ScriptedServerOptions options = with(ca.issue_for_localhost());
  options.client_ca_pem = ca.pem();
  const ScriptedServer server(echo_names(), options);
  NetFixture net;
  HttpRequest request = net.request(server.url());
  request.tls.ca_pem = ca.pem();

  const auto without = net.fetch(request);
  REQUIRE_FALSE(without);
  CHECK(without.error().code() == ErrorCode::kUnavailable);
  CHECK_THAT(without.error().message(), Contains("TLS with ") && Contains("certificate required"));

  HttpRequest right = request;
  const CertifiedKey client = ca.issue({});
  right.tls.certificate_pem = client.certificate_pem;
  right.tls.key_pem = Secret(client.key_pem);
  CHECK(net.fetch(right).has_value());
  CHECK(net.fetch(right).has_value());

  HttpRequest wrong = request;
  const CertifiedKey stranger = other.issue({});
  wrong.tls.certificate_pem = stranger.certificate_pem;
  wrong.tls.key_pem = Secret(stranger.key_pem);
  CHECK_FALSE(net.fetch(wrong).has_value());
  // A kept connection belongs to its certificate: nobody else may ride on it.
  CHECK(net.fetch(right).has_value());
  CHECK_FALSE(net.fetch(request).has_value());
  CHECK_FALSE(net.fetch(wrong).has_value());
}

TEST_CASE("a kept connection is not reused under another authority", "[http][tls]") {
  const CertificateAuthority ca;
  const CertificateAuthority other("another authority");
  const ScriptedServer server(echo_names(), with(ca.issue_for_localhost()));
  NetFixture net;
  HttpRequest request = net.request(server.url());
  request.tls.ca_pem = ca.pem();
  REQUIRE(net.fetch(request));
  REQUIRE(net.fetch(request));
  CHECK(server.connections() == 1);
  request.tls.ca_pem = other.pem();
  CHECK_FALSE(net.fetch(request).has_value());
}

TEST_CASE("PEM that is none is invalid", "[http][tls]") {
  const CertificateAuthority ca;
  const CertifiedKey client = ca.issue({});
  const CertifiedKey another = ca.issue({});
  const ScriptedServer server(echo_names(), with(ca.issue_for_localhost()));
  struct Case {
    const char* name;
    TlsOptions tls;
  };
  const Case cases[] = {
      {"authority", {"garbage", "", Secret(), "", false}},
      {"certificate", {ca.pem(), "garbage", Secret(client.key_pem), "", false}},
      {"key", {ca.pem(), client.certificate_pem, Secret("s3cret"), "", false}},
      {"no key", {ca.pem(), client.certificate_pem, Secret(), "", false}},
      {"another's key", {ca.pem(), client.certificate_pem, Secret(another.key_pem), "", false}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    NetFixture net;
    HttpRequest request = net.request(server.url());
    request.tls = c.tls;
    const auto response = net.fetch(request);
    REQUIRE_FALSE(response);
    INFO(response.error().message());
    CHECK(response.error().code() == ErrorCode::kInvalid);
    CHECK_THAT(response.error().message(), !Contains("s3cret"));
  }
}

TEST_CASE("a body cut without close_notify is no clean end", "[http][tls]") {
  const CertificateAuthority ca;
  const ScriptedServer server(
      [](ScriptedConnection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of");
        connection.reset();
      },
      with(ca.issue_for_localhost()));
  NetFixture net;
  HttpRequest request = net.request(server.url());
  request.tls.ca_pem = ca.pem();
  const auto response = net.fetch(request);
  REQUIRE_FALSE(response);
  CHECK(response.error().code() == ErrorCode::kUnavailable);
}

TEST_CASE("a handshake that hangs costs the connect timeout and is named", "[http][tls]") {
  const ScriptedServer server([](ScriptedConnection& connection) { connection.wait_closed(); });
  NetFixture net;
  HttpRequest request = net.request("https://127.0.0.1:" + std::to_string(server.port()) + "/");
  request.connect_timeout = 100ms;
  const auto response = net.fetch(request);
  REQUIRE_FALSE(response);
  INFO(response.error().message());
  CHECK(response.error() ==
        Error(ErrorCode::kTimeout, "TLS with 127.0.0.1:" + std::to_string(server.port()) +
                                       ": handshake not done in time"));
}

}  // namespace keelwatch
