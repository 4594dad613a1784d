// For a start without a state file: the firing alerts that Alertmanagers still keep of a keelwatch
// before us.
// Threads: the loop's.
#pragma once

#include <functional>
#include <vector>

#include "base/task.h"
#include "config/config.h"
#include "notifier/client.h"
#include "rules/alert.h"

namespace keelwatch::notifier {

inline constexpr Duration kTakeBackAgain = std::chrono::seconds(5);

// Asks every Alertmanager until it has answered once, or until what it keeps has ended by itself
// (alerts.end_after). `found` gets each answer by itself, as taken_back() makes it: one that is
// slow, dead or refuses delays no other one's.
[[nodiscard]] Task<> take_back(NotifierContext context, config::Alerts settings,
                               std::function<void(std::vector<rules::SavedAlert>)> found);

}  // namespace keelwatch::notifier
