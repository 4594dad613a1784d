// Requests to the Kubernetes API server: where it is, who asks, what its refusals mean, and whether
// it lives. Threads: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/http_client.h"
#include "base/json.h"
#include "config/config.h"
#include "model/source_report.h"
#include "sources/kubernetes/credentials.h"
#include "sources/source.h"

namespace keelwatch::sources {

// What a refused request of ours means. `what` names the right that it needs ("list nodes at the
// cluster scope"). 401 is kUnauthorized, 403 kForbidden, 404 kNotFound, 410 kCancelled (start over:
// the resource version or continue token is too old), 429 and 5xx kUnavailable; others kMalformed.
// The message holds what the server's Status object says.
[[nodiscard]] Error refusal(int status, std::string_view body, std::string_view what);
[[nodiscard]] inline bool is_gone(const Error& e) { return e.code() == ErrorCode::kCancelled; }

// True if this 404 is a Kubernetes API server's word that it does not serve the resource (and not
// the page of some other web server): a Status object, or the text that it has for unknown groups.
[[nodiscard]] bool is_api_not_found(std::string_view body);

class ApiServer {
 public:
  ApiServer(SourceContext context, Credentials& credentials);
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // GET. A path with its query. On 401 the credentials are read anew and the request is sent once
  // more. Any status is a success here; errors are those of HttpClient and Credentials.
  [[nodiscard]] Task<Result<HttpResponse>> get(std::string path, SteadyTime deadline);
  // The same with a body to come. The deadline is that of the headers.
  [[nodiscard]] Task<Result<HttpStream>> open(std::string path, SteadyTime deadline);

  // One health check: is the server answering, and ready? Notes the outcome.
  [[nodiscard]] Task<> check_health(Duration timeout);

  // When the last successful health check was sent; nullopt before the first.
  [[nodiscard]] std::optional<WallTime> healthy_at() const { return healthy_at_; }

  // Server's clock minus ours by its Date headers (whole seconds, taken at their middle).
  [[nodiscard]] std::optional<double> clock_skew_seconds() const { return skew_seconds_; }

  // Of the health checks: target "apiserver".
  [[nodiscard]] model::SourceReport report() const;

 private:
  [[nodiscard]] Task<Result<HttpRequest>> request(std::string path, SteadyTime deadline);
  [[nodiscard]] Task<Result<void>> ask_health(SteadyTime deadline);
  void note_answer(const HttpResponse& response, WallTime sent);

  SourceContext context_;
  Credentials& credentials_;
  std::string health_path_ = "/readyz";
  std::optional<WallTime> healthy_at_;
  std::optional<double> skew_seconds_;
  model::SourceReport health_;
};

}  // namespace keelwatch::sources
