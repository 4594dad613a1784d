// One look at everything that speaks of archives, for the commands that judge them without a
// running keelwatch: sources are started, and stopped when each of them has answered once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/step.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "config/config.h"

namespace keelwatch::app {

struct ArchiveLookOptions {
  std::string config_file;
  // "s3://bucket/path/server": only this archive is looked at, by what AWS_ACCESS_KEY_ID and its
  // likes say, and nothing else is asked.
  std::string archive;
  std::string endpoint_url;                     // of `archive`
  bool places_only = false;                     // where archives are suffices, not what they hold
  bool deep = false;                            // read backups and WAL whole, without a byte budget
  Duration timeout = std::chrono::minutes(10);  // then what has answered is judged
};

struct ArchiveLook {
  std::shared_ptr<const Moment> moment;
  bool complete = false;  // false: the timeout has passed, or a signal came
};

// A line of progress, for a person who waits; about twice a second.
using Progress = std::function<void(const std::string& line)>;

// Errors: kInvalid (the configuration with its problems, or `archive` is no destination).
[[nodiscard]] Result<ArchiveLook> look_at_archives(const ArchiveLookOptions& options,
                                                   const Progress& progress, Logger& log);

}  // namespace keelwatch::app
