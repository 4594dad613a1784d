#include "state/alert_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/json.h"
#include "base/time_text.h"
#include "config/limits.h"

namespace keelwatch::state {
namespace {

constexpr const char* kSource = "state";
constexpr Duration kBusyTimeout = std::chrono::seconds(2);

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1),
                                  wall_ns INTEGER NOT NULL, steady_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS alert (rule TEXT NOT NULL, labels TEXT NOT NULL, body TEXT NOT NULL,
                                  PRIMARY KEY (rule, labels)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transition (id INTEGER PRIMARY KEY AUTOINCREMENT,
                                       at_ns INTEGER NOT NULL, alertname TEXT NOT NULL,
                                       labels TEXT NOT NULL, before INTEGER NOT NULL,
                                       after INTEGER NOT NULL, value INTEGER NOT NULL,
                                       reason TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS transition_alertname ON transition (alertname, id);
)";

std::int64_t nanoseconds(auto time) { return time.time_since_epoch().count(); }

std::string to_json(const Labels& labels) {
  JsonWriter json;
  json.begin_object();
  for (const LabelView label : labels) json.member(label.name, label.value);
  json.end_object();
  return json.take();
}

Labels labels_of(JsonValue object) {
  std::vector<std::pair<std::string, std::string>> pairs;
  object.for_each_member([&](std::string_view name, JsonValue value) {
    pairs.emplace_back(name, value.string().value_or(""));
  });
  std::vector<LabelView> views;
  for (const auto& [name, value] : pairs) views.push_back({name, value});
  return Labels(std::move(views));
}

void member(JsonWriter& json, std::string_view name, const std::optional<rules::SavedTime>& time,
            rules::Instant now) {
  if (!time) return;
  json.key(name).begin_array().value(nanoseconds(time->wall));
  json.value(nanoseconds(now.steady - time->ago)).end_array();
}

// Everything of an alert but its labels, with times as readings of both clocks.
std::string body_of(const rules::SavedAlert& alert, rules::Instant now) {
  JsonWriter json;
  json.begin_object();
  json.member("state", static_cast<int>(alert.state));
  json.key("sample").raw(to_json(alert.sample));
  json.key("annotations").begin_array();
  for (const auto& [name, value] : alert.annotations) {
    json.begin_array().value(name).value(value).end_array();
  }
  json.end_array();
  json.member("value", std::bit_cast<std::int64_t>(alert.value));
  member(json, "active_at", alert.active_at, now);
  member(json, "fired_at", alert.fired_at, now);
  member(json, "resolved_at", alert.resolved_at, now);
  member(json, "keep_firing_since", alert.keep_firing_since, now);
  member(json, "last_sent_at", alert.last_sent_at, now);
  json.member("held", alert.held);
  json.end_object();
  return json.take();
}

std::optional<rules::SavedTime> time_of(JsonValue pair, std::int64_t steady_ns) {
  std::vector<std::int64_t> numbers;
  pair.for_each([&](JsonValue number) { numbers.push_back(number.integer().value_or(0)); });
  if (numbers.size() != 2) return std::nullopt;
  std::int64_t ago = 0;
  if (__builtin_sub_overflow(steady_ns, numbers[1], &ago)) return std::nullopt;
  return rules::SavedTime{WallTime(Duration(numbers[0])), Duration(std::max<std::int64_t>(ago, 0))};
}

Result<rules::SavedAlert> alert_of(std::string_view labels, std::string_view body,
                                   std::int64_t steady_ns) {
  JsonReader reader;
  rules::SavedAlert alert;
  alert.labels = labels_of(reader.parse(labels));
  if (const Result<void> whole = reader.finish(); !whole) return whole.error();
  const JsonValue root = reader.parse(body);
  const std::int64_t state = root["state"].integer().value_or(-1);
  if (state < 0 || state > static_cast<int>(rules::AlertState::kFiring)) {
    reader.fail("no state of an alert");
  } else {
    alert.state = static_cast<rules::AlertState>(state);
  }
  alert.sample = labels_of(root["sample"]);
  root["annotations"].for_each([&](JsonValue pair) {
    std::vector<std::string> texts;
    pair.for_each([&](JsonValue text) { texts.emplace_back(text.string().value_or("")); });
    if (texts.size() == 2) alert.annotations.emplace_back(texts[0], texts[1]);
  });
  alert.value = std::bit_cast<double>(root["value"].integer().value_or(0));
  const auto active = time_of(root["active_at"], steady_ns);
  if (active) alert.active_at = *active;
  if (!active) reader.fail("active_at is missing");
  alert.fired_at = time_of(root["fired_at"], steady_ns);
  alert.resolved_at = time_of(root["resolved_at"], steady_ns);
  alert.keep_firing_since = time_of(root["keep_firing_since"], steady_ns);
  alert.last_sent_at = time_of(root["last_sent_at"], steady_ns);
  alert.held = root["held"].string().value_or("");
  if (const Result<void> whole = reader.finish(); !whole) return whole.error();
  return alert;
}

// One writer: two keelwatch processes with one file would each delete what the other one wrote.
Result<int> lock(const std::string& path) {
  const std::string name = path + ".lock";
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("open {}: {}", name, std::strerror(errno)));  // NOLINT: one thread
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return Error(ErrorCode::kInvalid, path + ": another process keeps its alerts there");
}

Result<int> user_version(SqliteDatabase& database) {
  Result<SqliteStatement> statement = database.prepare("PRAGMA user_version");
  if (!statement) return statement.error();
  const Result<bool> row = statement->next();
  if (!row) return row.error();
  return static_cast<int>(statement->integer(0));
}

// SQLite reads a page only when it is needed: damage must show now, not in the middle of a night.
Result<void> check_whole(SqliteDatabase& database) {
  Result<SqliteStatement> statement = database.prepare("PRAGMA quick_check(1)");
  if (!statement) return statement.error();
  const Result<bool> row = statement->next();
  if (!row) return row.error();
  if (*row && statement->text(0) == "ok") return {};
  return Error(ErrorCode::kMalformed, std::string(statement->text(0)));
}

void move_aside(const std::string& path, const std::string& ending) {
  std::error_code ignored;
  for (const char* part : {"", "-wal", "-shm"}) {
    std::filesystem::rename(path + part, path + ending + part, ignored);
  }
}

struct Opened {
  SqliteDatabase database;
  int version = 0;
};

Result<Opened> open_checked(const std::string& path) {
  Result<SqliteDatabase> database =
      SqliteDatabase::open(path, SqliteDatabase::Access::kReadWrite, kBusyTimeout);
  if (!database) return database.error();
  const Result<int> version = user_version(*database);
  if (!version) return version.error().context(path);
  if (const Result<void> whole = check_whole(*database); !whole) {
    return whole.error().context(path);
  }
  return Opened{*std::move(database), *version};
}

// A database that can be used; at most one file is moved out of its way.
Result<Opened> open_usable(const std::string& path, WallTime now, Logger& log) {
  Result<Opened> opened = open_checked(path);
  if (opened && opened->version <= AlertFile::kVersion) return opened;
  if (!opened && opened.error().code() != ErrorCode::kMalformed) return opened;
  std::string ending = "." + (opened ? fmt::format("version-{}", opened->version) : "damaged");
  ending += "-" + format_rfc3339(now, 0);
  const std::string why = opened ? "written by a later version" : opened.error().message();
  if (opened) opened = Error(ErrorCode::kCancelled, "closed");
  move_aside(path, ending);
  log.error(kSource, "the state of alerts cannot be read, starting without it",
            {{"file", path}, {"moved_to", path + ending}, {"err", why}});
  return open_checked(path);
}

}  // namespace

