#include "app/alerts_view.h"

#include <variant>

namespace keelwatch::app {
namespace {

std::vector<std::pair<std::string, std::string>> texts_of(
    const std::vector<rules::TemplatedText>& texts) {
  std::vector<std::pair<std::string, std::string>> pairs;
  pairs.reserve(texts.size());
  for (const rules::TemplatedText& text : texts) pairs.emplace_back(text.name, text.text.text());
  return pairs;
}

template <typename Rule>
RuleView view_of(const Rule& rule) {
  const rules::Rule& written = rule.rule();
  RuleView view;
  view.alerting = written.kind == rules::Rule::Kind::kAlerting;
  view.name = written.name;
  view.expr = written.expr;
  view.labels = texts_of(written.labels);
  view.annotations = texts_of(written.annotations);
  view.hold = written.hold;
  view.keep_firing_for = written.keep_firing_for;
  view.health = rule.health();
  view.evaluations = rule.log().shared();
  if constexpr (requires { rule.alerts(); }) {
    view.state = rule.state();
    view.alerts = rule.alerts();
    std::erase_if(view.alerts, [](const rules::Alert& alert) {
      return alert.state == rules::AlertState::kInactive;
    });
  }
  return view;
}

}  // namespace

std::vector<GroupView> view_of(const rules::RuleSet& rules) {
  std::vector<GroupView> groups;
  for (const auto& group : rules.groups()) {
    GroupView& view = groups.emplace_back();
    view.name = group->name();
    view.file = group->file();
    view.interval = group->interval();
    view.query_offset = group->query_offset();
    view.limit = group->limit();
    view.last_evaluation = group->stats().last_evaluation;
    view.last_duration = group->stats().last_duration;
    for (const rules::Group::AnyRule& any : group->rules()) {
      view.rules.push_back(std::visit([](const auto& rule) { return view_of(rule); }, any));
    }
  }
  return groups;
}

}  // namespace keelwatch::app
