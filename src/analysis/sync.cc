#include "analysis/sync.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace keelwatch::analysis {
namespace {

using Count = Observed<std::int64_t>;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

// Takes the keyword off the front, in whatever case.
bool take_keyword(std::string_view& text, std::string_view keyword) {
  if (text.size() <= keyword.size() ||
      !std::isspace(static_cast<unsigned char>(text[keyword.size()]))) {
    return false;
  }
  for (std::size_t i = 0; i < keyword.size(); ++i) {
    if (std::toupper(static_cast<unsigned char>(text[i])) != keyword[i]) return false;
  }
  text = trimmed(text.substr(keyword.size()));
  return true;
}

Count declared(const ClusterTopology& cluster, WallTime now) {
  if (!cluster.object)
    return Count::unknown(Error(ErrorCode::kNotFound, "no Cluster"), "kubernetes");
  const model::SynchronousSettings& wanted = cluster.object->synchronous;
  const std::optional<std::int64_t> number =
      wanted.method.empty() ? wanted.min_sync_replicas : wanted.number;
  return Count::known(number ? *number : 0, now);
}

}  // namespace

std::optional<std::int64_t> required_standbys(std::string_view names) {
  std::string_view text = trimmed(names);
  if (text.empty()) return 0;
  const bool keyword = take_keyword(text, "ANY") || take_keyword(text, "FIRST");
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc()) {
    const std::string_view list =
        trimmed(text.substr(static_cast<std::size_t>(rest - text.data())));
    if (list.starts_with('(') && list.ends_with(')')) return number;
  }
  if (keyword) return std::nullopt;
  return 1;  // a bare list: the first of it that streams
}

SyncReplication assess_sync(const ClusterTopology& cluster, WallTime now) {
  const Why no_primary{Absence::kUnknown, Error(ErrorCode::kUnavailable, "no primary to ask"),
                       "postgres"};
  const AbsentOfAny none{no_primary};
  SyncReplication sync{.required = none,
                       .present = none,
                       .declared = declared(cluster, now),
                       .waiting_sessions = none,
                       .longest_wait = none};
  if (!cluster.primary) return sync;
  const model::Instance& primary = *cluster.primary;
  sync.required = primary.settings.map([&](const model::Settings& settings) {
    const model::Setting* names = model::find_setting(settings, "synchronous_standby_names");
    const auto number = names ? required_standbys(names->value) : std::nullopt;
    if (number) return Count::known(*number, primary.settings.observed_at());
    return Count::unknown(Error(ErrorCode::kMalformed, "no synchronous_standby_names to read"),
                          "postgres " + text(primary.id));
  });
  sync.present = primary.senders.map([](const std::vector<model::Sender>& rows) {
    return static_cast<std::int64_t>(std::ranges::count_if(rows, [](const model::Sender& row) {
      return row.state == "streaming" && (row.sync_state == "sync" || row.sync_state == "quorum");
    }));
  });
  sync.waiting_sessions =
      primary.activity.map([](const model::Activity& a) { return a.waiting_for_sync_standby; });
  sync.longest_wait = primary.activity.map(
      [](const model::Activity& a) { return a.longest_wait_for_sync_standby; });
  return sync;
}

}  // namespace keelwatch::analysis