Result<std::unique_ptr<AlertFile>> AlertFile::open(const std::string& path, WallTime now,
                                                   Logger& log) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const Result<int> locked = lock(path);
  if (!locked) return locked.error();
  Result<Opened> opened = open_usable(path, now, log);
  if (!opened) {
    ::close(*locked);
    return opened.error();
  }
  std::unique_ptr<AlertFile> file(new AlertFile(std::move(opened->database), *locked, log));
  if (Result<void> made = file->prepare_schema(); !made) return made.error().context(path);
  return file;
}

AlertFile::~AlertFile() { ::close(lock_); }

Result<void> AlertFile::prepare_schema() {
  // WAL: read_history() reads while we write. FULL: what was committed is there after a power cut.
  for (const std::string& sql :
       {std::string("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"), std::string(kSchema),
        fmt::format("PRAGMA user_version={}", kVersion)}) {
    if (Result<void> done = database_.execute(sql); !done) return done;
  }
  return {};
}

Result<KeptAlerts> AlertFile::load() {
  KeptAlerts kept;
  Result<SqliteStatement> clock = database_.prepare("SELECT wall_ns, steady_ns FROM clock");
  if (!clock) return clock.error();
  const Result<bool> row = clock->next();
  if (!row) return row.error();
  if (!*row) return kept;
  kept.written_at = WallTime(Duration(clock->integer(0)));
  const std::int64_t steady_ns = clock->integer(1);

  Result<SqliteStatement> alerts =
      database_.prepare("SELECT rule, labels, body FROM alert ORDER BY rule, labels");
  if (!alerts) return alerts.error();
  for (;;) {
    const Result<bool> more = alerts->next();
    if (!more) return more.error();
    if (!*more) break;
    const std::string rule(alerts->text(0));
    rows_.emplace(Key(rule, alerts->text(1)), alerts->text(2));
    Result<rules::SavedAlert> alert = alert_of(alerts->text(1), alerts->text(2), steady_ns);
    if (!alert) {
      log_.error(kSource, "a kept alert makes no sense and is left out",
                 {{"rule", rule}, {"labels", alerts->text(1)}, {"err", alert.error()}});
      continue;
    }
    if (kept.rules.empty() || kept.rules.back().key != rule) kept.rules.push_back({rule, {}});
    kept.rules.back().alerts.push_back(*std::move(alert));
  }
  return kept;
}

