#include "rules/unit_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/time_text.h"
#include "promql/engine.h"
#include "promql/printer.h"
#include "rules/group.h"
#include "rules/rule_file.h"
#include "rules/template_regex.h"
#include "rules/template_value.h"
#include "rules/unit_test_file.h"
#include "store/store.h"

namespace keelwatch::rules {
namespace {

constexpr std::size_t kMaxEvaluations = 2'000'000;

using Strings = std::vector<std::string>;

std::string labels_text(const TextMap& labels) {
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    if (out.size() > 1) out += ", ";
    out += name + "=" + promql::quote(value);
  }
  return out + "}";
}

std::string indented(const std::string& text, std::string_view indent) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += indent;
  }
  return out;
}

std::string alerts_text(const std::vector<ExpectedAlert>& alerts) {
  if (alerts.empty()) return "[]";
  std::string out = "[\n";
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    const std::string alert = "\nLabels:" + labels_text(alerts[i].labels) +
                              "\nAnnotations:" + labels_text(alerts[i].annotations);
    out += fmt::format("{}{}:{}", i > 0 ? ",\n" : "", i, indented(alert, "  "));
  }
  return out + "\n]";
}

// "-" is missing, "+" was not expected.
void diff_map(std::string_view what, const TextMap& expected, const TextMap& got,
              std::string& out) {
  for (const auto& [name, value] : expected) {
    const auto other = got.find(name);
    if (other != got.end() && other->second == value) continue;
    out += fmt::format("\n          - {} {}={}", what, name, promql::quote(value));
    if (other != got.end()) {
      out += fmt::format("\n          + {} {}={}", what, name, promql::quote(other->second));
    }
  }
  for (const auto& [name, value] : got) {
    if (!expected.contains(name)) {
      out += fmt::format("\n          + {} {}={}", what, name, promql::quote(value));
    }
  }
}

std::string diff_text(const std::vector<ExpectedAlert>& expected,
                      const std::vector<ExpectedAlert>& got) {
  std::string out;
  for (std::size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    const ExpectedAlert none;
    const ExpectedAlert& a = i < expected.size() ? expected[i] : none;
    const ExpectedAlert& b = i < got.size() ? got[i] : none;
    if (a.labels == b.labels && a.annotations == b.annotations) continue;
    out += fmt::format("\n        alert {}{}:", i,
                       i >= expected.size() ? " (not expected)"
                       : i >= got.size()    ? " (missing)"
                                            : "");
    diff_map("label", a.labels, b.labels, out);
    diff_map("annotation", a.annotations, b.annotations, out);
  }
  return out;
}

// strconv.FormatFloat(v, 'E', -1, 64)
std::string exponent_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string out(buffer, end.ptr);
  out[out.find('e')] = 'E';
  return out;
}

std::string series_text(const Labels& labels) {
  TextMap map;
  std::string name;
  for (const LabelView label : labels) {
    if (label.name == kMetricName) {
      name = label.value;
    } else {
      map.emplace(label.name, label.value);
    }
  }
  return map.empty() && !name.empty() ? name : name + labels_text(map);
}

std::string samples_text(const std::vector<ExpectedSample>& samples) {
  std::string out;
  for (const ExpectedSample& sample : samples) {
    if (!out.empty()) out += ", ";
    out += series_text(sample.labels) + " " + exponent_text(sample.value);
  }
  return samples.empty() ? "nil" : out;
}

bool same_number(double a, double b, bool fuzzy) {
  if (a == b) return true;
  return fuzzy && (std::nextafter(a, -INFINITY) == b || std::nextafter(a, INFINITY) == b);
}

