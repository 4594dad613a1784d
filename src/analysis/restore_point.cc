#include "analysis/restore_point.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/time_text.h"

namespace keelwatch::analysis {
namespace {

constexpr Proof kStrongestFirst[] = {Proof::kDeep, Proof::kHeader, Proof::kListed};

std::string time_text(WallTime time) { return format_rfc3339(time, 0); }

bool is_own(const RestorePoint& point) { return point.state == BackupState::kRestorable; }

// What a backup covers, if it counts on that level.
struct Cover {
  const RestorePoint* point;
  const Reach* reach;
  WallTime until;
};

std::optional<Cover> cover_of(const RestorePoint& point, Proof proof) {
  const auto i = static_cast<std::size_t>(proof);
  if (!is_own(point) || !point.restorable[i] || !point.end_time) return std::nullopt;
  const Reach& reach = point.reach[i];
  const WallTime until =
      reach.last_modified ? std::max(*point.end_time, *reach.last_modified) : *point.end_time;
  return Cover{&point, &reach, until};
}

bool covers(const Cover& cover, const RestoreTarget& target) {
  if (target.time && (*target.time < *cover.point->end_time || cover.until < *target.time)) {
    return false;
  }
  if (!target.lsn) return true;
  return (!cover.point->end_lsn || *cover.point->end_lsn <= *target.lsn) &&
         *target.lsn <= cover.reach->end;
}

// The backup that a restore begins with: of those that cover the target the newest, which replays
// the least; for `latest` of those that get furthest.
std::optional<Cover> choose(const std::vector<RestorePoint>& points, const RestoreTarget& target,
                            Proof proof) {
  std::optional<Cover> best;
  const bool latest = !target.time && !target.lsn;
  for (const RestorePoint& point : points) {
    const auto cover = cover_of(point, proof);
    if (!cover || !covers(*cover, target)) continue;
    const bool further = !best || !latest || best->reach->end <= cover->reach->end;
    if (further && (!best || *best->point->end_time <= *point.end_time ||
                    (latest && best->reach->end < cover->reach->end))) {
      best = cover;
    }
  }
  return best;
}

std::string target_text(const RestoreTarget& target) {
  return target.time ? time_text(*target.time) : to_string(*target.lsn);
}

// Why no backup covers the target.
std::string why_not(const std::vector<RestorePoint>& points, const RestoreTarget& target) {
  const RestorePoint* before = nullptr;
  const RestorePoint* first = nullptr;
  for (const RestorePoint& point : points) {
    const auto cover = cover_of(point, Proof::kListed);
    if (!cover) continue;
    if (first == nullptr || *point.end_time < *first->end_time) first = &point;
    const bool early = target.time ? *point.end_time <= *target.time
                                   : !point.end_lsn || *point.end_lsn <= *target.lsn;
    if (early && (before == nullptr || *before->end_time <= *point.end_time)) before = &point;
  }
  if (first == nullptr) {
    if (points.empty()) return "the archive holds no base backup";
    const RestorePoint& newest = points.back();
    return "no base backup can be restored; of the newest, " + newest.id + ": " + newest.reason;
  }
  if (before == nullptr) {
    return target_text(target) + " is before the end of the oldest restorable backup, " +
           first->id + " of " + time_text(*first->end_time);
  }
  const Cover cover = *cover_of(*before, Proof::kListed);
  std::string text = target_text(target) + " is not reached: backup " + before->id +
                     " can be replayed until " +
                     (target.time ? time_text(cover.until) : to_string(cover.reach->end));
  switch (cover.reach->stop) {
    case ChainStop::kMissing:
      text += ", where a segment is missing";
      if (!cover.reach->detail.empty()) text += " (" + cover.reach->detail + ")";
      break;
    case ChainStop::kDamaged:
    case ChainStop::kFatal:
      text += ", where a segment is damaged (" + cover.reach->detail + ")";
      break;
    case ChainStop::kAbandoned:
      text += ", where the first segment of timeline " + std::to_string(cover.reach->at.timeline) +
              " is missing";
      break;
    case ChainStop::kNewest:
      text += ", the end of what is archived";
      break;
    case ChainStop::kNotProven:
      break;
  }
  return text;
}

}  // namespace

Observed<RestoreChoice> choose_restore_point(const RestorePoints& points,
                                             const RestoreTarget& target) {
  const auto& listed = points.window[static_cast<std::size_t>(Proof::kListed)];
  if (!listed.is_known()) return Observed<RestoreChoice>::absent(listed.why());
  return points.backups.map([&](const std::vector<RestorePoint>& backups) {
    RestoreChoice choice;
    const auto best = choose(backups, target, Proof::kListed);
    if (!best) {
      choice.text = why_not(backups, target);
      return choice;
    }
    choice.possible = true;
    choice.backup = best->point->id;
    choice.timeline = best->point->target.timeline;
    choice.until = best->until;
    choice.until_lsn = best->reach->end;
    choice.needs_target = !target.time && !target.lsn && !best->point->latest_fails.empty();
    if (choice.needs_target) choice.text = best->point->latest_fails;
    for (const Proof proof : kStrongestFirst) {
      const auto proven = cover_of(*best->point, proof);
      const bool whole = proven && proven->reach->end >= best->reach->end;
      const bool explicit_target = target.time || target.lsn;
      if (proven && (explicit_target ? covers(*proven, target) : whole)) {
        choice.proof = proof;
        break;
      }
    }
    return choice;
  });
}

}  // namespace keelwatch::analysis
