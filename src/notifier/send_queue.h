// What one Alertmanager has still to be told: of each alert its newest state, in the order in which
// they were put in. A state that is put in while an older one waits, or is under way, takes its
// place. Pure: time comes from outside.
//
// Causes go ahead: the other alerts wait until no cause waits, and for kCauseLead after the last
// one was acknowledged, since Alertmanager needs that long until it inhibits. Only if causes have
// found no acceptance for kPatience the others take turns with them.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "notifier/outgoing.h"

namespace keelwatch::notifier {

class SendQueue {
 public:
  static constexpr Duration kCauseLead = std::chrono::milliseconds(120);
  static constexpr Duration kPatience = std::chrono::seconds(10);
  static constexpr Duration kFirstPause = std::chrono::milliseconds(250);
  static constexpr Duration kLongestPause = std::chrono::seconds(10);

  struct Item {
    std::uint64_t id = 0;  // of this state of the alert
    OutgoingPtr alert;
  };

  explicit SendQueue(std::size_t capacity) : capacity_(capacity) {}

  // How many alerts had to leave for it: beyond the capacity the oldest that is no cause.
  [[nodiscard]] std::size_t put(OutgoingPtr alert);

  // The next batch, at most `most` alerts; empty if there is none, or it is too early.
  [[nodiscard]] std::vector<Item> take(SteadyTime now, std::size_t most);
  // When take() may have something; nothing while the queue is empty.
  [[nodiscard]] std::optional<SteadyTime> due() const;

  // What became of a batch, or of a part of it: acknowledged; refused for good; or not taken, in
  // which case it waits for a pause that doubles with each failure.
  void accepted(const std::vector<Item>& batch, SteadyTime now);
  void refused(const Item& item);
  void failed(const std::vector<Item>& batch, SteadyTime now);
  // Ends the pause.
  void hurry() { not_before_ = {}; }
  // Takes an alert out that need not be sent after all.
  void withdraw(const Item& item) { remove(item); }

  [[nodiscard]] std::size_t size() const { return places_.size(); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] bool has(const Labels& labels) const { return places_.contains(labels); }

 private:
  using Line = std::map<std::uint64_t, Item>;  // by place

  void remove(const Item& item);
  [[nodiscard]] Line& line_of(const Outgoing& alert) { return alert.cause ? causes_ : others_; }
  [[nodiscard]] bool causes_first(SteadyTime now) const;

  std::size_t capacity_;
  Line causes_;
  Line others_;
  std::unordered_map<Labels, std::pair<Line*, std::uint64_t>, LabelsHash> places_;
  std::uint64_t next_id_ = 1;

  SteadyTime not_before_{};         // of the next attempt
  SteadyTime others_not_before_{};  // the causes' lead
  Duration pause_ = kFirstPause;
  std::optional<SteadyTime> causes_fail_since_;
  bool others_turn_ = false;
};

}  // namespace keelwatch::notifier
