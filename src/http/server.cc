// Listening, accepting, evicting, stopping.
#include "http/server_impl.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>

namespace keelwatch::http {
namespace {

std::string to_text(const Tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

}  // namespace

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
