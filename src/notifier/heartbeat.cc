#include "notifier/heartbeat.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/time_text.h"
#include "config/limits.h"

namespace keelwatch::notifier {
namespace {

constexpr const char* kSource = "heartbeat";
constexpr int kSlots = 3;

}  // namespace

std::optional<std::string> reason_for_silence(Duration since_evaluation, Duration slot,
                                              const Delivery& delivery) {
  if (since_evaluation > kSlots * slot) {
    return fmt::format("nothing was evaluated for {}", format_duration(since_evaluation));
  }
  if (!delivery.set_up) return std::nullopt;
  const std::vector<std::string> untold = delivery.nobody_was_told();
  if (!untold.empty()) return "nobody was told of " + untold.front();
  if (!delivery.can_tell()) return "no Alertmanager can tell anybody";
  return std::nullopt;
}

Heartbeat::Heartbeat(NotifierContext context, metrics::SelfMetrics& self,
                     config::Heartbeat settings, Reason reason_for_silence)
    : context_(context),
      self_(self),
      settings_(std::move(settings)),
      reason_for_silence_(std::move(reason_for_silence)) {}

Task<> Heartbeat::run() {
  std::string trouble;
  for (;;) {
    if (settings_.url.empty() && settings_.url_file.empty()) {
      co_await context_.loop.sleep_for(std::chrono::hours(24));
      continue;
    }
    const SteadyTime begun = context_.loop.now();
    Duration pause = settings_.interval;
    std::string now;
    if (const std::optional<std::string> reason = reason_for_silence_()) {
      now = "silent: " + *reason;
      // It speaks again as soon as it may.
      pause = std::min(pause, Duration(std::chrono::seconds(5)));
    } else if (const Result<void> sent = co_await beat(); !sent) {
      now = "not heard: " + sent.error().message();
      pause = pause / 4;
    } else {
      self_.heartbeat_sent(context_.clock.wall());
    }
    if (!now.empty() && trouble.empty()) {
      context_.log.error(kSource, "the heartbeat is missing", {{"why", now}});
    } else if (now.empty() && !trouble.empty()) {
      context_.log.info(kSource, "the heartbeat is back");
    }
    trouble = now;
    co_await context_.loop.sleep_until(begun + pause);
  }
}

// The address is a secret: it gets into no message.
Task<Result<void>> Heartbeat::beat() {
  HttpRequest request;
  request.url = settings_.url;
  if (request.url.empty()) {
    const Result<std::string> text = read_file(settings_.url_file, limits::kSecretFileBytes);
    if (!text) co_return text.error().context("URL");
    request.url = text->substr(0, text->find_first_of("\r\n"));
  }
  request.method = settings_.post ? "POST" : "GET";
  request.headers = {{"User-Agent", "keelwatch"}};
  request.deadline = context_.loop.after(settings_.timeout);
  request.max_body_bytes = limits::kSecretFileBytes;
  if (!settings_.ca_file.empty()) {
    Result<std::string> ca = read_file(settings_.ca_file, limits::kCaFileBytes);
    if (!ca) co_return ca.error().context("CA");
    request.tls.ca_pem = *std::move(ca);
  }
  const Result<HttpResponse> response = co_await context_.http.fetch(std::move(request));
  if (!response) co_return response.error();
  if (response->status / 100 != 2) {
    co_return Error(ErrorCode::kUnavailable, fmt::format("HTTP status {}", response->status));
  }
  co_return Result<void>();
}

}  // namespace keelwatch::notifier
