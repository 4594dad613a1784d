#include "app/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>

#include "app/commands.h"
#include "app/daemon.h"
#include "app/notify.h"
#include "app/probe_command.h"
#include "app/rule_commands.h"
#include "app/terminal.h"
#include "app/version.h"
#include "base/file.h"
#include "base/time_text.h"
#include "config/load.h"

namespace keelwatch::app {
namespace {

constexpr const char* kAbout =
    "keelwatch tells whether the data of a self-hosted Postgres is safe and the database "
    "reachable\n"
    "right now, as Prometheus metrics on /metrics.\n\n"
    "Without a subcommand it runs: with no configuration it finds CloudNativePG clusters through "
    "the\n"
    "Kubernetes service account or kubeconfig that it is given, and serves on :10555.\n";

constexpr const char* kFooter =
    "\nExit codes: 0 done; 1 the command failed or found a fault; 2 wrong usage.\n"
    "Data goes to stdout, progress and errors to stderr.\n\n"
    "Try:\n"
    "  keelwatch describe config > keelwatch.yaml    every setting with its default\n"
    "  keelwatch check config keelwatch.yaml\n"
    "  keelwatch --config.file keelwatch.yaml\n"
    "  keelwatch explain 'keelwatch_replication_lag_bytes{pod=\"pg-2\"}'\n"
    "  keelwatch what-if --lose node-1\n"
    "  keelwatch query --server http://127.0.0.1:9090 'up == 0'\n";

struct LogOptions {
  std::string level = "info";
  std::string format = "logfmt";
};

// All that the command line can say, and what was asked for.
struct Parsed {
  RunOptions run;
  LogOptions log;
  ExplainOptions explain;
  QueryOptions query;
  std::string query_timeout;
  TestPromqlOptions test_promql;
  CheckRulesOptions check_rules;
  TestRulesOptions test_rules;
  BackupsOptions backups;
  ProbeOptions probe;
  std::string probe_timeout;
  bool no_large_result = false;
  RestorePlanOptions restore_plan;
  WhatIfOptions what_if;
  std::string look_timeout;
  std::string restore_to;
  RecordOptions record;
  std::string record_duration;
  ReplayOptions replay;
  NotifyTestOptions notify;
  std::string notify_wait;
  std::string check_file;
  std::string describe_what;
  bool json = false;
  bool markdown = false;
};

void add_log_options(CLI::App& app, LogOptions& log) {
  app.add_option("--log.level", log.level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_option("--log.format", log.format, "logfmt or json, on stderr")
      ->check(CLI::IsMember({"logfmt", "json"}))
      ->capture_default_str();
}

void add_run_options(CLI::App& app, Parsed& parsed) {
  app.add_option("--config.file", parsed.run.config_file,
                 "YAML file; every setting has a default and the whole file is optional");
  app.add_flag("--config.tolerate-invalid", parsed.run.tolerate_invalid_config,
               "start with the defaults when the file is invalid, and say so in a metric");
  app.add_option("--web.listen-address", parsed.run.listen,
                 "HOST:PORT, :PORT or [ADDRESS]:PORT; may be given several times")
      ->take_all()
      ->capture_default_str();
  app.add_option("--web.config.file", parsed.run.web_config_file,
                 "TLS, client certificates and basic auth, in the exporter-toolkit's format");
  app.add_option("--web.telemetry-path", parsed.run.telemetry_path, "path of the metrics")
      ->capture_default_str();
  add_log_options(app, parsed.log);
}

DescribeFormat format_of(const Parsed& parsed) {
  if (parsed.json) return DescribeFormat::kJson;
  return parsed.markdown ? DescribeFormat::kMarkdown : DescribeFormat::kText;
}

int describe_command(const Parsed& parsed) {
  std::string text;
  if (parsed.describe_what == "metrics") {
    text = describe_metrics(format_of(parsed));
  } else if (parsed.describe_what == "config") {
    text = describe_config(format_of(parsed));
  } else {
    auto rules = describe_rules(format_of(parsed));
    if (!rules) {
      print_error(rules.error());
      return 1;
    }
    text = std::move(*rules);
  }
  return print_data(text, 0);
}

int check_command(const Parsed& parsed) {
  // A file that cannot be read is no data of the check; as JSON it is, for there it has its place.
  const Result<std::string> readable = read_file(parsed.check_file, 0);
  if (!parsed.json && !readable && readable.error().code() != ErrorCode::kTooLarge) {
    print_error(readable.error());
    return 1;
  }
  return check_config_command(parsed.check_file, parsed.json);
}

int dispatch(const CLI::App& app, Parsed& parsed) {
  Logger log(*parse_log_level(parsed.log.level), *parse_log_format(parsed.log.format));
  if (app.got_subcommand("check")) {
    const bool rules = app.get_subcommand("check")->got_subcommand("rules");
    return rules ? check_rules_command(parsed.check_rules) : check_command(parsed);
  }
  if (app.got_subcommand("describe")) return describe_command(parsed);
  if (app.got_subcommand("explain")) {
    parsed.explain.json = parsed.json;
    return explain_command(parsed.explain);
  }
  if (app.got_subcommand("query")) {
    parsed.query.json = parsed.json;
    if (!parsed.query_timeout.empty()) parsed.query.timeout = *parse_duration(parsed.query_timeout);
    return query_command(parsed.query);
  }
  if (app.got_subcommand("test")) {
    if (app.get_subcommand("test")->got_subcommand("rules")) {
      return test_rules_command(parsed.test_rules);
    }
    parsed.test_promql.json = parsed.json;
    return test_promql_command(parsed.test_promql);
  }
  if (app.got_subcommand("backups")) {
    parsed.backups.json = parsed.json;
    if (!parsed.look_timeout.empty())
      parsed.backups.look.timeout = *parse_duration(parsed.look_timeout);
    return backups_command(parsed.backups, log);
  }
  if (app.got_subcommand("notify")) {
    parsed.notify.json = parsed.json;
    if (!parsed.notify_wait.empty()) parsed.notify.wait = *parse_duration(parsed.notify_wait);
    return notify_test_command(parsed.notify, log);
  }
  if (app.got_subcommand("restore-plan")) {
    RestorePlanOptions& plan = parsed.restore_plan;
    if (!parsed.look_timeout.empty()) plan.look.timeout = *parse_duration(parsed.look_timeout);
    if (!parsed.restore_to.empty()) plan.request.to = *parse_rfc3339(parsed.restore_to);
    return restore_plan_command(plan, log);
  }
  if (app.got_subcommand("probe")) {
    parsed.probe.json = parsed.json;
    parsed.probe.large_result = !parsed.no_large_result;
    if (!parsed.probe_timeout.empty()) parsed.probe.timeout = *parse_duration(parsed.probe_timeout);
    return probe_command(parsed.probe);
  }
  if (app.got_subcommand("what-if")) {
    parsed.what_if.json = parsed.json;
    if (!parsed.look_timeout.empty()) {
      parsed.what_if.look.timeout = *parse_duration(parsed.look_timeout);
    }
    return what_if_command(parsed.what_if, log);
  }
  if (app.got_subcommand("record")) {
    if (!parsed.record_duration.empty()) {
      parsed.record.duration = *parse_duration(parsed.record_duration);
    }
    return record_command(parsed.record, log);
  }
  if (app.got_subcommand("replay")) {
    parsed.replay.json = parsed.json;
    return replay_command(parsed.replay);
  }
  return Daemon(parsed.run, log).run();
}

CLI::Validator above_zero() {
  return CLI::Validator(
      [](const std::string& text) {
        const Result<Duration> timeout = parse_duration(text);
        if (!timeout) return timeout.error().message();
        return *timeout > Duration::zero() ? std::string() : text + " is not above 0";
      },
      "DURATION");
}

void add_query(CLI::App& app, Parsed& parsed) {
  QueryOptions& query = parsed.query;
  CLI::App* command = app.add_subcommand(
      "query", "evaluate a PromQL expression on a running server and print a table");
  command->add_option("EXPR", query.expression, "PromQL expression")->required();
  command
      ->add_option(
          "--server", query.server,
          "a server with Prometheus' HTTP API, which keelwatch itself does not have yet; a "
          "path prefix is kept")
      ->capture_default_str();
  CLI::Option* time = command->add_option(
      "--time", query.time, "RFC 3339, Unix seconds, now or now-1h; now if not given");
  CLI::Option* range =
      command->add_flag("--range", query.range, "evaluate at each step from --start to --end")
          ->excludes(time);
  command->add_option("--start", query.start, "an hour before --end if not given")->needs(range);
  command->add_option("--end", query.end, "now if not given")->needs(range);
  command->add_option("--step", query.step, "15s, or seconds; 60 steps if not given")->needs(range);
  command->add_option("--timeout", parsed.query_timeout, "30s if not given")->check(above_zero());
  command->add_flag("--json", parsed.json, "the server's answer as it is");
  CLI::Option* user = command->add_option("--user", query.user, "for basic authentication");
  command->add_option("--password-file", query.password_file)->needs(user);
  command->add_option("--bearer-token-file", query.bearer_token_file)->excludes(user);
  command->add_option("--tls.ca-file", query.ca_file, "PEM; the system's trust if not given");
  command->add_flag("--tls.skip-verify", query.skip_verify, "trust any certificate");
  command->footer(
      "\nAn expression that begins with - goes after --: keelwatch query -- '-up'\n\n"
      "Exit codes: 0 answered, also without series; 1 the server failed or refused the "
      "expression;\n2 wrong usage. Warnings, infos and \"no series\" go to stderr.\n");
}

void add_test_rules(CLI::App& test, Parsed& parsed) {
  TestRulesOptions& options = parsed.test_rules;
  CLI::App* rules =
      test.add_subcommand("rules", "run unit tests of rules in promtool's format, as it does");
  rules->add_option("FILE", options.files, "test files; their rule_files are relative to them")
      ->required();
  rules->add_option("--run", options.run, "only tests whose name this regular expression matches");
  rules->add_flag("--diff", options.diff, "of a failed alert test only what differs");
  rules->add_flag("--ignore-unknown-fields", options.ignore_unknown);
  rules->footer(
      "\nAlerts follow Prometheus' semantics here: a result that vanished resolves.\n"
      "Exit codes: 0 all passed; 1 a test failed or a file is wrong; 2 wrong usage.\n");
}

void add_test(CLI::App& app, Parsed& parsed) {
  CLI::App* test = app.add_subcommand("test", "run tests of rules and expressions");
  test->require_subcommand(1);
  CLI::App* promql = test->add_subcommand(
      "promql", "run promqltest scripts (Prometheus' promql/promqltest) on the built-in engine");
  promql->add_option("FILE", parsed.test_promql.paths, "scripts, or folders of *.test files")
      ->required();
  promql->add_flag("--json", parsed.json, "one object: sums, and the cases that did not pass");
  promql->footer(
      "\nEach case that did not pass is printed as FILE:LINE:COLUMN: failed|unsupported: QUERY: "
      "REASON.\nExit codes: 0 none failed; 1 a case failed, or a file cannot be read or is no "
      "script;\n2 wrong usage. Unsupported cases (native histograms and the like) are no "
      "failures.\n");
  add_test_rules(*test, parsed);
}

void add_check_rules(CLI::App& check, Parsed& parsed) {
  CheckRulesOptions& options = parsed.check_rules;
  CLI::App* rules = check.add_subcommand(
      "rules", "check rule files and PrometheusRule objects, and what is likely wrong in them");
  rules->add_option("FILE", options.files, "files, or patterns in quotes")->required();
  CLI::Option* none = rules->add_flag("--no-lint", options.no_lint, "only whether they load");
  rules->add_flag("--lint-fatal", options.lint_fatal, "exit with 3 if something is likely wrong")
      ->excludes(none);
  rules->add_flag("--ignore-unknown-fields", options.ignore_unknown);
  rules->footer("\nExit codes: 0 they load; 1 one does not; 2 wrong usage; 3 see --lint-fatal.\n");
}

void add_notify(CLI::App& app, Parsed& parsed) {
  CLI::App* notify = app.add_subcommand("notify", "prove that alerts reach somebody");
  notify->require_subcommand(1);
  CLI::App* test = notify->add_subcommand(
      "test", "send a test page through every Alertmanager, follow it, and resolve it");
  test->add_option("--config.file", parsed.notify.config_file, "as that of run");
  test->add_option("--alertmanager", parsed.notify.alertmanagers,
                   "URL of one, instead of those of the configuration; may be given several times")
      ->take_all();
  test->add_option("--label", parsed.notify.labels,
                   "NAME=VALUE, to take the route of other alerts; severity=critical if not given")
      ->take_all();
  test->add_option("--wait", parsed.notify_wait, "for the notification; 1m if not given")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const Result<Duration> wait = parse_duration(text);
            return wait ? std::string() : wait.error().message();
          },
          "DURATION"));
  test->add_flag("--json", parsed.json);
  add_log_options(*test, parsed.log);
  test->footer(
      "\nSteps: accepted, present (read back), routed (to a receiver that reaches somebody), not\n"
      "withheld (silenced, inhibited, muted), notified (by Alertmanager's own metrics), resolved.\n"
      "Exit codes: 0 each Alertmanager has told somebody; 1 one has not, or it cannot be known;\n"
      "2 wrong usage.\n");
}

