// An event loop with a resolver and an HTTP client, for tests that drive them from outside.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/resolver.h"

namespace keelwatch::testing {

struct NetFixture {
  explicit NetFixture(std::vector<std::string> dns_servers = {})
      : resolver(loop, std::move(dns_servers)), http(loop, resolver) {}

  // A request with a deadline that only a hang can miss.
  [[nodiscard]] HttpRequest request(std::string url) const {
    HttpRequest r;
    r.url = std::move(url);
    r.deadline = loop.after(std::chrono::seconds(20));
    return r;
  }
  [[nodiscard]] Result<HttpResponse> fetch(HttpRequest r) {
    return loop.block_on(http.fetch(std::move(r)));
  }
  [[nodiscard]] Result<HttpResponse> get(std::string url) { return fetch(request(std::move(url))); }

  EventLoop loop;
  Resolver resolver;
  HttpClient http;
};

}  // namespace keelwatch::testing