// One test of a file.
class Runner {
 public:
  Runner(const UnitTestFile& file, const UnitTest& test, const UnitTestOptions& options,
         Strings& failures)
      : file_(file),
        test_(test),
        options_(options),
        failures_(failures),
        store_({.retention = Duration::max(),
                .memory_budget = std::size_t{1} << 30,
                .max_series = 200'000}) {
    settings_.semantics = Semantics::kPrometheus;
    std::vector<LabelView> external;
    for (const auto& [name, value] : test.external_labels) external.push_back({name, value});
    settings_.external_labels = Labels(std::move(external));
    settings_.external_url = test.external_url;
    settings_.promql.subquery_step_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(file.evaluation_interval).count();
  }

  void run(const std::vector<RuleFile>& rule_files) {
    add_groups(rule_files);
    if (!add_series()) return;
    const Duration length = test_.length();
    if (static_cast<std::size_t>(length / file_.evaluation_interval) > kMaxEvaluations) {
      return fail(fmt::format("    more than {} evaluations", kMaxEvaluations));
    }
    std::vector<const AlertTest*> tests;
    for (const AlertTest& test : test_.alerts) tests.push_back(&test);
    std::stable_sort(tests.begin(), tests.end(),
                     [](const AlertTest* a, const AlertTest* b) { return a->at < b->at; });
    auto next = tests.begin();
    for (Duration at{}; at <= length; at += file_.evaluation_interval) {
      append_until(at);
      if (!evaluate(at)) return;
      for (; next != tests.end() && (*next)->at < at + file_.evaluation_interval; ++next) {
        check(**next);
      }
    }
    for (const ExprTest& test : test_.exprs) check(test);
  }

 private:
  struct Input {
    store::SeriesId id = 0;
    const promql::ScriptSeries* series = nullptr;
    std::size_t next = 0;
  };

  void fail(std::string text) { failures_.push_back(std::move(text)); }

  void add_groups(const std::vector<RuleFile>& rule_files) {
    for (const RuleFile& rule_file : rule_files) {
      for (const RuleGroup& group : rule_file.groups) {
        groups_.push_back(std::make_unique<Group>(group, settings_));
      }
    }
    const auto place = [&](const std::unique_ptr<Group>& group) {
      const auto& order = file_.group_eval_order;
      const auto found = std::find(order.begin(), order.end(), group->name());
      return found == order.end() ? 0 : found - order.begin();
    };
    std::stable_sort(groups_.begin(), groups_.end(),
                     [&](const auto& a, const auto& b) { return place(a) < place(b); });
  }

  bool add_series() {
    for (auto it = test_.series.begin(); it != test_.series.end(); ++it) {
      // Of a series that is given twice the last one counts.
      const auto again = [&](const auto& other) { return other.labels == it->labels; };
      if (std::any_of(it + 1, test_.series.end(), again)) continue;
      for (const promql::ScriptPoint& point : it->points) {
        if (point.kind == promql::ScriptPoint::Kind::kHistogram) {
          fail(fmt::format("    series {}: native histograms are not supported",
                           series_text(it->labels)));
          return false;
        }
      }
      const Result<store::SeriesId> id = store_.series(it->labels);
      if (!id) {
        fail("    " + id.error().message());
        return false;
      }
      inputs_.push_back({*id, &*it, 0});
    }
    return true;
  }

  [[nodiscard]] std::int64_t time_of(Duration at) const { return to_unix_millis(test_.start + at); }

  void append_until(Duration at) {
    bool fresh = false;
    for (Input& input : inputs_) {
      const auto& points = input.series->points;
      const std::size_t first = input.next;
      while (input.next < points.size() &&
             test_.interval * static_cast<std::int64_t>(input.next) <= at) {
        const promql::ScriptPoint& point = points[input.next];
        const std::int64_t time = time_of(test_.interval * static_cast<std::int64_t>(input.next));
        if (point.kind == promql::ScriptPoint::Kind::kValue) {
          // Forgotten if it had no sample until now.
          if (store_.append(input.id, time, point.value) == store::AppendOutcome::kGone) {
            const Result<store::SeriesId> id = store_.series(input.series->labels);
            if (id) {
              input.id = *id;
              store_.append(*id, time, point.value);
            }
          }
        }
        ++input.next;
      }
      fresh = fresh || input.next != first;
    }
    if (fresh) store_.end_step(time_of(at));
  }

  bool evaluate(Duration at) {
    StoreOutput output(store_);
    // Both clocks go together here.
    Evaluation evaluation{.store = store_,
                          .now = {test_.start + at, SteadyTime{} + at},
                          .settings = settings_,
                          .output = &output};
    const std::size_t before = failures_.size();
    for (const auto& group : groups_) {
      std::vector<Transition> transitions;
      group->evaluate(evaluation, transitions);
      store_.end_step(time_of(at));
      for (const Group::AnyRule& rule : group->rules()) {
        std::visit(
            [&](const auto& any) {
              const EvaluationRecord* newest = any.log().newest();
              if (newest == nullptr || newest->error.empty()) return;
              fail(fmt::format("    rule: {}, time: {}, err: {}", any.rule().name,
                               go_duration({at.count()}), newest->error));
            },
            rule);
      }
    }
    return failures_.size() == before;
  }

  void check(const AlertTest& test) {
    std::vector<ExpectedAlert> got;
    for (const auto& group : groups_) {
      for (const Group::AnyRule& rule : group->rules()) {
        const auto* alerting = std::get_if<AlertingRule>(&rule);
        if (alerting == nullptr || alerting->rule().name != test.alert) continue;
        for (const Alert& alert : alerting->alerts()) {
          if (alert.state != AlertState::kFiring) continue;
          ExpectedAlert shown;
          for (const LabelView label : alert.labels) shown.labels.emplace(label.name, label.value);
          shown.annotations.insert(alert.annotations.begin(), alert.annotations.end());
          got.push_back(std::move(shown));
        }
      }
    }
    std::vector<ExpectedAlert> expected = test.expected;
    const auto order = [](const ExpectedAlert& a, const ExpectedAlert& b) {
      return std::tie(a.labels, a.annotations) < std::tie(b.labels, b.annotations);
    };
    const auto same = [](const ExpectedAlert& a, const ExpectedAlert& b) {
      return a.labels == b.labels && a.annotations == b.annotations;
    };
    std::sort(got.begin(), got.end(), order);
    std::sort(expected.begin(), expected.end(), order);
    if (std::equal(got.begin(), got.end(), expected.begin(), expected.end(), same)) return;
    std::string text =
        test_.name.empty() ? std::string() : fmt::format("    name: {},\n", test_.name);
    text += fmt::format("    alertname: {}, time: {}, ", test.alert, format_duration(test.at));
    if (options_.diff) {
      text += "\n        diff:" + diff_text(expected, got);
    } else {
      text += "\n        exp:" + indented(alerts_text(expected), "            ") +
              ", \n        got:" + indented(alerts_text(got), "            ");
    }
    fail(std::move(text));
  }

  void check(const ExprTest& test) {
    const std::string place =
        fmt::format("    expr: {}, time: {},", promql::quote(test.expr), format_duration(test.at));
    Result<promql::Query> query = promql::Query::compile(test.expr, settings_.promql);
    Result<promql::Answer> answer =
        query ? query->instant(store_, time_of(test.at)) : Result<promql::Answer>(query.error());
    if (answer && answer->type == promql::ValueType::kScalar) {
      answer->vector = {{std::make_shared<const Labels>(), 0, answer->scalar}};
    } else if (answer && answer->type != promql::ValueType::kVector) {
      answer = Error(ErrorCode::kInvalid, "rule result is not a vector or scalar");
    }
    if (!answer) {
      const std::string& message = answer.error().message();
      return fail(fmt::format("{} err: {}", place, message.substr(0, message.find('\n'))));
    }
    std::vector<ExpectedSample> got;
    for (const promql::VectorSample& sample : answer->vector) {
      got.push_back({*sample.labels, sample.value});
    }
    std::vector<ExpectedSample> expected = test.expected;
    const auto order = [](const ExpectedSample& a, const ExpectedSample& b) {
      return a.labels < b.labels;
    };
    std::stable_sort(got.begin(), got.end(), order);
    std::stable_sort(expected.begin(), expected.end(), order);
    const auto same = [&](const ExpectedSample& a, const ExpectedSample& b) {
      return a.labels == b.labels && same_number(a.value, b.value, file_.fuzzy_compare);
    };
    if (std::equal(got.begin(), got.end(), expected.begin(), expected.end(), same)) return;
    fail(fmt::format("{}\n        exp: {}\n        got: {}", place, samples_text(expected),
                     samples_text(got)));
  }

  const UnitTestFile& file_;
  const UnitTest& test_;
  const UnitTestOptions& options_;
  Strings& failures_;
  Settings settings_;
  store::Store store_;
  std::vector<Input> inputs_;
  std::vector<std::unique_ptr<Group>> groups_;
};

Strings lines_of(const std::string& text) {
  Strings lines;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back("    " + text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::string joined(const Strings& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

void run_file(UnitTestReport& report, const UnitTestOptions& options,
              const std::optional<TemplateRegex>& only) {
  const Result<std::string> text = read_file(report.file, kMaxRuleFile);
  if (!text) {
    report.failures.push_back("    " + text.error().message());
    return;
  }
  Diagnostics problems(SourceFile(report.file, *text));
  const std::optional<UnitTestFile> file = parse_unit_tests(problems, options.ignore_unknown);
  if (!file) {
    report.failures.push_back(joined(lines_of(problems.text())));
    return;
  }
  Strings paths;
  for (const std::string& pattern : file->rule_files) {
    Strings found = expand_globs({pattern});
    const Result<std::string> readable = read_file(pattern, 0);
    const bool none = found.size() == 1 && found[0] == pattern && !readable &&
                      readable.error().code() == ErrorCode::kNotFound;
    if (none) {
      report.warnings.push_back("no file match pattern " + pattern);
      continue;
    }
    paths.insert(paths.end(), found.begin(), found.end());
  }
  const LoadedRules rules = load_rule_files(paths, {.ignore_unknown = options.ignore_unknown});
  if (rules.errors > 0) {
    report.failures.push_back(joined(lines_of(rules.problems)));
    return;
  }
  for (const UnitTest& test : file->tests) {
    if (only && !only->found_in(test.name)) continue;
    ++report.tests;
    Runner(*file, test, options, report.failures).run(rules.files);
  }
}

}  // namespace

std::string UnitTestReport::text() const {
  std::string out = fmt::format("Unit Testing:  {}\n", file);
  for (const std::string& warning : warnings) out += "  WARNING: " + warning + "\n";
  if (good()) return out + "  SUCCESS\n\n";
  out += "  FAILED:\n";
  for (const std::string& failure : failures) out += failure + "\n";
  return out + "\n";
}

Result<std::vector<UnitTestReport>> run_unit_tests(const std::vector<std::string>& files,
                                                   const UnitTestOptions& options) {
  std::optional<TemplateRegex> only;
  if (!options.run.empty()) {
    Result<TemplateRegex> compiled = TemplateRegex::compile(options.run);
    if (!compiled) return compiled.error();
    only = *std::move(compiled);
  }
  std::vector<UnitTestReport> reports;
  for (const std::string& file : files) {
    reports.push_back({file, {}, {}, 0});
    run_file(reports.back(), options, only);
  }
  return reports;
}

}  // namespace keelwatch::rules
