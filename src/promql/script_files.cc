#include "promql/script_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"

namespace keelwatch::promql {
namespace {

namespace fs = std::filesystem;

constexpr CaseOutcome kOutcomes[] = {CaseOutcome::kPassed, CaseOutcome::kFailed,
                                     CaseOutcome::kUnsupported};

Result<std::vector<std::string>> scripts_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".test") files.push_back(it->path().string());
  }
  if (error) return Error(ErrorCode::kUnavailable, fmt::format("{}: {}", folder, error.message()));
  if (files.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("{}: no *.test files in this folder", folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<ScriptReport> run_file(const std::string& file) {
  Result<std::string> text = read_file(file, kMaxScriptBytes);
  if (!text) return text.error();
  return run_script(SourceFile(file, *std::move(text)));
}

void write_file(JsonWriter& json, const ScriptFileReport& file) {
  json.begin_object().member("file", file.file);
  if (!file.report) {
    json.member("error", file.report.error().message()).end_object();
    return;
  }
  for (const CaseOutcome outcome : kOutcomes) {
    json.member(to_string(outcome), file.report->count(outcome));
  }
  json.key("cases").begin_array();
  for (const CaseResult& result : file.report->cases) {
    if (result.outcome == CaseOutcome::kPassed) continue;
    json.begin_object()
        .member("line", result.line)
        .member("column", result.column)
        .member("query", result.query)
        .member("outcome", to_string(result.outcome))
        .member("reason", result.reason)
        .end_object();
  }
  json.end_array().end_object();
}

}  // namespace

std::size_t ScriptRun::count(CaseOutcome outcome) const {
  std::size_t sum = 0;
  for (const ScriptFileReport& file : files) {
    if (file.report) sum += file.report->count(outcome);
  }
  return sum;
}

bool ScriptRun::good() const {
  const auto read = [](const ScriptFileReport& file) { return file.report.has_value(); };
  return std::all_of(files.begin(), files.end(), read) && count(CaseOutcome::kFailed) == 0;
}

std::string ScriptRun::text() const {
  std::string out;
  for (const ScriptFileReport& file : files) {
    if (file.report) {
      out += file.report->text();
      continue;
    }
    out += file.report.error().message();
    if (!out.ends_with('\n')) out += '\n';
  }
  if (files.size() > 1) {
    out += fmt::format("{} files: {} passed, {} failed, {} unsupported\n", files.size(),
                       count(CaseOutcome::kPassed), count(CaseOutcome::kFailed),
                       count(CaseOutcome::kUnsupported));
  }
  return out;
}

std::string ScriptRun::json() const {
  JsonWriter json;
  json.begin_object();
  for (const CaseOutcome outcome : kOutcomes) json.member(to_string(outcome), count(outcome));
  json.key("files").begin_array();
  for (const ScriptFileReport& file : files) write_file(json, file);
  json.end_array().end_object();
  return json.take() + "\n";
}

ScriptRun run_scripts(const std::vector<std::string>& paths) {
  ScriptRun run;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      run.files.push_back({path, run_file(path)});
      continue;
    }
    const Result<std::vector<std::string>> scripts = scripts_in(path);
    if (!scripts) {
      run.files.push_back({path, scripts.error()});
      continue;
    }
    for (const std::string& script : *scripts) run.files.push_back({script, run_file(script)});
  }
  return run;
}

}  // namespace keelwatch::promql
