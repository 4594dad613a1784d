#include "notifier/send_queue.h"

#include <algorithm>

namespace keelwatch::notifier {

std::size_t SendQueue::put(OutgoingPtr alert) {
  const auto known = places_.find(alert->labels);
  const std::uint64_t id = next_id_++;
  Line& line = line_of(*alert);
  if (known != places_.end()) {
    auto& [old_line, place] = known->second;
    if (old_line == &line) {
      line[place] = {id, std::move(alert)};
      return 0;
    }
    old_line->erase(place);
    places_.erase(known);
  }
  std::size_t dropped = 0;
  if (places_.size() >= capacity_) {
    const Item oldest = (others_.empty() ? causes_ : others_).begin()->second;
    remove(oldest);
    dropped = 1;
  }
  places_.emplace(alert->labels, std::pair(&line, id));
  line.emplace(id, Item{id, std::move(alert)});
  return dropped;
}

bool SendQueue::causes_first(SteadyTime now) const {
  if (causes_.empty()) return false;
  const bool out_of_patience = causes_fail_since_ && now - *causes_fail_since_ >= kPatience;
  return others_.empty() || !out_of_patience || !others_turn_;
}

std::vector<SendQueue::Item> SendQueue::take(SteadyTime now, std::size_t most) {
  if (now < not_before_) return {};
  const bool causes = causes_first(now);
  if (!causes && now < others_not_before_) return {};
  std::vector<Item> batch;
  for (const auto& [place, item] : causes ? causes_ : others_) {
    if (batch.size() == most) break;
    batch.push_back(item);
  }
  others_turn_ = causes;
  return batch;
}

std::optional<SteadyTime> SendQueue::due() const {
  if (places_.empty()) return std::nullopt;
  return causes_.empty() ? std::max(not_before_, others_not_before_) : not_before_;
}

void SendQueue::remove(const Item& item) {
  const auto known = places_.find(item.alert->labels);
  if (known == places_.end()) return;
  auto& [line, place] = known->second;
  const auto at = line->find(place);
  if (at == line->end() || at->second.id != item.id) return;  // a newer state waits in its place
  line->erase(at);
  places_.erase(known);
}

void SendQueue::accepted(const std::vector<Item>& batch, SteadyTime now) {
  pause_ = kFirstPause;
  not_before_ = now;
  for (const Item& item : batch) {
    if (item.alert->cause) {
      others_not_before_ = now + kCauseLead;
      causes_fail_since_.reset();
    }
    remove(item);
  }
}

void SendQueue::refused(const Item& item) {
  pause_ = kFirstPause;  // it has answered
  if (item.alert->cause) causes_fail_since_.reset();
  remove(item);
}

void SendQueue::failed(const std::vector<Item>& batch, SteadyTime now) {
  not_before_ = now + pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
  const bool cause = std::ranges::any_of(batch, [](const Item& i) { return i.alert->cause; });
  if (cause && !causes_fail_since_) causes_fail_since_ = now;
}

}  // namespace keelwatch::notifier
