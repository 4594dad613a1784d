#include "sources/filesystem/volume_stats.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "config/limits.h"
#include "metrics/exposition.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kPrefix = "kubelet_volume_stats_";

struct Numbers {
  std::optional<std::int64_t> size;
  std::optional<std::int64_t> available;
  std::optional<std::int64_t> inodes;
  std::optional<std::int64_t> inodes_free;
};

std::optional<std::int64_t> Numbers::* place_of(std::string_view name) {
  name.remove_prefix(std::min(kPrefix.size(), name.size()));
  if (name == "capacity_bytes") return &Numbers::size;
  if (name == "available_bytes") return &Numbers::available;
  if (name == "inodes") return &Numbers::inodes;
  if (name == "inodes_free") return &Numbers::inodes_free;
  return nullptr;  // used_bytes, inodes_used, health_status_abnormal
}

// Exact up to 2^53, which no volume reaches.
std::optional<std::int64_t> count_of(double value) {
  constexpr double kMost = 9'007'199'254'740'992.0;
  if (!(value >= 0 && value <= kMost) || std::trunc(value) != value) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<model::FilesystemUsage> usage_of(const Numbers& n) {
  if (!n.size || *n.size == 0 || !n.available) return std::nullopt;
  model::FilesystemUsage usage{.size_bytes = *n.size,
                               .available_bytes = *n.available,
                               .inodes = std::nullopt,
                               .inodes_free = std::nullopt};
  if (n.inodes && *n.inodes > 0 && n.inodes_free) {
    usage.inodes = n.inodes;
    usage.inodes_free = n.inodes_free;
  }
  return usage;
}

}  // namespace

Result<void> VolumeStatsReader::feed(std::string_view bytes) {
  bytes_ += bytes.size();
  if (bytes_ > limits::kKubeletPageBytes) {
    return Error(ErrorCode::kTooLarge,
                 "page larger than " + std::to_string(limits::kKubeletPageBytes) + " bytes");
  }
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > limits::kKubeletLineBytes) {
      return Error(ErrorCode::kTooLarge,
                   "line longer than " + std::to_string(limits::kKubeletLineBytes) + " bytes");
    }
    if (end == std::string_view::npos) {
      partial_ += piece;
      return {};
    }
    bytes.remove_prefix(end + 1);
    // Most lines are in one piece, and are not copied.
    Result<void> kept;
    if (partial_.empty()) {
      kept = keep(piece);
    } else {
      partial_ += piece;
      kept = keep(partial_);
      partial_.clear();
    }
    if (!kept) return kept;
  }
  return {};
}

Result<void> VolumeStatsReader::keep(std::string_view line) {
  if (line.starts_with("# TYPE ")) saw_comment_ = true;
  if (!line.starts_with(kPrefix)) return {};
  if (kept_.size() + line.size() > limits::kVolumeStatsBytes) {
    return Error(ErrorCode::kTooLarge, "volume statistics larger than " +
                                           std::to_string(limits::kVolumeStatsBytes) + " bytes");
  }
  kept_ += line;
  kept_ += '\n';
  return {};
}

Result<std::vector<model::ClaimUsage>> VolumeStatsReader::finish() && {
  if (!partial_.empty()) return Error(ErrorCode::kMalformed, "the page ends within a line");
  // A page of metrics without volumes is an answer; a login form is not.
  if (!saw_comment_) return Error(ErrorCode::kMalformed, "this is not a page of metrics");
  const auto page = metrics::parse_page(kept_, "", limits::kVolumeStatsSamples);
  if (!page) return page.error().context("of its lines kubelet_volume_stats_*");

  std::map<std::pair<std::string, std::string>, Numbers> numbers;
  for (const metrics::ParsedSample& sample : page->samples) {
    const auto place = place_of(sample.labels.get(kMetricName));
    if (place == nullptr) continue;
    const auto count = count_of(sample.value);
    if (!count) {
      return Error(ErrorCode::kMalformed, sample.labels.text() + " is no count");
    }
    std::optional<std::int64_t>& number =
        numbers[{std::string(sample.labels.get("namespace")),
                 std::string(sample.labels.get("persistentvolumeclaim"))}].*
        place;
    number = number ? std::min(*number, *count) : *count;
  }
  std::vector<model::ClaimUsage> result;
  for (const auto& [key, n] : numbers) {
    if (auto usage = usage_of(n)) result.push_back({key.first, key.second, *usage});
  }
  return result;
}

}  // namespace keelwatch::sources
