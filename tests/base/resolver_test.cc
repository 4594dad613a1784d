#include "base/resolver.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <optional>
#include <sstream>

#include "tests/support/certificates.h"
#include "tests/support/dns_server.h"

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace keelwatch {
namespace {

using testing::DnsAnswer;
using testing::DnsServer;
using Addresses = std::vector<IpAddress>;

DnsAnswer a(std::vector<std::string> addresses, int ttl = 0) {
  DnsAnswer answer;
  answer.a = std::move(addresses);
  answer.ttl_seconds = ttl;
  return answer;
}

DnsAnswer of_kind(DnsAnswer::Kind kind) {
  DnsAnswer answer;
  answer.kind = kind;
  return answer;
}

Result<Addresses> ask(EventLoop& loop, Resolver& resolver, const std::string& name,
                      Duration limit = 20s) {
  return loop.block_on(resolver.resolve(name, loop.after(limit)));
}

Task<> ask_into(EventLoop& loop, Resolver& resolver, std::string name, Duration limit,
                std::optional<Result<Addresses>>& out) {
  out.emplace(co_await resolver.resolve(std::move(name), loop.after(limit)));
}

Task<> pass_time(EventLoop& loop, Duration d) { co_await loop.sleep_for(d); }

struct TempFile {
  std::string path = "/tmp/keelwatch-resolv-" + std::to_string(getpid());
  explicit TempFile(const std::string& text) { testing::write_file(path, text); }
  ~TempFile() { unlink(path.c_str()); }
};

}  // namespace

TEST_CASE("numeric addresses and localhost are answered without any server", "[resolver]") {
  EventLoop loop;
  Resolver resolver(loop, {"127.0.0.1:1"});
  const Addresses loopback = {{"127.0.0.1", false}, {"::1", true}};
  const std::pair<const char*, Addresses> cases[] = {
      {"10.0.0.1", {{"10.0.0.1", false}}},
      {"fd7a::1", {{"fd7a::1", true}}},
      {"[fd7a::1]", {{"fd7a::1", true}}},
      {"fe80::1%eth0", {{"fe80::1%eth0", true}}},
      {"localhost", loopback},
      {"LocalHost.", loopback},
      {"db.localhost", loopback},
  };
  for (const auto& [name, addresses] : cases) {
    INFO(name);
    const auto got = ask(loop, resolver, name);
    REQUIRE(got);
    CHECK(*got == addresses);
  }
}

TEST_CASE("A and AAAA records both arrive", "[resolver]") {
  DnsAnswer both = a({"127.0.0.2", "127.0.0.3"});
  both.aaaa = {"::1"};
  const DnsServer server({{"both.example", both}});
  EventLoop loop;
  Resolver resolver(loop, {server.address()});
  auto got = ask(loop, resolver, "Both.Example");
  REQUIRE(got);
  std::vector<std::string> texts;
  for (const IpAddress& address : *got) texts.push_back(address.text);
  std::sort(texts.begin(), texts.end());
  CHECK(texts == std::vector<std::string>{"127.0.0.2", "127.0.0.3", "::1"});
}

TEST_CASE("what the server refuses is told apart", "[resolver]") {
  const DnsServer server({
      {"empty.example", a({})},
      {"failing.example", of_kind(DnsAnswer::Kind::kServerFailure)},
      {"refused.example", of_kind(DnsAnswer::Kind::kRefused)},
  });
  EventLoop loop;
  Resolver resolver(loop, {server.address()});
  const std::string refused =
      "DNS server " + server.address() + " refused or failed, or cannot be reached";
  const std::pair<const char*, Error> cases[] = {
      {"absent.example", {ErrorCode::kNotFound, "resolve absent.example: no such host"}},
      {"empty.example", {ErrorCode::kNotFound, "resolve empty.example: the name has no address"}},
      {"failing.example", {ErrorCode::kUnavailable, "resolve failing.example: " + refused}},
      {"refused.example", {ErrorCode::kUnavailable, "resolve refused.example: " + refused}},
      {"", {ErrorCode::kInvalid, "resolve: no host name"}},
  };
  for (const auto& [name, error] : cases) {
    INFO(name);
    const auto got = ask(loop, resolver, name);
    REQUIRE_FALSE(got);
    CHECK(got.error() == error);
  }
}

TEST_CASE("names that are none do not reach a server", "[resolver]") {
  const DnsServer server({{"*", a({"127.0.0.1"})}});
  EventLoop loop;
  Resolver resolver(loop, {server.address()});
  for (const std::string& name : {std::string("a..b"), std::string(300, 'x')}) {
    INFO(name);
    CHECK_FALSE(ask(loop, resolver, name));
  }
  CHECK(server.questions().empty());
}

TEST_CASE("a port without a server costs no more than the deadline", "[resolver]") {
  std::string closed;
  {
    const DnsServer gone({});
    closed = gone.address();
  }
  EventLoop loop;
  Resolver resolver(loop, {closed});
  const SteadyTime start = loop.now();
  const auto got = ask(loop, resolver, "a.example", 100ms);
  CHECK(loop.now() - start < 5s);
  REQUIRE_FALSE(got);
  CHECK_THAT(got.error().message(), Contains("DNS server " + closed));
}

TEST_CASE("callers of one name share a query, and its answer for its TTL", "[resolver]") {
  const DnsServer server(
      {{"kept.example", a({"127.0.0.2"}, 60)}, {"brief.example", a({"127.0.0.3"})}});
  EventLoop loop;
  Resolver resolver(loop, {server.address()});
  for (const auto& [name, questions] : {std::pair("kept.example", 2U), {"brief.example", 4U}}) {
    INFO(name);
    const std::size_t before = server.questions().size();
    TaskScope scope;
    std::optional<Result<Addresses>> first;
    scope.spawn(ask_into(loop, resolver, name, 20s, first));
    CHECK(ask(loop, resolver, name).has_value());
    CHECK(ask(loop, resolver, name).has_value());
    REQUIRE(first);
    CHECK(first->has_value());
    CHECK(server.questions().size() - before == questions);  // A and AAAA each
  }
}

TEST_CASE("a silent server costs exactly the deadline, and a repeated query finds it again",
          "[resolver]") {
  DnsServer server({{"late.example", of_kind(DnsAnswer::Kind::kSilence)}});
  EventLoop loop;
  Resolver resolver(loop, {server.address()});
  const SteadyTime start = loop.now();
  const auto silent = ask(loop, resolver, "late.example", 100ms);
  REQUIRE_FALSE(silent);
  CHECK(silent.error() ==
        Error(ErrorCode::kTimeout,
              "resolve late.example: no answer from DNS server " + server.address()));
  CHECK(loop.now() - start >= 100ms);
  CHECK(loop.now() - start < 5s);
  // The lost query is still running; who asks now joins it and gets the answer of its repetition.
  server.set("late.example", a({"127.0.0.4"}));
  const auto found = ask(loop, resolver, "late.example");
  REQUIRE(found);
  CHECK(found->front().text == "127.0.0.4");
}

TEST_CASE("a destroyed task does not wait for its answer", "[resolver]") {
  DnsServer server(
      {{"silent.example", of_kind(DnsAnswer::Kind::kSilence)}, {"*", a({"127.0.0.5"})}});
  EventLoop loop;
  Resolver resolver(loop, {server.address()});
  std::optional<Result<Addresses>> out;
  {
    TaskScope scope;
    scope.spawn(ask_into(loop, resolver, "silent.example", 20s, out));
    scope.spawn(ask_into(loop, resolver, "answered.example", 20s, out));
  }
  CHECK(ask(loop, resolver, "other.example").has_value());  // the loop takes the dropped answer too
  CHECK_FALSE(out);
}

TEST_CASE("destroying the resolver cancels who waits for it", "[resolver]") {
  const DnsServer server({{"*", of_kind(DnsAnswer::Kind::kSilence)}});
  EventLoop loop;
  std::optional<Resolver> resolver(std::in_place, loop, std::vector{server.address()});
  std::optional<Result<Addresses>> out;
  TaskScope scope;
  scope.spawn(ask_into(loop, *resolver, "a.example", 20s, out));
  resolver.reset();
  while (!out) loop.block_on(pass_time(loop, 1ms));
  REQUIRE_FALSE(*out);
  CHECK(out->error().code() == ErrorCode::kCancelled);
}

TEST_CASE("a pod's resolv.conf: search domains and ndots", "[resolver]") {
  const TempFile conf(
      "search shop.svc.cluster.local svc.cluster.local cluster.local\n"
      "nameserver 127.0.0.1\noptions ndots:5\n");
  const DnsServer server({{"minio.storage.svc.cluster.local", a({"127.0.0.6"})},
                          {"api.example.org", a({"127.0.0.7"})}});
  EventLoop loop;
  Resolver resolver(loop, {server.address()}, conf.path);
  const auto service = ask(loop, resolver, "minio.storage");
  REQUIRE(service);
  CHECK(service->front().text == "127.0.0.6");
  CHECK(server.questions().front() == "minio.storage.shop.svc.cluster.local A");
  const auto outside = ask(loop, resolver, "api.example.org");
  REQUIRE(outside);
  CHECK(outside->front().text == "127.0.0.7");
  const std::size_t before = server.questions().size();
  CHECK(ask(loop, resolver, "api.example.org.").has_value());
  CHECK(server.questions().size() - before == 2);  // absolute: no search
}

TEST_CASE("a changed resolv.conf counts from the next question on", "[resolver]") {
  const TempFile conf("search one.example\n");
  const DnsServer server(
      {{"db.one.example", a({"127.0.0.8"}, 60)}, {"db.two.example", a({"127.0.0.9"})}});
  EventLoop loop;
  Resolver resolver(loop, {server.address()}, conf.path);
  CHECK(ask(loop, resolver, "db")->front().text == "127.0.0.8");
  testing::write_file(conf.path, "search two.example # longer\n");
  CHECK(ask(loop, resolver, "db")->front().text == "127.0.0.9");
}

TEST_CASE("the hosts file is honoured", "[resolver]") {
  // Every machine names itself or loopback there; which names it has is not ours to choose.
  std::ifstream hosts("/etc/hosts");
  EventLoop loop;
  Resolver resolver(loop);
  std::string line;
  int checked = 0;
  while (std::getline(hosts, line)) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string address;
    std::string name;
    words >> address >> name;
    if (!parse_ip_address(address) || name.empty() || name.ends_with("localhost")) continue;
    INFO(name);
    const auto got = ask(loop, resolver, name);
    REQUIRE(got);
    CHECK(std::any_of(got->begin(), got->end(), [&](const auto& x) { return x.text == address; }));
    ++checked;
  }
  if (checked == 0) WARN("/etc/hosts names nothing but localhost: not checked");
}

}  // namespace keelwatch
