// Ways to a server other than straight: unix sockets, proxies; and requests signed for S3.
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

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
using testing::http_response;
using testing::NetFixture;
using testing::ScriptedConnection;
using testing::ScriptedRequest;
using testing::ScriptedServer;
using testing::ScriptedServerOptions;

bool accepts(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool ok = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return ok;
}

// Debian's microsocks on a free port of 127.0.0.1, until destroyed.
class SocksProxy {
 public:
  SocksProxy() : port_(testing::unused_port()) {
    std::string port = std::to_string(port_);
    std::string words[] = {"microsocks", "-i", "127.0.0.1", "-p", port};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawnp(&pid_, "microsocks", &quiet, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&quiet);
    REQUIRE(failed == 0);
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (!accepts(port_) && std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(5ms);
    }
  }
  ~SocksProxy() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  SocksProxy(const SocksProxy&) = delete;
  SocksProxy& operator=(const SocksProxy&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int port_;
  pid_t pid_ = -1;
};

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return out;
}

std::string sha256(std::string_view text) {
  unsigned char digest[32];
  EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest), sizeof digest};
}

std::string hmac(const std::string& key, const std::string& text) {
  unsigned char digest[32];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

std::string between(const std::string& text, const std::string& from, char to) {
  const auto begin = text.find(from);
  if (begin == std::string::npos) return {};
  const auto start = begin + from.size();
  return text.substr(start, text.find(to, start) - start);
}

// The signature that a server computes from the request alone ("Signature Version 4 signing
// process", AWS General Reference).
std::string expected_signature(const ScriptedRequest& r, const std::string& secret) {
  const std::string authorization = r.header("authorization");
  const std::string scope = between(authorization, "Credential=", ',');
  const std::string signed_names = between(authorization, "SignedHeaders=", ',');
  const auto question = r.target.find('?');
  const std::string query = question == std::string::npos ? "" : r.target.substr(question + 1);
  std::string canonical = r.method + "\n" + r.target.substr(0, question) + "\n" + query + "\n";
  for (std::size_t at = 0; at < signed_names.size();) {
    const auto end = std::min(signed_names.find(';', at), signed_names.size());
    const std::string name = signed_names.substr(at, end - at);
    canonical += name + ":" + r.header(name) + "\n";
    at = end + 1;
  }
  canonical += "\n" + signed_names + "\n" + hex(sha256(r.body));
  std::vector<std::string> parts;  // access key, date, region, service, "aws4_request"
  for (std::size_t at = 0; at <= scope.size();) {
    const auto end = std::min(scope.find('/', at), scope.size());
    parts.push_back(scope.substr(at, end - at));
    at = end + 1;
  }
  std::string key = "AWS4" + secret;
  for (std::size_t i = 1; i < parts.size(); ++i) key = hmac(key, parts[i]);
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + r.header("x-amz-date") + "\n" +
                              scope.substr(scope.find('/') + 1) + "\n" + hex(sha256(canonical));
  return hex(hmac(key, to_sign));
}

}  // namespace

TEST_CASE("a unix socket is reached without any name", "[http][route]") {
  ScriptedServerOptions options;
  options.unix_socket = "/tmp/keelwatch-http-" + std::to_string(getpid());
  const ScriptedServer server(
      answer_each([](const ScriptedRequest& r) { return http_response(200, r.header("host")); }),
      options);
  NetFixture net({"127.0.0.1:1"});
  HttpRequest request = net.request("http://local-tailscaled.sock/x");
  request.unix_socket = options.unix_socket;
  const auto response = net.fetch(request);
  REQUIRE(response);
  CHECK(response->body == "local-tailscaled.sock");
  request.unix_socket += "-absent";
  const auto absent = net.fetch(request);
  REQUIRE_FALSE(absent);
  CHECK(absent.error() == Error(ErrorCode::kUnavailable, "connect to " + request.unix_socket +
                                                             ": No such file or directory"));
}

TEST_CASE("an http proxy gets the whole URL and resolves its host itself", "[http][route]") {
  const ScriptedServer proxy(answer_each([](const ScriptedRequest& r) {
    return http_response(200, r.target + " " + r.header("proxy-authorization"));
  }));
  const testing::DnsServer dns(
      {{"proxy.example", {testing::DnsAnswer::Kind::kAddresses, {"127.0.0.1"}, {}, 0}}});
  NetFixture net({dns.address()});
  HttpRequest request = net.request("http://only.the.proxy.knows/x");
  request.proxy_url = "http://u:p@proxy.example:" + std::to_string(proxy.port());
  const auto response = net.fetch(request);
  REQUIRE(response);
  CHECK(response->body == "http://only.the.proxy.knows/x Basic dTpw");
  CHECK(dns.questions() == std::vector<std::string>{"proxy.example A", "proxy.example AAAA"});
}

