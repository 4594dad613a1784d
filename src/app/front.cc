#include "app/front.h"

#include <utility>

#include "app/explain.h"
#include "app/what_if.h"
#include "base/time_text.h"
#include "http/negotiation.h"

namespace keelwatch::app {
namespace {

constexpr Duration::rep kNever = Duration::min().count();

}  // namespace

Front::Front(metrics::SelfMetrics& self, const Clock& clock, Duration slot)
    : self_(self), clock_(clock), started_(clock.steady()), first_slot_(slot) {
  for (auto& asked : asked_) asked = kNever;
  // Until there is a snapshot its age is the program's: a first step that never ends is seen by the
  // same alert as a later one.
  self_.snapshot_published(started_);
}

void Front::show(std::shared_ptr<const Moment> moment) {
  const SteadyTime now = clock_.steady();
  self_.snapshot_published(now);
  std::shared_ptr<const metrics::Samples> samples(moment, &moment->samples);  // they live in it
  const std::shared_ptr<const Shown> shown(
      new Shown{std::move(moment), metrics::Page(std::move(samples), self_, clock_), now});
  const Duration::rep wanted_since = (now - kWanted).time_since_epoch().count();
  for (const auto& [format, encoding] : metrics::kForms) {
    const Duration::rep asked = asked_[metrics::index_of(format, encoding)];
    if (asked != kNever && asked >= wanted_since) (void)shown->page.body(format, encoding);
  }
  shown_.publish(shown);
}

Front::Look Front::look() const {
  Look look;
  look.shown = shown_.read();
  look.age = clock_.steady() - (look.shown ? look.shown->at : started_);
  look.overdue =
      look.age > Moment::kSlotsUntilStale * (look.shown ? look.shown->moment->slot : first_slot_);
  return look;
}

http::Response Front::Look::refusal() const {
  const std::string ago = format_duration(std::chrono::round<std::chrono::milliseconds>(age));
  return http::Response::text(
      503, shown ? "the last step was " + ago + " ago: what it saw is not served as fresh\n"
                 : "no step has ended yet, " + ago + " after the start\n");
}

std::shared_ptr<const Moment> Front::moment() const {
  const Look now = look();
  return now.believed() ? now.shown->moment : nullptr;
}

http::Response Front::serve_metrics(const http::Request& request) {
  using metrics::Encoding;
  const metrics::Format format =
      metrics::negotiate(std::string(request.header("accept").value_or("")));
  const Encoding encoding = http::prefers_gzip(request.header("accept-encoding").value_or(""))
                                ? Encoding::kGzip
                                : Encoding::kIdentity;
  asked_[metrics::index_of(format, encoding)] = clock_.steady().time_since_epoch().count();
  http::Response response;
  response.content_type = metrics::content_type(format);
  response.headers.push_back({"Vary", "Accept, Accept-Encoding"});
  if (encoding == Encoding::kGzip) response.headers.push_back({"Content-Encoding", "gzip"});
  if (const Look now = look(); now.believed()) {
    response.body = now.shown->page.body(format, encoding);
  } else {
    std::string own = metrics::render(nullptr, self_, format);
    if (encoding == Encoding::kGzip) own = metrics::gzip(own);
    response.body = std::make_shared<const std::string>(std::move(own));
  }
  return response;
}

http::Response Front::serve_healthy() const {
  const Look now = look();
  return now.overdue ? now.refusal() : http::Response::text(200, "healthy\n");
}

http::Response Front::serve_ready() const {
  const Look now = look();
  return now.believed() ? http::Response::text(200, "ready\n") : now.refusal();
}

http::Response Front::serve_explain(const http::Request& request) const {
  const Look now = look();
  if (!now.believed()) return now.refusal();
  const bool json = request.query_value("format") == std::string_view("json");
  const auto text = explain(*now.shown->moment, request.query_value("series").value_or(""), json);
  if (!text) {
    return http::Response::text(text.error().code() == ErrorCode::kNotFound ? 404 : 400,
                                text.error().message() + "\n");
  }
  http::Response response = http::Response::text(200, *text);
  if (json) response.content_type = "application/json";
  return response;
}

http::Response Front::serve_what_if(const http::Request& request) const {
  const Look now = look();
  if (!now.believed()) return now.refusal();
  const auto list = [&](std::string_view name) {
    return split_names(request.query_value(name).value_or(""));
  };
  const WhatIfRequest asked{.nodes = list("lose"),
                            .zones = list("lose-zone"),
                            .hosts = list("lose-host"),
                            .cluster = std::string(request.query_value("cluster").value_or(""))};
  const Result<WhatIf> result = what_if(*now.shown->moment, asked);
  if (!result) {
    const int status = result.error().code() == ErrorCode::kInvalid ? 400 : 503;
    return http::Response::text(status, result.error().message() + "\n");
  }
  const bool json = request.query_value("format") == std::string_view("json");
  http::Response response =
      http::Response::text(200, json ? what_if_json(*result) : what_if_text(*result));
  if (json) response.content_type = "application/json";
  response.headers.push_back({std::string(kSurvivesHeader), result->survives() ? "1" : "0"});
  return response;
}

}  // namespace keelwatch::app
