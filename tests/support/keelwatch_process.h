// The real program as a child process, on a free loopback port: what a user runs. The destructor
// ends it. Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/support/raw_http.h"

namespace keelwatch::testing {

class KeelwatchProcess {
 public:
  // Writes `config` (YAML) to a file of its own and waits until the program serves. Throws
  // std::runtime_error with its log if it ends before.
  explicit KeelwatchProcess(const std::string& config, std::vector<std::string> arguments = {});
  ~KeelwatchProcess();
  KeelwatchProcess(const KeelwatchProcess&) = delete;
  KeelwatchProcess& operator=(const KeelwatchProcess&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string config_file() const { return directory_ + "/keelwatch.yaml"; }
  [[nodiscard]] std::string directory() const { return directory_; }
  [[nodiscard]] std::string log() const;
  [[nodiscard]] pid_t pid() const { return pid_; }

  [[nodiscard]] RawResponse get(const std::string& path) const;
  [[nodiscard]] RawResponse post(const std::string& path) const;
  [[nodiscard]] std::string metrics() const { return get("/metrics").body; }
  // The value of one series as it stands on the page ("keelwatch_x{a=\"b\"}"), or nothing.
  [[nodiscard]] std::optional<double> value(const std::string& series) const;
  // Polls until the series has that value (nullopt: is gone); how long it took, or nothing after
  // `limit`.
  [[nodiscard]] std::optional<Duration> wait_for(const std::string& series,
                                                 std::optional<double> wanted,
                                                 Duration limit = std::chrono::seconds(20)) const;

  void signal(int number) const;
  // Ends it at once (SIGKILL) and starts it again, on another port, with the same files.
  void kill_and_restart();
  // Waits for the end; the exit code, or nothing after `limit`.
  [[nodiscard]] std::optional<int> wait_exit(Duration limit);

 private:
  void start();

  std::string directory_;
  std::vector<std::string> arguments_;
  pid_t pid_ = 0;
  int port_ = 0;
};

// The value of a series on a page.
[[nodiscard]] std::optional<double> value_on(const std::string& page, const std::string& series);

}  // namespace keelwatch::testing
