// The scrape source against pages that are as they should be, too large, garbage, hung, and behind
// certificates.
#include "sources/scrape/scrape_source.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <mutex>

#include "metrics/exposition.h"
#include "sources/scrape/target_labels.h"
#include "tests/standins/http_server.h"
#include "tests/support/certificates.h"
#include "tests/support/net_fixture.h"

using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::testing {
namespace {

using model::ScrapeSlice;

// A server of one page that may be changed.
class PageServer {
 public:
  explicit PageServer(std::optional<standins::ServerTls> tls = std::nullopt)
      : server_({"127.0.0.1", 0, std::move(tls)},
                [this](const standins::ServerRequest& request,
                       std::shared_ptr<standins::Exchange> exchange) {
                  const std::lock_guard lock(mutex_);
                  ++requests_;
                  asked_for_gzip_ =
                      request.header("accept-encoding").find("gzip") != std::string_view::npos;
                  if (hang_) return held_.push_back(std::move(exchange));
                  exchange->send(reply_);
                }) {}

  void set(standins::ServerReply reply) {
    const std::lock_guard lock(mutex_);
    reply_ = std::move(reply);
  }
  void set_page(std::string body) { set({200, {{"Content-Type", "text/plain"}}, std::move(body)}); }
  void hang() {
    const std::lock_guard lock(mutex_);
    hang_ = true;
  }
  int requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  bool asked_for_gzip() const {
    const std::lock_guard lock(mutex_);
    return asked_for_gzip_;
  }
  std::string url() const { return server_.url() + "/metrics"; }

 private:
  mutable std::mutex mutex_;
  standins::ServerReply reply_;
  bool hang_ = false;
  bool asked_for_gzip_ = false;
  int requests_ = 0;
  std::vector<std::shared_ptr<standins::Exchange>> held_;
  standins::HttpServer server_;  // last: its thread ends first
};

class Fixture {
 public:
  Fixture() {
    settings.interval = 50ms;
    settings.timeout = 2s;
  }
  void start(std::vector<discovery::ScrapeTarget> targets) {
    running_ = std::make_unique<Running>(*this);
    running_->source.set_targets({std::move(targets)});
    running_->scope.spawn(running_->source.run());
  }
  void set_targets(std::vector<discovery::ScrapeTarget> targets) {
    running_->source.set_targets({std::move(targets)});
  }
  using Wanted = std::function<bool(const ScrapeSlice&)>;
  bool until(Wanted wanted) {
    return net.loop.block_on(wait(std::move(wanted), net.loop.after(20s)));
  }
  bool until_asked() {
    return until([](const ScrapeSlice& s) {
      return std::ranges::none_of(s.reports, [](const auto& r) { return r.pending; });
    });
  }
  // The series of the n-th page, or why there are none.
  std::string text(std::size_t n = 0) const {
    const auto& page = slice->targets.at(n)->page;
    if (!page.is_known()) return "unknown: " + page.why().error.message();
    std::string out;
    for (const model::ScrapedSeries& s : page.known_value()) {
      out += s.labels.text() + " " + std::to_string(static_cast<int>(s.sample.value)) + "\n";
    }
    return out;
  }

  NetFixture net;
  SystemClock clock;
  Logger log{LogLevel::kDebug, LogFormat::kLogfmt, [](std::string_view) {}};
  config::Scrape settings;
  std::shared_ptr<const ScrapeSlice> slice;

 private:
  struct Running {
    explicit Running(Fixture& f)
        : changed(f.net.loop),
          source({f.net.loop, f.net.resolver, f.net.http, f.clock, f.log}, f.settings,
                 [this, &f](std::shared_ptr<const ScrapeSlice> news) {
                   f.slice = std::move(news);
                   changed.notify_all();
                 }) {}
    Signal changed;
    sources::ScrapeSource source;
    TaskScope scope;  // after the source: ends first
  };
  Task<bool> wait(Wanted wanted, SteadyTime deadline) {
    for (;;) {
      if (slice && wanted(*slice)) co_return true;
      const bool notified = co_await running_->changed.wait_until(deadline);
      running_->scope.rethrow_failure();
      if (!notified) co_return false;
    }
  }

  std::unique_ptr<Running> running_;
};

discovery::ScrapeTarget instance(const std::string& url, const std::string& pod = "pg-1") {
  return {{"instance", "db", "pg", pod}, url, "", "", false};
}

}  // namespace

TEST_CASE("a page's series come under the labels of their Pod", "[scrape]") {
  PageServer server;
  const std::string page =
      "# TYPE cnpg_collector_up gauge\n"
      "cnpg_collector_up{cluster=\"other\"} 1\n"
      "cnpg_pg_replication_lag 3\n"
      "cnpg_pg_replication_lag 4\n";
  server.set_page(page);
  Fixture f;
  f.start({instance(server.url())});
  REQUIRE(f.until_asked());
  CHECK(
      f.text() ==
      R"({__name__="cnpg_collector_up",cluster="pg",exported_cluster="other",namespace="db",pod="pg-1"} 1
{__name__="cnpg_pg_replication_lag",cluster="pg",namespace="db",pod="pg-1"} 3
)");
  CHECK(f.slice->reports[0].source == "scrape");
  CHECK(f.slice->reports[0].target == "instance db/pg-1");
  CHECK(server.asked_for_gzip());
  server.set({200, {{"Content-Encoding", "gzip"}}, metrics::gzip("up 7\n")});
  REQUIRE(f.until([&](const auto&) { return f.text().find(" 7\n") != std::string::npos; }));
}

TEST_CASE("a page listed by hand is known by its job and address", "[scrape]") {
  PageServer server;
  server.set_page("up{job=\"own\",exported_job=\"older\"} 1\n");
  Fixture f;
  f.start({{{"exporter", "", "pg", ""}, server.url(), "", "", true}});
  REQUIRE(f.until_asked());
  const std::string address = server.url().substr(7, server.url().find("/metrics") - 7);
  CHECK(f.text() ==
        "{__name__=\"up\",cluster=\"pg\",exported_exported_job=\"own\","
        "exported_job=\"older\",instance=\"" +
            address + "\",job=\"exporter\"} 1\n");
  CHECK(f.slice->reports[0].target == server.url());
}

TEST_CASE("a page that makes no sense is off, with the line, and asked for slowly", "[scrape]") {
  struct Case {
    const char* name;
    std::string body;
    const char* code;
    const char* text;
  };
  const Case cases[] = {
      {"garbage", "up 1\n<html>\n", "malformed", "line 2: not a metric name"},
      {"cut short", "up 1\ndown 1", "malformed", "line 2: the page ends within a line"},
      {"too many series", "a 1\nb 1\nc 1\nd 1\n", "too_large", "more than 3 samples"},
      {"too many bytes", std::string(5000, '#') + "\n", "too_large", "larger than 4096 bytes"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    PageServer bad;
    bad.set_page(c.body);
    PageServer good;
    good.set_page("up 1\n");
    Fixture f;
    f.settings.max_series = 3;
    f.settings.max_bytes = 4096;
    f.start({instance(bad.url()), instance(good.url(), "pg-2")});
    REQUIRE(f.until_asked());
    CHECK_THAT(f.text(), Contains(c.text) && Contains("off, asked again after 1s"));
    CHECK(f.slice->reports[0].errors.contains(c.code));
    REQUIRE(f.until([&](const auto&) { return good.requests() >= 8; }));
    CHECK(bad.requests() == 1);
    // It is tried again, and taken up when it has been mended.
    bad.set_page("up 5\n");
    REQUIRE(f.until([](const ScrapeSlice& s) { return s.targets[0]->page.is_known(); }));
  }
}

TEST_CASE("a page that fails leaves no series and does not delay others", "[scrape]") {
  PageServer hung;
  hung.hang();
  PageServer broken;
  broken.set({503, {}, "busy"});
  PageServer good;
  good.set_page("up 1\n");
  Fixture f;
  f.settings.timeout = 300ms;
  f.start({instance(broken.url()), instance(good.url(), "pg-2"), instance(hung.url(), "pg-3")});
  REQUIRE(f.until([&](const auto&) { return good.requests() > 2 && broken.requests() > 2; }));
  REQUIRE(f.until_asked());
  CHECK_THAT(f.text(0), Contains("HTTP status 503"));
  CHECK_THAT(f.text(1), Contains("up"));
  CHECK_THAT(f.text(2), Contains("no answer in time"));
  f.set_targets({instance(good.url(), "pg-2")});
  REQUIRE(f.until([](const ScrapeSlice& s) { return s.targets.size() == 1; }));
  good.set({500, {}, ""});
  REQUIRE(f.until([](const ScrapeSlice& s) { return !s.targets[0]->page.is_known(); }));
}

TEST_CASE("an instance whose metrics port speaks TLS is known by its Service", "[scrape]") {
  const CertificateAuthority ca;
  CertificateOptions certificate;
  certificate.dns_names = {"pg-rw", "pg-rw.db.svc"};
  const CertifiedKey key = ca.issue(certificate);
  const std::string file = "/tmp/keelwatch-scrape-ca-" + std::to_string(getpid());
  write_file(file, ca.pem());
  for (const char* name : {"pg-rw", "other-rw"}) {
    INFO(name);
    PageServer server(standins::ServerTls{key.certificate_pem, key.key_pem, ""});
    server.set_page("up 1\n");
    Fixture f;
    discovery::ScrapeTarget target = instance(server.url());
    target.ca_file = file;
    target.server_name = name;
    f.start({target});
    REQUIRE(f.until_asked());
    CHECK(f.slice->targets[0]->page.is_known() == (name == std::string("pg-rw")));
  }
  std::remove(file.c_str());
}

}  // namespace keelwatch::testing
