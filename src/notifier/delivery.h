// Whether somebody was told: of every firing alert, what became of it at each Alertmanager, by what
// that says itself when it is asked.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "notifier/outgoing.h"
#include "notifier/read_back.h"

namespace keelwatch::notifier {

// How far an alert has come at one Alertmanager.
enum class Hop {
  kQueued,      // not acknowledged yet
  kRefused,     // refused for good
  kUnread,      // acknowledged, not read back yet
  kAbsent,      // acknowledged, and not there
  kNoReceiver,  // there, routed to nobody or to a receiver that reaches nobody
  kFailing,     // there, but every notification of its receivers fails
  kWithheld,    // there, and on purpose not told: silenced, inhibited or muted
  kTold,        // there, with a receiver that reaches somebody as far as is known
  kEnded,       // held here; the Alertmanager has seen it resolved by another keelwatch
};
[[nodiscard]] std::string_view to_string(Hop hop);  // "queued", "refused", ...

struct AlertHop {
  std::string alertmanager = {};
  Hop hop = Hop::kQueued;
  std::string detail = {};  // a reason, or the receivers
};

struct AlertDelivery {
  Labels labels = {};
  bool critical = false;
  WallTime since{};  // handed to the notifier first
  std::vector<AlertHop> hops = {};
  // For longer than kGrace, no Alertmanager has come as far as to tell somebody.
  bool untold = false;
};

struct AlertmanagerReport {
  std::string name = {};   // its URL
  bool up = false;         // the last exchange went well
  std::string error = {};  // of the last exchange that did not
  std::optional<WallTime> started_at = {};
  std::string version = {};
  std::vector<std::string> failing = {};  // integrations whose last notifications failed
  bool reaches = true;  // as far as is known, an integration is left that does not fail
  bool notifications_known = false;  // its /metrics can be read
  std::size_t queued = 0;
  std::size_t present = 0;  // firing alerts of ours that it has, as last read
};

// Immutable once published.
struct Delivery {
  WallTime at{};
  bool set_up = false;  // an Alertmanager is configured
  std::vector<AlertmanagerReport> alertmanagers;
  std::vector<AlertDelivery> alerts;  // that fire
  std::size_t untracked = 0;          // notices beyond limits::kQueuedAlerts, lately

  // An Alertmanager is up, and not all of its notifications fail.
  [[nodiscard]] bool can_tell() const;
  // "nobody was told": of each critical alert that is untold, one line with the reason at every
  // Alertmanager.
  [[nodiscard]] std::vector<std::string> nobody_was_told() const;
};

inline constexpr Duration kGrace = std::chrono::seconds(10);

// One Alertmanager's part. Pure. Threads: one at a time.
class Tracker {
 public:
  // The newest state of an alert was put into its queue; a resolved one is forgotten.
  void put(const OutgoingPtr& alert, SteadyTime now);
  void accepted(const Outgoing& alert, SteadyTime now);
  void refused(const Outgoing& alert, std::string reason);
  void ended_elsewhere(const Outgoing& alert);
  void forget(const Labels& labels) { alerts_.erase(labels); }

  // What it answered. `sent` is when the question went out: what was acknowledged later may be
  // missing in the answer.
  void read_alerts(const std::vector<SeenAlert>& seen, SteadyTime sent);
  // Whether it is another process than before.
  bool read_status(SeenStatus status);
  void read_notifications(const Notifications& counts);
  void notifications_unreadable();

  // Whether the process of now has acknowledged the alert no longer than `end_after` ago, so that
  // its absence means that somebody has resolved it.
  [[nodiscard]] bool knew(const Outgoing& alert, SteadyTime now, Duration end_after) const;
  // Whether it was there when the alerts were last read.
  [[nodiscard]] bool present(const Outgoing& alert) const;
  // Whether an alert waits for its proof, and since when the youngest of them does.
  [[nodiscard]] std::optional<SteadyTime> unproven_since() const;

  [[nodiscard]] std::pair<Hop, std::string> verdict(const Labels& labels) const;
  void describe(AlertmanagerReport& report) const;

 private:
  struct Tracked {
    OutgoingPtr alert;
    SteadyTime since{};
    std::optional<SteadyTime> accepted_at;
    std::uint64_t accepted_by = 0;  // the process, counted by us
    std::string refusal;
    bool ended = false;
    std::optional<SeenAlert> seen;
    bool absent = false;
  };
  [[nodiscard]] bool reaches() const;
  [[nodiscard]] std::pair<Hop, std::string> judge(const Tracked& tracked) const;
  [[nodiscard]] std::pair<Hop, std::string> judge_seen(const SeenAlert& seen) const;

  std::map<Labels, Tracked> alerts_;
  std::optional<SeenStatus> status_;
  std::uint64_t process_ = 0;  // counts its restarts, as far as they were seen; 0: not read yet
  std::optional<Notifications> counts_;
  std::set<std::string> failing_;
};

// A firing alert of which Alertmanagers are told.
struct Current {
  rules::Notice notice;
  OutgoingPtr alert;
  SteadyTime since{};  // handed to the notifier first
  WallTime since_wall{};
  SteadyTime renewed{};  // and last
};

// All Alertmanagers' verdicts together. `names` and `trackers` are in the same order.
[[nodiscard]] std::vector<AlertDelivery> combine(const std::map<Labels, Current>& alerts,
                                                 const std::vector<const Tracker*>& trackers,
                                                 const std::vector<std::string>& names,
                                                 SteadyTime now);

}  // namespace keelwatch::notifier
