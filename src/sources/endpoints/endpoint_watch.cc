#include "sources/endpoints/endpoint_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "sources/endpoints/prober.h"

namespace keelwatch::sources {
namespace {

constexpr Duration kLongestStart = std::chrono::seconds(5);

}  // namespace

EndpointWatch::EndpointWatch(const SourceContext& context, const config::Endpoints& settings,
                             discovery::EndpointTarget target, std::function<void()> changed)
    : context_(context),
      settings_(settings),
      target_(std::move(target)),
      changed_(std::move(changed)),
      endpoint_{.id = target_.id,
                .vantage = settings.vantage,
                .hop = target_.hop,
                .role = {},
                .kind = {},
                .port = 0,
                .discovered = false,
                .probes = 0,
                .last_success = {},
                .last = Observed<model::ProbeResult>::unknown(
                    Error(ErrorCode::kUnavailable, "not probed yet"), "endpoints"),
                .canary = Observed<model::Canary>::not_set_up("none is wanted", "endpoints")},
      random_(std::random_device()()) {}

void EndpointWatch::start() {
  describe_target();
  const bool can_probe = target_.not_set_up_reason.empty() && target_.cannot_probe_reason.empty();
  if (!can_probe) return;
  if (target_.canary) {
    canary_ = std::make_unique<CanarySession>(context_, target_, [this] { tell(); });
  }
  scope_.spawn(run());
}

void EndpointWatch::set_target(discovery::EndpointTarget target) {
  if (target == target_) return;
  scope_.cancel();
  canary_.reset();
  target_ = std::move(target);
  failures_ = 0;
  start();
}

void EndpointWatch::rethrow_failure() {
  scope_.rethrow_failure();
  if (canary_) canary_->rethrow_failure();
}

std::shared_ptr<const model::EndpointProbe> EndpointWatch::endpoint() const {
  if (!shared_) shared_ = std::make_shared<const model::EndpointProbe>(endpoint_);
  return shared_;
}

// What is known before any probe.
void EndpointWatch::describe_target() {
  using Last = Observed<model::ProbeResult>;
  const std::string source = "endpoints " + text(target_.id);
  endpoint_.id = target_.id;
  endpoint_.hop = target_.hop;
  endpoint_.role = target_.role;
  endpoint_.kind = target_.kind;
  endpoint_.port = target_.port;
  endpoint_.discovered = target_.discovered;
  endpoint_.canary = Observed<model::Canary>::not_set_up("none is wanted", source);
  if (!target_.not_set_up_reason.empty()) {
    endpoint_.last = Last::not_set_up(target_.not_set_up_reason, source);
  } else {
    const std::string& why = target_.cannot_probe_reason;
    endpoint_.last =
        Last::unknown(Error(ErrorCode::kUnavailable, why.empty() ? "not probed yet" : why), source);
  }
  tell();
}

void EndpointWatch::tell() {
  if (canary_) {
    endpoint_.canary = Observed<model::Canary>::known(canary_->state(), context_.clock.wall());
  }
  shared_.reset();
  changed_();
}

Duration EndpointWatch::spread(Duration over) {
  std::uniform_int_distribution<Duration::rep> any(0, over.count());
  return Duration(any(random_));
}

Task<> EndpointWatch::run() {
  co_await context_.loop.sleep_for(spread(std::min(target_.interval, kLongestStart)));
  for (;;) {
    const SteadyTime began = context_.loop.now();
    model::ProbeResult result = co_await probe(context_, target_);
    failures_ = result.passed() ? 0 : failures_ + 1;
    if (canary_) canary_->probe_ended(result, began);
    take(std::move(result));
    const bool to_confirm = failures_ > 0 && failures_ < settings_.failures;
    const Duration pause = to_confirm ? settings_.failure_interval : target_.interval;
    // A little apart from the others, however they began.
    co_await context_.loop.sleep_until(
        std::max(began + pause - spread(pause / 20), context_.loop.now()));
  }
}

void EndpointWatch::take(model::ProbeResult result) {
  ++endpoint_.probes;
  if (result.passed()) endpoint_.last_success = result.began;
  log_change(result);
  const WallTime began = result.began;
  endpoint_.last = Observed<model::ProbeResult>::known(std::move(result), began);
  tell();
}

// One line for each fault as it comes, and one for its end.
void EndpointWatch::log_change(const model::ProbeResult& result) {
  const model::ProbeFault before = std::exchange(logged_, result.fault);
  if (before == result.fault) return;
  if (result.passed()) {
    context_.log.info("endpoints", "address leads where it should again",
                      {{"address", text(target_.id)}, {"vantage", settings_.vantage}});
    return;
  }
  context_.log.warn("endpoints", "probe of an address failed",
                    {{"address", text(target_.id)},
                     {"vantage", settings_.vantage},
                     {"phase", to_string(result.phase)},
                     {"fault", to_string(result.fault)},
                     {"err", result.detail}});
}

}  // namespace keelwatch::sources
