#include "http/server.h"

#include <utility>  // before Boost: 1.74 uses std::exchange without it

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <future>
#include <list>
#include <unordered_set>

#include "base/mutex.h"
#include "base/published.h"
#include "http/basic_auth.h"
#include "http/channel.h"
#include "http/listen_address.h"
#include "http/query_workers.h"
#include "http/rate_bucket.h"

namespace keelwatch::http {
namespace {

namespace beast = boost::beast;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kReadAheadBytes = 64 * 1024;  // pipelined requests waiting their turn

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

std::string to_text(const Tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

int status_of(error_code ec) {
  if (ec == beast::http::error::header_limit) return 431;
  if (ec == beast::http::error::body_limit) return 413;
  if (ec == beast::http::error::bad_version) return 505;
  return 400;
}

Response plain_answer(int status) {
  return Response::text(status, std::string(reason_phrase(status)) + "\n");
}

struct Counters {
  std::atomic<std::uint64_t> open{0}, accepted{0}, requests{0}, timed_out{0}, evicted{0},
      refused{0}, accept_pauses{0}, unauthorized{0}, tls_failures{0};
};

// The states of a connection. What it may be evicted for is in this order, too.
enum class Phase { kLingering, kIdle, kReading, kWriting, kHandling, kClosed };

}  // namespace

class Connection;

class Server::Impl {
 public:
  Impl(ServerOptions options, Router router, const Clock& clock, Logger& log)
      : limits_(options.limits), router_(std::move(router)), clock_(clock), log_(log) {
    web_.publish(options.web ? std::move(options.web) : std::make_shared<const WebConfig>());
  }

  Result<void> listen(const std::string& text);
  void begin();
  void set_web_config(std::shared_ptr<const WebConfig> web);
  void stop(Duration drain);

  // What follows is for the I/O thread.
  void remove(const std::shared_ptr<Connection>& connection);
  [[nodiscard]] bool allowed_by_rate(const std::shared_ptr<const WebConfig>& web);
  [[nodiscard]] const Router& router() const { return router_; }
  [[nodiscard]] WallTime wall() const { return clock_.wall(); }
  [[nodiscard]] std::shared_ptr<const WebConfig> web() const { return web_.read(); }

  const ServerLimits limits_;
  asio::io_context io_{1};
  Counters counters_;
  std::unique_ptr<QueryWorkers> workers_;
  VerifiedCredentials verified_;
  std::size_t body_bytes_ = 0;
  bool stopping_ = false;
  std::vector<std::string> bound_;

  void log_debug(std::string_view msg, const std::string& peer, const std::string& err) {
    log_.debug("http", msg, {{"peer", peer}, {"err", err}});
  }
  void log_failed_handler(const std::string& path, const char* what) {
    log_.error("http", "a request handler threw", {{"path", path}, {"err", what}});
  }

 private:
  struct Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), retry(io) {}
    Tcp::acceptor acceptor;
    asio::steady_timer retry;
  };

  Result<Tcp::endpoint> resolve(const ListenAddress& address);
  void accept(Listener& listener);
  void pause(Listener& listener, error_code why);
  void admit(Tcp::socket socket);
  [[nodiscard]] bool evict(Phase up_to);
  void begin_stop(Duration drain);
  void end_if_drained();
  void run();

  const Router router_;
  const Clock& clock_;
  Logger& log_;
  Published<WebConfig> web_;
  std::shared_ptr<const WebConfig> limited_by_;  // whose limit bucket_ is
  std::optional<RateBucket> bucket_;
  std::list<Listener> listeners_;
  bool starved_ = false;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  asio::steady_timer drain_timer_{io_};
  Mutex stop_mutex_;
  std::thread thread_ GUARDED_BY(stop_mutex_);
};

