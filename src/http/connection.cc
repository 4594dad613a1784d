// The protocol of one connection: reading, judging, answering, ending.
#include "http/server_impl.h"

#include <boost/asio/post.hpp>

namespace keelwatch::http {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kReadAheadBytes = 64 * 1024;  // pipelined requests waiting their turn

int status_of(error_code ec) {
  if (ec == beast::http::error::header_limit) return 431;
  if (ec == beast::http::error::body_limit) return 413;
  if (ec == beast::http::error::bad_version) return 505;
  return 400;
}

Response plain_answer(int status) {
  return Response::text(status, std::string(reason_phrase(status)) + "\n");
}

}  // namespace

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
  // What was decided before writing may have changed meanwhile: who was at work when the server
  // began to stop, or took other TLS settings, was not idle then and is idle now.
  if (!keep_alive_ || server_.stopping_ || !uses(server_.web()->tls.get())) return linger();
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

}  // namespace keelwatch::http
