#include "app/sample_feed.h"

#include <bit>
#include <optional>
#include <string>
#include <utility>

#include "config/limits.h"
#include "metrics/exposition.h"

namespace keelwatch::app {

void SampleFeed::take(const Moment& moment, const Silence& silence, std::string_view own,
                      std::int64_t at_ms, bool slot, std::vector<const Labels*>& changed) {
  ++step_;
  moved_.clear();
  shown_.clear();
  std::unordered_set<store::SeriesId> missing;
  const auto gone = [&](const store::SeriesRef& series) {
    missing.insert(series.id);
    if (!missing_.contains(series.id)) shown_.push_back(series);
    return silence.source_of(*series.labels) ? store::Missing::kUnknown : store::Missing::kStale;
  };
  samples_.begin_step(at_ms);
  take_samples(moment, slot);
  samples_.end_step(gone);
  if (slot) {
    others_.begin_step(at_ms);
    take_others(moment, own);
    others_.end_step(gone);
  }
  store_.end_step(at_ms);
  missing_ = std::move(missing);
  for (const store::SeriesId id : moved_) {
    store::SeriesRef series = store_.ref(id);
    if (series.labels != nullptr) shown_.push_back(std::move(series));
  }
  for (const store::SeriesRef& series : shown_) changed.push_back(series.labels.get());
}

void SampleFeed::take_samples(const Moment& moment, bool slot) {
  for (const metrics::Point& point : moment.samples.points) {
    Known& known = known_[point.series.get()];
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(point.value);
    const bool news = known.series == nullptr || known.bits != bits || known.step + 1 != step_;
    known.step = step_;
    if (!slot && !news) {
      samples_.keep(known.id);
      continue;
    }
    const auto find = [&] {
      const Labels labels = point.series->labels().with(kMetricName, point.series->family->name());
      const Result<store::SeriesId> id = store_.series(labels);
      if (id) known.id = *id;
      if (!id) refused(id.error());
      return id.has_value();
    };
    if (known.series == nullptr) {
      if (!find()) {
        known_.erase(point.series.get());
        continue;
      }
      known.series = point.series;
    }
    if (samples_.append(known.id, point.value) == store::AppendOutcome::kGone && find()) {
      (void)samples_.append(known.id, point.value);
    }
    known.bits = bits;
    if (news) moved_.push_back(known.id);
  }
  std::erase_if(known_, [this](const auto& one) { return one.second.step != step_; });
}

void SampleFeed::take_others(const Moment& moment, std::string_view own) {
  const auto page = metrics::parse_page(own, "text/plain", limits::kOwnPageSamples);
  if (page) {
    for (const auto& sample : page->samples) append(others_, sample.labels, sample.value);
  } else {
    log_.error("app", "our own page cannot be read", {{"err", page.error()}});
  }
  model::Slices::for_each([&](std::string_view /*name*/, auto place) {
    for (const model::SourceReport& report : (moment.world.*place)->reports) {
      if (report.pending || report.not_set_up || report.not_installed) continue;
      append(others_,
             Labels{{kMetricName, "up"}, {"job", report.source}, {"instance", report.target}},
             report.up ? 1 : 0);
    }
  });
  for (const auto& target : moment.world.scrapes->targets) {
    const std::vector<model::ScrapedSeries>* series = target->page.if_known();
    if (series == nullptr) continue;
    for (const model::ScrapedSeries& one : *series) append(others_, one.labels, one.sample.value);
  }
}

void SampleFeed::append(store::Appender& to, const Labels& labels, double value) {
  const Result<store::SeriesId> id = store_.series(labels);
  if (!id) return refused(id.error());
  (void)to.append(*id, value);
}

void SampleFeed::refused(const Error& error) {
  if (full_) return;
  full_ = true;
  log_.error("app", "the store of samples has no room, rules do not see all series",
             {{"err", error}});
}

}  // namespace keelwatch::app
