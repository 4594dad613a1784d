// An alert as it leaves the house: what the rules say of it, with the labels and links that the
// configuration gives it, and as the JSON that Alertmanager takes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/result.h"
#include "config/config.h"
#include "notifier/relabel.h"
#include "rules/alert.h"

namespace keelwatch::notifier {

// Every alert of ours has this label unless the configuration takes it away: by it we find them
// again at Alertmanager, and tell them from those of a Prometheus with the same rules.
inline constexpr std::string_view kEvaluator = "evaluator";
inline constexpr std::string_view kEvaluatorName = "keelwatch";

// What the runbook links of the bundled rules start with.
inline constexpr std::string_view kBundledRunbooks = "http://keelwatch:10555/";

struct Outgoing {
  Labels labels;  // its identity at Alertmanager
  rules::Annotations annotations;
  WallTime starts_at{};
  std::optional<WallTime> ends_at;  // resolved then; absent while firing
  std::string generator_url;        // may be empty
  bool cause = false;
  bool critical = false;  // by its rule's label severity
  bool held = false;

  [[nodiscard]] bool firing() const { return !ends_at; }
};
using OutgoingPtr = std::shared_ptr<const Outgoing>;

// How notices become outgoing alerts. Immutable; any thread.
class Wording {
 public:
  Wording() = default;
  // Errors: kInvalid, of the relabelling.
  [[nodiscard]] static Result<Wording> compile(const config::Alerts& settings);

  // Nothing if relabelling drops the alert, or leaves it without a label.
  [[nodiscard]] OutgoingPtr word(const rules::Notice& notice) const;

 private:
  config::LabelPairs external_labels_;
  Relabelling relabelling_;
  std::string external_url_;
  std::string runbook_base_url_;
};

// The body of POST /api/v2/alerts (Alertmanager's api/v2/openapi.yaml, postableAlerts). A firing
// alert ends at `firing_until`. No alert starts or ends after `now` otherwise, and none ends before
// it starts: a clock that was set back would make Alertmanager refuse it, or keep a resolved one.
[[nodiscard]] std::string to_json(std::span<const OutgoingPtr> alerts, WallTime now,
                                  WallTime firing_until);

}  // namespace keelwatch::notifier
