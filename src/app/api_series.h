// Prometheus' HTTP API about what series there are: for the completion of query editors and the
// variables of dashboards. Threads: any.
#pragma once

#include <string_view>

#include "http/message.h"
#include "store/store.h"

namespace keelwatch::app {

// /api/v1/series: match[]…, start, end, limit.
[[nodiscard]] http::Response serve_series(const store::Store& store, const http::Request& request);
// /api/v1/labels: [match[]…], start, end, limit.
[[nodiscard]] http::Response serve_labels(const store::Store& store, const http::Request& request);
// /api/v1/label/NAME/values, likewise; any other path below /api/v1/label/ is 404.
[[nodiscard]] http::Response serve_label_values(const store::Store& store,
                                                const http::Request& request);
inline constexpr std::string_view kLabelPath = "/api/v1/label/";

}  // namespace keelwatch::app
