// What an evaluation of rules costs, once their selectors are resolved. Every evaluation is at a
// new time and follows a fresh append to every series; the append is not counted.
//   bundled  the bundled rules on 1,500 series of what they select
//   many     1,000 rules, each selecting at least 500 of 10,000 series; few alerts
//   firing   one rule with 500 firing alerts, templates expanded
//   rules_bench [--json] [--smoke]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "promql/parser.h"
#include "rules/group.h"
#include "rules/rule_file.h"
#include "rules/selection.h"
#include "store/store.h"
#include "tests/bench/common/figure.h"

namespace keelwatch::bench {
namespace {

using rules::Group;

constexpr std::int64_t kStart = 1'700'000'000'000;

class Setting {
 public:
  explicit Setting(std::vector<rules::RuleGroup> groups) {
    for (const rules::RuleGroup& group : groups) {
      groups_.push_back(std::make_unique<Group>(group, settings_));
    }
  }

  void add(const Labels& labels, double value) {
    const Result<store::SeriesId> id = store_.series(labels);
    if (!id) std::abort();
    series_.emplace_back(*id, value);
  }

  // Milliseconds of each evaluation.
  std::vector<double> run(int times) {
    rules::StoreOutput output(store_);
    std::vector<double> out;
    for (int i = 0; i < times; ++i) {
      const std::int64_t at = kStart + i * 15'000;
      for (const auto& [id, value] : series_) store_.append(id, at, value);
      store_.end_step(at);
      rules::Evaluation evaluation{
          .store = store_,
          .now = {from_unix_millis(at), SteadyTime(std::chrono::seconds(i * 15))},
          .settings = settings_,
          .output = &output,
          .evidence_since = SteadyTime{}};
      std::vector<rules::Transition> transitions;
      const auto begin = std::chrono::steady_clock::now();
      for (const auto& group : groups_) group->evaluate(evaluation, transitions);
      out.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
              .count());
    }
    return out;
  }

  [[nodiscard]] std::size_t series() const { return series_.size(); }
  [[nodiscard]] std::size_t rules() const {
    std::size_t count = 0;
    for (const auto& group : groups_) count += group->rules().size();
    return count;
  }
  [[nodiscard]] const std::vector<std::unique_ptr<Group>>& groups() const { return groups_; }

 private:
  rules::Settings settings_;
  store::Store store_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<std::pair<store::SeriesId, double>> series_;
};

std::vector<rules::RuleGroup> parse(const std::string& text) {
  Diagnostics problems(SourceFile("bench.yaml", text));
  std::optional<rules::RuleFile> file = rules::parse_rule_file(problems);
  if (!file) {
    std::fputs(problems.text().c_str(), stderr);
    std::exit(1);
  }
  return file->groups;
}

// Series of every metric that the bundled rules name, `count` in all.
std::unique_ptr<Setting> bundled(std::size_t count) {
  const rules::LoadedRules loaded =
      rules::load_rule_files(rules::expand_globs({KEELWATCH_SOURCE_DIR "/rules/*.yaml"}));
  std::vector<rules::RuleGroup> groups;
  std::vector<std::string> names;
  for (const rules::RuleFile& file : loaded.files) {
    for (const rules::RuleGroup& group : file.groups) {
      groups.push_back(group);
      for (const rules::Rule& rule : group.rules) {
        for (const auto& use : rules::selectors_of(*promql::parse_expression(rule.expr).expr)) {
          if (!use.metric_name.empty()) names.push_back(use.metric_name);
        }
      }
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  auto setting = std::make_unique<Setting>(std::move(groups));
  for (std::size_t i = 0; i < count; ++i) {
    const std::string cluster = fmt::format("c{}", i / names.size() % 3);
    const std::string pod = fmt::format("pg-{}", i / names.size());
    setting->add(Labels{{"__name__", names[i % names.size()]},
                        {"namespace", "db"},
                        {"cluster", cluster},
                        {"pod", pod}},
                 0.5);
  }
  return setting;
}

std::unique_ptr<Setting> many() {
  std::string text = "groups:\n";
  for (int g = 0; g < 20; ++g) {
    text += fmt::format("  - name: g{}\n    rules:\n", g);
    for (int r = 0; r < 50; ++r) {
      text += fmt::format(
          "      - alert: A{}\n        expr: {}\n        for: 1m\n"
          "        annotations: {{summary: '{{{{ $labels.pod }}}} {{{{ $value }}}}'}}\n",
          g * 50 + r,
          r % 2 == 0 ? fmt::format("m{} > 1000000", g)
                     : fmt::format("max by (pod) (m{}) > {}", g, 495 + r / 30));
    }
  }
  auto setting = std::make_unique<Setting>(parse(text));
  for (int i = 0; i < 10'000; ++i) {
    setting->add(Labels{{"__name__", fmt::format("m{}", i / 500)},
                        {"pod", fmt::format("pod-{}", i % 500)},
                        {"namespace", "db"}},
                 i % 500);
  }
  return setting;
}

std::unique_ptr<Setting> firing() {
  auto setting = std::make_unique<Setting>(parse(
      "groups: [{name: g, rules: [{alert: A, expr: m > 0, labels: {severity: page}, annotations: "
      "{summary: '{{ $labels.pod }} has {{ $value | humanize }}'}}]}]\n"));
  for (int i = 0; i < 500; ++i) {
    setting->add(Labels{{"__name__", "m"}, {"pod", fmt::format("pod-{}", i)}}, i + 1);
  }
  return setting;
}

Figure measure(const std::unique_ptr<Setting>& setting, std::string_view what, double target,
               bool smoke) {
  const int warm = 5;
  std::vector<double> times = setting->run(smoke ? warm + 2 : warm + 100);
  times.erase(times.begin(), times.begin() + warm);
  for (const auto& group : setting->groups()) {
    for (const Group::AnyRule& rule : group->rules()) {
      std::visit(
          [](const auto& any) {
            if (any.health() == rules::Health::kOk) return;
            std::fprintf(stderr, "%s: %s\n", any.rule().name.c_str(),
                         any.log().newest()->error.c_str());
            std::exit(1);
          },
          rule);
    }
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return {fmt::format("{}: {} rules on {} series", what, setting->rules(), setting->series()),
          "ms",
          times[times.size() / 2],
          std::nullopt,
          {},
          target,
          "median"};
}

}  // namespace
}  // namespace keelwatch::bench

int main(int argc, char** argv) {
  using namespace keelwatch::bench;
  bool json = false;
  bool smoke = false;
  for (int i = 1; i < argc; ++i) {
    json = json || std::string_view(argv[i]) == "--json";
    smoke = smoke || std::string_view(argv[i]) == "--smoke";
  }
  const Figures figures = {measure(bundled(1500), "bundled rules", 0.2, smoke),
                           measure(many(), "many rules", 50, smoke),
                           measure(firing(), "500 firing alerts", 5, smoke)};
  if (json) {
    print_json(figures);
    return 0;
  }
  for (const Figure& figure : figures) {
    std::printf("%-50s %8.3f ms  target %.1f\n", figure.what.c_str(), figure.ours, *figure.target);
  }
  return 0;
}
