// A server on a free loopback port with one handler of each kind.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "http/server.h"
#include "tests/http/raw_client.h"

namespace keelwatch::http::testing {

// Wall time stands still; steady time runs, since sockets are real.
class StoppedWallClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override {
    return WallTime(std::chrono::seconds(1795575403));  // 2026-11-25 02:56:43
  }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

inline std::string echo(const Request& request) {
  std::string text = request.method + " " + request.path + " ";
  for (const auto& [key, value] : request.query) {
    text.append(key).append("=").append(value).append(" ");
  }
  return text + "body=" + request.body;
}

inline Router test_routes() {
  Router router;
  const auto fixed = [](std::string text) {
    return Immediate{[text](const Request&) { return Response::text(200, text); }};
  };
  const Immediate echoing{[](const Request& r) { return Response::text(200, echo(r)); }};
  router.add("GET", "/hello", fixed("hello\n"));
  router.add("GET", "/echo", echoing);
  router.add("POST", "/echo", echoing);
  router.add("POST", "/reload", fixed("reloaded\n"));
  router.add("POST", "/size", Immediate{[](const Request& r) {
               return Response::text(200, std::to_string(r.body.size()));
             }});
  router.add("GET", "/accept", Immediate{[](const Request& r) {
               return Response::text(200, std::string(r.header("Accept").value_or("none")));
             }});
  router.add("GET", "/throws",
             Immediate{[](const Request&) -> Response { throw std::runtime_error("test"); }});
  router.add("GET", "/throws-queued",
             Queued{[](const Request&, const std::stop_token&) -> Response {
               throw std::runtime_error("test");
             }});
  router.add("GET", "/queued", Queued{[](const Request&, const std::stop_token&) {
               return Response::text(200, "queued\n");
             }});
  router.add_prefix("GET", "/under/", Immediate{[](const Request& r) {
                      return Response::text(200, "under " + r.path);
                    }});
  return router;
}

class TestServer {
 public:
  explicit TestServer(ServerLimits limits = {}, std::shared_ptr<const WebConfig> web = nullptr,
                      std::vector<std::string> listen = {"127.0.0.1:0"},
                      Router router = test_routes()) {
    auto started =
        Server::start({std::move(listen), std::move(web), limits}, std::move(router), clock_, log_);
    INFO((started ? std::string() : started.error().message()));
    REQUIRE(started);
    server_ = std::move(*started);
  }

  Server* operator->() { return server_.get(); }
  [[nodiscard]] std::string address() const { return server_->bound_addresses().front(); }
  void destroy() { server_.reset(); }

 private:
  StoppedWallClock clock_;
  Logger log_{LogLevel::kError, LogFormat::kLogfmt, [](std::string_view) {}};
  std::unique_ptr<Server> server_;
};

}  // namespace keelwatch::http::testing
