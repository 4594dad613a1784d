#include "sources/postgres/postgres_source.h"

#include <algorithm>
#include <set>
#include <utility>

namespace keelwatch::sources {
namespace {

constexpr Duration kCoalesce = std::chrono::milliseconds(50);
constexpr Duration kGrace = std::chrono::milliseconds(10);  // for what comes right after a change
constexpr Duration kLong = std::chrono::hours(1);

template <typename F>
class AtExit {
 public:
  explicit AtExit(F f) : f_(std::move(f)) {}
  ~AtExit() { f_(); }
  AtExit(const AtExit&) = delete;
  AtExit& operator=(const AtExit&) = delete;

 private:
  F f_;
};

}  // namespace

PostgresSource::PostgresSource(SourceContext context, config::Postgres settings,
                               Publish<model::PostgresSlice> publish)
    : context_(context),
      settings_(std::move(settings)),
      publish_(std::move(publish)),
      signal_(context_.loop) {}

Task<> PostgresSource::run() {
  const AtExit end_connections([this] {
    running_ = false;
    watches_.clear();
  });
  running_ = true;
  start_watches();
  SteadyTime last_publish{};
  for (;;) {
    while (!dirty_) co_await signal_.wait_until(context_.loop.after(kLong));
    const SteadyTime due = std::max(last_publish + kCoalesce, context_.loop.now() + kGrace);
    while (!urgent_ && context_.loop.now() < due) co_await signal_.wait_until(due);
    dirty_ = false;
    urgent_ = false;
    last_publish = context_.loop.now();
    for (const auto& [id, watch] : watches_) watch->rethrow_failure();
    publish_(make_slice());
  }
}

void PostgresSource::set_targets(discovery::Targets targets) {
  targets_ = std::move(targets);
  changed(Urgency::kNow);
  if (running_) start_watches();
}

void PostgresSource::start_watches() {
  std::set<model::InstanceId> wanted;
  for (const discovery::InstanceTarget& target : targets_.instances) {
    wanted.insert(target.id);
    std::unique_ptr<InstanceWatch>& watch = watches_[target.id];
    if (watch) {
      watch->set_target(target);
    } else {
      watch = std::make_unique<InstanceWatch>(context_, settings_, target,
                                              [this](Urgency urgency) { changed(urgency); });
      watch->start();
    }
  }
  std::erase_if(watches_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

void PostgresSource::changed(Urgency urgency) {
  dirty_ = true;
  urgent_ = urgent_ || urgency == Urgency::kNow;
  signal_.notify_all();
}

std::shared_ptr<const model::PostgresSlice> PostgresSource::make_slice() const {
  auto slice = std::make_shared<model::PostgresSlice>();
  for (const auto& [id, watch] : watches_) {
    slice->instances.push_back(watch->instance());
    slice->reports.push_back(watch->report());
  }
  return slice;
}

}  // namespace keelwatch::sources
