#include "app/commands.h"

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "app/backups.h"
#include "app/signals.h"
#include "app/source_set.h"
#include "app/tape.h"
#include "app/terminal.h"
#include "app/what_if.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/resolver.h"
#include "config/load.h"
#include "promql/script_files.h"

namespace keelwatch::app {
namespace {

constexpr std::size_t kMaxCredentialBytes = 1 << 20;
constexpr std::size_t kMaxTapeBytes = std::size_t{1} << 30;

// nullopt after having printed why.
std::optional<config::Config> load_or_print(const std::string& file) {
  if (file.empty()) return config::Config{};
  config::Loaded loaded = config::load_file(file);
  if (!loaded.problems.all().empty()) print_stderr(loaded.problems.text());
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
    if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0) {
      if (error_ == 0) error_ = errno;
      return;
    }
    ++lines_;
  }
  // The first line that could not be written.
  [[nodiscard]] Result<void> written() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (error_ == 0) return {};
    return Error(ErrorCode::kUnavailable,
                 "cannot write the tape: " + std::generic_category().message(error_));
  }
  [[nodiscard]] std::size_t lines() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return lines_;
  }

 private:
  std::FILE* file_;
  mutable Mutex mutex_;
  std::size_t lines_ GUARDED_BY(mutex_) = 0;
  int error_ GUARDED_BY(mutex_) = 0;
};

// The text without its last line break of the file that an option names; nullopt if it names none.
Result<std::optional<std::string>> optional_file(const char* option, const std::string& path) {
  if (path.empty()) return std::optional<std::string>();
  Result<std::string> text = read_file(path, kMaxCredentialBytes);
  if (!text) return text.error().context(option);
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  return std::optional<std::string>(*std::move(text));
}

// Everything of a query's request but what is asked.
Result<HttpRequest> authorized_request(const QueryOptions& options) {
  HttpRequest request;
  Result<std::optional<std::string>> password =
      optional_file("--password-file", options.password_file);
  if (!password) return password.error();
  if (!options.user.empty()) {
    request.basic_auth = {options.user, Secret(std::move(*password).value_or(""))};
  }
  Result<std::optional<std::string>> token =
      optional_file("--bearer-token-file", options.bearer_token_file);
  if (!token) return token.error();
  if (*token) request.bearer_token = Secret(**token);
  Result<std::optional<std::string>> ca = optional_file("--tls.ca-file", options.ca_file);
  if (!ca) return ca.error();
  request.tls.ca_pem = std::move(*ca).value_or("");
  request.tls.skip_verify = options.skip_verify;
  return request;
}

// POST, since expressions are long; GET where only that is let through.
Result<HttpResponse> ask(const QueryOptions& options, const QueryRequest& query,
                         HttpRequest request) {
  std::string server = options.server;
  while (server.ends_with('/')) server.pop_back();
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  request.url = server + query.path;
  // The server ends the query at the timeout by itself, and says so.
  request.deadline = loop.after(options.timeout + std::chrono::seconds(5));
  HttpRequest get = request;
  get.url += "?" + query.form;
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body = query.form;
  Result<HttpResponse> response = loop.block_on(http.fetch(std::move(request)));
  if (!response || (response->status != 405 && response->status != 501)) return response;
  return loop.block_on(http.fetch(std::move(get)));
}

// What a running keelwatch answers within 10 s.
Result<HttpResponse> get_from(std::string server, const std::string& path_and_query) {
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  HttpRequest request;
  request.deadline = loop.after(std::chrono::seconds(10));
  const std::string asked = "ask " + server;
  while (server.ends_with('/')) server.pop_back();
  request.url = server + path_and_query;
  Result<HttpResponse> response = loop.block_on(http.fetch(std::move(request)));
  if (!response) return response.error().context(asked);
  return response;
}

std::string line_of(const std::string& body) { return body.ends_with('\n') ? body : body + "\n"; }

}  // namespace

int explain_command(const ExplainOptions& options) {
  if (const Result<void> server = check_server(options.server); !server) {
    print_error(server.error());
    return 2;
  }
  const auto response =
      get_from(options.server, "/api/v1/explain?series=" + percent_encode(options.series) +
                                   (options.json ? "&format=json" : ""));
  if (!response) {
    print_error(response.error());
    return 1;
  }
  if (response->status != 200) {
    print_stderr("keelwatch: " + printable_lines(response->body));
    return 1;
  }
  return print_data(options.json ? response->body : printable_lines(response->body), 0);
}

int query_command(const QueryOptions& options) {
  const Result<QueryRequest> request = query_request(options, SystemClock().wall());
  if (!request) {
    print_error(request.error());
    return 2;
  }
  Result<HttpRequest> authorized = authorized_request(options);
  if (!authorized) {
    print_error(authorized.error());
    return 1;
  }
  const Result<HttpResponse> response = ask(options, *request, *std::move(authorized));
  if (!response) {
    print_error(response.error().context("ask " + options.server));
    return 1;
  }
  const Result<QueryOutput> output = query_output(response->status, response->body);
  // With --json the server's own words are the data, an error of the API too, if they are JSON.
  const Result<void> json = options.json ? check_json(response->body) : Result<void>();
  if (!output || !json) {
    print_error((output ? json.error() : output.error()).context(options.server));
    return options.json && json ? print_data(line_of(response->body), 1) : 1;
  }
  if (options.json) return print_data(line_of(response->body), 0);
  for (const std::string& notice : output->notices) print_stderr(notice + "\n");
  Result<void> printed = print_stdout(output->line);
  if (printed && !output->table.empty()) printed = output->table.print(print_stdout);
  if (printed) return 0;
  print_error(printed.error());
  return 1;
}

