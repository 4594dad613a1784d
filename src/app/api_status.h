// Prometheus' HTTP API about the program itself: what it measures, whom it asks, whom it tells, and
// what became of the alerts. Threads: any.
#pragma once

#include <string>

#include "app/step.h"
#include "base/clock.h"
#include "http/message.h"
#include "notifier/delivery.h"

namespace keelwatch::app {

// /api/v1/metadata: [metric], [limit]; of the families that this program exports.
[[nodiscard]] http::Response serve_metadata(const http::Request& request);
// /api/v1/targets: every source and target that is asked, with health up, down or unknown; 503
// before the first step. `moment` may be null.
[[nodiscard]] http::Response serve_targets(const Moment* moment);
// /api/v1/alertmanagers; "dropped" are those that did not answer last. `delivery` may be null.
[[nodiscard]] http::Response serve_alertmanagers(const notifier::Delivery* delivery);
// /api/v1/format_query: query.
[[nodiscard]] http::Response serve_format_query(const http::Request& request);
[[nodiscard]] http::Response serve_build_info();
// /api/v1/query_exemplars: there are none.
[[nodiscard]] http::Response serve_exemplars();
// /api/v1/alerts/history: [alertname], [start], [end], [limit] (1000): the transitions of alerts,
// the newest first, from the state file; 404 without one. Blocks on the file.
[[nodiscard]] http::Response serve_history(const std::string& state_file,
                                           const http::Request& request);
// What is below /api/ and does not exist.
[[nodiscard]] http::Response serve_no_such_api(const http::Request& request);

}  // namespace keelwatch::app
