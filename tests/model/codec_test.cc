#include "model/codec.h"

#include <catch2/catch.hpp>

#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::model {
namespace {

template <typename Slice>
std::string encoded(const Slice& slice) {
  JsonWriter out;
  encode(out, slice);
  return out.take();
}

}  // namespace

TEST_CASE("slices come back from JSON as they were", "[model]") {
  ServerFacts facts = primary_facts(0x16'B374D848);
  facts.started = kNow - 3h;
  facts.recovery_min_apply_delay = 250ms;
  Sender row = sender_row("pg-2", 77);
  row.replay_lag = 1500us;
  row.flush.reset();
  Slices all = slices({answering("pg-1", facts, {row}), silent("pg-2", Reachability::kSilent)});
  auto postgres = *all.postgres;
  postgres.reports.push_back({.source = "postgres",
                              .target = "default/pg-1",
                              .up = true,
                              .last_success = kNow,
                              .last_duration = 12345ns,
                              .errors = {{"timeout", 3}},
                              .last_error = "",
                              .clock_skew_seconds = -0.25,
                              .requests = 42,
                              .not_set_up = false,
                              .not_installed = false});

  const std::string text = encoded(postgres);
  JsonReader reader;
  const auto decoded = decode_postgres_slice(reader.parse(text));
  REQUIRE(decoded);
  CHECK(encoded(*decoded) == text);
  const ServerFacts& back = decoded->instances.at(0)->server.known_value();
  CHECK(back.current == Lsn{0x16'B374D848});
  CHECK(back.recovery_min_apply_delay == 250ms);
  CHECK(back.started == kNow - 3h);
  CHECK_FALSE(back.replayed);
  CHECK(decoded->instances.at(0)->senders.known_value().at(0).replay_lag == 1500us);
  CHECK(decoded->instances.at(1)->server.why() == all.postgres->instances.at(1)->server.why());
  CHECK(decoded->reports.at(0).errors.at("timeout") == 3);

  const std::string kubernetes = encoded(*all.kubernetes);
  const auto again = decode_kubernetes_slice(reader.parse(kubernetes));
  REQUIRE(again);
  CHECK(encoded(*again) == kubernetes);
  CHECK(again->clusters.known_value().at(0)->instances == 3);
}

TEST_CASE("a slice that does not fit names the member", "[model]") {
  JsonReader reader;
  const auto decoded = decode_postgres_slice(reader.parse(
      R"({"instances":[{"id":{"namespace":"a","cluster":"b","pod":7}}],"reports":[]})"));
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().message() == "instances: [0]: id: pod: expected a text");
}

}  // namespace keelwatch::model
