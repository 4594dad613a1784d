#include "metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"

namespace keelwatch::metrics {
namespace {

constexpr std::size_t kMaxProcBytes = 4 << 20;  // /proc/stat has a line per CPU and its interrupts

// Empty if it cannot be read: then the facts that it holds are absent.
std::string text_of(const char* path) {
  auto text = read_file(path, kMaxProcBytes);
  return text ? std::move(*text) : std::string();
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    if (end > at) found.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

std::optional<double> count_open_fds() {
  std::error_code error;
  double count = -1;  // the listing itself holds one open
  auto at = std::filesystem::directory_iterator("/proc/self/fd", error);
  while (!error && at != std::filesystem::directory_iterator()) {
    ++count;
    at.increment(error);
  }
  if (error) return std::nullopt;
  return count;
}

std::optional<double> fd_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  if (limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<double>::infinity();
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

ProcessFacts parse_process(std::string_view self_stat, std::string_view system_stat,
                           double ticks_per_second, double page_bytes) {
  ProcessFacts facts;
  // Field 2 is the program's name in parentheses, which may itself hold blanks and parentheses.
  const std::size_t name_end = self_stat.rfind(')');
  if (name_end == std::string_view::npos) return facts;
  const std::vector<std::string_view> fields = words(self_stat.substr(name_end + 1));
  const auto field = [&](std::size_t n) {  // numbered as in proc(5)
    return n - 3 < fields.size() ? number(fields[n - 3]) : std::nullopt;
  };
  const auto user = field(14);
  const auto system = field(15);
  if (user && system) facts.cpu_seconds = (*user + *system) / ticks_per_second;
  facts.virtual_bytes = field(23);
  if (const auto pages = field(24)) facts.resident_bytes = *pages * page_bytes;

  constexpr std::string_view kBootTime = "\nbtime ";
  const std::size_t at = system_stat.find(kBootTime);
  if (at == std::string_view::npos) return facts;
  const std::string_view rest = system_stat.substr(at + kBootTime.size());
  const auto boot = number(rest.substr(0, rest.find('\n')));
  const auto start = field(22);
  if (boot && start) facts.start_time_seconds = *boot + *start / ticks_per_second;
  return facts;
}

ProcessFacts read_process() {
  ProcessFacts facts = parse_process(text_of("/proc/self/stat"), text_of("/proc/stat"),
                                     static_cast<double>(sysconf(_SC_CLK_TCK)),
                                     static_cast<double>(sysconf(_SC_PAGESIZE)));
  facts.open_fds = count_open_fds();
  facts.max_fds = fd_limit();
  return facts;
}

}  // namespace keelwatch::metrics
