// Structured logs: a constant message and fields, as logfmt or JSON lines on stderr, through
// spdlog.
//   log.warn("kubernetes", "watch ended, listing again", {{"kind", "Cluster"}, {"err", error}});
//   → ts=… level=warn source=kubernetes msg="watch ended, listing again" kind=Cluster err="…"
// Levels: error = someone must act; warn = degraded, retrying; info = lifecycle and changes of
// state; debug = each fetch. A Secret given as a field prints <secret>.
// Safe to use from any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/secret.h"

namespace keelwatch {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kLogfmt, kJson };

[[nodiscard]] std::string_view to_string(LogLevel level);  // "debug", "info", "warn", "error"
// The same words. Errors: kInvalid.
[[nodiscard]] Result<LogLevel> parse_log_level(std::string_view text);
[[nodiscard]] Result<LogFormat> parse_log_format(std::string_view text);  // "logfmt", "json"

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const char* v) : LogField(k, std::string_view(v)) {}
  LogField(std::string_view k, const std::string& v) : LogField(k, std::string_view(v)) {}
  LogField(std::string_view k, const Error& e)
      : LogField(k, std::string(to_string(e.code())) + ": " + e.message()) {}
  LogField(std::string_view k, const Secret&) : LogField(k, "<secret>") {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  LogField(std::string_view k, double v);
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  LogField(std::string_view k, I v) : key(k), value(std::to_string(v)) {}

  std::string key;
  std::string value;
  bool quoted = false;  // a text: JSON quotes it, logfmt where needed
};

class Logger {
 public:
  // Writes to stderr. A sink given instead gets whole lines without newline (tests).
  explicit Logger(LogLevel level = LogLevel::kInfo, LogFormat format = LogFormat::kLogfmt);
  Logger(LogLevel level, LogFormat format, std::function<void(std::string_view)> sink);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // Called for each line, whether it is printed or not; set before other threads log.
  void observe(std::function<void(LogLevel)> observer) { observer_ = std::move(observer); }

  void debug(std::string_view source, std::string_view msg, std::initializer_list<LogField> f = {});
  void info(std::string_view source, std::string_view msg, std::initializer_list<LogField> f = {});
  void warn(std::string_view source, std::string_view msg, std::initializer_list<LogField> f = {});
  void error(std::string_view source, std::string_view msg, std::initializer_list<LogField> f = {});

 private:
  void write(LogLevel level, std::string_view source, std::string_view msg,
             std::initializer_list<LogField> fields);

  LogLevel level_;
  LogFormat format_;
  std::function<void(LogLevel)> observer_;
  struct Sink;
  std::unique_ptr<Sink> sink_;
};

}  // namespace keelwatch
