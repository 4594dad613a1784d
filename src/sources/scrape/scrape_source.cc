#include "sources/scrape/scrape_source.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "base/file.h"
#include "base/time_text.h"
#include "config/limits.h"
#include "metrics/exposition.h"
#include "sources/scrape/target_labels.h"

namespace keelwatch::sources {
namespace {

constexpr const char* kSource = "scrape";

using Series = std::vector<model::ScrapedSeries>;

std::string name_of(const discovery::ScrapeTarget& target) {
  if (target.by_hand) return target.url;
  return fmt::format("{} {}/{}", target.id.kind, target.id.ns, target.id.pod);
}

std::string host_and_port(const std::string& url) {
  const auto from = url.find("://") + 3;
  return url.substr(from, url.find_first_of("/?", from) - from);
}

// A Pod is known by its name; a page listed by hand by its address, as in Prometheus.
std::vector<std::pair<std::string, std::string>> labels_of(const discovery::ScrapeTarget& target) {
  std::vector<std::pair<std::string, std::string>> labels = {
      {"namespace", target.id.ns}, {"cluster", target.id.cluster}, {"pod", target.id.pod}};
  if (target.by_hand) {
    labels.emplace_back("job", target.id.kind);
    labels.emplace_back("instance", host_and_port(target.url));
  }
  return labels;
}

// Errors that the next scrape will have, too.
bool is_lasting(const Error& error) {
  return error.code() == ErrorCode::kMalformed || error.code() == ErrorCode::kTooLarge;
}

ErrorCode code_of_status(int status) {
  if (status == 401) return ErrorCode::kUnauthorized;
  if (status == 403) return ErrorCode::kForbidden;
  if (status == 404) return ErrorCode::kNotFound;
  return ErrorCode::kUnavailable;
}

}  // namespace

class ScrapeSource::Page {
 public:
  Page(SourceContext context, const config::Scrape& settings, discovery::ScrapeTarget target,
       PublishSoon& soon)
      : context_(context),
        settings_(settings),
        target_(std::move(target)),
        soon_(soon),
        report_(context, kSource, name_of(target_)) {
    show(Observed<Series>::unknown(Error(ErrorCode::kUnavailable, "not asked yet"), name()));
  }

  void start() { scope_.spawn(run()); }
  void rethrow_failure() { scope_.rethrow_failure(); }
  [[nodiscard]] const discovery::ScrapeTarget& target() const { return target_; }
  [[nodiscard]] std::shared_ptr<const model::Scrape> scrape() const { return scrape_; }
  [[nodiscard]] const model::SourceReport& report() const { return report_.report(); }

 private:
  [[nodiscard]] std::string name() const { return fmt::format("{} {}", kSource, name_of(target_)); }

  [[nodiscard]] Task<> run() {
    for (;;) {
      const SteadyTime begun = context_.loop.now();
      report_.begin();
      Result<Series> series = co_await ask(context_.loop.after(settings_.timeout));
      const bool off = !series && is_lasting(series.error());
      note(std::move(series), off);
      soon_.changed();
      co_await context_.loop.sleep_until(begun + pause(off));
    }
  }

  [[nodiscard]] Duration pause(bool off) const {
    return off ? kSlowFactor * settings_.interval : settings_.interval;
  }

  void note(Result<Series> series, bool off) {
    if (series) {
      report_.succeeded();
      return show(Observed<Series>::known(*std::move(series), report_.sent()));
    }
    Error error = series.error();
    if (off) {
      error = Error(error.code(), fmt::format("{}; off, asked again after {}", error.message(),
                                              format_duration(pause(off))));
    }
    report_.failed(error);
    show(Observed<Series>::unknown(std::move(error), name()));
  }

  void show(Observed<Series> page) {
    scrape_ = std::make_shared<const model::Scrape>(
        model::Scrape{target_.id, target_.url, std::move(page)});
  }

  [[nodiscard]] Task<Result<Series>> ask(SteadyTime deadline) {
    HttpRequest request;
    request.url = target_.url;
    request.headers = {{"Accept",
                        "application/openmetrics-text;version=1.0.0;q=0.5,"
                        "text/plain;version=0.0.4"},
                       {"User-Agent", "keelwatch"}};
    request.deadline = deadline;
    request.max_body_bytes = static_cast<std::size_t>(settings_.max_bytes);
    request.tls.server_name = target_.server_name;
    if (!target_.ca_file.empty()) {
      Result<std::string> ca = read_file(target_.ca_file, limits::kCaFileBytes);
      if (!ca) co_return std::move(ca).error().context("CA");
      request.tls.ca_pem = *std::move(ca);
    }
    const Result<HttpResponse> response = co_await context_.http.fetch(std::move(request));
    if (!response) co_return response.error();
    if (response->status != 200) {
      co_return Error(code_of_status(response->status),
                      fmt::format("{}: HTTP status {}", target_.url, response->status));
    }
    const Result<metrics::ParsedPage> page =
        metrics::parse_page(response->body, response->header("content-type"),
                            static_cast<std::size_t>(settings_.max_series));
    if (!page) co_return page.error().context(target_.url);
    co_return with_target_labels(*page, labels_of(target_), report_.sent());
  }

  SourceContext context_;
  const config::Scrape& settings_;
  discovery::ScrapeTarget target_;
  PublishSoon& soon_;
  PollReport report_;
  std::shared_ptr<const model::Scrape> scrape_;
  TaskScope scope_;
};

ScrapeSource::ScrapeSource(SourceContext context, config::Scrape settings,
                           Publish<model::ScrapeSlice> publish)
    : context_(context),
      settings_(std::move(settings)),
      publish_(std::move(publish)),
      soon_(context.loop, [this] { publish_now(); }) {}

ScrapeSource::~ScrapeSource() = default;

Task<> ScrapeSource::run() {
  struct AtExit {
    ScrapeSource& source;
    ~AtExit() {
      source.running_ = false;
      source.pages_.clear();
    }
  };
  const AtExit end_requests{*this};
  running_ = true;
  if (has_targets_) start_pages();
  for (;;) {
    co_await context_.loop.sleep_for(std::chrono::seconds(1));
    for (const auto& [key, page] : pages_) page->rethrow_failure();
  }
}

void ScrapeSource::set_targets(discovery::ScrapeTargets targets) {
  targets_ = std::move(targets);
  has_targets_ = true;
  if (running_) start_pages();
  soon_.changed();
}

void ScrapeSource::start_pages() {
  std::set<std::pair<model::ScrapeId, std::string>> wanted;
  for (const discovery::ScrapeTarget& target : targets_.pages) {
    const auto key = std::pair(target.id, target.url);
    wanted.insert(key);
    std::unique_ptr<Page>& page = pages_[key];
    if (page && page->target() == target) continue;
    page = std::make_unique<Page>(context_, settings_, target, soon_);
    page->start();
  }
  std::erase_if(pages_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

void ScrapeSource::publish_now() const {
  if (!has_targets_) return;
  auto slice = std::make_shared<model::ScrapeSlice>();
  for (const auto& [key, page] : pages_) {
    slice->targets.push_back(page->scrape());
    slice->reports.push_back(page->report());
  }
  publish_(std::move(slice));
}

}  // namespace keelwatch::sources
