#include "sources/filesystem/kubelet.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/file.h"
#include "config/limits.h"
#include "sources/kubernetes/api_server.h"

namespace keelwatch::sources {
namespace {

constexpr const char* kSource = "filesystem";
constexpr std::size_t kMaxRefusalBytes = 4096;

bool contains(const Error& error, std::string_view text) {
  return error.message().find(text) != std::string::npos;
}

// OpenSSL's words by way of libcurl.
bool is_other_name(const Error& error) { return contains(error, "certificate subject name"); }
bool is_unknown_ca(const Error& error) { return contains(error, "certificate problem"); }

}  // namespace

Kubelet::Kubelet(SourceContext context, const config::Filesystems& settings,
                 Credentials& credentials, discovery::KubeletTarget target,
                 std::function<void()> changed)
    : context_(context),
      settings_(settings),
      credentials_(credentials),
      target_(std::move(target)),
      changed_(std::move(changed)),
      report_(context, kSource, target_.node) {
  node_ = std::make_shared<const model::NodeFilesystems>(model::NodeFilesystems{
      target_.node, Observed<Claims>::unknown(Error(ErrorCode::kUnavailable, "not asked yet"),
                                              fmt::format("{} {}", kSource, target_.node))});
}

Task<> Kubelet::run() {
  for (;;) {
    const SteadyTime next = context_.loop.after(settings_.interval);
    report_.begin();
    const Result<Claims> claims = co_await ask(context_.loop.after(settings_.timeout));
    note(claims);
    changed_();
    co_await context_.loop.sleep_until(next);
  }
}

void Kubelet::note(const Result<Claims>& claims) {
  model::NodeFilesystems node = *node_;
  if (claims) {
    report_.succeeded();
    node.claims = Observed<Claims>::known(*claims, report_.sent());
  } else {
    report_.failed(claims.error());
    if (node.claims.is_known() && is_transient(claims.error())) return;
    node.claims =
        Observed<Claims>::unknown(claims.error(), fmt::format("{} {}", kSource, target_.node));
  }
  node_ = std::make_shared<const model::NodeFilesystems>(std::move(node));
}

Result<HttpRequest> Kubelet::request(ApiAccess access, SteadyTime deadline) const {
  HttpRequest request;
  const bool v6 = target_.address.find(':') != std::string::npos;
  request.url =
      fmt::format("https://{}:{}/metrics", v6 ? "[" + target_.address + "]" : target_.address,
                  settings_.kubelet_port);
  request.headers = {{"Accept", "text/plain;version=0.0.4"}, {"User-Agent", "keelwatch"}};
  request.bearer_token = std::move(access.bearer_token);
  request.proxy_url = std::move(access.proxy_url);
  request.deadline = deadline;
  request.tls.certificate_pem = std::move(access.tls.certificate_pem);
  request.tls.key_pem = std::move(access.tls.key_pem);
  request.tls.skip_verify = settings_.kubelet_insecure_skip_verify;
  if (by_node_name_) request.tls.server_name = target_.node;
  if (settings_.kubelet_ca.empty()) {
    request.tls.ca_pem = std::move(access.tls.ca_pem);
  } else {
    Result<std::string> ca = read_file(settings_.kubelet_ca, limits::kCaFileBytes);
    if (!ca) return std::move(ca).error().context("filesystems.kubelet_ca");
    request.tls.ca_pem = *std::move(ca);
  }
  return request;
}

// With a certificate that bears only the node's name, and a credential that has just been changed,
// this takes three attempts; then the answer stands, whatever it is.
Task<Result<HttpStream>> Kubelet::open(SteadyTime deadline) {
  bool credentials_anew = false;
  for (;;) {
    Result<ApiAccess> access = co_await credentials_.current(deadline);
    if (!access) co_return access.error();
    Result<HttpRequest> asked = request(*std::move(access), deadline);
    if (!asked) co_return asked.error();
    Result<HttpStream> stream = co_await context_.http.open(*std::move(asked));
    if (!stream) {
      if (is_other_name(stream.error())) {
        by_node_name_ = !by_node_name_;
        if (by_node_name_) continue;
      }
      co_return stream.error();
    }
    if (stream->response().status != 401 || std::exchange(credentials_anew, true)) {
      co_return stream;
    }
    credentials_.refused();
  }
}

Task<Result<Kubelet::Claims>> Kubelet::ask(SteadyTime deadline) {
  if (!target_.cannot_ask_reason.empty()) {
    co_return Error(ErrorCode::kUnavailable, target_.cannot_ask_reason);
  }
  Result<HttpStream> stream = co_await open(deadline);
  if (!stream) {
    if (!is_unknown_ca(stream.error())) co_return stream.error();
    co_return Error(stream.error().code(), stream.error().message() +
                                               "; if the kubelet's certificate is not of the "
                                               "cluster's CA, name its CA as "
                                               "filesystems.kubelet_ca");
  }
  const int status = stream->response().status;
  VolumeStatsReader reader;
  std::string refused;
  for (;;) {
    Result<std::optional<std::string>> piece = co_await stream->next(deadline);
    if (!piece) {
      if (status != 200) break;
      co_return piece.error();
    }
    if (!piece->has_value()) break;
    if (status != 200) {
      refused += **piece;
      if (refused.size() > kMaxRefusalBytes) break;
      continue;
    }
    const Result<void> fed = reader.feed(**piece);
    if (!fed) co_return fed.error();
  }
  if (status != 200) co_return refusal(status, refused, "get nodes/metrics at the cluster scope");
  co_return std::move(reader).finish();
}

}  // namespace keelwatch::sources
