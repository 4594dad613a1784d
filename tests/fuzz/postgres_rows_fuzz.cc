// Whatever texts a server puts into its columns, the decoders take them or refuse them by name. The
// input is one value per line; an empty line is NULL.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/pg_client.h"
#include "sources/postgres/queries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  const std::vector<std::string> columns = {"version",
                                            "system_identifier",
                                            "in_recovery",
                                            "read_only",
                                            "timeline",
                                            "current",
                                            "received",
                                            "replayed",
                                            "last_replayed_commit",
                                            "replay_paused",
                                            "recovery_min_apply_delay",
                                            "server_time",
                                            "started",
                                            "may_read_stats",
                                            "application_name",
                                            "state",
                                            "sync_state",
                                            "sent_lsn",
                                            "write_lsn",
                                            "flush_lsn",
                                            "replay_lsn",
                                            "write_lag",
                                            "flush_lag",
                                            "replay_lag",
                                            "status",
                                            "received_tli",
                                            "flushed_lsn",
                                            "latest_end_lsn",
                                            "slot_name",
                                            "sender_host",
                                            "last_message"};
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::optional<std::string>> row;
  while (row.size() < columns.size()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    row.emplace_back();
    if (end > 0) row.back() = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const PgRows rows = PgRows::of(columns, {row});
  const auto refused_well = [](const auto& result) {
    return result || result.error().code() == ErrorCode::kMalformed ||
           result.error().code() == ErrorCode::kForbidden;
  };
  const bool well = refused_well(sources::decode_server(rows)) &&
                    refused_well(sources::decode_senders(rows)) &&
                    refused_well(sources::decode_wal_receiver(rows));
  if (!well) __builtin_trap();
  return 0;
}
