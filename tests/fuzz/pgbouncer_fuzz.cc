// Whatever a console puts into its columns, and whatever a page holds, the decoders take it or
// refuse it. The input is read both as a page of metrics and as values, one per line; an empty line
// is NULL.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/pg_client.h"
#include "metrics/exposition.h"
#include "sources/postgres/pgbouncer_answers.h"

namespace {

template <typename T>
void check(const keelwatch::Result<T>& result) {
  using keelwatch::ErrorCode;
  if (result || result.error().code() == ErrorCode::kMalformed) return;
  if (result.error().code() != ErrorCode::kTooLarge) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto page = metrics::parse_page(input, "text/plain", 10'000)) {
    const sources::PoolerPage answers = sources::decode_page(*page);
    check(answers.pools);
    check(answers.traffic);
    check(answers.totals);
  }

  const std::vector<std::string> columns = {"database",
                                            "user",
                                            "pool_mode",
                                            "cl_active",
                                            "cl_waiting",
                                            "sv_active",
                                            "sv_idle",
                                            "sv_used",
                                            "sv_login",
                                            "maxwait",
                                            "maxwait_us",
                                            "total_xact_count",
                                            "total_received",
                                            "total_sent",
                                            "total_query_count",
                                            "total_query_time",
                                            "total_wait_time",
                                            "list",
                                            "items",
                                            "name",
                                            "host",
                                            "port",
                                            "pool_size",
                                            "paused",
                                            "disabled",
                                            "max_connections",
                                            "current_connections",
                                            "key",
                                            "value"};
  std::string_view text = input;
  std::vector<std::vector<std::optional<std::string>>> values;
  while (!text.empty() && values.size() < 8) {
    std::vector<std::optional<std::string>>& row = values.emplace_back();
    while (row.size() < columns.size()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      row.emplace_back();
      if (end > 0) row.back() = std::string(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  const PgRows rows = PgRows::of(columns, values);
  check(sources::decode_pools(rows));
  check(sources::decode_stats(rows));
  check(sources::decode_lists(rows));
  check(sources::decode_pooled_databases(rows));
  check(sources::decode_max_clients(rows));
  check(sources::decode_paused(rows));
  return 0;
}
