#include "app/tape.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <type_traits>
#include <utility>

#include "base/json.h"
#include "base/time_text.h"
#include "model/codec.h"

namespace keelwatch::app {
namespace {

// How each slice that tapes hold comes back.
Result<model::KubernetesSlice> decode(JsonValue value, const model::KubernetesSlice* /*tag*/) {
  return model::decode_kubernetes_slice(value);
}
Result<model::PostgresSlice> decode(JsonValue value, const model::PostgresSlice* /*tag*/) {
  return model::decode_postgres_slice(value);
}
Result<model::PgBouncerSlice> decode(JsonValue value, const model::PgBouncerSlice* /*tag*/) {
  return model::decode_pgbouncer_slice(value);
}
Result<model::FilesystemSlice> decode(JsonValue value, const model::FilesystemSlice* /*tag*/) {
  return model::decode_filesystem_slice(value);
}
Result<model::ArchiveSlice> decode(JsonValue value, const model::ArchiveSlice* /*tag*/) {
  return model::decode_archive_slice(value);
}
Result<model::ProbeSlice> decode(JsonValue value, const model::ProbeSlice* /*tag*/) {
  return model::decode_probe_slice(value);
}

// Calls f(name, place) for each slice that tapes hold.
template <typename F>
void for_each_recorded(F&& f) {
  model::Slices::for_each([&](std::string_view name, auto place) {
    using Slice = std::remove_cvref_t<decltype(*(std::declval<model::Slices>().*place))>;
    if constexpr (!std::is_same_v<Slice, model::ScrapeSlice>) f(name, place);
  });
}

Result<TapeEntry> read_entry(JsonValue value) {
  auto at = parse_rfc3339(value["at"].string().value_or(""));
  if (!at) return at.error().context("at");
  TapeEntry entry{*at, {}};
  std::optional<Error> failed;
  bool found = false;
  for_each_recorded([&](std::string_view name, auto place) {
    const JsonValue member = value[name];
    if (found || !member.present()) return;
    found = true;
    using Slice = std::remove_cvref_t<decltype(*(entry.news.*place))>;
    auto slice = decode(member, static_cast<const Slice*>(nullptr));
    if (slice) {
      entry.news.*place = std::make_shared<const Slice>(std::move(*slice));
    } else {
      failed = slice.error().context(name);
    }
  });
  if (failed) return *failed;
  if (!found) return Error(ErrorCode::kMalformed, "no slice of a known source");
  return entry;
}

// How a family takes part in a timeline.
enum class Compare { kNot, kSign, kValue };

Compare comparison(const metrics::Family& family) {
  const std::string_view name = family.name();
  for (const std::string_view suffix :
       {"_total", "_timestamp_seconds", "_position_bytes", "_skew_seconds", "_duration_seconds"}) {
    if (name.ends_with(suffix)) return Compare::kNot;
  }
  if (name.starts_with("keelwatch_threshold_")) return Compare::kNot;
  const bool measure =
      name.ends_with("_bytes") || name.ends_with("_seconds") || name.ends_with("_ratio");
  return measure ? Compare::kSign : Compare::kValue;
}

bool is_state_set(const metrics::Family& family) {
  if (family.labels().empty()) return false;
  const std::string_view last = family.labels().back();
  return last == "state" || last == "phase" || last == "status";
}

// What a Moment shows, as text by series; of a state set its current state.
std::map<std::string, std::string> shown(const Moment& moment) {
  std::map<std::string, std::string> result;
  for (const metrics::Point& point : moment.samples.points) {
    const metrics::Family& family = *point.series->family;
    const Compare compare = comparison(family);
    if (compare == Compare::kNot || (is_state_set(family) && point.value == 0)) continue;
    const Labels labels = point.series->labels();
    if (is_state_set(family)) {
      const std::string_view state = family.labels().back();
      result[std::string(family.name()) + labels.without(state).text()] = labels.get(state);
      continue;
    }
    result[std::string(family.name()) + labels.text()] = compare == Compare::kValue
                                                             ? fmt::format("{}", point.value)
                                                         : point.value > 0 ? "> 0"
                                                                           : "0";
  }
  return result;
}

}  // namespace

std::string tape_header() { return "{\"keelwatch_tape\":1}\n"; }

std::string tape_line(WallTime at, const model::Slices& news) {
  std::string lines;
  for_each_recorded([&](std::string_view name, auto place) {
    if (!(news.*place)) return;
    JsonWriter out;
    out.begin_object();
    out.member("at", format_rfc3339(at, 9));
    out.key(name);
    model::encode(out, *(news.*place));
    out.end_object();
    lines += out.take() + '\n';
  });
  return lines;
}

Result<std::vector<TapeEntry>> read_tape(std::string_view text) {
  std::vector<TapeEntry> tape;
  JsonReader reader;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string where = fmt::format("tape line {}", number);
    const JsonValue value = reader.parse(one);
    if (auto ok = reader.finish(); !ok) return ok.error().context(where);
    if (number == 1) {
      if (value["keelwatch_tape"].integer() == 1) continue;
      return Error(ErrorCode::kMalformed, where + ": not a tape of version 1");
    }
    auto entry = read_entry(value);
    if (!entry) return entry.error().context(where);
    tape.push_back(std::move(*entry));
  }
  std::stable_sort(tape.begin(), tape.end(),
                   [](const TapeEntry& a, const TapeEntry& b) { return a.at < b.at; });
  return tape;
}

void replay(const std::vector<TapeEntry>& tape, const config::Config& config, Duration tail,
            const std::function<void(const Moment&)>& on_moment) {
  if (tape.empty()) return;
  State state;
  model::Slices slices;
  const auto step_at = [&](WallTime now) {
    on_moment(*step(state, model::assemble(slices, freshness_of(config), now), config));
  };
  WallTime slot = tape.front().at + config.step_interval;
  for (const TapeEntry& entry : tape) {
    for (; slot < entry.at; slot += config.step_interval) step_at(slot);
    slices.update(entry.news);
    step_at(entry.at);
  }
  for (; slot <= tape.back().at + tail; slot += config.step_interval) step_at(slot);
}

std::vector<Change> timeline(const std::vector<TapeEntry>& tape, const config::Config& config,
                             Duration tail) {
  std::vector<Change> changes;
  std::map<std::string, std::string> before;
  replay(tape, config, tail, [&](const Moment& moment) {
    std::map<std::string, std::string> now = shown(moment);
    const Duration after = moment.world.at - tape.front().at;
    for (const auto& [series, value] : now) {
      const auto old = before.find(series);
      if (old == before.end() || old->second != value) changes.push_back({after, series, value});
    }
    for (const auto& [series, value] : before) {
      if (!now.contains(series)) changes.push_back({after, series, std::nullopt});
    }
    before = std::move(now);
  });
  return changes;
}

std::string to_text(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes) {
    out += fmt::format("+{:.1f}s {} {}\n", to_seconds(change.after), change.series,
                       change.value.value_or("gone"));
  }
  return out;
}

std::string to_json(const std::vector<Change>& changes) {
  JsonWriter out;
  out.begin_array();
  for (const Change& change : changes) {
    out.begin_object();
    out.member("after_seconds", to_seconds(change.after));
    out.member("series", change.series);
    out.key("value");
    change.value ? out.value(*change.value) : out.null();
    out.end_object();
  }
  out.end_array();
  return out.take() + "\n";
}

}  // namespace keelwatch::app