// One client. Lives on the I/O thread; kept alive by the server's set and by its pending
// operations.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server::Impl& server, std::unique_ptr<Channel> channel,
             std::shared_ptr<const TlsContext> tls, std::string peer)
      : server_(server),
        channel_(std::move(channel)),
        tls_(std::move(tls)),
        peer_(std::move(peer)),
        timer_(server.io_) {}

  void begin();
  void close();
  void close_if_idle() {
    if (phase_ == Phase::kIdle || (phase_ == Phase::kReading && !parser_ && in_.size() == 0)) {
      close();
    }
  }
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] SteadyTime since() const { return since_; }
  [[nodiscard]] bool uses(const TlsContext* tls) const { return tls_.get() == tls; }

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;

  void enter(Phase phase, Duration deadline);
  void on_deadline();
  void on_handshake(error_code ec);
  void read();
  void on_read(error_code ec, std::size_t bytes);
  void parse();
  [[nodiscard]] int feed_parser();
  void send_continue();
  void reject(int status);
  void take_request();
  void check_login(const std::shared_ptr<const WebConfig>& web);
  void unauthorized();
  void dispatch();
  void run_queued(const Queued& handler);
  [[nodiscard]] bool submit(QueryWorkers::Job job);
  void respond(Response response);
  void write();
  void on_written();
  void linger();
  void release_body();

  Server::Impl& server_;
  std::unique_ptr<Channel> channel_;
  std::shared_ptr<const TlsContext> tls_;
  const std::string peer_;
  asio::steady_timer timer_;
  Phase phase_ = Phase::kReading;
  SteadyTime since_ = steady_now();  // of the phase; while writing, of the last progress

  beast::flat_buffer in_;
  std::optional<Parser> parser_;
  bool reading_ = false;  // a read is pending
  bool ended_ = false;    // the client sends no more
  bool continue_sent_ = false;
  std::size_t counted_body_ = 0;

  Request request_;
  bool keep_alive_ = false;
  bool in_handler_ = false;  // a queued handler, not the check of a password, has stop_
  std::stop_source stop_{std::nostopstate};
  std::uint64_t generation_ = 0;  // answers of an earlier one come too late

  std::string head_;
  std::shared_ptr<const std::string> body_;
  std::size_t sent_ = 0;
};

// ---- Connection

void Connection::begin() {
  enter(Phase::kReading, server_.limits_.request);
  channel_->handshake([self = shared_from_this()](error_code ec) { self->on_handshake(ec); });
}

void Connection::enter(Phase phase, Duration deadline) {
  phase_ = phase;
  since_ = steady_now();
  timer_.expires_at(since_ + deadline);
  timer_.async_wait([weak = weak_from_this()](error_code ec) {
    if (ec == asio::error::operation_aborted) return;
    // An expiry that was already queued when the timer was set anew is not a deadline.
    if (auto self = weak.lock(); self && self->timer_.expiry() <= steady_now()) self->on_deadline();
  });
}

void Connection::on_deadline() {
  if (phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kHandling) {
    stop_.request_stop();
    Response late = Response::text(503, "the request took too long and was given up\n");
    respond(std::move(late));
    return;
  }
  if (phase_ != Phase::kLingering && phase_ != Phase::kIdle) ++server_.counters_.timed_out;
  close();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  ++generation_;
  stop_.request_stop();
  release_body();
  timer_.cancel();
  error_code ignored;
  channel_->socket().close(ignored);
  server_.remove(shared_from_this());
}

void Connection::on_handshake(error_code ec) {
  if (phase_ == Phase::kClosed) return;
  if (!ec) return read();
  ++server_.counters_.tls_failures;
  server_.log_debug("TLS handshake failed", peer_, ec.message());
  if (ec.category() == asio::error::get_ssl_category() &&
      ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == SSL_R_HTTP_REQUEST) {
    Response hint = Response::text(400, "this server speaks HTTPS here, the request was HTTP\n");
    const std::string text = render_head(hint, {}, false, server_.wall()) + *hint.body;
    error_code ignored;
    channel_->socket().non_blocking(true, ignored);
    channel_->socket().write_some(asio::buffer(text), ignored);
  }
  close();
}

void Connection::read() {
  if (reading_ || ended_ || phase_ == Phase::kClosed) return;
  if ((phase_ == Phase::kHandling || phase_ == Phase::kWriting) && in_.size() >= kReadAheadBytes) {
    return;
  }
  reading_ = true;
  channel_->read_some(
      in_.prepare(kReadBytes),
      [self = shared_from_this()](error_code ec, std::size_t bytes) { self->on_read(ec, bytes); });
}

