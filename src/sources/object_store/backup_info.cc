#include "sources/object_store/backup_info.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time_text.h"
#include "base/utf8.h"
#include "config/limits.h"
#include "model/postgres.h"
#include "sources/object_store/barman_key.h"
#include "sources/object_store/python_literal.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kSpace = " \t\r\v\f";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

Error malformed(std::string problem) { return Error(ErrorCode::kMalformed, std::move(problem)); }

template <typename T>
Result<void> read_number(std::string_view text, std::optional<T>& out) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return malformed("is no number that fits");
  }
  out = value;
  return {};
}

Result<void> read_time(std::string_view text, std::optional<WallTime>& out) {
  Result<WallTime> time = parse_rfc3339(text);
  if (!time) time = parse_rfc3339(std::string(text) + "Z");
  if (!time) return malformed("is no time");
  out = *time;
  return {};
}

Result<void> read_lsn(std::string_view text, std::optional<model::Lsn>& out) {
  out = model::parse_lsn(text);
  if (!out) return malformed("is no WAL position");
  return {};
}

Result<void> read_wal(std::string_view text, std::string& out) {
  SegmentName name;
  if (!read_segment_name(text, name)) return malformed("is no name of a WAL segment");
  out = text;
  return {};
}

Result<void> read_tablespaces(std::string_view text, std::vector<model::BackupTablespace>& out) {
  const Result<std::vector<PythonTuple>> list = parse_python_tuples(text);
  if (!list) return list.error();
  out.clear();
  for (const PythonTuple& tuple : *list) {
    model::BackupTablespace tablespace;
    const bool good = tuple.size() == 3 && std::holds_alternative<std::string>(tuple[0]) &&
                      std::holds_alternative<std::int64_t>(tuple[1]) &&
                      std::holds_alternative<std::string>(tuple[2]);
    if (!good) return malformed("is no list of (name, oid, location)");
    tablespace.name = std::get<std::string>(tuple[0]);
    tablespace.oid = std::get<std::int64_t>(tuple[1]);
    tablespace.location = std::get<std::string>(tuple[2]);
    out.push_back(std::move(tablespace));
  }
  return {};
}

Result<void> read_segment_bytes(std::string_view text, std::optional<std::int64_t>& out) {
  if (Result<void> read = read_number(text, out); !read) return read;
  if (!model::is_wal_segment_size(*out)) return malformed("is no size of a WAL segment");
  return {};
}

// Of a value that is not None.
Result<void> read_value(std::string_view key, std::string_view value, model::BackupInfo& info) {
  const auto text = [&value](std::string& out) -> Result<void> {
    out = value;
    return {};
  };
  if (key == "status") return text(info.status);
  if (key == "error") return text(info.error);
  if (key == "backup_name") return text(info.backup_name);
  if (key == "compression") return text(info.compression);
  if (key == "encryption") return text(info.encryption);
  if (key == "version") return read_number(value, info.server_version);
  if (key == "systemid") return read_number(value, info.system_id);
  if (key == "timeline") return read_number(value, info.timeline);
  if (key == "xlog_segment_size") return read_segment_bytes(value, info.segment_bytes);
  if (key == "begin_wal") return read_wal(value, info.begin_wal);
  if (key == "end_wal") return read_wal(value, info.end_wal);
  if (key == "begin_xlog") return read_lsn(value, info.begin_lsn);
  if (key == "end_xlog") return read_lsn(value, info.end_lsn);
  if (key == "begin_time") return read_time(value, info.begin_time);
  if (key == "end_time") return read_time(value, info.end_time);
  if (key == "cluster_size") return read_number(value, info.cluster_bytes);
  if (key == "tablespaces") return read_tablespaces(value, info.tablespaces);
  return {};
}

}  // namespace

Result<model::BackupInfo> parse_backup_info(std::string_view text) {
  if (text.size() > limits::kBackupInfoBytes) {
    return Error(ErrorCode::kTooLarge,
                 fmt::format("longer than {} bytes", limits::kBackupInfoBytes));
  }
  if (text.empty()) return malformed("nothing is in it");
  model::BackupInfo info;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto wrong = [number](std::string_view problem) {
      return malformed(fmt::format("line {}: {}", number, problem));
    };
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return wrong("the file ends within it");
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    if (!is_utf8(line)) return wrong("is no UTF-8");
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return wrong("has no '='");
    const std::string_view key = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (value == "None") continue;
    const Result<void> read = read_value(key, value, info);
    if (!read) return wrong(fmt::format("{}: {}", key, read.error().message()));
  }
  if (info.status.empty()) return malformed("it has no status");
  return info;
}

}  // namespace keelwatch::sources
