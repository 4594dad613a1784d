#include "base/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include "base/time_text.h"

namespace keelwatch {
namespace {

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void append_logfmt_value(std::string& out, std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of(" =\"\\\n\r\t") == text.npos &&
                     std::none_of(text.begin(), text.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (plain) {
    out += text;
  } else {
    append_quoted(out, text);
  }
}

// Gives each line to a function.
class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> f) : f_(std::move(f)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    f_({message.payload.data(), message.payload.size()});
  }
  void flush_() override {}
  std::function<void(std::string_view)> f_;
};

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (text == to_string(level)) return level;
  }
  return Error(ErrorCode::kInvalid,
               fmt::format("unknown log level \"{}\", one of debug, info, warn, error", text));
}

Result<LogFormat> parse_log_format(std::string_view text) {
  if (text == "logfmt") return LogFormat::kLogfmt;
  if (text == "json") return LogFormat::kJson;
  return Error(ErrorCode::kInvalid,
               fmt::format("unknown log format \"{}\", one of logfmt, json", text));
}

LogField::LogField(std::string_view k, double v) : key(k) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v).ptr;
  value.assign(text, end);
}

struct Logger::Sink {
  std::shared_ptr<spdlog::logger> logger;
};

Logger::Logger(LogLevel level, LogFormat format)
    : level_(level), format_(format), sink_(std::make_unique<Sink>()) {
  sink_->logger = std::make_shared<spdlog::logger>(
      "keelwatch", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  sink_->logger->set_pattern("%v");
}

Logger::Logger(LogLevel level, LogFormat format, std::function<void(std::string_view)> sink)
    : level_(level), format_(format), sink_(std::make_unique<Sink>()) {
  sink_->logger = std::make_shared<spdlog::logger>("keelwatch",
                                                   std::make_shared<FunctionSink>(std::move(sink)));
  sink_->logger->set_pattern("%v");
}

Logger::~Logger() { sink_->logger->flush(); }

void Logger::debug(std::string_view source, std::string_view msg,
                   std::initializer_list<LogField> f) {
  write(LogLevel::kDebug, source, msg, f);
}
void Logger::info(std::string_view source, std::string_view msg,
                  std::initializer_list<LogField> f) {
  write(LogLevel::kInfo, source, msg, f);
}
void Logger::warn(std::string_view source, std::string_view msg,
                  std::initializer_list<LogField> f) {
  write(LogLevel::kWarn, source, msg, f);
}
void Logger::error(std::string_view source, std::string_view msg,
                   std::initializer_list<LogField> f) {
  write(LogLevel::kError, source, msg, f);
}

void Logger::write(LogLevel level, std::string_view source, std::string_view msg,
                   std::initializer_list<LogField> fields) {
  if (observer_) observer_(level);
  if (level < level_) return;
  const std::string time = format_rfc3339(std::chrono::system_clock::now());
  std::string line;
  if (format_ == LogFormat::kJson) {
    line = fmt::format(R"({{"ts":"{}","level":"{}","source":)", time, to_string(level));
    append_quoted(line, source);
    line += R"(,"msg":)";
    append_quoted(line, msg);
    for (const LogField& f : fields) {
      line += ',';
      append_quoted(line, f.key);
      line += ':';
      if (f.quoted) {
        append_quoted(line, f.value);
      } else {
        line += f.value;
      }
    }
    line += '}';
  } else {
    line = fmt::format("ts={} level={} source=", time, to_string(level));
    append_logfmt_value(line, source);
    line += " msg=";
    append_logfmt_value(line, msg);
    for (const LogField& f : fields) {
      line.append(" ").append(f.key).append("=");
      append_logfmt_value(line, f.value);
    }
  }
  sink_->logger->log(spdlog::level::critical, line);  // the level is decided above
}

}  // namespace keelwatch