void Connection::on_read(error_code ec, std::size_t bytes) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (ec) {
    ended_ = true;
    // Whoever ends its side while we work is taken for gone, as Go's net/http does; a client that
    // only closed its sending side still gets what the handler has.
    if (phase_ == Phase::kHandling && in_handler_) stop_.request_stop();
    if (phase_ != Phase::kHandling && phase_ != Phase::kWriting) close();
    return;
  }
  in_.commit(bytes);
  switch (phase_) {
    case Phase::kLingering:
      in_.consume(in_.size());
      return read();
    case Phase::kIdle:
      enter(Phase::kReading, server_.limits_.request);
      return parse();
    case Phase::kReading:
      return parse();
    default:
      return read();
  }
}

// Consumes what the parser takes. 0, or the status that says what is wrong.
int Connection::feed_parser() {
  while (!parser_->is_done() && in_.size() > 0) {
    error_code ec;
    const std::size_t taken = parser_->put(in_.data(), ec);
    in_.consume(taken);
    if (ec == beast::http::error::need_more) return 0;
    if (ec) return status_of(ec);
    if (taken == 0) return 0;
  }
  return 0;
}

void Connection::parse() {
  if (!parser_) {
    // RFC 9112 section 2.2: empty lines before a request line are skipped.
    const auto* text = static_cast<const char*>(in_.data().data());
    std::size_t blank = 0;
    while (blank < in_.size() && (text[blank] == '\r' || text[blank] == '\n')) ++blank;
    in_.consume(blank);
    if (in_.size() == 0) return ended_ ? close() : read();
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_.limits_.header_bytes));
    parser_->body_limit(server_.limits_.body_bytes);
    parser_->eager(true);
    continue_sent_ = false;
  }
  if (const int status = feed_parser(); status != 0) return reject(status);
  const std::size_t body = parser_->is_header_done() ? parser_->get().body().size() : 0;
  server_.body_bytes_ += body - counted_body_;
  counted_body_ = body;
  if (body > 0 && server_.body_bytes_ > server_.limits_.bodies_bytes) return reject(503);
  if (parser_->is_done()) return take_request();
  if (ended_) return close();
  if (parser_->is_header_done() && !continue_sent_) {
    const auto expect = parser_->get().find(beast::http::field::expect);
    if (expect != parser_->get().end()) {
      if (!beast::iequals(expect->value(), "100-continue")) return reject(417);
      return send_continue();
    }
  }
  read();
}

void Connection::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  continue_sent_ = true;
  // Nothing else is being written while a request is read, and so short a text goes out whole.
  channel_->write_some({asio::buffer(kContinue), asio::const_buffer()},
                       [self = shared_from_this()](error_code ec, std::size_t bytes) {
                         if (self->phase_ == Phase::kClosed) return;
                         if (ec || bytes != kContinue.size()) return self->close();
                         self->read();
                       });
}

void Connection::reject(int status) {
  parser_.reset();
  release_body();
  in_.consume(in_.size());
  keep_alive_ = false;
  request_ = {};
  respond(plain_answer(status));
}

void Connection::take_request() {
  auto message = parser_->release();
  parser_.reset();
  request_ = {};
  request_.method = std::string(message.method_string());
  request_.peer = peer_;
  request_.body = std::move(message.body());
  bool two_hosts = false;
  for (const auto& field : message) {
    const std::string_view name(field.name_string().data(), field.name_string().size());
    const std::string_view value(field.value().data(), field.value().size());
    Header* same = nullptr;
    for (Header& h : request_.headers) {
      if (equals_ignoring_case(h.name, name)) same = &h;
    }
    if (same == nullptr) {
      request_.headers.push_back({std::string(name), std::string(value)});
    } else {
      two_hosts = two_hosts || equals_ignoring_case(name, "Host");
      same->value.append(", ").append(value);
    }
  }
  keep_alive_ = message.keep_alive();
  const std::string target(message.target());
  if (two_hosts || (message.version() == 11 && !request_.header("Host")) ||
      !parse_target(target, request_)) {
    return reject(400);
  }
  enter(Phase::kHandling, server_.limits_.handler);
  const auto web = server_.web();
  if (!uses(web->tls.get())) return close();
  if (!server_.allowed_by_rate(web)) return respond(plain_answer(429));
  if (!web->users.empty()) return check_login(web);
  dispatch();
}

