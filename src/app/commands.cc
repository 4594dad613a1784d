#include "app/commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "app/signals.h"
#include "app/source_set.h"
#include "app/tape.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/resolver.h"
#include "config/load.h"

namespace keelwatch::app {
namespace {

constexpr std::size_t kMaxTapeBytes = std::size_t{1} << 30;

void print_error(const Error& error) {
  fmt::print(stderr, "keelwatch: {} ({})\n", error.message(), to_string(error.code()));
}

// nullopt after having printed why.
std::optional<config::Config> load_or_print(const std::string& file) {
  if (file.empty()) return config::Config{};
  config::Loaded loaded = config::load_file(file);
  if (!loaded.problems.all().empty()) fmt::print(stderr, "{}", loaded.problems.text());
  return std::move(loaded.config);
}

// Lines from several source threads, each written whole.
class TapeFile {
 public:
  explicit TapeFile(const std::string& path)
      : file_(path.empty() || path == "-" ? stdout : std::fopen(path.c_str(), "we")) {
    if (file_ != nullptr) write(tape_header());
  }
  ~TapeFile() {
    if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  }
  TapeFile(const TapeFile&) = delete;
  TapeFile& operator=(const TapeFile&) = delete;

  [[nodiscard]] bool open() const { return file_ != nullptr; }
  void write(const std::string& line) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    std::fwrite(line.data(), 1, line.size(), file_);
    std::fflush(file_);
    ++lines_;
  }
  [[nodiscard]] std::size_t lines() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return lines_;
  }

 private:
  std::FILE* file_;
  mutable Mutex mutex_;
  std::size_t lines_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

int explain_command(const ExplainOptions& options) {
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  HttpRequest request;
  request.url = options.server + "/api/v1/explain?series=" + percent_encode(options.series) +
                (options.json ? "&format=json" : "");
  request.deadline = loop.after(std::chrono::seconds(10));
  const auto response = loop.block_on(http.fetch(std::move(request)));
  if (!response) {
    print_error(response.error().context("ask " + options.server));
    return 1;
  }
  if (response->status != 200) {
    fmt::print(stderr, "keelwatch: {}", response->body);
    return 1;
  }
  std::fwrite(response->body.data(), 1, response->body.size(), stdout);
  return 0;
}

int record_command(const RecordOptions& options, Logger& log) {
  const auto config = load_or_print(options.config_file);
  if (!config) return 1;
  EventLoop control;
  Signals signals(control);
  const SystemClock clock;
  TapeFile tape(options.out);
  if (!tape.open()) {
    print_error(Error(ErrorCode::kInvalid, "cannot write " + options.out));
    return 1;
  }
  std::stop_source stop;
  for (const int signal : {SIGINT, SIGTERM}) signals.on(signal, [&] { stop.request_stop(); });
  EventLoop::Timer end(control, [&] { stop.request_stop(); });
  if (options.duration > Duration::zero()) end.arm(control.after(options.duration));
  {
    const auto write = [&](const auto& slice) { tape.write(tape_line(clock.wall(), *slice)); };
    SourceSet sources(control, clock, log, std::make_shared<const config::Config>(*config),
                      {.kubernetes = write, .postgres = write});
    control.run(stop.get_token());
  }
  fmt::print(stderr, "keelwatch: recorded {} slices\n", tape.lines() - 1);
  return 0;
}

int replay_command(const ReplayOptions& options) {
  const auto config = load_or_print(options.config_file);
  if (!config) return 1;
  const auto text = read_file(options.tape, kMaxTapeBytes);
  if (!text) {
    print_error(text.error());
    return 1;
  }
  const auto tape = read_tape(*text);
  if (!tape) {
    print_error(tape.error().context(options.tape));
    return 1;
  }
  const std::vector<Change> changes = timeline(*tape, *config);
  fmt::print("{}", options.json ? to_json(changes) : to_text(changes));
  return 0;
}

}  // namespace keelwatch::app
