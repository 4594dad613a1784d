#include "sources/object_store/timeline_history.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <utility>

#include "config/limits.h"
#include "sources/object_store/decompress.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Takes a number off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text, int base) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

Error wrong(std::size_t line, std::string_view problem) {
  return Error(ErrorCode::kMalformed, fmt::format("line {}: {}", line, problem));
}

Result<model::TimelineSwitch> read_line(std::string_view text, std::size_t number) {
  model::TimelineSwitch result;
  const auto parent = take_number(text, 10);
  if (!parent) return wrong(number, "begins with no timeline");
  result.parent = *parent;
  // Nothing between the two is enough for PostgreSQL's sscanf.
  std::string_view after = trimmed(text);
  const auto high = take_number(after, 16);
  std::optional<std::uint32_t> low;
  if (high && after.starts_with('/')) {
    after.remove_prefix(1);
    low = take_number(after, 16);
  }
  if (!low) return wrong(number, "has no position after the timeline");
  result.position.bytes = std::uint64_t{*high} << 32U | *low;
  result.reason = trimmed(after);
  return result;
}

}  // namespace

Result<std::vector<model::TimelineSwitch>> parse_timeline_history(std::string_view text,
                                                                  std::int64_t timeline) {
  if (text.size() > limits::kHistoryBytes) {
    return Error(ErrorCode::kTooLarge, fmt::format("longer than {} bytes", limits::kHistoryBytes));
  }
  std::vector<model::TimelineSwitch> result;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    Result<model::TimelineSwitch> entry = read_line(line, number);
    if (!entry) return entry.error();
    if (!result.empty() && entry->parent <= result.back().parent) {
      return wrong(number, fmt::format("timeline {} does not come after timeline {}", entry->parent,
                                       result.back().parent));
    }
    if (entry->parent >= timeline) {
      return wrong(number,
                   fmt::format("timeline {} is no parent of timeline {}", entry->parent, timeline));
    }
    result.push_back(*std::move(entry));
  }
  return result;
}

Result<std::vector<model::TimelineSwitch>> read_timeline_history(std::string_view object,
                                                                 StoredAs stored,
                                                                 std::int64_t timeline) {
  if (stored.encrypted) return Error(ErrorCode::kUnsupported, "is encrypted");
  if (stored.plain()) return parse_timeline_history(object, timeline);
  Result<Decompressor> decompressor = Decompressor::for_suffix(compression_ending(stored));
  if (!decompressor) return decompressor.error();
  std::string text;
  for (bool more = true; more && text.size() <= limits::kHistoryBytes;) {
    const Result<bool> fed = decompressor->feed(object, text);
    if (!fed) return Error(ErrorCode::kNotFound, fed.error().message());
    more = *fed;
  }
  const Result<void> finished = decompressor->finish();
  if (!finished && !decompressor->python_takes_end()) {
    return Error(ErrorCode::kNotFound, finished.error().message());
  }
  return parse_timeline_history(text, timeline);
}

std::int64_t timeline_of(const std::vector<model::TimelineSwitch>& history, std::int64_t timeline,
                         model::Lsn position) {
  for (const model::TimelineSwitch& part : history) {
    if (position < part.position) return part.parent;
  }
  return timeline;
}

}  // namespace keelwatch::sources