void Connection::check_login(const std::shared_ptr<const WebConfig>& web) {
  const auto header = request_.header("Authorization");
  if (!header) return unauthorized();
  const auto credentials = parse_basic_credentials(*header);
  if (!credentials) return unauthorized();
  std::string hash = hash_to_compare(web->users, credentials->user);
  if (server_.verified_.contains(*credentials, hash)) return dispatch();

  const bool submitted =
      submit([weak = weak_from_this(), &server = server_, generation = generation_, hash,
              given = *credentials](const std::stop_token& stop) {
        if (stop.stop_requested()) return;  // nobody waits for the answer any more
        const bool matches = bcrypt_matches(given.password.reveal(), hash);
        asio::post(server.io_, [weak, &server, generation, hash, given, matches] {
          if (matches) server.verified_.remember(given, hash);
          auto self = weak.lock();
          if (!self || self->generation_ != generation) return;
          matches ? self->dispatch() : self->unauthorized();
        });
      });
  if (submitted) read();
}

void Connection::unauthorized() {
  ++server_.counters_.unauthorized;
  Response r = plain_answer(401);
  r.headers.push_back({"WWW-Authenticate", "Basic realm=\"keelwatch\", charset=\"UTF-8\""});
  respond(std::move(r));
}

// Gives a job to the workers, or answers 503 if they have too much to do.
bool Connection::submit(QueryWorkers::Job job) {
  stop_ = std::stop_source();
  in_handler_ = false;
  if (server_.workers_->submit(stop_, std::move(job))) return true;
  Response r = Response::text(503, "too many requests are waiting\n");
  r.headers.push_back({"Retry-After", "1"});
  respond(std::move(r));
  return false;
}

void Connection::dispatch() {
  auto found = server_.router().find(request_.method, request_.path);
  if (auto* instead = std::get_if<Response>(&found)) return respond(std::move(*instead));
  const Handler& handler = *std::get<const Handler*>(found);
  if (const auto* queued = std::get_if<Queued>(&handler)) return run_queued(*queued);
  Response response;
  try {
    response = std::get<Immediate>(handler).run(request_);
  } catch (const std::exception& e) {
    server_.log_failed_handler(request_.path, e.what());
    response = plain_answer(500);
  }
  respond(std::move(response));
}

void Connection::run_queued(const Queued& handler) {
  const bool submitted =
      submit([weak = weak_from_this(), &server = server_, generation = generation_, &handler,
              request = request_](const std::stop_token& stop) {
        if (weak.expired()) return;
        Response response;
        try {
          response = handler.run(request, stop);
        } catch (const std::exception& e) {
          server.log_failed_handler(request.path, e.what());
          response = plain_answer(500);
        }
        asio::post(server.io_, [weak, generation, response = std::move(response)]() mutable {
          auto self = weak.lock();
          if (self && self->generation_ == generation) self->respond(std::move(response));
        });
      });
  if (!submitted) return;
  in_handler_ = true;
  read();
}

void Connection::respond(Response response) {
  ++generation_;
  ++server_.counters_.requests;
  const auto web = server_.web();
  keep_alive_ = keep_alive_ && !server_.stopping_ && uses(web->tls.get());
  head_ = render_head(response, web->headers, keep_alive_, server_.wall());
  body_ = std::move(response.body);
  if (request_.method == "HEAD" || response.status == 204 || response.status == 304) body_.reset();
  sent_ = 0;
  enter(Phase::kWriting, server_.limits_.write);
  write();
  read();
}

void Connection::write() {
  const std::size_t body_size = body_ ? body_->size() : 0;
  const std::size_t head_left = head_.size() - std::min(sent_, head_.size());
  const std::size_t body_sent = sent_ > head_.size() ? sent_ - head_.size() : 0;
  if (head_left == 0 && body_sent == body_size) return on_written();
  Channel::Buffers buffers = {asio::buffer(head_.data() + head_.size() - head_left, head_left),
                              asio::const_buffer()};
  const auto body = body_size > body_sent
                        ? asio::const_buffer(body_->data() + body_sent, body_size - body_sent)
                        : asio::const_buffer();
  buffers[head_left == 0 ? 0 : 1] = body;
  channel_->write_some(buffers, [self = shared_from_this()](error_code ec, std::size_t bytes) {
    if (self->phase_ == Phase::kClosed) return;
    if (ec) return self->close();
    self->sent_ += bytes;
    self->since_ = steady_now();
    self->write();
  });
}

