#include "state/alert_state.h"

#include <pthread.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "config/limits.h"

namespace keelwatch::state {
namespace {

constexpr const char* kSource = "state";
constexpr auto kHandover = std::chrono::seconds(5);  // for a process before us that is just ending

}  // namespace

// Outlives the AlertState if the disk hangs: its thread then stays in a system call, and must find
// this when it comes back.
struct AlertState::Shared {
  Shared(std::string p, const Clock& c, Logger& l, metrics::SelfMetrics& s)
      : path(std::move(p)), clock(c), log(l), self(s) {}

  struct Work {
    rules::Instant now;
    std::shared_ptr<const std::vector<rules::SavedRule>> alerts;  // nullptr: unchanged
    std::vector<rules::Transition> transitions;
  };

  // Of its thread.
  void open_and_load();
  [[nodiscard]] std::optional<Work> next_work();
  void write(Work work);
  [[nodiscard]] Result<void> try_write(const Work& work);
  void give_back(Work work);
  void note(const Result<void>& written);

  [[nodiscard]] bool is_writable(SteadyTime now) const REQUIRES(mutex) {
    return good && (!busy_since || now - *busy_since < kStalled);
  }

  [[nodiscard]] bool is_stopping() const EXCLUDES(mutex) {
    MutexLock hold(mutex);
    return stopping;
  }
  [[nodiscard]] bool flushed() const REQUIRES(mutex) {
    const bool only_clock = waiting && !waiting->alerts && waiting->transitions.empty();
    return loaded && !busy_since && (!waiting || only_clock);
  }

  const std::string path;
  const Clock& clock;
  Logger& log;
  metrics::SelfMetrics& self;

  std::unique_ptr<AlertFile> file;  // of its thread
  // Of its thread: for a file that has to be begun anew.
  std::shared_ptr<const std::vector<rules::SavedRule>> newest;
  rules::Instant newest_at;

