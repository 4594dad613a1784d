// Prometheus' HTTP API as far as rules and their alerts need it, in the envelope of Prometheus:
// {"status":"success","data":…} or {"status":"error","errorType":…,"error":…}. Parameters come in
// the query string or in an urlencoded body.
// Threads: any.
#pragma once

#include <stop_token>

#include "app/alerting.h"
#include "base/clock.h"
#include "http/message.h"
#include "store/queryable.h"

namespace keelwatch::app {

inline constexpr Duration kQueryTimeout = std::chrono::seconds(30);

// /api/v1/query: query, time (Unix seconds or RFC 3339; now), timeout.
[[nodiscard]] http::Response serve_query(const store::Queryable& store, const Clock& clock,
                                         const http::Request& request, const std::stop_token& stop);
// /api/v1/query_range: query, start, end, step, timeout.
[[nodiscard]] http::Response serve_query_range(const store::Queryable& store, const Clock& clock,
                                               const http::Request& request,
                                               const std::stop_token& stop);
// /api/v1/alerts and /api/v1/rules: type (alert, record), rule_name[], rule_group[], file[],
// exclude_alerts; 503 before the first step. What is wrong with rules that could not be loaded is
// among the warnings. `view` may be null.
[[nodiscard]] http::Response serve_alerts(const AlertsView* view);
[[nodiscard]] http::Response serve_rules(const AlertsView* view, const http::Request& request);
// /api/v1/rules/evaluations, with the same parameters: the newest evaluations of each rule, our
// own: rules[{group,file,name,evaluations[{at,durationSeconds,results,betweenSlots,error,
// warnings}]}].
[[nodiscard]] http::Response serve_evaluations(const AlertsView* view,
                                               const http::Request& request);

}  // namespace keelwatch::app