void Connection::on_written() {
  body_.reset();
  release_body();
  if (!keep_alive_) return linger();
  if (in_.size() > 0 || ended_) {
    enter(Phase::kReading, server_.limits_.request);
    return parse();
  }
  enter(Phase::kIdle, server_.limits_.idle);
  read();
}

// Closing with unread bytes in the socket would reset the connection and could take the response
// from the client; so the sending side ends first and the rest is read for a moment.
void Connection::linger() {
  if (ended_) return close();
  enter(Phase::kLingering, server_.limits_.linger);
  in_.consume(in_.size());
  channel_->finish([self = shared_from_this()](error_code ec) {
    if (ec && self->phase_ == Phase::kLingering) self->close();
  });
  read();
}

void Connection::release_body() {
  server_.body_bytes_ -= counted_body_;
  counted_body_ = 0;
}

// ---- Server

Result<Tcp::endpoint> Server::Impl::resolve(const ListenAddress& address) {
  if (address.host.empty()) return Tcp::endpoint(Tcp::v6(), address.port);
  error_code ec;
  const auto literal = asio::ip::make_address(address.host, ec);
  if (!ec) return Tcp::endpoint(literal, address.port);
  Tcp::resolver resolver(io_);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), Tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return Error(ErrorCode::kInvalid, "no address of that name: " + ec.message());
  }
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

Result<void> Server::Impl::listen(const std::string& text) {
  const auto address = parse_listen_address(text);
  if (!address) return address.error();
  auto endpoint = resolve(*address).context("listen on " + text);
  if (!endpoint) return endpoint.error();

  Listener& listener = listeners_.emplace_back(io_);
  error_code ec;
  listener.acceptor.open(endpoint->protocol(), ec);
  if (ec == asio::error::address_family_not_supported && address->host.empty()) {
    *endpoint = Tcp::endpoint(Tcp::v4(), address->port);  // a machine without IPv6
    listener.acceptor.open(endpoint->protocol(), ec);
  }
  if (!ec) listener.acceptor.set_option(Tcp::acceptor::reuse_address(true), ec);
  if (!ec && endpoint->address().is_v6()) {
    listener.acceptor.set_option(asio::ip::v6_only(!endpoint->address().is_unspecified()), ec);
  }
  if (!ec) listener.acceptor.bind(*endpoint, ec);
  if (!ec) listener.acceptor.listen(asio::socket_base::max_listen_connections, ec);
  Tcp::endpoint bound;
  if (!ec) bound = listener.acceptor.local_endpoint(ec);
  if (ec) {
    std::string problem = ec.message();
    if (ec == asio::error::address_in_use) problem = "address already in use";
    if (ec == asio::error::access_denied) problem = "permission denied";
    const bool denied = ec == asio::error::access_denied;
    return Error(denied ? ErrorCode::kForbidden : ErrorCode::kUnavailable,
                 "listen on " + text + ": " + problem);
  }
  bound_.push_back(to_text(bound));
  return {};
}

void Server::Impl::begin() {
  workers_ = std::make_unique<QueryWorkers>(limits_.query_workers, limits_.queued_queries);
  work_.emplace(asio::make_work_guard(io_));
  for (Listener& listener : listeners_) accept(listener);
  MutexLock lock(stop_mutex_);
  thread_ = std::thread([this] { run(); });
}

void Server::Impl::run() {
  for (;;) {
    try {
      io_.run();
      return;
    } catch (const std::exception& e) {
      log_.error("http", "the I/O thread caught an exception and goes on", {{"err", e.what()}});
    }
  }
}

void Server::Impl::accept(Listener& listener) {
  listener.acceptor.async_accept([this, &listener](error_code ec, Tcp::socket socket) {
    if (stopping_ || ec == asio::error::operation_aborted) return;
    // Descriptors or memory are used up (EMFILE, ENFILE, ENOBUFS): at once again would only spin.
    if (ec && ec != asio::error::connection_aborted) return pause(listener, ec);
    if (!ec) {
      if (std::exchange(starved_, false)) log_.info("http", "accepting connections again");
      admit(std::move(socket));
    }
    accept(listener);
  });
}

void Server::Impl::pause(Listener& listener, error_code why) {
  ++counters_.accept_pauses;
  if (!std::exchange(starved_, true)) {
    log_.warn("http", "cannot accept connections, trying again", {{"err", why.message()}});
  }
  (void)evict(Phase::kIdle);
  listener.retry.expires_after(limits_.accept_pause);
  listener.retry.async_wait([this, &listener](error_code ec) {
    if (!ec && !stopping_) accept(listener);
  });
}