void add_look(CLI::App& command, ArchiveLookOptions& look, Parsed& parsed,
              const std::string& timeout = "10m") {
  command.add_option("--config.file", look.config_file, "as that of run");
  command.add_option("--timeout", parsed.look_timeout, timeout + " if not given")
      ->check(above_zero());
  add_log_options(command, parsed.log);
}

void add_backups(CLI::App& app, Parsed& parsed) {
  BackupsOptions& backups = parsed.backups;
  backups.look.timeout = std::chrono::minutes(10);
  CLI::App* command = app.add_subcommand(
      "backups",
      "print what the object stores hold: backups, WAL, gaps, and until when they restore");
  CLI::Option* archive = command->add_option(
      "ARCHIVE", backups.look.archive,
      "s3://bucket/path/server; without it those of all Clusters and of the configuration");
  command
      ->add_option("--endpoint-url", backups.look.endpoint_url,
                   "of the ARCHIVE's store; AWS if not given")
      ->needs(archive);
  command
      ->add_option("--cluster", backups.cluster, "only those of this one: NAMESPACE/NAME, or NAME")
      ->excludes(archive);
  command->add_flag("--deep", backups.look.deep,
                    "read every byte of backups and WAL, and count only what that proves");
  command->add_flag("--json", parsed.json);
  add_look(*command, backups.look, parsed);
  command->footer(
      "\nAn ARCHIVE is read with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and "
      "AWS_REGION,\nunless the configuration has its destination.\n"
      "Exit codes: 0 each archive can be restored; 1 one cannot, or is unknown; 2 wrong usage.\n");
}

