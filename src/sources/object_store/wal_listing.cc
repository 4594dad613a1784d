#include "sources/object_store/wal_listing.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "config/limits.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kWals = "wals/";

}  // namespace

WalListing::WalListing(std::string server) : server_(std::move(server)) {}

void WalListing::begin_whole(WallTime now) {
  whole_.emplace(Whole{now, ListingCursor(server_ + std::string(kWals), ""), {}});
}

std::optional<S3ListRequest> WalListing::next_whole() const {
  if (!whole_) return std::nullopt;
  return whole_->cursor.request();
}

Result<void> WalListing::add_whole(const S3Page& page) {
  const Result<bool> last = whole_->cursor.advance(page);
  Result<void> added;
  if (!last) added = last.error();
  for (std::size_t i = 0; added && i < page.objects.size(); ++i) {
    const S3Object& object = page.objects[i];
    const std::string_view key = std::string_view(object.key).substr(server_.size());
    added = whole_->contents.add(key, object, nullptr);
  }
  if (!added) {
    abandon_whole();
    return added;
  }
  if (*last) replace_by(*std::exchange(whole_, std::nullopt));
  return {};
}

void WalListing::replace_by(Whole whole) {
  for (auto& [number, timeline] : whole.contents.timelines()) {
    const HistoryObject* before = history(number);
    if (before == nullptr || !timeline.history) continue;
    HistoryObject& now = *timeline.history;
    const bool same = before->stored == now.stored && before->bytes == now.bytes &&
                      before->modified && before->modified == now.modified;
    if (!same) continue;
    now.switches = before->switches;
    now.read = before->read;
  }
  if (listed_whole_at_) {
    std::vector<SegmentToProve> late = whole.contents.not_in(contents_, limits::kSegmentsToProve);
    std::ranges::move(late, std::back_inserter(new_segments_));
  }
  contents_ = std::move(whole.contents);
  listed_whole_at_ = whole.began;
  new_.clear();  // their places are those of the contents before
}

void WalListing::begin_new() {
  new_.clear();
  const auto& timelines = contents_.timelines();
  for (auto it = timelines.begin(); it != timelines.end(); ++it) {
    const auto& [number, timeline] = *it;
    // The last one's listing goes on into timelines that are not known yet.
    const bool last = std::next(it) == timelines.end();
    new_.emplace_back(
        last ? server_ + std::string(kWals) : fmt::format("{}{}{:08X}", server_, kWals, number),
        server_ + timeline.last_key);
  }
  if (timelines.empty()) new_.emplace_back(server_ + std::string(kWals), "");
}

std::optional<S3ListRequest> WalListing::next_new() const {
  if (new_.empty()) return std::nullopt;
  return new_.front().request();
}

Result<void> WalListing::add_new(const S3Page& page) {
  const Result<bool> last = new_.front().advance(page);
  Result<void> added;
  if (!last) added = last.error();
  for (std::size_t i = 0; added && i < page.objects.size(); ++i) {
    const S3Object& object = page.objects[i];
    const std::string_view key = std::string_view(object.key).substr(server_.size());
    // Foreign objects behind the last timeline come each time: whole listings count them.
    if (read_barman_key(key).kind == BarmanKeyKind::kForeign) continue;
    added = contents_.add(key, object, &new_segments_);
  }
  if (!added) {
    abandon_new();
    return added;
  }
  if (*last) new_.pop_front();
  return {};
}

std::vector<SegmentToProve> WalListing::take_new_segments() {
  return std::exchange(new_segments_, {});
}

std::vector<std::uint32_t> WalListing::histories_to_read() const {
  std::vector<std::uint32_t> result;
  for (const auto& [number, timeline] : contents_.timelines()) {
    if (timeline.history && !timeline.history->read) result.push_back(number);
  }
  return result;
}

const HistoryObject* WalListing::history(std::uint32_t timeline) const {
  const auto found = contents_.timelines().find(timeline);
  if (found == contents_.timelines().end() || !found->second.history) return nullptr;
  return &*found->second.history;
}

void WalListing::set_history(std::uint32_t timeline,
                             Observed<std::vector<model::TimelineSwitch>> switches, bool read) {
  const auto found = contents_.timelines().find(timeline);
  if (found == contents_.timelines().end() || !found->second.history) return;
  found->second.history->switches = std::move(switches);
  found->second.history->read = read;
}

}  // namespace keelwatch::sources
