#include "tests/support/postgres_harness.h"

#include <catch2/catch.hpp>
#include <utility>

using namespace std::chrono_literals;

namespace keelwatch::testing {

discovery::InstanceTarget instance_target(const PostgresServer& server, const std::string& pod) {
  discovery::InstanceTarget target;
  target.id = {"default", "pg", pod};
  target.connection = server.target();
  return target;
}

PostgresHarness::PostgresHarness(config::Postgres settings)
    : log_(LogLevel::kDebug, LogFormat::kLogfmt,
           [this](std::string_view line) { lines_.emplace_back(line); }),
      source_({loop_, resolver_, http_, clock_, log_}, std::move(settings),
              [this](Slice slice) { keep(std::move(slice)); }) {
  scope_.spawn(source_.run());
}

config::Postgres PostgresHarness::quick_settings() {
  config::Postgres settings;
  settings.interval = 100ms;
  settings.probe_interval = 300ms;
  settings.connect_timeout = 500ms;
  settings.query_timeout = 500ms;
  return settings;
}

void PostgresHarness::watch(std::vector<discovery::InstanceTarget> targets) {
  source_.set_targets({std::move(targets)});
}

PostgresHarness::Slice PostgresHarness::until(const Predicate& wanted, Duration limit) {
  loop_.block_on(wait_until(wanted, loop_.after(limit)));
  scope_.rethrow_failure();
  REQUIRE(newest_);
  INFO("last state: " << describe());
  REQUIRE(wanted(*newest_));
  return newest_;
}

PostgresHarness::Slice PostgresHarness::until(const std::string& pod,
                                              model::Reachability reachability, Duration limit) {
  const auto reached = [&](const model::PostgresSlice& slice) {
    const model::Instance* instance = find(slice, pod);
    return instance && instance->reachability == reachability;
  };
  return until(reached, limit);
}

std::vector<PostgresHarness::Slice> PostgresHarness::during(Duration time) {
  const std::size_t first = published_.size();
  loop_.block_on(sleep(time));
  return {published_.begin() + static_cast<std::ptrdiff_t>(first), published_.end()};
}

const model::Instance* PostgresHarness::find(const model::PostgresSlice& slice,
                                             const std::string& pod) {
  for (const auto& instance : slice.instances) {
    if (instance->id.pod == pod) return instance.get();
  }
  return nullptr;
}

bool PostgresHarness::is_streaming(const model::PostgresSlice& slice) {
  const model::Instance* primary = find(slice, "pg-1");
  const model::Instance* standby = find(slice, "pg-2");
  if (!primary || !standby) return false;
  const auto* senders = primary->senders.if_known();
  const auto* receivers = standby->wal_receiver.if_known();
  return senders && receivers && senders->size() == 1 && receivers->size() == 1 &&
         senders->front().state == "streaming" && senders->front().replay &&
         receivers->front().status == "streaming";
}

void PostgresHarness::keep(Slice slice) {
  newest_ = std::move(slice);
  newest_at_ = loop_.now();
  published_.push_back(newest_);
  arrived_.notify_all();
}

Task<> PostgresHarness::wait_until(Predicate wanted, SteadyTime deadline) {
  while (!newest_ || !wanted(*newest_)) {
    const bool came = co_await arrived_.wait_until(deadline);
    if (!came) co_return;
  }
}

Task<> PostgresHarness::sleep(Duration time) { co_await loop_.sleep_for(time); }

std::string PostgresHarness::describe() const {
  std::string text;
  for (const auto& instance : newest_->instances) {
    text += instance->id.pod + ": " + std::string(to_string(instance->reachability)) + " " +
            instance->reachability_detail;
    if (!instance->server.is_known()) text += ", " + instance->server.why().error.message();
    text += "; ";
  }
  return text;
}

}  // namespace keelwatch::testing