// Drops the connection that is worth least: by phase, then the longest in it.
bool Server::Impl::evict(Phase up_to) {
  const SteadyTime stalled_before = steady_now() - limits_.stalled;
  std::shared_ptr<Connection> worst;
  for (const auto& c : connections_) {
    if (c->phase() > up_to) continue;
    if (c->phase() == Phase::kWriting && c->since() > stalled_before) continue;
    if (!worst || std::pair(c->phase(), c->since()) < std::pair(worst->phase(), worst->since())) {
      worst = c;
    }
  }
  if (!worst) return false;
  ++counters_.evicted;
  worst->close();
  return true;
}

void Server::Impl::admit(Tcp::socket socket) {
  ++counters_.accepted;
  error_code ec;
  const Tcp::endpoint peer = socket.remote_endpoint(ec);
  if (ec) return;  // gone already
  if (connections_.size() >= limits_.connections && !evict(Phase::kWriting)) {
    ++counters_.refused;
    return;
  }
  socket.set_option(Tcp::no_delay(true), ec);
  const auto tls = web()->tls;
  std::unique_ptr<Channel> channel;
  if (tls) {
    channel = std::make_unique<TlsChannel>(std::move(socket), tls);
  } else {
    channel = std::make_unique<PlainChannel>(std::move(socket));
  }
  auto connection = std::make_shared<Connection>(*this, std::move(channel), tls, to_text(peer));
  connections_.insert(connection);
  counters_.open = connections_.size();
  connection->begin();
}

void Server::Impl::remove(const std::shared_ptr<Connection>& connection) {
  connections_.erase(connection);
  counters_.open = connections_.size();
  end_if_drained();
}

bool Server::Impl::allowed_by_rate(const std::shared_ptr<const WebConfig>& web) {
  if (web != limited_by_) {
    limited_by_ = web;
    bucket_.reset();
    if (web->rate_limit) bucket_.emplace(*web->rate_limit, clock_.steady());
  }
  return !bucket_ || bucket_->take(clock_.steady());
}

void Server::Impl::set_web_config(std::shared_ptr<const WebConfig> web) {
  web_.publish(web ? std::move(web) : std::make_shared<const WebConfig>());
  asio::post(io_, [this] {
    const auto current = this->web();
    const auto copy = connections_;
    for (const auto& c : copy) {
      if (!c->uses(current->tls.get())) c->close_if_idle();
    }
  });
}

void Server::Impl::stop(Duration drain) {
  MutexLock lock(stop_mutex_);
  if (!thread_.joinable()) return;
  asio::post(io_, [this, drain] { begin_stop(drain); });
  thread_.join();
  workers_.reset();
}

void Server::Impl::begin_stop(Duration drain) {
  stopping_ = true;
  for (Listener& listener : listeners_) {
    error_code ignored;
    listener.acceptor.close(ignored);
    listener.retry.cancel();
  }
  const auto copy = connections_;
  for (const auto& c : copy) c->close_if_idle();
  work_.reset();
  drain_timer_.expires_after(drain);
  drain_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    const auto rest = connections_;
    for (const auto& c : rest) c->close();
  });
  end_if_drained();
}

void Server::Impl::end_if_drained() {
  if (stopping_ && connections_.empty()) drain_timer_.cancel();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { stop(Duration::zero()); }

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Router router,
                                              const Clock& clock, Logger& log) {
  const std::vector<std::string> addresses = options.listen;
  auto impl = std::make_unique<Impl>(std::move(options), std::move(router), clock, log);
  for (const std::string& address : addresses) {
    if (auto listening = impl->listen(address); !listening) return listening.error();
  }
  impl->begin();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

const std::vector<std::string>& Server::bound_addresses() const { return impl_->bound_; }

void Server::set_web_config(std::shared_ptr<const WebConfig> web) {
  impl_->set_web_config(std::move(web));
}

ServerStats Server::stats() const {
  const Counters& c = impl_->counters_;
  return {c.open,    c.accepted,      c.requests,     c.timed_out,   c.evicted,
          c.refused, c.accept_pauses, c.unauthorized, c.tls_failures};
}

void Server::stop(Duration drain) { impl_->stop(drain); }

}  // namespace keelwatch::http
