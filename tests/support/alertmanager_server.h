// A real Alertmanager as a child process on a loopback port, with a data folder of its own. The
// destructor ends it. Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace keelwatch::testing {

class AlertmanagerServer {
 public:
  // Waits until it is ready. Throws std::runtime_error with its log if that fails.
  explicit AlertmanagerServer(const std::string& config,
                              const std::string& program = "prometheus-alertmanager");
  ~AlertmanagerServer();
  AlertmanagerServer(const AlertmanagerServer&) = delete;
  AlertmanagerServer& operator=(const AlertmanagerServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string log() const;

  // Ends it at once, as a lost node does; start() brings it back on the same port, without alerts.
  void kill();
  void start();

 private:
  void wait_ready();

  std::string program_;
  std::string directory_;
  int port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace keelwatch::testing