TEST_CASE("https goes through a proxy's tunnel, with SNI and verification end to end",
          "[http][route]") {
  const testing::CertificateAuthority ca;
  testing::CertificateOptions names;
  names.dns_names = {"kubernetes"};
  ScriptedServerOptions options;
  options.tls = ca.issue(names);
  options.tls_later = true;
  const ScriptedServer proxy(
      [](ScriptedConnection& connection) {
        const auto tunnel = connection.read_request();
        if (!tunnel) return;
        connection.send("HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n");
        if (!connection.start_tls()) return;
        while (const auto r = connection.read_request()) {
          connection.send(http_response(200, tunnel->method + " " + tunnel->target + " " +
                                                 tunnel->header("authorization") + "|" +
                                                 r->tls_server_name + " " + r->header("host")));
        }
      },
      options);
  NetFixture net({"127.0.0.1:1"});
  HttpRequest request = net.request("https://api.inside:6443/x");
  request.proxy_url = "http://127.0.0.1:" + std::to_string(proxy.port());
  request.bearer_token = Secret("s3cret");
  request.tls.ca_pem = ca.pem();
  request.tls.server_name = "kubernetes";
  const auto response = net.fetch(request);
  if (!response) FAIL(response.error().message());
  // The token is for the server, not for the proxy.
  CHECK(response->body == "CONNECT api.inside:6443 |kubernetes api.inside:6443");
  CHECK(response->header("x-proxy").empty());
  request.tls.server_name = "other";
  const auto refused = net.fetch(request);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message(), Contains("TLS with api.inside:6443"));
}

TEST_CASE("a proxy that refuses or is not there is named", "[http][route]") {
  const ScriptedServer proxy(
      answer_each([](const ScriptedRequest&) { return http_response(403, ""); }));
  NetFixture net;
  HttpRequest request = net.request("https://api.inside/x");
  request.proxy_url = "http://127.0.0.1:" + std::to_string(proxy.port());
  const auto refused = net.fetch(request);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kUnavailable);
  CHECK_THAT(refused.error().message(), Contains("proxy") && Contains("403"));
  const std::string absent = "127.0.0.1:" + std::to_string(testing::unused_port());
  request.proxy_url = "http://u:s3cret@" + absent;
  const auto gone = net.fetch(request);
  REQUIRE_FALSE(gone);
  CHECK(gone.error() ==
        Error(ErrorCode::kUnavailable, "connect to proxy " + absent + ": Connection refused"));
}

TEST_CASE("a SOCKS5 proxy carries plain and TLS requests", "[http][route]") {
  const SocksProxy socks;
  const testing::CertificateAuthority ca;
  const auto echo =
      answer_each([](const ScriptedRequest& r) { return http_response(200, r.header("host")); });
  ScriptedServerOptions options;
  options.tls = ca.issue_for_localhost();
  const ScriptedServer plain(echo);
  const ScriptedServer tls(echo, options);
  NetFixture net({"127.0.0.1:1"});
  for (const std::string scheme : {"socks5h://", "socks5://"}) {
    for (const std::string& url : {plain.url(), tls.url()}) {
      INFO(scheme << " " << url);
      HttpRequest request = net.request(url);
      request.proxy_url = scheme + socks.address();
      request.tls.ca_pem = ca.pem();
      const auto response = net.fetch(request);
      if (!response) FAIL(response.error().message());
      CHECK(url.ends_with(response->body + "/"));
    }
  }
  HttpRequest refused = net.request("http://127.0.0.1:" + std::to_string(testing::unused_port()));
  refused.proxy_url = "socks5h://" + socks.address();
  const auto response = net.fetch(refused);
  REQUIRE_FALSE(response);
  CHECK(response.error().code() == ErrorCode::kUnavailable);
  CHECK_THAT(response.error().message(), Contains("connect to proxy " + socks.address()));
}

TEST_CASE("the environment's proxy does not count", "[http][route]") {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("all_proxy", "http://127.0.0.1:1", 1);
  const ScriptedServer server(
      answer_each([](const ScriptedRequest&) { return http_response(200, ""); }));
  NetFixture net;
  CHECK(net.get(server.url()).has_value());
  unsetenv("http_proxy");
  unsetenv("all_proxy");
}

TEST_CASE("a signed request passes an independent check of its signature", "[http][route]") {
  const std::string secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  std::string given;
  std::string expected;
  std::string authorization;
  const ScriptedServer server(answer_each([&](const ScriptedRequest& r) {
    authorization = r.header("authorization");
    given = between(authorization, "Signature=", '\n');
    expected = expected_signature(r, secret);
    return http_response(200, "");
  }));
  struct Case {
    const char* name;
    const char* method;
    std::string path;
    std::string session_token;
  };
  const Case cases[] = {
      {"list", "GET", "/bucket?list-type=2&prefix=" + percent_encode("cluster/wals/"), ""},
      {"bare key", "GET", "/bucket?versioning=", ""},
      {"head with an odd key", "HEAD", "/bucket/" + percent_encode("a b+c=~") + "/x", ""},
      {"session token", "GET", "/bucket/key", "token/with+chars=="},
  };
  NetFixture net;
  for (const Case& c : cases) {
    INFO(c.name);
    HttpRequest request = net.request(server.url(c.path));
    request.method = c.method;
    request.headers = {{"x-amz-content-sha256", hex(sha256(""))}};
    request.sigv4 = SigV4{"AKIAEXAMPLE", Secret(secret), c.session_token, "eu-central-1", "s3"};
    REQUIRE(net.fetch(request));
    CHECK_THAT(authorization, Contains("/eu-central-1/s3/aws4_request") &&
                                  Contains("x-amz-content-sha256") && Contains("host"));
    if (!c.session_token.empty()) CHECK_THAT(authorization, Contains("x-amz-security-token"));
    CHECK(given == expected);
  }
}

}  // namespace keelwatch
