#include "app/step_thread.h"

#include <catch2/catch.hpp>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/mutex.h"
#include "tests/support/placement_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::app {
namespace {

// Keeps what is logged.
class Log {
  Mutex mutex_;
  std::string text_ GUARDED_BY(mutex_);

 public:
  Logger logger{LogLevel::kDebug, LogFormat::kLogfmt, [this](std::string_view line) {
                  MutexLock lock(mutex_);
                  text_.append(line).append("\n");
                }};
  [[nodiscard]] std::string text() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return text_;
  }
};

}  // namespace

TEST_CASE("the step thread goes on after a Moment that could not be shown", "[app]") {
  const SystemClock clock;
  Log log;
  std::promise<std::uint64_t> shown;
  std::future<std::uint64_t> sequence = shown.get_future();
  int calls = 0;  // of the step thread
  auto config = std::make_shared<config::Config>();
  config->step_interval = 1ms;  // the least gap is longer
  const StepThread steps(clock, log.logger, config,
                         [&](const std::shared_ptr<const Moment>& moment, Duration) {
                           if (++calls == 1) throw std::runtime_error("no memory for its page");
                           if (calls == 2) shown.set_value(moment->sequence);
                           return std::nullopt;
                         });
  REQUIRE(sequence.wait_for(20s) == std::future_status::ready);
  CHECK(sequence.get() == 2);
  CHECK_THAT(log.text(), Catch::Contains("msg=\"a step failed\" err=\"no memory for its page\""));
}

TEST_CASE("a step comes when the one before asked for it, not only at its slot", "[app]") {
  const SystemClock clock;
  Log log;
  std::promise<Duration> second;
  std::future<Duration> late = second.get_future();
  SteadyTime asked;  // of the step thread, as calls
  int calls = 0;
  auto config = std::make_shared<config::Config>();
  config->step_interval = 1h;
  const StepThread steps(clock, log.logger, config,
                         [&](const auto&, Duration) -> std::optional<SteadyTime> {
                           if (++calls == 2) second.set_value(clock.steady() - asked);
                           if (calls > 1) return std::nullopt;
                           asked = clock.steady() + 400ms;
                           return asked;
                         });
  REQUIRE(late.wait_for(20s) == std::future_status::ready);
  CHECK(late.get() >= 0ms);
}

// Kinds are listed one after the other: at a start, any of them may be there without the others.
TEST_CASE("a step ends whatever two kinds of objects are not known", "[app]") {
  PlacementBuilder b = three_nodes();
  b.proxies("ingress", "pooler-rw", {"n1", "n3"});
  b.bucket("default", "minio", "n3", {"n3"});
  b.claim("local", "pg-1", "PG_WAL", {});
  b.pv_of("local").csi_driver.clear();
  b.pv_of("local").node_affinity = {"n1"};
  b.archive("http://minio:9000");
  const model::KubernetesSlice whole = b.kubernetes();
  const AbsentOfAny unknown{
      Why{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not listed yet"), "kubernetes"}};
  int steps = 0;
  model::KubernetesSlice::for_each_kind([&](auto first) {
    model::KubernetesSlice without_one = whole;
    without_one.*first = unknown;
    model::KubernetesSlice::for_each_kind([&](auto second) {
      model::KubernetesSlice without_two = without_one;
      without_two.*second = unknown;
      CHECK_NOTHROW(b.moment(std::move(without_two)));
      ++steps;
    });
  });
  CHECK(steps > 800);
}

}  // namespace keelwatch::app
