#include "model/postgres.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace keelwatch::model {
namespace {

// One half of a position: 1 to 8 hex digits, as pg_lsn's input takes them (src/backend/utils/adt/
// pg_lsn.c).
std::optional<std::uint64_t> parse_half(std::string_view text) {
  constexpr std::size_t kMaxDigits = 8;
  if (text.empty() || text.size() > kMaxDigits) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

struct ReachabilityName {
  Reachability reachability;
  std::string_view name;
};

constexpr std::array kReachabilityNames = {
    ReachabilityName{Reachability::kConnecting, "connecting"},
    ReachabilityName{Reachability::kConnected, "connected"},
    ReachabilityName{Reachability::kRefused, "refused"},
    ReachabilityName{Reachability::kUnreachable, "unreachable"},
    ReachabilityName{Reachability::kSilent, "silent"},
    ReachabilityName{Reachability::kNameUnknown, "name_unknown"},
    ReachabilityName{Reachability::kTlsFailed, "tls_failed"},
    ReachabilityName{Reachability::kAuthFailed, "auth_failed"},
    ReachabilityName{Reachability::kTooManyConnections, "too_many_connections"},
    ReachabilityName{Reachability::kStartingUp, "starting_up"},
    ReachabilityName{Reachability::kShuttingDown, "shutting_down"},
    ReachabilityName{Reachability::kNotSetUp, "not_set_up"},
};

// pg_settings.unit (src/backend/utils/misc/guc.c: memory and time conversions), in bytes and
// seconds.
constexpr std::array<std::pair<std::string_view, double>, 9> kUnits = {{
    {"B", 1},
    {"kB", 1024},
    {"8kB", 8192},
    {"16MB", 16.0 * 1024 * 1024},
    {"MB", 1024.0 * 1024},
    {"ms", 0.001},
    {"s", 1},
    {"min", 60},
    {"h", 3600},
}};

}  // namespace

std::optional<Lsn> parse_lsn(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint64_t> high = parse_half(text.substr(0, slash));
  const std::optional<std::uint64_t> low = parse_half(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return Lsn{(*high << 32U) | *low};
}

std::string to_string(Lsn lsn) {
  std::array<char, 17> text{};  // two times 8 digits and the slash
  const auto high = std::to_chars(text.data(), text.data() + text.size(), lsn.bytes >> 32U, 16);
  *high.ptr = '/';
  const auto low =
      std::to_chars(high.ptr + 1, text.data() + text.size(), lsn.bytes & 0xffff'ffffU, 16);
  std::string result(text.data(), low.ptr);
  for (char& c : result) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

std::string_view to_string(Reachability reachability) {
  for (const auto& [value, name] : kReachabilityNames) {
    if (value == reachability) return name;
  }
  return "";
}

std::optional<Reachability> parse_reachability(std::string_view text) {
  for (const auto& [value, name] : kReachabilityNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

const Setting* find_setting(const Settings& settings, std::string_view name) {
  const auto found = std::ranges::lower_bound(settings.values, name, {}, &Setting::name);
  return found != settings.values.end() && found->name == name ? &*found : nullptr;
}

std::optional<double> in_base_unit(const Setting& setting) {
  double number = 0;
  const char* end = setting.value.data() + setting.value.size();
  const auto [stop, error] = std::from_chars(setting.value.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  if (setting.unit.empty() || number == -1) return number;
  for (const auto& [unit, factor] : kUnits) {
    if (setting.unit == unit) return number * factor;
  }
  return std::nullopt;
}

Instance Instance::absent(InstanceId id, const Why& why) {
  const AbsentOfAny no{why};
  return {.id = std::move(id),
          .address = {},
          .reachability = Reachability::kConnecting,
          .reachability_detail = {},
          .server = no,
          .senders = no,
          .wal_receiver = no,
          .slots = no,
          .archiver = no,
          .activity = no,
          .xmin_holders = no,
          .prepared = no,
          .databases = no,
          .subscriptions = no,
          .database_sizes = no,
          .wal_directory = no,
          .settings = no,
          .certificate = no,
          .contents = {}};
}

}  // namespace keelwatch::model
