#include "sources/postgres/instance_watch.h"

#include <algorithm>
#include <random>
#include <string_view>
#include <utility>

#include "sources/postgres/queries.h"
#include "sources/postgres/questions.h"
#include "sources/postgres/reachability.h"

namespace keelwatch::sources {
namespace {

using model::Reachability;

constexpr Duration kFirstBackoff = std::chrono::milliseconds(250);

std::string address_of(const PgTarget& target) {
  const std::string& host = target.hostaddr.empty() ? target.host : target.hostaddr;
  const std::string port = ":" + std::to_string(target.port);
  return host.find(':') != std::string::npos ? "[" + host + "]" + port : host + port;
}

Why nothing_yet() {
  return {Absence::kUnknown, Error(ErrorCode::kUnavailable, "not connected yet"), "postgres"};
}

// Why a connection that has ended did not answer; it may have ended after the last answer.
PgFailure first_failure(const std::vector<PgResult<PgRows>>& answers) {
  const auto failed = std::ranges::find_if(answers, [](const auto& answer) { return !answer; });
  if (failed != answers.end()) return failed->failure();
  return {Error(ErrorCode::kUnavailable, "connection closed"), "", {}};
}

Result<ServerAnswer> server_answer(const PgResult<PgRows>& rows, const std::string& user) {
  if (!rows && rows.failure().error.code() == ErrorCode::kForbidden) {
    const Error grant = missing_grant(
        "execute on functions pg_control_system(), pg_control_checkpoint(), "
        "pg_control_recovery()",
        user);
    return Error(grant.code(), grant.message() + ": " + rows.failure().error.message());
  }
  if (!rows) return rows.failure().error;
  return decode_server(*rows);
}

}  // namespace

InstanceWatch::InstanceWatch(const SourceContext& context, const config::Postgres& settings,
                             discovery::InstanceTarget target, std::function<void(Urgency)> changed)
    : context_(context),
      settings_(settings),
      target_(std::move(target)),
      changed_(std::move(changed)),
      source_("postgres " + text(target_.id)),
      instance_(model::Instance::absent(target_.id, nothing_yet())),
      looks_(context, settings, source_,
             [this](const std::optional<Error>& error) { looked(error); }),
      slow_(settings.slow_interval),
      backoff_(kFirstBackoff, std::max(kFirstBackoff, settings.interval), std::random_device()()) {
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
  // Another server, for all we know: nothing that the old one said counts.
  set_absent(nothing_yet());
  backoff_.reset();
  slow_.forget();
  looks_.forget();
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
      take_certificate((*conn)->certificate());
      was_of_use = co_await hold(**conn);
    } else {
      report_.last_duration = context_.loop.now() - started;
      refused(conn.failure());
    }
    // A server that was there a moment ago is asked at once what has become of it; but one that
    // ends every session soon is not pressed.
    const SteadyTime now = context_.loop.now();
    if (was_of_use && now - started >= settings_.interval) backoff_.reset();
    if (was_of_use && (!asked_at_once_ || now - *asked_at_once_ >= settings_.interval)) {
      asked_at_once_ = now;
      continue;
    }
    co_await context_.loop.sleep_for(backoff_.next());
  }
}

Task<bool> InstanceWatch::hold(PgConnection& conn) {
  let_go_.reset();
  received_before_ += std::exchange(received_, 0);
  slow_.connected(context_.loop.now());
  TaskScope beside;
  beside.spawn(probe_for_shutdown(conn));
  beside.spawn(looks_.run(*target_.connection));
  bool was_of_use = false;
  SteadyTime next_round = context_.loop.now();
  for (;;) {
    const bool answered = co_await round(conn);
    if (!answered) co_return was_of_use;
    was_of_use = true;
    next_round = std::max(next_round + settings_.interval, context_.loop.now());
    do {
      if (context_.loop.now() >= slow_.due()) {
        const bool survived = co_await ask_slowly(conn);
        if (!survived) co_return true;
        continue;
      }
      const bool closed = co_await conn.wait_closed(std::min(next_round, slow_.due()));
      if (!closed) continue;
      lost(conn, first_failure({}));
      co_return true;
    } while (context_.loop.now() < next_round);
  }
}

