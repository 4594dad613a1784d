#include "sources/postgres/pgbouncer_watch.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "config/limits.h"
#include "metrics/exposition.h"
#include "sources/postgres/pgbouncer_answers.h"

namespace keelwatch::sources {
namespace {

using model::Reachability;

constexpr Duration kFirstBackoff = std::chrono::milliseconds(250);
constexpr Duration kConfigInterval = std::chrono::minutes(1);
constexpr int kRoundsPerTrial = 3;
constexpr const char* kTellsNoState = "this PgBouncer does not tell whether all of it is paused";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

template <typename T>
Result<T> decoded(const PgResult<PgRows>& answer, Result<T> (*decode)(const PgRows&)) {
  if (!answer) return answer.failure().error;
  return decode(*answer);
}

// A refused login is told by its text only; whoever counts errors by reason should find it there.
Error login_error(const PgFailure& failure, Reachability reachability) {
  if (reachability != Reachability::kAuthFailed) return failure.error;
  return {ErrorCode::kUnauthorized, failure.error.message()};
}

}  // namespace

// disconnect_client() in src/client.c and src/objects.c of PgBouncer.
Reachability console_reachability_of(const PgFailure& failure) {
  const std::string_view message = failure.error.message();
  if (failure.sqlstate == "08P01") {
    if (contains(message, "no more connections allowed")) return Reachability::kTooManyConnections;
    if (contains(message, "shutting down")) return Reachability::kShuttingDown;
    for (const std::string_view refusal :
         {"authentication failed", "not allowed", "no such user", "login rejected"}) {
      if (contains(message, refusal)) return Reachability::kAuthFailed;
    }
  }
  return reachability_of(failure, false);
}

// The texts are those of HttpClient, which names the phase.
Reachability page_reachability_of(const Error& error) {
  const std::string_view message = error.message();
  if (error.code() == ErrorCode::kTimeout) return Reachability::kSilent;
  if (message.starts_with("TLS")) return Reachability::kTlsFailed;
  if (message.starts_with("resolve")) return Reachability::kNameUnknown;
  if (contains(message, std::strerror(ECONNREFUSED))) return Reachability::kRefused;
  return Reachability::kUnreachable;
}

PgBouncerWatch::PgBouncerWatch(const SourceContext& context, const config::PgBouncer& settings,
                               discovery::PgBouncerTarget target, bool& vantage_proven,
                               std::function<void(Urgency)> changed)
    : context_(context),
      settings_(settings),
      target_(std::move(target)),
      vantage_proven_(vantage_proven),
      changed_(std::move(changed)),
      source_("pgbouncer " + text(target_.id)),
      process_(model::PgBouncer::absent(
          target_.id,
          {Absence::kUnknown, Error(ErrorCode::kUnavailable, "not asked yet"), source_})),
      backoff_(kFirstBackoff, std::max(kFirstBackoff, settings.interval), std::random_device()()) {
  report_.source = "pgbouncer";
  report_.target = text(target_.id);
}

void PgBouncerWatch::start() {
  describe_target();
  scope_.spawn(run());
}

void PgBouncerWatch::set_target(discovery::PgBouncerTarget target) {
  if (target == target_) return;
  scope_.cancel();
  target_ = std::move(target);
  backoff_.reset();
  start();
}

std::shared_ptr<const model::PgBouncer> PgBouncerWatch::process() const {
  if (!shared_) shared_ = std::make_shared<const model::PgBouncer>(process_);
  return shared_;
}

// What is known before any attempt.
void PgBouncerWatch::describe_target() {
  process_.id = target_.id;
  process_.via = target_.via;
  process_.address = target_.address;
  report_.not_set_up = false;
  report_.pending = false;
  report_.up = false;
  if (!target_.cannot_connect_reason.empty()) {
    report_.last_error = target_.cannot_connect_reason;
    set_absent({Absence::kUnknown, Error(ErrorCode::kUnavailable, report_.last_error), source_});
    set_reachability(Reachability::kConnecting, report_.last_error);
  } else if (!target_.not_set_up_reason.empty()) {
    const std::string& reason = target_.not_set_up_reason;
    report_.not_set_up = true;
    report_.last_error.clear();
    set_absent({Absence::kNotSetUp, Error(ErrorCode::kNotFound, reason), source_});
    set_reachability(Reachability::kNotSetUp, reason);
  } else if (target_.terminating) {
    report_.last_error = "pod is being deleted: let go of it";
    set_absent({Absence::kUnknown, Error(ErrorCode::kUnavailable, report_.last_error), source_});
    set_reachability(Reachability::kShuttingDown, report_.last_error);
  } else {
    report_.pending = true;
    report_.last_error = "not asked yet";
    set_absent({Absence::kUnknown, Error(ErrorCode::kUnavailable, report_.last_error), source_});
    set_reachability(Reachability::kConnecting, "");
  }
  tell(Urgency::kNow);
}

Task<> PgBouncerWatch::run() {
  const bool can_ask = target_.cannot_connect_reason.empty() && target_.not_set_up_reason.empty() &&
                       !target_.terminating;
  try {
    if (can_ask && target_.console) co_await watch_console();
    if (can_ask && target_.metrics) co_await watch_metrics();
  } catch (...) {
    tell(Urgency::kNow);  // whoever publishes then finds the failure
    throw;
  }
}

Task<> PgBouncerWatch::watch_console() {
  for (;;) {
    const SteadyTime started = context_.loop.now();
    PgResult<std::unique_ptr<PgConnection>> conn =
        co_await PgConnection::connect(context_.loop, context_.resolver, *target_.console,
                                       context_.loop.after(settings_.connect_timeout));
    bool was_of_use = false;
    if (conn) {
      process_.address = (*conn)->address();
      was_of_use = co_await hold(**conn);
    } else {
      report_.last_duration = context_.loop.now() - started;
      refused(conn.failure());
    }
    // What has become of a process that was there a moment ago is asked soon; one that ends every
    // session is not pressed.
    if (was_of_use) backoff_.reset();
    co_await context_.loop.sleep_for(backoff_.next());
  }
}

Task<bool> PgBouncerWatch::hold(PgConnection& conn) {
  Session session;
  session.trial_due = context_.loop.after(kRoundsPerTrial * settings_.interval);
  bool was_of_use = false;
  SteadyTime next_round = context_.loop.now();
  for (;;) {
    const bool answered = co_await round(conn, session);
    if (!answered) co_return was_of_use;
    was_of_use = true;
    next_round = std::max(next_round + settings_.interval, context_.loop.now());
    const bool closed = co_await conn.wait_closed(next_round);
    if (closed) {
      const PgFailure* why = conn.closed_by();
      lost(why != nullptr ? *why
                          : PgFailure{Error(ErrorCode::kUnavailable, "connection closed"), "", {}});
      co_return was_of_use;
    }
    const bool leaves = co_await shuts_down(session);
    if (leaves) co_return false;
  }
}

// Whether new clients are turned away while we are still one. What the trial says otherwise is for
// the rounds to find out.
Task<bool> PgBouncerWatch::shuts_down(Session& session) {
  if (context_.loop.now() < session.trial_due) co_return false;
  session.trial_due = context_.loop.after(kRoundsPerTrial * settings_.interval);
  const PgKnock trial =
      co_await PgConnection::knock(context_.loop, context_.resolver, *target_.console,
                                   context_.loop.after(settings_.connect_timeout));
  if (!trial.failure) co_return false;
  const bool leaving = trial.failure->refused ||
                       console_reachability_of(*trial.failure) == Reachability::kShuttingDown;
  if (leaving) {
    cannot_be_asked(
        Reachability::kShuttingDown,
        Error(ErrorCode::kUnavailable, "it takes no new clients: let go of its console"));
  }
  co_return leaving;
}

Task<PgResult<PgRows>> PgBouncerWatch::show(PgConnection& conn, std::string_view what) {
  ++report_.requests;
  return conn.query("SHOW " + std::string(what), context_.loop.after(settings_.query_timeout));
}

// False if the connection did not survive it.
Task<bool> PgBouncerWatch::round(PgConnection& conn, Session& session) {
  const WallTime asked = context_.clock.wall();
  const SteadyTime started = context_.clock.steady();
  std::vector<PgResult<PgRows>> answers;
  for (const std::string_view what : {"POOLS", "STATS", "LISTS", "DATABASES"}) {
    PgResult<PgRows> answer = co_await show(conn, what);
    answers.push_back(std::move(answer));
    if (!conn.usable()) break;
  }
  std::optional<Result<bool>> all_paused;
  if (conn.usable() && session.tells_state) {
    PgResult<PgRows> state = co_await show(conn, "STATE");
    session.tells_state = state || state.failure().sqlstate.empty();
    if (session.tells_state) all_paused = decoded<bool>(state, decode_paused);
    if (!conn.usable()) answers.push_back(std::move(state));
  }
  if (conn.usable() && context_.loop.now() >= session.config_due) {
    session.config_due = context_.loop.after(kConfigInterval);
    PgResult<PgRows> settings = co_await show(conn, "CONFIG");
    const Result<std::int64_t> most = decoded<std::int64_t>(settings, decode_max_clients);
    session.max_clients.reset();
    if (most) session.max_clients = *most;
    if (!conn.usable()) answers.push_back(std::move(settings));
  }
  report_.last_duration = context_.clock.steady() - started;
  if (!conn.usable()) {
    lost(answers.back().failure());
    co_return false;
  }
  answered(asked);
  process_.pools =
      observe(decoded<std::vector<model::Pool>>(answers[0], decode_pools), "POOLS", asked);
  process_.traffic =
      observe(decoded<std::vector<model::PoolTraffic>>(answers[1], decode_stats), "STATS", asked);
  Result<model::PgBouncerTotals> totals = decoded<model::PgBouncerTotals>(answers[2], decode_lists);
  if (totals) totals->max_clients = session.max_clients;
  process_.totals = observe(totals, "LISTS", asked);
  Result<std::vector<model::PooledDatabase>> databases =
      decoded<std::vector<model::PooledDatabase>>(answers[3], decode_pooled_databases);
  if (databases && all_paused && *all_paused && **all_paused) {
    for (model::PooledDatabase& database : *databases) database.paused = true;
  }
  process_.databases = observe(databases, "DATABASES", asked);
  process_.reachability_detail = all_paused && *all_paused ? "" : kTellsNoState;
  if (all_paused && !*all_paused) failed(all_paused->error().context("STATE"));
  if (report_.up) report_.last_success = asked;
  tell(Urgency::kMayWait);
  co_return true;
}

Task<> PgBouncerWatch::watch_metrics() {
  SteadyTime next = context_.loop.now();
  for (;;) {
    co_await look_at_metrics();
    next = std::max(next + settings_.interval, context_.loop.now());
    co_await context_.loop.sleep_until(next);
  }
}

Task<> PgBouncerWatch::look_at_metrics() {
  const WallTime asked = context_.clock.wall();
  const SteadyTime started = context_.clock.steady();
  HttpRequest request;
  request.url = target_.metrics->url;
  request.tls = target_.metrics->tls;
  request.connect_timeout = settings_.connect_timeout;
  request.deadline = context_.loop.after(settings_.connect_timeout + settings_.query_timeout);
  request.max_body_bytes = limits::kPoolerPageBytes;
  ++report_.requests;
  const Result<HttpResponse> response = co_await context_.http.fetch(std::move(request));
  report_.last_duration = context_.clock.steady() - started;
  if (response) {
    vantage_proven_ = true;
    take_page(*response, asked);
    co_return;
  }
  const Error& error = response.error();
  const Reachability reachability = page_reachability_of(error);
  // A host that answers, even with a refusal, is reached.
  const bool reached =
      reachability == Reachability::kRefused || reachability == Reachability::kTlsFailed;
  vantage_proven_ = vantage_proven_ || reached;
  if (target_.vantage_unproven && !vantage_proven_) {
    const std::string reason = "its metrics were never reached from here (" + error.message() +
                               "): run keelwatch where pods are reached, or set pgbouncer.via";
    report_.pending = false;
    report_.not_set_up = true;
    set_absent({Absence::kNotSetUp, Error(ErrorCode::kNotFound, reason), source_});
    set_reachability(Reachability::kNotSetUp, reason);
    tell(Urgency::kMayWait);
    co_return;
  }
  cannot_be_asked(reachability, error);
}

void PgBouncerWatch::take_page(const HttpResponse& response, WallTime asked) {
  Result<metrics::ParsedPage> page =
      response.status == 200
          ? metrics::parse_page(response.body, response.header("content-type"),
                                limits::kPoolerPageSamples)
          : Error(ErrorCode::kUnavailable,
                  "its metrics server answers with status " + std::to_string(response.status));
  if (!page) {
    // Something answers; whether PgBouncer would is not known.
    const Error error =
        response.status == 200 ? page.error().context("page of metrics") : page.error();
    return cannot_be_asked(Reachability::kConnecting, error);
  }
  const PoolerPage answers = decode_page(*page);
  if (answers.pgbouncer_is_silent) {
    return cannot_be_asked(Reachability::kUnreachable,
                           Error(ErrorCode::kUnavailable,
                                 "its instance manager gets no answer from PgBouncer "
                                 "(cnpg_pgbouncer_last_collection_error is 1)"));
  }
  answered(asked);
  process_.pools = observe(answers.pools, "pools", asked);
  process_.traffic = observe(answers.traffic, "stats", asked);
  process_.totals = observe(answers.totals, "lists", asked);
  process_.databases = Observed<std::vector<model::PooledDatabase>>::not_installed(
      "the metrics of a pooler tell nothing of SHOW DATABASES", source_);
  if (report_.up) report_.last_success = asked;
  tell(Urgency::kMayWait);
}

// Before the answers of a round are taken over.
void PgBouncerWatch::answered(WallTime /*asked*/) {
  report_.not_set_up = false;
  report_.pending = false;
  report_.up = true;
  report_.last_error.clear();
  if (process_.reachability != Reachability::kConnected) {
    set_reachability(Reachability::kConnected, "");
    changed_(Urgency::kNow);  // published after this turn of the loop, with the answers
  }
}

template <typename T>
Observed<T> PgBouncerWatch::observe(const Result<T>& answer, std::string_view what,
                                    WallTime asked) {
  if (answer) return Observed<T>::known(*answer, asked);
  const Error error = answer.error().context(what);
  failed(error);
  return Observed<T>::unknown(error, source_);
}

void PgBouncerWatch::failed(const Error& error) {
  ++report_.errors[std::string(to_string(error.code()))];
  report_.not_set_up = false;
  report_.pending = false;
  report_.up = false;
  report_.last_error = error.message();
}

// An attempt to connect ended without a connection.
void PgBouncerWatch::refused(const PgFailure& failure) {
  const Reachability reachability = console_reachability_of(failure);
  cannot_be_asked(reachability, login_error(failure, reachability));
}

// A held connection ended: what has become of the process is told by the attempt that follows.
void PgBouncerWatch::lost(const PgFailure& why) {
  const bool silent = why.error.code() == ErrorCode::kTimeout;
  cannot_be_asked(silent ? Reachability::kSilent : Reachability::kConnecting, why.error);
}

void PgBouncerWatch::cannot_be_asked(Reachability reachability, const Error& error) {
  const bool news = reachability != process_.reachability;
  failed(error);
  set_absent({Absence::kUnknown, error, source_});
  set_reachability(reachability, error.message());
  tell(news && reachability != Reachability::kConnecting ? Urgency::kNow : Urgency::kMayWait);
}

void PgBouncerWatch::set_absent(const Why& why) {
  model::PgBouncer::for_each_answer([&](auto place) { process_.*place = AbsentOfAny{why}; });
}

// A lasting failure is logged where it begins and where it ends.
void PgBouncerWatch::set_reachability(Reachability reachability, std::string detail) {
  const bool changed = reachability != process_.reachability;
  process_.reachability = reachability;
  process_.reachability_detail = std::move(detail);
  if (!changed || reachability == Reachability::kConnecting) return;
  if (reachability == Reachability::kConnected || reachability == Reachability::kNotSetUp) {
    context_.log.info("pgbouncer", "pooler changed",
                      {{"target", report_.target}, {"state", to_string(reachability)}});
  } else {
    context_.log.warn("pgbouncer", "pooler changed",
                      {{"target", report_.target},
                       {"state", to_string(reachability)},
                       {"err", process_.reachability_detail}});
  }
}

void PgBouncerWatch::tell(Urgency urgency) {
  shared_.reset();
  changed_(urgency);
}

}  // namespace keelwatch::sources