void add_restore_plan(CLI::App& app, Parsed& parsed) {
  RestorePlanOptions& plan = parsed.restore_plan;
  CLI::App* command = app.add_subcommand(
      "restore-plan", "print the manifest that restores a cluster from what is proven");
  command
      ->add_option("CLUSTER", plan.request.cluster, "NAMESPACE/NAME, NAME, or barman's server name")
      ->required();
  command
      ->add_option("--to", parsed.restore_to,
                   "RFC 3339; as far as the archive reaches if not given")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return parse_rfc3339(text) ? std::string()
                                       : text + " is no time like 2026-11-24T12:00:00Z";
          },
          "TIME"));
  command->add_option("--name", plan.request.name,
                      "of the new Cluster; CLUSTER-restored if not given");
  CLI::Option* archive = command->add_option("--archive", plan.look.archive,
                                             "s3://bucket/path/server, and nothing else");
  command->add_option("--endpoint-url", plan.look.endpoint_url, "of the archive's store")
      ->needs(archive);
  add_look(*command, plan.look, parsed);
  command->footer("\nExit codes: 0 printed; 1 there is nothing to restore to; 2 wrong usage.\n");
}

void add_probe(CLI::App& app, Parsed& parsed) {
  ProbeOptions& probe = parsed.probe;
  CLI::App* command =
      app.add_subcommand("probe", "try an address as a client would use it, and print each step");
  command
      ->add_option("ADDRESS", probe.address,
                   "HOST:PORT, [ADDRESS]:PORT, or with --kind http a web address")
      ->required();
  command->add_option("--role", probe.role, "what must be found there: rw, ro or none")
      ->check(CLI::IsMember({"rw", "ro", "none"}))
      ->capture_default_str();
  command->add_option("--kind", probe.kind, "what is spoken there")
      ->check(CLI::IsMember({"postgres", "tcp", "tls", "http"}))
      ->capture_default_str();
  command->add_option("--user", probe.login.user, "role to log in as")->capture_default_str();
  command->add_option("--password-file", probe.login.password_file,
                      "its first line is the password");
  command->add_option("--passfile", probe.login.passfile, "in libpq's .pgpass format");
  command->add_option("--dbname", probe.login.dbname)->capture_default_str();
  command->add_option("--sslmode", probe.login.sslmode, "as libpq names it")
      ->check(CLI::IsMember({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}))
      ->capture_default_str();
  command->add_option("--sslrootcert", probe.login.sslrootcert, "file of the CA");
  command->add_option("--tls-name", probe.tls_name,
                      "that the certificate must bear; the host if not given (of CloudNativePG: "
                      "CLUSTER-rw)");
  command->add_option("--socks5", probe.socks5, "HOST:PORT of a proxy, such as tailscaled's");
  command->add_option("--timeout", parsed.probe_timeout, "of each step; 5s if not given")
      ->check(above_zero());
  command->add_flag("--no-large-result", parsed.no_large_result,
                    "do not ask for the 8 KiB that a wrong MTU swallows");
  command->add_flag("--json", parsed.json, "every fact of the probe as one object");
  command->footer(
      "\nSteps: resolve, connect, tls, startup (the server's first word), auth, query. Where it "
      "stops tells whom to ask:\n"
      "  resolve   DNS: is the name right, is MagicDNS on\n"
      "  connect   timeout: no route, no grant, nobody advertises it; refused: nobody listens\n"
      "  tls       the certificate: see --tls-name and --sslrootcert\n"
      "  startup   PostgreSQL starts, stops or hangs\n"
      "  auth      the login; pooler_no_server: PgBouncer has no database behind it\n"
      "  query     timeout: paused or exhausted pool; wrong_role; large_result_lost: MTU\n\n"
      "Exit codes: 0 passed; 1 a step failed; 2 wrong usage.\n\n"
      "  keelwatch probe pg-rw.tail1234.ts.net:5432 --role rw --tls-name pg-rw \\\n"
      "    --sslrootcert ca.crt --password-file probe.pw\n");
}

