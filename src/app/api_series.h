// Prometheus' HTTP API about what there is: series, labels, metadata, targets, Alertmanagers, the
// program itself, and the history of alerts, which is our own.
// Threads: any.
#pragma once

#include <memory>
#include <string>

#include "app/step.h"
#include "base/clock.h"
#include "http/message.h"
#include "notifier/delivery.h"
#include "store/queryable.h"

namespace keelwatch::app {

// /api/v1/series (match[], at least one), /api/v1/labels and /api/v1/label/NAME/values (match[],
// if any). Of all series that the store remembers: start and end are not looked at. limit.
[[nodiscard]] http::Response serve_series(const store::Queryable& store,
                                          const http::Request& request);
[[nodiscard]] http::Response serve_labels(const store::Queryable& store,
                                          const http::Request& request);
inline constexpr std::string_view kLabelPath = "/api/v1/label/";
[[nodiscard]] http::Response serve_label_values(const store::Queryable& store,
                                                const http::Request& request);

// /api/v1/metadata: metric, limit. Of our own metrics.
[[nodiscard]] http::Response serve_metadata(const http::Request& request);
// /api/v1/format_query: query, laid out as Prometheus prints expressions; what is wrong with it.
[[nodiscard]] http::Response serve_format_query(const http::Request& request);
// /api/v1/query_exemplars: there are none.
[[nodiscard]] http::Response serve_exemplars();
[[nodiscard]] http::Response serve_buildinfo();
// /api/v1/targets: what our sources ask; 503 without a Moment to be believed.
[[nodiscard]] http::Response serve_targets(const Moment* moment);
// /api/v1/alertmanagers: those that are told; `delivery` may be null.
[[nodiscard]] http::Response serve_alertmanagers(const notifier::Delivery* delivery);
// /api/v1/alerts/history: alertname, start, end, limit; from the file alerts.state_file, which may
// be empty. The newest first: changes[{at,labels,from,to,value,reason}]. Blocks on the file.
[[nodiscard]] http::Response serve_history(const std::string& state_file,
                                           const http::Request& request);
// What else is asked for under /api/.
[[nodiscard]] http::Response serve_unknown_path();

}  // namespace keelwatch::app
