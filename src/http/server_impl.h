// Internal to server.cc and connection.cc, the only files that see Boost: how the server and its
// connections are made. Everything here belongs to the I/O thread unless it says otherwise.
#pragma once

#include <utility>  // before Boost: 1.74 uses std::exchange without it

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "base/published.h"
#include "http/basic_auth.h"
#include "http/channel.h"
#include "http/listen_address.h"
#include "http/query_workers.h"
#include "http/rate_bucket.h"
#include "http/server.h"

namespace keelwatch::http {

namespace beast = boost::beast;

inline SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

struct Counters {
  std::atomic<std::uint64_t> open{0}, accepted{0}, requests{0}, timed_out{0}, evicted{0},
      refused{0}, accept_pauses{0}, unauthorized{0}, tls_failures{0};
};

// The states of a connection. What it may be evicted for is in this order, too.
enum class Phase { kLingering, kIdle, kReading, kWriting, kHandling, kClosed };

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

}  // namespace keelwatch::http
