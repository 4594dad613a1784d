// The section of addresses that are probed.
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "config/load.h"

using namespace std::chrono_literals;

namespace keelwatch::config {
namespace {

Loaded load_text(std::string text) { return load(SourceFile("keelwatch.yaml", std::move(text))); }

std::string problems_of(std::string text) {
  const Loaded result = load_text(std::move(text));
  CHECK(result.config.has_value() != result.problems.has_errors());
  return result.problems.text();
}

}  // namespace

TEST_CASE("addresses are read with the login that each has", "[config]") {
  const Loaded result = load_text(R"(
endpoints:
  vantage: laptop
  discover: off
  interval: 30s
  timeout: 3s
  failures: 3
  failure_interval: 25s
  canary: off
  large_result: off
  socks5: 127.0.0.1:1055
  password_file: /dev/null/password
  addresses:
    - address: pg-rw.tail1234.ts.net:5432
      role: rw
      namespace: db
      cluster: pg
      hop: tailnet
      tls_name: pg-rw
    - address: "[fd7a::1]:6432"
      name: reads
      role: ro
      user: other
      passfile: /dev/null/pgpass
      interval: 1m
      timeout: 10s
      socks5: "[::1]:1080"
    - {address: "https://minio.example.org/minio/health/live", kind: http}
)");
  INFO(result.problems.text());
  REQUIRE(result.config);
  const Endpoints& e = result.config->endpoints;
  CHECK(e.vantage == "laptop");
  CHECK_FALSE(e.discover);
  CHECK(e.interval == 30s);
  CHECK(e.timeout == 3s);
  CHECK(e.failures == 3);
  CHECK(e.failure_interval == 25s);
  CHECK_FALSE(e.canary);
  CHECK_FALSE(e.large_result);
  CHECK(e.socks5 == "127.0.0.1:1055");
  CHECK(e.login.user == "keelwatch_probe");
  REQUIRE(e.addresses.size() == 3);
  const Endpoint& rw = e.addresses[0];
  CHECK(rw.address == "pg-rw.tail1234.ts.net:5432");
  CHECK(rw.role == "rw");
  CHECK(rw.ns == "db");
  CHECK(rw.cluster == "pg");
  CHECK(rw.hop == "tailnet");
  CHECK(rw.tls_name == "pg-rw");
  CHECK(rw.login == e.login);
  CHECK_FALSE(rw.interval);
  const Endpoint& ro = e.addresses[1];
  CHECK(ro.name == "reads");
  CHECK(ro.login.user == "other");
  CHECK(ro.login.password_file.empty());  // displaced by its own passfile
  CHECK(ro.interval == 1min);
  CHECK(ro.timeout == 10s);
  CHECK(ro.socks5 == "[::1]:1080");
  CHECK(e.addresses[2].kind == "http");
}

TEST_CASE("mistakes about addresses are told where they stand", "[config]") {
  CHECK(
      problems_of(R"(endpoints:
  failure_interval: 1s
  socks5: localhost
  addresses:
    - {address: "pg.example.org", role: primary}
    - {address: "fd7a::1:5432", kind: tcp, role: rw}
    - {address: "https://h/", kind: postgres}
    - {address: "h:1", kind: http}
    - {name: x, adress: "h:1"}
    - {address: "h:1", kind: tcp, tls_name: x}
    - {address: "h:1"}
)") ==
      R"(keelwatch.yaml:2:21: warning: endpoints.failure_interval: the probe that confirms a failure is due after 1s, before a step is given up after 5s
  failure_interval: 1s
                    ^^
keelwatch.yaml:3:11: endpoints.socks5: "localhost" is not the address of a proxy
  socks5: localhost
          ^^^^^^^^^ write it like 127.0.0.1:1055
keelwatch.yaml:5:17: endpoints.addresses[0].address: "pg.example.org" has no host and port
    - {address: "pg.example.org", role: primary}
                ^^^^^^^^^^^^^^^^ write it like pg.example.org:5432, or [fd7a::1]:5432
keelwatch.yaml:5:41: endpoints.addresses[0].role: "primary" is not known here
    - {address: "pg.example.org", role: primary}
                                        ^^^^^^^ one of rw, ro, none
keelwatch.yaml:6:17: endpoints.addresses[1].address: "fd7a::1:5432" has no host and port
    - {address: "fd7a::1:5432", kind: tcp, role: rw}
                ^^^^^^^^^^^^^^ write it like pg.example.org:5432, or [fd7a::1]:5432
keelwatch.yaml:6:50: endpoints.addresses[1].role: says nothing of kind tcp
    - {address: "fd7a::1:5432", kind: tcp, role: rw}
                                                 ^^ only kind postgres tells what is found at an address
keelwatch.yaml:7:17: endpoints.addresses[2].address: "https://h/" is a web address
    - {address: "https://h/", kind: postgres}
                ^^^^^^^^^^^^ set kind: http, or write it like pg.example.org:5432
keelwatch.yaml:8:17: endpoints.addresses[3].address: "h:1" is not a web address
    - {address: "h:1", kind: http}
                ^^^^^ start it with https:// or http://
keelwatch.yaml:9:7: endpoints.addresses[4]: required key "address" is missing
    - {name: x, adress: "h:1"}
      ^
keelwatch.yaml:9:17: endpoints.addresses[4]: unknown key "adress"
    - {name: x, adress: "h:1"}
                ^^^^^^ did you mean "address"?
keelwatch.yaml:10:7: endpoints.addresses[5]: is the same as the one in line 8
    - {address: "h:1", kind: tcp, tls_name: x}
      ^
keelwatch.yaml:10:45: warning: endpoints.addresses[5].tls_name: has no effect with kind tcp
    - {address: "h:1", kind: tcp, tls_name: x}
                                            ^ kind tls checks a certificate
keelwatch.yaml:11:7: endpoints.addresses[6]: is the same as the one in line 8
    - {address: "h:1"}
      ^
)");
}

TEST_CASE("a password in an address is refused and not shown", "[config]") {
  for (const char* text :
       {"endpoints: {addresses: [{address: 'postgres://a:hunter2@h:5432/x'}]}\n",
        "endpoints: {addresses: [{address: 'a:hunter2@h:5432'}]}\n",
        "endpoints: {addresses: [{address: 'https://a:hunter2@h/', kind: http}]}\n",
        "endpoints:\n  password: hunter2\n",
        "endpoints:\n  addresses:\n    - address: h:1\n      password: hunter2\n"}) {
    INFO(text);
    const Loaded result = load_text(text);
    CHECK_FALSE(result.config);
    CHECK_THAT(result.problems.text(), !Catch::Contains("hunter2"));
  }
}

}  // namespace keelwatch::config