void add_what_if(CLI::App& app, Parsed& parsed) {
  WhatIfOptions& what_if = parsed.what_if;
  what_if.look.places_only = true;
  what_if.look.timeout = std::chrono::seconds(30);
  CLI::App* command = app.add_subcommand(
      "what-if", "print what dies and what survives when nodes, zones or hosts are lost");
  command->add_option("--lose", what_if.nodes, "NODE[,NODE]: names of Kubernetes nodes")
      ->delimiter(',');
  command->add_option("--lose-zone", what_if.zones, "ZONE[,ZONE]: by the nodes' labels")
      ->delimiter(',');
  command
      ->add_option("--lose-host", what_if.hosts, "HOST[,HOST]: of placement.hosts, with its nodes")
      ->delimiter(',');
  command->add_option("--cluster", what_if.cluster, "only this one: NAMESPACE/NAME, or NAME");
  command->add_option("--server", what_if.server,
                      "address of a running keelwatch; without it the command looks by itself");
  command->add_flag("--json", parsed.json);
  add_look(*command, what_if.look, parsed, "30s");
  command->footer(
      "\nNothing is counted on to come back by itself but a failover.\n"
      "Exit codes: 0 the data of every database survives and it can be written to, if need be "
      "after a\nfailover; 1 not so of one, or that is unknown, or nobody could be asked; 2 wrong "
      "usage, or there is\nno such node, zone, host or cluster.\n");
}

