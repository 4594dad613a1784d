#include "sources/postgres/instance_watch.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "sources/postgres/queries.h"

namespace keelwatch::sources {
namespace {

using model::Reachability;

constexpr Duration kFirstBackoff = std::chrono::milliseconds(250);

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// ProcessStartupPacket() in src/backend/postmaster/postmaster.c (backend_startup.c since 17).
Reachability cannot_connect_now(std::string_view message, bool was_up) {
  if (contains(message, "shutting down")) return Reachability::kShuttingDown;
  for (const std::string_view start :
       {"starting up", "recovery mode", "not yet accepting", "not accepting"}) {
    if (contains(message, start)) return Reachability::kStartingUp;
  }
  return was_up ? Reachability::kShuttingDown : Reachability::kStartingUp;
}

std::string address_of(const PgTarget& target) {
  const std::string& host = target.hostaddr.empty() ? target.host : target.hostaddr;
  const std::string port = ":" + std::to_string(target.port);
  return contains(host, ":") ? "[" + host + "]" + port : host + port;
}

Why nothing_yet() {
  return {Absence::kUnknown, Error(ErrorCode::kUnavailable, "not connected yet"), "postgres"};
}

template <typename T>
Result<T> decoded(const PgResult<PgRows>& answer, Result<T> (*decode)(const PgRows&)) {
  if (!answer) return answer.failure().error;
  return decode(*answer);
}

}  // namespace

Reachability reachability_of(const PgFailure& failure, bool was_up) {
  const std::string_view sqlstate = failure.sqlstate;
  if (sqlstate == "57P03") return cannot_connect_now(failure.error.message(), was_up);
  if (sqlstate == "53300") return Reachability::kTooManyConnections;
  if (failure.phase == PgPhase::kResolve) return Reachability::kNameUnknown;
  switch (failure.error.code()) {
    case ErrorCode::kTimeout:
      return Reachability::kSilent;
    case ErrorCode::kUnauthorized:
    case ErrorCode::kForbidden:
    case ErrorCode::kNotFound:
      return Reachability::kAuthFailed;
    default:
      if (failure.phase == PgPhase::kTls) return Reachability::kTlsFailed;
      return failure.refused ? Reachability::kRefused : Reachability::kUnreachable;
  }
}

InstanceWatch::InstanceWatch(const SourceContext& context, const config::Postgres& settings,
                             discovery::InstanceTarget target, std::function<void(Urgency)> changed)
    : context_(context),
      settings_(settings),
      target_(std::move(target)),
      changed_(std::move(changed)),
      source_("postgres " + text(target_.id)),
      instance_(model::Instance::absent(target_.id, nothing_yet())),
      random_(std::random_device()()) {
  report_.source = "postgres";
  report_.target = text(target_.id);
}

void InstanceWatch::start() {
  describe_target();
  scope_.spawn(run());
}

void InstanceWatch::set_target(discovery::InstanceTarget target) {
  if (target == target_) return;
  scope_.cancel();
  target_ = std::move(target);
  backoff_ = Duration::zero();
  start();
}

std::shared_ptr<const model::Instance> InstanceWatch::instance() const {
  if (!shared_) shared_ = std::make_shared<const model::Instance>(instance_);
  return shared_;
}

// What is known before any attempt.
void InstanceWatch::describe_target() {
  report_.not_set_up = false;
  report_.pending = false;
  report_.up = false;
  instance_.address = target_.connection ? address_of(*target_.connection) : "";
  if (!target_.cannot_connect_reason.empty()) {
    report_.last_error = target_.cannot_connect_reason;
    set_unknown(Error(ErrorCode::kUnavailable, target_.cannot_connect_reason));
    set_reachability(Reachability::kConnecting, target_.cannot_connect_reason);
  } else if (!target_.connection) {
    const std::string& reason = target_.not_set_up_reason;
    report_.not_set_up = true;
    report_.last_error.clear();
    set_absent({Absence::kNotSetUp, Error(ErrorCode::kNotFound, reason), source_});
    set_reachability(Reachability::kNotSetUp, reason);
  } else if (target_.terminating) {
    report_.last_error = "pod is being deleted: let go of its connection";
    set_unknown(Error(ErrorCode::kUnavailable, report_.last_error));
    set_reachability(Reachability::kShuttingDown, report_.last_error);
  } else {
    report_.pending = true;
    report_.last_error = "not connected yet";
    set_unknown(Error(ErrorCode::kUnavailable, report_.last_error));
    set_reachability(Reachability::kConnecting, "");
  }
  tell(Urgency::kNow);
}

Task<> InstanceWatch::run() {
  try {
    co_await watch();
  } catch (...) {
    tell(Urgency::kNow);  // whoever publishes then finds the failure
    throw;
  }
}

Task<> InstanceWatch::watch() {
  if (!target_.connection || !target_.cannot_connect_reason.empty() || target_.terminating) {
    co_return;
  }
  for (;;) {
    const SteadyTime started = context_.loop.now();
    PgResult<std::unique_ptr<PgConnection>> conn =
        co_await PgConnection::connect(context_.loop, context_.resolver, *target_.connection,
                                       context_.loop.after(settings_.connect_timeout));
    bool was_of_use = false;
    if (conn) {
      instance_.address = (*conn)->address();
      was_of_use = co_await hold(**conn);
    } else {
      report_.last_duration = context_.loop.now() - started;
      refused(conn.failure());
    }
    // A server that was there a moment ago is asked at once what has become of it; but one that
    // ends every session soon is not pressed.
    const SteadyTime now = context_.loop.now();
    if (was_of_use && now - started >= settings_.interval) backoff_ = Duration::zero();
    if (was_of_use && (!asked_at_once_ || now - *asked_at_once_ >= settings_.interval)) {
      asked_at_once_ = now;
      continue;
    }
    co_await context_.loop.sleep_for(next_backoff());
  }
}

Duration InstanceWatch::next_backoff() {
  const Duration limit = std::max(kFirstBackoff, settings_.interval);
  backoff_ = backoff_ == Duration::zero() ? kFirstBackoff : std::min(backoff_ * 2, limit);
  std::uniform_int_distribution<Duration::rep> jitter(backoff_.count() / 2, backoff_.count());
  return Duration(jitter(random_));
}

Task<bool> InstanceWatch::hold(PgConnection& conn) {
  let_go_.reset();
  TaskScope probing;
  probing.spawn(probe_for_shutdown(conn));
  bool was_of_use = false;
  SteadyTime next_round = context_.loop.now();
  for (;;) {
    const bool answered = co_await round(conn);
    if (!answered) co_return was_of_use;
    was_of_use = true;
    next_round = std::max(next_round + settings_.interval, context_.loop.now());
    const bool closed = co_await conn.wait_closed(next_round);
    if (!closed) continue;
    lost(conn, {Error(ErrorCode::kUnavailable, "connection closed"), "", {}});
    co_return was_of_use;
  }
}

// Beside the held connection, so that a trial that hangs delays nothing.
Task<> InstanceWatch::probe_for_shutdown(PgConnection& conn) {
  for (;;) {
    co_await context_.loop.sleep_for(settings_.probe_interval);
    const std::optional<PgFailure> trial =
        co_await PgConnection::knock(context_.loop, context_.resolver, *target_.connection,
                                     context_.loop.after(settings_.connect_timeout));
    if (!trial) continue;
    context_.log.debug("postgres", "trial connect failed",
                       {{"target", report_.target}, {"err", trial->error}});
    if (trial->sqlstate != "57P03") continue;
    let_go_ = *trial;
    conn.close();
    co_return;
  }
}

// False if the connection did not survive it.
Task<bool> InstanceWatch::round(PgConnection& conn) {
  std::vector<std::string> statements = {server_sql(conn.server_version()), senders_sql(),
                                         wal_receiver_sql()};
  report_.requests += statements.size();
  const WallTime asked = context_.clock.wall();
  const SteadyTime started = context_.clock.steady();
  const std::vector<PgResult<PgRows>> answers =
      co_await conn.pipeline(std::move(statements), context_.loop.after(settings_.query_timeout));
  const Duration took = context_.clock.steady() - started;
  report_.last_duration = took;
  if (!conn.usable()) {
    lost(conn, std::ranges::find_if(answers, [](const auto& a) { return !a; })->failure());
    co_return false;
  }
  take_answers(answers, asked, took);
  co_return true;
}

void InstanceWatch::take_answers(const std::vector<PgResult<PgRows>>& answers, WallTime asked,
                                 Duration took) {
  was_up_ = true;
  report_.pending = false;
  report_.up = true;
  report_.last_error.clear();
  const Result<ServerAnswer> server =
      decoded<ServerAnswer>(answers[0], decode_server).context("read server facts");
  Result<std::vector<model::Sender>> senders =
      decoded<std::vector<model::Sender>>(answers[1], decode_senders).context("read senders");
  Result<std::vector<model::WalReceiver>> receiver =
      decoded<std::vector<model::WalReceiver>>(answers[2], decode_wal_receiver)
          .context("read WAL receiver");
  if (server) {
    report_.clock_skew_seconds = to_seconds(server->facts.server_time - (asked + took / 2));
    // An empty view proves nothing to a role that may not look behind it.
    if (!server->may_read_stats) {
      const Error forbidden(ErrorCode::kForbidden,
                            "no permission, grant pg_monitor to " + target_.connection->user);
      senders = forbidden;
      receiver = forbidden;
    }
  }
  instance_.server = observe<model::ServerFacts>(
      server ? Result<model::ServerFacts>(server->facts) : server.error(), asked);
  instance_.senders = observe(senders, asked);
  instance_.wal_receiver = observe(receiver, asked);
  if (report_.up) report_.last_success = asked;
  const bool news = instance_.reachability != Reachability::kConnected;
  if (news) set_reachability(Reachability::kConnected, "");
  tell(news ? Urgency::kNow : Urgency::kMayWait);
}

template <typename T>
Observed<T> InstanceWatch::observe(const Result<T>& answer, WallTime asked) {
  if (answer) return Observed<T>::known(*answer, asked);
  failed(answer.error());
  return Observed<T>::unknown(answer.error(), source_);
}

void InstanceWatch::failed(const Error& error) {
  ++report_.errors[std::string(to_string(error.code()))];
  report_.pending = false;
  report_.up = false;
  report_.last_error = error.message();
}

// An attempt to connect ended without a connection.
void InstanceWatch::refused(const PgFailure& failure) {
  const Reachability reachability = reachability_of(failure, was_up_);
  // A start comes after the port was closed.
  if (reachability == Reachability::kRefused) was_up_ = false;
  const bool news = reachability != instance_.reachability;
  cannot_be_asked(reachability, failure.error, news ? Urgency::kNow : Urgency::kMayWait);
}

// A held connection ended; `otherwise` is why, unless the server or the trial connect has said it.
// The end of one session tells nothing of the server (an administrator may have ended it): what has
// become of it is told by the attempt that follows, mostly within a millisecond, and both are
// published together.
void InstanceWatch::lost(const PgConnection& conn, const PgFailure& otherwise) {
  if (let_go_) {
    return cannot_be_asked(reachability_of(*let_go_, true), let_go_->error, Urgency::kNow);
  }
  const PgFailure& why = conn.closed_by() != nullptr ? *conn.closed_by() : otherwise;
  const bool silent = why.error.code() == ErrorCode::kTimeout;
  cannot_be_asked(silent ? Reachability::kSilent : Reachability::kConnecting, why.error,
                  silent ? Urgency::kNow : Urgency::kMayWait);
}

void InstanceWatch::cannot_be_asked(Reachability reachability, const Error& error,
                                    Urgency urgency) {
  failed(error);
  set_unknown(error);
  set_reachability(reachability, error.message());
  tell(urgency);
}

void InstanceWatch::set_unknown(const Error& error) {
  const Why why{Absence::kUnknown, error, source_};
  model::Instance::for_each_answer([&](auto place, model::Pace pace) {
    if (pace == model::Pace::kRound || !(instance_.*place).is_known()) {
      instance_.*place = AbsentOfAny{why};
    }
  });
}

void InstanceWatch::set_absent(const Why& why) {
  model::Instance::for_each_answer(
      [&](auto place, model::Pace /*pace*/) { instance_.*place = AbsentOfAny{why}; });
  instance_.contents.clear();
}

// A lasting failure is logged where it begins and where it ends.
void InstanceWatch::set_reachability(Reachability reachability, std::string detail) {
  const bool changed = reachability != instance_.reachability;
  instance_.reachability = reachability;
  instance_.reachability_detail = std::move(detail);
  if (!changed || reachability == Reachability::kConnecting) return;
  if (reachability == Reachability::kConnected || reachability == Reachability::kNotSetUp) {
    context_.log.info("postgres", "instance changed",
                      {{"target", report_.target}, {"state", to_string(reachability)}});
  } else {
    context_.log.warn("postgres", "instance changed",
                      {{"target", report_.target},
                       {"state", to_string(reachability)},
                       {"err", instance_.reachability_detail}});
  }
}

void InstanceWatch::tell(Urgency urgency) {
  shared_.reset();
  changed_(urgency);
}

}  // namespace keelwatch::sources
