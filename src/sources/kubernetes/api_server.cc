#include "sources/kubernetes/api_server.h"

#include <fmt/format.h>

#include "base/time_text.h"

namespace keelwatch::sources {
namespace {

constexpr std::size_t kMaxMessage = 300;  // of a server's text in our errors
// What kube-apiserver writes for a path below a group or version that it does not have.
constexpr std::string_view kUnknownPath = "404 page not found";

// The message of a Status object; the start of any other body.
std::string words_of(std::string_view body) {
  JsonReader reader;
  const JsonValue root = reader.parse(body);
  if (reader.finish() && root.type() == JsonType::kObject) {
    if (const auto message = root["message"].string()) {
      return std::string(message->substr(0, kMaxMessage));
    }
  }
  return std::string(body.substr(0, std::min(body.find_first_of("\r\n"), kMaxMessage)));
}

ErrorCode code_of_status(int status) {
  switch (status) {
    case 401:
      return ErrorCode::kUnauthorized;
    case 403:
      return ErrorCode::kForbidden;
    case 404:
      return ErrorCode::kNotFound;
    case 410:
      return ErrorCode::kCancelled;
    case 408:
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kMalformed;
  }
}

}  // namespace

Error refusal(int status, std::string_view body, std::string_view what) {
  const ErrorCode code = code_of_status(status);
  const std::string said = words_of(body);
  const std::string_view lead = code == ErrorCode::kForbidden ? "the right is missing to " : "";
  return Error(code, said.empty() ? fmt::format("{}{}: HTTP status {}", lead, what, status)
                                  : fmt::format("{}{}: {} ({})", lead, what, said, status));
}

bool is_api_not_found(std::string_view body) {
  if (body.substr(0, kUnknownPath.size()) == kUnknownPath) return true;
  JsonReader reader;
  const JsonValue root = reader.parse(body);
  return root.type() == JsonType::kObject && root["kind"].string() == "Status";
}

ApiServer::ApiServer(SourceContext context, Credentials& credentials)
    : context_(context), credentials_(credentials) {
  health_.source = "kubernetes";
  health_.target = "apiserver";
  health_.pending = true;
}

Task<Result<HttpRequest>> ApiServer::request(std::string path, SteadyTime deadline) {
  Result<ApiAccess> access = co_await credentials_.current(deadline);
  if (!access) co_return access.error();
  HttpRequest request;
  request.url = access->server + path;
  request.headers = {{"Accept", "application/json"}, {"User-Agent", "keelwatch"}};
  request.tls = std::move(access->tls);
  request.bearer_token = std::move(access->bearer_token);
  request.basic_auth = std::move(access->basic_auth);
  request.proxy_url = std::move(access->proxy_url);
  request.deadline = deadline;
  co_return request;
}

Task<Result<HttpResponse>> ApiServer::get(std::string path, SteadyTime deadline) {
  for (int attempt = 1;; ++attempt) {
    Result<HttpRequest> asked = co_await request(path, deadline);
    if (!asked) co_return asked.error();
    const WallTime sent = context_.clock.wall();
    Result<HttpResponse> response = co_await context_.http.fetch(std::move(*asked));
    if (!response) co_return response.error();
    note_answer(*response, sent);
    if (response->status != 401 || attempt == 2) co_return response;
    credentials_.refused();
  }
}

Task<Result<HttpStream>> ApiServer::open(std::string path, SteadyTime deadline) {
  for (int attempt = 1;; ++attempt) {
    Result<HttpRequest> asked = co_await request(path, deadline);
    if (!asked) co_return asked.error();
    const WallTime sent = context_.clock.wall();
    Result<HttpStream> stream = co_await context_.http.open(std::move(*asked));
    if (!stream) co_return stream.error();
    note_answer(stream->response(), sent);
    if (stream->response().status != 401 || attempt == 2) co_return stream;
    credentials_.refused();
  }
}

void ApiServer::note_answer(const HttpResponse& response, WallTime sent) {
  const auto date = parse_http_date(response.header("date"));
  if (!date) return;
  const WallTime middle = sent + (context_.clock.wall() - sent) / 2;
  skew_seconds_ = to_seconds(*date + std::chrono::milliseconds(500) - middle);
}

Task<Result<void>> ApiServer::ask_health(SteadyTime deadline) {
  Result<HttpResponse> response = co_await get(health_path_, deadline);
  if (!response) co_return std::move(response).error().context("GET " + health_path_);
  const int status = response->status;
  if (status == 200) co_return Result<void>();
  if ((status == 403 || status == 404) && health_path_ == "/readyz") {
    // Some proxies in front of an API server pass no health endpoints: its version will do.
    health_path_ = "/version";
    co_return co_await ask_health(deadline);
  }
  co_return refusal(status, response->body, "GET " + health_path_);
}

Task<> ApiServer::check_health(Duration timeout) {
  const WallTime sent = context_.clock.wall();
  const SteadyTime begun = context_.clock.steady();
  const Result<void> answer = co_await ask_health(context_.loop.after(timeout));
  ++health_.requests;
  health_.pending = false;
  health_.last_duration = context_.clock.steady() - begun;
  if (answer) {
    if (!health_.up && !health_.last_error.empty()) {
      context_.log.info("kubernetes", "the API server answers again");
    }
    health_.up = true;
    health_.last_error.clear();
    healthy_at_ = sent;
    co_return;
  }
  if (health_.up || health_.last_error.empty()) {
    context_.log.warn("kubernetes", "the API server does not answer", {{"err", answer.error()}});
  }
  health_.up = false;
  health_.last_error = answer.error().message();
  ++health_.errors[std::string(to_string(answer.error().code()))];
}

model::SourceReport ApiServer::report() const {
  model::SourceReport report = health_;
  report.last_success = healthy_at_;
  report.clock_skew_seconds = skew_seconds_;
  return report;
}

}  // namespace keelwatch::sources
