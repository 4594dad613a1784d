#include "app/silence.h"

#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "collectors/collector.h"
#include "tests/support/world_builder.h"

namespace keelwatch::app {
namespace {

using namespace keelwatch::testing;

const metrics::Family& family(std::string_view name) {
  for (const metrics::Family* one : collectors::all_families()) {
    if (one->name() == name) return *one;
  }
  FAIL("no family " << name);
  throw std::logic_error("unreachable");
}

model::SourceReport down(std::string source, std::string target) {
  model::SourceReport report;
  report.source = std::move(source);
  report.target = std::move(target);
  report.last_error = "x";
  return report;
}

// Every question has been asked.
template <typename T>
void ask(model::Instance& instance, Observed<T> model::Instance::* place) {
  Observed<T>& answer = instance.*place;
  if (!answer.is_known()) answer = Observed<T>::known({}, kNow);
}
model::Instance read_through(model::Instance instance) {
  model::Instance::for_each_answer([&](auto place, model::Pace /*pace*/) { ask(instance, place); });
  return instance;
}

// Of the instances db/pg-1 and db/pg-2, without a namespace too.
Moment moment_with(model::SourceReport report) {
  std::vector<model::Instance> instances;
  for (const char* ns : {"db", ""}) {
    for (const char* pod : {"pg-1", "pg-2"}) {
      instances.push_back(read_through(answering(pod, primary_facts(kMiB))));
      instances.back().id = {ns, "pg", pod};
    }
  }
  model::Slices all = slices(std::move(instances));
  auto scrapes = std::make_shared<model::ScrapeSlice>();
  if (report.source == "scrape") {
    scrapes->targets.push_back(std::make_shared<const model::Scrape>(
        model::Scrape{{"instance", "db", "pg", "pg-2"},
                      "http://x",
                      Observed<std::vector<model::ScrapedSeries>>::unknown(
                          Error(ErrorCode::kTimeout, "x"), "scrape")}));
  }
  all.scrapes = std::move(scrapes);
  auto kubernetes = std::make_shared<model::KubernetesSlice>(*all.kubernetes);
  kubernetes->reports.push_back(std::move(report));
  all.kubernetes = std::move(kubernetes);
  Moment moment;
  moment.world = model::assemble(all, model::Freshness{}, kNow);
  return moment;
}

Labels series(std::string_view name, const Labels& labels = {}) {
  return labels.with(kMetricName, name);
}

}  // namespace

TEST_CASE("a silent source is that of the series it would tell of", "[app][silence]") {
  const Labels pod{{"namespace", "db"}, {"cluster", "pg"}, {"pod", "pg-2"}};
  struct Case {
    const char* source;
    const char* target;
    Labels series;
    bool silent;
  };
  const Case cases[] = {
      {"postgres", "db/pg-2", series("keelwatch_slot_active", pod), true},
      {"postgres", "db/pg-2", series("keelwatch_slot_active", pod.with("pod", "pg-1")), false},
      {"postgres", "db/pg-2", series("keelwatch_slot_active", pod.with("namespace", "x")), false},
      {"postgres", "pg/pg-2", series("keelwatch_slot_active", pod.without("namespace")), true},
      {"postgres", "db/pg-2", series("keelwatch_volume_verdict", pod), false},
      {"postgres", "db/pg-2", series("keelwatch_database_size_bytes", pod.without("pod")), true},
      {"postgres", "db/pg-2", series("keelwatch_build_info"), false},
      {"kubernetes", "Pod", series("keelwatch_pod_ready", pod), true},
      {"kubernetes", "Lease", series("keelwatch_slot_active", pod), false},
      {"kubernetes", "Lease", series("up", pod), false},
      {"kubernetes", "Lease", series("keelwatch_operator_up"), true},
      {"kubernetes", "apiserver", series("keelwatch_slot_active", pod), true},
      {"kubernetes", "LonghornSystemBackup", series("keelwatch_slot_active", pod), false},
      {"kubernetes", "LonghornVolume", series("keelwatch_volume_verdict", pod), true},
      {"kubernetes", "LonghornVolume", series("keelwatch_slot_active", pod), false},
      {"object_store", "s3://b/pg",
       series("keelwatch_recovery_chain_broken", {{"archive", "s3://b/pg"}}), true},
      {"object_store", "s3://b/x",
       series("keelwatch_recovery_chain_broken", {{"archive", "s3://b/pg"}}), false},
      {"scrape", "instance db/pg-2", series("cnpg_collector_up", pod), true},
      {"scrape", "instance db/pg-2", series("keelwatch_slot_active", pod), false},
      {"kubernetes", "Pod", series("keelwatch_source_up", {{"source", "postgres"}}), false},
  };
  for (const Case& c : cases) {
    INFO(c.source << " " << c.target << " of " << c.series.text());
    const Moment moment = moment_with(down(c.source, c.target));
    CHECK(Silence(moment).source_of(c.series).has_value() == c.silent);
  }
}

TEST_CASE("a fact that has ended is not an unknown one", "[app][silence]") {
  const Labels volume{{"namespace", "db"}, {"volume", "v"}};
  Moment moment = moment_with({});
  moment.world = model::assemble(slices({}), model::Freshness{}, kNow);
  const metrics::Family& since = family("keelwatch_volume_degraded_since_timestamp_seconds");
  const auto absent = [&](std::string source) {
    moment.samples.absent = {
        {&since, volume, {Absence::kUnknown, Error(ErrorCode::kNotFound, "x"), source}}};
    return Silence(moment).source_of(series(since.name(), volume));
  };
  CHECK_FALSE(absent(""));
  CHECK(absent("kubernetes") == "kubernetes");
}

TEST_CASE("an instance is silent of what it has not been asked yet", "[app][silence]") {
  const Labels pod{{"namespace", "default"}, {"cluster", "pg"}, {"pod", "pg-1"}};
  const Labels checksums = series("keelwatch_database_checksum_failures_total", pod);
  const auto silent = [&](const model::Instance& instance, const Labels& of) {
    Moment moment;
    moment.world = model::assemble(slices({instance}), model::Freshness{}, kNow);
    return Silence(moment).source_of(of);
  };
  const model::Instance fresh = answering("pg-1", primary_facts(kMiB));
  CHECK(silent(fresh, checksums) == "postgres default/pg-1");
  CHECK_FALSE(silent(fresh, series("keelwatch_volume_verdict", pod)));
  CHECK_FALSE(silent(read_through(fresh), checksums));
  model::Instance refused = read_through(fresh);
  refused.settings = Observed<model::Settings>::unknown(Error(ErrorCode::kForbidden, "x"), "y");
  CHECK_FALSE(silent(refused, checksums));  // asked, and it never says more
  model::Instance unseen = read_through(fresh);
  model::DatabaseFacts database;
  database.name = "app";
  database.allows_connections = true;
  unseen.databases = Observed<std::vector<model::DatabaseFacts>>::known({database}, kNow);
  CHECK(silent(unseen, checksums));
  unseen.contents.push_back(
      {"app", Observed<model::DatabaseContent>::unknown(Error(ErrorCode::kForbidden, "x"), "y")});
  CHECK_FALSE(silent(unseen, checksums));
}

TEST_CASE("one member that is silent is told beside others that are not", "[app][silence]") {
  const metrics::Family& since = family("keelwatch_volume_degraded_since_timestamp_seconds");
  Moment moment = moment_with({});
  moment.samples.absent = {{&since,
                            {{"namespace", "db"}, {"volume", "v"}},
                            {Absence::kUnknown, Error(ErrorCode::kNotFound, "x"), "kubernetes"}}};
  const Silence silence(moment);
  const auto member = [&](const Labels& labels) {
    return silence.member_of(series(since.name(), labels));
  };
  CHECK(member({{"namespace", "db"}}) == "kubernetes");
  CHECK(member({{"namespace", "db"}, {"volume", "v"}}) == "kubernetes");
  CHECK_FALSE(member({{"namespace", "db"}, {"volume", "w"}}));
  CHECK_FALSE(Silence(moment_with(down("kubernetes", "LonghornVolume")))
                  .member_of(series(since.name(), {{"namespace", "db"}})));
}

TEST_CASE("targets have settled while none is new and none has not answered", "[app][silence]") {
  const auto nobody = settled(model::assemble(slices({}), model::Freshness{}, kNow));
  REQUIRE(nobody);  // is asked: there is nothing to wait for, unless somebody is found
  const auto of = [](const model::SourceReport& report) {
    return settled(moment_with(report).world);
  };
  model::SourceReport report = down("kubernetes", "Pod");
  const auto away = of(report);
  REQUIRE(away);
  CHECK(away != nobody);
  report.up = true;
  CHECK(of(report) != away);  // its objects may bring new targets
  CHECK(of(down("kubernetes", "Cluster")) != away);
  report = down("postgres", "db/pg-1");
  const auto silent = of(report);
  report.up = true;
  CHECK(of(report) == silent);
  report.pending = true;
  CHECK_FALSE(of(report));
}

}  // namespace keelwatch::app
