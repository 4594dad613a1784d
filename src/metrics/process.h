// What the kernel says about this process: the process_* metrics of every Prometheus client.
#pragma once

#include <optional>
#include <string_view>

namespace keelwatch::metrics {

// Empty: /proc did not tell.
struct ProcessFacts {
  std::optional<double> cpu_seconds;  // user and system
  std::optional<double> resident_bytes;
  std::optional<double> virtual_bytes;
  std::optional<double> start_time_seconds;  // Unix time
  std::optional<double> open_fds;
  std::optional<double> max_fds;  // the soft limit; infinite when there is none
};

// Reads /proc/self, about 50 us; any thread.
[[nodiscard]] ProcessFacts read_process();

// The parts of it that come from the texts of /proc/self/stat and /proc/stat (proc(5)).
[[nodiscard]] ProcessFacts parse_process(std::string_view self_stat, std::string_view system_stat,
                                         double ticks_per_second, double page_bytes);

}  // namespace keelwatch::metrics
