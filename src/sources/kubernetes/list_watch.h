// Keeps one kind's objects as the API server has them: a paged list, then a watch from that list's
// resourceVersion for as long as it can be continued (Kubernetes API concepts, "Efficient detection
// of changes"). No change is lost, none is applied twice to a wrong effect, and no deleted object
// comes back:
//   - a listing replaces the whole store at once, when its last page has been read;
//   - a watch that was cut resumes at the last resourceVersion seen; 410, an ERROR frame, a broken
//     frame or a stream that stayed silent for too long lead to a new listing;
//   - a kind that is polled is listed only, again and again;
//   - while neither works the store keeps its last good content, and status().evidence its age.
// Threads: the loop's. Destroying the task of run() closes the stream.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "sources/backoff.h"
#include "sources/kubernetes/api_server.h"
#include "sources/kubernetes/decode.h"
#include "sources/kubernetes/kinds.h"
#include "sources/source.h"

namespace keelwatch::sources {

// Where a reflector puts what it reads. A complaint of the reader about the object is the store's
// to take.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // A listing is collected aside and takes effect as a whole in finish_listing().
  virtual void begin_listing() = 0;
  virtual void add_listed(JsonReader& reader, JsonValue object, const ObjectIdentity& id) = 0;
  virtual void finish_listing() = 0;

  virtual void put(JsonReader& reader, JsonValue object, const ObjectIdentity& id) = 0;
  virtual void erase(const ObjectIdentity& id) = 0;
  virtual void clear() = 0;
};

// Cuts a stream into lines, however it was cut into pieces.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t max_line) : max_line_(max_line) {}

  // Gives each line that is complete now to f(std::string_view), without its newline, until f
  // returns false. False if f did, or if a line became longer than the bound.
  template <typename F>
  [[nodiscard]] bool push(std::string_view piece, F&& f);
  [[nodiscard]] bool too_long() const { return pending_.size() > max_line_; }
  // What has come of a line that never ended.
  [[nodiscard]] std::string_view rest() const { return pending_; }

 private:
  std::size_t max_line_;
  std::string pending_;
};

struct ReflectorTiming {
  Duration request_timeout = std::chrono::seconds(10);
  Duration watch_silence = std::chrono::minutes(3);
  Duration watch_lifetime = std::chrono::minutes(5);  // asked of the server; up to twice that
  Duration poll = std::chrono::minutes(5);  // between two listings of a kind that is not watched
  Duration not_installed_recheck = std::chrono::minutes(1);
  Duration backoff_first = std::chrono::milliseconds(100);
  Duration backoff_cap = std::chrono::seconds(30);
  Duration settle = std::chrono::seconds(1);  // a stream without a frame works if it lives as long
  int page_size = 500;
};

// Which objects of a kind.
struct Selection {
  std::string ns;           // empty: of all namespaces
  std::string name;         // empty: of any name
  std::string labels = {};  // a label selector; empty: with any labels
};

class Reflector {
 public:
  // `changed` is called after every change of the store or of the status. The reader is used
  // between two suspensions only: all reflectors of a thread share one.
  Reflector(SourceContext context, ApiServer& api, JsonReader& reader, const KindInfo& kind,
            Selection selection, ReflectorTiming timing, ObjectStore& store,
            std::function<void()> changed);
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  // Never returns.
  [[nodiscard]] Task<> run();

  struct Status {
    bool listed = false;                          // the store holds a whole listing, however old
    std::optional<WallTime> connected_since;      // while the watch works
    std::optional<WallTime> evidence;             // last listing, event or bookmark
    std::optional<Error> error;                   // why neither listing nor watch works now
    std::map<std::string, std::uint64_t> errors;  // since start, by code
    Duration last_duration{};                     // of the last listing
    std::uint64_t requests = 0;
  };
  [[nodiscard]] const Status& status() const { return status_; }
  // Until when the store is known to be complete: the evidence, or a later health check of the API
  // server while the watch is open. Only once there is evidence.
  [[nodiscard]] WallTime observed_at() const;

 private:
  struct Page {
    std::string resource_version;
    std::string continue_token;  // empty on the last page
  };
  enum class Next { kResume, kListAgain, kPauseThenResume, kPauseThenListAgain };

  [[nodiscard]] Task<Result<void>> list();
  [[nodiscard]] Task<Result<void>> list_pages(int page_size);
  [[nodiscard]] Result<Page> read_page(std::string_view body);
  [[nodiscard]] Task<Result<Next>> watch();
  [[nodiscard]] Task<Result<Next>> refused_watch(HttpStream stream);
  [[nodiscard]] Task<Result<Next>> follow(HttpStream stream);
  [[nodiscard]] Result<Next> stream_ended(const Result<std::optional<std::string>>& end,
                                          std::string_view rest);
  void settled();
  [[nodiscard]] Next broken_frame(const Error& error);
  [[nodiscard]] Next gone();
  void keep_observed_at();
  [[nodiscard]] Result<void> apply(std::string_view frame);
  [[nodiscard]] Error explain(int status, std::string_view body, std::string_view verb) const;
  void failed(const Error& error);
  void recovered();
  void count(const Error& error);
  [[nodiscard]] std::string list_path(int page_size, std::string_view token) const;
  // "fieldSelector=...&labelSelector=...&", or what of it is set.
  [[nodiscard]] std::string selectors() const;
  [[nodiscard]] std::string what(std::string_view verb) const;
  [[nodiscard]] std::string watch_path();

  SourceContext context_;
  ApiServer& api_;
  JsonReader& reader_;
  const KindInfo& kind_;
  Selection selection_;
  ReflectorTiming timing_;
  ObjectStore& store_;
  std::function<void()> changed_;
  Status status_;
  std::string resource_version_;  // to watch from; empty: list first
  SteadyTime listed_at_;
  Backoff failures_;       // listings and watches that do not come about, streams that are cut
  Backoff broken_frames_;  // streams that bring nonsense
  std::minstd_rand random_;
};

template <typename F>
bool LineSplitter::push(std::string_view piece, F&& f) {
  for (;;) {
    const std::size_t end = piece.find('\n');
    if (end == std::string_view::npos) break;
    bool go_on = false;
    if (pending_.empty()) {
      go_on = f(piece.substr(0, end));
    } else {
      pending_.append(piece.substr(0, end));
      if (too_long()) return false;
      go_on = f(std::string_view(pending_));
      pending_.clear();
    }
    piece.remove_prefix(end + 1);
    if (!go_on) return false;
  }
  pending_.append(piece);
  return !too_long();
}

}  // namespace keelwatch::sources
