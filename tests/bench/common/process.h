// A program under measurement: started, looked at from outside, ended.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace keelwatch::bench {

class Process {
 public:
  // `environment`: "NAME=value", added to ours. Its stdout is read by first_line(), its stderr is
  // thrown away. It gets SIGKILL when this process dies. std::runtime_error if it cannot start.
  explicit Process(std::vector<std::string> command, std::vector<std::string> environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The first line of its stdout; std::runtime_error if it ends without one.
  [[nodiscard]] std::string first_line();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int out_ = -1;
};

// All of a process' CPU time so far, its threads that have ended included.
[[nodiscard]] double cpu_ms(pid_t pid);

struct Memory {
  double rss_mb = 0;  // 1 MB is 1000 kB as the kernel counts them
  double peak_mb = 0;
  double private_dirty_mb = 0;
};
[[nodiscard]] Memory memory_of(pid_t pid);

// A port of 127.0.0.1 that was free just now, for programs that cannot choose one.
[[nodiscard]] int free_port();

}  // namespace keelwatch::bench
