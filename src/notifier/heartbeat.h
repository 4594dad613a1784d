// The dead-man's switch: calls an address at an interval for as long as there is no reason to fall
// silent. Whoever listens there (healthchecks.io, Dead Man's Snitch, ...) raises the alarm when the
// calls stop.
// Threads: the loop's. Destroying the task of run() ends it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "config/config.h"
#include "metrics/self.h"
#include "notifier/client.h"
#include "notifier/delivery.h"

namespace keelwatch::notifier {

// Why the heartbeat has to be silent: nothing was evaluated for three slots, a critical alert of
// which nobody was told, or nobody who could be. Nothing where all is well; without an Alertmanager
// evaluation alone decides.
[[nodiscard]] std::optional<std::string> reason_for_silence(Duration since_evaluation,
                                                            Duration slot,
                                                            const Delivery& delivery);

class Heartbeat {
 public:
  using Reason = std::function<std::optional<std::string>()>;

  Heartbeat(NotifierContext context, metrics::SelfMetrics& self, config::Heartbeat settings,
            Reason reason_for_silence);

  // Never returns; does nothing where no address is given. A call that fails is repeated after a
  // quarter of the interval.
  [[nodiscard]] Task<> run();

 private:
  [[nodiscard]] Task<Result<void>> beat();

  NotifierContext context_;
  metrics::SelfMetrics& self_;
  config::Heartbeat settings_;
  Reason reason_for_silence_;
};

}  // namespace keelwatch::notifier
