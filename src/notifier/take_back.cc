#include "notifier/take_back.h"

#include <set>
#include <string>
#include <utility>

namespace keelwatch::notifier {
namespace {

using Found = std::function<void(std::vector<rules::SavedAlert>)>;

Labels labels_of(const config::LabelPairs& pairs) {
  Labels labels;
  for (const auto& [name, value] : pairs) labels = labels.with(name, value);
  return labels;
}

// `found` and `added` outlive the task.
Task<> ask_until_answered(NotifierContext context, config::Alertmanager one, const Labels& added,
                          const Found& found, SteadyTime until) {
  std::set<std::string> answered;
  std::string trouble;
  for (;;) {
    const Result<std::vector<Endpoint>> endpoints = co_await find_endpoints(context, one);
    bool all = endpoints.has_value();
    std::string error = endpoints ? "" : endpoints.error().message();
    for (std::size_t i = 0; endpoints && i < endpoints->size(); ++i) {
      const Endpoint& endpoint = (*endpoints)[i];
      if (answered.contains(endpoint.url)) continue;
      AlertmanagerClient client(context, endpoint);
      const Result<std::vector<SeenAlert>> seen = co_await client.alerts(true);
      if (seen) {
        answered.insert(endpoint.url);
        found(taken_back(*seen, added, context.clock.wall()));
      } else {
        all = false;
        error = seen.error().message();
      }
    }
    if (all || context.loop.now() >= until) co_return;
    if (error != trouble) {
      context.log.warn("notifier", "firing alerts cannot be taken back yet, asking again",
                       {{"alertmanager", one.url}, {"err", error}});
      trouble = error;
    }
    co_await context.loop.sleep_for(kTakeBackAgain);
  }
}

}  // namespace

Task<> take_back(NotifierContext context, config::Alerts settings, Found found) {
  const Labels added = labels_of(settings.external_labels);
  const SteadyTime until = context.loop.after(settings.end_after);
  TaskScope scope;
  for (const config::Alertmanager& one : settings.alertmanagers) {
    scope.spawn(ask_until_answered(context, one, added, found, until));
  }
  while (scope.running() > 0) {
    co_await context.loop.sleep_for(std::chrono::seconds(1));
    scope.rethrow_failure();
  }
  scope.rethrow_failure();
}

}  // namespace keelwatch::notifier
