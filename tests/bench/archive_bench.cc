// What it costs to read an archive of 200,000 WAL segments for the first time, from the listings
// over HTTP to the page: time, memory beside what the program has anyway, requests; and the
// requests of a pass that finds nothing new. The server runs in this process: what it takes to make
// a page counts as ours.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "app/step.h"
#include "metrics/exposition.h"
#include "sources/object_store/object_store_source.h"
#include "tests/bench/common/figure.h"
#include "tests/support/net_fixture.h"
#include "tests/support/scripted_server.h"
#include "tests/support/world_builder.h"

namespace {

using namespace keelwatch;
using namespace std::chrono_literals;

constexpr std::int64_t kObjects = 200'000;
constexpr std::int64_t kSegmentBytes = 16 << 20;
constexpr std::int64_t kFirst = 0x100;
constexpr std::int64_t kPage = 1000;
constexpr double kMostMib = 64;
constexpr double kMostIdleRequests = 3;  // one timeline, and two

std::string key_of(std::int64_t index) {
  const std::string name = model::wal_segment_name({1, kFirst + index}, kSegmentBytes);
  return "lab/pg/wals/" + name.substr(0, 16) + "/" + name + ".gz";
}

std::string parameter(std::string_view target, std::string_view name) {
  const std::size_t at = target.find(fmt::format("{}=", name));
  if (at == std::string_view::npos) return "";
  const std::size_t begin = at + name.size() + 1;
  return std::string(target.substr(begin, target.find('&', begin) - begin));
}

std::string page_of(std::int64_t first) {
  const std::int64_t last = std::min(first + kPage, kObjects);
  std::string xml = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>backups</Name>)";
  for (std::int64_t i = first; i < last; ++i) {
    xml += fmt::format(
        "<Contents><Key>{}</Key><LastModified>2026-11-{:02}T{:02}:{:02}:00.000Z</LastModified>"
        "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>{}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>",
        key_of(i), 1 + i / 8000, i / 60 % 24, i % 60, 4'000'000 + i);
  }
  xml += fmt::format("<IsTruncated>{}</IsTruncated>", last < kObjects);
  if (last < kObjects) {
    xml += fmt::format("<NextContinuationToken>{}</NextContinuationToken>", last);
  }
  return xml + "</ListBucketResult>";
}

std::string empty_page() {
  return "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
}

std::atomic<int> lists{0};
std::atomic<int> base_lists{0};

std::string answer(const testing::ScriptedRequest& request) {
  if (request.target.find("list-type=2") == std::string::npos) {
    const bool setting = request.target.find('?') != std::string::npos;
    return testing::http_response(setting ? 501 : 404,
                                  fmt::format("<Error><Code>{}</Code><Message>m</Message></Error>",
                                              setting ? "NotImplemented" : "NoSuchKey"));
  }
  ++lists;
  if (parameter(request.target, "prefix").find("base") != std::string::npos) {
    ++base_lists;
    return testing::http_response(200, empty_page());
  }
  if (!parameter(request.target, "start-after").empty()) {
    return testing::http_response(200, empty_page());
  }
  std::int64_t first = 0;
  const std::string token = parameter(request.target, "continuation-token");
  std::from_chars(token.data(), token.data() + token.size(), first);
  return testing::http_response(200, page_of(first));
}

double status_mib(std::string_view field) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != field) continue;
    double kib = 0;
    status >> kib;
    return kib / 1024;
  }
  return 0;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

config::Config configuration(const std::string& endpoint) {
  config::Config config;
  config.object_stores.listing_interval = 100ms;
  config::ArchivedServer server;
  server.name = "pg";
  server.ns = "default";
  server.cluster = "pg";
  config::ObjectStore store;
  store.destination = "s3://backups/lab";
  store.endpoint = endpoint;
  store.servers = {std::move(server)};
  config.object_stores.stores = {std::move(store)};
  return config;
}

std::size_t page_bytes(app::State& state, const config::Config& config,
                       std::shared_ptr<const model::ArchiveSlice> archives) {
  const WallTime now = SystemClock().wall();
  model::Slices all = testing::slices({}, testing::kubernetes_slice({}, now));
  all.archives = std::move(archives);
  const auto moment =
      app::step(state, model::assemble(all, app::freshness_of(config), now, now), config);
  std::string page;
  metrics::append_samples(page, moment->samples, metrics::Format::kText004);
  return page.size();
}

}  // namespace

int main() {
  testing::ScriptedServer server(testing::answer_each(answer));
  const config::Config config = configuration(server.url(""));
  testing::NetFixture net;
  SystemClock clock;
  Logger log(LogLevel::kError);
  const sources::SourceContext context{net.loop, net.resolver, net.http, clock, log};
  std::shared_ptr<const model::ArchiveSlice> slice;
  Signal changed(net.loop);
  sources::ObjectStoreSource source(
      context, config.object_stores,
      [&](std::shared_ptr<const model::ArchiveSlice> news) {
        slice = std::move(news);
        changed.notify_all();
      },
      sources::open_over_s3(context));
  discovery::ArchiveTarget target;
  target.id = {server.url(""), "backups", "lab", "pg"};
  target.access_key = "key";
  target.secret_key = Secret("secret");
  target.segment_bytes = kSegmentBytes;
  app::State state;
  static_cast<void>(page_bytes(state, config, std::make_shared<model::ArchiveSlice>()));

  forget_peak();
  const double before = status_mib("VmRSS:");
  const auto begin = std::chrono::steady_clock::now();
  source.set_targets({{target}});
  TaskScope scope;
  scope.spawn(source.run());
  const auto until = [&](auto wanted) {
    const auto wait = [](auto& condition, Signal& signal, SteadyTime deadline) -> Task<bool> {
      while (!condition()) {
        const bool notified = co_await signal.wait_until(deadline);
        if (!notified) co_return false;
      }
      co_return true;
    };
    return net.loop.block_on(wait(wanted, changed, net.loop.after(5min)));
  };
  const auto listed = [&] {
    return slice && !slice->archives.empty() && slice->archives[0]->wal.is_known() &&
           slice->archives[0]->wal.known_value().objects == kObjects;
  };
  if (!until(listed)) {
    std::printf("not read: %s\n", slice ? slice->reports.at(0).last_error.c_str() : "no answer");
    return 1;
  }
  const std::size_t page = page_bytes(state, config, slice);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double peak = status_mib("VmHWM:") - before;
  const int first = lists;
  const int base = base_lists;
  static_cast<void>(until([&] { return base_lists >= base + 20; }));
  const double idle = static_cast<double>(lists - first) / (base_lists - base);
  scope.cancel();
  const std::string what = fmt::format("archive of {} WAL objects: ", kObjects);
  bench::print_json({
      {what + "memory of the first look, at its peak",
       "MiB",
       peak,
       {},
       "",
       kMostMib,
       "listing, facts, judgement and page"},
      {what + "memory afterwards", "MiB", status_mib("VmRSS:") - before, {}, "", {}, ""},
      {what + "the first look", "s", seconds, {}, "", {}, ""},
      {what + "its requests to list",
       "",
       static_cast<double>(first),
       {},
       "",
       {},
       fmt::format("page of {} bytes", page)},
      {what + "requests to list of a pass without news", "", idle, {}, "", kMostIdleRequests, ""},
  });
  return 0;
}
