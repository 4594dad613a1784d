// One Alertmanager's HTTP API, version 2. Files of credentials are read for every request, as they
// change without notice.
// Threads: the loop's.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"
#include "config/config.h"
#include "notifier/outgoing.h"
#include "notifier/read_back.h"

namespace keelwatch::notifier {

// The collaborators of everything here; all outlive it.
struct NotifierContext {
  EventLoop& loop;
  Resolver& resolver;
  HttpClient& http;
  const Clock& clock;
  Logger& log;
};

// One process to talk to: where, and how to log in.
struct Endpoint {
  std::string url;              // without a slash at its end; names one address if discovered
  config::Alertmanager access;  // as configured, but for discovery and URL

  bool operator==(const Endpoint&) const = default;
};

// The endpoint of an Alertmanager that is not discovered.
[[nodiscard]] Endpoint endpoint_of(const config::Alertmanager& settings);
// That of one address of its host; TLS still demands the host's name.
[[nodiscard]] Endpoint endpoint_at(const config::Alertmanager& settings, const IpAddress& address);
// What a configured Alertmanager stands for, in the order of the resolver; never empty on success.
[[nodiscard]] Task<Result<std::vector<Endpoint>>> find_endpoints(NotifierContext context,
                                                                 config::Alertmanager settings);

class AlertmanagerClient {
 public:
  AlertmanagerClient(NotifierContext context, Endpoint endpoint)
      : context_(context), endpoint_(std::move(endpoint)) {}

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  // Errors of all: those of HttpClient::fetch and read_file; by status kUnauthorized, kForbidden,
  // kNotFound, kUnavailable. Of post() also kInvalid (400, 413, 422): it has refused all of the
  // alerts or, with 400, those that are wrong; its reason is the message.
  [[nodiscard]] Task<Result<void>> post(std::string body);
  // Those that carry our label, or all.
  [[nodiscard]] Task<Result<std::vector<SeenAlert>>> alerts(bool only_ours);
  [[nodiscard]] Task<Result<SeenStatus>> status();
  [[nodiscard]] Task<Result<Notifications>> notifications();

 private:
  [[nodiscard]] Result<HttpRequest> request(std::string_view path) const;
  [[nodiscard]] Task<Result<HttpResponse>> get(std::string path);

  NotifierContext context_;
  Endpoint endpoint_;
};

}  // namespace keelwatch::notifier