  mutable Mutex mutex;
  ConditionVariable changed;
  std::optional<Result<KeptAlerts>> loaded GUARDED_BY(mutex);
  std::optional<Work> waiting GUARDED_BY(mutex);
  bool stopping GUARDED_BY(mutex) = false;
  bool abandoned GUARDED_BY(mutex) = false;  // nothing but this is left
  bool ended GUARDED_BY(mutex) = false;      // its thread has nothing more to do
  bool good GUARDED_BY(mutex) = true;
  std::size_t lost GUARDED_BY(mutex) = 0;  // transitions
  std::optional<SteadyTime> busy_since GUARDED_BY(mutex);
  SteadyTime written_at GUARDED_BY(mutex){};
};

void AlertState::Shared::open_and_load() {
  {
    MutexLock hold(mutex);
    busy_since = clock.steady();
  }
  const auto give_up = std::chrono::steady_clock::now() + kHandover;
  Result<std::unique_ptr<AlertFile>> opened = AlertFile::open(path, clock.wall(), log);
  while (!opened && opened.error().code() == ErrorCode::kInvalid &&
         std::chrono::steady_clock::now() < give_up && !is_stopping()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    opened = AlertFile::open(path, clock.wall(), log);
  }
  Result<KeptAlerts> kept = opened ? (*opened)->load() : Result<KeptAlerts>(opened.error());
  MutexLock hold(mutex);
  busy_since.reset();
  if (abandoned) return;
  if (kept) {
    file = *std::move(opened);
    log.info(kSource, "the state of alerts is kept",
             {{"file", path}, {"rules", kept->rules.size()}, {"new", !kept->written_at}});
  } else {
    good = false;
    log.error(kSource, "the state of alerts cannot be kept, trying again",
              {{"file", path}, {"err", kept.error()}});
  }
  self.state_writable(good);
  if (!loaded) loaded = std::move(kept);
  changed.notify_all();
}

// Waits for work; nothing when it is time to end.
std::optional<AlertState::Shared::Work> AlertState::Shared::next_work() {
  MutexLock hold(mutex);
  for (;;) {
    if (abandoned || (stopping && !waiting)) return std::nullopt;
    const SteadyTime now = clock.steady();
    const bool only_clock = waiting && !waiting->alerts && waiting->transitions.empty();
    const bool due = waiting && (!only_clock || stopping || now - written_at >= kClockOnly);
    if (due) break;
    changed.wait_for(mutex, std::chrono::seconds(1));  // of the clock only a look is due then
  }
  std::optional<Work> work = std::exchange(waiting, std::nullopt);
  busy_since = clock.steady();
  return work;
}

void AlertState::Shared::write(Work work) {
  if (work.alerts) {
    newest = work.alerts;
    newest_at = work.now;
  }
  const Result<void> written = try_write(work);
  {
    MutexLock hold(mutex);
    if (abandoned) return;
  }
  note(written);
  if (written) return;
  give_back(std::move(work));
  MutexLock hold(mutex);
  // Without spinning on a full disk; a stop does not wait.
  const auto until = std::chrono::steady_clock::now() + kRetry;
  while (!stopping && changed.wait_until(mutex, until) != std::cv_status::timeout) {
  }
  if (stopping) waiting.reset();
}

Result<void> AlertState::Shared::try_write(const Work& work) {
  if (file) {
    Result<void> written = file->write(work.now, work.alerts.get(), work.transitions);
    if (written || written.error().code() != ErrorCode::kMalformed) return written;
    log.error(kSource, "the file of alerts is damaged, beginning a new one",
              {{"file", path}, {"err", written.error()}});
    file.reset();
  }
  Result<std::unique_ptr<AlertFile>> opened = AlertFile::open(path, clock.wall(), log);
  if (!opened) return opened.error();
  // What it holds is older than what we know; it is read so that it goes away.
  if (const Result<KeptAlerts> kept = (*opened)->load(); !kept) return kept.error();
  file = *std::move(opened);
  return file->write(newest ? newest_at : work.now, newest.get(), work.transitions);
}

// What could not be written waits behind nothing: newer states replace it, transitions queue up.
void AlertState::Shared::give_back(Work work) {
  MutexLock hold(mutex);
  if (!waiting) {
    waiting = std::move(work);
    return;
  }
  if (!waiting->alerts && work.alerts) {
    waiting->alerts = std::move(work.alerts);
    waiting->now = work.now;  // the ages are of then
  }
  std::vector<rules::Transition>& later = waiting->transitions;
  later.insert(later.begin(), work.transitions.begin(), work.transitions.end());
}

void AlertState::Shared::note(const Result<void>& written) {
  MutexLock hold(mutex);
  busy_since.reset();
  written_at = clock.steady();
  if (written && !good) log.info(kSource, "the state of alerts is kept again", {{"file", path}});
  if (!written && good) {
    log.error(kSource, "the state of alerts cannot be kept, trying again",
              {{"file", path}, {"err", written.error()}});
  }
  if (written && lost > 0) {
    log.warn(kSource, "transitions are missing in the history",
             {{"count", std::exchange(lost, 0)}});
  }
  good = written.has_value();
  self.state_writable(good);
  changed.notify_all();
}

void AlertState::run(const std::shared_ptr<Shared>& shared) {
  pthread_setname_np(pthread_self(), "state");
  try {
    shared->open_and_load();
    while (std::optional<Shared::Work> work = shared->next_work()) shared->write(*std::move(work));
  } catch (const std::exception& e) {
    MutexLock hold(shared->mutex);
    shared->good = false;
    if (!shared->abandoned) {
      shared->log.error(kSource, "the state of alerts is kept no more", {{"err", e.what()}});
      shared->self.state_writable(false);
    }
  }
  MutexLock hold(shared->mutex);
  shared->ended = true;
  shared->changed.notify_all();
}

AlertState::AlertState(std::string path, const Clock& clock, Logger& log,
                       metrics::SelfMetrics& self)
    : path_(path),
      shared_(std::make_shared<Shared>(std::move(path), clock, log, self)),
      thread_([shared = shared_] { run(shared); }) {}

AlertState::~AlertState() {
  const auto until = std::chrono::steady_clock::now() + kLastWrite;
  bool ended = false;
  {
    MutexLock hold(shared_->mutex);
    shared_->stopping = true;
    shared_->changed.notify_all();
    while (!shared_->ended &&
           shared_->changed.wait_until(shared_->mutex, until) != std::cv_status::timeout) {
    }
    ended = shared_->ended;
    shared_->abandoned = !ended;
  }
  // A thread that a disk holds cannot be joined, and the end of the process must not wait for it.
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

Result<KeptAlerts> AlertState::load(Duration patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  MutexLock hold(shared_->mutex);
  while (!shared_->loaded) {
    if (shared_->changed.wait_until(shared_->mutex, until) != std::cv_status::timeout) continue;
    if (shared_->loaded) break;
    return Error(ErrorCode::kTimeout, path_ + ": the disk does not answer");
  }
  Result<KeptAlerts> kept = *shared_->loaded;
  if (!kept || !kept->written_at) return kept;
  if (shared_->clock.wall() - *kept->written_at <= kPendingFor) return kept;
  for (rules::SavedRule& rule : kept->rules) {
    std::erase_if(rule.alerts,
                  [](const auto& alert) { return alert.state == rules::AlertState::kPending; });
  }
  return kept;
}

void AlertState::put(rules::Instant now,
                     std::shared_ptr<const std::vector<rules::SavedRule>> alerts,
                     std::vector<rules::Transition> transitions) {
  MutexLock hold(shared_->mutex);
  if (!shared_->waiting) shared_->waiting.emplace();
  Shared::Work& work = *shared_->waiting;
  // A state that waits keeps its own time: it is older than `now` if nothing has changed since.
  if (alerts || !work.alerts) work.now = now;
  if (alerts) work.alerts = std::move(alerts);
  std::ranges::move(transitions, std::back_inserter(work.transitions));
  if (work.transitions.size() > limits::kUnwrittenTransitions) {
    const auto more = work.transitions.size() - limits::kUnwrittenTransitions;
    work.transitions.erase(work.transitions.begin(),
                           work.transitions.begin() + static_cast<std::ptrdiff_t>(more));
    shared_->lost += more;
  }
  shared_->self.state_writable(shared_->is_writable(shared_->clock.steady()));
  shared_->changed.notify_all();
}

bool AlertState::writable() const {
  MutexLock hold(shared_->mutex);
  return shared_->is_writable(shared_->clock.steady());
}

bool AlertState::flush(Duration patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  MutexLock hold(shared_->mutex);
  while (!shared_->flushed()) {
    if (shared_->changed.wait_until(shared_->mutex, until) == std::cv_status::timeout) {
      return shared_->flushed();
    }
  }
  return true;
}

}  // namespace keelwatch::state