Result<void> AlertFile::write(rules::Instant now, const std::vector<rules::SavedRule>* alerts,
                              const std::vector<rules::Transition>& transitions) {
  if (Result<void> begun = database_.execute("BEGIN IMMEDIATE"); !begun) return begun;
  std::map<Key, std::string> rows;
  Result<void> written = write_all(now, alerts, transitions, rows);
  if (written) written = database_.execute("COMMIT");
  if (!written) {
    (void)database_.execute("ROLLBACK");  // it says so itself if there is nothing to roll back
    return written;
  }
  if (alerts != nullptr) {
    rows_ = std::move(rows);
    ours_ = true;
  }
  return {};
}

Result<void> AlertFile::write_all(rules::Instant now, const std::vector<rules::SavedRule>* alerts,
                                  const std::vector<rules::Transition>& transitions,
                                  std::map<Key, std::string>& rows) {
  if (alerts != nullptr) {
    if (Result<void> done = write_alerts(now, *alerts, rows); !done) return done;
  }
  if (alerts != nullptr || ours_) {
    Result<SqliteStatement> clock =
        database_.prepare("INSERT OR REPLACE INTO clock (id, wall_ns, steady_ns) VALUES (1, ?, ?)");
    if (!clock) return clock.error();
    clock->bind(1, nanoseconds(now.wall)).bind(2, nanoseconds(now.steady));
    if (Result<void> done = clock->run(); !done) return done;
  }
  return write_transitions(transitions);
}