int test_promql_command(const TestPromqlOptions& options) {
  promql::ScriptRun run = promql::run_scripts(options.paths);
  const int exit_code = run.good() ? 0 : 1;
  for (const promql::ScriptFileReport& file : run.files) {
    if (file.report) continue;
    std::string error = file.report.error().message();
    if (!error.ends_with('\n')) error += '\n';
    print_stderr(error);
  }
  if (options.json) return print_data(run.json(), exit_code);
  std::erase_if(run.files, [](const auto& file) { return !file.report; });
  return print_data(run.text(), exit_code);
}

namespace {

// A look with its progress on stderr, where somebody reads it.
std::optional<ArchiveLook> look_or_print(const ArchiveLookOptions& options, Logger& log) {
  const bool person = isatty(STDERR_FILENO) != 0;
  const Progress progress = [](const std::string& line) {
    print_stderr("\r\x1b[K" + printable(line));
  };
  const Result<ArchiveLook> look = look_at_archives(options, person ? progress : Progress(), log);
  if (person) print_stderr("\r\x1b[K");
  if (!look) {
    print_error(look.error());
    return std::nullopt;
  }
  if (!look->complete) {
    print_stderr("keelwatch: not everything has answered; what follows is what did\n");
  }
  return *look;
}

}  // namespace

int backups_command(const BackupsOptions& options, Logger& log) {
  const auto look = look_or_print(options.look, log);
  if (!look) return 1;
  const BackupsView view{.cluster = options.cluster, .deep = options.look.deep};
  const std::string text =
      options.json ? backups_json(*look->moment, view) : backups_text(*look->moment, view);
  if (text.empty()) print_stderr("keelwatch: no archive is known\n");
  return print_data(text, look->complete && all_restorable(*look->moment, view) ? 0 : 1);
}

int restore_plan_command(const RestorePlanOptions& options, Logger& log) {
  const auto look = look_or_print(options.look, log);
  if (!look) return 1;
  const Result<std::string> plan = restore_plan(*look->moment, options.request);
  if (!plan) {
    print_error(plan.error());
    return 1;
  }
  return print_data(*plan, 0);
}

namespace {

std::string form_of(const WhatIfOptions& options) {
  std::string form = options.json ? "format=json" : "format=text";
  for (const auto& [key, names] :
       {std::pair("lose", &options.nodes), std::pair("lose-zone", &options.zones),
        std::pair("lose-host", &options.hosts)}) {
    if (names->empty()) continue;
    form += fmt::format("&{}={}", key, percent_encode(fmt::format("{}", fmt::join(*names, ","))));
  }
  if (!options.cluster.empty()) form += "&cluster=" + percent_encode(options.cluster);
  return form;
}

int ask_what_if(const WhatIfOptions& options) {
  if (const Result<void> server = check_server(options.server); !server) {
    print_error(server.error());
    return 2;
  }
  const auto response = get_from(options.server, "/api/v1/what-if?" + form_of(options));
  if (!response) {
    print_error(response.error());
    return 1;
  }
  if (response->status != 200) {
    print_stderr("keelwatch: " + printable_lines(response->body));
    return response->status == 400 ? 2 : 1;
  }
  const bool survives = response->header(kSurvivesHeader) == "1";
  return print_data(options.json ? response->body : printable_lines(response->body),
                    survives ? 0 : 1);
}

}  // namespace

int what_if_command(const WhatIfOptions& options, Logger& log) {
  if (!options.server.empty()) return ask_what_if(options);
  const auto look = look_or_print(options.look, log);
  if (!look) return 1;
  const Result<WhatIf> result = what_if(*look->moment, {.nodes = options.nodes,
                                                        .zones = options.zones,
                                                        .hosts = options.hosts,
                                                        .cluster = options.cluster});
  if (!result) {
    print_error(result.error());
    return result.error().code() == ErrorCode::kInvalid ? 2 : 1;
  }
  return print_data(options.json ? what_if_json(*result) : what_if_text(*result),
                    look->complete && result->survives() ? 0 : 1);
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
    SourceSet sources(
        control, clock, log, std::make_shared<const config::Config>(*config),
        [&](const model::Slices& news) { tape.write(tape_line(clock.wall(), news)); });
    control.run(stop.get_token());
  }
  if (const Result<void> written = tape.written(); !written) {
    print_error(written.error());
    return 1;
  }
  print_stderr(fmt::format("keelwatch: recorded {} slices\n", tape.lines() - 1));
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
  return print_data(options.json ? to_json(changes) : to_text(changes), 0);
}

}  // namespace keelwatch::app
