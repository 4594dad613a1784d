// When a ScheduledBackup is due: cron schedules as github.com/robfig/cron v1.2 reads them (Parse in
// its parser.go, Next in spec.go and constantdelay.go), which is what CloudNativePG uses:
//
//   second minute hour day-of-month month [day-of-week]
//
// Five fields are the first five of these, so a crontab's "0 3 * * *" means every hour, at minute 3
// (CNPG issue 4202). Names of months and days have three letters in any case; Sunday is 0 and never
// 7. "N/S" means "N-max/S". A day must match both day fields where one of them has a "*" or "?",
// with or without a step, and else either of them. Descriptors: @yearly, @annually, @monthly,
// @weekly, @daily, @midnight, @hourly and "@every 1h30m" (a Go duration, at least one second).
//
// Slots are times of day of the operator's zone, given as its offset from UTC: its image has no
// zone but UTC unless somebody sets TZ. Zones with summer time are not known here (libstdc++ 12 has
// no tz database): who asks holds a slot against the one that the operator itself tells.
// TZ= and CRON_TZ= in front of a schedule came with later versions: 1.2 refuses them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace keelwatch::analysis {

class CronSchedule {
 public:
  // Errors: kInvalid, naming the field and what is wrong with it.
  [[nodiscard]] static Result<CronSchedule> parse(std::string_view text);

  // The first slot after that time; nothing if there is none until the end of the fifth year after
  // it (31 February), which the operator takes for "never".
  [[nodiscard]] std::optional<WallTime> next(WallTime after,
                                             Duration utc_offset = Duration::zero()) const;

  // The last slot at or before that time, looking back as far. Nothing for @every, whose slots
  // count from the last one.
  [[nodiscard]] std::optional<WallTime> latest(WallTime at,
                                               Duration utc_offset = Duration::zero()) const;

  // Of @every: whole seconds.
  [[nodiscard]] std::optional<Duration> delay() const { return delay_; }

 private:
  // A bit per value of a field.
  struct Fields {
    std::uint64_t second = 0;
    std::uint64_t minute = 0;
    std::uint64_t hour = 0;
    std::uint64_t day = 0;
    std::uint64_t month = 0;
    std::uint64_t weekday = 0;
    bool any_day = false;  // one of the two day fields has a star
  };

  [[nodiscard]] static Result<CronSchedule> parse_descriptor(std::string_view text);
  [[nodiscard]] bool has_slots() const;
  [[nodiscard]] bool matches(std::chrono::sys_days date) const;

  Fields fields_;
  std::optional<Duration> delay_;
};

}  // namespace keelwatch::analysis