Result<void> AlertFile::write_alerts(rules::Instant now,
                                     const std::vector<rules::SavedRule>& alerts,
                                     std::map<Key, std::string>& rows) {
  Result<SqliteStatement> put =
      database_.prepare("INSERT OR REPLACE INTO alert (rule, labels, body) VALUES (?, ?, ?)");
  if (!put) return put.error();
  Result<SqliteStatement> remove =
      database_.prepare("DELETE FROM alert WHERE rule = ? AND labels = ?");
  if (!remove) return remove.error();
  for (const rules::SavedRule& rule : alerts) {
    for (const rules::SavedAlert& alert : rule.alerts) {
      rows.insert_or_assign(Key(rule.key, to_json(alert.labels)), body_of(alert, now));
    }
  }
  for (const auto& [key, body] : rows) {
    const auto known = rows_.find(key);
    if (known != rows_.end() && known->second == body) continue;
    put->bind(1, key.first).bind(2, key.second).bind(3, body);
    if (Result<void> done = put->run(); !done) return done;
  }
  for (const auto& [key, body] : rows_) {
    if (rows.contains(key)) continue;
    remove->bind(1, key.first).bind(2, key.second);
    if (Result<void> done = remove->run(); !done) return done;
  }
  return {};
}

Result<void> AlertFile::write_transitions(const std::vector<rules::Transition>& transitions) {
  if (transitions.empty()) return {};
  Result<SqliteStatement> put = database_.prepare(
      "INSERT INTO transition (at_ns, alertname, labels, before, after, value, reason) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  if (!put) return put.error();
  for (const rules::Transition& t : transitions) {
    put->bind(1, nanoseconds(t.at)).bind(2, t.labels.get("alertname")).bind(3, to_json(t.labels));
    put->bind(4, static_cast<std::int64_t>(t.from)).bind(5, static_cast<std::int64_t>(t.to));
    put->bind(6, std::bit_cast<std::int64_t>(t.value)).bind(7, t.reason);
    if (Result<void> done = put->run(); !done) return done;
  }
  return database_.execute(
      fmt::format("DELETE FROM transition WHERE id <= (SELECT max(id) FROM transition) - {}",
                  limits::kHistoryRows));
}

Result<std::vector<rules::Transition>> read_history(const std::string& path,
                                                    const HistoryQuery& query) {
  if (!std::filesystem::exists(path)) return Error(ErrorCode::kNotFound, path + " does not exist");
  Result<SqliteDatabase> database =
      SqliteDatabase::open(path, SqliteDatabase::Access::kReadOnly, kBusyTimeout);
  if (!database) return database.error();
  Result<SqliteStatement> rows = database->prepare(
      "SELECT at_ns, labels, before, after, value, reason FROM transition "
      "WHERE (?1 = '' OR alertname = ?1) AND at_ns BETWEEN ?2 AND ?3 ORDER BY id DESC LIMIT ?4");
  if (!rows) return rows.error().context(path);
  rows->bind(1, query.alertname);
  rows->bind(2, query.from ? nanoseconds(*query.from) : INT64_MIN);
  rows->bind(3, query.to ? nanoseconds(*query.to) : INT64_MAX);
  rows->bind(4, static_cast<std::int64_t>(std::min(query.limit, limits::kHistoryRows)));
  std::vector<rules::Transition> transitions;
  JsonReader reader;
  for (;;) {
    const Result<bool> more = rows->next();
    if (!more) return more.error().context(path);
    if (!*more) return transitions;
    rules::Transition& t = transitions.emplace_back();
    t.at = WallTime(Duration(rows->integer(0)));
    t.labels = labels_of(reader.parse(rows->text(1)));
    t.from = static_cast<rules::AlertState>(std::clamp<std::int64_t>(rows->integer(2), 0, 2));
    t.to = static_cast<rules::AlertState>(std::clamp<std::int64_t>(rows->integer(3), 0, 2));
    t.value = std::bit_cast<double>(rows->integer(4));
    t.reason = rows->text(5);
  }
}

}  // namespace keelwatch::state
