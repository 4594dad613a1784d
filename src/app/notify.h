// `keelwatch notify test`: a test page through every Alertmanager, and how far each one has taken
// it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "notifier/test_page.h"

namespace keelwatch::app {

struct NotifyTestOptions {
  std::string config_file;
  std::vector<std::string> alertmanagers;  // URLs, instead of those of the configuration
  std::vector<std::string> labels;         // NAME=VALUE
  Duration wait = std::chrono::minutes(1);
  bool json = false;
};

// Prints a report per Alertmanager. 0 if each one has provably told somebody; 1 if one has not or
// it cannot be known, or none is configured; 2 for a label that is none.
[[nodiscard]] int notify_test_command(const NotifyTestOptions& options, Logger& log);

[[nodiscard]] std::string to_text(const std::vector<notifier::TestReport>& reports);
[[nodiscard]] std::string to_json(const std::vector<notifier::TestReport>& reports);

}  // namespace keelwatch::app