void add_subcommands(CLI::App& app, Parsed& parsed) {
  add_run_options(*app.add_subcommand("run", "watch and serve (the default)"), parsed);

  CLI::App* check = app.add_subcommand("check", "check files before they are used");
  check->require_subcommand(1);
  CLI::App* check_config = check->add_subcommand("config", "check a configuration file");
  check_config->add_option("FILE", parsed.check_file)->required();
  check_config->add_flag("--json", parsed.json, "problems as a JSON list");
  add_check_rules(*check, parsed);

  CLI::App* describe = app.add_subcommand("describe",
                                          "print what keelwatch exports, alerts on or "
                                          "can be told");
  describe->add_option("WHAT", parsed.describe_what, "metrics, rules or config")
      ->required()
      ->check(CLI::IsMember({"metrics", "rules", "config"}));
  describe->add_flag("--json", parsed.json);
  describe->add_flag("--markdown", parsed.markdown)->excludes("--json");

  CLI::App* explain = app.add_subcommand(
      "explain", "print the facts, ages and sources behind a sample, or why there is none");
  explain->add_option("SERIES", parsed.explain.series, "name, or name{label=\"value\"}")
      ->required();
  explain->add_option("--server", parsed.explain.server, "address of a running keelwatch")
      ->capture_default_str();
  explain->add_flag("--json", parsed.json);

  const CLI::Validator duration(
      [](const std::string& text) {
        const auto parsed_duration = parse_duration(text);
        return parsed_duration ? std::string() : parsed_duration.error().message();
      },
      "DURATION");
  add_query(app, parsed);
  add_test(app, parsed);
  add_backups(app, parsed);
  add_restore_plan(app, parsed);
  add_notify(app, parsed);
  add_probe(app, parsed);
  add_what_if(app, parsed);

  CLI::App* record = app.add_subcommand("record", "write what the sources say to a tape");
  record->add_option("--config.file", parsed.record.config_file);
  record->add_option("--out", parsed.record.out, "file; stdout if not given");
  record->add_option("--duration", parsed.record_duration, "stop after this time (30s, 5m)")
      ->check(duration);
  add_log_options(*record, parsed.log);

  CLI::App* replay = app.add_subcommand("replay", "print the timeline that a tape gives");
  replay->add_option("TAPE", parsed.replay.tape)->required();
  replay->add_option("--config.file", parsed.replay.config_file);
  replay->add_flag("--json", parsed.json, "changes as a JSON list");
}

// "-up", which is no option but may be meant as an expression.
bool has_dashed_word(int argc, const char* const* argv) {
  return std::any_of(argv, argv + argc, [](std::string_view word) {
    return word.size() > 1 && word[0] == '-' && word[1] != '-';
  });
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  CLI::App app(kAbout, "keelwatch");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("keelwatch ") + std::string(kVersion) +
                                        " (revision " + std::string(kRevision) + ")");
  Parsed parsed;
  add_run_options(app, parsed);
  add_subcommands(app, parsed);
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const bool help = app.exit(e) == 0;
    if (!help && app.got_subcommand("query") && has_dashed_word(argc, argv)) {
      print_stderr("An expression that begins with - goes after --: keelwatch query -- '-up'\n");
    }
    if (!help) return 2;
    if (std::cout.flush()) return 0;
    print_error(Error(ErrorCode::kUnavailable, "cannot write to stdout"));
    return 1;
  }
  return dispatch(app, parsed);
}

}  // namespace keelwatch::app
