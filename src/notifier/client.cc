#include "notifier/client.h"

#include <fmt/format.h>

#include "base/diagnostics.h"
#include "base/file.h"
#include "config/limits.h"

namespace keelwatch::notifier {
namespace {

constexpr std::size_t kReasonBytes = 300;  // of a refusal, in a message

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// Where the host begins and ends; with brackets, without the port.
std::pair<std::size_t, std::size_t> host_span(std::string_view url) {
  const std::size_t from = url.find("://") + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", from), url.size());
  const std::size_t bracket = url.find(']', from);
  const std::size_t port = url.find(':', bracket < end ? bracket : from);
  return {from, std::min(port, end)};
}

ErrorCode code_of(int status) {
  if (status == 400 || status == 413 || status == 422) return ErrorCode::kInvalid;
  if (status == 401) return ErrorCode::kUnauthorized;
  if (status == 403) return ErrorCode::kForbidden;
  if (status == 404 || status == 410) return ErrorCode::kNotFound;
  return ErrorCode::kUnavailable;
}

Error refusal(const HttpResponse& response) {
  std::string reason = response.body.substr(0, kReasonBytes);
  while (reason.ends_with('\n')) reason.pop_back();
  return Error(code_of(response.status),
               reason.empty()
                   ? fmt::format("HTTP status {}", response.status)
                   : fmt::format("HTTP status {}: {}", response.status, in_quotes(reason)));
}

Result<std::string> first_line_of(const std::string& path) {
  Result<std::string> text = read_file(path, limits::kSecretFileBytes);
  if (!text) return text;
  return text->substr(0, text->find_first_of("\r\n"));
}

Result<void> fill_in(std::string& field, const std::string& path, std::string_view what) {
  if (path.empty()) return {};
  Result<std::string> text = read_file(path, limits::kCaFileBytes);
  if (!text) return text.error().context(what);
  field = *std::move(text);
  return {};
}

Result<void> add_tls(HttpRequest& request, const config::Alertmanager& access) {
  request.tls.server_name = access.server_name;
  request.tls.skip_verify = access.insecure_skip_verify;
  if (auto read = fill_in(request.tls.ca_pem, access.ca_file, "CA"); !read) return read;
  if (auto read = fill_in(request.tls.certificate_pem, access.cert_file, "certificate"); !read) {
    return read;
  }
  std::string key;
  if (auto read = fill_in(key, access.key_file, "key"); !read) return read;
  request.tls.key_pem = Secret(std::move(key));
  return {};
}

Result<void> add_login(HttpRequest& request, const config::Alertmanager& access) {
  if (!access.bearer_token_file.empty()) {
    Result<std::string> token = first_line_of(access.bearer_token_file);
    if (!token) return token.error().context("bearer token");
    request.bearer_token = Secret(*std::move(token));
  }
  if (access.user.empty()) return {};
  Secret password;
  if (!access.password_file.empty()) {
    Result<std::string> text = first_line_of(access.password_file);
    if (!text) return text.error().context("password");
    password = Secret(*std::move(text));
  }
  request.basic_auth = {access.user, std::move(password)};
  return {};
}

std::string host_of(std::string_view url) {
  const auto [from, to] = host_span(url);
  return std::string(url.substr(from, to - from));
}

}  // namespace

Endpoint endpoint_of(const config::Alertmanager& settings) {
  Endpoint endpoint{without_slash(settings.url), settings};
  endpoint.access.discover = false;
  return endpoint;
}

Endpoint endpoint_at(const config::Alertmanager& settings, const IpAddress& address) {
  Endpoint endpoint = endpoint_of(settings);
  const auto [from, to] = host_span(endpoint.url);
  if (endpoint.access.server_name.empty()) endpoint.access.server_name = host_of(endpoint.url);
  endpoint.url.replace(from, to - from, address.v6 ? "[" + address.text + "]" : address.text);
  if (!endpoint.url.starts_with("https://")) endpoint.access.server_name.clear();
  return endpoint;
}

Task<Result<std::vector<Endpoint>>> find_endpoints(NotifierContext context,
                                                   config::Alertmanager settings) {
  if (!settings.discover) co_return std::vector<Endpoint>{endpoint_of(settings)};
  const SteadyTime deadline = context.loop.after(settings.timeout);
  const Result<std::vector<IpAddress>> addresses =
      co_await context.resolver.resolve(host_of(settings.url), deadline);
  if (!addresses) co_return addresses.error();
  std::vector<Endpoint> endpoints;
  for (const IpAddress& address : *addresses) {
    if (endpoints.size() == limits::kAlertmanagers) break;
    endpoints.push_back(endpoint_at(settings, address));
  }
  co_return endpoints;
}

Result<HttpRequest> AlertmanagerClient::request(std::string_view path) const {
  HttpRequest request;
  request.url = endpoint_.url + std::string(path);
  request.headers = {{"User-Agent", "keelwatch"}, {"Accept", "application/json"}};
  request.deadline = context_.loop.after(endpoint_.access.timeout);
  request.connect_timeout = endpoint_.access.timeout;
  request.max_body_bytes = limits::kAlertmanagerBytes;
  if (auto added = add_tls(request, endpoint_.access); !added) return added.error();
  if (auto added = add_login(request, endpoint_.access); !added) return added.error();
  return request;
}

Task<Result<void>> AlertmanagerClient::post(std::string body) {
  Result<HttpRequest> asked = request("/api/v2/alerts");
  if (!asked) co_return asked.error();
  asked->method = "POST";
  asked->headers.emplace_back("Content-Type", "application/json");
  asked->body = std::move(body);
  const Result<HttpResponse> response = co_await context_.http.fetch(*std::move(asked));
  if (!response) co_return response.error();
  if (response->status / 100 != 2) co_return refusal(*response);
  co_return Result<void>();
}

Task<Result<HttpResponse>> AlertmanagerClient::get(std::string path) {
  Result<HttpRequest> asked = request(path);
  if (!asked) co_return asked.error();
  Result<HttpResponse> response = co_await context_.http.fetch(*std::move(asked));
  if (response && response->status != 200) co_return refusal(*response);
  co_return response;
}

Task<Result<std::vector<SeenAlert>>> AlertmanagerClient::alerts(bool only_ours) {
  std::string path = "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true";
  if (only_ours)
    path += "&filter=" + percent_encode(fmt::format("{}=\"{}\"", kEvaluator, kEvaluatorName));
  const Result<HttpResponse> response = co_await get(std::move(path));
  if (!response) co_return response.error();
  co_return decode_alerts(response->body).context("alerts");
}

Task<Result<SeenStatus>> AlertmanagerClient::status() {
  const Result<HttpResponse> response = co_await get("/api/v2/status");
  if (!response) co_return response.error();
  co_return decode_status(response->body).context("status");
}

Task<Result<Notifications>> AlertmanagerClient::notifications() {
  const Result<HttpResponse> response = co_await get("/metrics");
  if (!response) co_return response.error();
  co_return decode_notifications(response->body, response->header("content-type"))
      .context("metrics");
}

}  // namespace keelwatch::notifier