// Beside the held connection, so that a trial that hangs delays nothing.
Task<> InstanceWatch::probe_for_shutdown(PgConnection& conn) {
  for (;;) {
    co_await context_.loop.sleep_for(settings_.probe_interval);
    const PgKnock knock =
        co_await PgConnection::knock(context_.loop, context_.resolver, *target_.connection,
                                     context_.loop.after(settings_.connect_timeout));
    // A certificate that was renewed is shown to those who come, not to the session that is held.
    if (knock.certificate || !knock.failure) take_certificate(knock.certificate);
    const std::optional<PgFailure>& trial = knock.failure;
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
  std::vector<std::string> statements;
  statements.push_back(server_sql(conn.server_version()));
  for (const Question& question : round_questions()) {
    statements.push_back(question.sql(conn.server_version()));
  }
  report_.requests += statements.size();
  const WallTime asked = context_.clock.wall();
  const SteadyTime started = context_.clock.steady();
  const std::vector<PgResult<PgRows>> answers =
      co_await conn.pipeline(std::move(statements), context_.loop.after(settings_.query_timeout));
  const Duration took = context_.clock.steady() - started;
  report_.last_duration = took;
  if (!conn.usable()) {
    lost(conn, first_failure(answers));
    co_return false;
  }
  count_received(conn);
  take_answers(answers, asked, took);
  co_return true;
}

void InstanceWatch::take_answers(const std::vector<PgResult<PgRows>>& answers, WallTime at,
                                 Duration took) {
  was_up_ = true;
  report_.pending = false;
  const std::string* slow_problem = slow_.problem();
  report_.up = slow_problem == nullptr;
  report_.last_error = slow_problem == nullptr ? "" : *slow_problem;
  Asked asked = asked_at(at);
  const Result<ServerAnswer> server =
      server_answer(answers[0], asked.user).context("read server facts");
  if (server) {
    report_.clock_skew_seconds = to_seconds(server->facts.server_time - (at + took / 2));
    asked.may_read_stats = server->may_read_stats;
    instance_.server = Observed<model::ServerFacts>::known(server->facts, at);
  } else {
    failed(server.error());
    instance_.server = Observed<model::ServerFacts>::unknown(server.error(), source_);
  }
  may_read_stats_ = asked.may_read_stats;
  for (std::size_t i = 0; i < round_questions().size(); ++i) {
    const Question& question = round_questions()[i];
    const std::optional<Error> error = question.take(question, answers[i + 1], asked, instance_);
    if (error) failed(*error);
  }
  if (const auto* databases = instance_.databases.if_known()) {
    looks_.set_databases(*databases, server ? server->facts.started : std::nullopt);
    instance_.contents = looks_.answers();
  }
  if (report_.up) report_.last_success = at;
  const bool news = instance_.reachability != Reachability::kConnected;
  if (news) set_reachability(Reachability::kConnected, "");
  tell(news ? Urgency::kNow : Urgency::kMayWait);
}

Asked InstanceWatch::asked_at(WallTime at) const {
  return {at, source_, target_.connection->user, may_read_stats_};
}

// One statement of the slow pace, so that rounds come between them. The deadline is beyond the
// server's own (statement_timeout): a slow listing must not cost the connection. False if the
// connection did not survive it.
Task<bool> InstanceWatch::ask_slowly(PgConnection& conn) {
  const Question& question = slow_.ask(context_.loop.now());
  std::vector<std::string> statements(1, question.sql(conn.server_version()));
  report_.requests += statements.size();
  const WallTime at = context_.clock.wall();
  const std::vector<PgResult<PgRows>> answers = co_await conn.pipeline(
      std::move(statements), context_.loop.after(2 * settings_.query_timeout));
  if (!conn.usable()) {
    lost(conn, first_failure(answers));
    co_return false;
  }
  count_received(conn);
  const std::optional<Error> error = question.take(question, answers[0], asked_at(at), instance_);
  slow_.answered(error);
  if (error) failed(*error);
  tell(Urgency::kMayWait);
  co_return true;
}

// A database that cannot be looked into is a fact of its own and does not mark the instance down.
void InstanceWatch::looked(const std::optional<Error>& error) {
  ++report_.requests;
  if (error) ++report_.errors[std::string(to_string(error->code()))];
  instance_.contents = looks_.answers();
  tell(Urgency::kMayWait);
}

void InstanceWatch::take_certificate(const std::optional<PgCertificate>& certificate) {
  using Certificate = Observed<model::ServerCertificate>;
  instance_.certificate =
      certificate ? Certificate::known({certificate->subject, certificate->issuer,
                                        certificate->not_before, certificate->not_after},
                                       context_.clock.wall())
                  : Certificate::not_installed("the connection uses no TLS", source_);
  shared_.reset();
}

void InstanceWatch::count_received(const PgConnection& conn) {
  const std::optional<std::uint64_t> bytes = conn.received_bytes();
  if (!bytes) return;
  received_ = *bytes;
  report_.received_bytes = received_before_ + received_ + looks_.received_bytes();
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
  looks_.forget();
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
