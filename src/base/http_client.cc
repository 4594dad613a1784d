#include "base/http_client.h"

#include <curl/curl.h>

#include <mutex>
#include <stdexcept>

#include "base/http_target.h"
#include "base/http_transfer.h"

namespace keelwatch {

using internal::BodyMode;
using internal::HttpMulti;
using internal::HttpTarget;
using internal::HttpTransfer;

namespace {

using TransferPtr = std::unique_ptr<HttpTransfer>;

void init_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      throw std::runtime_error("curl_global_init");
    }
  });
}

// Resolves and starts; the response has not come yet.
Task<Result<TransferPtr>> begin(std::shared_ptr<HttpMulti> multi, Resolver& resolver,
                                HttpRequest request, BodyMode mode) {
  Result<HttpTarget> target = internal::parse_target(request);
  if (!target) co_return target.error();
  std::vector<IpAddress> addresses;
  if (request.unix_socket.empty()) {
    auto resolved = co_await resolver.resolve(target->dialled_host(), request.deadline);
    if (!resolved) co_return resolved.error();
    addresses = std::move(*resolved);
  }
  auto transfer =
      std::make_unique<HttpTransfer>(multi, std::move(request), std::move(*target), mode);
  transfer->start(addresses);
  co_return transfer;
}

Task<Result<HttpResponse>> fetch_whole(std::shared_ptr<HttpMulti> multi, Resolver& resolver,
                                       HttpRequest request) {
  const SteadyTime deadline = request.deadline;
  Result<TransferPtr> begun =
      co_await begin(std::move(multi), resolver, std::move(request), BodyMode::kWhole);
  if (!begun) co_return begun.error();
  HttpTransfer& transfer = **begun;
  while (!transfer.finished()) {
    const bool changed = co_await transfer.changed().wait_until(deadline);
    if (!changed) co_return transfer.timed_out();
  }
  if (transfer.error()) co_return *transfer.error();
  co_return std::move(transfer.response());
}

Task<Result<TransferPtr>> open_transfer(std::shared_ptr<HttpMulti> multi, Resolver& resolver,
                                        HttpRequest request) {
  const SteadyTime deadline = request.deadline;
  Result<TransferPtr> begun =
      co_await begin(std::move(multi), resolver, std::move(request), BodyMode::kStream);
  if (!begun) co_return begun.error();
  HttpTransfer& transfer = **begun;
  while (!transfer.has_headers() && !transfer.finished()) {
    const bool changed = co_await transfer.changed().wait_until(deadline);
    if (!changed) co_return transfer.timed_out();
  }
  if (!transfer.has_headers()) co_return *transfer.error();
  co_return std::move(begun);
}

Task<Result<std::optional<std::string>>> next_pieces(HttpTransfer& transfer, SteadyTime deadline) {
  while (!transfer.has_pieces() && !transfer.finished()) {
    const bool changed = co_await transfer.changed().wait_until(deadline);
    if (!changed) co_return transfer.timed_out();
  }
  if (transfer.has_pieces()) co_return std::optional<std::string>(transfer.take_pieces());
  if (transfer.error()) co_return *transfer.error();
  co_return std::optional<std::string>();
}

}  // namespace

struct HttpStream::Impl {
  TransferPtr transfer;
};

HttpStream::HttpStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpStream::~HttpStream() = default;
HttpStream::HttpStream(HttpStream&&) noexcept = default;
HttpStream& HttpStream::operator=(HttpStream&&) noexcept = default;

const HttpResponse& HttpStream::response() const { return impl_->transfer->response(); }

Task<Result<std::optional<std::string>>> HttpStream::next(SteadyTime deadline) {
  return next_pieces(*impl_->transfer, deadline);
}

struct HttpClient::Impl {
  std::shared_ptr<HttpMulti> multi;
  Resolver& resolver;

  static Task<Result<HttpStream>> open(std::shared_ptr<HttpMulti> multi, Resolver& resolver,
                                       HttpRequest request) {
    Result<TransferPtr> opened =
        co_await open_transfer(std::move(multi), resolver, std::move(request));
    if (!opened) co_return opened.error();
    co_return HttpStream(
        std::unique_ptr<HttpStream::Impl>(new HttpStream::Impl{std::move(*opened)}));
  }
};

HttpClient::HttpClient(EventLoop& loop, Resolver& resolver) {
  init_library();
  impl_ = std::unique_ptr<Impl>(new Impl{std::make_shared<HttpMulti>(loop), resolver});
}

HttpClient::~HttpClient() { impl_->multi->close(); }

Task<Result<HttpResponse>> HttpClient::fetch(HttpRequest request) {
  return fetch_whole(impl_->multi, impl_->resolver, std::move(request));
}

Task<Result<HttpStream>> HttpClient::open(HttpRequest request) {
  return Impl::open(impl_->multi, impl_->resolver, std::move(request));
}

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return out;
}

}  // namespace keelwatch
