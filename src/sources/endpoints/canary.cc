#include "sources/endpoints/canary.h"

#include <chrono>
#include <utility>

#include "sources/endpoints/prober.h"

namespace keelwatch::sources {
namespace {

// How long a question may wait: as long as the kernel goes on sending it, or nearly so.
constexpr Duration kPatience = std::chrono::minutes(20);

}  // namespace

CanarySession::CanarySession(const SourceContext& context, discovery::EndpointTarget target,
                             std::function<void()> changed)
    : context_(context), target_(std::move(target)), changed_(std::move(changed)) {}

void CanarySession::ended(std::string why, bool told) {
  state_.since.reset();
  state_.address.clear();
  state_.last_end = std::move(why);
  if (told) ++state_.told_ends;
  asked_.reset();
  passed_since_.reset();
  changed_();
}

// The kernel repeats a lost packet after ever longer pauses, so after an outage the answer may take
// as long again as the outage did.
bool CanarySession::is_dead(SteadyTime now) const {
  if (!asked_ || !passed_since_) return false;
  return now > *passed_since_ + (*passed_since_ - *asked_) + target_.timeout;
}

void CanarySession::probe_ended(const model::ProbeResult& result, SteadyTime began) {
  using model::ProbeFault;
  const SteadyTime now = context_.loop.now();
  if (!state_.since) {
    if (result.passed() && scope_.running() == 0) scope_.spawn(hold());
    return;
  }
  const bool leaves = result.fault == ProbeFault::kRefused ||
                      result.fault == ProbeFault::kShuttingDown ||
                      result.fault == ProbeFault::kPoolerNoServer;
  if (leaves) {
    scope_.cancel();
    return ended("left: " + result.detail, false);
  }
  if (!result.passed() || !asked_ || began < *asked_ + target_.timeout) return;
  if (!passed_since_) passed_since_ = began;
  if (!is_dead(now)) return;
  scope_.cancel();
  ++state_.silent_deaths;
  state_.last_silence = context_.clock.wall();
  state_.last_lived = *state_.last_silence - *state_.since;
  ended("no answer any more while new sessions come about", false);
}

// Behind a proxy that is the name, which the proxy resolves.
Task<std::vector<IpAddress>> CanarySession::addresses() {
  std::vector<IpAddress> found;
  if (!target_.socks5_host.empty()) {
    found.push_back({target_.host, false});
    co_return found;
  }
  Result<std::vector<IpAddress>> resolved =
      co_await context_.resolver.resolve(target_.host, context_.loop.after(target_.timeout));
  if (resolved) found = *std::move(resolved);
  co_return found;
}

Task<> CanarySession::hold() {
  model::AddressProbe address;
  ProbeSession session;
  const std::vector<IpAddress> found = co_await addresses();
  for (const IpAddress& one : found) {
    address = model::AddressProbe();
    address.address = one.text;
    address.v6 = one.v6;
    session = co_await open_session(context_, target_, address);
    if (session.conn) break;
  }
  if (!session.conn) co_return;
  state_.since = context_.clock.wall();
  state_.address = address.address;
  changed_();
  for (;;) {
    asked_ = context_.loop.now();
    const PgResult<PgRows> answer =
        co_await session.conn->query("select 1", context_.loop.after(kPatience));
    const bool lost = !answer && !session.conn->usable();
    if (lost) {
      // By the kernel after its last try, or by the other side.
      co_return ended(answer.failure().error.message(), true);
    }
    asked_.reset();
    passed_since_.reset();
    const bool closed = co_await session.conn->wait_closed(context_.loop.after(target_.interval));
    if (closed) {
      const PgFailure* why = session.conn->closed_by();
      co_return ended(why != nullptr ? why->error.message() : "connection closed", true);
    }
  }
}

}  // namespace keelwatch::sources
